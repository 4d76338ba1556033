/* The world of a run: who is in it, what happens next, what must hold in the end. */
#include "tests/sim/world_orch.h"
#include "tests/sim/world_wire.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "tests/sim/machine.h"

/* Only a name for what is simulated: the members bring their own state machine. */
const struct machine_ops WORLD_OPS = { 0 };

enum { SETTLE_US = 5000000 };

static unsigned n_founders(const struct sim_options *o)
{
    return o->founders;
}

static unsigned n_clients(const struct sim_options *o)
{
    return o->clients;
}

static unsigned n_masters(const struct sim_options *o)
{
    return o->masters;
}

static unsigned n_agents(const struct sim_options *o)
{
    return o->agents;
}

static unsigned n_users(const struct sim_options *o)
{
    return o->agents > 0;
}

/* Who is there, in the order of their numbers; members come first (machine i is 10.0.0.i). */
static const struct {
    const struct node_kind *kind;
    unsigned (*count)(const struct sim_options *o);
    uint64_t boot_within_us;
} MACHINES[] = {
    { &STORE_KIND, n_founders, 200000 },
    { &CLIENT_KIND, n_clients, 1000000 },
    { &MASTER_KIND, n_masters, 1000000 },
    { &AGENT_KIND, n_agents, 3000000 },
    { &USER_KIND, n_users, 1000000 },
};

static void add_machine(struct world *w, const struct node_kind *kind, uint64_t boot_within_us)
{
    struct sim *s = w->sim;
    struct node *n = sim_node_add(s, kind);
    n->member_id = kind == &STORE_KIND ? n->id : 0;
    if (kind->add != NULL) {
        kind->add(n);
    }
    if (kind->act != NULL) {
        w->actors[w->n_actors++] = n;
    }
    sim_post(s, rng_range(&s->rng, 0, boot_within_us), EV_BOOT, n, 0, NULL);
}

void world_new(struct sim *s)
{
    struct world *w = mem_zalloc(sizeof *w);
    w->sim = s;
    w->judge = judge_new(s);
    w->wire = wire_new(s);
    w->orch = orch_new(s);
    w->upkeep = upkeep_new(s);
    s->world = w;
    for (size_t i = 0; i < ARRAY_LEN(MACHINES); i++) {
        for (unsigned k = MACHINES[i].count(&s->o); k > 0; k--) {
            add_machine(w, MACHINES[i].kind, MACHINES[i].boot_within_us);
        }
    }
}

void world_free(struct world *w)
{
    for (unsigned i = 1; w != NULL && i <= w->sim->n_nodes; i++) {
        struct node *n = &w->sim->nodes[i];
        if (n->kind->free != NULL) {
            n->kind->free(n);
        }
    }
    if (w != NULL) {
        wire_free(w->wire);
        orch_free(w->orch);
        upkeep_free(w->upkeep);
        judge_free(w->judge);
        mem_free(w);
    }
}

bool world_usable(const struct node *n)
{
    return n->up && !n->stopping && n->paused_until <= n->sim->now;
}

void world_client_event(struct sim *s)
{
    const struct world *w = s->world;
    if (w->n_actors > 0) {
        struct node *n = w->actors[rng_range(&s->dice, 0, w->n_actors - 1)];
        if (world_usable(n)) {
            n->kind->act(n);
        }
    }
}

void world_probe(struct sim *s)
{
    if (s->now + SETTLE_US < s->o.fault_us + s->o.heal_us) {
        judge_settle(s->world->judge);
    }
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        if (n->kind->probe != NULL && world_usable(n)) {
            n->kind->probe(n);
        }
    }
}

void world_check_end(struct sim *s)
{
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        if (n->lost || n->kind->check == NULL ||
            (n->kind == &STORE_KIND && !world_member_expected(n))) {
            continue;
        }
        if (!n->up) {
            sim_violation(s, "LIVENESS: %s %u is not up", n->kind->name, n->id);
        }
        n->kind->check(n);
    }
    judge_end(s->world->judge);
    if (s->o.agents > 0) {
        orch_judge(s->world->orch);
    }
}
