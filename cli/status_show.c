/* The screen of `barque status`: four short tables, the last of which lists only what is off. */
#include "cli/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/apps.h"
#include "api/meta.h"
#include "api/quantity.h"
#include "cli/columns.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static void print(struct status *s, struct table *t)
{
    table_print(t, &s->cli.style, &s->cli.out);
    table_fini(t);
}

static void titles(struct table *t, const char *const *names, size_t n)
{
    table_init(t, n);
    for (size_t i = 0; i < n; i++) {
        table_add(t, names[i], TONE_PLAIN);
    }
}

/* --- members ---------------------------------------------------------------------------------- */

static const char *role_of(const struct status_member *m)
{
    if (m->answer.learner || m->learner) {
        return "learner";
    }
    return m->answer.leader_id == m->answer.member_id && m->answer.leader_id != 0 ? "leader"
                                                                                 : "follower";
}

/* "http://127.0.0.1:2379" -> "127.0.0.1:2379". */
static const char *address(const char *endpoint)
{
    const char *rest = strstr(endpoint, "://");

    return rest != NULL ? rest + 3 : endpoint;
}

static void member_row(const struct status_member *m, uint64_t newest, struct table *t)
{
    const struct client_status *a = &m->answer;
    autobuf size = BUF_INIT;

    table_add(t, m->name, TONE_PLAIN);
    table_add(t, address(m->endpoint), TONE_PLAIN);
    if (!m->answered) {
        table_add(t, "unreachable", TONE_BAD);
        for (int i = 0; i < 6; i++) {
            table_add(t, "-", TONE_DIM);
        }
        return;
    }
    uint64_t lag = newest > a->applied_index ? newest - a->applied_index : 0;
    table_add(t, a->leader_id == 0 ? "no leader" : role_of(m),
              a->leader_id == 0 ? TONE_BAD : TONE_GOOD);
    table_addf(t, TONE_PLAIN, "%" PRIu64, a->raft_term);
    table_addf(t, TONE_PLAIN, "%" PRIu64, a->applied_index);
    table_addf(t, lag > 1000 ? TONE_WARN : TONE_PLAIN, "%" PRIu64, lag);
    table_addf(t, TONE_PLAIN, "%" PRId64, a->revision);
    quantity_print_bytes(a->db_size - a->db_size % 1024, &size);
    table_add(t, size.len != 0 ? buf_str(&size) : "0", TONE_PLAIN);
    table_add(t, a->version, TONE_PLAIN);
}

bool status_without_quorum(struct status *s)
{
    autobuf absent = BUF_INIT;
    size_t voters = 0, silent = 0;
    int64_t revision = 0;

    for (size_t i = 0; i < s->n_members; i++) {
        const struct status_member *m = &s->members[i];

        voters += !m->learner;
        if (m->answered && m->answer.revision > revision) {
            revision = m->answer.revision;
        }
        if (!m->answered && !m->learner) {
            buf_printf(&absent, "%s%s", silent++ != 0 ? ", " : "", m->name);
        }
    }
    if (voters == 0 || silent * 2 < voters) {
        return false;
    }
    s->no_quorum = true;
    snprintf(s->problem, sizeof s->problem,
             "%zu of %zu members do not answer (%.300s); the others stand at revision %" PRId64,
             silent, voters, buf_str(&absent), revision);
    return true;
}

/* How many members do not answer. */
static size_t put_members(struct status *s)
{
    static const char *const names[] = { "MEMBER", "ADDRESS", "ROLE", "TERM", "INDEX", "LAG",
                                         "REVISION", "SIZE", "VERSION" };
    struct table t;
    uint64_t newest = 0;
    size_t off = 0;

    for (size_t i = 0; i < s->n_members; i++) {
        const struct status_member *m = &s->members[i];

        off += !m->answered;
        if (m->answered && m->answer.applied_index > newest) {
            newest = m->answer.applied_index;
        }
    }
    titles(&t, names, ARRAY_LEN(names));
    for (size_t i = 0; i < s->n_members; i++) {
        member_row(&s->members[i], newest, &t);
    }
    print(s, &t);
    return off;
}

/* --- leaders ---------------------------------------------------------------------------------- */

