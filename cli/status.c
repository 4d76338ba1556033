/* `barque status`: is it well? Members, elected leaders, nodes and workloads on one screen.
 *
 *     MEMBERS (or, without a quorum, the endpoints we know) --> the status of each, at once
 *       --> LEADERS --> nodes, pods, deployments --> the screen
 *
 * Without a quorum what can be asked is shown, then exit code 5: this is the command people type
 * when nothing else works. The other steps are left out then. */
#include "cli/cli.h"

#include <stdio.h>

#include "api/meta.h"
#include "cli/status.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque status: members, leaders, nodes and workloads on one screen\n"
    "\n"
    "Examples:\n"
    "  barque status --endpoints 127.0.0.1:12379,127.0.0.1:22379\n"
    "  barque status && echo well          exit code 1 when something is off, 5 without a quorum\n";

enum { MEMBER_MS = 2000, CALL_MS = 4000 };

static void ask_leaders(struct status *s);

/* --- members ---------------------------------------------------------------------------------- */

static void on_member(void *arg, int status, const struct client_status *answer,
                      const struct err *err)
{
    struct status_member *m = arg;
    struct status *s = m->status;

    m->answered = status == 0;
    if (m->answered) {
        m->answer = *answer;
    } else {
        str_copy(m->problem, sizeof m->problem, err != NULL ? err->msg : err_text(status));
    }
    if (--s->pending == 0 && !s->cli.ended) {
        ask_leaders(s);
    }
}

static void ask_members(struct status *s)
{
    s->pending = s->n_members;
    for (size_t i = 0; i < s->n_members; i++) {
        struct status_member *m = &s->members[i];

        if (m->endpoint[0] != 0) {
            client_status_of(s->cli.client, m->endpoint, MEMBER_MS, on_member, m);
            continue;
        }
        str_copy(m->problem, sizeof m->problem, "has not started yet");
        s->pending--;
    }
    if (s->pending == 0) {
        ask_leaders(s);
    }
}

static struct status_member *member_add(struct status *s, const char *name, const char *endpoint)
{
    struct status_member *m = &s->members[s->n_members++];

    m->status = s;
    str_copy(m->name, sizeof m->name, name);
    str_copy(m->endpoint, sizeof m->endpoint, endpoint);
    return m;
}

/* Who is not let in is told so; else nobody answers for all. */
static void failed(struct status *s, int status, const struct err *err)
{
    const char *text = err != NULL ? err->msg : err_text(status);

    if (cli_is_refusal(status)) {
        err_set(&s->refused, status, "%s", text);
        return;
    }
    s->no_quorum = true;
    str_copy(s->problem, sizeof s->problem, text);
}

/* Nobody can say who the members are: ask the endpoints that we were given. */
static void members_from_endpoints(struct status *s)
{
    autofree char *text = NULL;
    const char *items[LIMIT_ENDPOINTS];
    size_t n = 0;

    cli_endpoints_split(s->cli.endpoints, &text, items, &n, NULL);
    for (size_t i = 0; i < n; i++) {
        member_add(s, "?", items[i]);
    }
}

static void on_member_list(void *arg, int status, const struct client_member *members, size_t n,
                           const struct err *err)
{
    struct status *s = arg;

    if (s->cli.ended) {
        return;
    }
    if (status != 0) {
        failed(s, status, err);
        members_from_endpoints(s);
    }
    for (size_t i = 0; status == 0 && i < n && i < LIMIT_ENDPOINTS; i++) {
        member_add(s, members[i].name[0] != 0 ? members[i].name : "?", members[i].client_url)
            ->learner = members[i].learner;
    }
    ask_members(s);
}

/* --- leaders and objects ---------------------------------------------------------------------- */

static void on_objects(void *arg, struct objects_result *r);

static void ask_objects(struct status *s)
{
    static const struct kind *const wanted[] = { &kind_node, &kind_pod, &kind_deployment };

    if (s->at == ARRAY_LEN(wanted)) {
        status_show(s);
        return;
    }
    objects_list(s->cli.client, wanted[s->at], NULL, on_objects, s);
}

static void on_objects(void *arg, struct objects_result *r)
{
    struct status *s = arg;
    struct status_objects *to = &s->objects[s->at++];

    if (r->status != 0) {
        if (!s->cli.ended) {
            failed(s, r->status, r->err);
            status_show(s);
        }
        return;
    }
    to->items = mem_zalloc((r->n_items + 1) * sizeof *to->items);
    to->n = r->n_items;
    for (size_t i = 0; i < r->n_items; i++) {
        to->items[i] = TAKE(r->items[i]);
    }
    ask_objects(s);
}

/* Of each election the oldest candidate leads. */
static void on_leaders(void *arg, const struct client_result *r)
{
    static const size_t prefix_len = sizeof LEADERS_PREFIX - 1;
    struct status *s = arg;
    int64_t oldest[STATUS_LEADERS_MAX];

    if (r->status != 0) {
        if (!s->cli.ended) {
            failed(s, r->status, r->err);
            status_show(s);
        }
        return;
    }
    for (size_t i = 0; i < r->n_kvs; i++) {
        const char *name = (const char *)r->kvs[i].key.data + prefix_len;
        size_t rest = r->kvs[i].key.len - prefix_len, k = 0;
        const char *slash = memchr(name, '/', rest);
        char election[64];

        snprintf(election, sizeof election, "%.*s", (int)(slash != NULL ? slash - name : 0), name);
        while (k < s->n_leaders && !str_eq(s->leaders[k].election, election)) {
            k++;
        }
        if (slash == NULL || k == STATUS_LEADERS_MAX) {
            continue;
        }
        if (k == s->n_leaders) {
            s->n_leaders++;
            oldest[k] = INT64_MAX;
            s->leaders[k].candidates = 0;
            str_copy(s->leaders[k].election, sizeof s->leaders[k].election, election);
        }
        s->leaders[k].candidates++;
        if (r->kvs[i].create_revision < oldest[k]) {
            oldest[k] = r->kvs[i].create_revision;
            snprintf(s->leaders[k].identity, sizeof s->leaders[k].identity, "%.*s",
                     (int)r->kvs[i].value.len, (const char *)r->kvs[i].value.data);
        }
    }
    ask_objects(s);
}

static void ask_leaders(struct status *s)
{
    autobuf end = BUF_INIT;
    struct client_range range = { .key = slice_str(LEADERS_PREFIX) };

    if (s->refused.code != 0 || s->no_quorum || status_without_quorum(s)) {
        status_show(s);
        return;
    }
    client_prefix_end(range.key, &end);
    range.range_end = buf_slice(&end);
    client_get(s->cli.client, &range, on_leaders, s);
}

static void start(struct cli *cli)
{
    struct status *s = CLI_OF(cli, struct status);

    if (cli->n_args != 0) {
        cli_fail_usage(cli, "unexpected argument \"%s\"", cli->args[0]);
        return;
    }
    client_member_list(cli->client, on_member_list, s);
}

int verb_status(int argc, char **argv)
{
    autofree struct status *s = mem_zalloc(sizeof *s);
    const struct cli_spec spec = { .name = "status", .usage = usage, .start = start,
                                   .timeout_ms = CALL_MS };
    int code = cli_main(&s->cli, &spec, argc, argv);

    for (size_t k = 0; k < STATUS_KINDS; k++) {
        for (size_t i = 0; i < s->objects[k].n; i++) {
            object_free(s->objects[k].items[i]);
        }
        mem_free(s->objects[k].items);
    }
    return code;
}
