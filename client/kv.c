/* Keys and values: range, put, delete, compare-and-set, compaction.
 *
 * A guarded txn may be sent twice when its first answer was lost. If the second finds the guard
 * broken, it looks at what is there: exactly what we meant to write (or nothing where we meant to
 * delete) is our own first try, and counts as success at that key's mod_revision; anything else is
 * E_CONFLICT. */
#include "client/internal.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"

void kv_from_pb(const Mvccpb__KeyValue *pb, struct client_kv *ret_kv)
{
    *ret_kv = (struct client_kv){
        .key = pb_slice(&pb->key),
        .value = pb_slice(&pb->value),
        .create_revision = pb->create_revision,
        .mod_revision = pb->mod_revision,
        .version = pb->version,
        .lease = pb->lease,
    };
}

static int64_t header_revision(const Etcdserverpb__ResponseHeader *header)
{
    return header != NULL ? header->revision : 0;
}

static void fail(struct client_call *call, int status, const struct err *err)
{
    struct client_result result = { .status = status, .err = err };

    call->done(call->arg, &result);
}

/* --- range ------------------------------------------------------------------------------------ */

static struct client_kv *kvs_from_pb(Mvccpb__KeyValue *const *pbs, size_t n)
{
    struct client_kv *kvs = mem_alloc((n + 1) * sizeof *kvs);

    for (size_t i = 0; i < n; i++) {
        kv_from_pb(pbs[i], &kvs[i]);
    }
    return kvs;
}

static void range_finish(struct client_call *call, int status, const struct err *err,
                         const ProtobufCMessage *msg)
{
    const Etcdserverpb__RangeResponse *pb = (const Etcdserverpb__RangeResponse *)msg;
    struct client_result result = { 0 };
    autofree struct client_kv *kvs = NULL;

    if (status != 0) {
        fail(call, status, err);
        return;
    }
    kvs = kvs_from_pb(pb->kvs, pb->n_kvs);
    result.revision = header_revision(pb->header);
    result.kvs = kvs;
    result.n_kvs = pb->n_kvs;
    result.count = pb->count;
    result.more = pb->more != 0;
    call->done(call->arg, &result);
}

struct client_call *client_get(struct client *c, const struct client_range *range,
                               client_done done, void *arg)
{
    Etcdserverpb__RangeRequest pb = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.KV/Range",
        .request = &pb.base,
        .response = &etcdserverpb__range_response__descriptor,
        .idempotent = true,
        .timeout_ms = range->timeout_ms,
        .finish = range_finish,
        .done = done,
        .arg = arg,
    };

    pb.key = pb_bytes(range->key);
    pb.range_end = pb_bytes(range->range_end);
    pb.limit = range->limit;
    pb.revision = range->revision;
    pb.serializable = range->serializable;
    pb.keys_only = range->keys_only;
    pb.count_only = range->count_only;
    if (range->descending) {
        pb.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    }
    return call_start(c, &spec);
}

/* --- put, delete ------------------------------------------------------------------------------ */

static void put_finish(struct client_call *call, int status, const struct err *err,
                       const ProtobufCMessage *msg)
{
    const Etcdserverpb__PutResponse *pb = (const Etcdserverpb__PutResponse *)msg;
    struct client_result result = { 0 };

    if (status != 0) {
        fail(call, status, err);
        return;
    }
    result.revision = header_revision(pb->header);
    if (pb->prev_kv != NULL) {
        result.has_prev = true;
        kv_from_pb(pb->prev_kv, &result.prev);
    }
    call->done(call->arg, &result);
}

struct client_call *client_put_kv(struct client *c, const struct client_put *put, client_done done,
                                  void *arg)
{
    Etcdserverpb__PutRequest pb = ETCDSERVERPB__PUT_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.KV/Put",
        .request = &pb.base,
        .response = &etcdserverpb__put_response__descriptor,
        .timeout_ms = put->timeout_ms,
        .finish = put_finish,
        .done = done,
        .arg = arg,
    };

    pb.key = pb_bytes(put->key);
    pb.value = pb_bytes(put->value);
    pb.lease = put->lease;
    pb.prev_kv = put->prev_kv;
    return call_start(c, &spec);
}

static void delete_finish(struct client_call *call, int status, const struct err *err,
                          const ProtobufCMessage *msg)
{
    const Etcdserverpb__DeleteRangeResponse *pb = (const Etcdserverpb__DeleteRangeResponse *)msg;
    struct client_result result = { 0 };

    if (status != 0) {
        fail(call, status, err);
        return;
    }
    result.revision = header_revision(pb->header);
    result.deleted = pb->deleted;
    call->done(call->arg, &result);
}

