/* "Name:          web-1" in two columns, then the parts of the kind; from one table of kinds. */
#include "cli/describe_text.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/apps.h"
#include "api/meta.h"
#include "api/selector.h"
#include "cli/columns.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/base/timestamp.h"

enum { LABEL_WIDTH = 18 };

static void put(struct buf *out, int indent, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void put(struct buf *out, int indent, const char *label, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_printf(out, "%*s%-*s %s\n", indent, "", LABEL_WIDTH - indent, label,
               text[0] != 0 ? text : "<none>");
}

static const char *or_none(const char *s)
{
    return s != NULL && s[0] != 0 ? s : "<none>";
}

static void put_map(struct buf *out, int indent, const char *label, const struct string_map *m)
{
    if (m->n == 0) {
        put(out, indent, label, "<none>");
    }
    for (size_t i = 0; i < m->n; i++) {
        put(out, indent, i == 0 ? label : "", "%s=%.200s", m->items[i].key, m->items[i].value);
    }
}

static void put_head(const struct object *o, int64_t now_ms, struct buf *out)
{
    const struct object_meta *m = &o->metadata;
    const struct owner_reference *owner = object_controller_of(o);
    char age[24] = "unknown";
    int64_t born_ms;

    put(out, 0, "Name:", "%s", m->name);
    if (o->kind->namespaced) {
        put(out, 0, "Namespace:", "%s", or_none(m->namespace_));
    }
    put_map(out, 0, "Labels:", &m->labels);
    put_map(out, 0, "Annotations:", &m->annotations);
    if (m->creation_timestamp != NULL && clock_parse(m->creation_timestamp, &born_ms) == 0) {
        clock_format_age(now_ms > born_ms ? now_ms - born_ms : 0, age, sizeof age);
    }
    put(out, 0, "Created:", "%s (%s ago)", or_none(m->creation_timestamp), age);
    if (m->deletion_timestamp != NULL) {
        put(out, 0, "Terminating:", "since %s, grace period %llds", m->deletion_timestamp,
            (long long)m->deletion_grace_period_seconds);
    }
    if (owner != NULL) {
        put(out, 0, "Controlled By:", "%s/%s", owner->kind, owner->name);
    }
}

static void put_conditions(const struct condition_list *l, struct buf *out)
{
    static const struct table_style style = { 0 };
    struct table t;

    buf_append_str(out, "Conditions:\n");
    table_init(&t, 4);
    table_add(&t, "  TYPE", TONE_PLAIN);
    table_add(&t, "STATUS", TONE_PLAIN);
    table_add(&t, "REASON", TONE_PLAIN);
    table_add(&t, "MESSAGE", TONE_PLAIN);
    for (size_t i = 0; i < l->n; i++) {
        table_addf(&t, TONE_PLAIN, "  %s", or_none(l->items[i].type));
        table_add(&t, or_none(l->items[i].status), TONE_PLAIN);
        table_add(&t, l->items[i].reason, TONE_PLAIN);
        table_add(&t, l->items[i].message != NULL ? l->items[i].message : "", TONE_PLAIN);
    }
    table_print(&t, &style, out);
    table_fini(&t);
}

/* --- pods ------------------------------------------------------------------------------------- */

static void put_state(const char *label, const struct container_state *s, struct buf *out)
{
    if (s->running.set) {
        put(out, 4, label, "Running since %s", or_none(s->running.started_at));
    } else if (s->waiting.set) {
        put(out, 4, label, "Waiting: %s%s%s", or_none(s->waiting.reason),
            s->waiting.message != NULL ? ", " : "",
            s->waiting.message != NULL ? s->waiting.message : "");
    } else if (s->terminated.set) {
        put(out, 4, label, "Terminated: %s, exit code %d%s%s, at %s",
            or_none(s->terminated.reason), (int)s->terminated.exit_code,
            s->terminated.message != NULL ? ", " : "",
            s->terminated.message != NULL ? s->terminated.message : "",
            or_none(s->terminated.finished_at));
    }
}

/* Long shell texts are cut: the whole is in -o yaml. */
static void put_words(struct buf *out, const char *label, char *const *words, size_t n)
{
    autobuf text = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        autofree char *quoted = str_quote(slice_str(words[i]), 60);

        buf_printf(&text, "%s%s", i != 0 ? " " : "", quoted);
    }
    if (n != 0) {
        put(out, 4, label, "%s", buf_str(&text));
    }
}

static void put_container(const struct container *c, const struct container_status *s,
                          struct buf *out)
{
    buf_printf(out, "  %s:\n", c->name);
    if (c->image != NULL && c->image[0] != 0) {
        put(out, 4, "Image:", "%s", c->image);
    }
    put_words(out, "Command:", c->command, c->n_command);
    put_words(out, "Args:", c->args, c->n_args);
    for (size_t i = 0; i < c->n_ports; i++) {
        put(out, 4, i == 0 ? "Ports:" : "", "%d/%s", (int)c->ports[i].container_port,
            c->ports[i].protocol != NULL ? c->ports[i].protocol : "TCP");
    }
    if (c->resources.requests.n != 0) {
        put_map(out, 4, "Requests:", &c->resources.requests);
    }
    if (c->resources.limits.n != 0) {
        put_map(out, 4, "Limits:", &c->resources.limits);
    }
    if (s != NULL) {
        put_state("State:", &s->state, out);
        put_state("Last State:", &s->last_state, out);
        put(out, 4, "Ready:", "%s", s->ready ? "True" : "False");
        put(out, 4, "Restarts:", "%d", (int)s->restart_count);
    }
}

