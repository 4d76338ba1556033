/* The requests. What is not asked, because the answers are known to differ, or because etcd 3.4
 * would end:
 *  - sort orders and targets that do not exist (3.4 may end; 3.6 and we refuse);
 *  - a txn with both a range of a bad revision and a bad put (3.4 names the put first);
 *  - a txn with a range of a negative revision and one of a future one (we name the negative);
 *  - in a txn, a delete to the end of all keys or to before its beginning (etcd's check of
 *    conflicts does not see them);
 *  - compaction to 0 before the first one (done as often as asked here, once there);
 *  - a long word in a compare (we do not send on another target's, nor nested txns that only read:
 *    neither makes a request too long);
 *  - the hash at the compacted revision (3.4 refuses it, 3.6 may tell one of before the compaction)
 *    and at negative ones (of nothing there, refused here);
 *  - a lease short enough to run out during the run. */
#include "tests/differential/gen.h"

#include <string.h>

#include "lib/base/assert.h"

bool gen_percent(struct gen *g, unsigned n)
{
    return rng_range(&g->rng, 1, 100) <= n;
}

static int64_t between(struct gen *g, int64_t lo, int64_t hi)
{
    return lo + (int64_t)rng_range(&g->rng, 0, (uint64_t)(hi - lo));
}

static size_t pick(struct gen *g, size_t n)
{
    return (size_t)rng_range(&g->rng, 0, n - 1);
}

static ProtobufCBinaryData borrow(const char *data, size_t len)
{
    return (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)data };
}

/* Not more than 12 with the one of watches: Go sorts so few stably, and more of them not. */
static const char *const keys[] = { "a", "aa", "ab", "b", "c", "k/1", "k/2", "k/3", "z" };

ProtobufCBinaryData gen_key(struct gen *g)
{
    if (gen_percent(g, 1)) {
        return borrow("", 0);
    }
    const char *key = keys[pick(g, ARRAY_LEN(keys))];
    return borrow(key, strlen(key));
}

ProtobufCBinaryData gen_range_end(struct gen *g)
{
    static const char *const ends[] = { "b", "c", "k/2", "k0", "zz", "a" };
    if (gen_percent(g, 35)) {
        return borrow("", 0);
    }
    if (gen_percent(g, 25)) {
        return borrow("", 1); /* the zero byte: all keys from there */
    }
    const char *end = ends[pick(g, ARRAY_LEN(ends))];
    return borrow(end, strlen(end));
}

static ProtobufCBinaryData gen_value(struct gen *g)
{
    static const char *const values[] = { "", "1", "2", "three", "zwei", "2" };
    if (gen_percent(g, 6)) { /* two of these in one txn make a watch's answer long */
        size_t n = gen_percent(g, 20) ? 20000 : 2900; /* over --max-request-bytes; below */
        uint8_t *data = arena_alloc(g->arena, n);
        memset(data, 'v', n);
        return (ProtobufCBinaryData){ n, data };
    }
    const char *value = values[pick(g, ARRAY_LEN(values))];
    return borrow(value, strlen(value));
}

int64_t gen_lease(struct gen *g)
{
    static const int64_t ids[] = { 1, 2, 3, -7, INT64_C(1) << 40 };
    return gen_percent(g, 5) ? 99 : ids[pick(g, ARRAY_LEN(ids))];
}

enum wrong { NOT_WRONG, PAST, FUTURE };

static int64_t gen_revision(struct gen *g, enum wrong wrong)
{
    if (!gen_percent(g, 45)) {
        return 0;
    }
    if (wrong == NOT_WRONG || gen_percent(g, 60)) {
        int64_t least = g->compacted > 0 ? g->compacted : 1;
        return between(g, least, g->revision);
    }
    return wrong == PAST ? between(g, -3, g->compacted > 0 ? g->compacted : 1)
                         : g->revision + between(g, 1, 3);
}

/* A bound around what there is. */
static int64_t gen_bound(struct gen *g)
{
    return gen_percent(g, 8) ? between(g, -1, g->revision + 1) : 0;
}

/* --- the requests ----------------------------------------------------------------------------- */

static void *message(struct gen *g, const ProtobufCMessageDescriptor *descriptor)
{
    void *m = arena_zalloc(g->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, m);
    return m;
}

static Etcdserverpb__RangeRequest *range_of(struct gen *g, enum wrong wrong)
{
    Etcdserverpb__RangeRequest *r = message(g, &etcdserverpb__range_request__descriptor);
    r->key = gen_key(g);
    r->range_end = gen_range_end(g);
    r->revision = gen_revision(g, wrong);
    if (gen_percent(g, 40)) {
        r->limit = between(g, -1, 5);
    }
    if (gen_percent(g, 40)) {
        r->sort_order = (Etcdserverpb__RangeRequest__SortOrder)pick(g, 3);
        r->sort_target = (Etcdserverpb__RangeRequest__SortTarget)pick(g, 5);
    }
    r->serializable = gen_percent(g, 20);
    r->keys_only = gen_percent(g, 15);
    r->count_only = gen_percent(g, 10);
    r->min_mod_revision = gen_bound(g);
    r->max_mod_revision = gen_bound(g);
    r->min_create_revision = gen_bound(g);
    r->max_create_revision = gen_bound(g);
    return r;
}

