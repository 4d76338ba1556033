/* The kinds of machine that orchestrate (world_orch.h): the lives of their programs. */
#include <stdio.h>

#include "cmd/components.h"
#include "lib/base/alloc.h"
#include "tests/sim/world.h"
#include "tests/sim/world_orch.h"

enum { RESIGN_MS = 500 };

/* Of one machine; the program is one of the three. */
struct orch_machine {
    struct client *client;
    struct components *components;
    struct kubelet *agent;
    struct user *user;
    struct containers *containers; /* an agent's; of all lives */
};

static void add(struct node *n)
{
    n->data = mem_zalloc(sizeof(struct orch_machine));
}

static void machine_end(struct node *n)
{
    mem_free(n->data);
}

static struct orch_machine *open_client(struct node *n)
{
    struct orch_machine *m = n->data;
    m->client = world_client_new(n);
    n->process = m;
    return m;
}

static void abandon(struct node *n)
{
    struct orch_machine *m = n->data;
    components_free(TAKE(m->components));
    agent_end(TAKE(m->agent));
    user_end(TAKE(m->user));
    if (m->client != NULL) {
        client_free(TAKE(m->client));
    }
}

static void stop_at_once(struct node *n)
{
    abandon(n);
    n->process = NULL;
    n->closed = true;
}

static void gone(struct node *n, bool within)
{
    struct orch_machine *m = n->data;
    if (within) { /* lost with its process's memory */
        *m = (struct orch_machine){ .containers = m->containers };
    }
}

/* --- controllers and scheduler ---------------------------------------------------------------- */

static void boot_master(struct node *n)
{
    struct orch_machine *m = open_client(n);
    char identity[16];
    snprintf(identity, sizeof identity, "master-%u", n->id);
    m->components = components_new(m->client, identity, rng_u64(&n->sim->rng));
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    n->process = NULL;
    n->closed = true;
}

static void stop_master(struct node *n)
{
    struct orch_machine *m = n->data;
    components_free(TAKE(m->components));
    client_close(TAKE(m->client), RESIGN_MS, on_closed, n);
}

const struct node_kind MASTER_KIND = {
    .name = "master",
    .boot = boot_master,
    .stop = stop_master,
    .abandon = abandon,
    .gone = gone,
    .add = add,
    .free = machine_end,
};

/* --- nodes ------------------------------------------------------------------------------------ */

static void boot_agent(struct node *n)
{
    struct orch_machine *m = open_client(n);
    m->agent = agent_start(m->client, m->containers, n->id);
}

/* The agent may die and harms no container; a power cut ends them all. */
static void gone_agent(struct node *n, bool within)
{
    struct orch_machine *m = n->data;
    gone(n, within);
    if (n->dark) {
        containers_power_cut(m->containers);
    }
}

static void add_agent(struct node *n)
{
    add(n);
    struct orch_machine *m = n->data;
    m->containers = containers_new(n->id);
}

static void agent_machine_end(struct node *n)
{
    struct orch_machine *m = n->data;
    containers_free(m->containers);
    machine_end(n);
}

static void act_agent(struct node *n)
{
    struct orch_machine *m = n->data;
    if (!n->sim->healed && rng_chance(&n->sim->dice, 0.05)) {
        containers_end_one(m->containers);
    }
}

const struct node_kind AGENT_KIND = {
    .name = "agent",
    .boot = boot_agent,
    .stop = stop_at_once,
    .abandon = abandon,
    .gone = gone_agent,
    .add = add_agent,
    .free = agent_machine_end,
    .act = act_agent,
};

/* --- the person ------------------------------------------------------------------------------- */

static void boot_user(struct node *n)
{
    struct orch_machine *m = open_client(n);
    m->user = user_start(m->client);
}

static void do_something(struct node *n, void *arg)
{
    struct orch_machine *m = n->data;
    (void)arg;
    user_act(m->user);
}

static void act_user(struct node *n)
{
    if (!n->sim->healed && rng_chance(&n->sim->dice, 0.3)) {
        node_enter(n, do_something, NULL);
    }
}

const struct node_kind USER_KIND = {
    .name = "user",
    .boot = boot_user,
    .stop = stop_at_once,
    .abandon = abandon,
    .gone = gone,
    .add = add,
    .free = machine_end,
    .act = act_user,
};
