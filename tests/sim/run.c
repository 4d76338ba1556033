/* One run: draw the options from the seed, boot, hand out events until the end, judge the end. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tests/sim/admin.h"
#include "tests/sim/world.h"

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

void sim_log_line(void *arg, enum log_level level, const char *line)
{
    struct sim *s = sim_current();
    const char *text = strchr(line, ' ');
    (void)arg;
    (void)level;
    if (s != NULL) {
        sim_log(s, "member %u:%s", s->running != NULL ? s->running->id : 0,
                text != NULL ? text : line);
    }
}

void sim_condemn(struct sim *s, const char *text)
{
    struct sim_verdict *v = s->setup->verdict;
    printf("VIOLATION seed %" PRIu64 " at %.3f s: %s\n", s->o.seed, (double)s->now / 1e6, text);
    sim_print_replay(s);
    fflush(stdout);
    if (v != NULL) {
        v->violated = true;
        v->at_us = s->now;
        str_copy(v->text, sizeof v->text, text);
    }
    _exit(1);
}

void sim_violation(struct sim *s, const char *fmt, ...)
{
    char text[sizeof((struct sim_verdict *)NULL)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sim_condemn(s, text);
}

void sim_print_replay(const struct sim *s)
{
    autobuf set = BUF_INIT;
    printf("replay: build/sim --seed %" PRIu64, s->o.seed);
    if (s->setup->gates_off != 0) {
        printf(" --gates-off 0x%x", s->setup->gates_off);
    }
    if (s->setup->machine != &CHAIN_OPS) {
        printf(" --fsm %s", machine_name(s->setup->machine));
    }
    if (s->setup->faults_on != 0 || s->setup->faults_off != 0 || s->setup->founders != 0) {
        printf(" --with 0x%x --without 0x%x --founders %u", s->setup->faults_on,
               s->setup->faults_off, s->setup->founders);
    }
    options_print_set(s->setup, &set);
    printf("%s --verbose\n", buf_str(&set));
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
    case EV_ASKED:
        clients_asked(n, e->a);
        break;
    case EV_CONN:
        sim_conn_event(s, e);
        break;
    case EV_ACCEPT:
        sim_dial_accept(s, e);
        break;
    case EV_CONNECTED:
        sim_dial_connected(s, e);
        break;
    case EV_KNOCK:
        sim_knock_arrived(s, e);
        break;
    case EV_KNOCKED:
        sim_knock_answered(s, e);
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

/* A choice's first draw is the time of the next one, so that leaving it out moves nothing. */
static void client_choice(struct sim *s)
{
    bool happens = sim_choose(s, CHOICE_CLIENT);
    uint64_t wait = rng_range(&s->dice, s->o.client_lo_us, s->o.client_hi_us);
    if (happens && s->world != NULL) {
        world_client_event(s);
    } else if (happens) {
        clients_event(s);
    }
    if (!s->healed || s->now < s->o.fault_us + CALM_US) {
        sim_post(s, s->now + wait, EV_CLIENT, NULL, 0, NULL);
    }
}

