/* The harness of controllers; see controller.h.
 *
 * One key's way:
 *
 *     event --keys()--> queue --get--> reconcile --plan--> executor --outcome--> caches show it
 *     --> done
 *                         ^                                                             |
 *                         +---- conflict or failure: back-off; requeue_after ------------+
 *
 * A `pass` is one key between get and done. While it waits for the caches it is still "processing"
 * for the queue, so no second reconcile of the key can start, and its place among the workers is
 * free. */
#include "client/controller.h"

#include "client/catch_up.h"
#include "client/workqueue.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/io/timer.h"

enum {
    CACHE_WAIT_MS = 10000,
    UNCERTAIN_MS = 2500, /* a write without an answer may have happened: by then a watch shows it */
    CATCH_UP_MS = 3000,
    WORKERS_DEFAULT = 8,
    WROTE_MAX = 8,
};

struct runner;

/* What an informer's handler is called with. */
struct hook {
    struct runner *runner;
    const struct controller_watch *watch;
};

struct pass {
    struct list link;       /* in runner.working or runner.waiting */
    struct runner *runner;
    char *key;
    int status;
    uint64_t requeue_after_ms;
    struct executor_wrote wrote[WROTE_MAX];
    size_t n_wrote;
    uint64_t until_ms;      /* waits for the caches at most so long */
};

struct runner {
    struct controller_group *group;
    const struct controller *spec;
    struct workqueue *queue;
    struct hook hooks[CONTROLLER_WATCHES_MAX];
    size_t n_hooks;
    size_t in_flight;
    struct list waiting;    /* passes, in order of until_ms */
    struct ready pump;
    struct timer timer;     /* the next delayed key, or the oldest waiting pass */
    struct timer resync;
    struct list working;    /* passes with the executor */
    struct controller_stats stats;
};

struct controller_group {
    struct informers *informers;
    struct executor *executor;
    struct recorder *recorder;
    struct loop *loop;
    struct rng rng;
    bool leading;
    bool caught_up;               /* the caches show what the store held when we began to lead */
    struct catch_up *catch_up;
    struct runner *runners;
    size_t n;
};

struct key_sink {
    struct runner *runner;
};

static void runner_pump_soon(struct runner *r)
{
    loop_ready(r->group->loop, &r->pump);
}

/* --- events become keys ----------------------------------------------------------------------- */

void key_sink_add(struct key_sink *keys, const char *key)
{
    workqueue_add(keys->runner->queue, key);
    runner_pump_soon(keys->runner);
}

void keys_of_owner(const struct lister *l, const struct controller_watch *watch,
                   const struct object *o, struct key_sink *keys)
{
    const struct owner_reference *owner = object_controller_of(o);

    (void)l;
    if (owner == NULL || owner->name == NULL || owner->kind == NULL ||
        strcmp(owner->kind, watch->owner->kind) != 0) {
        return;
    }
    if (watch->owner->namespaced) {
        autofree char *key = mem_printf("%s/%s", o->metadata.namespace_, owner->name);

        key_sink_add(keys, key);
    } else {
        key_sink_add(keys, owner->name);
    }
}

static void hook_keys(struct hook *hook, const struct object *o)
{
    struct runner *r = hook->runner;
    struct key_sink keys = { r };
    autofree char *name_key = NULL;

    if (!r->group->leading) {
        return; /* on taking over every object is looked at anyway */
    }
    if (hook->watch->keys != NULL) {
        hook->watch->keys(informers_lister(r->group->informers), hook->watch, o, &keys);
        return;
    }
    name_key = object_name_key(o);
    key_sink_add(&keys, name_key);
}

static void on_added(void *arg, const struct object *o)
{
    hook_keys(arg, o);
}

static void on_updated(void *arg, const struct object *old, const struct object *o)
{
    hook_keys(arg, old);
    hook_keys(arg, o);
}

static void on_deleted(void *arg, const struct object *last)
{
    hook_keys(arg, last);
}

