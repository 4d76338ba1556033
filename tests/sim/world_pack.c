/* etcd's messages as the checkers' records (check/history.h). Everything borrows the message or the
 * arena. */
#include "tests/sim/world_wire.h"

#include "lib/base/err.h"

static struct slice bytes(const ProtobufCBinaryData *b)
{
    return slice_make(b->data, b->len);
}

struct check_kv pack_kv(const Mvccpb__KeyValue *pb)
{
    return (struct check_kv){
        .key = bytes(&pb->key),
        .value = bytes(&pb->value),
        .create_revision = pb->create_revision,
        .mod_revision = pb->mod_revision,
        .version = pb->version,
        .lease = pb->lease,
    };
}

/* --- requests --------------------------------------------------------------------------------- */

static bool pack_range(const Etcdserverpb__RangeRequest *r, struct check_ask *ret)
{
    *ret = (struct check_ask){
        .kind = CHECK_RANGE,
        .key = bytes(&r->key),
        .range_end = bytes(&r->range_end),
        .revision = r->revision,
        .limit = r->limit,
        .serializable = r->serializable,
        .keys_only = r->keys_only,
        .count_only = r->count_only,
    };
    return r->sort_order != ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND &&
           r->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY &&
           r->min_mod_revision == 0 && r->max_mod_revision == 0 && r->min_create_revision == 0 &&
           r->max_create_revision == 0;
}

static struct check_ask pack_put(const Etcdserverpb__PutRequest *r)
{
    return (struct check_ask){
        .kind = CHECK_PUT,
        .key = bytes(&r->key),
        .value = bytes(&r->value),
        .lease = r->lease,
        .prev_kv = r->prev_kv,
        .ignore_value = r->ignore_value,
        .ignore_lease = r->ignore_lease,
    };
}

static struct check_ask pack_delete(const Etcdserverpb__DeleteRangeRequest *r)
{
    return (struct check_ask){
        .kind = CHECK_DELETE,
        .key = bytes(&r->key),
        .range_end = bytes(&r->range_end),
        .prev_kv = r->prev_kv,
    };
}

static bool pack_op(const Etcdserverpb__RequestOp *op, struct check_ask *ret)
{
    switch (op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        return pack_range(op->request_range, ret);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        *ret = pack_put(op->request_put);
        return true;
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        *ret = pack_delete(op->request_delete_range);
        return true;
    default:
        return false;
    }
}

static bool pack_ops(struct arena *a, Etcdserverpb__RequestOp *const *ops, size_t n,
                     const struct check_ask **ret)
{
    struct check_ask *asks = arena_alloc(a, (n + 1) * sizeof *asks);
    for (size_t i = 0; i < n; i++) {
        if (!pack_op(ops[i], &asks[i])) {
            return false;
        }
    }
    *ret = asks;
    return true;
}

static struct check_compare pack_compare(const Etcdserverpb__Compare *c)
{
    struct check_compare to = {
        .target = (enum check_target)c->target,
        .relation = (enum check_relation)c->result,
        .key = bytes(&c->key),
        .range_end = bytes(&c->range_end),
    };
    switch (c->target_union_case) {
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION:
        to.number = c->version;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
        to.number = c->create_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
        to.number = c->mod_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE:
        to.number = c->lease;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE:
        to.value = bytes(&c->value);
        break;
    default:
        break;
    }
    /* A lock's key is written once in its life, so the revision of its creation, which is the
     * fencing token, is that of its only change: what client_cas compares. */
    if (to.target == CHECK_MOD && to.number > 0 && slice_starts(to.key, slice_str("lock/"))) {
        to.target = CHECK_CREATE;
    }
    return to;
}

static bool pack_txn(struct arena *a, const Etcdserverpb__TxnRequest *t, struct check_request *ret)
{
    struct check_compare *compares = arena_alloc(a, (t->n_compare + 1) * sizeof *compares);
    for (size_t i = 0; i < t->n_compare; i++) {
        compares[i] = pack_compare(t->compare[i]);
    }
    ret->kind = CHECK_TXN;
    ret->compares = compares;
    ret->n_compares = t->n_compare;
    ret->n_then = t->n_success;
    ret->n_else = t->n_failure;
    return pack_ops(a, t->success, t->n_success, &ret->then_asks) &&
           pack_ops(a, t->failure, t->n_failure, &ret->else_asks);
}