static Etcdserverpb__PutRequest *put_of(struct gen *g, bool wrong)
{
    Etcdserverpb__PutRequest *p = message(g, &etcdserverpb__put_request__descriptor);
    p->key = gen_key(g);
    p->value = gen_value(g);
    p->prev_kv = gen_percent(g, 30);
    if (wrong) {
        p->lease = gen_percent(g, 25) ? gen_lease(g) : 0;
        p->ignore_lease = gen_percent(g, 12);
        p->ignore_value = gen_percent(g, 12);
        if (p->ignore_value && !gen_percent(g, 10)) {
            p->value.len = 0;
        }
        if (p->ignore_lease && !gen_percent(g, 10)) {
            p->lease = 0;
        }
    }
    return p;
}

static Etcdserverpb__DeleteRangeRequest *delete_of(struct gen *g, bool in_txn)
{
    Etcdserverpb__DeleteRangeRequest *d =
        message(g, &etcdserverpb__delete_range_request__descriptor);
    d->key = gen_key(g);
    d->range_end = gen_range_end(g);
    d->prev_kv = gen_percent(g, 50);
    struct slice key = slice_make(d->key.data, d->key.len);
    struct slice end = slice_make(d->range_end.data, d->range_end.len);
    if ((in_txn && slice_cmp(key, end) >= 0) || gen_percent(g, 40)) {
        d->range_end.len = 0;
    }
    return d;
}

/* --- txns ------------------------------------------------------------------------------------- */

enum txn_kind { ALL_WELL, RANGES_PAST, RANGES_FUTURE, PUTS_WRONG, TXN_KINDS };

static Etcdserverpb__Compare *compare_of(struct gen *g)
{
    Etcdserverpb__Compare *c = message(g, &etcdserverpb__compare__descriptor);
    unsigned word = (unsigned)pick(g, 5);
    c->key = gen_key(g);
    c->result = (Etcdserverpb__Compare__CompareResult)(gen_percent(g, 2) ? 7 : pick(g, 4));
    c->target = (Etcdserverpb__Compare__CompareTarget)(gen_percent(g, 2) ? 9 : word);
    if (gen_percent(g, 10)) {
        word = (unsigned)pick(g, 5);
    }
    bool foreign = word != (unsigned)c->target; /* a word of another target */
    if (gen_percent(g, 30)) {
        c->range_end = gen_range_end(g);
    }
    int64_t number = gen_percent(g, 60) ? between(g, 0, 3) : between(g, -1, g->revision + 1);
    if (!gen_percent(g, 93)) {
        return c; /* no word at all */
    }
    static const Etcdserverpb__Compare__TargetUnionCase cases[] = {
        ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE, ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE,
    };
    c->target_union_case = cases[word];
    if (cases[word] == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE) {
        ProtobufCBinaryData value = gen_value(g);
        c->value = foreign || value.len > 100 ? borrow("1", 1) : value;
    } else {
        c->version = number; /* the numbers share one place */
    }
    return c;
}

static Etcdserverpb__TxnRequest *txn_of(struct gen *g, enum txn_kind kind, int depth);

static Etcdserverpb__RequestOp *op_of(struct gen *g, enum txn_kind kind, int depth)
{
    static const enum wrong ranges[TXN_KINDS] = { [RANGES_PAST] = PAST, [RANGES_FUTURE] = FUTURE };
    Etcdserverpb__RequestOp *op = message(g, &etcdserverpb__request_op__descriptor);
    unsigned which = (unsigned)pick(g, 100);
    if (which < 40) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = put_of(g, kind == PUTS_WRONG);
    } else if (which < 65) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = range_of(g, ranges[kind]);
    } else if (which < 82) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = delete_of(g, true);
    } else if (which < 99 && depth < 3) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        op->request_txn = txn_of(g, kind, depth + 1);
    }
    return op;
}

static Etcdserverpb__RequestOp **ops_of(struct gen *g, enum txn_kind kind, int depth, size_t *ret_n)
{
    size_t n = pick(g, 4);
    Etcdserverpb__RequestOp **ops = arena_alloc(g->arena, (n + 1) * sizeof *ops);
    for (size_t i = 0; i < n; i++) {
        ops[i] = op_of(g, kind, depth);
    }
    *ret_n = n;
    return ops;
}

