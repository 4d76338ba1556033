/* The loop around the pure cycle: events in, binds out. See scheduler.h. */
#include "scheduler/scheduler.h"

#include <string.h>

#include "api/meta.h"
#include "client/catch_up.h"
#include "client/objects.h"
#include "client/workqueue.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/timer.h"
#include "scheduler/cycle.h"

enum {
    CATCH_UP_MS = 3000,
    CYCLES_PER_TURN = 256,
    BINDS_IN_FLIGHT = 1024, /* further pods wait in the queue */
};

struct scheduler {
    struct informers *informers;
    struct client *client;
    struct loop *loop;
    struct recorder *recorder;
    struct cache *pods;
    struct snapshot snapshot;
    struct workqueue *queue;
    struct map parked;        /* "ns/name" -> itself: fits nowhere now */
    struct list binds;
    struct ready ready;
    struct timer timer;       /* back-off */
    uint64_t seed;
    bool leading, caught_up;
    struct catch_up *catch_up;
    struct buf fence_key;     /* empty = no fence */
    struct client_guard fence;
    struct scheduler_stats stats;
};

struct bind {
    struct list link;
    struct scheduler *scheduler;
    struct client_call *call;
    struct object *pod;       /* as written */
    char *key;
    bool binds;               /* false: only a status that says why not */
};

static bool wants_node(const struct pod *p)
{
    return p->spec.node_name == NULL && p->object.metadata.deletion_timestamp == NULL &&
           !pod_is_terminal(p);
}

static void wake(struct scheduler *s)
{
    if (s->leading && s->caught_up && informers_synced(s->informers)) {
        loop_ready(s->loop, &s->ready);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void unpark_all(struct scheduler *s)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&s->parked, &at)) != NULL) {
        workqueue_add(s->queue, e->value);
        mem_free(e->value);
        map_remove(&s->parked, e->key);
    }
    wake(s);
}

static void unpark(struct scheduler *s, const char *key)
{
    mem_free(map_remove(&s->parked, slice_str(key)));
}

/* A standby keeps no line: whoever begins to lead looks at every pod. */
static void pod_added(void *arg, const struct object *o)
{
    struct scheduler *s = arg;
    const struct pod *p = object_pod(o);
    snapshot_pod_set(&s->snapshot, p);
    if (s->leading && wants_node(p)) {
        autofree char *key = object_name_key(o);
        if (map_get_str(&s->parked, key) == NULL) {
            workqueue_add(s->queue, key);
        }
        wake(s);
    }
}

static void pod_updated(void *arg, const struct object *old, const struct object *o)
{
    struct scheduler *s = arg;
    const struct pod *was = object_pod(old), *is = object_pod(o);
    bool freed = was->spec.node_name != NULL && !pod_is_terminal(was) && pod_is_terminal(is);
    if (old->metadata.generation != o->metadata.generation ||
        !str_eq(old->metadata.uid, o->metadata.uid)) {
        autofree char *key = object_name_key(o);
        unpark(s, key); /* it asks for something else now */
    }
    pod_added(arg, o);
    if (freed) {
        unpark_all(s);
    }
}

static void pod_deleted(void *arg, const struct object *last)
{
    struct scheduler *s = arg;
    autofree char *key = object_name_key(last);
    snapshot_pod_remove(&s->snapshot, key);
    unpark(s, key);
    if (object_pod(last)->spec.node_name != NULL) {
        unpark_all(s);
    }
}

static void node_added(void *arg, const struct object *o)
{
    struct scheduler *s = arg;
    snapshot_node_set(&s->snapshot, object_node(o));
    unpark_all(s);
}

static void node_updated(void *arg, const struct object *old, const struct object *o)
{
    (void)old;
    node_added(arg, o);
}

static void node_deleted(void *arg, const struct object *last)
{
    struct scheduler *s = arg;
    snapshot_node_remove(&s->snapshot, last->metadata.name);
}

