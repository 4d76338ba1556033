/* Puts, ranges in pages, transactions and the quota, where etcdctl does not reach. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/internal.h"

static Etcdserverpb__RangeResponse *range(struct member *m, Etcdserverpb__RangeRequest *request,
                                          struct reply *r)
{
    call(m, "/etcdserverpb.KV/Range", request, &etcdserverpb__range_response__descriptor, r);
    return (Etcdserverpb__RangeResponse *)(void *)r->msg;
}

static void txn(struct member *m, Etcdserverpb__TxnRequest *request, struct reply *r)
{
    call(m, "/etcdserverpb.KV/Txn", request, &etcdserverpb__txn_response__descriptor, r);
}

static void refused(struct reply *r, int code, const char *text)
{
    assert_int_equal(r->code, code);
    assert_string_equal(r->text, text);
    reply_fini(r);
}

/* --- transactions ----------------------------------------------------------------------------- */

static void an_op_without_a_request_is_refused(void **state)
{
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT, *ops[] = { &op };
    t.n_failure = 1;
    t.failure = ops;
    struct reply r;
    txn(*state, &t, &r);
    refused(&r, GRPC_INVALID_ARGUMENT, "etcdserver: key not found");
}

static void transactions_nested_without_end_are_refused(void **state)
{
    enum { DEPTH = 20 };
    Etcdserverpb__TxnRequest t[DEPTH];
    Etcdserverpb__RequestOp op[DEPTH], *ops[DEPTH];
    for (size_t i = 0; i < DEPTH; i++) {
        etcdserverpb__txn_request__init(&t[i]);
        etcdserverpb__request_op__init(&op[i]);
        ops[i] = &op[i];
        if (i + 1 < DEPTH) {
            op[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
            op[i].request_txn = &t[i + 1];
            t[i].n_success = 1;
            t[i].success = &ops[i];
        }
    }
    struct reply r;
    txn(*state, &t[0], &r);
    refused(&r, GRPC_INVALID_ARGUMENT, "etcdserver: too many operations in txn request");
}

static void a_nested_transaction_is_answered_in_its_shape(void **state)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = bytes("k");
    put.value = bytes("inner");
    Etcdserverpb__RequestOp put_op = ETCDSERVERPB__REQUEST_OP__INIT, *puts[] = { &put_op };
    put_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    put_op.request_put = &put;
    Etcdserverpb__Compare never = ETCDSERVERPB__COMPARE__INIT, *compares[] = { &never };
    never.key = bytes("k");
    never.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
    never.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    never.version = 77;
    Etcdserverpb__TxnRequest inner = ETCDSERVERPB__TXN_REQUEST__INIT;
    inner.n_compare = 1;
    inner.compare = compares;
    inner.n_failure = 1;
    inner.failure = puts;
    Etcdserverpb__RequestOp inner_op = ETCDSERVERPB__REQUEST_OP__INIT, *inners[] = { &inner_op };
    inner_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
    inner_op.request_txn = &inner;
    Etcdserverpb__TxnRequest outer = ETCDSERVERPB__TXN_REQUEST__INIT;
    outer.n_success = 1;
    outer.success = inners;
    struct reply r;
    txn(*state, &outer, &r);
    assert_int_equal(r.code, 0);
    const Etcdserverpb__TxnResponse *m = (const Etcdserverpb__TxnResponse *)(void *)r.msg;
    assert_true(m->succeeded);
    assert_int_equal(m->n_responses, 1);
    const Etcdserverpb__TxnResponse *in = m->responses[0]->response_txn;
    assert_false(in->succeeded);
    assert_int_equal(in->header->revision, 0); /* as in etcd */
    assert_int_equal(in->responses[0]->response_put->header->revision, 2);
    reply_fini(&r);
}

/* Did the compare of key k hold? */
static bool compare_holds(struct member *m, Etcdserverpb__Compare *compare)
{
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    compare->key = bytes("k");
    t.n_compare = 1;
    t.compare = &compare;
    struct reply r;
    txn(m, &t, &r);
    assert_int_equal(r.code, 0);
    bool held = ((const Etcdserverpb__TxnResponse *)(void *)r.msg)->succeeded;
    reply_fini(&r);
    return held;
}

