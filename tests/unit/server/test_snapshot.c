/* Maintenance/Snapshot as a client sees it, and what may happen while one is not read: others ask,
 * the store is replaced, the member ends. What is in the file: tests/unit/store/test_etcd_db.c. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/codec/sha256.h"
#include "server/internal.h"
#include "store/etcd_db.h"

enum { STREAMS = 4, BIG = 1400 * 1024, BIGS = 4, BLOB_MAX = 32 * 1024 };

struct saving {
    struct rpc_stream *stream;
    struct buf file;
    uint64_t remaining;
    size_t n;
    bool closed;
    int code;
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct saving *v = arg;
    const Etcdserverpb__SnapshotResponse *m =
        (const Etcdserverpb__SnapshotResponse *)(const void *)msg;
    assert_true(m->blob.len > 0 && m->blob.len <= BLOB_MAX);
    bool sum = v->n > 0 && v->remaining == 0;
    assert_true(v->n == 0 || m->remaining_bytes == v->remaining - (sum ? 0 : m->blob.len));
    v->remaining = m->remaining_bytes;
    v->n++;
    buf_append(&v->file, m->blob.data, m->blob.len);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct saving *v = arg;
    v->closed = true;
    v->code = result->grpc_code;
}

static void save(struct member *m, struct saving *v, bool paused, bool asks)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    Etcdserverpb__SnapshotRequest request = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    *v = (struct saving){ .file = BUF_INIT };
    v->stream = rpc_stream_open(m->channel, "/etcdserverpb.Maintenance/Snapshot",
                                &etcdserverpb__snapshot_response__descriptor, &events, v);
    rpc_stream_pause(v->stream, paused);
    if (asks) {
        rpc_stream_send(v->stream, &request.base);
    }
    rpc_stream_half_close(v->stream);
}

static bool is_closed(void *arg)
{
    return ((const struct saving *)arg)->closed;
}

/* The whole file came, with its sum; the store that is in it. */
static struct store *assert_saved(struct member *m, struct saving *v)
{
    run_until(m->loop, is_closed, v);
    assert_int_equal(v->code, GRPC_OK);
    assert_true(v->file.len > SHA256_BYTES);
    struct slice db = slice_make(v->file.data, v->file.len - SHA256_BYTES);
    uint8_t digest[SHA256_BYTES];
    struct sha256 *sum = sha256_new();
    sha256_add(sum, db);
    sha256_finish(sum, digest);
    assert_memory_equal(digest, db.data + db.len, SHA256_BYTES);
    struct etcd_db_options o = { .applied_index = 1 };
    struct etcd_db_report report;
    struct store *s = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(etcd_db_read(db, &o, &s, &report, &err), 0);
    buf_fini(&v->file);
    return s;
}

static void put_much(struct member *m)
{
    static const char *const names[BIGS] = { "a", "b", "c", "d" };
    for (size_t i = 0; i < BIGS; i++) {
        assert_int_equal(put_bytes(m, names[i], BIG), GRPC_OK);
    }
}

static void a_snapshot_is_the_state_and_its_sum(void **state)
{
    struct member *m = *state;
    struct saving v;
    must_put(m, "a", "1");
    int64_t revision = must_put(m, "b", "2");
    save(m, &v, false, true);
    struct store *s = assert_saved(m, &v);
    assert_int_equal(store_revision(s), revision);
    assert_int_equal(store_live_keys(s), 2);
    store_free(s);
}

static bool holds_all(void *arg)
{
    size_t n = 0;
    LIST_FOREACH(it, &((struct server *)arg)->snapshots) {
        n++;
    }
    return n == STREAMS;
}

static void what_nobody_reads_is_bounded_and_waits(void **state)
{
    struct member *m = *state;
    struct saving v[STREAMS], more;
    put_much(m);
    for (size_t i = 0; i < STREAMS; i++) {
        save(m, &v[i], true, true);
    }
    run_until(m->loop, holds_all, m->server);
    save(m, &more, false, true);
    run_until(m->loop, is_closed, &more);
    assert_int_equal(more.code, GRPC_RESOURCE_EXHAUSTED);
    int64_t revision = must_put(m, "later", "1"); /* is in none of them */
    for (size_t i = 0; i < STREAMS; i++) {
        assert_false(v[i].closed);
        rpc_stream_pause(v[i].stream, false);
        struct store *s = assert_saved(m, &v[i]);
        assert_int_equal(store_revision(s), revision - 1);
        store_free(s);
    }
    assert_true(list_empty(&m->server->snapshots));
}

static void a_stream_without_a_request_is_refused(void **state)
{
    struct member *m = *state;
    struct saving v;
    save(m, &v, false, false);
    run_until(m->loop, is_closed, &v);
    assert_int_equal(v.code, GRPC_INTERNAL);
}

static bool is_none(void *arg)
{
    return list_empty(&((struct server *)arg)->snapshots);
}

static bool is_any(void *arg)
{
    return !is_none(arg);
}

static void a_client_may_go_away(void **state)
{
    struct member *m = *state;
    struct saving v;
    put_much(m);
    save(m, &v, true, true);
    run_until(m->loop, is_any, m->server);
    rpc_stream_cancel(v.stream);
    run_until(m->loop, is_none, m->server);
    buf_fini(&v.file);
    must_compact(m, must_put(m, "k", "v"));
}

static void a_store_that_is_replaced_is_still_told_to_its_end(void **state)
{
    struct member *m = *state;
    struct saving v[2];
    put_much(m);
    save(m, &v[0], true, true);
    save(m, &v[1], true, true);
    run_until(m->loop, is_any, m->server);
    member_replace_store(m);
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        rpc_stream_pause(v[i].stream, false);
        struct store *s = assert_saved(m, &v[i]);
        assert_int_equal(store_live_keys(s), BIGS);
        store_free(s);
    }
}

/* The teardown closes the member under the stream. */
static void a_member_ends_although_a_snapshot_is_not_read(void **state)
{
    struct member *m = member_open_with(NULL);
    struct saving v;
    (void)state;
    put_much(m);
    save(m, &v, true, true);
    run_until(m->loop, is_any, m->server);
    member_close(m);
    buf_fini(&v.file);
}

int test_snapshot_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_snapshot_is_the_state_and_its_sum),
        SERVER_TEST(what_nobody_reads_is_bounded_and_waits),
        SERVER_TEST(a_stream_without_a_request_is_refused),
        SERVER_TEST(a_client_may_go_away),
        SERVER_TEST(a_store_that_is_replaced_is_still_told_to_its_end),
        cmocka_unit_test(a_member_ends_although_a_snapshot_is_not_read),
    };
    return cmocka_run_group_tests_name("server/snapshot", tests, NULL, NULL);
}
