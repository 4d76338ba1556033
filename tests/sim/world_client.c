/* The kind of machine that runs a client: it puts, and must be answered once all is well again. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/sim/world.h"

struct client_machine {
    struct node *node;
    bool answered; /* something asked after healing was done */
};

struct put {
    struct client_machine *machine;
    bool healed; /* when it was asked */
};

/* --- lives ------------------------------------------------------------------------------------ */

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

static void boot(struct node *n)
{
    n->process = world_client_new(n);
}

static void on_closed(void *arg)
{
    struct node *n = arg;
    n->process = NULL;
    n->closed = true;
}

static void stop(struct node *n)
{
    client_close(n->process, 1000, on_closed, n);
}

static void abandon(struct node *n)
{
    client_free(n->process);
}

static void add(struct node *n)
{
    struct client_machine *m = mem_zalloc(sizeof *m);
    m->node = n;
    n->data = m;
}

static void machine_end(struct node *n)
{
    mem_free(n->data);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void put_done(void *arg, const struct client_result *r)
{
    struct put *p = arg;
    struct client_machine *m = p->machine;
    struct sim *s = m->node->sim;
    s->stats->acked += r->status == 0;
    s->stats->unknown += r->status != 0;
    m->answered = m->answered || (p->healed && r->status == 0);
    SIM_LOG(s, "client %u put: %s, revision %" PRId64, m->node->id, err_name(r->status),
            r->revision);
    mem_free(p);
}

static void put(struct node *n, void *arg)
{
    struct client_machine *m = n->data;
    struct sim *s = n->sim;
    struct put *p = mem_zalloc(sizeof *p);
    char key[16], value[24];
    (void)arg;
    p->machine = m;
    p->healed = s->healed;
    snprintf(key, sizeof key, "k%02u", (unsigned)rng_range(&s->dice, 0, s->o.keys - 1));
    snprintf(value, sizeof value, "v%" PRIu64, ++s->world->next_value);
    struct client_put request = { .key = slice_str(key), .value = slice_str(value) };
    s->stats->proposed++;
    client_put_kv(n->process, &request, put_done, p);
}

static void act(struct node *n)
{
    node_enter(n, put, NULL);
}

static void probe(struct node *n)
{
    const struct client_machine *m = n->data;
    if (!m->answered) {
        node_enter(n, put, NULL);
    }
}

static void check(struct node *n)
{
    const struct client_machine *m = n->data;
    if (!m->answered) {
        sim_violation(n->sim, "LIVENESS: client %u has had no answer since healing", n->id);
    }
}

const struct node_kind CLIENT_KIND = {
    .name = "client",
    .boot = boot,
    .stop = stop,
    .abandon = abandon,
    .add = add,
    .free = machine_end,
    .act = act,
    .probe = probe,
    .check = check,
};
