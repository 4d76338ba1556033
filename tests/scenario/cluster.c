/* Turns: controllers until their queue is empty, the scheduler, each agent; again until nothing
 * was done. What is written goes through JSON, as in the store, and its events become keys by the
 * controllers' own rules: a rule that forgets a key shows as a cluster that stands still. */
#include "tests/scenario/cluster.h"

#include "api/meta.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "scheduler/cycle.h"

enum { START_YEAR_2026 = 1767225600, WORK_MAX = 100000, RETRY_MS = 10 };

/* A key of one controller, in the queue or waiting for its time. */
struct work {
    struct list link;
    const struct controller *controller;
    char *key;
    int64_t due_ms;
};

struct key_sink {
    struct cluster *cluster;
    const struct controller *controller;
};

/* --- keys ------------------------------------------------------------------------------------- */

static void work_free(struct work *w)
{
    list_remove(&w->link);
    mem_free(w->key);
    mem_free(w);
}

static void work_add(struct list *list, const struct controller *controller, const char *key,
                     int64_t due_ms)
{
    LIST_FOREACH(l, list) {
        const struct work *w = LIST_ENTRY(l, struct work, link);
        if (w->controller == controller && strcmp(w->key, key) == 0 && w->due_ms <= due_ms) {
            return;
        }
    }
    struct work *w = mem_zalloc(sizeof *w);
    w->controller = controller;
    w->key = mem_strdup(key);
    w->due_ms = due_ms;
    list_push_back(list, &w->link);
}

/* These two are the harness's part (client/controller.c), without its loop. */
void key_sink_add(struct key_sink *keys, const char *key)
{
    work_add(&keys->cluster->queue, keys->controller, key, 0);
}

void keys_of_owner(const struct lister *l, const struct controller_watch *watch,
                   const struct object *o, struct key_sink *keys)
{
    const struct owner_reference *owner = object_controller_of(o);
    (void)l;
    if (owner != NULL && strcmp(owner->kind, watch->owner->kind) == 0) {
        autofree char *key = mem_printf("%s/%s", o->metadata.namespace_, owner->name);
        key_sink_add(keys, key);
    }
}

