/* etcdserverpb.KV: Range (its answer is made in range.c), Put, DeleteRange, Txn, Compact.
 *
 * Each method: convert -> check -> (write: propose the command | read: wait for ReadIndex unless
 * serializable) -> reply from the store's result. A txn without writes is a read. */
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"

/* What a record in an answer takes beside its value: pointers, the message, its packed form. */
enum { ANSWER_RECORD_BYTES = 256 };

/* --- Range ------------------------------------------------------------------------------------ */

static void range_read(struct read_call *r)
{
    server_range(r->server, r->call, r->data);
}

static void kv_range(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__RangeRequest *m = (const Etcdserverpb__RangeRequest *)(const void *)msg;
    struct range_request *r = arena_alloc(rpc_call_arena(call), sizeof *r);
    range_from_pb(m, r);
    int rv = s->status.learner && !m->serializable ? E_LEARNER : range_check(r);
    if (rv != 0) {
        rpc_fail_err(call, rv);
    } else if (server_refuse_corrupt(s, call)) {
        return;
    } else if (m->serializable || BUG(BUG_RANGE_LOCAL)) {
        server_range(s, call, r);
    } else {
        server_read(s, call, r, range_read);
    }
}

/* --- writes ----------------------------------------------------------------------------------- */

static bool write_failed(struct write_call *w)
{
    if (w->result.status == 0) {
        return false;
    }
    rpc_fail_err(w->call, w->result.status);
    return true;
}

static void put_reply(struct write_call *w)
{
    if (write_failed(w)) {
        return;
    }
    metric_add(w->server->m.puts, 1);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__PutResponse reply = ETCDSERVERPB__PUT_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    if (w->result.op.prev != NULL) {
        reply.prev_kv = kv_to_pb(w->result.op.prev, false, rpc_call_arena(w->call));
    }
    rpc_reply(w->call, &reply.base);
}

static void kv_put(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct command c = { .type = COMMAND_PUT };
    put_from_pb((const Etcdserverpb__PutRequest *)(const void *)msg, &c.put);
    int rv = put_check(&c.put);
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    server_write(rpc_call_arg(call), call, &c, put_reply);
}

static void delete_reply(struct write_call *w)
{
    if (write_failed(w)) {
        return;
    }
    metric_add(w->server->m.deletes, 1);
    struct arena *arena = rpc_call_arena(w->call);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__DeleteRangeResponse reply = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    reply.deleted = w->result.op.n_deleted;
    if (w->result.op.deleted != NULL) {
        reply.n_prev_kvs = (size_t)w->result.op.n_deleted;
        reply.prev_kvs = arena_alloc(arena, (reply.n_prev_kvs + 1) * sizeof *reply.prev_kvs);
        for (size_t i = 0; i < reply.n_prev_kvs; i++) {
            reply.prev_kvs[i] = kv_to_pb(w->result.op.deleted[i], false, arena);
        }
    }
    rpc_reply(w->call, &reply.base);
}

static void kv_delete(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct command c = { .type = COMMAND_DELETE };
    delete_from_pb((const Etcdserverpb__DeleteRangeRequest *)(const void *)msg, &c.del);
    int rv = delete_check(&c.del);
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    server_write(rpc_call_arg(call), call, &c, delete_reply);
}

/* --- Txn -------------------------------------------------------------------------------------- */

static void txn_send(struct server *s, struct rpc_call *call, const struct txn_request *request,
                     const struct store_result *result)
{
    metric_add(s->m.txns, 1);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__TxnResponse reply = ETCDSERVERPB__TXN_RESPONSE__INIT;
    reply.header = server_header(s, &header, result->revision);
    txn_to_pb(request, &result->txn, rpc_call_arena(call), &reply);
    rpc_reply(call, &reply.base);
}

/* In a txn etcd checks every revision but 0 against the compacted one, which is -1 at first; alone,
 * a range at a negative revision reads the newest state. The log's entries must mean the same to
 * members of every version: such a range is proposed as one that fails everywhere, if its branch
 * is taken, and the failure is called by its name here. */
struct txn_call {
    struct txn_request request;
    bool negative; /* a revision was replaced by FAILS_EVERYWHERE */
};

#define FAILS_EVERYWHERE INT64_MAX

static bool ops_replace_negative(struct op *ops, size_t n, int64_t least)
{
    bool replaced = false;
    for (size_t i = 0; i < n; i++) {
        if (ops[i].type == OP_TXN) {
            struct txn_request *t = ops[i].txn;
            replaced |= ops_replace_negative(t->success, t->n_success, least);
            replaced |= ops_replace_negative(t->failure, t->n_failure, least);
        } else if (ops[i].type == OP_RANGE && ops[i].range.revision < least) {
            ops[i].range.revision = FAILS_EVERYWHERE;
            replaced = true;
        }
    }
    return replaced;
}

static void txn_fail(struct rpc_call *call, const struct txn_call *t, int status)
{
    rpc_fail_err(call, status == E_FUTURE_REV && t->negative ? E_COMPACTED : status);
}

static void txn_reply(struct write_call *w)
{
    const struct txn_call *t = rpc_call_data(w->call);
    if (w->result.status != 0) {
        txn_fail(w->call, t, w->result.status);
        return;
    }
    txn_send(w->server, w->call, &t->request, &w->result);
}

