/* Changes of a world's membership, asked by a client over etcd's API: machines are added (they join
 * with --initial-cluster-state=existing and vote once they have caught up), and members removed.
 * The first two founders stay, so that clients always know somebody. */
#include <inttypes.h>
#include <stdio.h>

#include "client/internal.h"
#include "lib/base/alloc.h"
#include "tests/sim/world_client.h"

enum { MEMBERS_MAX = 6, FOUNDERS_KEPT = 2 };

struct change {
    struct sim *sim;
    struct node *about;
    bool removes;
};

static void finished(struct client_call *call, int status, const struct err *err,
                     const ProtobufCMessage *msg)
{
    const struct change *c = call->user;
    struct sim *s = c->sim;
    (void)msg;
    SIM_LOG(s, "%s of member %u: %s", c->removes ? "removal" : "addition", c->about->id,
            status == 0 ? "done" : err->msg);
    s->stats->changes += status == 0;
    if (status == 0 && c->removes) {
        c->about->removed = true;
        if (rng_chance(&s->rng, 0.7)) {
            sim_post(s, s->now + rng_range(&s->rng, 0, 500000), EV_GONE, NULL, c->about->id, NULL);
        }
    }
}

static void cleanup(struct client_call *call)
{
    mem_free(call->user);
}

static void start(struct node *n, void *arg)
{
    struct change *c = arg;
    struct client_machine *m = n->data;
    Etcdserverpb__MemberAddRequest add = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    Etcdserverpb__MemberRemoveRequest remove = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    char url[48];
    char *urls[] = { url };
    snprintf(url, sizeof url, "http://10.0.0.%u:2380", c->about->id);
    add.n_peerurls = 1;
    add.peerurls = urls;
    add.islearner = rng_chance(&c->sim->dice, 0.2);
    remove.id = c->about->member_id;
    struct call_spec spec = {
        .path = c->removes ? "/etcdserverpb.Cluster/MemberRemove"
                           : "/etcdserverpb.Cluster/MemberAdd",
        .request = c->removes ? &remove.base : &add.base,
        .response = c->removes ? &etcdserverpb__member_remove_response__descriptor
                               : &etcdserverpb__member_add_response__descriptor,
        .finish = finished,
        .cleanup = cleanup,
        .user = c,
    };
    (void)call_start(m->client, &spec);
}

static struct node *some_client(struct sim *s)
{
    const struct world *w = s->world;
    struct node *n = w->n_actors > 0 ? w->actors[rng_range(&s->dice, 0, w->n_actors - 1)] : NULL;
    return n != NULL && n->kind == &CLIENT_KIND && world_usable(n) ? n : NULL;
}

static void ask(struct sim *s, struct node *client, struct node *about, bool removes)
{
    struct change *c = mem_zalloc(sizeof *c);
    *c = (struct change){ .sim = s, .about = about, .removes = removes };
    node_enter(client, start, c);
}

void world_membership(struct sim *s, const struct node *leader)
{
    size_t n;
    const struct rnode_member *members = rnode_members(leader->rnode, &n);
    struct node *client = some_client(s);
    bool removes = rng_chance(&s->dice, 0.5);
    uint64_t which = rng_range(&s->dice, 0, n > 0 ? n - 1 : 0);
    if (client == NULL || n == 0) {
        return;
    }
    if (removes) {
        struct node *about = sim_node_of(s, members[which].id);
        if (about != NULL && about->id > FOUNDERS_KEPT) {
            ask(s, client, about, true);
        }
    } else if (n < MEMBERS_MAX && s->n_nodes < SIM_NODES_MAX) {
        struct node *about = world_member_new(s, members, n);
        sim_post(s, s->now + rng_range(&s->dice, 0, 2000000), EV_BOOT, about, 0, NULL);
        ask(s, client, about, false);
    }
}
