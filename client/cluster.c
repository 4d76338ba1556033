/* Members of the cluster, and the status of one endpoint.
 *
 * client_status_of asks the endpoint that is named, not the current one, on a channel of its own
 * that lives for this one call: "is m2 alive?" must be answered by m2. */
#include "client/internal.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"

/* --- members ---------------------------------------------------------------------------------- */

struct members_ask {
    client_members_done done;
    void *arg;
};

static void member_from_pb(const Etcdserverpb__Member *pb, struct client_member *ret_member)
{
    ret_member->id = pb->id;
    str_copy(ret_member->name, sizeof ret_member->name, pb->name);
    if (pb->n_peerurls > 0) {
        str_copy(ret_member->peer_url, sizeof ret_member->peer_url, pb->peerurls[0]);
    }
    if (pb->n_clienturls > 0) {
        str_copy(ret_member->client_url, sizeof ret_member->client_url, pb->clienturls[0]);
    }
    ret_member->learner = pb->islearner != 0;
}

static void members_finish(struct client_call *call, int status, const struct err *err,
                           const ProtobufCMessage *msg)
{
    const Etcdserverpb__MemberListResponse *pb = (const Etcdserverpb__MemberListResponse *)msg;
    struct members_ask *ask = call->user;
    autofree struct client_member *members = NULL;

    if (status != 0) {
        ask->done(ask->arg, status, NULL, 0, err);
        return;
    }
    members = mem_zalloc((pb->n_members + 1) * sizeof *members);
    for (size_t i = 0; i < pb->n_members; i++) {
        member_from_pb(pb->members[i], &members[i]);
    }
    ask->done(ask->arg, 0, members, pb->n_members, NULL);
}

static void members_cleanup(struct client_call *call)
{
    mem_free(call->user);
}

struct client_call *client_member_list(struct client *c, client_members_done done, void *arg)
{
    Etcdserverpb__MemberListRequest pb = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    struct members_ask *ask = mem_zalloc(sizeof *ask);
    struct call_spec spec = {
        .path = "/etcdserverpb.Cluster/MemberList",
        .request = &pb.base,
        .response = &etcdserverpb__member_list_response__descriptor,
        .idempotent = true,
        .finish = members_finish,
        .cleanup = members_cleanup,
        .user = ask,
    };

    ask->done = done;
    ask->arg = arg;
    return call_start(c, &spec);
}

/* --- status of one endpoint ------------------------------------------------------------------- */

struct status_ask {
    client_status_done done;
    void *arg;
    struct endpoint endpoint;
};

static void status_from_pb(const Etcdserverpb__StatusResponse *pb, struct client_status *ret_status)
{
    str_copy(ret_status->version, sizeof ret_status->version, pb->version);
    if (pb->header != NULL) {
        ret_status->member_id = pb->header->member_id;
        ret_status->revision = pb->header->revision;
    }
    ret_status->leader_id = pb->leader;
    ret_status->raft_term = pb->raftterm;
    ret_status->raft_index = pb->raftindex;
    ret_status->applied_index = pb->raftappliedindex;
    ret_status->db_size = pb->dbsize;
    ret_status->db_size_in_use = pb->dbsizeinuse;
    ret_status->learner = pb->islearner != 0;
}

static void status_finish(struct client_call *call, int status, const struct err *err,
                          const ProtobufCMessage *msg)
{
    struct status_ask *ask = call->user;
    struct client_status answer = { 0 };

    if (status != 0) {
        ask->done(ask->arg, status, NULL, err);
        return;
    }
    status_from_pb((const Etcdserverpb__StatusResponse *)msg, &answer);
    ask->done(ask->arg, 0, &answer, NULL);
}

static void status_cleanup(struct client_call *call)
{
    struct status_ask *ask = call->user;

    rpc_channel_free(ask->endpoint.channel);
    mem_free(ask);
}

struct client_call *client_status_of(struct client *c, const char *endpoint, uint64_t timeout_ms,
                                     client_status_done done, void *arg)
{
    Etcdserverpb__StatusRequest pb = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct status_ask *ask = mem_zalloc(sizeof *ask);
    struct call_spec spec = {
        .path = "/etcdserverpb.Maintenance/Status",
        .request = &pb.base,
        .response = &etcdserverpb__status_response__descriptor,
        .timeout_ms = timeout_ms,
        .only = &ask->endpoint,
        .finish = status_finish,
        .cleanup = status_cleanup,
        .user = ask,
    };

    ask->done = done;
    ask->arg = arg;
    /* A wrong address leaves the channel NULL: the call then ends with the reason. */
    if (endpoint_init(c, &ask->endpoint, endpoint, &ask->endpoint.why) == 0) {
        struct rpc_channel_options options = {
            .loop = c->loop,
            .address = ask->endpoint.address,
            .connect_timeout_ms = CLIENT_CONNECT_MS,
            .seed = rng_u64(&c->rng),
        };

        ask->endpoint.channel = rpc_channel_new(&options);
    }
    return call_start(c, &spec);
}
