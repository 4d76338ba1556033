/* lib/io's loop, timers and workers over the virtual clock.
 *
 * A turn: whatever calls into a node (a timer, a frame, a finished job) starts one; its end (the
 * ready queue, then the hooks) comes up to options.turn_us later, so that a crash or more input may
 * fall in between. Cached time is the node's own clock at the last call.
 *
 * A job is carried out at some time after its worker is free (EV_JOB_RUN: its disk operations are
 * done then), and reported a little later (EV_JOB_DONE): a crash may come before, within or
 * between. */
#include "lib/io/fault.h"
#include "lib/io/loop.h"

#include "lib/base/alloc.h"
#include "lib/io/timer.h"
#include "lib/io/work.h"
#include "tests/sim/sim.h"

struct loop {
    struct node *node;
    struct heap timers;
    struct list ready;
    struct list hooks;
    struct list ready_next; /* made ready by a ready call: another turn */
    struct list hooks_next; /* armed again after running in this turn */
    struct list dirty;      /* connections with something to send (conn.c) */
    struct list workers;
    uint64_t turn;
    bool in_ready;
    uint64_t now_ms;
    uint64_t timer_at;   /* virtual time of the posted EV_TIMER, 0 none */
    uint64_t due_ms, due_at; /* of the first timer when it was last looked at, in both times */
    bool turn_posted;
    uint64_t next_worker;
};

struct worker {
    struct list link;
    struct loop *loop;
    uint64_t id;
    struct list queue;
    struct job *job; /* being carried out */
    bool ran;
    size_t pending;
};

/* --- time ------------------------------------------------------------------------------------- */

uint64_t sim_local_us(const struct node *n, uint64_t t)
{
    return n->clock_us + (uint64_t)((double)t * n->rate);
}

/* The first virtual time at which the node's clock shows local_ms. */
static uint64_t virtual_time(const struct node *n, uint64_t local_ms)
{
    uint64_t local_us = local_ms * 1000;
    if (local_us <= n->clock_us) {
        return 0;
    }
    uint64_t t = (uint64_t)((double)(local_us - n->clock_us) / n->rate);
    while (sim_local_us(n, t) < local_us) {
        t++;
    }
    return t;
}

uint64_t loop_now_ms(struct loop *l)
{
    return l->now_ms;
}

uint64_t loop_now_us(struct loop *l)
{
    return sim_local_us(l->node, l->node->sim->now);
}

int64_t loop_wall_ms(struct loop *l)
{
    return 1700000000000 + (int64_t)l->now_ms + l->node->wall_ms;
}

/* Input has arrived: the clock is read. */
void sim_loop_before(struct loop *l)
{
    l->now_ms = sim_local_us(l->node, l->node->sim->now) / 1000;
}

/* --- life ------------------------------------------------------------------------------------- */

struct loop *sim_loop_new(struct node *n)
{
    struct loop *l = mem_zalloc(sizeof *l);
    l->node = n;
    heap_init(&l->timers);
    list_init(&l->ready);
    list_init(&l->hooks);
    list_init(&l->ready_next);
    list_init(&l->hooks_next);
    list_init(&l->dirty);
    list_init(&l->workers);
    sim_loop_before(l);
    return l;
}

void sim_loop_free(struct loop *l)
{
    struct list *it;
    while ((it = list_pop_front(&l->workers)) != NULL) {
        mem_free(LIST_ENTRY(it, struct worker, link));
    }
    heap_fini(&l->timers);
    mem_free(l);
}

struct node *sim_loop_node(const struct loop *l)
{
    return l->node;
}

/* --- ready calls and hooks -------------------------------------------------------------------- */

void ready_init(struct ready *r, void (*fn)(struct ready *self))
{
    list_init(&r->link);
    r->fn = fn;
}

void loop_ready(struct loop *l, struct ready *r)
{
    if (list_empty(&r->link)) {
        list_push_back(l->in_ready ? &l->ready_next : &l->ready, &r->link);
    }
}

void ready_cancel(struct ready *r)
{
    list_remove(&r->link);
}

void turn_hook_init(struct turn_hook *h, void (*fn)(struct turn_hook *self))
{
    *h = (struct turn_hook){ .fn = fn };
    list_init(&h->link);
}

void loop_at_turn_end(struct loop *l, struct turn_hook *h)
{
    if (list_empty(&h->link)) {
        bool ran = h->turn == l->turn && h->turn != 0;
        list_push_back(ran ? &l->hooks_next : &l->hooks, &h->link);
    }
}

void turn_hook_cancel(struct turn_hook *h)
{
    list_remove(&h->link);
}

static void run_ready(struct loop *l)
{
    struct list *it;
    l->in_ready = true;
    while ((it = list_pop_front(&l->ready)) != NULL) {
        struct ready *r = LIST_ENTRY(it, struct ready, link);
        r->fn(r);
    }
    l->in_ready = false;
}

static bool run_hook(struct loop *l)
{
    struct list *it = list_pop_front(&l->hooks);
    if (it == NULL) {
        return false;
    }
    struct turn_hook *h = LIST_ENTRY(it, struct turn_hook, link);
    h->turn = l->turn;
    h->fn(h);
    return true;
}

/* As the real loop's: each hook once a turn, what a ready call makes ready in the next one, and
 * what connections have to send at the very end. */
void sim_loop_turn(struct loop *l)
{
    l->turn_posted = false;
    l->turn++;
    do {
        run_ready(l);
    } while (run_hook(l));
    sim_conns_flush(l);
    list_move_all(&l->ready, &l->ready_next);
    list_move_all(&l->hooks, &l->hooks_next);
    l->turn++; /* what is armed from here on is another turn's */
}

