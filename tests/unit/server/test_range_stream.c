/* RangeStream: chunks of one revision that make one list. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/internal.h"

enum { KEYS = 4000, VALUE_BYTES = 1500 }; /* more than a stream's queue and window hold */

static void put_some(struct member *m, int from, int n, const char *value)
{
    enum { MOST = 100 };
    static Etcdserverpb__PutRequest puts[MOST];
    static Etcdserverpb__RequestOp ops[MOST], *at[MOST];
    static char keys[MOST][16];
    for (int i = 0; i < n; i++) {
        snprintf(keys[i], sizeof keys[i], "p%05d", from + i);
        etcdserverpb__put_request__init(&puts[i]);
        puts[i].key = bytes(keys[i]);
        puts[i].value = bytes(value);
        etcdserverpb__request_op__init(&ops[i]);
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[i].request_put = &puts[i];
        at[i] = &ops[i];
    }
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    struct reply r;
    t.n_success = (size_t)n;
    t.success = at;
    call(m, "/etcdserverpb.KV/Txn", &t, &etcdserverpb__txn_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

static void fill(struct member *m)
{
    char *value = mem_zalloc(VALUE_BYTES + 1);
    memset(value, 'v', VALUE_BYTES);
    for (int k = 0; k < KEYS; k += 100) {
        put_some(m, k, 100, value);
    }
    mem_free(value);
}

/* What one stream said. */
struct streamed {
    struct rpc_stream *stream;
    size_t chunks, n, headers;
    int64_t count, revision, newest;
    bool more, disordered, closed;
    bool after_last; /* a chunk after the one with the header */
    char last[16];
    int code;
    char text[256];
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct streamed *st = arg;
    const Etcdserverpb__RangeResponse *m =
        ((const Etcdserverpb__RangeStreamResponse *)(const void *)msg)->range_response;
    st->after_last |= st->headers > 0;
    st->chunks++;
    if (m->header != NULL) {
        st->headers++;
        st->revision = m->header->revision;
        st->count = m->count;
        st->more = m->more;
        assert_true(m->header->member_id != 0);
    } else {
        assert_true(m->count == 0 && !m->more && m->n_kvs > 0);
    }
    for (size_t i = 0; i < m->n_kvs; i++) {
        char key[16] = "";
        memcpy(key, m->kvs[i]->key.data, m->kvs[i]->key.len);
        st->disordered |= strcmp(key, st->last) <= 0;
        memcpy(st->last, key, sizeof key);
        st->newest = m->kvs[i]->mod_revision > st->newest ? m->kvs[i]->mod_revision : st->newest;
        st->n++;
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct streamed *st = arg;
    st->closed = true;
    st->code = result->grpc_code;
    snprintf(st->text, sizeof st->text, "%s", result->text);
}

static bool is_closed(void *arg)
{
    return ((const struct streamed *)arg)->closed;
}

static bool has_chunks(void *arg)
{
    return ((const struct streamed *)arg)->chunks > 0;
}

static void start(struct member *m, const Etcdserverpb__RangeRequest *r, struct streamed *st)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    *st = (struct streamed){ 0 };
    st->stream = rpc_stream_open(m->channel, "/etcdserverpb.KV/RangeStream",
                                 &etcdserverpb__range_stream_response__descriptor, &events, st);
    rpc_stream_send(st->stream, &r->base);
    rpc_stream_half_close(st->stream);
}

static void stream(struct member *m, const Etcdserverpb__RangeRequest *r, struct streamed *st)
{
    start(m, r, st);
    run_until(m->loop, is_closed, st);
}

static Etcdserverpb__RangeRequest all_keys(void)
{
    Etcdserverpb__RangeRequest r = ETCDSERVERPB__RANGE_REQUEST__INIT;
    r.key = bytes("p");
    r.range_end = bytes("q");
    return r;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_list_comes_in_chunks_whatever_its_limit(void **state)
{
    struct member *m = *state;
    static const int64_t limits[] = { 0, 1, 9, 10, 11, 30, 3999, 4000, 4001 };
    fill(m);
    int64_t revision = must_put(m, "other", "v");
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        Etcdserverpb__RangeRequest r = all_keys();
        struct streamed st;
        size_t want = limits[i] == 0 || limits[i] > KEYS ? KEYS : (size_t)limits[i];
        r.limit = limits[i];
        r.serializable = i % 2 == 0;
        stream(m, &r, &st);
        assert_int_equal(st.code, 0);
        assert_int_equal(st.n, want);
        assert_int_equal(st.count, KEYS);
        assert_int_equal(st.more, want < KEYS);
        assert_int_equal(st.revision, revision);
        assert_int_equal(st.headers, 1);
        assert_false(st.after_last || st.disordered);
        assert_true(want <= 10 ? st.chunks == 1 : st.chunks > 1);
    }
}

static void an_empty_list_and_a_count_are_one_chunk(void **state)
{
    struct member *m = *state;
    struct streamed st;
    Etcdserverpb__RangeRequest r = all_keys();
    stream(m, &r, &st);
    assert_int_equal(st.chunks, 1);
    assert_int_equal(st.count, 0);
    assert_int_equal(st.revision, 1);
    put_some(m, 0, 50, "v");
    r.count_only = 1;
    stream(m, &r, &st);
    assert_int_equal(st.chunks, 1);
    assert_int_equal(st.n, 0);
    assert_int_equal(st.count, 50);
    r.count_only = 0;
    r.keys_only = 1;
    r.range_end = bytes("");
    r.key = bytes("p00003");
    stream(m, &r, &st);
    assert_int_equal(st.n, 1);
    assert_int_equal(st.count, 1);
}

static void all_chunks_are_of_the_first_ones_revision(void **state)
{
    struct member *m = *state;
    Etcdserverpb__RangeRequest r = all_keys();
    struct streamed st;
    fill(m);
    start(m, &r, &st);
    rpc_stream_pause(st.stream, true);
    int64_t before = must_put(m, "other", "v");
    for (int i = 0; i < 20; i++) {
        must_put(m, "p03999", "new");
    }
    rpc_stream_pause(st.stream, false);
    run_until(m->loop, is_closed, &st);
    assert_int_equal(st.code, 0);
    assert_int_equal(st.n, KEYS);
    assert_true(st.revision <= before && st.newest <= st.revision);
}

static void a_reader_that_stalls_costs_a_queue_and_finds_the_rest_compacted(void **state)
{
    struct member *m = *state;
    Etcdserverpb__RangeRequest r = all_keys();
    struct streamed st;
    fill(m);
    r.serializable = 1;
    start(m, &r, &st);
    run_until(m->loop, has_chunks, &st);
    rpc_stream_pause(st.stream, true);
    must_compact(m, must_put(m, "other", "v"));
    assert_false(list_empty(&m->server->range_streams));
    assert_true(rpc_server_queued(m->server->rpc) <
                LIMIT_STREAM_QUEUE_BYTES + 4 * LIMIT_REQUEST_BYTES);
    rpc_stream_pause(st.stream, false);
    run_until(m->loop, is_closed, &st);
    assert_int_equal(st.code, GRPC_OUT_OF_RANGE);
    assert_string_equal(st.text, "etcdserver: mvcc: required revision has been compacted");
    assert_int_equal(st.headers, 0);
    assert_true(st.n < KEYS);
    assert_true(list_empty(&m->server->range_streams));
    assert_int_equal(m->server->watch_bytes, 0);
}

static void a_stream_that_is_cancelled_leaves_nothing(void **state)
{
    struct member *m = *state;
    Etcdserverpb__RangeRequest r = all_keys();
    struct streamed st;
    fill(m);
    for (int i = 0; i < 10; i++) {
        r.serializable = i % 2;
        start(m, &r, &st);
        if (i > 3) {
            run_until(m->loop, has_chunks, &st);
        }
        if (!st.closed) {
            rpc_stream_cancel(st.stream);
        }
    }
    must_put(m, "other", "v"); /* behind them on the same connection */
    assert_true(list_empty(&m->server->range_streams));
    assert_int_equal(m->server->watch_bytes, 0);
}

static void what_a_stream_cannot_do_is_refused(void **state)
{
    struct member *m = *state;
    struct streamed st;
    must_put(m, "p", "v");
    Etcdserverpb__RangeRequest rows[7];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows[i] = all_keys();
    }
    rows[0].key = bytes("");
    rows[1].sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    rows[2].sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD;
    rows[3].min_create_revision = 1;
    rows[4].revision = 3;
    rows[5].sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
    rows[6].sort_order = (Etcdserverpb__RangeRequest__SortOrder)7;
    static const struct { int code; const char *text; } want[] = {
        { GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided" },
        { GRPC_UNIMPLEMENTED, "RangeStream does not support custom sort orders" },
        { GRPC_UNIMPLEMENTED, "RangeStream does not support custom sort orders" },
        { GRPC_UNIMPLEMENTED, "RangeStream does not support revision filters" },
        { GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision" },
        { 0, "" }, /* what it does anyhow */
        { GRPC_INVALID_ARGUMENT, "etcdserver: invalid sort option" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        stream(m, &rows[i], &st);
        assert_int_equal(st.code, want[i].code);
        assert_string_equal(st.text, want[i].text);
    }
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void a_member_that_stops_ends_its_streams(void **state)
{
    struct member *m = member_open_with(NULL);
    Etcdserverpb__RangeRequest r = all_keys();
    struct streamed st;
    bool closed = false;
    (void)state;
    fill(m);
    start(m, &r, &st);
    run_until(m->loop, has_chunks, &st);
    server_close(m->server, set_flag, &closed);
    run_until(m->loop, is_closed, &st);
    assert_true(st.code == GRPC_UNAVAILABLE || (st.code == 0 && st.n == KEYS));
    run_until(m->loop, flag_set, &closed);
    member_forget(m);
}

int test_range_stream_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_list_comes_in_chunks_whatever_its_limit),
        SERVER_TEST(an_empty_list_and_a_count_are_one_chunk),
        SERVER_TEST(all_chunks_are_of_the_first_ones_revision),
        SERVER_TEST(a_reader_that_stalls_costs_a_queue_and_finds_the_rest_compacted),
        SERVER_TEST(a_stream_that_is_cancelled_leaves_nothing),
        SERVER_TEST(what_a_stream_cannot_do_is_refused),
        cmocka_unit_test(a_member_that_stops_ends_its_streams),
    };
    return cmocka_run_group_tests_name("range streams", tests, NULL, NULL);
}