static void nemesis_choice(struct sim *s)
{
    bool happens = sim_choose(s, CHOICE_ACT);
    uint64_t wait = rng_range(&s->dice, s->o.nemesis_lo_us, s->o.nemesis_hi_us);
    if (happens) {
        nemesis_event(s);
    }
    sim_post(s, s->now + wait, EV_NEMESIS, NULL, 0, NULL);
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
        if (s->world != NULL) {
            upkeep_space(s->world->upkeep);
        }
        break;
    case EV_FLAP:
        nemesis_flap(s);
        break;
    case EV_GONE:
        if (s->nodes[e->a].up) {
            (void)sim_choose(s, CHOICE_GONE);
            node_crash(&s->nodes[e->a], false, true);
        }
        break;
    case EV_SYN:
        sim_dial_syn(s, e);
        break;
    case EV_CLIENT:
        client_choice(s);
        break;
    case EV_NEMESIS:
        if (!s->healed) {
            nemesis_choice(s);
        }
        break;
    case EV_HEAL:
        nemesis_heal(s);
        break;
    case EV_PROBE:
        (void)sim_choose(s, CHOICE_PROBE);
        if (s->world != NULL) {
            world_probe(s);
        } else {
            clients_probe(s);
        }
        sim_post(s, s->now + PROBE_EVERY_US, EV_PROBE, NULL, 0, NULL);
        break;
    case EV_END:
        if (s->world != NULL) {
            world_check_end(s);
        } else {
            check_end(s);
        }
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
        uint64_t until = e->kind == EV_FRAME ? sim_net_held(n, e) : n->paused_until;
        if (until > s->now) {
            sim_post(s, until, e->kind, n, e->a, e->p);
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

struct node *sim_node_add(struct sim *s, const struct node_kind *kind)
{
    INVARIANT(s->n_nodes < SIM_NODES_MAX);
    struct node *n = &s->nodes[++s->n_nodes];
    *n = (struct node){ .sim = s, .id = s->n_nodes, .used = true, .gen = 1, .rate = 1.0 };
    n->kind = kind;
    n->member_id = n->id;
    n->fs = sim_fs_new(s);
    n->clock_us = rng_range(&s->rng, 1000000, 1000000000000);
    if ((s->o.faults & FAULT_CLOCK) != 0) {
        n->rate = 0.97 + 0.06 * rng_double(&s->rng);
    }
    return n;
}

void sim_free(struct sim *s)
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
    admin_model_free(s->admin);
    world_free(s->world);
    u64map_fini(&s->conns);
    u64map_fini(&s->connects);
    mem_free(s);
    current = NULL;
}

struct sim *sim_new(const struct sim_setup *setup, uint64_t seed, struct sim_stats *stats)
{
    struct sim *s = mem_zalloc(sizeof *s);
    current = s;
    s->setup = setup;
    s->machine = setup->machine;
    s->verbose = setup->verbose;
    s->gates_off = setup->gates_off;
    s->stats = stats;
    sim_draw(setup, &s->o, seed);
    rng_init(&s->rng, seed ^ 0x5deece66d ^ hash_u64(s->o.salt));
    s->check = check_new();
    s->clients = clients_new(s);
    s->admin = s->machine == &STORE_OPS && s->o.admin != 0 ? admin_model_new() : NULL;
    u64map_init(&s->conns);
    u64map_init(&s->connects);
    return s;
}

bool sim_step(struct sim *s)
{
    struct event e;
    bool more = !s->over && sim_next(s, &e);
    if (more) {
        handle(s, &e);
    }
    return more;
}

uint64_t sim_run(const struct sim_setup *setup, uint64_t seed, struct sim_stats *stats)
{
    struct sim *s = sim_new(setup, seed, stats);
    uint64_t events = 0;
    if (setup->machine == &WORLD_OPS) {
        world_new(s);
    }
    for (unsigned i = 0; i < s->o.founders && s->world == NULL; i++) {
        sim_post(s, rng_range(&s->rng, 0, 200000), EV_BOOT, sim_node_add(s, &MEMBER_KIND), 0, NULL);
    }
    sim_post(s, 500000, EV_CLIENT, NULL, 0, NULL);
    sim_post(s, 1000000, EV_NEMESIS, NULL, 0, NULL);
    sim_post(s, s->o.fault_us, EV_HEAL, NULL, 0, NULL);
    sim_post(s, s->o.fault_us + s->o.heal_us - 12000000, EV_PROBE, NULL, 0, NULL);
    sim_post(s, s->o.fault_us + s->o.heal_us, EV_END, NULL, 0, NULL);
    while (sim_step(s)) {
        if (++events > EVENTS_MAX) {
            sim_violation(s, "LIVELOCK: %d events", EVENTS_MAX);
        }
    }
    stats->runs++;
    stats->sim_us += s->now;
    uint64_t trace = s->trace;
    sim_free(s);
    return trace;
}
