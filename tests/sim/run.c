/* One run: draw the options from the seed, boot, hand out events until the end, judge the end. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "tests/sim/sim.h"

enum { PROBE_EVERY_US = 2000000, CALM_US = 8000000, EVENTS_MAX = 6000000 };

/* The one exception to "no globals": the wrapped raft_step and signal handlers take no argument. */
static struct sim *current;

struct sim *sim_current(void)
{
    return current;
}

void sim_log(struct sim *s, const char *fmt, ...)
{
    va_list args;
    printf("%9.3f  ", (double)s->now / 1e6);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

void sim_violation(struct sim *s, const char *fmt, ...)
{
    va_list args;
    printf("VIOLATION seed %" PRIu64 " at %.3f s: ", s->o.seed, (double)s->now / 1e6);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    sim_print_replay(s);
    fflush(stdout);
    _exit(1);
}

void sim_print_replay(const struct sim *s)
{
    printf("replay: build/sim --seed %" PRIu64, s->o.seed);
    if (s->setup->gates_off != 0) {
        printf(" --gates-off 0x%x", s->setup->gates_off);
    }
    if (s->setup->machine != &CHAIN_OPS) {
        printf(" --fsm store");
    }
    if (s->setup->faults_on != 0 || s->setup->faults_off != 0 || s->setup->founders != 0) {
        printf(" --with 0x%x --without 0x%x --founders %u", s->setup->faults_on,
               s->setup->faults_off, s->setup->founders);
    }
    printf(" --verbose\n");
}

/* --- options ---------------------------------------------------------------------------------- */

static uint64_t pick(struct rng *r, const uint64_t *values, size_t n)
{
    return values[rng_range(r, 0, n - 1)];
}
#define PICK(r, ...) \
    pick(r, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

void sim_draw(const struct sim_setup *setup, struct sim_options *o, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    *o = (struct sim_options){ .seed = seed };
    for (unsigned i = 0; i < FAULTS; i++) {
        o->faults |= rng_chance(&r, 0.6) ? 1u << i : 0;
    }
    if (rng_chance(&r, 0.7)) {
        o->faults &= ~(uint32_t)FAULT_DISK_ERROR;
    }
    if (rng_chance(&r, 0.6)) {
        o->faults &= ~(uint32_t)FAULT_BIT_FLIP;
    }
    o->founders = (unsigned)PICK(&r, 1, 2, 3, 3, 3, 3, 4, 5, 5);
    o->founders = setup->founders != 0 ? setup->founders : o->founders;
    o->faults = (o->faults | setup->faults_on) & ~setup->faults_off;
    if (o->founders < 3) {
        o->faults &= ~(uint32_t)FAULT_BIT_FLIP;
    }
    if ((o->faults & FAULT_BIT_FLIP) != 0) {
        o->faults &= ~(uint32_t)FAULT_MEMBERSHIP; /* who is lost needs the others' quorum */
    }
    o->fault_us = 1000000 * PICK(&r, 30, 60, 60, 120);
    o->heal_us = 30000000;
    o->nemesis_lo_us = 1000 * PICK(&r, 50, 200, 500);
    o->nemesis_hi_us = 1000 * PICK(&r, 1000, 2500, 6000);
    o->client_lo_us = 1000 * PICK(&r, 1, 5, 20);
    o->client_hi_us = 1000 * PICK(&r, 30, 60, 250);
    o->delay_lo_us = PICK(&r, 50, 200, 1000);
    o->delay_hi_us = PICK(&r, 1000, 3000, 8000, 40000);
    o->loss = (o->faults & FAULT_LOSS) != 0 ? 0.001 * (double)PICK(&r, 5, 10, 50, 200) : 0;
    o->duplicate = (o->faults & FAULT_DUPLICATE) != 0 ? 0.02 : 0;
    o->late = (o->faults & FAULT_REORDER) != 0 ? 0.001 * (double)PICK(&r, 2, 20, 50) : 0.001;
    o->disk_lo_us = PICK(&r, 20, 200, 1000);
    o->disk_hi_us = PICK(&r, 1000, 6000, 20000);
    o->turn_us = PICK(&r, 0, 20, 200, 1000);
    o->payload_max = (unsigned)PICK(&r, 0, 16, 100, 1000);
    o->snapshot_entries = PICK(&r, 20, 60, 200, 100000);
    o->snapshot_trailing = PICK(&r, 0, 5, 20, 100);
    o->chunk_us = PICK(&r, 200, 5000, 100000);
    o->wal_segment_bytes = (size_t)PICK(&r, 8192, 32768, 262144);
    o->inflight_max = (unsigned)PICK(&r, 0, 64, 256);
    o->no_pre_vote = rng_chance(&r, 0.2);
}

void sim_print_options(const struct sim_options *o)
{
    static const char *const NAMES[FAULTS] = {
        "crash", "crash-in-write", "pause", "partition", "transfer", "membership", "stop",
        "slow-disk", "loss", "duplicate", "reorder", "stream", "clock", "power", "disk-error",
        "bit-flip", "disk-full",
    };
    printf("seed %" PRIu64 "  founders %u  faults", o->seed, o->founders);
    for (unsigned i = 0; i < FAULTS; i++) {
        if ((o->faults >> i & 1) != 0) {
            printf(" %s", NAMES[i]);
        }
    }
    printf("\n  phases %" PRIu64 "+%" PRIu64 " s  nemesis %" PRIu64 "-%" PRIu64
           " ms  client %" PRIu64 "-%" PRIu64 " ms  delay %" PRIu64 "-%" PRIu64
           " us  loss %.3f dup %.3f late %.3f\n",
           o->fault_us / 1000000, o->heal_us / 1000000, o->nemesis_lo_us / 1000,
           o->nemesis_hi_us / 1000, o->client_lo_us / 1000, o->client_hi_us / 1000, o->delay_lo_us,
           o->delay_hi_us, o->loss, o->duplicate, o->late);
    printf("  disk %" PRIu64 "-%" PRIu64 " us  turn %" PRIu64 " us  payload %u  snapshot every %"
           PRIu64 " trailing %" PRIu64 "  chunk %" PRIu64
           " us  segment %zu  inflight %u  pre-vote %s\n",
           o->disk_lo_us, o->disk_hi_us, o->turn_us, o->payload_max, o->snapshot_entries,
           o->snapshot_trailing, o->chunk_us, o->wal_segment_bytes, o->inflight_max,
           o->no_pre_vote ? "off" : "on");
}

/* --- events ----------------------------------------------------------------------------------- */

static void enter_turn(struct node *n, void *arg)
{
    (void)arg;
    sim_loop_turn(n->loop);
}

static void enter_timer(struct node *n, void *arg)
{
    (void)arg;
    sim_loop_timer(n->loop);
}

static void enter_job_run(struct node *n, void *arg)
{
    sim_loop_job_run(n->loop, ((struct event *)arg)->a);
}

static void enter_job_done(struct node *n, void *arg)
{
    sim_loop_job_done(n->loop, ((struct event *)arg)->a);
}

static void node_event(struct sim *s, struct event *e, struct node *n)
{
    switch (e->kind) {
    case EV_TURN:
        node_enter(n, enter_turn, NULL);
        break;
    case EV_TIMER:
        if (sim_loop_timer_is(n->loop, e->a)) {
            node_enter(n, enter_timer, NULL);
        }
        break;
    case EV_JOB_RUN:
        node_enter(n, enter_job_run, e);
        break;
    case EV_JOB_DONE:
        node_enter(n, enter_job_done, e);
        break;
    case EV_FRAME:
        sim_net_frame(s, e);
        break;
    case EV_LINK:
        sim_net_link(s, e);
        break;
    case EV_PULL:
        sim_net_pull(s, e);
        break;
    case EV_CHUNK:
        sim_net_chunk(s, e);
        break;
    case EV_STREAM_END:
        sim_net_stream_end(s, e);
        break;
    default:
        UNREACHABLE();
    }
}

static void start_again(struct sim *s, struct node *n)
{
    if (n->up && n->stopping) {
        if (s->now > n->stop_by) {
            sim_violation(s, "NEVER STOPPED: member %u", n->id);
        }
        sim_post(s, s->now + 100000, EV_START, NULL, n->id, NULL);
    } else if (!n->up && !n->removed && !n->lost) {
        node_boot(n);
    }
}

static void check_end(struct sim *s);

static void world_event(struct sim *s, const struct event *e)
{
    switch (e->kind) {
    case EV_START:
        start_again(s, &s->nodes[e->a]);
        break;
    case EV_SPACE:
        sim_fs_set_full(s->nodes[e->a].fs, false);
        break;
    case EV_GONE:
        if (s->nodes[e->a].up) {
            node_crash(&s->nodes[e->a], false, true);
        }
        break;
    case EV_CLIENT:
        clients_event(s);
        if (!s->healed || s->now < s->o.fault_us + CALM_US) {
            uint64_t wait = rng_range(&s->rng, s->o.client_lo_us, s->o.client_hi_us);
            sim_post(s, s->now + wait, EV_CLIENT, NULL, 0, NULL);
        }
        break;
    case EV_NEMESIS:
        if (!s->healed) {
            nemesis_event(s);
            sim_post(s, s->now + rng_range(&s->rng, s->o.nemesis_lo_us, s->o.nemesis_hi_us),
                     EV_NEMESIS, NULL, 0, NULL);
        }
        break;
    case EV_HEAL:
        nemesis_heal(s);
        break;
    case EV_PROBE:
        clients_probe(s);
        sim_post(s, s->now + PROBE_EVERY_US, EV_PROBE, NULL, 0, NULL);
        break;
    case EV_END:
        check_end(s);
        s->over = true;
        break;
    default:
        UNREACHABLE();
    }
}

static void handle(struct sim *s, struct event *e)
{
    struct node *n = e->node != 0 ? &s->nodes[e->node] : NULL;
    if (n == NULL) {
        world_event(s, e);
    } else if (e->kind == EV_BOOT) {
        if (!n->up && n->gen == e->gen && !n->removed && !n->lost) {
            node_boot(n);
        }
    } else if (n->up && n->gen == e->gen) {
        if (n->paused_until > s->now) {
            sim_post(s, n->paused_until, e->kind, n, e->a, e->p);
            return;
        }
        node_event(s, e, n);
    }
    mem_free(e->p);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void check_member(struct sim *s, const struct node *leader, const struct rnode_member *m)
{
    const struct node *n = sim_node_of(s, m->id);
    if (n != NULL && n->lost) {
        return;
    }
    if (n == NULL || !n->up) {
        sim_violation(s, "LIVENESS: member %" PRIx64 " is not up", m->id);
    }
    if (machine_applied(n->machine) != check_last(s->check)) {
        sim_violation(s, "LIVENESS: member %u has applied %" PRIu64 " of %" PRIu64, n->id,
                      machine_applied(n->machine), check_last(s->check));
    }
    if (machine_digest(n->machine) != machine_digest(leader->machine) ||
        machine_content(n->machine) != machine_content(leader->machine)) {
        sim_violation(s, "STATE DIVERGED: members %u and %u in the end", n->id, leader->id);
    }
    if (!clients_probed(s, n)) {
        sim_violation(s,
                      "LIVENESS: member %u serves no proposal or no read %" PRIu64
                      " s after healing",
                      n->id, s->o.heal_us / 1000000);
    }
}

static void check_end(struct sim *s)
{
    struct node *leader = sim_leader(s);
    size_t n_members;
    if (leader == NULL) {
        sim_violation(s, "LIVENESS: no leader %" PRIu64 " s after healing", s->o.heal_us / 1000000);
    }
    const struct rnode_member *members = rnode_members(leader->rnode, &n_members);
    for (size_t i = 0; i < n_members; i++) {
        check_member(s, leader, &members[i]);
    }
    clients_check_end(s);
}

struct node *sim_node_of(struct sim *s, uint64_t member_id)
{
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        if (s->nodes[i].member_id == member_id) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

struct node *sim_node_add(struct sim *s)
{
    INVARIANT(s->n_nodes < SIM_NODES_MAX);
    struct node *n = &s->nodes[++s->n_nodes];
    *n = (struct node){ .sim = s, .id = s->n_nodes, .used = true, .gen = 1, .rate = 1.0 };
    n->member_id = n->id;
    n->fs = sim_fs_new(s);
    n->clock_us = rng_range(&s->rng, 1000000, 1000000000000);
    if ((s->o.faults & FAULT_CLOCK) != 0) {
        n->rate = 0.97 + 0.06 * rng_double(&s->rng);
    }
    return n;
}

static void sim_fini(struct sim *s)
{
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        if (n->up) {
            node_end(n);
        }
        mem_free(n->mirror.terms);
        sim_fs_free(n->fs);
    }
    sim_events_free(s);
    check_free(s->check);
    clients_free(s->clients);
    mem_free(s);
    current = NULL;
}

uint64_t sim_run(const struct sim_setup *setup, uint64_t seed, struct sim_stats *stats)
{
    struct sim *s = mem_zalloc(sizeof *s);
    struct event e;
    uint64_t events = 0;
    current = s;
    s->setup = setup;
    s->machine = setup->machine;
    s->verbose = setup->verbose;
    s->gates_off = setup->gates_off;
    s->stats = stats;
    sim_draw(setup, &s->o, seed);
    rng_init(&s->rng, seed ^ 0x5deece66d);
    s->check = check_new();
    s->clients = clients_new(s);
    for (unsigned i = 0; i < s->o.founders; i++) {
        sim_post(s, rng_range(&s->rng, 0, 200000), EV_BOOT, sim_node_add(s), 0, NULL);
    }
    sim_post(s, 500000, EV_CLIENT, NULL, 0, NULL);
    sim_post(s, 1000000, EV_NEMESIS, NULL, 0, NULL);
    sim_post(s, s->o.fault_us, EV_HEAL, NULL, 0, NULL);
    sim_post(s, s->o.fault_us + s->o.heal_us - 12000000, EV_PROBE, NULL, 0, NULL);
    sim_post(s, s->o.fault_us + s->o.heal_us, EV_END, NULL, 0, NULL);
    while (!s->over && sim_next(s, &e)) {
        handle(s, &e);
        if (++events > EVENTS_MAX) {
            sim_violation(s, "LIVELOCK: %d events", EVENTS_MAX);
        }
    }
    stats->runs++;
    stats->sim_us += s->now;
    uint64_t trace = s->trace;
    sim_fini(s);
    return trace;
}
