/* etcdserverpb.Maintenance: Status, Hash, HashKV (hash.c), Defragment, Alarm (alarm.c), MoveLeader,
 * Downgrade; Snapshot has a service of its own (snapshot.c).
 * Defragment answers at once: memory is freed by compaction itself and there is no file to rewrite.
 * Hash is of the state, not of a file: equal on equal members. */
#include <inttypes.h>
#include <string.h>

#include "server/internal.h"

/* Alarms as etcd prints them, which is protobuf's text with a blank at its end. */
static void status_errors(struct server *s, struct arena *arena,
                          Etcdserverpb__StatusResponse *reply)
{
    struct alarm alarms[SERVER_ALARMS_MAX];
    size_t n = server_alarms(s, alarms);
    reply->errors = arena_alloc(arena, (n + 1) * sizeof *reply->errors);
    if (s->status.leader_id == 0) {
        const char *text;
        status_from_err(E_NOLEADER, &text);
        reply->errors[reply->n_errors++] = (char *)(uintptr_t)text;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = alarm_name(alarms[i].type);
        reply->errors[reply->n_errors++] =
            alarms[i].member == 0
                ? arena_printf(arena, "alarm:%s ", name)
                : arena_printf(arena, "memberID:%" PRIu64 " alarm:%s ", alarms[i].member, name);
    }
}

static void status(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct server *s = rpc_call_arg(call);
    rnode_get_status(s->node, &s->status);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__StatusResponse reply = ETCDSERVERPB__STATUS_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.version = (char *)(uintptr_t)SERVER_ETCD_VERSION;
    reply.dbsize = store_size_bytes(s->store);
    reply.dbsizeinuse = store_live_bytes(s->store);
    reply.leader = s->status.leader_id;
    reply.raftindex = s->status.last_index;
    reply.raftterm = s->status.term;
    reply.raftappliedindex = s->status.applied_index;
    reply.islearner = s->status.learner;
    reply.dbsizequota = s->options.quota_bytes;
    status_errors(s, rpc_call_arena(call), &reply);
    rpc_reply(call, &reply.base);
}

static void hash(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct server *s = rpc_call_arg(call);
    uint64_t digest = store_digest(s->store);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__HashResponse reply = ETCDSERVERPB__HASH_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.hash = (uint32_t)(digest ^ (digest >> 32));
    rpc_reply(call, &reply.base);
}

static void defragment(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct server *s = rpc_call_arg(call);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__DefragmentResponse reply = ETCDSERVERPB__DEFRAGMENT_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    rpc_reply(call, &reply.base);
}

static void move_done(void *arg, int rv)
{
    struct rpc_call *call = arg;
    struct server *s = rpc_call_arg(call);
    if (rv != 0) {
        rpc_fail_err(call, rv == E_NOTFOUND ? E_TRANSFEREE : rv);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__MoveLeaderResponse reply = ETCDSERVERPB__MOVE_LEADER_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    rpc_reply(call, &reply.base);
}

/* Learners and strangers cannot lead. */
static bool may_lead(const struct server *s, uint64_t id)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    for (size_t i = 0; i < n; i++) {
        if (members[i].id == id) {
            return members[i].role == RNODE_VOTER;
        }
    }
    return false;
}

static void move_leader(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__MoveLeaderRequest *m =
        (const Etcdserverpb__MoveLeaderRequest *)(const void *)msg;
    if (!server_is_leader(s)) {
        rpc_fail_err(call, E_NOTLEADER);
        return;
    }
    if (!may_lead(s, m->targetid)) {
        rpc_fail_err(call, E_TRANSFEREE);
        return;
    }
    if (m->targetid == s->status.member_id) { /* etcd: nothing to do is done */
        move_done(call, 0);
        return;
    }
    rnode_transfer(s->node, m->targetid, move_done, call);
}

/* "3.4" and "3.4.1", as etcd reads them: a missing patch is 0. */
static bool is_version(const char *text)
{
    unsigned parts = 0;
    for (const char *at = text;; at++) {
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || digits > 9 || (at[0] == '0' && digits > 1)) {
            return false;
        }
        parts++;
        at += digits;
        if (*at != '.') {
            return *at == '\0' && (parts == 2 || parts == 3);
        }
    }
}

/* An older version cannot read a log in which there is anything newer, and nothing here would
 * write it differently while a downgrade is asked for. So the answers are those of an etcd of which
 * there is no older version: nothing can be gone back to, and nothing is under way. */
static void downgrade(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__DowngradeRequest *m =
        (const Etcdserverpb__DowngradeRequest *)(const void *)msg;
    switch (m->action) {
    case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__VALIDATE:
    case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__ENABLE:
        rpc_fail(call, GRPC_INVALID_ARGUMENT,
                 is_version(m->version) ? "etcdserver: invalid downgrade target version"
                                        : "etcdserver: wrong downgrade target version format");
        return;
    case ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__CANCEL:
        rpc_fail(call, GRPC_FAILED_PRECONDITION, "etcdserver: no inflight downgrade job");
        return;
    default:
        rpc_fail(call, GRPC_UNKNOWN, "etcdserver: unknown method");
        return;
    }
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.Maintenance/Status", RPC_UNARY, &etcdserverpb__status_request__descriptor,
      status, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Maintenance/Hash", RPC_UNARY, &etcdserverpb__hash_request__descriptor, hash,
      NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Maintenance/HashKV", RPC_UNARY, &etcdserverpb__hash_kvrequest__descriptor,
      server_hash_kv, NULL, NULL, NULL, server_hash_closed },
    { "/etcdserverpb.Maintenance/Defragment", RPC_UNARY,
      &etcdserverpb__defragment_request__descriptor, defragment, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Maintenance/Alarm", RPC_UNARY, &etcdserverpb__alarm_request__descriptor,
      server_alarm, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Maintenance/Downgrade", RPC_UNARY,
      &etcdserverpb__downgrade_request__descriptor, downgrade, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Maintenance/MoveLeader", RPC_UNARY,
      &etcdserverpb__move_leader_request__descriptor, move_leader, NULL, NULL, NULL, NULL },
};
const struct service service_maintenance = { methods, ARRAY_LEN(methods) };