static void synced(void *arg)
{
    wake(arg);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void bind_free(struct bind *b)
{
    list_remove(&b->link);
    object_free(b->pod);
    mem_free(b->key);
    mem_free(b);
}

static void bind_done(void *arg, struct objects_result *result)
{
    struct bind *b = arg;
    struct scheduler *s = b->scheduler;
    s->stats.in_flight--;
    if (b->binds && result->status == 0) {
        s->stats.bound++;
        workqueue_forget(s->queue, b->key);
        if (s->recorder != NULL) {
            recorder_object_event(s->recorder, b->pod, "Normal", "Scheduled", "bound to %s",
                                  object_pod(b->pod)->spec.node_name);
        }
    } else if (result->status == E_NOTFOUND) {
        workqueue_forget(s->queue, b->key);
        snapshot_pod_forget(&s->snapshot, b->key);
    } else if (result->status != 0) {
        s->stats.failed++;
        if (b->binds) {
            snapshot_pod_forget(&s->snapshot, b->key);
        }
        unpark(s, b->key);
        if (s->leading) {
            workqueue_add_rate_limited(s->queue, b->key, loop_now_ms(s->loop));
        }
    }
    workqueue_done(s->queue, b->key);
    bind_free(b);
    wake(s);
}

static void write_pod(struct scheduler *s, const char *key, struct object *taken, bool binds)
{
    struct bind *b = mem_zalloc(sizeof *b);
    b->scheduler = s;
    b->pod = taken;
    b->key = mem_strdup(key);
    b->binds = binds;
    list_push_back(&s->binds, &b->link);
    s->stats.in_flight++;
    b->call = objects_update_fenced(s->client, taken, s->fence_key.len > 0 ? &s->fence : NULL,
                                    bind_done, b);
}

static void bind_to(struct scheduler *s, const char *key, const struct pod *p, const char *node)
{
    char now[32];
    clock_format(loop_wall_ms(s->loop), now, sizeof now);
    struct pod *next = object_pod(object_copy(&p->object));
    string_set(&next->spec.node_name, node);
    condition_set(&next->status.conditions, "PodScheduled", "True", NULL, NULL, now);
    snapshot_pod_assume(&s->snapshot, p, node);
    write_pod(s, key, &next->object, true);
}

/* Tells why, once for each reason; parked until something changes. */
static void park(struct scheduler *s, const char *key, const struct pod *p, const char *message)
{
    if (map_get_str(&s->parked, key) == NULL) {
        map_put_str(&s->parked, key, mem_strdup(key));
    }
    char now[32];
    clock_format(loop_wall_ms(s->loop), now, sizeof now);
    struct pod *next = object_pod(object_copy(&p->object));
    if (!condition_set(&next->status.conditions, "PodScheduled", "False", "Unschedulable",
                       message, now)) {
        object_free(&next->object);
        workqueue_done(s->queue, key);
        return;
    }
    if (s->recorder != NULL) {
        recorder_object_event(s->recorder, &p->object, "Warning", "FailedScheduling", "%s",
                              message);
    }
    write_pod(s, key, &next->object, false);
}

/* --- one turn --------------------------------------------------------------------------------- */

static void schedule_one(struct scheduler *s, const char *key, struct arena *arena)
{
    const struct object *o = cache_get(s->pods, key);
    if (o == NULL || !wants_node(object_pod(o)) || map_get_str(&s->snapshot.pods, key) != NULL) {
        workqueue_done(s->queue, key);
        return;
    }
    struct cycle_result r;
    s->stats.cycles++;
    cycle_run(&s->snapshot, object_pod(o), s->seed, arena, &r);
    if (r.node != NULL) {
        unpark(s, key);
        bind_to(s, key, object_pod(o), r.node);
    } else {
        park(s, key, object_pod(o), r.message);
    }
}

static void run(struct ready *r)
{
    struct scheduler *s = CONTAINER_OF(r, struct scheduler, ready);
    if (!s->leading || !s->caught_up || !informers_synced(s->informers)) {
        return;
    }
    struct arena arena;
    arena_init(&arena);
    uint64_t now = loop_now_ms(s->loop);
    const char *key = NULL;
    for (int i = 0; i < CYCLES_PER_TURN && s->stats.in_flight < BINDS_IN_FLIGHT; i++) {
        key = workqueue_get(s->queue, now);
        if (key == NULL) {
            break;
        }
        autofree char *copy = mem_strdup(key); /* workqueue_done may free it */
        schedule_one(s, copy, &arena);
        arena_reset(&arena);
    }
    arena_fini(&arena);
    uint64_t due = workqueue_next_due_ms(s->queue);
    if (due == 0 && s->stats.in_flight < BINDS_IN_FLIGHT) {
        loop_ready(s->loop, &s->ready);
    } else if (due != 0 && due != UINT64_MAX) {
        timer_start_at(&s->timer, due);
    }
}

static void on_timer(struct timer *t)
{
    wake(CONTAINER_OF(t, struct scheduler, timer));
}

static const struct informer_handler pod_handler = { pod_added, pod_updated, pod_deleted, synced,
                                                     NULL };
static const struct informer_handler node_handler = { node_added, node_updated, node_deleted,
                                                      synced, NULL };

struct scheduler *scheduler_new(const struct scheduler_options *options)
{
    struct scheduler *s = mem_zalloc(sizeof *s);
    s->informers = options->informers;
    s->client = informers_client(options->informers);
    s->loop = client_loop(s->client);
    s->recorder = options->recorder;
    s->seed = options->seed;
    snapshot_init(&s->snapshot);
    map_init(&s->parked);
    list_init(&s->binds);
    ready_init(&s->ready, run);
    timer_init(s->loop, &s->timer, on_timer);
    struct workqueue_options q = { .seed = options->seed };
    s->queue = workqueue_new(&q);
    struct informer *pods = informers_of(s->informers, &kind_pod);
    s->pods = informer_cache(pods);
    informer_handle(informers_of(s->informers, &kind_node), &node_handler, s);
    informer_handle(pods, &pod_handler, s);
    return s;
}

static void park_clear(struct scheduler *s)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&s->parked, &at)) != NULL) {
        mem_free(e->value);
        map_remove(&s->parked, e->key);
    }
}