struct list *sim_loop_dirty(struct loop *l)
{
    return &l->dirty;
}

static bool pending(const struct loop *l)
{
    return !list_empty(&l->ready) || !list_empty(&l->hooks) || !list_empty(&l->dirty);
}

void sim_loop_after(struct loop *l)
{
    struct sim *s = l->node->sim;
    if (!l->turn_posted && pending(l)) {
        l->turn_posted = true;
        sim_post(s, s->now + rng_range(&s->rng, 0, s->o.turn_us), EV_TURN, l->node, 0, NULL);
    }
    struct heap_item *it = heap_peek(&l->timers);
    if (it != NULL) {
        if (it->key != l->due_ms) {
            l->due_ms = it->key;
            l->due_at = virtual_time(l->node, it->key);
        }
        uint64_t t = l->due_at;
        if (l->timer_at == 0 || t < l->timer_at) {
            l->timer_at = t > s->now ? t : s->now;
            sim_post(s, l->timer_at, EV_TIMER, l->node, l->timer_at, NULL);
        }
    }
}

/* --- timers ----------------------------------------------------------------------------------- */

void timer_init(struct loop *l, struct timer *t, void (*fn)(struct timer *self))
{
    heap_item_init(&t->item);
    t->loop = l;
    t->fn = fn;
}

void timer_start_at(struct timer *t, uint64_t due_ms)
{
    heap_update(&t->loop->timers, &t->item, due_ms);
}

void timer_start(struct timer *t, uint64_t delay_ms)
{
    timer_start_at(t, t->loop->now_ms + delay_ms);
}

void timer_stop(struct timer *t)
{
    heap_remove(&t->loop->timers, &t->item);
}

bool timer_active(const struct timer *t)
{
    return heap_item_queued(&t->item);
}

void sim_loop_timer(struct loop *l)
{
    struct heap_item *it;
    l->timer_at = 0;
    /* What a callback starts for now fires in the next turn, as in the real loop. */
    uint64_t seq_end = l->timers.seq;
    while ((it = heap_peek(&l->timers)) != NULL && it->key <= l->now_ms && it->seq < seq_end) {
        heap_pop(&l->timers);
        struct timer *t = CONTAINER_OF(it, struct timer, item);
        t->fn(t);
    }
}

/* --- workers ---------------------------------------------------------------------------------- */

struct worker *worker_new(struct loop *l, const char *name)
{
    struct worker *w = mem_zalloc(sizeof *w);
    (void)name;
    w->loop = l;
    w->id = ++l->next_worker;
    list_init(&w->link);
    list_init(&w->queue);
    list_push_back(&l->workers, &w->link);
    return w;
}

static struct worker *worker_find(struct loop *l, uint64_t id)
{
    LIST_FOREACH(it, &l->workers)
    {
        struct worker *w = LIST_ENTRY(it, struct worker, link);
        if (w->id == id) {
            return w;
        }
    }
    return NULL;
}

static void worker_next(struct worker *w)
{
    struct sim *s = w->loop->node->sim;
    struct list *it = w->job == NULL ? list_pop_front(&w->queue) : NULL;
    if (it == NULL) {
        return;
    }
    w->job = LIST_ENTRY(it, struct job, link);
    w->ran = false;
    uint64_t d = rng_range(&s->rng, s->o.disk_lo_us, s->o.disk_hi_us);
    if ((s->o.faults & FAULT_SLOW_DISK) != 0 && !s->healed && rng_chance(&s->rng, 0.02)) {
        d += rng_range(&s->rng, 5000, 400000);
    }
    if (s->now < w->loop->node->stalled_until) {
        d += rng_range(&s->rng, 600000, 3000000);
    }
    sim_post(s, s->now + d, EV_JOB_RUN, w->loop->node, w->id, NULL);
}

void worker_submit(struct worker *w, struct job *job)
{
    job->worker = w;
    list_init(&job->link);
    list_push_back(&w->queue, &job->link);
    w->pending++;
    worker_next(w);
}

size_t worker_pending(const struct worker *w)
{
    return w->pending;
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    struct node *n = w->loop->node;
    if (w->job != NULL && !w->ran && !n->sim->over && n->up) {
        w->job->run(w->job);
    }
    list_remove(&w->link);
    mem_free(w);
}

void sim_loop_job_run(struct loop *l, uint64_t worker)
{
    struct sim *s = l->node->sim;
    struct worker *w = worker_find(l, worker);
    if (w == NULL || w->job == NULL || w->ran) {
        return;
    }
    w->ran = true;
    w->job->run(w->job);
    uint64_t d = rng_chance(&s->rng, 0.02) ? rng_range(&s->rng, 0, 20000)
                                            : rng_range(&s->rng, 0, 50);
    sim_post(s, s->now + d, EV_JOB_DONE, l->node, w->id, NULL);
}

void sim_loop_job_done(struct loop *l, uint64_t worker)
{
    struct worker *w = worker_find(l, worker);
    if (w == NULL || w->job == NULL || !w->ran) {
        return;
    }
    struct job *job = w->job;
    w->job = NULL;
    w->pending--;
    worker_next(w);
    job->done(job);
}

uint64_t sim_loop_any_job(const struct loop *l)
{
    LIST_FOREACH(it, &l->workers)
    {
        const struct worker *w = LIST_ENTRY(it, struct worker, link);
        if (w->job != NULL && !w->ran) {
            return w->id;
        }
    }
    return 0;
}

bool sim_loop_timer_is(const struct loop *l, uint64_t t)
{
    return l->timer_at == t;
}

/* --- the fault shim: this world has faults of its own ---------------------------------------- */

struct faults *loop_faults(struct loop *loop)
{
    (void)loop;
    return NULL;
}
