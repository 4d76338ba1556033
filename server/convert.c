/* Conversion between wire messages and the store's structs: field by field, no decisions.
 * A txn nests, so both directions recurse, bounded by LIMIT_TXN_DEPTH. */
#include "server/convert.h"

#include "lib/base/assert.h"
#include "lib/base/limits.h"

void range_from_pb(const Etcdserverpb__RangeRequest *m, struct range_request *ret_request)
{
    *ret_request = (struct range_request){
        .key = slice_pb(m->key),
        .range_end = slice_pb(m->range_end),
        .limit = m->limit,
        .revision = m->revision,
        .sort_order = (int)m->sort_order,
        .sort_target = (int)m->sort_target,
        .keys_only = m->keys_only != 0,
        .count_only = m->count_only != 0,
        .min_mod_revision = m->min_mod_revision,
        .max_mod_revision = m->max_mod_revision,
        .min_create_revision = m->min_create_revision,
        .max_create_revision = m->max_create_revision,
    };
}

void put_from_pb(const Etcdserverpb__PutRequest *m, struct put_request *ret_request)
{
    *ret_request = (struct put_request){
        .key = slice_pb(m->key),
        .value = slice_pb(m->value),
        .lease = m->lease,
        .prev_kv = m->prev_kv != 0,
        .ignore_value = m->ignore_value != 0,
        .ignore_lease = m->ignore_lease != 0,
    };
}

void delete_from_pb(const Etcdserverpb__DeleteRangeRequest *m, struct delete_request *ret_request)
{
    *ret_request = (struct delete_request){
        .key = slice_pb(m->key),
        .range_end = slice_pb(m->range_end),
        .prev_kv = m->prev_kv != 0,
    };
}

/* What is compared with stands in a field of its own for each target. One that is not the target's,
 * or none, is the target's zero. */
static void compare_from_pb(const Etcdserverpb__Compare *m, struct compare *ret_compare)
{
    *ret_compare = (struct compare){
        .result = (int)m->result,
        .target = (int)m->target,
        .key = slice_pb(m->key),
        .range_end = slice_pb(m->range_end),
    };
    static const Etcdserverpb__Compare__TargetUnionCase cases[] = {
        [COMPARE_VERSION] = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION,
        [COMPARE_CREATE] = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION,
        [COMPARE_MOD] = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION,
        [COMPARE_VALUE] = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE,
        [COMPARE_LEASE] = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE,
    };
    size_t target = (size_t)m->target;
    if (target >= ARRAY_LEN(cases) || m->target_union_case != cases[target]) {
        return;
    }
    switch (m->target_union_case) {
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION:
        ret_compare->number = m->version;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
        ret_compare->number = m->create_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
        ret_compare->number = m->mod_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE:
        ret_compare->number = m->lease;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE:
        ret_compare->value = slice_pb(m->value);
        break;
    default:
        break;
    }
}

static int txn_from_pb_at(const Etcdserverpb__TxnRequest *m, struct arena *arena, int depth,
                          struct txn_request *ret_request);