static const struct container_status *status_of(const struct pod *p, const char *name)
{
    for (size_t i = 0; p != NULL && i < p->status.n_container_statuses; i++) {
        if (str_eq(p->status.container_statuses[i].name, name)) {
            return &p->status.container_statuses[i];
        }
    }
    return NULL;
}

/* `p` NULL: a template. */
static void put_pod_spec(const struct pod_spec *spec, const struct pod *p, struct buf *out)
{
    buf_append_str(out, "Containers:\n");
    for (size_t i = 0; i < spec->n_containers; i++) {
        put_container(&spec->containers[i], status_of(p, spec->containers[i].name), out);
    }
    put_map(out, 0, "Node-Selectors:", &spec->node_selector);
    for (size_t i = 0; i < spec->n_tolerations; i++) {
        const struct toleration *t = &spec->tolerations[i];

        put(out, 0, i == 0 ? "Tolerations:" : "", "%s%s%s:%s", t->key != NULL ? t->key : "*",
            t->value != NULL ? "=" : "", t->value != NULL ? t->value : "",
            t->effect != NULL ? t->effect : "*");
    }
}

static void describe_pod(const struct object *o, struct buf *out)
{
    const struct pod *p = object_pod(o);
    char scratch[32];

    put(out, 0, "Node:", "%s", or_none(p->spec.node_name));
    put(out, 0, "Status:", "%s", pod_status_text(p, scratch, sizeof scratch));
    if (p->status.message != NULL && p->status.message[0] != 0) {
        put(out, 0, "Message:", "%s", p->status.message);
    }
    put(out, 0, "Start Time:", "%s", or_none(p->status.start_time));
    put(out, 0, "IP:", "%s", or_none(p->status.pod_ip));
    put(out, 0, "Restart Policy:", "%s", or_none(p->spec.restart_policy));
    put_pod_spec(&p->spec, p, out);
    put_conditions(&p->status.conditions, out);
}

/* --- deployments, replicasets, nodes ---------------------------------------------------------- */

static void put_selector(const struct label_selector *s, struct buf *out)
{
    autobuf text = BUF_INIT;

    label_selector_print(s, &text);
    put(out, 0, "Selector:", "%s", buf_str(&text));
}

static void put_bound(const struct int_or_percent *v, struct buf *out)
{
    buf_printf(out, "%d%s", (int)v->value, v->percent ? "%" : "");
}

static void describe_deployment(const struct object *o, struct buf *out)
{
    const struct deployment *d = object_deployment(o);
    bool rolling = str_eq(d->spec.strategy_type, "RollingUpdate");
    autobuf strategy = BUF_INIT;

    put_selector(&d->spec.selector, out);
    put(out, 0, "Replicas:", "%d wanted, %d there, %d new, %d ready, %d available",
        (int)d->spec.replicas, (int)d->status.replicas, (int)d->status.updated_replicas,
        (int)d->status.ready_replicas, (int)d->status.available_replicas);
    buf_append_str(&strategy, or_none(d->spec.strategy_type));
    if (rolling) {
        buf_append_str(&strategy, ", at most ");
        put_bound(&d->spec.max_unavailable, &strategy);
        buf_append_str(&strategy, " unavailable and ");
        put_bound(&d->spec.max_surge, &strategy);
        buf_append_str(&strategy, " more");
    }
    put(out, 0, "Strategy:", "%s", buf_str(&strategy));
    if (d->spec.paused) {
        put(out, 0, "Paused:", "True");
    }
    put_pod_spec(&d->spec.template_.spec, NULL, out);
    put_conditions(&d->status.conditions, out);
}

static void describe_replicaset(const struct object *o, struct buf *out)
{
    const struct replicaset *rs = object_replicaset(o);

    put_selector(&rs->spec.selector, out);
    put(out, 0, "Replicas:", "%d wanted, %d there, %d ready, %d available", (int)rs->spec.replicas,
        (int)rs->status.replicas, (int)rs->status.ready_replicas,
        (int)rs->status.available_replicas);
    put_pod_spec(&rs->spec.template_.spec, NULL, out);
}

static void describe_node(const struct object *o, struct buf *out)
{
    const struct node *n = object_node(o);

    put(out, 0, "Status:", "%s", node_status_text(n));
    for (size_t i = 0; i < n->spec.n_taints; i++) {
        const struct taint *t = &n->spec.taints[i];

        put(out, 0, i == 0 ? "Taints:" : "", "%s%s%s:%s", t->key, t->value != NULL ? "=" : "",
            t->value != NULL ? t->value : "", or_none(t->effect));
    }
    for (size_t i = 0; i < n->status.n_addresses; i++) {
        put(out, 0, i == 0 ? "Addresses:" : "", "%s %s", n->status.addresses[i].type,
            n->status.addresses[i].address);
    }
    put_map(out, 0, "Capacity:", &n->status.capacity);
    put_map(out, 0, "Allocatable:", &n->status.allocatable);
    put_map(out, 0, "System:", &n->status.node_info);
    put_conditions(&n->status.conditions, out);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
    const struct kind *kind;
    void (*put)(const struct object *o, struct buf *out);
} texts[] = {
    { &kind_pod, describe_pod },
    { &kind_deployment, describe_deployment },
    { &kind_replicaset, describe_replicaset },
    { &kind_node, describe_node },
};

void describe_text(const struct object *o, int64_t now_ms, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].kind == o->kind) {
            put_head(o, now_ms, out);
            texts[i].put(o, out);
            return;
        }
    }
    object_to_yaml(o, out);
}