bool pack_request(struct arena *a, const ProtobufCMessage *msg, struct check_request *ret)
{
    const void *m = msg;
    *ret = (struct check_request){ 0 };
    if (msg->descriptor == &etcdserverpb__range_request__descriptor) {
        ret->kind = CHECK_RANGE;
        return pack_range(m, &ret->ask);
    }
    if (msg->descriptor == &etcdserverpb__put_request__descriptor) {
        ret->kind = CHECK_PUT;
        ret->ask = pack_put(m);
    } else if (msg->descriptor == &etcdserverpb__delete_range_request__descriptor) {
        ret->kind = CHECK_DELETE;
        ret->ask = pack_delete(m);
    } else if (msg->descriptor == &etcdserverpb__txn_request__descriptor) {
        return pack_txn(a, m, ret);
    } else if (msg->descriptor == &etcdserverpb__compaction_request__descriptor) {
        ret->kind = CHECK_COMPACT;
        ret->revision = ((const Etcdserverpb__CompactionRequest *)m)->revision;
    } else if (msg->descriptor == &etcdserverpb__lease_grant_request__descriptor) {
        ret->kind = CHECK_GRANT;
        ret->lease = ((const Etcdserverpb__LeaseGrantRequest *)m)->id;
        ret->ttl_s = ((const Etcdserverpb__LeaseGrantRequest *)m)->ttl;
    } else if (msg->descriptor == &etcdserverpb__lease_revoke_request__descriptor) {
        ret->kind = CHECK_REVOKE;
        ret->lease = ((const Etcdserverpb__LeaseRevokeRequest *)m)->id;
    } else if (msg->descriptor == &etcdserverpb__lease_keep_alive_request__descriptor) {
        ret->kind = CHECK_KEEPALIVE;
        ret->lease = ((const Etcdserverpb__LeaseKeepAliveRequest *)m)->id;
    } else {
        return false;
    }
    return true;
}

/* --- responses -------------------------------------------------------------------------------- */

static int64_t revision_of(const Etcdserverpb__ResponseHeader *h)
{
    return h != NULL ? h->revision : 0;
}

static const struct check_kv *pack_kvs(struct arena *a, Mvccpb__KeyValue *const *kvs, size_t n)
{
    struct check_kv *to = arena_alloc(a, (n + 1) * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        to[i] = pack_kv(kvs[i]);
    }
    return to;
}

static struct check_answer range_answer(struct arena *a, const Etcdserverpb__RangeResponse *r)
{
    return (struct check_answer){
        .kvs = pack_kvs(a, r->kvs, r->n_kvs),
        .n_kvs = r->n_kvs,
        .count = r->count,
        .more = r->more,
    };
}

static struct check_answer put_answer(struct arena *a, const Etcdserverpb__PutResponse *r)
{
    return (struct check_answer){
        .kvs = pack_kvs(a, &r->prev_kv, r->prev_kv != NULL),
        .n_kvs = r->prev_kv != NULL,
    };
}

static struct check_answer delete_answer(struct arena *a,
                                         const Etcdserverpb__DeleteRangeResponse *r)
{
    return (struct check_answer){
        .kvs = pack_kvs(a, r->prev_kvs, r->n_prev_kvs),
        .n_kvs = r->n_prev_kvs,
        .deleted = r->deleted,
    };
}

static struct check_answer op_answer(struct arena *a, const Etcdserverpb__ResponseOp *op)
{
    switch (op->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        return range_answer(a, op->response_range);
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        return put_answer(a, op->response_put);
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        return delete_answer(a, op->response_delete_range);
    default:
        return (struct check_answer){ 0 };
    }
}

static void pack_txn_response(struct arena *a, const Etcdserverpb__TxnResponse *r,
                              struct check_response *ret)
{
    struct check_answer *answers = arena_alloc(a, (r->n_responses + 1) * sizeof *answers);
    for (size_t i = 0; i < r->n_responses; i++) {
        answers[i] = op_answer(a, r->responses[i]);
    }
    ret->revision = revision_of(r->header);
    ret->succeeded = r->succeeded;
    ret->answers = answers;
    ret->n_answers = r->n_responses;
}

static void pack_one(struct arena *a, struct check_answer answer, struct check_response *ret)
{
    struct check_answer *one = arena_alloc(a, sizeof *one);
    *one = answer;
    ret->answers = one;
    ret->n_answers = 1;
}

/* The first field of every response is its header. */
struct headed {
    ProtobufCMessage base;
    Etcdserverpb__ResponseHeader *header;
};

void pack_response(struct arena *a, const ProtobufCMessage *msg, struct check_response *ret)
{
    const void *m = msg;
    *ret = (struct check_response){ .revision = revision_of(((const struct headed *)m)->header) };
    if (msg->descriptor == &etcdserverpb__range_response__descriptor) {
        pack_one(a, range_answer(a, m), ret);
    } else if (msg->descriptor == &etcdserverpb__put_response__descriptor) {
        pack_one(a, put_answer(a, m), ret);
    } else if (msg->descriptor == &etcdserverpb__delete_range_response__descriptor) {
        pack_one(a, delete_answer(a, m), ret);
    } else if (msg->descriptor == &etcdserverpb__txn_response__descriptor) {
        pack_txn_response(a, m, ret);
    } else if (msg->descriptor == &etcdserverpb__lease_grant_response__descriptor) {
        ret->lease = ((const Etcdserverpb__LeaseGrantResponse *)m)->id;
        ret->ttl_s = ((const Etcdserverpb__LeaseGrantResponse *)m)->ttl;
    } else if (msg->descriptor == &etcdserverpb__lease_keep_alive_response__descriptor) {
        const Etcdserverpb__LeaseKeepAliveResponse *r = m;
        ret->lease = r->id;
        ret->ttl_s = r->ttl > 0 ? r->ttl : 0;
    }
}
