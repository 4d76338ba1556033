/* Watches against a real etcd: exactly once and in order, across a restart; compaction; bookmarks.
 * */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <signal.h>
#include <stdio.h>

#include "lib/base/alloc.h"

enum { SEEN_MAX = 256 };

struct watcher {
    int64_t revisions[SEEN_MAX];
    int values[SEEN_MAX]; /* -1 = delete */
    bool has_prev[SEEN_MAX];
    size_t n;
    size_t want;
    int64_t last;         /* revision of the last call */
    size_t bookmarks;
    size_t odd_calls;     /* with an odd number of events */
    size_t resumed;
    bool ended;
    int end_status;
    int64_t compact_revision;
    struct client_watch *stop_on_event;
};

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watcher *w = arg;

    assert_false(w->ended);
    w->bookmarks += n == 0;
    w->odd_calls += n % 2;
    for (size_t i = 0; i < n; i++) {
        char text[32];

        snprintf(text, 12, "%.*s", (int)events[i].kv.value.len,
                 (const char *)events[i].kv.value.data);
        assert_true(w->n < SEEN_MAX);
        w->revisions[w->n] = events[i].kv.mod_revision;
        w->values[w->n] = events[i].type == EVENT_DELETE ? -1 : etcd_number(text);
        w->has_prev[w->n] = events[i].has_prev;
        w->n++;
        assert_true(events[i].kv.mod_revision <= revision);
    }
    assert_true(revision >= w->last);
    w->last = revision;
    client_watch_stop(TAKE(w->stop_on_event));
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct watcher *w = arg;

    assert_non_null(err);
    w->ended = true;
    w->end_status = status;
    w->compact_revision = compact_revision;
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct watcher *w = arg;

    (void)endpoint;
    w->resumed++;
    assert_true(revision <= w->last + 1 || w->n == 0);
}

static struct client_watch *watch(struct client *c, struct watcher *w, const char *prefix,
                                  int64_t start)
{
    autobuf end = BUF_INIT;
    struct client_watch_options options = {
        .key = slice_str(prefix),
        .start_revision = start,
        .prev_kv = true,
        .progress_notify = true,
        .on_events = on_events,
        .on_end = on_end,
        .on_resume = on_resume,
        .arg = w,
    };

    client_prefix_end(options.key, &end);
    options.range_end = buf_slice(&end);
    return client_watch_start(c, &options);
}

static bool enough(void *arg)
{
    const struct watcher *w = arg;

    return w->n >= w->want;
}

static bool has_bookmark(void *arg)
{
    const struct watcher *w = arg;

    return w->bookmarks > 0;
}

static void put_number(struct client *c, const char *key, int i)
{
    char text[32];

    snprintf(text, sizeof text, "%d", i);
    must_put(c, key, text, 0);
}

static void a_watch_sees_every_change_after_its_start_in_order(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { .want = 4 };
    struct client_watch *cw;
    int64_t first;

    (void)state;
    first = must_put(c, "w1/a", "1", 0);
    cw = watch(c, &w, "w1/", first);
    put_number(c, "w1/a", 2);
    put_number(c, "w1/b", 3);
    must_put(c, "elsewhere", "99", 0);
    put_number(c, "w1/a", 4);
    assert_true(run_until(e->loop, enough, &w, 5000));
    assert_int_equal(w.n, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(w.values[i], i + 1);
    }
    assert_false(w.has_prev[0]);
    assert_true(w.has_prev[1]);
    client_watch_stop(cw);
    client_free(c);
}

static void many_watches_share_the_stream_and_each_sees_its_own(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w[20] = { 0 };
    struct client_watch *cw[20];
    int64_t now = must_put(c, "many", "", 0);
    char key[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "w2/%d/", i);
        w[i].want = 1;
        cw[i] = watch(c, &w[i], key, now + 1);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "w2/%d/x", i);
        put_number(c, key, i);
    }
    for (int i = 0; i < 20; i++) {
        assert_true(run_until(e->loop, enough, &w[i], 5000));
        assert_int_equal(w[i].n, 1);
        assert_int_equal(w[i].values[0], i);
        client_watch_stop(cw[i]);
    }
    client_free(c);
}

static void a_watch_stopped_inside_its_own_callback_is_silent_afterwards(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { .want = 1 };
    struct watcher after = { .want = 2 };
    int64_t now = must_put(c, "w3", "", 0);
    struct client_watch *second;

    (void)state;
    w.stop_on_event = watch(c, &w, "w3/", now + 1);
    second = watch(c, &after, "w3/", now + 1);
    put_number(c, "w3/a", 1);
    assert_true(run_until(e->loop, enough, &w, 5000));
    put_number(c, "w3/a", 2);
    assert_true(run_until(e->loop, enough, &after, 5000));
    assert_int_equal(w.n, 1);
    client_watch_stop(second);
    client_free(c);
}

static void a_watch_from_a_compacted_revision_ends_with_compacted(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { 0 };
    int64_t first = must_put(c, "w4/a", "1", 0);
    int64_t second = must_put(c, "w4/a", "2", 0);
    bool done = false;

    (void)state;
    client_compact(c, second, true, etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 5000));
    watch(c, &w, "w4/", first);
    assert_true(run_until_set(e->loop, &w.ended, 5000));
    assert_int_equal(w.end_status, E_COMPACTED);
    assert_int_equal(w.compact_revision, second);
    assert_int_equal(w.n, 0);
    client_free(c);
}

