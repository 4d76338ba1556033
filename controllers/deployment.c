/* Deployment: rolls from old ReplicaSets to the one whose template is the wanted one.
 *
 * reconcile: owned ReplicaSets -> the new one (equal template; created when there is none) and
 * the old ones -> rolling.c decides how far each may be scaled now -> status and conditions ->
 * old ReplicaSets beyond revisionHistoryLimit go. A rollback is nothing special: `rollout undo`
 * writes an old template back, its ReplicaSet becomes the new one and takes the next revision
 * number. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/meta.h"
#include "controllers/controllers.h"
#include "controllers/rolling.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

static int64_t revision_of(const struct replicaset *rs)
{
    const char *text = string_map_get(&rs->object.metadata.annotations, ANNOTATION_REVISION);
    int64_t v = 0;
    return text != NULL && str_parse_i64(text, &v) == 0 && v < INT64_MAX ? v : 0;
}

static int by_revision(const void *a, const void *b)
{
    int64_t ra = revision_of(*(const struct replicaset *const *)a);
    int64_t rb = revision_of(*(const struct replicaset *const *)b);
    if (ra != rb) {
        return ra < rb ? -1 : 1;
    }
    return strcmp((*(const struct replicaset *const *)a)->object.metadata.name,
                  (*(const struct replicaset *const *)b)->object.metadata.name);
}

static bool recreates(const struct deployment *d)
{
    return str_eq(d->spec.strategy_type, "Recreate");
}

/* Is a pod of this ReplicaSet still there, be it on its way out? */
static bool has_pods(const struct lister *l, const struct replicaset *rs, struct arena *arena)
{
    struct object_list pods =
        lister_by(l, &kind_pod, &index_owner, rs->object.metadata.uid, arena);
    for (size_t i = 0; i < pods.n; i++) {
        if (!pod_is_terminal(object_pod(pods.items[i]))) {
            return true;
        }
    }
    return false;
}

static int32_t positive(int32_t v)
{
    return v > 0 ? v : 0;
}

/* A look at `rs` without negative numbers, which only somebody who writes past every check can
 * have put there; all sums rest on that. Shares what it points to. */
static const struct replicaset *without_negatives(const struct replicaset *rs, struct arena *arena)
{
    struct replicaset *look = arena_dup(arena, rs, sizeof *rs);
    look->spec.replicas = positive(look->spec.replicas);
    look->status.replicas = positive(look->status.replicas);
    look->status.ready_replicas = positive(look->status.ready_replicas);
    look->status.available_replicas = positive(look->status.available_replicas);
    return look;
}

/* Owned ReplicaSets, oldest revision first; ret_new is the index of the wanted template or -1. */
static struct rollout gather(const struct lister *l, const struct deployment *d,
                             struct arena *arena)
{
    struct object_list owned =
        lister_by(l, &kind_replicaset, &index_owner, d->object.metadata.uid, arena);
    struct rollout r = { .deployment = d };
    r.all = arena_zalloc(arena, (owned.n + 1) * sizeof *r.all);
    for (size_t i = 0; i < owned.n; i++) {
        const struct object_meta *m = &owned.items[i]->metadata;
        if (m->deletion_timestamp == NULL && m->uid != NULL) {
            r.all[r.n++] = without_negatives(object_replicaset(owned.items[i]), arena);
        }
    }
    qsort(r.all, r.n, sizeof *r.all, by_revision);
    r.current = -1;
    /* Of several with the wanted template the newest, which stays the newest: the revision of an
     * older one would be raised past it, and then the other's, without an end. */
    for (size_t i = r.n; i-- > 0 && r.current < 0;) {
        if (pod_template_equal(&r.all[i]->spec.template_, &d->spec.template_)) {
            r.current = (int)i;
        }
    }
    for (size_t i = 0; i < r.n && recreates(d); i++) {
        r.old_pods = r.old_pods || ((int)i != r.current && has_pods(l, r.all[i], arena));
    }
    return r;
}

