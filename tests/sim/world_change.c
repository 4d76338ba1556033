/* Changes of a world's membership, asked by a client over etcd's API: machines are added (they join
 * with --initial-cluster-state=existing and vote once they have caught up, or stay learners until
 * they are promoted), and members removed. The first two founders stay, so that clients always know
 * somebody. */
#include <inttypes.h>
#include <stdio.h>

#include "client/internal.h"
#include "lib/base/alloc.h"
#include "tests/sim/admin.h"
#include "tests/sim/world_client.h"

enum { MEMBERS_MAX = 6, FOUNDERS_KEPT = 2 };

struct change {
    struct sim *sim;
    struct node *about;
    enum member_change kind;
};

static const char *const NAMES[] = {
    [MEMBER_ADD_LEARNER] = "addition",
    [MEMBER_PROMOTE] = "promotion",
    [MEMBER_REMOVE] = "removal",
};

static void finished(struct client_call *call, int status, const struct err *err,
                     const ProtobufCMessage *msg)
{
    const struct change *c = call->user;
    struct sim *s = c->sim;
    (void)msg;
    SIM_LOG(s, "%s of member %u: %s", NAMES[c->kind], c->about->id,
            status == 0 ? "done" : err->msg);
    s->stats->changes += status == 0;
    if (status == 0 && c->kind == MEMBER_REMOVE) {
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

static void send(struct client_machine *m, struct change *c, const char *path,
                 const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response)
{
    struct call_spec spec = {
        .path = path,
        .request = request,
        .response = response,
        .finish = finished,
        .cleanup = cleanup,
        .user = c,
    };
    (void)call_start(m->client, &spec);
}

static void start_add(struct client_machine *m, struct change *c)
{
    Etcdserverpb__MemberAddRequest add = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    const struct sim *s = c->sim;
    char url[48];
    char *urls[] = { url };
    snprintf(url, sizeof url, "http://10.0.0.%u:2380", c->about->id);
    add.n_peerurls = 1;
    add.peerurls = urls;
    add.islearner = rng_chance(&c->sim->dice, (s->o.admin & ADMIN_MEMBERS) != 0 ? 0.6 : 0.2);
    send(m, c, "/etcdserverpb.Cluster/MemberAdd", &add.base,
         &etcdserverpb__member_add_response__descriptor);
}

static void start(struct node *n, void *arg)
{
    struct change *c = arg;
    Etcdserverpb__MemberRemoveRequest remove = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    Etcdserverpb__MemberPromoteRequest promote = ETCDSERVERPB__MEMBER_PROMOTE_REQUEST__INIT;
    remove.id = promote.id = c->about->member_id;
    if (c->kind == MEMBER_REMOVE) {
        send(n->data, c, "/etcdserverpb.Cluster/MemberRemove", &remove.base,
             &etcdserverpb__member_remove_response__descriptor);
    } else if (c->kind == MEMBER_PROMOTE) {
        send(n->data, c, "/etcdserverpb.Cluster/MemberPromote", &promote.base,
             &etcdserverpb__member_promote_response__descriptor);
    } else {
        start_add(n->data, c);
    }
}

static struct node *some_client(struct sim *s)
{
    const struct world *w = s->world;
    struct node *n = w->n_actors > 0 ? w->actors[rng_range(&s->dice, 0, w->n_actors - 1)] : NULL;
    return n != NULL && n->kind == &CLIENT_KIND && world_usable(n) ? n : NULL;
}

static void ask(struct sim *s, struct node *client, struct node *about, enum member_change kind)
{
    struct change *c = mem_zalloc(sizeof *c);
    *c = (struct change){ .sim = s, .about = about, .kind = kind };
    node_enter(client, start, c);
}

/* A learner that nobody else would promote; or NULL. */
static struct node *some_learner(struct sim *s, const struct rnode_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (members[i].role == RNODE_LEARNER && !rnode_id_promotes(members[i].id)) {
            return sim_node_of(s, members[i].id);
        }
    }
    return NULL;
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
    if ((s->o.admin & ADMIN_MEMBERS) != 0 && rng_chance(&s->dice, 0.4)) {
        struct node *about = some_learner(s, members, n);
        if (about != NULL) {
            upkeep_promotes(s->world->upkeep, about->member_id);
            ask(s, client, about, MEMBER_PROMOTE);
        }
    } else if (removes) {
        struct node *about = sim_node_of(s, members[which].id);
        if (about != NULL && about->id > FOUNDERS_KEPT) {
            ask(s, client, about, MEMBER_REMOVE);
        }
    } else if (n < MEMBERS_MAX && s->n_nodes < SIM_NODES_MAX) {
        struct node *about = world_member_new(s, members, n);
        sim_post(s, s->now + rng_range(&s->dice, 0, 2000000), EV_BOOT, about, 0, NULL);
        ask(s, client, about, MEMBER_ADD_LEARNER);
    }
}