static void a_compare_with_the_word_of_another_target_compares_with_zero(void **state)
{
    must_put(*state, "k", "v");
    Etcdserverpb__Compare c = ETCDSERVERPB__COMPARE__INIT;
    c.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    c.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    c.version = 2; /* the mod revision, too */
    assert_false(compare_holds(*state, &c));
    c.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER;
    assert_true(compare_holds(*state, &c));
    c.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
    c.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
    c.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
    c.lease = 1; /* the version, too */
    assert_false(compare_holds(*state, &c));
    c.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    c.version = 1;
    assert_true(compare_holds(*state, &c));
}

/* The code of a txn that reads k at a revision, and puts w when `writes`. */
static int read_in_txn(struct member *m, int64_t revision, bool writes, char text[256])
{
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RequestOp a = ETCDSERVERPB__REQUEST_OP__INIT, b = a, *ops[] = { &a, &b };
    get.key = bytes("k");
    get.revision = revision;
    put.key = bytes("w");
    a.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    a.request_range = &get;
    b.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    b.request_put = &put;
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    t.n_success = writes ? 2 : 1;
    t.success = ops;
    struct reply r;
    txn(m, &t, &r);
    snprintf(text, 256, "%s", r.text);
    int code = r.code;
    reply_fini(&r);
    return code;
}

static void a_negative_revision_in_a_transaction_is_a_compacted_one(void **state)
{
    struct member *m = *state;
    char text[256];
    must_put(m, "k", "1");
    for (int writes = 0; writes < 2; writes++) {
        assert_int_equal(read_in_txn(m, -1, writes, text), 0); /* before any compaction */
        assert_int_equal(read_in_txn(m, -2, writes, text), GRPC_OUT_OF_RANGE);
        assert_string_equal(text, "etcdserver: mvcc: required revision has been compacted");
        assert_int_equal(read_in_txn(m, 99, writes, text), GRPC_OUT_OF_RANGE);
        assert_string_equal(text, "etcdserver: mvcc: required revision is a future revision");
    }
    must_compact(m, 2);
    for (int writes = 0; writes < 2; writes++) {
        assert_int_equal(read_in_txn(m, -1, writes, text), GRPC_OUT_OF_RANGE);
        assert_string_equal(text, "etcdserver: mvcc: required revision has been compacted");
    }
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = bytes("k");
    get.revision = -1;
    struct reply r;
    assert_int_equal(range(m, &get, &r)->count, 1); /* alone it is the newest */
    reply_fini(&r);
}

