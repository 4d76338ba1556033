/* Garbage: pods of lost nodes, and what an owner left behind.
 *
 * pod_gc(pod): bound to a node that is tainted unreachable:NoExecute or no longer exists ->
 * removed at once (its ReplicaSet makes another; the lost node, should it return, finds its
 * items gone and stops the process). owner_gc(replicaset or pod): its controlling owner is gone
 * -> deleted. Caches of two kinds advance on their own, so what is missing only counts when its
 * cache is known to be as new as what refers to it, or that is SETTLE_MS old. */
#include <string.h>

#include "api/apps.h"
#include "api/meta.h"
#include "controllers/controllers.h"
#include "controllers/pods.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

enum { SETTLE_MS = 5000 };

static int64_t age_ms(const char *since, int64_t now_ms)
{
    int64_t at = now_ms;
    return since != NULL && clock_parse(since, &at) == 0 ? now_ms - at : 0;
}

/* Does `kind`'s cache show the store at least as `o` saw it? Otherwise look again in a while. */
static bool may_judge(const struct lister *l, const struct kind *kind, const struct object *o,
                      const char *since, struct plan *plan)
{
    if (cache_revision(lister_cache(l, kind)) >= o->metadata.resource_version ||
        BUG(BUG_GC_STALE_CACHE)) {
        return true;
    }
    int64_t age = age_ms(since, plan->now_ms);
    if (age >= SETTLE_MS) {
        return true;
    }
    plan_requeue_after(plan, (uint64_t)(SETTLE_MS - (age > 0 ? age : 0)));
    return false;
}

/* --- pods of lost nodes ----------------------------------------------------------------------- */

static bool tolerates(const struct pod *p, const struct taint *t)
{
    for (size_t i = 0; i < p->spec.n_tolerations; i++) {
        const struct toleration *tol = &p->spec.tolerations[i];
        /* tolerationSeconds bounds the stay; Barque replaces at once, so only an unbounded one
         * counts. */
        if (toleration_matches(tol, t) && !tol->has_toleration_seconds) {
            return true;
        }
    }
    return false;
}

static bool node_is_lost(const struct node *node, const struct pod *p)
{
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        const struct taint *t = &node->spec.taints[i];
        if (str_eq(t->key, NODE_TAINT_UNREACHABLE) && str_eq(t->effect, "NoExecute")) {
            return !tolerates(p, t);
        }
    }
    return false;
}

static void pod_gc_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                             struct plan *plan)
{
    (void)now_ms;
    const struct object *o = lister_get_key(l, &kind_pod, key);
    if (o == NULL) {
        return;
    }
    const struct pod *p = object_pod(o);
    if (p->spec.node_name == NULL) {
        if (o->metadata.deletion_timestamp != NULL) {
            plan_delete(plan, o);
        }
        return;
    }
    const struct object *node = lister_get(l, &kind_node, NULL, p->spec.node_name);
    const struct condition *bound = condition_find(&p->status.conditions, "PodScheduled");
    const char *since = bound != NULL ? bound->last_transition_time
                                      : o->metadata.creation_timestamp;
    if (node == NULL && !may_judge(l, &kind_node, o, since, plan)) {
        return;
    }
    if (node == NULL || node_is_lost(object_node(node), p)) {
        plan_delete(plan, o);
        plan_event(plan, o, "Warning", "NodeLost", "removed: node %s is lost", p->spec.node_name);
    }
}

static void keys_of_node(const struct lister *l, const struct controller_watch *watch,
                         const struct object *o, struct key_sink *keys)
{
    (void)watch;
    struct arena arena;
    arena_init(&arena);
    struct object_list pods = lister_by(l, &kind_pod, &index_node, o->metadata.name, &arena);
    for (size_t i = 0; i < pods.n; i++) {
        autofree char *key = object_name_key(pods.items[i]);
        key_sink_add(keys, key);
    }
    arena_fini(&arena);
}

const struct controller controller_pod_gc = {
    .name = "pod-gc",
    .watches = { { .kind = &kind_pod }, { .kind = &kind_node, .keys = keys_of_node } },
    .reconcile = pod_gc_reconcile,
    .workers = 64,
};

/* --- dependents whose owner is gone ----------------------------------------------------------- */

static const struct kind *const owner_kinds[] = { &kind_deployment, &kind_replicaset };

static bool orphaned(const struct lister *l, const struct object *o, struct plan *plan)
{
    const struct owner_reference *ref = object_controller_of(o);
    if (ref == NULL || ref->name == NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(owner_kinds); i++) {
        if (str_eq(owner_kinds[i]->kind, ref->kind)) {
            const struct object *owner =
                lister_get(l, owner_kinds[i], o->metadata.namespace_, ref->name);
            return (owner == NULL || !str_eq(owner->metadata.uid, ref->uid)) &&
                   may_judge(l, owner_kinds[i], o, o->metadata.creation_timestamp, plan);
        }
    }
    return false; /* an owner of a kind we do not keep is not ours to judge */
}

/* Keys are "pod:ns/name" and "rs:ns/name". */
static void owner_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                            struct plan *plan)
{
    (void)now_ms;
    bool is_pod = str_starts(key, "pod:");
    const struct object *o = lister_get_key(l, is_pod ? &kind_pod : &kind_replicaset,
                                            strchr(key, ':') + 1);
    if (o == NULL || !orphaned(l, o, plan)) {
        return;
    }
    if (is_pod) {
        plan_delete_pod(plan, object_pod(o));
    } else {
        plan_delete(plan, o);
    }
}

static void own_key(const struct lister *l, const struct controller_watch *watch,
                    const struct object *o, struct key_sink *keys)
{
    (void)l;
    autofree char *name = object_name_key(o);
    autofree char *key = mem_printf("%s:%s", watch->kind == &kind_pod ? "pod" : "rs", name);
    key_sink_add(keys, key);
}

static void dependents(const struct lister *l, const struct kind *kind, const char *tag,
                       const struct object *owner, struct key_sink *keys)
{
    struct arena arena;
    arena_init(&arena);
    const char *uid = owner->metadata.uid != NULL ? owner->metadata.uid : "";
    struct object_list list = lister_by(l, kind, &index_owner, uid, &arena);
    for (size_t i = 0; i < list.n; i++) {
        autofree char *name = object_name_key(list.items[i]);
        autofree char *key = mem_printf("%s:%s", tag, name);
        key_sink_add(keys, key);
    }
    arena_fini(&arena);
}

static void keys_of_replicaset(const struct lister *l, const struct controller_watch *watch,
                               const struct object *o, struct key_sink *keys)
{
    own_key(l, watch, o, keys);
    dependents(l, &kind_pod, "pod", o, keys);
}

static void keys_of_deployment(const struct lister *l, const struct controller_watch *watch,
                               const struct object *o, struct key_sink *keys)
{
    (void)watch;
    dependents(l, &kind_replicaset, "rs", o, keys);
}

const struct controller controller_owner_gc = {
    .name = "owner-gc",
    .watches = { { .kind = &kind_pod, .keys = own_key },
                 { .kind = &kind_replicaset, .keys = keys_of_replicaset },
                 { .kind = &kind_deployment, .keys = keys_of_deployment } },
    .reconcile = owner_reconcile,
    .workers = 64,
};