static void txn_run(struct server *s, struct rpc_call *call, const struct txn_call *c)
{
    const struct txn_request *t = &c->request;
    struct store_result result;
    store_result_init(&result);
    int rv = server_may_read_txn(s, call, t);
    if (rv == 0) {
        rv = store_txn_read(s->store, t, &result);
    }
    if (rv == 0 && result.status != 0) {
        rv = result.status;
    }
    if (rv != 0) {
        txn_fail(call, c, rv);
    } else {
        txn_send(s, call, t, &result);
    }
    store_result_fini(&result);
}

static void txn_read(struct read_call *r)
{
    txn_run(r->server, r->call, r->data);
}

/* A read-only txn is serializable only when all its ranges are. */
static bool ops_serializable(Etcdserverpb__RequestOp *const *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE ||
            !ops[i]->request_range->serializable) {
            return false;
        }
    }
    return true;
}

/* How many records the ranges of one branch hold now. Every member reads them all when the txn is
 * applied, and a small txn may name the whole store many times. */
static size_t ops_records(struct store *s, const struct op *ops, size_t n, struct arena *arena)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (ops[i].type == OP_TXN) {
            const struct txn_request *t = ops[i].txn;
            size_t yes = ops_records(s, t->success, t->n_success, arena);
            size_t no = ops_records(s, t->failure, t->n_failure, arena);
            sum += yes > no ? yes : no;
        } else if (ops[i].type == OP_RANGE && ops[i].range.range_end.len != 0 &&
                   !ops[i].range.count_only) {
            struct range_request r = { .key = ops[i].range.key, .count_only = true,
                                       .range_end = ops[i].range.range_end };
            struct range_result result = { 0 };
            int64_t count = store_range(s, &r, arena, &result) == 0 ? result.count : 0;
            int64_t limit = ops[i].range.limit;
            sum += (size_t)(limit > 0 && limit < count ? limit : count);
            range_result_unref(&result);
        }
    }
    return sum;
}

static void kv_txn(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__TxnRequest *m = (const Etcdserverpb__TxnRequest *)(const void *)msg;
    struct txn_call *c = arena_zalloc(rpc_call_arena(call), sizeof *c);
    struct txn_request *t = &c->request;
    int rv = txn_from_pb(m, rpc_call_arena(call), t);
    if (rv == 0) {
        rv = txn_check(t, s->store_options.max_txn_ops);
    }
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    if (server_refuse_corrupt(s, call)) {
        return;
    }
    struct op all = { .type = OP_TXN, .txn = t };
    int64_t compacted = store_compact_revision(s->store);
    c->negative = ops_replace_negative(&all, 1, compacted > 0 ? 0 : -1);
    size_t records = ops_records(s->store, &all, 1, rpc_call_arena(call));
    if (records > LIMIT_TXN_RECORDS) {
        rpc_fail(call, GRPC_RESOURCE_EXHAUSTED,
                 "barque: the ranges of the txn hold over 4,000,000 keys. Next: use a limit");
        return;
    }
    if (records * ANSWER_RECORD_BYTES > SERVER_ROOM_BYTES &&
        !mem_has_room(records * ANSWER_RECORD_BYTES)) {
        rpc_fail_err(call, E_NOMEM);
        return;
    }
    if (!txn_is_readonly(t)) {
        struct command command = { .type = COMMAND_TXN, .txn = *t };
        rpc_call_set_data(call, c);
        server_write(s, call, &command, txn_reply);
    } else if (ops_serializable(m->success, m->n_success) &&
               ops_serializable(m->failure, m->n_failure)) {
        txn_run(s, call, c);
    } else {
        server_read(s, call, c, txn_read);
    }
}

/* --- Compact ---------------------------------------------------------------------------------- */

/* Before the first compaction, one to 0 asks for nothing, and etcd does it. */
static bool compacts_nothing(const struct write_call *w)
{
    const int64_t *revision = rpc_call_data(w->call);
    return w->result.status == E_COMPACTED && *revision == 0 &&
           store_compact_revision(w->server->store) == 0;
}

static void compact_reply(struct write_call *w)
{
    if (!compacts_nothing(w) && write_failed(w)) {
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__CompactionResponse reply = ETCDSERVERPB__COMPACTION_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

/* physical=true needs no waiting here: memory is freed in slices and no read can tell. */
static void kv_compact(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__CompactionRequest *m =
        (const Etcdserverpb__CompactionRequest *)(const void *)msg;
    struct command c = { .type = COMMAND_COMPACT, .compact = { m->revision } };
    int64_t *revision = arena_alloc(rpc_call_arena(call), sizeof *revision);
    *revision = m->revision;
    rpc_call_set_data(call, revision);
    server_write(rpc_call_arg(call), call, &c, compact_reply);
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.KV/Range", RPC_UNARY, &etcdserverpb__range_request__descriptor, kv_range,
      NULL, NULL, NULL, NULL },
    { "/etcdserverpb.KV/Put", RPC_UNARY, &etcdserverpb__put_request__descriptor, kv_put, NULL,
      NULL, NULL, NULL },
    { "/etcdserverpb.KV/DeleteRange", RPC_UNARY,
      &etcdserverpb__delete_range_request__descriptor, kv_delete, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.KV/Txn", RPC_UNARY, &etcdserverpb__txn_request__descriptor, kv_txn, NULL,
      NULL, NULL, NULL },
    { "/etcdserverpb.KV/Compact", RPC_UNARY, &etcdserverpb__compaction_request__descriptor,
      kv_compact, NULL, NULL, NULL, NULL },
};
const struct service service_kv = { methods, ARRAY_LEN(methods) };