static void on_advanced(void *arg, int64_t revision)
{
    struct hook *hook = arg;

    (void)revision;
    runner_pump_soon(hook->runner);
}

static void enqueue_all(struct hook *hook)
{
    const struct lister *l = informers_lister(hook->runner->group->informers);
    const struct cache *c = lister_cache(l, hook->watch->kind);
    const struct object *o;
    size_t at = 0;

    while ((o = cache_next(c, &at)) != NULL) {
        hook_keys(hook, o);
    }
}

/* --- a pass ----------------------------------------------------------------------------------- */

static bool uncertain(int status)
{
    return status == E_UNAVAILABLE || status == E_TIMEOUT || status == E_NOLEADER ||
           status == E_LEADER_CHANGED || status == E_CANCELED || status == E_CLOSED;
}

static void pass_end(struct pass *pass)
{
    struct runner *r = pass->runner;
    uint64_t now = loop_now_ms(r->group->loop);

    list_remove(&pass->link);
    if (!r->group->leading) {
        workqueue_forget(r->queue, pass->key);
    } else if (uncertain(pass->status)) {
        workqueue_add_at(r->queue, pass->key, now + UNCERTAIN_MS);
    } else if (pass->status != 0) {
        workqueue_add_rate_limited(r->queue, pass->key, now);
    } else {
        workqueue_forget(r->queue, pass->key);
        if (pass->requeue_after_ms != UINT64_MAX) {
            workqueue_add_at(r->queue, pass->key, now + pass->requeue_after_ms);
        }
    }
    workqueue_done(r->queue, pass->key);
    mem_free(pass->key);
    mem_free(pass);
}

/* Do the caches show everything that this pass has written? */
static bool pass_visible(const struct pass *pass)
{
    const struct lister *l = informers_lister(pass->runner->group->informers);

    for (size_t i = 0; i < pass->n_wrote; i++) {
        const struct cache *c = lister_cache(l, pass->wrote[i].kind);

        if (c != NULL && cache_revision(c) < pass->wrote[i].revision) {
            return false;
        }
    }
    return true;
}

static void on_outcome(void *arg, const struct executor_outcome *outcome)
{
    struct pass *pass = arg;
    struct runner *r = pass->runner;

    r->in_flight--;
    r->stats.writes += outcome->written;
    pass->status = outcome->status;
    pass->requeue_after_ms = outcome->requeue_after_ms;
    pass->n_wrote = outcome->n_wrote;
    memcpy(pass->wrote, outcome->wrote, outcome->n_wrote * sizeof *outcome->wrote);
    if (outcome->status == E_CONFLICT) {
        r->stats.conflicts++;
    } else if (outcome->status != 0) {
        r->stats.failures++;
        log_warn("controller", "cannot carry out a plan; trying again",
                 "controller=%s key=%s failures=%u why=\"%s\"", r->spec->name, pass->key,
                 workqueue_failures(r->queue, pass->key) + 1, outcome->err->msg);
    }
    list_remove(&pass->link);
    if (pass_visible(pass)) {
        pass_end(pass);
    } else {
        pass->until_ms = loop_now_ms(r->group->loop) + CACHE_WAIT_MS;
        list_push_back(&r->waiting, &pass->link);
    }
    runner_pump_soon(r);
}

static void pass_begin(struct runner *r, const char *key)
{
    struct controller_group *g = r->group;
    struct pass *pass = mem_zalloc(sizeof *pass);
    int64_t now_ms = loop_wall_ms(g->loop);
    struct plan plan;

    pass->runner = r;
    pass->key = mem_strdup(key);
    list_push_back(&r->working, &pass->link);
    r->in_flight++;
    r->stats.reconciles++;
    plan_init(&plan, rng_u64(&g->rng), now_ms);
    r->spec->reconcile(informers_lister(g->informers), key, now_ms, &plan);
    executor_run(g->executor, &plan, on_outcome, pass);
    plan_fini(&plan);
}