static void changed(struct cluster *c, const struct object *o)
{
    for (size_t i = 0; i < controllers_n; i++) {
        const struct controller_watch *w = controllers[i]->watches;
        struct key_sink keys = { c, controllers[i] };
        for (; w->kind != NULL; w++) {
            if (w->kind == o->kind && w->keys != NULL) {
                w->keys(&c->lister, w, o, &keys);
            } else if (w->kind == o->kind) {
                autofree char *key = object_name_key(o);
                key_sink_add(&keys, key);
            }
        }
    }
    if (o->kind == &kind_pod && c->on_pods != NULL) {
        c->on_pods(c->arg);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static void advance(struct cluster *c)
{
    c->revision++;
    for (size_t i = 0; i < c->lister.n; i++) {
        cache_set_revision(c->lister.caches[i], c->revision);
    }
}

/* As the next reader of the store would see it. */
static void write_object(struct cluster *c, struct cache *cache, const struct object *o)
{
    autobuf json = BUF_INIT;
    struct err err = ERR_INIT;
    struct object *stored = NULL;
    struct cached *old = NULL;
    object_to_json(o, &json);
    int rv = object_from_json(o->kind, buf_slice(&json), &stored, &err);
    INVARIANT(rv == 0);
    advance(c);
    stored->metadata.resource_version = c->revision;
    cache_put(cache, stored, &old);
    if (old != NULL) {
        changed(c, old->object);
    }
    changed(c, stored);
    cached_unref(old);
}

static void remove_object(struct cluster *c, struct cache *cache, const char *key)
{
    advance(c);
    struct cached *old = cache_remove(cache, key);
    changed(c, old->object);
    cached_unref(old);
}

static bool carry_out_op(struct cluster *c, const struct plan_op *op)
{
    struct cache *cache = lister_cache(&c->lister, op->kind);
    autofree char *key = op->kind->namespaced ? mem_printf("%s/%s", op->namespace_, op->name)
                                              : mem_strdup(op->name);
    const struct object *have = op->action != PLAN_EVENT ? cache_get(cache, key) : NULL;
    switch (op->action) {
    case PLAN_EVENT:
        buf_printf(c->trace, "  %s %s: %s\n", op->kind->kind, op->name, op->message);
        return true;
    case PLAN_CREATE:
        if (have == NULL) {
            write_object(c, cache, op->object);
        }
        return have == NULL;
    case PLAN_UPDATE:
    case PLAN_UPDATE_STATUS:
    case PLAN_DELETE:
        if (have == NULL || have->metadata.resource_version != op->resource_version) {
            return false;
        }
        if (op->action == PLAN_DELETE) {
            remove_object(c, cache, key);
        } else {
            write_object(c, cache, op->object);
        }
        return true;
    }
    UNREACHABLE();
}

void cluster_plan_init(struct cluster *c, struct plan *p)
{
    plan_init(p, ++c->seed, c->now_ms);
}

bool cluster_carry_out(struct cluster *c, struct plan *p)
{
    bool done = true;
    for (size_t i = 0; i < p->n && done; i++) {
        done = carry_out_op(c, &p->ops[i]);
    }
    plan_fini(p);
    return done;
}

/* --- turns ------------------------------------------------------------------------------------ */

static bool run_controllers(struct cluster *c)
{
    bool did = false;
    struct list *l;
    for (int n = 0; (l = list_first(&c->queue)) != NULL; n++) {
        INVARIANT(n < WORK_MAX); /* two controllers that never agree */
        struct work *w = LIST_ENTRY(l, struct work, link);
        const struct controller *controller = w->controller;
        autofree char *key = TAKE(w->key);
        work_free(w);
        struct plan p;
        cluster_plan_init(c, &p);
        controller->reconcile(&c->lister, key, c->now_ms, &p);
        if (p.requeue_after_ms != UINT64_MAX) {
            work_add(&c->timers, controller, key, c->now_ms + (int64_t)p.requeue_after_ms);
        }
        did = did || p.n > 0;
        if (!cluster_carry_out(c, &p)) {
            work_add(&c->queue, controller, key, 0);
        }
    }
    return did;
}

static bool schedule_pod(struct cluster *c, struct snapshot *s, const struct pod *pod,
                         struct arena *arena)
{
    char now[32];
    struct cycle_result r;
    struct plan p;
    bool wrote = true;
    clock_format(c->now_ms, now, sizeof now);
    cycle_run(s, pod, 1, arena, &r);
    cluster_plan_init(c, &p);
    struct pod *next = object_pod(object_copy(&pod->object));
    if (r.node != NULL) {
        string_set(&next->spec.node_name, r.node);
        condition_set(&next->status.conditions, "PodScheduled", "True", NULL, NULL, now);
        snapshot_pod_assume(s, pod, r.node);
        buf_printf(c->trace, "  %s goes to %s\n", pod->object.metadata.name, r.node);
        plan_update(&p, &pod->object, &next->object);
    } else if (condition_set(&next->status.conditions, "PodScheduled", "False", "Unschedulable",
                             r.message, now)) {
        buf_printf(c->trace, "  %s fits nowhere: %s\n", pod->object.metadata.name, r.message);
        plan_update_status(&p, &pod->object, &next->object);
    } else {
        object_free(&next->object);
        wrote = false;
    }
    cluster_carry_out(c, &p);
    return wrote;
}

static bool run_scheduler(struct cluster *c)
{
    bool did = false;
    struct arena arena;
    struct snapshot s;
    arena_init(&arena);
    snapshot_init(&s);
    struct object_list nodes = lister_list(&c->lister, &kind_node, NULL, &arena);
    struct object_list pods = lister_list(&c->lister, &kind_pod, NULL, &arena);
    for (size_t i = 0; i < nodes.n; i++) {
        snapshot_node_set(&s, object_node(nodes.items[i]));
    }
    for (size_t i = 0; i < pods.n; i++) {
        snapshot_pod_set(&s, object_pod(pods.items[i]));
    }
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        if (p->spec.node_name == NULL && pod_is_active(p)) {
            did = schedule_pod(c, &s, p, &arena) || did;
        }
    }
    snapshot_fini(&s);
    arena_fini(&arena);
    return did;
}

static bool run_agents(struct cluster *c)
{
    bool did = false;
    c->agents_wake_ms = 0;
    LIST_FOREACH(l, &c->agents) {
        did = agent_pass(c, LIST_ENTRY(l, struct agent, link)) || did;
    }
    return did;
}

void cluster_settle(struct cluster *c)
{
    bool did = true;
    for (int n = 0; did; n++) {
        INVARIANT(n < WORK_MAX);
        did = run_controllers(c);
        did = run_scheduler(c) || did;
        did = run_agents(c) || did;
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t next_due(const struct cluster *c, int64_t until_ms)
{
    int64_t due = c->agents_wake_ms != 0 && c->agents_wake_ms < until_ms ? c->agents_wake_ms
                                                                          : until_ms;
    LIST_FOREACH(l, &c->timers) {
        const struct work *w = LIST_ENTRY(l, struct work, link);
        due = w->due_ms < due ? w->due_ms : due;
    }
    return due > c->now_ms ? due : c->now_ms + RETRY_MS;
}

static void fire(struct cluster *c)
{
    struct list *next;
    for (struct list *l = c->timers.next; l != &c->timers; l = next) {
        struct work *w = LIST_ENTRY(l, struct work, link);
        next = l->next;
        if (w->due_ms <= c->now_ms) {
            work_add(&c->queue, w->controller, w->key, 0);
            work_free(w);
        }
    }
}

void cluster_wait(struct cluster *c, int64_t ms)
{
    int64_t until_ms = c->now_ms + ms;
    while (c->now_ms < until_ms) {
        c->now_ms = next_due(c, until_ms);
        fire(c);
        cluster_settle(c);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct cluster *cluster_new(struct buf *trace)
{
    static const struct kind *const kinds_here[] = {
        &kind_node,       &kind_pod,       &kind_replicaset, &kind_deployment,
        &kind_configmap,  &kind_node_item, &kind_node_alive,
    };
    static const struct cache_index *const of_items[] = { &index_node_item_pod };
    struct cluster *c = mem_zalloc(sizeof *c);
    c->trace = trace;
    c->now_ms = INT64_C(1000) * START_YEAR_2026;
    list_init(&c->queue);
    list_init(&c->timers);
    list_init(&c->agents);
    for (size_t i = 0; i < ARRAY_LEN(kinds_here); i++) {
        bool items = kinds_here[i] == &kind_node_item;
        lister_add(&c->lister, cache_new(kinds_here[i], items ? of_items : NULL, items ? 1 : 0));
    }
    return c;
}

void cluster_free(struct cluster *c)
{
    struct list *l;
    while ((l = list_first(&c->queue)) != NULL || (l = list_first(&c->timers)) != NULL) {
        work_free(LIST_ENTRY(l, struct work, link));
    }
    while ((l = list_first(&c->agents)) != NULL) {
        agent_free(LIST_ENTRY(l, struct agent, link));
    }
    for (size_t i = 0; i < c->lister.n; i++) {
        cache_free(c->lister.caches[i]);
    }
    mem_free(c);
}