static void a_compaction_to_nothing_is_done_before_the_first_one_only(void **state)
{
    struct member *m = *state;
    must_put(m, "k", "1");
    must_compact(m, 0);
    Etcdserverpb__CompactionRequest compact = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    compact.revision = -1;
    struct reply r;
    call(m, "/etcdserverpb.KV/Compact", &compact, &etcdserverpb__compaction_response__descriptor,
         &r);
    refused(&r, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted");
    must_compact(m, 2);
    compact.revision = 0;
    call(m, "/etcdserverpb.KV/Compact", &compact, &etcdserverpb__compaction_response__descriptor,
         &r);
    refused(&r, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted");
}

static void a_transaction_that_only_reads_makes_no_revision(void **state)
{
    int64_t revision = must_put(*state, "k", "v");
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = bytes("k");
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT, *ops[] = { &op };
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op.request_range = &get;
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    t.n_success = 1;
    t.success = ops;
    for (int serializable = 0; serializable < 2; serializable++) {
        get.serializable = serializable;
        struct reply r;
        txn(*state, &t, &r);
        assert_int_equal(r.code, 0);
        const Etcdserverpb__TxnResponse *m = (const Etcdserverpb__TxnResponse *)(void *)r.msg;
        assert_int_equal(m->header->revision, revision);
        assert_int_equal(m->responses[0]->response_range->count, 1);
        reply_fini(&r);
    }
}

/* --- lists in pages --------------------------------------------------------------------------- */

enum { KEYS = 12000 };

static void fill(struct member *m)
{
    enum { BATCH = 100 };
    static Etcdserverpb__PutRequest puts[BATCH];
    static Etcdserverpb__RequestOp ops[BATCH], *at[BATCH];
    static char keys[BATCH][16];
    for (int k = 0; k < KEYS; k += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            snprintf(keys[i], sizeof keys[i], "p%05d", k + i);
            etcdserverpb__put_request__init(&puts[i]);
            puts[i].key = bytes(keys[i]);
            puts[i].value = bytes("value");
            etcdserverpb__request_op__init(&ops[i]);
            ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
            ops[i].request_put = &puts[i];
            at[i] = &ops[i];
        }
        Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
        t.n_success = BATCH;
        t.success = at;
        struct reply r;
        txn(m, &t, &r);
        assert_int_equal(r.code, 0);
        reply_fini(&r);
    }
}

static Etcdserverpb__RangeRequest all_keys(void)
{
    Etcdserverpb__RangeRequest r = ETCDSERVERPB__RANGE_REQUEST__INIT;
    r.key = bytes("p");
    r.range_end = bytes("q");
    return r;
}

/* What one list said. */
struct listed {
    bool done;
    int code;
    size_t n;
    int64_t count, header_revision, newest;
    bool ordered, more;
};

static void on_list(void *arg, const struct rpc_result *result)
{
    struct listed *l = arg;
    *l = (struct listed){ .done = true, .code = result->grpc_code, .ordered = true };
    if (result->err != 0) {
        return;
    }
    const Etcdserverpb__RangeResponse *m =
        (const Etcdserverpb__RangeResponse *)(const void *)result->msg;
    l->n = m->n_kvs;
    l->count = m->count;
    l->more = m->more;
    l->header_revision = m->header->revision;
    for (size_t i = 0; i < m->n_kvs; i++) {
        int64_t revision = m->kvs[i]->mod_revision;
        l->newest = revision > l->newest ? revision : l->newest;
        if (i > 0) {
            const ProtobufCBinaryData *a = &m->kvs[i - 1]->key, *b = &m->kvs[i]->key;
            l->ordered &= a->len == b->len && memcmp(a->data, b->data, a->len) < 0;
        }
    }
}

static bool list_done(void *arg)
{
    return ((const struct listed *)arg)->done;
}

static struct rpc_request *list_start(struct member *m, const Etcdserverpb__RangeRequest *request,
                                      struct listed *l)
{
    *l = (struct listed){ 0 };
    return rpc_call_unary(m->channel, "/etcdserverpb.KV/Range", &request->base,
                          &etcdserverpb__range_response__descriptor, 0, on_list, l);
}

static void a_long_list_is_one_answer_whatever_its_limit(void **state)
{
    fill(*state);
    struct member *m = *state;
    static const int64_t limits[] = { 0, 1, 1999, 2000, 2001, 4000, 11999, 12000, 12001 };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        Etcdserverpb__RangeRequest request = all_keys();
        request.limit = limits[i];
        struct listed l;
        list_start(m, &request, &l);
        run_until(m->loop, list_done, &l);
        size_t want = limits[i] == 0 || limits[i] > KEYS ? KEYS : (size_t)limits[i];
        assert_int_equal(l.n, want);
        assert_int_equal(l.count, KEYS);
        assert_int_equal(l.more, want < KEYS);
        assert_true(l.ordered);
    }
}

static void a_long_list_is_of_one_revision_while_writes_go_on(void **state)
{
    struct member *m = *state;
    fill(m);
    for (int round = 0; round < 20; round++) {
        Etcdserverpb__RangeRequest request = all_keys();
        struct listed l;
        list_start(m, &request, &l);
        int64_t written = 0;
        while (!l.done) {
            written = must_put(m, "p11999", "again"); /* in its last page */
        }
        assert_int_equal(l.n, KEYS);
        assert_true(l.newest <= l.header_revision);
        assert_true(l.header_revision <= written);
    }
}

static void forget(void *arg, const struct rpc_result *result)
{
    (void)arg;
    assert_int_equal(result->err, 0);
}

/* A put and a compaction up to it, on their way with the lists before them. */
static void send_put_and_compact(struct member *m, int64_t revision)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = bytes("p00001");
    rpc_call_unary(m->channel, "/etcdserverpb.KV/Put", &put.base,
                   &etcdserverpb__put_response__descriptor, 0, forget, NULL);
    Etcdserverpb__CompactionRequest compact = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    compact.revision = revision;
    rpc_call_unary(m->channel, "/etcdserverpb.KV/Compact", &compact.base,
                   &etcdserverpb__compaction_response__descriptor, 0, forget, NULL);
}