/* How many pods of each are available, by the pods themselves. True when a status says more: it is
 * older than they are, or this cache is; either way there is more to come. */
static bool count_available(const struct lister *l, struct rollout *r, int64_t now_ms,
                            struct arena *arena)
{
    int32_t *available = arena_zalloc(arena, (r->n + 1) * sizeof *available);
    bool behind = false;
    for (size_t i = 0; i < r->n; i++) {
        struct object_list pods =
            lister_by(l, &kind_pod, &index_owner, r->all[i]->object.metadata.uid, arena);
        for (size_t k = 0; k < pods.n; k++) {
            const struct pod *p = object_pod(pods.items[k]);
            available[i] += pod_is_active(p) &&
                            pod_is_available(p, r->all[i]->spec.min_ready_seconds, now_ms);
        }
        behind = behind || available[i] < r->all[i]->status.available_replicas;
    }
    r->available = available;
    return behind;
}

static int64_t max_revision(const struct rollout *r)
{
    return r->n > 0 ? revision_of(r->all[r->n - 1]) : 0;
}

/* "web-<hash>"; another hash when a ReplicaSet of another template or owner has that name. */
static char *free_name(const struct lister *l, const struct deployment *d, char *ret_hash)
{
    for (uint32_t collision = 0;; collision++) {
        pod_template_hash(&d->spec.template_, collision, ret_hash);
        autofree char *name = mem_printf("%s-%s", d->object.metadata.name, ret_hash);
        if (lister_get(l, &kind_replicaset, d->object.metadata.namespace_, name) == NULL) {
            return TAKE(name);
        }
    }
}

static void create_replicaset(const struct lister *l, const struct rollout *r, struct plan *plan)
{
    const struct deployment *d = r->deployment;
    const struct object_meta *dm = &d->object.metadata;
    struct replicaset *rs = object_replicaset(object_new(&kind_replicaset));
    struct object_meta *m = &rs->object.metadata;
    char hash[32], revision[24];
    autofree char *name = free_name(l, d, hash);
    snprintf(revision, sizeof revision, "%" PRId64, max_revision(r) + 1);
    string_set(&m->name, name);
    string_set(&m->namespace_, dm->namespace_);
    string_map_copy(&m->labels, &d->spec.template_.metadata.labels);
    string_map_set(&m->labels, LABEL_POD_TEMPLATE_HASH, hash);
    string_map_set(&m->annotations, ANNOTATION_REVISION, revision);
    const char *cause = string_map_get(&dm->annotations, ANNOTATION_CHANGE_CAUSE);
    if (cause != NULL) {
        string_map_set(&m->annotations, ANNOTATION_CHANGE_CAUSE, cause);
    }
    object_set_controller(&rs->object, &d->object);
    label_selector_copy(&rs->spec.selector, &d->spec.selector);
    string_map_set(&rs->spec.selector.match_labels, LABEL_POD_TEMPLATE_HASH, hash);
    pod_template_copy(&rs->spec.template_, &d->spec.template_);
    string_map_set(&rs->spec.template_.metadata.labels, LABEL_POD_TEMPLATE_HASH, hash);
    rs->spec.min_ready_seconds = d->spec.min_ready_seconds;
    rs->spec.has_replicas = true;
    rs->spec.replicas = rollout_first_size(r);
    plan_event(plan, &d->object, "Normal", "ScalingReplicaSet", "scaled up %s to %d", name,
               (int)rs->spec.replicas);
    plan_create(plan, &rs->object);
}