static int ops_from_pb(Etcdserverpb__RequestOp *const *ops, size_t n, struct arena *arena,
                       int depth, struct op **ret_ops)
{
    struct op *out = arena_zalloc(arena, (n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__RequestOp *m = ops[i];
        switch (m->request_case) {
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
            out[i].type = OP_RANGE;
            range_from_pb(m->request_range, &out[i].range);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
            out[i].type = OP_PUT;
            put_from_pb(m->request_put, &out[i].put);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
            out[i].type = OP_DELETE;
            delete_from_pb(m->request_delete_range, &out[i].del);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
            out[i].type = OP_TXN;
            out[i].txn = arena_zalloc(arena, sizeof *out[i].txn);
            int rv = txn_from_pb_at(m->request_txn, arena, depth + 1, out[i].txn);
            if (rv != 0) {
                return rv;
            }
            break;
        default: /* empty op: txn_check answers */
            out[i].type = OP_NONE;
            break;
        }
    }
    *ret_ops = out;
    return 0;
}

static int txn_from_pb_at(const Etcdserverpb__TxnRequest *m, struct arena *arena, int depth,
                          struct txn_request *ret_request)
{
    if (depth > LIMIT_TXN_DEPTH) {
        return E_TOO_MANY_OPS;
    }
    struct txn_request t = { 0 };
    t.n_compare = m->n_compare;
    t.compare = arena_zalloc(arena, (m->n_compare + 1) * sizeof *t.compare);
    for (size_t i = 0; i < m->n_compare; i++) {
        compare_from_pb(m->compare[i], &t.compare[i]);
    }
    t.n_success = m->n_success;
    int rv = ops_from_pb(m->success, m->n_success, arena, depth, &t.success);
    if (rv != 0) {
        return rv;
    }
    t.n_failure = m->n_failure;
    rv = ops_from_pb(m->failure, m->n_failure, arena, depth, &t.failure);
    if (rv != 0) {
        return rv;
    }
    *ret_request = t;
    return 0;
}

int txn_from_pb(const Etcdserverpb__TxnRequest *m, struct arena *arena,
                struct txn_request *ret_request)
{
    return txn_from_pb_at(m, arena, 1, ret_request);
}

void pb_append_field(struct buf *out, unsigned field, const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *at = buf_reserve(out, size + 12);
    size_t n = 0;
    PRE(field < 16); /* the tag is one byte */
    at[n++] = (uint8_t)(field << 3 | 2);
    for (size_t left = size;; left >>= 7) {
        at[n++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        if (left <= 0x7f) {
            break;
        }
    }
    n += protobuf_c_message_pack(m, at + n);
    buf_advance(out, n);
}

Mvccpb__KeyValue *kv_to_pb(const struct record *r, bool keys_only, struct arena *arena)
{
    struct kv_view v;
    record_view(r, &v);
    Mvccpb__KeyValue *kv = arena_alloc(arena, sizeof *kv);
    mvccpb__key_value__init(kv);
    kv->key = pb_slice(v.key);
    kv->create_revision = v.create_revision;
    kv->mod_revision = v.mod_revision;
    kv->version = v.version;
    kv->lease = v.lease;
    if (!keys_only) {
        kv->value = pb_slice(v.value);
    }
    return kv;
}

void range_to_pb(const struct range_result *result, bool keys_only, struct arena *arena,
                 Etcdserverpb__RangeResponse *ret_response)
{
    ret_response->count = result->count;
    ret_response->more = result->more;
    ret_response->n_kvs = result->n;
    ret_response->kvs = arena_alloc(arena, (result->n + 1) * sizeof *ret_response->kvs);
    for (size_t i = 0; i < result->n; i++) {
        ret_response->kvs[i] = kv_to_pb(result->kvs[i], keys_only, arena);
    }
}

/* Headers inside a txn carry the revision only: what the operation saw or made. A nested txn's is
 * empty. */
static Etcdserverpb__ResponseHeader *nested_header(int64_t revision, struct arena *arena)
{
    Etcdserverpb__ResponseHeader *h = arena_alloc(arena, sizeof *h);
    etcdserverpb__response_header__init(h);
    h->revision = revision;
    return h;
}

static Etcdserverpb__ResponseOp *op_to_pb(const struct op *op, const struct op_result *result,
                                          struct arena *arena)
{
    int64_t revision = result->revision;
    Etcdserverpb__ResponseOp *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__response_op__init(m);
    switch (result->type) {
    case OP_RANGE:
        m->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        m->response_range = arena_alloc(arena, sizeof *m->response_range);
        etcdserverpb__range_response__init(m->response_range);
        m->response_range->header = nested_header(revision, arena);
        range_to_pb(&result->range, op->range.keys_only, arena, m->response_range);
        break;
    case OP_PUT:
        m->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        m->response_put = arena_alloc(arena, sizeof *m->response_put);
        etcdserverpb__put_response__init(m->response_put);
        m->response_put->header = nested_header(revision, arena);
        if (result->prev != NULL) {
            m->response_put->prev_kv = kv_to_pb(result->prev, false, arena);
        }
        break;
    case OP_DELETE:
        m->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        m->response_delete_range = arena_alloc(arena, sizeof *m->response_delete_range);
        etcdserverpb__delete_range_response__init(m->response_delete_range);
        m->response_delete_range->header = nested_header(revision, arena);
        m->response_delete_range->deleted = result->n_deleted;
        if (op->del.prev_kv && result->n_deleted > 0) {
            size_t n = (size_t)result->n_deleted;
            Mvccpb__KeyValue **kvs = arena_alloc(arena, n * sizeof *kvs);
            for (size_t i = 0; i < n; i++) {
                kvs[i] = kv_to_pb(result->deleted[i], false, arena);
            }
            m->response_delete_range->prev_kvs = kvs;
            m->response_delete_range->n_prev_kvs = n;
        }
        break;
    case OP_TXN:
        m->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
        m->response_txn = arena_alloc(arena, sizeof *m->response_txn);
        etcdserverpb__txn_response__init(m->response_txn);
        m->response_txn->header = nested_header(0, arena);
        txn_to_pb(op->txn, result->txn, arena, m->response_txn);
        break;
    case OP_NONE:
    default:
        UNREACHABLE();
    }
    return m;
}

void txn_to_pb(const struct txn_request *request, const struct txn_result *result,
               struct arena *arena, Etcdserverpb__TxnResponse *ret_response)
{
    const struct op *ops = result->succeeded ? request->success : request->failure;
    ret_response->succeeded = result->succeeded;
    ret_response->n_responses = result->n_ops;
    ret_response->responses =
        arena_alloc(arena, (result->n_ops + 1) * sizeof *ret_response->responses);
    for (size_t i = 0; i < result->n_ops; i++) {
        ret_response->responses[i] = op_to_pb(&ops[i], &result->ops[i], arena);
    }
}