static void an_idle_watch_gets_bookmarks(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { .want = 1 };
    int64_t now = must_put(c, "w5", "", 0);
    struct client_watch *cw = watch(c, &w, "w5/", now + 1);

    (void)state;
    now = must_put(c, "elsewhere", "1", 0);
    assert_true(run_until(e->loop, has_bookmark, &w, 10000));
    put_number(c, "w5/a", 7);
    assert_true(run_until(e->loop, enough, &w, 5000));
    assert_int_equal(w.values[0], 7);
    client_watch_stop(cw);
    client_free(c);
}

static void a_restart_of_the_store_neither_loses_nor_repeats_an_event(void **state)
{
    struct etcd *e = etcd_start(1);
    struct client *c = etcd_client(e);
    struct client *writer;
    struct watcher w = { .want = 20 };
    struct client_watch *cw;
    int64_t now = must_put(c, "w6", "", 0);

    (void)state;
    cw = watch(c, &w, "w6/", now + 1);
    for (int i = 0; i < 20; i++) {
        put_number(c, "w6/a", i);
    }
    assert_true(run_until(e->loop, enough, &w, 5000));
    etcd_kill(e, 0, SIGKILL);
    etcd_restart(e, 0);
    writer = etcd_client(e);
    for (int i = 20; i < 40; i++) {
        put_number(writer, "w6/a", i);
    }
    w.want = 40;
    assert_true(run_until(e->loop, enough, &w, 10000));
    put_number(writer, "w6/a", 40);
    w.want = 41;
    assert_true(run_until(e->loop, enough, &w, 5000));
    assert_int_equal(w.n, 41);
    for (int i = 0; i < 41; i++) {
        assert_int_equal(w.values[i], i);
        assert_true(i == 0 || w.revisions[i] > w.revisions[i - 1]);
    }
    assert_true(w.resumed >= 1);
    client_watch_stop(cw);
    client_free(writer);
    client_free(c);
    etcd_stop(e);
}

/* etcd splits a response of more than 1.5 MiB in fragments of whole events; the two events of one
 * revision must come in one call all the same. */
static void a_revision_split_in_fragments_is_delivered_whole_and_once(void **state)
{
    enum { SIZE = 700 * 1024, N = 3 };
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { .want = 2 * N };
    struct client_watch *cw;
    char *big = mem_alloc(SIZE);
    int64_t now = must_put(c, "w8", "", 0);

    (void)state;
    memset(big, '0', SIZE);
    for (int i = 0; i < N; i++) {
        struct client_write writes[2] = {
            { .key = slice_str("w8/a"), .value = slice_make(big, SIZE) },
            { .key = slice_str("w8/b"), .value = slice_make(big, SIZE) },
        };
        bool done = false;

        big[10] = (char)('0' + i); /* on_events reads the first characters as the number */
        client_cas(c, NULL, 0, writes, 2, etcd_set_flag, &done);
        assert_true(run_until_set(e->loop, &done, 5000));
    }
    cw = watch(c, &w, "w8/", now + 1);
    assert_true(run_until(e->loop, enough, &w, 10000));
    assert_int_equal(w.n, 2 * N);
    assert_int_equal(w.odd_calls, 0);
    for (int i = 0; i < 2 * N; i++) {
        assert_int_equal(w.values[i], i / 2);
        assert_int_equal(w.revisions[i], now + 1 + i / 2);
    }
    client_watch_stop(cw);
    client_free(c);
    mem_free(big);
}

static void a_watch_outlives_its_client_silently_until_it_is_stopped(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct watcher w = { 0 };
    struct client_watch *cw = watch(c, &w, "w7/", 0);

    (void)state;
    must_put(c, "w7x", "1", 0);
    client_free(c);
    run_turns(e->loop);
    assert_false(w.ended);
    client_watch_stop(cw);
}

static void the_end_of_a_prefix_is_the_next_string_that_does_not_begin_with_it(void **state)
{
    static const struct {
        const char *prefix, *end;
        size_t end_len;
    } cases[] = {
        { "a/", "a0", 2 }, { "a", "b", 1 }, { "a\xff", "b", 1 }, { "\xff\xff", "\0", 1 },
        { "", "\0", 1 }, { "a\xfe", "a\xff", 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autobuf end = BUF_INIT;

        client_prefix_end(slice_str(cases[i].prefix), &end);
        assert_int_equal(end.len, cases[i].end_len);
        assert_memory_equal(end.data, cases[i].end, cases[i].end_len);
    }
}

int test_watch_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_prefix_is_the_next_string_that_does_not_begin_with_it),
        cmocka_unit_test(a_watch_sees_every_change_after_its_start_in_order),
        cmocka_unit_test(many_watches_share_the_stream_and_each_sees_its_own),
        cmocka_unit_test(a_watch_stopped_inside_its_own_callback_is_silent_afterwards),
        cmocka_unit_test(a_watch_from_a_compacted_revision_ends_with_compacted),
        cmocka_unit_test(an_idle_watch_gets_bookmarks),
        cmocka_unit_test(a_revision_split_in_fragments_is_delivered_whole_and_once),
        cmocka_unit_test(a_watch_outlives_its_client_silently_until_it_is_stopped),
        cmocka_unit_test(a_restart_of_the_store_neither_loses_nor_repeats_an_event),
    };

    return cmocka_run_group_tests_name("client/watch", tests, NULL, NULL);
}
