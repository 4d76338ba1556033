/* The kind of machine that runs a client (world_client.h): its lives, and what must have happened
 * in the end: an answer since healing, and a holder of the lock. What it was told in all its lives
 * is judged by world_judge.c. */
#include "tests/sim/admin.h"
#include "tests/sim/world_client.h"

#include <stdio.h>

#include "lib/base/alloc.h"

struct client *world_client_new(struct node *n)
{
    struct sim *s = n->sim;
    char text[SIM_MEMBERS_MAX][32];
    const char *endpoints[SIM_MEMBERS_MAX];
    struct err err = ERR_INIT;
    struct client *client;
    for (unsigned i = 0; i < s->o.founders; i++) {
        snprintf(text[i], sizeof text[i], "10.0.0.%u:2379", i + 1);
        endpoints[i] = text[i];
    }
    struct client_options o = {
        .loop = n->loop,
        .endpoints = endpoints,
        .n_endpoints = s->o.founders,
        .seed = rng_u64(&s->rng),
    };
    int rv = client_new(&o, &client, &err);
    if (rv != 0) {
        sim_violation(s, "CANNOT START: %s %u: %s", n->kind->name, n->id, err.msg);
    }
    return client;
}

/* --- lives ------------------------------------------------------------------------------------ */

static void boot(struct node *n)
{
    struct client_machine *m = n->data;
    m->client = world_client_new(n);
    n->process = m;
    hold_open(m);
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    struct client_machine *m = n->data;
    m->client = NULL;
    n->process = NULL;
    n->closed = true;
}

static void stop(struct node *n)
{
    struct client_machine *m = n->data;
    hold_close(m);
    backup_stop(m);
    client_close(m->client, 1000, on_closed, n);
}

static void abandon(struct node *n)
{
    struct client_machine *m = n->data;
    hold_close(m);
    backup_stop(m);
    client_free(TAKE(m->client));
}

static void gone(struct node *n, bool within)
{
    (void)within;
    asks_forget(n->data);
    backup_forget(n->data);
}

static void add(struct node *n)
{
    struct client_machine *m = mem_zalloc(sizeof *m);
    m->node = n;
    list_init(&m->asks);
    n->data = m;
}

static void machine_end(struct node *n)
{
    mem_free(n->data);
}

/* --- what it does ----------------------------------------------------------------------------- */

static void do_one(struct client_machine *m)
{
    struct sim *s = m->node->sim;
    uint64_t what = rng_range(&s->dice, 0, 99);
    if ((s->o.admin & ADMIN_BACKUP) != 0 && rng_chance(&s->dice, 0.005)) {
        backup_start(m);
        return;
    }
    if (what < 70) {
        ask_something(m);
    } else if (what < 90 && elector_leading(m->elector)) {
        ask_fenced(m);
    } else if (what < 80) {
        ask_something(m);
    } else if (what < 96) {
        hold_watch(m);
    } else {
        hold_lease(m);
    }
}

/* Now and then many at once. */
static void do_something(struct node *n, void *arg)
{
    struct rng *dice = &n->sim->dice;
    unsigned k = rng_chance(dice, 0.03) ? (unsigned)rng_range(dice, 2, 12) : 1;
    (void)arg;
    for (unsigned i = 0; i < k; i++) {
        do_one(n->data);
    }
}

static void act(struct node *n)
{
    node_enter(n, do_something, NULL);
}

static void do_probe(struct node *n, void *arg)
{
    const struct client_machine *m = n->data;
    (void)arg;
    if ((n->sim->o.admin & ADMIN_QUOTA) != 0) {
        ask_relief(n->data);
    }
    if (backup_due(m)) {
        backup_start(n->data);
    }
    if (!m->answered) {
        ask_put(n->data);
    }
}

static void probe(struct node *n)
{
    const struct client_machine *m = n->data;
    if (!m->answered || (n->sim->o.admin & ADMIN_QUOTA) != 0 || backup_due(m)) {
        node_enter(n, do_probe, NULL);
    }
}

static void check(struct node *n)
{
    const struct client_machine *m = n->data;
    if (!m->answered) {
        sim_violation(n->sim, "LIVENESS: client %u has had no answer since healing", n->id);
    }
    if (backup_due(m)) {
        sim_violation(n->sim, "LIVENESS: client %u has got no backup since healing", n->id);
    }
    if (elector_leader(m->elector)[0] == '\0') {
        sim_violation(n->sim, "LIVENESS: client %u knows no holder of the lock", n->id);
    }
}

const struct node_kind CLIENT_KIND = {
    .name = "client",
    .boot = boot,
    .stop = stop,
    .abandon = abandon,
    .gone = gone,
    .add = add,
    .free = machine_end,
    .act = act,
    .probe = probe,
    .check = check,
};
