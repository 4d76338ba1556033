/* THE tables of columns; a kind without one has NAME and AGE. */
#include "cli/columns.h"

#include <stdio.h>

#include "api/apps.h"
#include "api/meta.h"
#include "api/selector.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/base/timestamp.h"

/* --- cells of all kinds ----------------------------------------------------------------------- */

static void put_str(struct cell *c, const char *s)
{
    buf_append_str(c->text, s != NULL && s[0] != 0 ? s : "<none>");
}

static void put_since(struct cell *c, const char *time)
{
    int64_t at;
    char age[24];

    if (time == NULL || clock_parse(time, &at) != 0) {
        buf_append_str(c->text, "<unknown>");
        return;
    }
    clock_format_age(c->now_ms > at ? c->now_ms - at : 0, age, sizeof age);
    buf_append_str(c->text, age);
}

static void put_name(const struct object *o, struct cell *c)
{
    put_str(c, o->metadata.name);
}

static void put_age(const struct object *o, struct cell *c)
{
    put_since(c, o->metadata.creation_timestamp);
}

/* Whole is good; nothing where something should be is bad. */
static void put_ready(struct cell *c, int64_t ready, int64_t wanted)
{
    buf_printf(c->text, "%lld/%lld", (long long)ready, (long long)wanted);
    c->tone = ready >= wanted ? TONE_PLAIN : TONE_WARN;
}

static void put_containers(const struct pod_spec *spec, struct cell *c)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        buf_printf(c->text, "%s%s", i != 0 ? "," : "", spec->containers[i].name);
    }
}

static void put_selector(const struct label_selector *s, struct cell *c)
{
    label_selector_print(s, c->text);
}

/* --- pods ------------------------------------------------------------------------------------- */

static const char *container_problem(const struct container_status *s, char *scratch, size_t size)
{
    const struct container_state *st = &s->state;

    if (st->waiting.set && st->waiting.reason != NULL && st->waiting.reason[0] != 0) {
        return st->waiting.reason;
    }
    if (!st->terminated.set) {
        return NULL;
    }
    if (st->terminated.reason != NULL && st->terminated.reason[0] != 0) {
        return st->terminated.reason;
    }
    if (st->terminated.signal != 0) {
        snprintf(scratch, size, "Signal:%d", (int)st->terminated.signal);
    } else {
        snprintf(scratch, size, "ExitCode:%d", (int)st->terminated.exit_code);
    }
    return scratch;
}

const char *pod_status_text(const struct pod *p, char *scratch, size_t size)
{
    const char *text = p->status.phase != NULL ? p->status.phase : "Pending";

    if (p->status.reason != NULL && p->status.reason[0] != 0) {
        text = p->status.reason;
    }
    for (size_t i = p->status.n_container_statuses; i-- > 0;) {
        const char *problem = container_problem(&p->status.container_statuses[i], scratch, size);
        text = problem != NULL ? problem : text;
    }
    if (p->object.metadata.deletion_timestamp != NULL) {
        return "Terminating";
    }
    return text;
}

int32_t pod_restarts(const struct pod *p)
{
    int64_t n = 0;

    for (size_t i = 0; i < p->status.n_container_statuses; i++) {
        n += p->status.container_statuses[i].restart_count;
    }
    return (int32_t)(n < INT32_MIN ? INT32_MIN : n > INT32_MAX ? INT32_MAX : n);
}

static void pod_ready(const struct object *o, struct cell *c)
{
    const struct pod *p = object_pod(o);
    int64_t ready = 0;

    for (size_t i = 0; i < p->status.n_container_statuses; i++) {
        ready += p->status.container_statuses[i].ready;
    }
    put_ready(c, ready, (int64_t)p->spec.n_containers);
    if (str_eq(p->status.phase, "Succeeded")) {
        c->tone = TONE_PLAIN;
    }
}

