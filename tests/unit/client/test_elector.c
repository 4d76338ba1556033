/* Elections against a real etcd: one leader at a time, and the next one takes over. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <signal.h>
#include <stdio.h>

#include "client/elector.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"

struct stander {
    struct elector *elector;
    struct stander *rival;
    bool leading;
    int64_t fence;
    size_t changes;
    char leader[32];
};

static void on_leading(void *arg, bool leading, int64_t fence)
{
    struct stander *s = arg;

    assert_true(leading != s->leading);
    assert_false(leading && s->rival != NULL && s->rival->leading);
    s->leading = leading;
    s->fence = fence;
    s->changes++;
}

static void on_leader(void *arg, const char *identity)
{
    struct stander *s = arg;

    snprintf(s->leader, sizeof s->leader, "%s", identity);
}

static void stand(struct stander *s, struct client *c, const char *election, const char *identity)
{
    struct elector_options options = {
        .client = c,
        .election = election,
        .identity = identity,
        .ttl_s = 2,
        .seed = 1,
        .on_leading = on_leading,
        .on_leader = on_leader,
        .arg = s,
    };

    s->elector = elector_new(&options);
}

static bool sees_leader(void *arg)
{
    return ((struct stander *)arg)->leader[0] != 0;
}

static bool not_leading(void *arg)
{
    return !((struct stander *)arg)->leading;
}

static void a_second_one_waits_and_takes_over_at_once_when_the_first_resigns(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct stander a = { 0 };
    struct stander b = { .rival = &a };
    uint64_t start;

    (void)state;
    a.rival = &b;
    stand(&a, c, "/elect/1", "a");
    assert_true(run_until_set(e->loop, &a.leading, 5000));
    stand(&b, c, "/elect/1", "b");
    assert_true(run_until(e->loop, sees_leader, &b, 5000));
    assert_string_equal(b.leader, "a");
    assert_false(elector_leading(b.elector));
    start = clock_mono_ms();
    a.leading = false;
    a.elector = elector_free(a.elector);
    assert_true(run_until_set(e->loop, &b.leading, 5000));
    assert_true(clock_mono_ms() - start < 1000); /* not its time to live */
    assert_true(b.fence > a.fence);
    assert_string_equal(elector_leader(b.elector), "b");
    elector_free(b.elector);
    client_free(c);
}

static void set(void *arg)
{
    *(bool *)arg = true;
}

static void a_leader_that_closes_its_client_in_order_has_resigned(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *ca = etcd_client(e);
    struct client *cb = etcd_client(e);
    struct stander a = { 0 };
    struct stander b = { 0 };
    bool closed = false;
    uint64_t start;

    (void)state;
    stand(&a, ca, "/elect/5", "a");
    assert_true(run_until_set(e->loop, &a.leading, 5000));
    stand(&b, cb, "/elect/5", "b");
    assert_true(run_until(e->loop, sees_leader, &b, 5000));
    start = clock_mono_ms();
    elector_free(a.elector);
    client_close(ca, 500, set, &closed);
    assert_true(run_until_set(e->loop, &closed, 2000));
    assert_true(run_until_set(e->loop, &b.leading, 5000));
    assert_true(clock_mono_ms() - start < 1000);
    elector_free(b.elector);
    client_free(cb);
}

/* The leader's loop does not turn: as if its process were stopped, or dead. */
static void a_standby_takes_over_from_a_frozen_leader_that_then_steps_down(void **state)
{
    struct etcd *e = etcd_shared();
    struct loop *loop = loop_new();
    struct client *ca = etcd_client_on(e, loop);
    struct client *cb = etcd_client(e);
    struct stander a = { 0 };
    struct stander b = { 0 };
    uint64_t start;

    (void)state;
    stand(&a, ca, "/elect/2", "a");
    assert_true(run_until_set(loop, &a.leading, 5000));
    stand(&b, cb, "/elect/2", "b");
    assert_true(run_until(e->loop, sees_leader, &b, 5000));
    start = clock_mono_ms();
    assert_true(run_until_set(e->loop, &b.leading, 6000));
    print_message("took over %u ms after the leader froze (TTL 2 s)\n",
                  (unsigned)(clock_mono_ms() - start));
    assert_true(clock_mono_ms() - start <= 4000);
    assert_true(run_until(loop, not_leading, &a, 1000));
    assert_false(elector_leading(a.elector));
    elector_free(a.elector);
    elector_free(b.elector);
    client_free(ca);
    client_free(cb);
    run_turns(loop);
    loop_free(loop);
}

static void a_leader_cut_off_from_the_store_steps_down_in_time_and_comes_back(void **state)
{
    struct etcd *e = etcd_start(1);
    struct client *c = etcd_client(e);
    struct stander a = { 0 };
    uint64_t start;

    (void)state;
    stand(&a, c, "/elect/3", "a");
    assert_true(run_until_set(e->loop, &a.leading, 5000));
    process_kill(e->members[0].process, SIGSTOP);
    start = clock_mono_ms();
    assert_true(run_until(e->loop, not_leading, &a, 5000));
    assert_true(clock_mono_ms() - start <= 2300);
    process_kill(e->members[0].process, SIGCONT);
    assert_true(run_until_set(e->loop, &a.leading, 10000));
    assert_int_equal(a.changes, 3);
    elector_free(a.elector);
    client_free(c);
    etcd_stop(e);
}

static void a_leader_whose_key_is_deleted_steps_down_and_stands_again(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct client *other = etcd_client(e);
    struct stander a = { 0 };
    int64_t first;
    bool done = false;
    struct client_guard guard;

    (void)state;
    stand(&a, c, "/elect/4", "a");
    assert_true(run_until_set(e->loop, &a.leading, 5000));
    first = a.fence;
    guard = elector_guard(a.elector);
    assert_int_equal(guard.mod_revision, first);
    client_delete(other, guard.key, slice_str(""), etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 5000));
    assert_true(run_until(e->loop, not_leading, &a, 5000));
    assert_true(run_until_set(e->loop, &a.leading, 5000));
    assert_true(a.fence > first);
    elector_free(a.elector);
    client_free(other);
    client_free(c);
}

int test_elector_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_one_waits_and_takes_over_at_once_when_the_first_resigns),
        cmocka_unit_test(a_leader_that_closes_its_client_in_order_has_resigned),
        cmocka_unit_test(a_standby_takes_over_from_a_frozen_leader_that_then_steps_down),
        cmocka_unit_test(a_leader_cut_off_from_the_store_steps_down_in_time_and_comes_back),
        cmocka_unit_test(a_leader_whose_key_is_deleted_steps_down_and_stands_again),
    };

    return cmocka_run_group_tests_name("client/elector", tests, NULL, NULL);
}