/* Revision and size of one existing ReplicaSet, in one write. */
static void adjust(const struct rollout *r, size_t i, int32_t size, struct plan *plan)
{
    const struct replicaset *rs = r->all[i];
    struct replicaset *next = object_replicaset(object_copy(&rs->object));
    if (rs->spec.replicas != size) {
        next->spec.replicas = size;
        next->spec.has_replicas = true;
        plan_event(plan, &r->deployment->object, "Normal", "ScalingReplicaSet",
                   "scaled %s %s from %d to %d", size > rs->spec.replicas ? "up" : "down",
                   rs->object.metadata.name, (int)rs->spec.replicas, (int)size);
    }
    if ((int)i == r->current && i + 1 < r->n) {
        char revision[24];
        snprintf(revision, sizeof revision, "%" PRId64, max_revision(r) + 1);
        string_map_set(&next->object.metadata.annotations, ANNOTATION_REVISION, revision);
    }
    if ((int)i == r->current) {
        next->spec.min_ready_seconds = r->deployment->spec.min_ready_seconds;
    }
    plan_update(plan, &rs->object, &next->object);
}

/* Oldest first, only those that are empty and settled. */
static void drop_history(const struct rollout *r, struct plan *plan)
{
    int32_t limit = r->deployment->spec.has_revision_history_limit
                        ? r->deployment->spec.revision_history_limit : 10;
    int32_t old = (int32_t)r->n - (r->current >= 0);
    for (size_t i = 0; i < r->n && old > limit; i++) {
        const struct replicaset *rs = r->all[i];
        if ((int)i != r->current && rs->spec.replicas == 0 && rs->status.replicas == 0 &&
            rs->status.observed_generation >= rs->object.metadata.generation) {
            plan_delete(plan, &rs->object);
            old--;
        }
    }
}

static void conditions(const struct rollout *r, struct deployment *next, int64_t now_ms,
                       struct plan *plan)
{
    const struct deployment *d = r->deployment;
    char now[32];
    clock_format(now_ms, now, sizeof now);
    bool available = next->status.available_replicas >= rollout_min_available(d);
    condition_set(&next->status.conditions, "Available", available ? "True" : "False",
                  available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  available ? "enough pods are available" : "too few pods are available", now);
    bool complete = next->status.updated_replicas == d->spec.replicas &&
                    next->status.replicas == d->spec.replicas &&
                    next->status.available_replicas == d->spec.replicas;
    bool moved = next->status.updated_replicas != d->status.updated_replicas ||
                 next->status.ready_replicas != d->status.ready_replicas ||
                 next->status.available_replicas != d->status.available_replicas ||
                 next->status.replicas != d->status.replicas ||
                 d->status.observed_generation != d->object.metadata.generation;
    const struct condition *was = condition_find(&d->status.conditions, "Progressing");
    int64_t since = now_ms;
    if (!moved && was != NULL && was->last_update_time != NULL) {
        clock_parse(was->last_update_time, &since);
    }
    int64_t deadline_ms =
        1000 * (int64_t)(d->spec.has_progress_deadline_seconds
                             ? d->spec.progress_deadline_seconds : 600);
    if (d->spec.paused) {
        condition_set(&next->status.conditions, "Progressing", "Unknown", "DeploymentPaused",
                      "the deployment is paused", now);
    } else if (complete) {
        condition_set(&next->status.conditions, "Progressing", "True", "NewReplicaSetAvailable",
                      "the rollout is complete", now);
    } else if (now_ms - since > deadline_ms) {
        condition_set(&next->status.conditions, "Progressing", "False",
                      "ProgressDeadlineExceeded", "no progress within progressDeadlineSeconds",
                      now);
    } else {
        condition_set(&next->status.conditions, "Progressing", "True", "ReplicaSetUpdated",
                      "the rollout goes on", now);
        plan_requeue_after(plan, (uint64_t)(deadline_ms - (now_ms - since) + 1000));
    }
    if (moved) {
        for (size_t i = 0; i < next->status.conditions.n; i++) {
            struct condition *c = &next->status.conditions.items[i];
            if (str_eq(c->type, "Progressing")) {
                string_set(&c->last_update_time, now);
            }
        }
    }
}