static void pod_status(const struct object *o, struct cell *c)
{
    static const struct {
        const char *text;
        enum table_tone tone;
    } tones[] = {
        { "Running", TONE_GOOD },  { "Completed", TONE_GOOD },   { "Succeeded", TONE_GOOD },
        { "Pending", TONE_WARN },  { "ContainerCreating", TONE_WARN },
        { "Terminating", TONE_DIM },
    };
    char scratch[32];
    const char *text = pod_status_text(object_pod(o), scratch, sizeof scratch);

    buf_append_str(c->text, text);
    c->tone = TONE_BAD;
    for (size_t i = 0; i < ARRAY_LEN(tones); i++) {
        c->tone = str_eq(tones[i].text, text) ? tones[i].tone : c->tone;
    }
}

static void pod_restart_count(const struct object *o, struct cell *c)
{
    const struct pod *p = object_pod(o);
    const char *last = NULL;

    buf_printf(c->text, "%d", (int)pod_restarts(p));
    for (size_t i = 0; i < p->status.n_container_statuses; i++) {
        const struct container_status *s = &p->status.container_statuses[i];
        const char *end = s->last_state.terminated.set ? s->last_state.terminated.finished_at
                                                       : NULL;
        if (end != NULL && (last == NULL || strcmp(end, last) > 0)) {
            last = end;
        }
    }
    if (last != NULL) {
        buf_append_str(c->text, " (");
        put_since(c, last);
        buf_append_str(c->text, " ago)");
    }
}

static void pod_ip(const struct object *o, struct cell *c)
{
    put_str(c, object_pod(o)->status.pod_ip);
}

static void pod_node(const struct object *o, struct cell *c)
{
    put_str(c, object_pod(o)->spec.node_name);
}

static const struct column pod_columns[] = {
    { "NAME", false, put_name },       { "READY", false, pod_ready },
    { "STATUS", false, pod_status },   { "RESTARTS", false, pod_restart_count },
    { "AGE", false, put_age },         { "IP", true, pod_ip },
    { "NODE", true, pod_node },        { NULL, false, NULL },
};

/* --- deployments, replicasets ----------------------------------------------------------------- */

static void deployment_ready(const struct object *o, struct cell *c)
{
    const struct deployment *d = object_deployment(o);
    put_ready(c, d->status.ready_replicas, d->spec.replicas);
}

static void deployment_updated(const struct object *o, struct cell *c)
{
    buf_printf(c->text, "%d", (int)object_deployment(o)->status.updated_replicas);
}

static void deployment_available(const struct object *o, struct cell *c)
{
    buf_printf(c->text, "%d", (int)object_deployment(o)->status.available_replicas);
}

static void deployment_containers(const struct object *o, struct cell *c)
{
    put_containers(&object_deployment(o)->spec.template_.spec, c);
}

static void deployment_selector(const struct object *o, struct cell *c)
{
    put_selector(&object_deployment(o)->spec.selector, c);
}

static const struct column deployment_columns[] = {
    { "NAME", false, put_name },
    { "READY", false, deployment_ready },
    { "UP-TO-DATE", false, deployment_updated },
    { "AVAILABLE", false, deployment_available },
    { "AGE", false, put_age },
    { "CONTAINERS", true, deployment_containers },
    { "SELECTOR", true, deployment_selector },
    { NULL, false, NULL },
};

static void replicaset_desired(const struct object *o, struct cell *c)
{
    buf_printf(c->text, "%d", (int)object_replicaset(o)->spec.replicas);
}

static void replicaset_current(const struct object *o, struct cell *c)
{
    buf_printf(c->text, "%d", (int)object_replicaset(o)->status.replicas);
}

static void replicaset_ready(const struct object *o, struct cell *c)
{
    buf_printf(c->text, "%d", (int)object_replicaset(o)->status.ready_replicas);
}

static void replicaset_containers(const struct object *o, struct cell *c)
{
    put_containers(&object_replicaset(o)->spec.template_.spec, c);
}

static void replicaset_selector(const struct object *o, struct cell *c)
{
    put_selector(&object_replicaset(o)->spec.selector, c);
}