static Etcdserverpb__TxnRequest *txn_of(struct gen *g, enum txn_kind kind, int depth)
{
    Etcdserverpb__TxnRequest *t = message(g, &etcdserverpb__txn_request__descriptor);
    t->n_compare = gen_percent(g, 2) ? 129 - (size_t)depth : pick(g, 3);
    t->compare = arena_alloc(g->arena, (t->n_compare + 1) * sizeof(void *));
    for (size_t i = 0; i < t->n_compare; i++) {
        t->compare[i] = compare_of(g);
    }
    t->success = ops_of(g, kind, depth, &t->n_success);
    t->failure = ops_of(g, kind, depth, &t->n_failure);
    return t;
}

/* --- questions -------------------------------------------------------------------------------- */

void gen_range(struct gen *g, struct question *ret_question)
{
    enum wrong wrong = gen_percent(g, 50) ? PAST : FUTURE;
    *ret_question = (struct question){ "/etcdserverpb.KV/Range", &range_of(g, wrong)->base,
                                       &etcdserverpb__range_response__descriptor };
}

void gen_put(struct gen *g, struct question *ret_question)
{
    *ret_question = (struct question){ "/etcdserverpb.KV/Put", &put_of(g, true)->base,
                                       &etcdserverpb__put_response__descriptor };
}

void gen_delete(struct gen *g, struct question *ret_question)
{
    *ret_question = (struct question){ "/etcdserverpb.KV/DeleteRange", &delete_of(g, false)->base,
                                       &etcdserverpb__delete_range_response__descriptor };
}

void gen_txn(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__TxnRequest *t = txn_of(g, (enum txn_kind)pick(g, TXN_KINDS), 0);
    *ret_question = (struct question){ "/etcdserverpb.KV/Txn", &t->base,
                                       &etcdserverpb__txn_response__descriptor };
}

void gen_compact(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__CompactionRequest *c = message(g, &etcdserverpb__compaction_request__descriptor);
    c->physical = gen_percent(g, 30);
    if (gen_percent(g, 70) && g->revision > g->compacted + 1) {
        c->revision = between(g, g->compacted + 1, (g->compacted + g->revision + 1) / 2);
    } else {
        c->revision = between(g, -1, g->revision + 2);
    }
    if (c->revision == 0 && g->compacted == 0) {
        c->revision = 1;
    }
    *ret_question = (struct question){ "/etcdserverpb.KV/Compact", &c->base,
                                       &etcdserverpb__compaction_response__descriptor };
}

void gen_hash(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__HashKVRequest *h = message(g, &etcdserverpb__hash_kvrequest__descriptor);
    if (gen_percent(g, 10)) {
        h->revision = g->revision + between(g, 1, 3);
    } else if (g->compacted > 1 && gen_percent(g, 10)) {
        h->revision = between(g, 1, g->compacted - 1);
    } else if (g->revision > g->compacted && gen_percent(g, 60)) {
        h->revision = between(g, g->compacted + 1, g->revision);
    }
    *ret_question = (struct question){ "/etcdserverpb.Maintenance/HashKV", &h->base,
                                       &etcdserverpb__hash_kvresponse__descriptor };
}

void gen_grant(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__LeaseGrantRequest *r = message(g, &etcdserverpb__lease_grant_request__descriptor);
    r->id = gen_lease(g);
    r->id = r->id == 99 ? 3 : r->id; /* the one that is never granted */
    r->ttl = gen_percent(g, 5) ? INT64_C(9000000001) : between(g, 1000, 100000);
    *ret_question = (struct question){ "/etcdserverpb.Lease/LeaseGrant", &r->base,
                                       &etcdserverpb__lease_grant_response__descriptor };
}

void gen_revoke(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__LeaseRevokeRequest *r =
        message(g, &etcdserverpb__lease_revoke_request__descriptor);
    r->id = gen_percent(g, 3) ? 0 : gen_lease(g);
    *ret_question = (struct question){ "/etcdserverpb.Lease/LeaseRevoke", &r->base,
                                       &etcdserverpb__lease_revoke_response__descriptor };
}

void gen_time_to_live(struct gen *g, struct question *ret_question)
{
    Etcdserverpb__LeaseTimeToLiveRequest *r =
        message(g, &etcdserverpb__lease_time_to_live_request__descriptor);
    r->id = gen_percent(g, 3) ? 0 : gen_lease(g);
    r->keys = gen_percent(g, 60);
    *ret_question = (struct question){ "/etcdserverpb.Lease/LeaseTimeToLive", &r->base,
                                       &etcdserverpb__lease_time_to_live_response__descriptor };
}

void gen_leases(struct gen *g, struct question *ret_question)
{
    *ret_question = (struct question){
        "/etcdserverpb.Lease/LeaseLeases",
        message(g, &etcdserverpb__lease_leases_request__descriptor),
        &etcdserverpb__lease_leases_response__descriptor,
    };
}