struct client_call *client_delete(struct client *c, struct slice key, struct slice range_end,
                                  client_done done, void *arg)
{
    Etcdserverpb__DeleteRangeRequest pb = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.KV/DeleteRange",
        .request = &pb.base,
        .response = &etcdserverpb__delete_range_response__descriptor,
        .finish = delete_finish,
        .done = done,
        .arg = arg,
    };

    pb.key = pb_bytes(key);
    pb.range_end = pb_bytes(range_end);
    return call_start(c, &spec);
}

/* --- compaction ------------------------------------------------------------------------------- */

static void compact_finish(struct client_call *call, int status, const struct err *err,
                           const ProtobufCMessage *msg)
{
    const Etcdserverpb__CompactionResponse *pb = (const Etcdserverpb__CompactionResponse *)msg;
    struct client_result result = { 0 };

    /* The first try of a repeated compaction has done it. */
    if (status == E_COMPACTED && call->attempts > 1) {
        call->done(call->arg, &result);
        return;
    }
    if (status != 0) {
        fail(call, status, err);
        return;
    }
    result.revision = header_revision(pb->header);
    call->done(call->arg, &result);
}

struct client_call *client_compact(struct client *c, int64_t revision, bool physical,
                                   client_done done, void *arg)
{
    Etcdserverpb__CompactionRequest pb = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.KV/Compact",
        .request = &pb.base,
        .response = &etcdserverpb__compaction_response__descriptor,
        .idempotent = true,
        .finish = compact_finish,
        .done = done,
        .arg = arg,
    };

    pb.revision = revision;
    pb.physical = physical;
    return call_start(c, &spec);
}

/* --- compare and set -------------------------------------------------------------------------- */

/* The else branch's answer: what the first guard's key holds now. */
static const Etcdserverpb__RangeResponse *else_range(const Etcdserverpb__TxnResponse *pb)
{
    if (pb->n_responses == 0 ||
        pb->responses[0]->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE) {
        return NULL;
    }
    return pb->responses[0]->response_range;
}

/* Did an earlier try of this very txn win? Only told for one guard and one write of the same key.
 * */
static bool own_write(const struct client_call *call, const Etcdserverpb__RangeResponse *range,
                      int64_t *ret_revision)
{
    const Etcdserverpb__TxnRequest *txn = (const Etcdserverpb__TxnRequest *)call->request;
    const Etcdserverpb__RequestOp *op;
    const Etcdserverpb__Compare *guard;
    const Mvccpb__KeyValue *kv;

    if (call->attempts < 2 || txn->n_compare == 0 || txn->n_success != 1 || range == NULL) {
        return false;
    }
    guard = txn->compare[0];
    op = txn->success[0];
    if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
        return range->n_kvs == 0 && guard->mod_revision != 0 &&
               slice_eq(pb_slice(&op->request_delete_range->key), pb_slice(&guard->key));
    }
    if (op->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT || range->n_kvs != 1 ||
        !slice_eq(pb_slice(&op->request_put->key), pb_slice(&guard->key))) {
        return false;
    }
    kv = range->kvs[0];
    if (!slice_eq(pb_slice(&kv->value), pb_slice(&op->request_put->value)) ||
        kv->lease != op->request_put->lease || kv->mod_revision <= guard->mod_revision) {
        return false;
    }
    *ret_revision = kv->mod_revision;
    return true;
}

static void cas_finish(struct client_call *call, int status, const struct err *err,
                       const ProtobufCMessage *msg)
{
    const Etcdserverpb__TxnResponse *pb = (const Etcdserverpb__TxnResponse *)msg;
    const Etcdserverpb__RangeResponse *range;
    struct client_result result = { 0 };
    struct err conflict;
    autofree struct client_kv *kvs = NULL;

    if (status != 0) {
        fail(call, status, err);
        return;
    }
    result.revision = header_revision(pb->header);
    if (pb->succeeded) {
        for (size_t i = 0; i < pb->n_responses; i++) {
            if (pb->responses[i]->response_case ==
                ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE) {
                result.deleted += pb->responses[i]->response_delete_range->deleted;
            }
        }
        call->done(call->arg, &result);
        return;
    }
    range = else_range(pb);
    if (own_write(call, range, &result.revision)) {
        call->done(call->arg, &result);
        return;
    }
    result.status = err_set(&conflict, E_CONFLICT, "it was changed in between: read it again");
    result.err = &conflict;
    if (range != NULL) {
        kvs = kvs_from_pb(range->kvs, range->n_kvs);
        result.kvs = kvs;
        result.n_kvs = range->n_kvs;
        result.count = range->count;
    }
    call->done(call->arg, &result);
}

