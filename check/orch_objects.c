/* From a stored object to the few facts that the checks need. */
#include "api/meta.h"
#include "api/quantity.h"
#include "check/orch_state.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const int64_t AMOUNT_MAX =
    1000000000000000000 / 1000; /* sums of a thousand do not overflow */

static int64_t amount(const struct string_map *m, const char *key, int64_t absent)
{
    const char *text = string_map_get(m, key);
    int64_t milli;
    if (text == NULL || quantity_parse(text, &milli, NULL) != 0 || milli < 0) {
        return absent;
    }
    return milli < AMOUNT_MAX ? milli : AMOUNT_MAX;
}

/* The thing of this id, made when there is none. */
static void *thing(struct orch *o, struct map *of, const char *id, size_t size, bool *ret_new)
{
    void *t = map_get_str(of, id);
    *ret_new = t == NULL;
    if (t == NULL) {
        t = arena_zalloc(&o->arena, size);
        map_put_str(of, id, t);
    }
    return t;
}

/* Most updates keep their strings: they are copied only when they change. */
static void keep(struct orch *o, const char **field, const char *text)
{
    if (!str_eq(*field, text)) {
        *field = text != NULL ? arena_strdup(&o->arena, text) : NULL;
    }
}

static struct orch_node *node_named(struct orch *o, const char *name)
{
    bool is_new;
    struct orch_node *n = thing(o, &o->nodes, name, sizeof *n, &is_new);
    if (is_new) {
        n->name = arena_strdup(&o->arena, name);
        n->cpu = n->memory = n->pods = -1;
        n->unreachable_us = INT64_MIN;
    }
    return n;
}

/* --- pods ------------------------------------------------------------------------------------- */

/* It holds its requests from its binding until it has ended or is gone. */
static void tally(struct orch_pod *p, int64_t sign)
{
    if (p->live && !p->terminal && p->node != NULL) {
        p->node->used_cpu += sign * p->cpu;
        p->node->used_memory += sign * p->memory;
        p->node->used_pods += sign;
    }
}

static bool counts_ready(const struct orch_pod *p)
{
    return p->live && p->ready && !p->deleting && !p->terminal;
}

static void read_pod(struct orch *o, struct orch_pod *p, const struct pod *from)
{
    const struct owner_reference *owner = object_controller_of(&from->object);
    keep(o, &p->owner, owner != NULL && str_eq(owner->kind, "ReplicaSet") ? owner->uid : NULL);
    p->cpu = p->memory = 0;
    for (size_t i = 0; i < from->spec.n_containers; i++) {
        p->cpu += amount(&from->spec.containers[i].resources.requests, "cpu", 0);
        p->memory += amount(&from->spec.containers[i].resources.requests, "memory", 0);
    }
    p->ready = pod_is_ready(from);
    p->terminal = pod_is_terminal(from);
    p->deleting = from->object.metadata.deletion_timestamp != NULL;
    p->restarts = from->spec.restart_policy == NULL || str_eq(from->spec.restart_policy, "Always");
}

static void take_pod(struct orch *o, struct orch_entry *e, const struct pod *from,
                     struct orch_change *change)
{
    bool is_new;
    struct orch_pod *p = thing(o, &o->pods, e->uid, sizeof *p, &is_new);
    bool was_ready = counts_ready(p);
    const char *name = from->spec.node_name;
    if (is_new) {
        p->uid = e->uid;
        p->name = arena_printf(
            &o->arena, "%s/%s",
            from->object.metadata.namespace_ != NULL ? from->object.metadata.namespace_ : "",
            from->object.metadata.name != NULL ? from->object.metadata.name : "");
        p->unready_us = INT64_MIN;
    }
    tally(p, -1);
    p->live = true;
    p->gone_us = INT64_MAX;
    read_pod(o, p, from);
    struct orch_node *node = name != NULL ? node_named(o, name) : NULL;
    if (p->node != NULL && p->node != node) {
        change->rebound_from = p->node->name;
    }
    change->new_binding = !is_new && p->node == NULL && node != NULL ? p : NULL;
    p->node = node;
    tally(p, 1);
    e->pod = p;
    if (!was_ready && counts_ready(p)) {
        p->ready_us = o->at_us;
    }
    if (was_ready && !counts_ready(p)) {
        p->unready_us = o->at_us;
        change->deleted = p->deleting ? p : NULL;
    }
}

static void drop_pod(struct orch *o, struct orch_pod *p, struct orch_change *change)
{
    if (counts_ready(p)) {
        change->deleted = p;
        p->unready_us = o->at_us;
    }
    tally(p, -1);
    p->live = false;
    p->gone_us = o->at_us;
}

/* --- the others ------------------------------------------------------------------------------- */

static void take_node(struct orch *o, struct orch_entry *e, const struct node *from)
{
    struct orch_node *n = node_named(o, from->object.metadata.name);
    n->live = true;
    n->cpu = amount(&from->status.allocatable, "cpu", -1);
    n->memory = amount(&from->status.allocatable, "memory", -1);
    n->pods = amount(&from->status.allocatable, "pods", -1);
    if (n->unreachable) {
        n->unreachable_us = o->at_us;
    }
    n->unreachable = false;
    for (size_t i = 0; i < from->spec.n_taints; i++) {
        n->unreachable = n->unreachable || str_eq(from->spec.taints[i].key, NODE_TAINT_UNREACHABLE);
    }
    e->node = n;
}

