/* One function a message, both ways. See wire.h. */
#include "chaos/wire.h"

#include "lib/base/assert.h"

static ProtobufCBinaryData bytes(struct slice s)
{
    return (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.data };
}

static struct slice slice_of(const ProtobufCBinaryData *b)
{
    return slice_make(b->data, b->len);
}

/* --- asking ----------------------------------------------------------------------------------- */

static Etcdserverpb__RangeRequest *range_message(struct arena *a, const struct check_ask *ask)
{
    Etcdserverpb__RangeRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__range_request__init(m);
    m->key = bytes(ask->key);
    m->range_end = bytes(ask->range_end);
    m->revision = ask->revision;
    m->limit = ask->limit;
    m->serializable = ask->serializable;
    m->keys_only = ask->keys_only;
    m->count_only = ask->count_only;
    return m;
}

static Etcdserverpb__PutRequest *put_message(struct arena *a, const struct check_ask *ask)
{
    Etcdserverpb__PutRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__put_request__init(m);
    m->key = bytes(ask->key);
    m->value = bytes(ask->value);
    m->lease = ask->lease;
    m->prev_kv = ask->prev_kv;
    m->ignore_value = ask->ignore_value;
    m->ignore_lease = ask->ignore_lease;
    return m;
}

static Etcdserverpb__DeleteRangeRequest *delete_message(struct arena *a,
                                                        const struct check_ask *ask)
{
    Etcdserverpb__DeleteRangeRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__delete_range_request__init(m);
    m->key = bytes(ask->key);
    m->range_end = bytes(ask->range_end);
    m->prev_kv = ask->prev_kv;
    return m;
}

static Etcdserverpb__RequestOp *op_message(struct arena *a, const struct check_ask *ask)
{
    Etcdserverpb__RequestOp *op = arena_alloc(a, sizeof *op);
    etcdserverpb__request_op__init(op);
    switch (ask->kind) {
    case CHECK_RANGE:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = range_message(a, ask);
        break;
    case CHECK_PUT:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = put_message(a, ask);
        break;
    case CHECK_DELETE:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = delete_message(a, ask);
        break;
    default:
        UNREACHABLE();
    }
    return op;
}

static Etcdserverpb__Compare *compare_message(struct arena *a, const struct check_compare *c)
{
    /* The numbers of both enums are etcd's own order for targets; relations are named anew. */
    static const Etcdserverpb__Compare__CompareResult relations[] = {
        [CHECK_EQUAL] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
        [CHECK_GREATER] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER,
        [CHECK_LESS] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS,
        [CHECK_NOT_EQUAL] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL,
    };
    Etcdserverpb__Compare *m = arena_alloc(a, sizeof *m);
    etcdserverpb__compare__init(m);
    m->result = relations[c->relation];
    m->key = bytes(c->key);
    m->range_end = bytes(c->range_end);
    switch (c->target) {
    case CHECK_VERSION:
        m->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        m->version = c->number;
        break;
    case CHECK_CREATE:
        m->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        m->create_revision = c->number;
        break;
    case CHECK_MOD:
        m->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        m->mod_revision = c->number;
        break;
    case CHECK_VALUE:
        m->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        m->value = bytes(c->value);
        break;
    case CHECK_LEASE:
        m->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE;
        m->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
        m->lease = c->number;
        break;
    default:
        UNREACHABLE();
    }
    return m;
}

static struct wire_call txn_call(struct arena *a, const struct check_request *r)
{
    Etcdserverpb__TxnRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__txn_request__init(m);
    m->n_compare = r->n_compares;
    m->n_success = r->n_then;
    m->n_failure = r->n_else;
    m->compare = arena_alloc(a, (r->n_compares + 1) * sizeof *m->compare);
    m->success = arena_alloc(a, (r->n_then + 1) * sizeof *m->success);
    m->failure = arena_alloc(a, (r->n_else + 1) * sizeof *m->failure);
    for (size_t i = 0; i < r->n_compares; i++) {
        m->compare[i] = compare_message(a, &r->compares[i]);
    }
    for (size_t i = 0; i < r->n_then; i++) {
        m->success[i] = op_message(a, &r->then_asks[i]);
    }
    for (size_t i = 0; i < r->n_else; i++) {
        m->failure[i] = op_message(a, &r->else_asks[i]);
    }
    return (struct wire_call){ "/etcdserverpb.KV/Txn", &m->base,
                               &etcdserverpb__txn_response__descriptor };
}

static struct wire_call grant_call(struct arena *a, const struct check_request *r)
{
    Etcdserverpb__LeaseGrantRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__lease_grant_request__init(m);
    m->id = r->lease;
    m->ttl = r->ttl_s;
    return (struct wire_call){ "/etcdserverpb.Lease/LeaseGrant", &m->base,
                               &etcdserverpb__lease_grant_response__descriptor };
}

static struct wire_call revoke_call(struct arena *a, const struct check_request *r)
{
    Etcdserverpb__LeaseRevokeRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__lease_revoke_request__init(m);
    m->id = r->lease;
    return (struct wire_call){ "/etcdserverpb.Lease/LeaseRevoke", &m->base,
                               &etcdserverpb__lease_revoke_response__descriptor };
}

static struct wire_call compact_call(struct arena *a, const struct check_request *r)
{
    Etcdserverpb__CompactionRequest *m = arena_alloc(a, sizeof *m);
    etcdserverpb__compaction_request__init(m);
    m->revision = r->revision;
    return (struct wire_call){ "/etcdserverpb.KV/Compact", &m->base,
                               &etcdserverpb__compaction_response__descriptor };
}

