/* Three real members: when the one in use dies or hangs, the client serves again from another
 * within 2 s, and watches miss and repeat nothing. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <signal.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"

enum { FAILOVER_MS = 2000, ELECTION_MS = 1500 };

struct watcher {
    int values[256];
    size_t n, want, resumed;
    bool ended;
};

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watcher *w = arg;

    (void)revision;
    for (size_t i = 0; i < n; i++) {
        char text[16];

        snprintf(text, sizeof text, "%.*s", (int)events[i].kv.value.len,
                 (const char *)events[i].kv.value.data);
        assert_true(w->n < 256);
        w->values[w->n++] = etcd_number(text);
    }
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct watcher *w = arg;

    (void)status;
    (void)compact_revision;
    (void)err;
    w->ended = true;
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct watcher *w = arg;

    (void)endpoint;
    (void)revision;
    w->resumed++;
}

static struct client_watch *watch(struct client *c, struct watcher *w, int64_t start)
{
    struct client_watch_options options = {
        .key = slice_str("f/"),
        .range_end = slice_str("f0"),
        .start_revision = start,
        .on_events = on_events,
        .on_end = on_end,
        .on_resume = on_resume,
        .arg = w,
    };

    return client_watch_start(c, &options);
}

static bool enough(void *arg)
{
    return ((struct watcher *)arg)->n >= ((struct watcher *)arg)->want;
}

static bool moved(void *arg)
{
    return ((struct watcher *)arg)->resumed > 0;
}

static void put_numbers(struct client *c, int from, int to)
{
    char text[16];

    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "%d", i);
        must_put(c, "f/a", text, 0);
    }
}

static void assert_exactly_once(const struct watcher *w, int n)
{
    assert_int_equal(w->n, n);
    assert_false(w->ended);
    for (int i = 0; i < n; i++) {
        assert_int_equal(w->values[i], i);
    }
}

/* The member this client uses fails by `signal`; times are printed. */
static void fail_current(int signal_, const char *name)
{
    struct etcd *e = etcd_start(3);
    struct client *c = etcd_client(e);
    struct watcher w = { .want = 10 };
    int64_t now = must_put(c, "f0", "", 0);
    struct client_watch *cw = watch(c, &w, now + 1);
    uint64_t start;
    uint64_t read_ms;
    uint64_t watch_ms;
    size_t k;
    autofree char *value = NULL;

    put_numbers(c, 0, 10);
    assert_true(run_until(e->loop, enough, &w, 5000));
    k = etcd_by_address(e, client_endpoint(c));
    start = clock_mono_ms();
    assert_int_equal(process_kill(e->members[k].process, signal_), 0);
    assert_true(run_until(e->loop, moved, &w, 10000));
    watch_ms = clock_mono_ms() - start;
    value = must_get(c, "f/a");
    read_ms = clock_mono_ms() - start;
    assert_string_equal(value, "9");
    assert_int_not_equal(etcd_by_address(e, client_endpoint(c)), k);
    print_message("%s: watch moved after %u ms, first linearizable read after %u ms\n", name,
                  (unsigned)watch_ms, (unsigned)read_ms);
    assert_true(watch_ms <= FAILOVER_MS);
    /* If it led, a new leader had to be elected first. */
    assert_true(read_ms <= FAILOVER_MS + ELECTION_MS);
    put_numbers(c, 10, 20);
    w.want = 20;
    assert_true(run_until(e->loop, enough, &w, 5000));
    assert_exactly_once(&w, 20);
    if (e->members[k].process != NULL) {
        process_kill(e->members[k].process, SIGCONT);
    }
    client_watch_stop(cw);
    client_free(c);
    etcd_stop(e);
}

static void a_killed_member_is_left_within_two_seconds_and_no_event_is_lost(void **state)
{
    (void)state;
    fail_current(SIGKILL, "killed");
}

static void a_hanging_member_is_left_within_two_seconds_and_no_event_is_lost(void **state)
{
    (void)state;
    fail_current(SIGSTOP, "stopped");
}

static void a_dead_first_endpoint_costs_less_than_half_a_second(void **state)
{
    struct etcd *e = etcd_shared();
    const char *endpoints[] = { "127.0.0.1:1", e->members[0].address };
    struct client_options options = { .loop = e->loop, .endpoints = endpoints, .n_endpoints = 2 };
    struct client *c = NULL;
    uint64_t start = clock_mono_ms();

    (void)state;
    assert_int_equal(client_new(&options, &c, NULL), 0);
    must_put(c, "x", "y", 0);
    assert_true(clock_mono_ms() - start < 500);
    assert_string_equal(client_endpoint(c), e->members[0].address);
    client_free(c);
}

int test_failover_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_first_endpoint_costs_less_than_half_a_second),
        cmocka_unit_test(a_killed_member_is_left_within_two_seconds_and_no_event_is_lost),
        cmocka_unit_test(a_hanging_member_is_left_within_two_seconds_and_no_event_is_lost),
    };

    return cmocka_run_group_tests_name("client/failover", tests, NULL, NULL);
}
