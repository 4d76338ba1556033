/* Watch streams: what the server answers, and that a reader that stalls loses nothing. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/internal.h"

enum { ANSWERS_MAX = 4096 };

/* What a stream said; events are flattened. */
struct answer {
    int64_t id, compact_revision, revision;
    bool created, canceled, fragment;
    size_t n_events;
    char reason[128];
};

struct watching {
    struct member *m;
    struct rpc_stream *stream;
    struct answer answers[ANSWERS_MAX];
    size_t n;
    size_t n_events;
    int64_t last_revision; /* of an event */
    bool disordered;
    bool ahead;            /* a bookmark came before an event that it speaks of */
    int64_t bookmark;      /* the last one's revision */
    int64_t before[8];     /* the mod revision of what the first events replaced */
    size_t want;           /* answers or events to wait for */
    bool closed;
    int code;
    char text[128];
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct watching *w = arg;
    const Etcdserverpb__WatchResponse *m = (const Etcdserverpb__WatchResponse *)(const void *)msg;
    assert_true(w->n < ANSWERS_MAX);
    struct answer *a = &w->answers[w->n++];
    *a = (struct answer){ .id = m->watch_id, .compact_revision = m->compact_revision,
                          .revision = m->header->revision, .created = m->created,
                          .canceled = m->canceled, .fragment = m->fragment,
                          .n_events = m->n_events };
    if (!m->created && !m->canceled && m->n_events == 0) {
        w->bookmark = m->header->revision;
    }
    snprintf(a->reason, sizeof a->reason, "%s", m->cancel_reason);
    for (size_t i = 0; i < m->n_events; i++) {
        int64_t revision = m->events[i]->kv->mod_revision;
        w->ahead |= revision <= w->bookmark;
        w->disordered |= revision < w->last_revision;
        w->last_revision = revision;
        if (w->n_events < 8 && m->events[i]->prev_kv != NULL) {
            w->before[w->n_events] = m->events[i]->prev_kv->mod_revision;
        }
        w->n_events++;
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct watching *w = arg;
    w->closed = true;
    w->code = result->grpc_code;
    snprintf(w->text, sizeof w->text, "%s", result->text);
}

static const struct rpc_stream_events events = { on_message, on_closed, NULL };

static struct watching *watch_open(struct member *m)
{
    struct watching *w = mem_zalloc(sizeof *w);
    w->m = m;
    w->stream = rpc_stream_open(m->channel, "/etcdserverpb.Watch/Watch",
                                &etcdserverpb__watch_response__descriptor, &events, w);
    return w;
}

static void watch_close(struct watching *w)
{
    if (!w->closed) {
        rpc_stream_cancel(w->stream);
    }
    mem_free(w);
}

static void send_create(struct watching *w, const Etcdserverpb__WatchCreateRequest *create)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = (Etcdserverpb__WatchCreateRequest *)(uintptr_t)create;
    rpc_stream_send(w->stream, &request.base);
}

static void create(struct watching *w, const char *key, int64_t start_revision, int64_t id)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = bytes(key);
    c.start_revision = start_revision;
    c.watch_id = id;
    send_create(w, &c);
}

static void cancel(struct watching *w, int64_t id)
{
    watch_send_cancel(w->stream, id);
}

static void progress(struct watching *w)
{
    watch_send_progress(w->stream);
}

static bool has_answers(void *arg)
{
    const struct watching *w = arg;
    return w->n >= w->want;
}

static bool has_events(void *arg)
{
    const struct watching *w = arg;
    return w->n_events >= w->want;
}

static bool is_closed(void *arg)
{
    return ((const struct watching *)arg)->closed;
}