static void put_leaders(struct status *s)
{
    static const char *const names[] = { "ELECTION", "LEADER", "STANDBYS" };
    struct table t;

    if (s->n_leaders == 0) {
        return;
    }
    buf_append_char(&s->cli.out, '\n');
    titles(&t, names, ARRAY_LEN(names));
    for (size_t i = 0; i < s->n_leaders; i++) {
        table_add(&t, s->leaders[i].election, TONE_PLAIN);
        table_add(&t, s->leaders[i].identity, TONE_GOOD);
        table_addf(&t, TONE_PLAIN, "%zu", s->leaders[i].candidates - 1);
    }
    print(s, &t);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static size_t pods_on(const struct status *s, const char *node)
{
    size_t n = 0;

    for (size_t i = 0; i < s->objects[STATUS_PODS].n; i++) {
        const struct pod *p = object_pod(s->objects[STATUS_PODS].items[i]);

        n += !pod_is_terminal(p) && str_eq(p->spec.node_name, node);
    }
    return n;
}

static size_t put_nodes(struct status *s)
{
    static const char *const names[] = { "NODE", "STATUS", "PODS", "CPU", "MEMORY" };
    const struct status_objects *nodes = &s->objects[STATUS_NODES];
    struct table t;
    size_t off = 0;

    buf_append_char(&s->cli.out, '\n');
    if (nodes->n == 0) {
        buf_append_str(&s->cli.out, "No nodes (`barque agent` starts one).\n");
        return 0;
    }
    titles(&t, names, ARRAY_LEN(names));
    for (size_t i = 0; i < nodes->n; i++) {
        const struct node *n = object_node(nodes->items[i]);
        const char *name = n->object.metadata.name, *text = node_status_text(n);
        const char *limit = string_map_get(&n->status.allocatable, "pods");
        const char *cpu = string_map_get(&n->status.allocatable, "cpu");
        const char *memory = string_map_get(&n->status.allocatable, "memory");

        off += !condition_is_true(&n->status.conditions, "Ready");
        table_add(&t, name, TONE_PLAIN);
        table_add(&t, text, text[0] == 'N' ? TONE_BAD : str_eq(text, "Ready") ? TONE_GOOD
                                                                             : TONE_WARN);
        table_addf(&t, TONE_PLAIN, "%zu/%s", pods_on(s, name), limit != NULL ? limit : "?");
        table_add(&t, cpu != NULL ? cpu : "?", TONE_PLAIN);
        table_add(&t, memory != NULL ? memory : "?", TONE_PLAIN);
    }
    print(s, &t);
    return off;
}

/* --- workloads off target --------------------------------------------------------------------- */

static bool on_target(const struct deployment *d)
{
    return d->status.observed_generation >= d->object.metadata.generation &&
           d->status.available_replicas >= d->spec.replicas &&
           d->status.updated_replicas >= d->spec.replicas &&
           d->status.replicas == d->status.updated_replicas;
}

static size_t put_workloads(struct status *s)
{
    static const char *const names[] = { "OFF TARGET", "WANTED", "NEW", "AVAILABLE", "NEXT" };
    const struct status_objects *list = &s->objects[STATUS_DEPLOYMENTS];
    struct table t;
    size_t off = 0;

    titles(&t, names, ARRAY_LEN(names));
    for (size_t i = 0; i < list->n; i++) {
        const struct deployment *d = object_deployment(list->items[i]);
        const struct object_meta *m = &d->object.metadata;

        if (on_target(d)) {
            continue;
        }
        off++;
        table_addf(&t, TONE_WARN, "%s/deployment/%s", m->namespace_, m->name);
        table_addf(&t, TONE_PLAIN, "%d", (int)d->spec.replicas);
        table_addf(&t, TONE_PLAIN, "%d", (int)d->status.updated_replicas);
        table_addf(&t, TONE_PLAIN, "%d", (int)d->status.available_replicas);
        table_addf(&t, TONE_DIM, "barque why deploy/%s -n %s", m->name, m->namespace_);
    }
    buf_append_char(&s->cli.out, '\n');
    if (off != 0) {
        print(s, &t);
    } else {
        table_fini(&t);
        buf_printf(&s->cli.out, "%zu deployment%s, all on target; %zu pod%s.\n", list->n,
                   list->n == 1 ? "" : "s", s->objects[STATUS_PODS].n,
                   s->objects[STATUS_PODS].n == 1 ? "" : "s");
    }
    return off;
}

void status_show(struct status *s)
{
    size_t off = put_members(s);

    if (s->refused.code != 0) {
        cli_fail_call(&s->cli, s->refused.code, &s->refused);
        return;
    }
    if (s->no_quorum) {
        cli_fail(&s->cli, CLI_UNREACHABLE,
                 "start the others (more than half must run); stale reads go on: "
                 "barque kv get --serializable",
                 "no quorum: %s", s->problem);
        return;
    }
    put_leaders(s);
    off += put_nodes(s);
    off += put_workloads(s);
    cli_end(&s->cli, off != 0 ? CLI_FAILED : CLI_OK);
}