struct wire_call wire_request(struct arena *a, const struct check_request *r)
{
    switch (r->kind) {
    case CHECK_PUT:
        return (struct wire_call){ "/etcdserverpb.KV/Put", &put_message(a, &r->ask)->base,
                                   &etcdserverpb__put_response__descriptor };
    case CHECK_RANGE:
        return (struct wire_call){ "/etcdserverpb.KV/Range", &range_message(a, &r->ask)->base,
                                   &etcdserverpb__range_response__descriptor };
    case CHECK_DELETE:
        return (struct wire_call){ "/etcdserverpb.KV/DeleteRange",
                                   &delete_message(a, &r->ask)->base,
                                   &etcdserverpb__delete_range_response__descriptor };
    case CHECK_TXN:
        return txn_call(a, r);
    case CHECK_GRANT:
        return grant_call(a, r);
    case CHECK_REVOKE:
        return revoke_call(a, r);
    case CHECK_COMPACT:
        return compact_call(a, r);
    default:
        UNREACHABLE();
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static int64_t revision_of(const Etcdserverpb__ResponseHeader *header)
{
    return header != NULL ? header->revision : 0;
}

static struct check_kv kv_of(const Mvccpb__KeyValue *m)
{
    return (struct check_kv){
        .key = slice_of(&m->key),
        .value = slice_of(&m->value),
        .create_revision = m->create_revision,
        .mod_revision = m->mod_revision,
        .version = m->version,
        .lease = m->lease,
    };
}

static void kvs_of(struct arena *a, Mvccpb__KeyValue *const *messages, size_t n,
                   struct check_answer *ret_answer)
{
    struct check_kv *kvs = arena_alloc(a, (n + 1) * sizeof *kvs);
    for (size_t i = 0; i < n; i++) {
        kvs[i] = kv_of(messages[i]);
    }
    ret_answer->kvs = kvs;
    ret_answer->n_kvs = n;
}

static void range_answer(struct arena *a, const Etcdserverpb__RangeResponse *m,
                         struct check_answer *ret_answer)
{
    kvs_of(a, m->kvs, m->n_kvs, ret_answer);
    ret_answer->count = m->count;
    ret_answer->more = m->more != 0;
}

static void put_answer(struct arena *a, const Etcdserverpb__PutResponse *m,
                       struct check_answer *ret_answer)
{
    Mvccpb__KeyValue *prev = m->prev_kv;
    kvs_of(a, &prev, prev != NULL ? 1 : 0, ret_answer);
}

static void delete_answer(struct arena *a, const Etcdserverpb__DeleteRangeResponse *m,
                          struct check_answer *ret_answer)
{
    kvs_of(a, m->prev_kvs, m->n_prev_kvs, ret_answer);
    ret_answer->deleted = m->deleted;
}

static void op_answer(struct arena *a, const Etcdserverpb__ResponseOp *m,
                      struct check_answer *ret_answer)
{
    switch (m->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        range_answer(a, m->response_range, ret_answer);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        put_answer(a, m->response_put, ret_answer);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        delete_answer(a, m->response_delete_range, ret_answer);
        break;
    default:
        break;
    }
}

static void txn_response(struct arena *a, const Etcdserverpb__TxnResponse *m,
                         struct check_response *r)
{
    struct check_answer *answers = arena_zalloc(a, (m->n_responses + 1) * sizeof *answers);
    for (size_t i = 0; i < m->n_responses; i++) {
        op_answer(a, m->responses[i], &answers[i]);
    }
    r->revision = revision_of(m->header);
    r->succeeded = m->succeeded != 0;
    r->answers = answers;
    r->n_answers = m->n_responses;
}

void wire_response(struct arena *a, enum check_kind kind, const ProtobufCMessage *msg,
                   struct check_response *ret_response)
{
    struct check_response r = { 0 };
    struct check_answer *one = arena_zalloc(a, sizeof *one);
    r.answers = one;
    r.n_answers = 1;
    switch (kind) {
    case CHECK_PUT:
        r.revision = revision_of(((const Etcdserverpb__PutResponse *)msg)->header);
        put_answer(a, (const Etcdserverpb__PutResponse *)msg, one);
        break;
    case CHECK_RANGE:
        r.revision = revision_of(((const Etcdserverpb__RangeResponse *)msg)->header);
        range_answer(a, (const Etcdserverpb__RangeResponse *)msg, one);
        break;
    case CHECK_DELETE:
        r.revision = revision_of(((const Etcdserverpb__DeleteRangeResponse *)msg)->header);
        delete_answer(a, (const Etcdserverpb__DeleteRangeResponse *)msg, one);
        break;
    case CHECK_TXN:
        txn_response(a, (const Etcdserverpb__TxnResponse *)msg, &r);
        break;
    case CHECK_GRANT: {
        const Etcdserverpb__LeaseGrantResponse *m = (const Etcdserverpb__LeaseGrantResponse *)msg;
        r = (struct check_response){ .revision = revision_of(m->header),
                                     .lease = m->id,
                                     .ttl_s = m->ttl };
        break;
    }
    case CHECK_KEEPALIVE: {
        const Etcdserverpb__LeaseKeepAliveResponse *m =
            (const Etcdserverpb__LeaseKeepAliveResponse *)msg;
        r = (struct check_response){ .revision = revision_of(m->header),
                                     .lease = m->id,
                                     .ttl_s = m->ttl };
        break;
    }
    case CHECK_REVOKE:
        r = (struct check_response){
            .revision = revision_of(((const Etcdserverpb__LeaseRevokeResponse *)msg)->header)
        };
        break;
    default:
        r = (struct check_response){ .revision = revision_of(
                                         ((const Etcdserverpb__CompactionResponse *)msg)->header) };
        break;
    }
    *ret_response = r;
}