/* Waits for the n-th answer and returns it. */
static const struct answer *answer(struct watching *w, size_t n)
{
    w->want = n;
    run_until(w->m->loop, has_answers, w);
    return &w->answers[n - 1];
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_watch_is_created_told_and_cancelled(void **state)
{
    struct watching *w = watch_open(*state);
    create(w, "k", 0, 0);
    assert_true(answer(w, 1)->created);
    assert_int_equal(w->answers[0].id, 0);
    int64_t revision = must_put(*state, "k", "1");
    must_put(*state, "other", "1");
    assert_int_equal(answer(w, 2)->n_events, 1);
    assert_int_equal(w->last_revision, revision);
    cancel(w, 7); /* there is none: nothing is said */
    cancel(w, 0);
    assert_true(answer(w, 3)->canceled);
    must_put(*state, "k", "2");
    progress(w);
    assert_int_equal(answer(w, 4)->id, -1); /* and nothing of the put before it */
    assert_int_equal(w->n_events, 1);
    watch_close(w);
}

static void ids_that_are_taken_and_revisions_that_are_negative_are_refused(void **state)
{
    struct watching *w = watch_open(*state);
    create(w, "k", 0, 5);
    create(w, "k", 0, 5);
    create(w, "k", -1, 0);
    assert_int_equal(answer(w, 1)->id, 5);
    for (size_t n = 2; n <= 3; n++) {
        const struct answer *a = answer(w, n);
        assert_true(a->created && a->canceled);
        assert_int_equal(a->id, -1);
    }
    assert_non_null(strstr(w->answers[1].reason, "duplicate watch ID"));
    create(w, "k", 0, 0);
    assert_false(answer(w, 4)->canceled); /* the stream goes on */
    watch_close(w);
}

/* By two nested txns: one of them alone may not do both. */
static void put_and_delete_in_one_revision(struct member *m, const char *key)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    put.key = del.key = bytes(key);
    Etcdserverpb__RequestOp op[4], *at[4];
    Etcdserverpb__TxnRequest t[3];
    for (size_t i = 0; i < 4; i++) {
        etcdserverpb__request_op__init(&op[i]);
        at[i] = &op[i];
    }
    for (size_t i = 0; i < 3; i++) { /* t[2] holds the others */
        etcdserverpb__txn_request__init(&t[i]);
        t[i].n_success = i == 2 ? 2 : 1;
        t[i].success = &at[i == 2 ? 0 : 2 + i];
    }
    op[0].request_case = op[1].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
    op[0].request_txn = &t[0];
    op[1].request_txn = &t[1];
    op[2].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op[2].request_put = &put;
    op[3].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    op[3].request_delete_range = &del;
    struct reply r;
    call(m, "/etcdserverpb.KV/Txn", &t[2], &etcdserverpb__txn_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

static void a_negative_id_is_an_id(void **state)
{
    static const int64_t ids[] = { -3, -1, INT64_MIN };
    struct watching *w = watch_open(*state);
    for (size_t i = 0; i < 3; i++) {
        create(w, "k", 0, ids[i]);
        const struct answer *a = answer(w, i + 1);
        assert_int_equal(a->id, ids[i]);
        assert_true(a->created && !a->canceled);
    }
    create(w, "k", 0, -3);
    assert_true(answer(w, 4)->canceled); /* it is taken */
    must_put(*state, "k", "v");
    answer(w, 7);
    assert_int_equal(w->n_events, 3);
    cancel(w, -3);
    assert_int_equal(answer(w, 8)->id, -3);
    assert_true(w->answers[7].canceled && !w->answers[7].created);
    watch_close(w);
}

static void a_range_that_ends_before_it_begins_is_refused(void **state)
{
    static const char *const ends[] = { "k", "a" };
    struct watching *w = watch_open(*state);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = bytes("k");
    for (size_t i = 0; i < 2; i++) {
        c.range_end = bytes(ends[i]);
        send_create(w, &c);
        const struct answer *a = answer(w, i + 1);
        assert_true(a->created && a->canceled);
        assert_int_equal(a->id, -1);
        assert_string_equal(a->reason, "mvcc: watcher range is empty");
    }
    c.range_end = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t)"" }; /* no end */
    send_create(w, &c);
    assert_false(answer(w, 3)->canceled);
    assert_int_equal(w->answers[2].id, 0);
    watch_close(w);
}

