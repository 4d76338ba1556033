/* etcdserverpb.Cluster (MemberList) and grpc.health.v1.Health.
 * Changing membership over the API is absent in this version; those methods answer
 * UNIMPLEMENTED. */
#include "lib/base/alloc.h"
#include "proto/health.pb-c.h"
#include "server/internal.h"

/* --- MemberList ------------------------------------------------------------------------------- */

static void members_read(struct read_call *r)
{
    struct server *s = r->server;
    struct arena *arena = rpc_call_arena(r->call);
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__MemberListResponse reply = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.n_members = n;
    reply.members = arena_alloc(arena, (n + 1) * sizeof *reply.members);
    for (size_t i = 0; i < n; i++) {
        Etcdserverpb__Member *m = arena_alloc(arena, sizeof *m);
        etcdserverpb__member__init(m);
        m->id = members[i].id;
        m->name = arena_strdup(arena, members[i].name);
        m->islearner = members[i].role == RNODE_LEARNER;
        m->n_peerurls = 1;
        m->peerurls = arena_alloc(arena, sizeof *m->peerurls);
        m->peerurls[0] = arena_printf(arena, "http://%s", members[i].peer_address);
        if (members[i].client_url[0] != '\0') {
            m->n_clienturls = 1;
            m->clienturls = arena_alloc(arena, sizeof *m->clienturls);
            m->clienturls[0] = arena_strdup(arena, members[i].client_url);
        }
        reply.members[i] = m;
    }
    rpc_reply(r->call, &reply.base);
}

/* etcd before 3.5 answers from local state; so does `linearizable: false`, which is what etcdctl
 * 3.4 sends: a member without quorum must still be able to say who its peers are. */
static void member_list(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__MemberListRequest *m =
        (const Etcdserverpb__MemberListRequest *)(const void *)msg;
    if (m->linearizable) {
        server_read(s, call, NULL, members_read);
    } else {
        struct read_call r = { .server = s, .call = call };
        members_read(&r);
    }
}

static const struct rpc_method cluster_methods[] = {
    { "/etcdserverpb.Cluster/MemberList", RPC_UNARY,
      &etcdserverpb__member_list_request__descriptor, member_list, NULL, NULL, NULL, NULL },
};
const struct service service_cluster = { cluster_methods, ARRAY_LEN(cluster_methods) };

/* --- health ----------------------------------------------------------------------------------- */

static Grpc__Health__V1__HealthCheckResponse__ServingStatus health_of(const struct server *s)
{
    return s->status.leader_id != 0
               ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
               : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void health_check(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = health_of(rpc_call_arg(call));
    rpc_reply(call, &reply.base);
}

static const struct rpc_method health_methods[] = {
    { "/grpc.health.v1.Health/Check", RPC_UNARY,
      &grpc__health__v1__health_check_request__descriptor, health_check, NULL, NULL, NULL, NULL },
};
const struct service service_health = { health_methods, ARRAY_LEN(health_methods) };