static void a_long_list_survives_compaction_unless_it_names_a_revision(void **state)
{
    struct member *m = *state;
    int refused_n = 0;
    fill(m);
    for (int round = 0; round < 20; round++) {
        int64_t old = must_put(m, "p00000", "old");
        Etcdserverpb__RangeRequest newest = all_keys(), named = all_keys();
        newest.serializable = named.serializable = 1;
        named.revision = old;
        struct listed a, b;
        list_start(m, &newest, &a);
        list_start(m, &named, &b);
        send_put_and_compact(m, old + 1);
        run_until(m->loop, list_done, &a);
        run_until(m->loop, list_done, &b);
        assert_int_equal(a.code, 0);
        assert_int_equal(a.n, KEYS);
        assert_true(a.newest <= a.header_revision);
        refused_n += b.code == GRPC_OUT_OF_RANGE;
        assert_true(b.code == GRPC_OUT_OF_RANGE || (b.code == 0 && b.n == KEYS && b.newest == old));
    }
    assert_true(refused_n > 0); /* the compaction did come between pages */
}

static void a_long_list_can_be_cancelled(void **state)
{
    struct member *m = *state;
    fill(m);
    struct listed l;
    Etcdserverpb__RangeRequest request = all_keys();
    for (int i = 0; i < 20; i++) {
        struct rpc_request *call = list_start(m, &request, &l);
        must_put(m, "p00000", "x");
        if (!l.done) {
            rpc_request_cancel(call);
        }
    }
    must_put(m, "p00000", "y");
}

/* --- quota and size --------------------------------------------------------------------------- */

static bool has_no_alarm(void *arg)
{
    const struct server *s = ((const struct member *)arg)->server;
    return !s->alarm_proposed && store_alarms(s->store)->n == 0;
}

static void over_the_quota_only_what_adds_is_refused(void **state)
{
    (void)state;
    struct server_options o = { .quota_bytes = 20000 };
    struct member *m = member_open_with(&o);
    assert_int_equal(put_bytes(m, "a", 15000), 0);
    assert_int_equal(put_bytes(m, "b", 15000), 0); /* the one that crosses it */
    assert_int_equal(put_bytes(m, "c", 1), GRPC_RESOURCE_EXHAUSTED);
    Etcdserverpb__DeleteRangeRequest d = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    d.key = bytes("a");
    struct reply r;
    call(m, "/etcdserverpb.KV/DeleteRange", &d,
         &etcdserverpb__delete_range_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
    run_until(m->loop, has_no_alarm, m); /* below 90 % of it the alarm ends by itself */
    assert_int_equal(put_bytes(m, "c", 1), 0);
    member_close(m);
}

/* Bytes of all versions held. */
static int64_t size_held(struct member *m)
{
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct reply r;
    call(m, "/etcdserverpb.Maintenance/Status", &request,
         &etcdserverpb__status_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    int64_t size = ((const Etcdserverpb__StatusResponse *)(const void *)r.msg)->dbsize;
    reply_fini(&r);
    return size;
}

/* Old versions that a snapshot held when they were compacted go once it is written. */
static void what_a_compaction_drops_is_freed_though_a_snapshot_was_being_written(void **state)
{
    (void)state;
    struct server_options o = { .snapshot_count = 1 }; /* each entry begins one */
    struct member *m = member_open_with(&o);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(put_bytes(m, "a", 1000), 0);
    }
    must_compact(m, must_put(m, "a", "small"));
    uint64_t until_ms = loop_now_ms(m->loop) + 10000;
    while (size_held(m) > 2000) {
        assert_true(loop_now_ms(m->loop) < until_ms);
    }
    member_close(m);
}

static void a_request_over_the_limit_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct server_options o = { .max_request_bytes = 5000 };
    struct member *m = member_open_with(&o);
    assert_int_equal(put_bytes(m, "a", 4900), 0);
    assert_int_equal(put_bytes(m, "b", 5000), GRPC_INVALID_ARGUMENT);
    assert_int_equal(put_bytes(m, "b", 5000 + 512 * 1024), GRPC_RESOURCE_EXHAUSTED);
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = bytes("b");
    struct reply r;
    const Etcdserverpb__RangeResponse *got = range(m, &get, &r);
    assert_int_equal(got->count, 0);
    assert_int_equal(got->header->revision, 2);
    reply_fini(&r);
    member_close(m);
}