static Etcdserverpb__Compare *guard_to_pb(struct arena *a, const struct client_guard *guard)
{
    Etcdserverpb__Compare *pb = arena_alloc(a, sizeof *pb);

    etcdserverpb__compare__init(pb);
    pb->result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
    pb->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    pb->key = pb_bytes(guard->key);
    pb->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
    pb->mod_revision = guard->mod_revision;
    return pb;
}

static Etcdserverpb__RequestOp *write_to_pb(struct arena *a, const struct client_write *write)
{
    Etcdserverpb__RequestOp *op = arena_alloc(a, sizeof *op);

    etcdserverpb__request_op__init(op);
    if (write->is_delete) {
        Etcdserverpb__DeleteRangeRequest *pb = arena_alloc(a, sizeof *pb);

        etcdserverpb__delete_range_request__init(pb);
        pb->key = pb_bytes(write->key);
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = pb;
    } else {
        Etcdserverpb__PutRequest *pb = arena_alloc(a, sizeof *pb);

        etcdserverpb__put_request__init(pb);
        pb->key = pb_bytes(write->key);
        pb->value = pb_bytes(write->value);
        pb->lease = write->lease;
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = pb;
    }
    return op;
}

static Etcdserverpb__RequestOp *read_to_pb(struct arena *a, struct slice key)
{
    Etcdserverpb__RequestOp *op = arena_alloc(a, sizeof *op);
    Etcdserverpb__RangeRequest *pb = arena_alloc(a, sizeof *pb);

    etcdserverpb__request_op__init(op);
    etcdserverpb__range_request__init(pb);
    pb->key = pb_bytes(key);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op->request_range = pb;
    return op;
}

/* A second try of what has been done already must fail its guards: every key that is written has
 * one. (A fence alone still holds then, and a late first try would undo what came after it.) */
static bool guards_cover(const struct client_guard *guards, size_t n_guards,
                         const struct client_write *writes, size_t n_writes)
{
    for (size_t i = 0; i < n_writes; i++) {
        size_t k = 0;
        while (k < n_guards && slice_cmp(guards[k].key, writes[i].key) != 0) {
            k++;
        }
        if (k == n_guards) {
            return false;
        }
    }
    return true;
}

struct client_call *client_cas(struct client *c, const struct client_guard *guards, size_t n_guards,
                               const struct client_write *writes, size_t n_writes, client_done done,
                               void *arg)
{
    Etcdserverpb__TxnRequest pb = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__RequestOp *otherwise = NULL;
    struct client_call *call;
    struct arena arena;
    struct call_spec spec = {
        .path = "/etcdserverpb.KV/Txn",
        .request = &pb.base,
        .response = &etcdserverpb__txn_response__descriptor,
        .idempotent = guards_cover(guards, n_guards, writes, n_writes),
        .finish = cas_finish,
        .done = done,
        .arg = arg,
    };

    arena_init(&arena);
    pb.n_compare = n_guards;
    pb.compare = arena_alloc(&arena, (n_guards + 1) * sizeof *pb.compare);
    for (size_t i = 0; i < n_guards; i++) {
        pb.compare[i] = guard_to_pb(&arena, &guards[i]);
    }
    pb.n_success = n_writes;
    pb.success = arena_alloc(&arena, (n_writes + 1) * sizeof *pb.success);
    for (size_t i = 0; i < n_writes; i++) {
        pb.success[i] = write_to_pb(&arena, &writes[i]);
    }
    if (n_guards != 0) {
        otherwise = read_to_pb(&arena, guards[0].key);
        pb.n_failure = 1;
        pb.failure = &otherwise;
    }
    call = call_start(c, &spec);
    arena_fini(&arena);
    return call;
}

void client_prefix_end(struct slice prefix, struct buf *out)
{
    size_t len = prefix.len;

    while (len > 0 && prefix.data[len - 1] == 0xff) {
        len--;
    }
    buf_reset(out);
    if (len == 0) {
        buf_append_char(out, 0); /* every key from here on */
        return;
    }
    buf_append(out, prefix.data, len - 1);
    buf_put_u8(out, (uint8_t)(prefix.data[len - 1] + 1));
}