/* --- the pump --------------------------------------------------------------------------------- */

static bool runner_synced(const struct runner *r)
{
    for (size_t i = 0; i < r->n_hooks; i++) {
        if (!informer_synced(informers_of(r->group->informers, r->hooks[i].watch->kind))) {
            return false;
        }
    }
    return true;
}

static void settle_waiting(struct runner *r, uint64_t now)
{
    LIST_FOREACH_SAFE(it, &r->waiting) {
        struct pass *pass = LIST_ENTRY(it, struct pass, link);

        if (now >= pass->until_ms) {
            log_warn("controller", "the cache does not show a write; looking anyway",
                     "controller=%s key=%s", r->spec->name, pass->key);
            pass_end(pass);
        } else if (pass_visible(pass)) {
            pass_end(pass);
        }
    }
}

static void arm_timer(struct runner *r)
{
    uint64_t next = workqueue_next_due_ms(r->queue);
    struct list *oldest = list_first(&r->waiting);

    if (oldest != NULL && LIST_ENTRY(oldest, struct pass, link)->until_ms < next) {
        next = LIST_ENTRY(oldest, struct pass, link)->until_ms;
    }
    if (next == UINT64_MAX || next == 0) {
        timer_stop(&r->timer); /* nothing, or in line: the end of a pass pumps */
    } else {
        timer_start_at(&r->timer, next);
    }
}

static void runner_pump(struct runner *r)
{
    size_t workers = r->spec->workers != 0 ? r->spec->workers : WORKERS_DEFAULT;
    uint64_t now = loop_now_ms(r->group->loop);
    const char *key;

    settle_waiting(r, now);
    if (!r->group->leading || !r->group->caught_up || !runner_synced(r)) {
        arm_timer(r);
        return;
    }
    while (r->in_flight < workers && (key = workqueue_get(r->queue, now)) != NULL) {
        pass_begin(r, key);
    }
    arm_timer(r);
}

static void on_pump(struct ready *ready)
{
    runner_pump(CONTAINER_OF(ready, struct runner, pump));
}

static void on_timer(struct timer *t)
{
    runner_pump(CONTAINER_OF(t, struct runner, timer));
}

static void on_resync(struct timer *t)
{
    struct runner *r = CONTAINER_OF(t, struct runner, resync);

    if (r->group->leading) {
        enqueue_all(&r->hooks[0]);
    }
    timer_start(&r->resync, r->spec->resync_ms);
}

/* --- taking over ------------------------------------------------------------------------------ */