struct scheduler *scheduler_free(struct scheduler *s)
{
    if (s == NULL) {
        return NULL;
    }
    informer_unhandle(informers_of(s->informers, &kind_node), s);
    informer_unhandle(informers_of(s->informers, &kind_pod), s);
    catch_up_cancel(s->catch_up);
    struct list *it;
    while ((it = list_first(&s->binds)) != NULL) {
        struct bind *b = LIST_ENTRY(it, struct bind, link);
        client_call_cancel(b->call);
        workqueue_done(s->queue, b->key);
        bind_free(b);
    }
    park_clear(s);
    map_fini(&s->parked);
    buf_fini(&s->fence_key);
    snapshot_fini(&s->snapshot);
    workqueue_free(s->queue);
    ready_cancel(&s->ready);
    timer_stop(&s->timer);
    mem_free(s);
    return NULL;
}

static void on_caught_up(void *arg, bool complete, int64_t revision)
{
    struct scheduler *s = arg;
    s->catch_up = NULL;
    s->caught_up = true;
    if (!complete) {
        log_warn("scheduler", "the caches do not catch up; beginning anyway", "revision=%lld",
                 (long long)revision);
    }
    wake(s);
}

void scheduler_lead(struct scheduler *s, bool leading)
{
    if (s->leading == leading) {
        return;
    }
    s->leading = leading;
    s->caught_up = false;
    catch_up_cancel(TAKE(s->catch_up));
    if (!leading) {
        workqueue_clear(s->queue);
        park_clear(s);
        return;
    }
    s->catch_up = catch_up_start(s->informers, CATCH_UP_MS, on_caught_up, s);
    const struct object *o;
    size_t at = 0;
    while ((o = cache_next(s->pods, &at)) != NULL) {
        pod_added(s, o);
    }
}

void scheduler_fence(struct scheduler *s, const struct client_guard *fence)
{
    buf_reset(&s->fence_key);
    if (fence != NULL) {
        buf_append_slice(&s->fence_key, fence->key);
        s->fence = (struct client_guard){ buf_slice(&s->fence_key), fence->mod_revision };
    }
}

void scheduler_get_stats(const struct scheduler *s, struct scheduler_stats *ret_stats)
{
    *ret_stats = s->stats;
    ret_stats->active = workqueue_len(s->queue);
    ret_stats->parked = s->parked.n;
}
