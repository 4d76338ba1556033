/* When a disk counts as too slow to lead, in virtual time; an election timeout of 1 s. */
#include "test.h"

#include "raft/disk_health.h"

enum { QUICK_US = 5000, SLOW_US = 600000 };

struct clocked {
    struct disk_health h;
    uint64_t now_ms;
};

static struct clocked begin(void)
{
    struct clocked c = { .now_ms = 77000 };
    disk_health_init(&c.h, 1000);
    return c;
}

static void sync_each(struct clocked *c, unsigned n, uint64_t took_us, uint64_t every_ms)
{
    for (unsigned i = 0; i < n; i++) {
        c->now_ms += every_ms;
        disk_health_synced(&c->h, c->now_ms, took_us);
    }
}

static void a_quick_disk_is_never_slow(void **state)
{
    (void)state;
    struct clocked c = begin();
    for (unsigned i = 0; i < 2000; i++) {
        sync_each(&c, 1, i % 7 == 0 ? 500000 : QUICK_US, 10); /* the limit itself is not over it */
        assert_false(c.h.slow);
    }
}

static void one_or_two_hiccups_are_none(void **state)
{
    (void)state;
    struct clocked c = begin();
    sync_each(&c, 2, SLOW_US, 600);
    assert_false(c.h.slow);
    sync_each(&c, 1, SLOW_US, 600);
    assert_true(c.h.slow);
}

static void what_is_older_than_the_window_does_not_count(void **state)
{
    (void)state;
    struct clocked c = begin();
    sync_each(&c, 50, SLOW_US, 2600); /* two in any five seconds */
    assert_false(c.h.slow);
}

static void it_takes_more_than_one_in_a_hundred(void **state)
{
    (void)state;
    struct clocked c = begin();
    sync_each(&c, 300, QUICK_US, 10);
    sync_each(&c, 3, SLOW_US, 10);
    assert_false(c.h.slow); /* 3 of 303 */
    sync_each(&c, 1, SLOW_US, 10);
    assert_true(c.h.slow);
}

static void a_disk_that_alternates_stays_slow(void **state)
{
    (void)state;
    struct clocked c = begin();
    sync_each(&c, 3, SLOW_US, 600);
    for (unsigned i = 0; i < 20; i++) {
        sync_each(&c, 100, QUICK_US, 40);
        assert_true(c.h.slow);
        sync_each(&c, 1, SLOW_US, 600);
    }
    sync_each(&c, 130, QUICK_US, 40);
    assert_false(c.h.slow);
}

static void time_alone_does_not_heal(void **state)
{
    (void)state;
    struct clocked c = begin();
    sync_each(&c, 3, SLOW_US, 600);
    sync_each(&c, 7, QUICK_US, 10000);
    assert_true(c.h.slow);
    sync_each(&c, 1, QUICK_US, 10000);
    assert_false(c.h.slow);
}

static void one_that_does_not_end_is_slow_after_two_timeouts(void **state)
{
    (void)state;
    struct clocked c = begin();
    for (unsigned i = 0; i <= 19; i++) {
        disk_health_tick(&c.h, c.now_ms += 100, 1);
        assert_false(c.h.slow);
    }
    disk_health_tick(&c.h, c.now_ms += 100, 1);
    assert_true(c.h.slow);
}

static void each_group_commit_has_a_time_of_its_own(void **state)
{
    (void)state;
    struct clocked c = begin();
    for (unsigned i = 0; i < 200; i++) {
        disk_health_tick(&c.h, c.now_ms += 100, 1 + i / 10);
        disk_health_tick(&c.h, c.now_ms += 100, i % 10 == 9 ? 0 : 1 + i / 10);
        assert_false(c.h.slow);
    }
}

static void a_process_that_was_stopped_does_not_blame_its_disk(void **state)
{
    (void)state;
    struct clocked c = begin();
    for (unsigned i = 0; i < 7; i++) {
        disk_health_tick(&c.h, c.now_ms += 30000, 1);
        assert_false(c.h.slow);
    }
}

int test_disk_health_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quick_disk_is_never_slow),
        cmocka_unit_test(one_or_two_hiccups_are_none),
        cmocka_unit_test(what_is_older_than_the_window_does_not_count),
        cmocka_unit_test(it_takes_more_than_one_in_a_hundred),
        cmocka_unit_test(a_disk_that_alternates_stays_slow),
        cmocka_unit_test(time_alone_does_not_heal),
        cmocka_unit_test(one_that_does_not_end_is_slow_after_two_timeouts),
        cmocka_unit_test(each_group_commit_has_a_time_of_its_own),
        cmocka_unit_test(a_process_that_was_stopped_does_not_blame_its_disk),
    };
    return cmocka_run_group_tests_name("disk health", tests, NULL, NULL);
}
