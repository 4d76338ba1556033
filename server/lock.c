/* v3lockpb.Lock: a lock is a name; who stands in its line (line.c) longest, holds it.
 *
 * Lock waits for its turn and answers the key that holds the lock: as long as that exists the lock
 * is held, so a write can be guarded by it. Unlock deletes it. The lease is the client's to keep
 * alive. What etcd's service refuses with code 2 (Unknown) is refused with it here. */
#include "proto/v3lock.pb-c.h"
#include "server/convert.h"
#include "server/internal.h"
#include "server/line.h"

static void locked(struct rpc_call *call, const struct line_won *won)
{
    Etcdserverpb__ResponseHeader header;
    V3lockpb__LockResponse reply = V3LOCKPB__LOCK_RESPONSE__INIT;
    reply.header = server_header(rpc_call_arg(call), &header, won->revision);
    reply.key = pb_slice(won->key);
    rpc_reply(call, &reply.base);
}

static void lock(struct rpc_call *call, ProtobufCMessage *msg)
{
    const V3lockpb__LockRequest *m = (const V3lockpb__LockRequest *)(const void *)msg;
    struct line_request *r = arena_zalloc(rpc_call_arena(call), sizeof *r);
    r->name = slice_pb(m->name);
    r->lease = m->lease;
    r->lost = "mutex: session is expired";
    r->won = locked;
    server_line_enter(rpc_call_arg(call), call, r);
}

static void unlocked(struct write_call *w)
{
    if (w->result.status != 0) {
        server_line_fail(w->call, w->result.status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    V3lockpb__UnlockResponse reply = V3LOCKPB__UNLOCK_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

static void unlock(struct rpc_call *call, ProtobufCMessage *msg)
{
    const V3lockpb__UnlockRequest *m = (const V3lockpb__UnlockRequest *)(const void *)msg;
    struct command c = { .type = COMMAND_DELETE, .del = { .key = slice_pb(m->key) } };
    int rv = delete_check(&c.del);
    if (rv != 0) {
        server_line_fail(call, rv);
    } else {
        server_write(rpc_call_arg(call), call, &c, unlocked);
    }
}

static const struct rpc_method methods[] = {
    { "/v3lockpb.Lock/Lock", RPC_UNARY, &v3lockpb__lock_request__descriptor, lock, NULL, NULL,
      NULL, server_line_closed },
    { "/v3lockpb.Lock/Unlock", RPC_UNARY, &v3lockpb__unlock_request__descriptor, unlock, NULL,
      NULL, NULL, NULL },
};
const struct service service_lock = { methods, ARRAY_LEN(methods) };