static void what_was_before_is_of_the_revision_before_and_readable(void **state)
{
    struct watching *w = watch_open(*state);
    must_put(*state, "k", "1");
    must_put(*state, "k", "2");
    must_put(*state, "k", "3");
    must_compact(*state, 3);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = bytes("k");
    c.prev_kv = 1;
    c.start_revision = 3;
    send_create(w, &c);
    w->want = 2;
    run_until(w->m->loop, has_events, w);
    assert_int_equal(w->before[0], 0); /* revision 2 is compacted */
    assert_int_equal(w->before[1], 3);
    put_and_delete_in_one_revision(*state, "k");
    w->want = 4;
    run_until(w->m->loop, has_events, w);
    assert_int_equal(w->before[2], 4);
    assert_int_equal(w->before[3], 4); /* not what the same txn had put */
    watch_close(w);
}

static void watches_are_bounded_by_what_all_of_them_take(void **state)
{
    struct member *m = *state;
    struct watching *w = watch_open(m);
    m->server->watch_bytes = LIMIT_WATCHES_BYTES - 300; /* as if others had them */
    create(w, "a", 0, 0);
    assert_false(answer(w, 1)->canceled);
    create(w, "a key that is a little longer", 0, 0);
    assert_true(answer(w, 2)->canceled);
    assert_string_equal(w->answers[1].reason, "barque: too many watches on this member");
    cancel(w, w->answers[0].id);
    assert_true(answer(w, 3)->canceled);
    assert_int_equal(m->server->watch_bytes, LIMIT_WATCHES_BYTES - 300);
    m->server->watch_bytes = 0;
    watch_close(w);
}

static void a_watch_of_a_compacted_revision_is_cancelled_with_it(void **state)
{
    for (int i = 0; i < 5; i++) {
        must_put(*state, "k", "v");
    }
    must_compact(*state, 4);
    struct watching *w = watch_open(*state);
    create(w, "k", 2, 0);
    assert_true(answer(w, 1)->created);
    const struct answer *a = answer(w, 2);
    assert_true(a->canceled);
    assert_int_equal(a->compact_revision, 4);
    assert_int_equal(a->revision, 0); /* as in etcd: the compacted revision says all */
    assert_string_equal(a->reason, "");
    create(w, "k", 5, 0);
    w->want = 2;
    run_until(w->m->loop, has_events, w); /* revisions 5 and 6 */
    watch_close(w);
}

static void a_watch_of_the_future_waits_for_it(void **state)
{
    struct watching *w = watch_open(*state);
    create(w, "k", 4, 0);
    assert_true(answer(w, 1)->created);
    for (int i = 0; i < 4; i++) { /* revisions 2 to 5 */
        must_put(*state, "k", "v");
    }
    w->want = 2;
    run_until(w->m->loop, has_events, w);
    assert_int_equal(w->last_revision, 5);
    assert_int_equal(w->n_events, 2);
    watch_close(w);
}

static void filters_hide_puts_or_deletes(void **state)
{
    struct watching *w = watch_open(*state);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest__FilterType filter =
        ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT;
    c.key = bytes("k");
    c.n_filters = 1;
    c.filters = &filter;
    send_create(w, &c);
    answer(w, 1);
    must_put(*state, "k", "v");
    progress(w);
    assert_int_equal(answer(w, 2)->n_events, 0);
    Etcdserverpb__DeleteRangeRequest d = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    d.key = bytes("k");
    struct reply r;
    call(*state, "/etcdserverpb.KV/DeleteRange", &d,
         &etcdserverpb__delete_range_response__descriptor, &r);
    reply_fini(&r);
    assert_int_equal(answer(w, 3)->n_events, 1);
    watch_close(w);
}