static void on_caught_up(void *arg, bool complete, int64_t revision)
{
    struct controller_group *g = arg;

    g->catch_up = NULL;
    g->caught_up = true;
    if (!complete) {
        log_warn("controller", "the caches do not catch up; beginning anyway", "revision=%lld",
                 (long long)revision);
    }
    for (size_t i = 0; i < g->n; i++) {
        runner_pump_soon(&g->runners[i]);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void runner_init(struct controller_group *g, struct runner *r, const struct controller *spec)
{
    static const struct informer_handler handler = {
        .added = on_added,
        .updated = on_updated,
        .deleted = on_deleted,
        .advanced = on_advanced,
    };
    struct workqueue_options queue = { .seed = rng_u64(&g->rng) };

    r->group = g;
    r->spec = spec;
    r->stats.name = spec->name;
    r->queue = workqueue_new(&queue);
    list_init(&r->working);
    list_init(&r->waiting);
    ready_init(&r->pump, on_pump);
    timer_init(g->loop, &r->timer, on_timer);
    timer_init(g->loop, &r->resync, on_resync);
    for (size_t i = 0; i < CONTROLLER_WATCHES_MAX && spec->watches[i].kind != NULL; i++) {
        struct hook *hook = &r->hooks[r->n_hooks++];

        hook->runner = r;
        hook->watch = &spec->watches[i];
        informer_handle(informers_of(g->informers, hook->watch->kind), &handler, hook);
    }
    PRE(r->n_hooks > 0);
    if (spec->resync_ms != 0) {
        timer_start(&r->resync, spec->resync_ms);
    }
}

static void passes_free(struct list *passes)
{
    struct list *l;

    while ((l = list_pop_front(passes)) != NULL) {
        struct pass *pass = LIST_ENTRY(l, struct pass, link);

        mem_free(pass->key);
        mem_free(pass);
    }
}

static void runner_fini(struct runner *r)
{
    for (size_t i = 0; i < r->n_hooks; i++) {
        informer_unhandle(informers_of(r->group->informers, r->hooks[i].watch->kind),
                          &r->hooks[i]);
    }
    passes_free(&r->working);
    passes_free(&r->waiting);
    timer_stop(&r->timer);
    timer_stop(&r->resync);
    ready_cancel(&r->pump);
    workqueue_free(r->queue);
}

struct controller_group *controller_group_new(const struct controller_group_options *options)
{
    struct controller_group *g = mem_zalloc(sizeof *g);
    struct client *c = informers_client(options->informers);

    g->informers = options->informers;
    g->loop = client_loop(c);
    rng_init(&g->rng, options->seed);
    g->recorder = recorder_new(c, options->component, options->host, rng_u64(&g->rng));
    g->executor = executor_new(c, g->recorder);
    g->n = options->n;
    g->runners = mem_zalloc((g->n + 1) * sizeof *g->runners);
    for (size_t i = 0; i < g->n; i++) {
        runner_init(g, &g->runners[i], options->table[i]);
    }
    return g;
}

struct controller_group *controller_group_free(struct controller_group *g)
{
    if (g == NULL) {
        return NULL;
    }
    catch_up_cancel(g->catch_up);
    executor_free(g->executor);
    for (size_t i = 0; i < g->n; i++) {
        runner_fini(&g->runners[i]);
    }
    recorder_free(g->recorder);
    mem_free(g->runners);
    mem_free(g);
    return NULL;
}

void controller_group_lead(struct controller_group *g, bool leading)
{
    if (g->leading == leading) {
        return;
    }
    g->leading = leading;
    catch_up_cancel(TAKE(g->catch_up));
    if (leading) {
        g->caught_up = false;
        g->catch_up = catch_up_start(g->informers, CATCH_UP_MS, on_caught_up, g);
    }
    for (size_t i = 0; i < g->n; i++) {
        struct runner *r = &g->runners[i];

        if (!leading) {
            workqueue_clear(r->queue);
            continue;
        }
        for (size_t k = 0; k < r->n_hooks; k++) {
            enqueue_all(&r->hooks[k]);
        }
        runner_pump_soon(r);
    }
}

void controller_group_fence(struct controller_group *g, const struct client_guard *fence)
{
    executor_set_fence(g->executor, fence);
}

void controller_group_enqueue(struct controller_group *g, const char *controller, const char *key)
{
    for (size_t i = 0; i < g->n; i++) {
        struct key_sink keys = { &g->runners[i] };

        if (strcmp(g->runners[i].spec->name, controller) == 0) {
            key_sink_add(&keys, key);
        }
    }
}

bool controller_group_idle(const struct controller_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct runner *r = &g->runners[i];

        if (!g->caught_up || !runner_synced(r) || workqueue_len(r->queue) != 0 ||
            workqueue_processing(r->queue) != 0) {
            return false;
        }
    }
    return true;
}

void controller_group_stats(const struct controller_group *g, size_t k,
                            struct controller_stats *ret_stats)
{
    const struct runner *r;

    PRE(k < g->n);
    r = &g->runners[k];
    *ret_stats = r->stats;
    ret_stats->queued = workqueue_len(r->queue);
    ret_stats->delayed = workqueue_delayed(r->queue);
    ret_stats->in_flight = r->in_flight;
    ret_stats->waiting_for_cache = workqueue_processing(r->queue) - r->in_flight;
}