/* What is in the log must be read by every member: a client must find no words that cannot be. */
static void a_key_as_long_as_a_request_and_an_unknown_compare_end_no_member(void **state)
{
    struct member *m = *state;
    size_t len = 1100 * 1024;
    char *key = mem_zalloc(len + 1);
    memset(key, 'k', len);
    assert_int_equal(put_bytes(m, key, 10), 0);
    mem_free(key);
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT, *compares[] = { &compare };
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT, *ops[] = { &op };
    compare.key = put.key = bytes("k");
    compare.result = (Etcdserverpb__Compare__CompareResult)5000;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op.request_put = &put;
    t.n_compare = t.n_success = 1;
    t.compare = compares;
    t.success = ops;
    struct reply r;
    txn(m, &t, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
    Etcdserverpb__RangeRequest all = all_keys();
    all.key = bytes("k");
    all.range_end = bytes("l");
    assert_int_equal(range(m, &all, &r)->count, 2);
    reply_fini(&r);
}

static void a_txn_that_reads_the_store_many_times_is_refused(void **state)
{
    (void)state;
    enum { RANGES = LIMIT_TXN_RECORDS / KEYS + 1 };
    struct server_options o = { .max_txn_ops = RANGES };
    struct member *m = member_open_with(&o);
    fill(m);
    static Etcdserverpb__RequestOp ops[RANGES], *at[RANGES];
    Etcdserverpb__RangeRequest all = all_keys();
    for (int i = 0; i < RANGES; i++) {
        etcdserverpb__request_op__init(&ops[i]);
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        ops[i].request_range = &all;
        at[i] = &ops[i];
    }
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    t.n_success = RANGES;
    t.success = at;
    struct reply r;
    txn(m, &t, &r);
    refused(&r, GRPC_RESOURCE_EXHAUSTED,
            "barque: the ranges of the txn hold over 4,000,000 keys. Next: use a limit");
    all.limit = 10;
    txn(m, &t, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
    member_close(m);
}

static bool memory_is_back(void *arg)
{
    (void)arg;
    return !mem_is_low();
}

static void without_memory_requests_are_refused_until_there_is_some(void **state)
{
    struct member *m = *state;
    int64_t before = must_put(m, "a", "1");
    mem_set_fail_after(1); /* the client's, but one process has one reserve */
    assert_int_equal(put_bytes(m, "b", 10), GRPC_RESOURCE_EXHAUSTED);
    assert_true(mem_is_low());
    run_until(m->loop, memory_is_back, NULL);
    assert_int_equal(must_put(m, "a", "2"), before + 1); /* the refused one changed nothing */
}

int test_kv_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(an_op_without_a_request_is_refused),
        SERVER_TEST(transactions_nested_without_end_are_refused),
        SERVER_TEST(a_nested_transaction_is_answered_in_its_shape),
        SERVER_TEST(a_compare_with_the_word_of_another_target_compares_with_zero),
        SERVER_TEST(a_negative_revision_in_a_transaction_is_a_compacted_one),
        SERVER_TEST(a_compaction_to_nothing_is_done_before_the_first_one_only),
        SERVER_TEST(a_transaction_that_only_reads_makes_no_revision),
        SERVER_TEST(a_long_list_is_one_answer_whatever_its_limit),
        SERVER_TEST(a_long_list_is_of_one_revision_while_writes_go_on),
        SERVER_TEST(a_long_list_survives_compaction_unless_it_names_a_revision),
        SERVER_TEST(a_long_list_can_be_cancelled),
        SERVER_TEST(a_key_as_long_as_a_request_and_an_unknown_compare_end_no_member),
        SERVER_TEST(without_memory_requests_are_refused_until_there_is_some),
        cmocka_unit_test(a_txn_that_reads_the_store_many_times_is_refused),
        cmocka_unit_test(over_the_quota_only_what_adds_is_refused),
        cmocka_unit_test(what_a_compaction_drops_is_freed_though_a_snapshot_was_being_written),
        cmocka_unit_test(a_request_over_the_limit_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