static const struct column replicaset_columns[] = {
    { "NAME", false, put_name },
    { "DESIRED", false, replicaset_desired },
    { "CURRENT", false, replicaset_current },
    { "READY", false, replicaset_ready },
    { "AGE", false, put_age },
    { "CONTAINERS", true, replicaset_containers },
    { "SELECTOR", true, replicaset_selector },
    { NULL, false, NULL },
};

/* --- nodes ------------------------------------------------------------------------------------ */

const char *node_status_text(const struct node *n)
{
    bool ready = condition_is_true(&n->status.conditions, "Ready");

    if (n->spec.unschedulable) {
        return ready ? "Ready,SchedulingDisabled" : "NotReady,SchedulingDisabled";
    }
    return ready ? "Ready" : "NotReady";
}

static void node_status(const struct object *o, struct cell *c)
{
    const char *text = node_status_text(object_node(o));

    buf_append_str(c->text, text);
    c->tone = str_eq(text, "Ready") ? TONE_GOOD : text[0] == 'N' ? TONE_BAD : TONE_WARN;
}

static void node_roles(const struct object *o, struct cell *c)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    const struct string_map *labels = &o->metadata.labels;

    for (size_t i = 0; i < labels->n; i++) {
        if (str_starts(labels->items[i].key, prefix)) {
            buf_printf(c->text, "%s%s", c->text->len != 0 ? "," : "",
                       labels->items[i].key + sizeof prefix - 1);
        }
    }
}

static void node_info(const struct object *o, const char *key, struct cell *c)
{
    put_str(c, string_map_get(&object_node(o)->status.node_info, key));
}

static void node_version(const struct object *o, struct cell *c)
{
    node_info(o, "kubeletVersion", c);
}

static void node_ip(const struct object *o, struct cell *c)
{
    const struct node *n = object_node(o);

    for (size_t i = 0; i < n->status.n_addresses; i++) {
        if (str_eq(n->status.addresses[i].type, "InternalIP")) {
            put_str(c, n->status.addresses[i].address);
            return;
        }
    }
}

static void node_kernel(const struct object *o, struct cell *c)
{
    node_info(o, "kernelVersion", c);
}

static void node_runtime(const struct object *o, struct cell *c)
{
    node_info(o, "containerRuntimeVersion", c);
}

static const struct column node_columns[] = {
    { "NAME", false, put_name },          { "STATUS", false, node_status },
    { "ROLES", false, node_roles },       { "AGE", false, put_age },
    { "VERSION", false, node_version },   { "INTERNAL-IP", true, node_ip },
    { "KERNEL-VERSION", true, node_kernel }, { "CONTAINER-RUNTIME", true, node_runtime },
    { NULL, false, NULL },
};

/* --- namespaces, configmaps, events ----------------------------------------------------------- */

static void namespace_status(const struct object *o, struct cell *c)
{
    bool going = o->metadata.deletion_timestamp != NULL;
    const char *phase = object_namespace(o)->phase;

    buf_append_str(c->text, going ? "Terminating" : phase != NULL ? phase : "Active");
}

static const struct column namespace_columns[] = {
    { "NAME", false, put_name },
    { "STATUS", false, namespace_status },
    { "AGE", false, put_age },
    { NULL, false, NULL },
};

static void configmap_data(const struct object *o, struct cell *c)
{
    const struct configmap *m = object_configmap(o);
    buf_printf(c->text, "%zu", m->data.n + m->binary_data.n);
}

static const struct column configmap_columns[] = {
    { "NAME", false, put_name },
    { "DATA", false, configmap_data },
    { "AGE", false, put_age },
    { NULL, false, NULL },
};

static void event_last(const struct object *o, struct cell *c)
{
    const struct event *e = object_event(o);

    put_since(c, e->last_timestamp != NULL ? e->last_timestamp : o->metadata.creation_timestamp);
}

static void event_type(const struct object *o, struct cell *c)
{
    const char *type = object_event(o)->type;

    put_str(c, type);
    c->tone = str_eq(type, "Warning") ? TONE_WARN : TONE_PLAIN;
}