static void take_set(struct orch *o, struct orch_entry *e, const struct replicaset *from)
{
    bool is_new;
    struct orch_set *s = thing(o, &o->sets, e->uid, sizeof *s, &is_new);
    const struct owner_reference *owner = object_controller_of(&from->object);
    s->uid = e->uid;
    keep(o, &s->name, from->object.metadata.name);
    keep(o, &s->owner, owner != NULL && str_eq(owner->kind, "Deployment") ? owner->uid : NULL);
    s->live = from->object.metadata.deletion_timestamp == NULL;
    int64_t replicas = from->spec.has_replicas ? from->spec.replicas : 1;
    if (is_new || replicas > s->replicas) {
        s->lowered_us = INT64_MAX;
    } else if (replicas < s->replicas) {
        s->lowered_us = o->at_us;
    }
    s->replicas = replicas;
    e->set = s;
    e->observed = from->status.observed_generation;
}

static int64_t min_ready(const struct deployment *d, int32_t replicas)
{
    int64_t surge = int_or_percent_of(&d->spec.max_surge, replicas, true);
    int64_t unavailable = int_or_percent_of(&d->spec.max_unavailable, replicas, false);
    if (!d->spec.max_unavailable.set) { /* 25 %, rounded down */
        unavailable = replicas / 4;
        surge = d->spec.max_surge.set ? surge : 1;
    }
    unavailable = surge == 0 && unavailable == 0 ? 1 : unavailable; /* else nothing could move */
    return unavailable < replicas ? replicas - unavailable : 0;
}

static void take_deployment(struct orch *o, struct orch_entry *e, const struct deployment *from)
{
    bool is_new;
    struct orch_deployment *d = thing(o, &o->deployments, e->uid, sizeof *d, &is_new);
    int32_t replicas = from->spec.has_replicas ? from->spec.replicas : 1;
    int64_t min = min_ready(from, replicas);
    if (is_new || min != d->min) {
        d->min_before = is_new ? min : d->min;
        d->changed_us = o->at_us;
    }
    d->min = min;
    d->uid = e->uid;
    keep(o, &d->name, from->object.metadata.name);
    d->live = from->object.metadata.deletion_timestamp == NULL;
    d->recreates = str_eq(from->spec.strategy_type, "Recreate");
    d->paused = from->spec.paused;
    d->replicas = replicas;
    e->deployment = d;
    e->observed = from->status.observed_generation;
}

/* --- one value -------------------------------------------------------------------------------- */

/* What was at the key is there no more. */
static void drop(struct orch *o, struct orch_entry *e, struct orch_change *change)
{
    if (e->pod != NULL) {
        drop_pod(o, e->pod, change);
    }
    if (e->node != NULL) {
        e->node->live = false;
    }
    if (e->set != NULL) {
        e->set->live = false;
    }
    if (e->deployment != NULL) {
        e->deployment->live = false;
    }
    e->pod = NULL;
    e->node = NULL;
    e->set = NULL;
    e->deployment = NULL;
    e->uid = NULL;
    e->generation = e->observed = 0;
}

static struct orch_entry *entry_of(struct orch *o, uint32_t key)
{
    struct orch_entry *e = u64map_get(&o->entries, key);
    if (e == NULL) {
        char ns[254], name[254];
        e = arena_zalloc(&o->arena, sizeof *e);
        e->kind = kind_by_key(check_pool_get(o->log->pool, key), ns, name);
        u64map_put(&o->entries, key, e);
    }
    return e;
}

static void take(struct orch *o, struct orch_entry *e, const struct object *from,
                 struct orch_change *change)
{
    if (e->kind == &kind_pod) {
        take_pod(o, e, (const struct pod *)from, change);
    } else if (e->kind == &kind_node) {
        take_node(o, e, (const struct node *)from);
    } else if (e->kind == &kind_replicaset) {
        take_set(o, e, (const struct replicaset *)from);
    } else if (e->kind == &kind_deployment) {
        take_deployment(o, e, (const struct deployment *)from);
    }
}

bool orch_take(struct orch *o, uint32_t key, struct slice json, bool deleted,
               struct orch_change *ret_change, struct err *err)
{
    struct orch_entry *e = entry_of(o, key);
    struct object *object;
    *ret_change = (struct orch_change){ .entry = e };
    if (e->kind == NULL || deleted) {
        drop(o, e, ret_change);
        return true;
    }
    if (object_from_json(e->kind, json, &object, err) != 0) {
        return false;
    }
    const char *uid = object->metadata.uid;
    autofree char *key_text = mem_printf("%.*s", (int)check_pool_get(o->log->pool, key).len,
                                         check_pool_get(o->log->pool, key).data);
    uid = uid != NULL ? uid : key_text; /* people's own objects may have none */
    if (e->uid != NULL && !str_eq(e->uid, uid)) {
        drop(o, e, ret_change); /* another object in the same place */
    }
    keep(o, &e->uid, uid);
    take(o, e, object, ret_change);
    e->generation = object->metadata.generation;
    object_free(object);
    return true;
}
