/* ReplicaSet: as many active pods as spec.replicas, no more and no fewer.
 *
 * reconcile: pods owned by this ReplicaSet's uid -> too few: create the difference (at most
 * BURST a pass); too many: delete those whose loss costs least -> status from what is there. The
 * harness lets this key wait until the cache shows what a pass wrote, so nothing is ever created
 * twice. */
#include <stdlib.h>
#include <string.h>

#include "api/apps.h"
#include "api/meta.h"
#include "controllers/controllers.h"
#include "controllers/pods.h"
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"

enum { BURST = 500 };

/* Adds (sign 1) or takes away (-1) one active pod. */
static void tally(const struct replicaset *rs, const struct pod *p, int64_t now_ms, int32_t sign,
                  struct replicaset *status)
{
    status->status.replicas += sign;
    status->status.fully_labeled_replicas += sign;
    status->status.ready_replicas += pod_is_ready(p) ? sign : 0;
    status->status.available_replicas +=
        pod_is_available(p, rs->spec.min_ready_seconds, now_ms) ? sign : 0;
}

static void count(const struct replicaset *rs, struct object_list pods, int64_t now_ms,
                  struct replicaset *status)
{
    status->status.replicas = status->status.fully_labeled_replicas = 0;
    status->status.ready_replicas = status->status.available_replicas = 0;
    for (size_t i = 0; i < pods.n; i++) {
        if (pod_is_active(object_pod(pods.items[i]))) {
            tally(rs, object_pod(pods.items[i]), now_ms, 1, status);
        }
    }
}

static void create_pod(const struct replicaset *rs, struct plan *plan)
{
    struct pod *pod = object_pod(object_new(&kind_pod));
    const struct pod_template *t = &rs->spec.template_;
    struct object_meta *m = &pod->object.metadata;
    autofree char *prefix = mem_printf("%s-", rs->object.metadata.name);
    string_set(&m->generate_name, prefix);
    string_set(&m->namespace_, rs->object.metadata.namespace_);
    string_map_copy(&m->labels, &t->metadata.labels);
    string_map_copy(&m->annotations, &t->metadata.annotations);
    object_set_controller(&pod->object, &rs->object);
    pod_spec_copy(&pod->spec, &t->spec);
    string_set(&pod->status.phase, "Pending");
    struct object *o = plan_create(plan, &pod->object);
    plan_event(plan, &rs->object, "Normal", "SuccessfulCreate", "created pod %s",
               o->metadata.name);
}

/* What it would cost to lose a pod; the least goes first. Kubernetes' order: unbound, pending,
 * not ready, doubled on its node, restarted more often, younger. */
struct victim {
    const struct pod *pod;
    int32_t same_node; /* active siblings on its node */
};

static int phase_rank(const struct pod *p)
{
    if (p->spec.node_name == NULL) {
        return 0;
    }
    if (p->status.phase == NULL || strcmp(p->status.phase, "Running") != 0) {
        return 1;
    }
    return pod_is_ready(p) ? 3 : 2;
}

static int32_t restarts(const struct pod *p)
{
    int64_t n = 0;
    for (size_t i = 0; i < p->status.n_container_statuses; i++) {
        int32_t one = p->status.container_statuses[i].restart_count;
        n += one > 0 ? one : 0;
    }
    return n < INT32_MAX ? (int32_t)n : INT32_MAX;
}