/* PRE: neither is negative. */
static int32_t add(int32_t a, int32_t b)
{
    return b > INT32_MAX - a ? INT32_MAX : a + b;
}

static void plan_status(const struct rollout *r, int64_t now_ms, struct plan *plan)
{
    const struct deployment *d = r->deployment;
    struct deployment *next = object_deployment(object_copy(&d->object));
    next->status.observed_generation = d->object.metadata.generation;
    next->status.replicas = next->status.ready_replicas = next->status.available_replicas = 0;
    next->status.updated_replicas = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct replicaset *rs = r->all[i];
        next->status.replicas = add(next->status.replicas, rs->status.replicas);
        next->status.ready_replicas = add(next->status.ready_replicas, rs->status.ready_replicas);
        next->status.available_replicas =
            add(next->status.available_replicas, rs->status.available_replicas);
    }
    if (r->current >= 0) {
        next->status.updated_replicas = r->all[r->current]->status.replicas;
    }
    int32_t missing = d->spec.replicas - next->status.available_replicas;
    next->status.unavailable_replicas = missing > 0 ? missing : 0;
    conditions(r, next, now_ms, plan);
    if (r->current >= 0) {
        const char *revision = string_map_get(&r->all[r->current]->object.metadata.annotations,
                                              ANNOTATION_REVISION);
        if (revision != NULL) {
            string_map_set(&next->object.metadata.annotations, ANNOTATION_REVISION, revision);
        }
    }
    plan_update_status(plan, &d->object, &next->object);
}

static void deployment_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                                 struct plan *plan)
{
    const struct object *o = lister_get_key(l, &kind_deployment, key);
    if (o == NULL || o->metadata.deletion_timestamp != NULL || o->metadata.uid == NULL) {
        return;
    }
    struct deployment *d = arena_dup(&plan->arena, o, sizeof *d);
    d->spec.replicas = positive(d->spec.replicas);
    struct rollout r = gather(l, d, &plan->arena);
    int32_t *sizes = arena_zalloc(&plan->arena, (r.n + 1) * sizeof *sizes);
    if (count_available(l, &r, now_ms, &plan->arena)) {
        plan_requeue_after(plan, 1000);
    }
    rollout_sizes(&r, sizes);
    for (size_t i = 0; i < r.n; i++) {
        adjust(&r, i, sizes[i], plan);
    }
    if (r.current < 0 && !d->spec.paused && rollout_may_create(&r)) {
        create_replicaset(l, &r, plan);
    }
    drop_history(&r, plan);
    plan_status(&r, now_ms, plan);
}

/* Recreate waits for the last old pod to be gone; for others a ReplicaSet's status says enough. */
static void keys_of_pod(const struct lister *l, const struct controller_watch *watch,
                        const struct object *o, struct key_sink *keys)
{
    const struct owner_reference *ref = object_controller_of(o);
    if (ref == NULL || !str_eq(ref->kind, "ReplicaSet") || ref->name == NULL) {
        return;
    }
    const struct object *rs =
        lister_get(l, &kind_replicaset, o->metadata.namespace_, ref->name);
    const struct owner_reference *up = rs != NULL ? object_controller_of(rs) : NULL;
    if (up == NULL || !str_eq(up->kind, "Deployment") || up->name == NULL) {
        return;
    }
    const struct object *d = lister_get(l, &kind_deployment, o->metadata.namespace_, up->name);
    if (d != NULL && recreates(object_deployment(d))) {
        keys_of_owner(l, watch, rs, keys);
    }
}

const struct controller controller_deployment = {
    .name = "deployment",
    .watches = { { .kind = &kind_deployment },
                 { .kind = &kind_replicaset, .keys = keys_of_owner, .owner = &kind_deployment },
                 { .kind = &kind_pod, .keys = keys_of_pod, .owner = &kind_deployment } },
    .reconcile = deployment_reconcile,
};