/* One revision of 8 keys of 900 bytes each. */
static void put_many(struct member *m)
{
    enum { N = 8 };
    static char value[901];
    memset(value, 'v', sizeof value - 1);
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__RequestOp ops[N], *at[N];
    Etcdserverpb__PutRequest puts[N];
    char keys[N][8];
    for (size_t i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "f%zu", i);
        etcdserverpb__put_request__init(&puts[i]);
        puts[i].key = bytes(keys[i]);
        puts[i].value = bytes(value);
        etcdserverpb__request_op__init(&ops[i]);
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[i].request_put = &puts[i];
        at[i] = &ops[i];
    }
    t.n_success = N;
    t.success = at;
    struct reply r;
    call(m, "/etcdserverpb.KV/Txn", &t, &etcdserverpb__txn_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

static void only_a_fragmented_watch_splits_a_revision(void **state)
{
    (void)state;
    struct server_options o = { .max_request_bytes = 8000 };
    struct member *m = member_open_with(&o);
    struct watching *whole = watch_open(m), *split = watch_open(m);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = bytes("f");
    c.range_end = bytes("g");
    c.prev_kv = 1;
    send_create(whole, &c);
    c.fragment = 1;
    send_create(split, &c);
    answer(whole, 1);
    answer(split, 1);
    put_many(m);
    put_many(m); /* twice the bytes: with what was before */
    split->want = 16;
    run_until(m->loop, has_events, split);
    whole->want = 16;
    run_until(m->loop, has_events, whole);
    assert_int_equal(whole->n, 3);
    assert_int_equal(whole->answers[2].n_events, 8);
    assert_true(split->n > 3);
    for (size_t i = 2; i < split->n; i++) {
        assert_int_equal(split->answers[i].fragment, i + 1 < split->n);
    }
    watch_close(whole);
    watch_close(split);
    member_close(m);
}

static void a_reader_that_stalls_costs_no_memory_and_loses_nothing(void **state)
{
    enum { PUTS = 300, BYTES = 40000 }; /* 12 MB, a stream's queue holds 1 */
    struct member *m = *state;
    struct watching *w = watch_open(m);
    create(w, "big", 0, 0);
    answer(w, 1);
    rpc_stream_pause(w->stream, true);
    for (int i = 0; i < PUTS; i++) {
        assert_int_equal(put_bytes(m, "big", BYTES), 0);
    }
    size_t got = w->n_events;
    assert_true(got < PUTS / 2);
    progress(w);
    rpc_stream_pause(w->stream, false);
    w->want = PUTS;
    run_until(m->loop, has_events, w);
    assert_int_equal(w->n_events, PUTS);
    assert_false(w->disordered);
    assert_int_equal(w->last_revision, PUTS + 1);
    const struct answer *a = answer(w, w->n > PUTS + 1 ? w->n : w->n + 1);
    assert_int_equal(a->id, -1); /* progress is told after the last event, not before */
    assert_int_equal(a->revision, PUTS + 1);
    watch_close(w);
}

static void a_bookmark_does_not_overtake_events(void **state)
{
    enum { PUTS = 100, BYTES = 40000, NOTIFY_MS = 50 };
    struct server_options o = { .progress_notify_ms = NOTIFY_MS };
    struct member *m = member_open_with(&o);
    struct watching *w = watch_open(m);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    (void)state;
    c.key = bytes("big");
    c.progress_notify = 1;
    send_create(w, &c);
    answer(w, 1);
    rpc_stream_pause(w->stream, true);
    for (int i = 0; i < PUTS; i++) {
        assert_int_equal(put_bytes(m, "big", BYTES), 0);
    }
    uint64_t until = loop_now_ms(m->loop) + 10 * NOTIFY_MS; /* it would be due many times */
    while (loop_now_ms(m->loop) < until) {
        must_put(m, "other", "1");
    }
    rpc_stream_pause(w->stream, false);
    w->want = PUTS;
    run_until(m->loop, has_events, w);
    assert_false(w->disordered);
    assert_false(w->ahead);
    watch_close(w);
    member_close(m);
}

static void a_lagging_watch_can_be_cancelled(void **state)
{
    struct member *m = *state;
    struct watching *w = watch_open(m);
    create(w, "big", 0, 1);
    create(w, "small", 0, 2);
    answer(w, 2);
    rpc_stream_pause(w->stream, true);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put_bytes(m, "big", 40000), 0);
    }
    must_put(m, "small", "1");
    cancel(w, 1);
    must_put(m, "small", "2");
    rpc_stream_pause(w->stream, false);
    progress(w);
    size_t last = 0;
    bool canceled = false;
    for (size_t n = 3; w->n == 0 || !last; n++) {
        const struct answer *a = answer(w, n);
        assert_false(canceled && a->id == 1); /* nothing of it after its end */
        canceled |= a->canceled && a->id == 1;
        last = a->id == -1 ? n : 0;
    }
    assert_true(canceled);
    assert_true(w->n_events < 102);
    watch_close(w);
}