static void count_siblings(struct victim *v, size_t n, struct arena *arena)
{
    struct map counts; /* node -> int32_t */
    map_init(&counts);
    for (size_t i = 0; i < n; i++) {
        const char *node = v[i].pod->spec.node_name;
        int32_t *count = node != NULL ? map_get_str(&counts, node) : NULL;
        if (node != NULL && count == NULL) {
            count = arena_zalloc(arena, sizeof *count);
            map_put_str(&counts, node, count);
        }
        if (count != NULL) {
            ++*count;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const char *node = v[i].pod->spec.node_name;
        v[i].same_node = node != NULL ? *(int32_t *)map_get_str(&counts, node) : 0;
    }
    map_fini(&counts);
}

static int victim_cmp(const void *a_, const void *b_)
{
    const struct victim *a = a_, *b = b_;
    int d = phase_rank(a->pod) - phase_rank(b->pod);
    if (d == 0) {
        d = b->same_node - a->same_node;
    }
    if (d == 0) {
        d = restarts(b->pod) - restarts(a->pod);
    }
    const struct object_meta *ma = &a->pod->object.metadata, *mb = &b->pod->object.metadata;
    if (d == 0 && ma->creation_timestamp != NULL && mb->creation_timestamp != NULL) {
        d = strcmp(mb->creation_timestamp, ma->creation_timestamp);
    }
    return d != 0 ? d : strcmp(mb->name, ma->name);
}

void plan_delete_pod(struct plan *plan, const struct pod *pod)
{
    if (pod->object.metadata.deletion_timestamp != NULL) {
        return;
    }
    if (pod->spec.node_name == NULL || pod_is_terminal(pod)) {
        plan_delete(plan, &pod->object);
        return;
    }
    char now[32];
    clock_format(plan->now_ms, now, sizeof now);
    struct object *copy = object_copy(&pod->object);
    string_set(&copy->metadata.deletion_timestamp, now);
    copy->metadata.deletion_grace_period_seconds = pod->spec.termination_grace_period_seconds;
    plan_update(plan, &pod->object, copy);
}

/* Victims no longer count in the status: a rollout must not rely on pods on their way out. */
static void delete_surplus(const struct replicaset *rs, struct object_list pods, int32_t surplus,
                           struct replicaset *status, struct plan *plan)
{
    struct victim *v = arena_zalloc(&plan->arena, (pods.n + 1) * sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        if (pod_is_active(p)) {
            v[n++].pod = p;
        }
    }
    count_siblings(v, n, &plan->arena);
    qsort(v, n, sizeof *v, victim_cmp);
    for (size_t i = 0; i < n && (int32_t)i < surplus && i < BURST; i++) {
        plan_delete_pod(plan, v[i].pod);
        if (!BUG(BUG_VICTIMS_COUNT)) {
            tally(rs, v[i].pod, plan->now_ms, -1, status);
        }
        plan_event(plan, &rs->object, "Normal", "SuccessfulDelete", "deleted pod %s",
                   v[i].pod->object.metadata.name);
    }
}

static void replicaset_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                                 struct plan *plan)
{
    const struct object *o = lister_get_key(l, &kind_replicaset, key);
    if (o == NULL || o->metadata.deletion_timestamp != NULL || o->metadata.uid == NULL) {
        return; /* owner_gc removes what it leaves behind */
    }
    const struct replicaset *rs = object_replicaset(o);
    struct object_list pods =
        lister_by(l, &kind_pod, &index_owner, o->metadata.uid, &plan->arena);
    struct replicaset *next = object_replicaset(object_copy(o));
    count(rs, pods, now_ms, next);
    int32_t active = next->status.replicas;
    int32_t wanted = rs->spec.replicas > 0 ? rs->spec.replicas : 0;
    next->status.observed_generation = o->metadata.generation;
    for (int32_t i = active; i < wanted && i - active < BURST; i++) {
        create_pod(rs, plan);
    }
    if (active > wanted) {
        delete_surplus(rs, pods, active - wanted, next, plan);
    }
    if (next->status.available_replicas < next->status.ready_replicas) {
        plan_requeue_after(plan, 1000); /* minReadySeconds runs */
    }
    plan_update_status(plan, o, &next->object);
}

const struct controller controller_replicaset = {
    .name = "replicaset",
    .watches = { { .kind = &kind_replicaset },
                 { .kind = &kind_pod, .keys = keys_of_owner, .owner = &kind_replicaset } },
    .reconcile = replicaset_reconcile,
};