static void event_reason(const struct object *o, struct cell *c)
{
    put_str(c, object_event(o)->reason);
}

static void event_object(const struct object *o, struct cell *c)
{
    const struct object_reference *r = &object_event(o)->involved_object;
    const struct kind *k = r->kind != NULL ? kind_by_word(r->kind) : NULL;

    buf_printf(c->text, "%s/%s", k != NULL ? k->singular : r->kind != NULL ? r->kind : "",
               r->name != NULL ? r->name : "");
}

static void event_message(const struct object *o, struct cell *c)
{
    const struct event *e = object_event(o);

    put_str(c, e->message);
    if (e->count > 1) {
        buf_printf(c->text, " (x%d)", (int)e->count);
    }
}

static void event_source(const struct object *o, struct cell *c)
{
    put_str(c, object_event(o)->source_component);
}

static const struct column event_columns[] = {
    { "LAST SEEN", false, event_last }, { "TYPE", false, event_type },
    { "REASON", false, event_reason },  { "OBJECT", false, event_object },
    { "SOURCE", true, event_source },   { "MESSAGE", false, event_message },
    { NULL, false, NULL },
};

static const struct column plain_columns[] = {
    { "NAME", false, put_name },
    { "AGE", false, put_age },
    { NULL, false, NULL },
};

/* --- the table of tables ---------------------------------------------------------------------- */

static const struct {
    const struct kind *kind;
    const struct column *columns;
} tables[] = {
    { &kind_pod, pod_columns },
    { &kind_deployment, deployment_columns },
    { &kind_replicaset, replicaset_columns },
    { &kind_node, node_columns },
    { &kind_namespace, namespace_columns },
    { &kind_configmap, configmap_columns },
    { &kind_event, event_columns },
};

static const struct column *columns_of(const struct kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (tables[i].kind == kind) {
            return tables[i].columns;
        }
    }
    return plain_columns;
}

size_t columns_count(const struct kind *kind, const struct column_options *options)
{
    size_t n = (options->namespaces && kind->namespaced ? 1 : 0) + (options->labels ? 1 : 0);

    for (const struct column *c = columns_of(kind); c->title != NULL; c++) {
        n += !c->wide || options->wide;
    }
    return n;
}

void columns_title(const struct kind *kind, const struct column_options *options, struct table *t)
{
    if (options->namespaces && kind->namespaced) {
        table_add(t, "NAMESPACE", TONE_PLAIN);
    }
    for (const struct column *c = columns_of(kind); c->title != NULL; c++) {
        if (!c->wide || options->wide) {
            table_add(t, c->title, TONE_PLAIN);
        }
    }
    if (options->labels) {
        table_add(t, "LABELS", TONE_PLAIN);
    }
}

static void put_labels(const struct object *o, struct table *t)
{
    autobuf text = BUF_INIT;

    for (size_t i = 0; i < o->metadata.labels.n; i++) {
        buf_printf(&text, "%s%s=%s", i != 0 ? "," : "", o->metadata.labels.items[i].key,
                   o->metadata.labels.items[i].value);
    }
    table_add(t, text.len != 0 ? buf_str(&text) : NULL, TONE_PLAIN);
}

void columns_row(const struct object *o, const struct column_options *options, int64_t now_ms,
                 struct table *t)
{
    autobuf text = BUF_INIT;

    if (options->namespaces && o->kind->namespaced) {
        table_add(t, o->metadata.namespace_, TONE_PLAIN);
    }
    for (const struct column *c = columns_of(o->kind); c->title != NULL; c++) {
        struct cell cell = { &text, TONE_PLAIN, now_ms };

        if (!c->wide || options->wide) {
            buf_reset(&text);
            c->put(o, &cell);
            table_add(t, text.len != 0 ? buf_str(&text) : NULL, cell.tone);
        }
    }
    if (options->labels) {
        put_labels(o, t);
    }
}