static void a_client_that_vanishes_while_lagging_leaves_nothing(void **state)
{
    struct member *m = *state;
    struct watching *w = watch_open(m);
    create(w, "big", 0, 0);
    answer(w, 1);
    rpc_stream_pause(w->stream, true);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(put_bytes(m, "big", 40000), 0);
    }
    watch_close(w);
    must_put(m, "big", "more");
    w = watch_open(m); /* from the past, and the channel is freed while it catches up */
    create(w, "big", 2, 0);
    answer(w, 1);
    watch_close(w);
    must_put(m, "big", "more");
}

static void half_closing_ends_the_stream_in_order(void **state)
{
    struct watching *w = watch_open(*state);
    create(w, "k", 0, 0);
    answer(w, 1);
    rpc_stream_half_close(w->stream);
    run_until(w->m->loop, is_closed, w);
    assert_int_equal(w->code, 0);
    watch_close(w);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void a_server_that_stops_says_so_to_its_watchers(void **state)
{
    (void)state;
    struct member *m = member_open_with(NULL);
    struct watching *w = watch_open(m);
    create(w, "k", 0, 0);
    answer(w, 1);
    bool closed = false;
    server_close(m->server, set_flag, &closed);
    run_until(m->loop, is_closed, w);
    assert_int_equal(w->code, GRPC_UNAVAILABLE);
    assert_string_equal(w->text, "etcdserver: server stopped");
    run_until(m->loop, flag_set, &closed);
    watch_close(w);
    member_forget(m);
}

int test_watch_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_watch_is_created_told_and_cancelled),
        SERVER_TEST(ids_that_are_taken_and_revisions_that_are_negative_are_refused),
        SERVER_TEST(a_negative_id_is_an_id),
        SERVER_TEST(a_range_that_ends_before_it_begins_is_refused),
        SERVER_TEST(what_was_before_is_of_the_revision_before_and_readable),
        SERVER_TEST(watches_are_bounded_by_what_all_of_them_take),
        SERVER_TEST(a_watch_of_a_compacted_revision_is_cancelled_with_it),
        SERVER_TEST(a_watch_of_the_future_waits_for_it),
        SERVER_TEST(filters_hide_puts_or_deletes),
        cmocka_unit_test(only_a_fragmented_watch_splits_a_revision),
        SERVER_TEST(a_reader_that_stalls_costs_no_memory_and_loses_nothing),
        cmocka_unit_test(a_bookmark_does_not_overtake_events),
        SERVER_TEST(a_lagging_watch_can_be_cancelled),
        SERVER_TEST(a_client_that_vanishes_while_lagging_leaves_nothing),
        SERVER_TEST(half_closing_ends_the_stream_in_order),
        cmocka_unit_test(a_server_that_stops_says_so_to_its_watchers),
    };
    return cmocka_run_group_tests_name("watch streams", tests, NULL, NULL);
}
