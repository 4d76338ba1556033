/* Automatic compaction's schedule, in virtual time: that of etcd. Once its window is full, what is
 * compacted is a retention and one look (a tenth) old: the newest note is as old as a look. */
#include "fixture.h"

#include <string.h>

#include "server/compactor.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* A member whose revision is 10 a minute, looked at every second. */
struct clockwork {
    struct compactor c;
    uint64_t now_ms;
    bool leads, fails;
    uint64_t at_ms[64]; /* compactions */
    int64_t to[64];
    size_t n;
};

static int64_t revision_at(uint64_t ms)
{
    return 1 + (int64_t)(ms / (6 * SECOND));
}

static void begin(struct clockwork *w, enum compactor_mode mode, int64_t retention)
{
    memset(w, 0, sizeof *w);
    w->leads = true;
    compactor_init(&w->c, mode, retention, 0, revision_at(0));
}

static void run_to(struct clockwork *w, uint64_t until_ms)
{
    for (; w->now_ms <= until_ms; w->now_ms += SECOND) {
        int64_t to = compactor_due(&w->c, w->now_ms, revision_at(w->now_ms), w->leads);
        if (to == 0) {
            continue;
        }
        assert_true(w->n < 64);
        w->at_ms[w->n] = w->now_ms;
        w->to[w->n++] = to;
        assert_int_equal(compactor_due(&w->c, w->now_ms, 1 << 30, true), 0); /* one at a time */
        compactor_done(&w->c, w->now_ms, revision_at(w->now_ms), !w->fails);
    }
}

static void assert_compaction(const struct clockwork *w, size_t i, uint64_t at_ms, int64_t to)
{
    assert_in_range(i, 0, w->n - 1);
    assert_int_equal(w->at_ms[i], at_ms);
    assert_int_equal(w->to[i], to);
}

static void an_hour_is_kept_and_compacted_hourly(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_PERIODIC, HOUR);
    run_to(&w, HOUR - SECOND);
    assert_int_equal(w.n, 0);
    run_to(&w, 4 * HOUR);
    assert_int_equal(w.n, 4);
    assert_compaction(&w, 0, HOUR, revision_at(0));
    for (uint64_t i = 1; i < 4; i++) {
        assert_compaction(&w, i, (i + 1) * HOUR, revision_at(i * HOUR - 6 * MINUTE));
    }
    compactor_fini(&w.c);
}

static void a_day_is_kept_and_compacted_hourly_after_it(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_PERIODIC, 24 * INT64_C(3600000));
    run_to(&w, 24 * (uint64_t)HOUR - SECOND);
    assert_int_equal(w.n, 0);
    run_to(&w, 27 * (uint64_t)HOUR);
    assert_int_equal(w.n, 4);
    assert_compaction(&w, 0, 24 * (uint64_t)HOUR, revision_at(0));
    for (uint64_t i = 1; i < 4; i++) {
        assert_compaction(&w, i, (24 + i) * HOUR, revision_at(i * HOUR - 6 * MINUTE));
    }
    compactor_fini(&w.c);
}

static void ten_minutes_are_kept_and_compacted_every_ten(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_PERIODIC, 10 * MINUTE);
    run_to(&w, HOUR);
    assert_int_equal(w.n, 6);
    assert_compaction(&w, 0, 10 * MINUTE, revision_at(0));
    assert_compaction(&w, 5, 60 * MINUTE, revision_at(49 * MINUTE));
    compactor_fini(&w.c);
}

static void what_failed_is_tried_again_after_a_tenth(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_PERIODIC, HOUR);
    w.fails = true;
    run_to(&w, HOUR + 12 * MINUTE);
    assert_int_equal(w.n, 3);
    assert_compaction(&w, 1, HOUR + 6 * MINUTE, revision_at(0));
    assert_compaction(&w, 2, HOUR + 12 * MINUTE, revision_at(6 * MINUTE));
    w.fails = false;
    run_to(&w, HOUR + 18 * MINUTE);
    assert_compaction(&w, 3, HOUR + 18 * MINUTE, revision_at(12 * MINUTE));
    run_to(&w, 2 * HOUR + 18 * MINUTE); /* an hour from the success */
    assert_int_equal(w.n, 5);
    assert_compaction(&w, 4, 2 * HOUR + 18 * MINUTE, revision_at(HOUR + 12 * MINUTE));
    compactor_fini(&w.c);
}

static void only_a_leader_compacts_and_a_new_one_knows_the_past(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_PERIODIC, HOUR);
    w.leads = false;
    run_to(&w, 3 * HOUR);
    assert_int_equal(w.n, 0);
    w.leads = true;
    run_to(&w, 3 * HOUR + 6 * MINUTE);
    assert_int_equal(w.n, 1);
    assert_compaction(&w, 0, 3 * HOUR + 6 * MINUTE, revision_at(2 * HOUR));
    compactor_fini(&w.c);
}

static void where_nothing_is_written_nothing_is_compacted_twice(void **state)
{
    (void)state;
    struct compactor c;
    size_t n = 0;
    compactor_init(&c, COMPACT_PERIODIC, HOUR, 0, 7);
    for (uint64_t now = 0; now < 10 * (uint64_t)HOUR; now += SECOND) {
        if (compactor_due(&c, now, 7, true) != 0) {
            n++;
            compactor_done(&c, now, 7, true);
        }
    }
    assert_int_equal(n, 1);
    compactor_fini(&c);
}

static void the_newest_revisions_are_kept_every_five_minutes(void **state)
{
    (void)state;
    struct clockwork w;
    begin(&w, COMPACT_REVISION, 80);
    run_to(&w, 5 * MINUTE); /* revision 51: fewer than are kept */
    assert_int_equal(w.n, 0);
    run_to(&w, 15 * MINUTE);
    assert_int_equal(w.n, 2);
    assert_compaction(&w, 0, 10 * MINUTE, 101 - 80);
    assert_compaction(&w, 1, 15 * MINUTE, 151 - 80);
    compactor_fini(&w.c);
}

static void a_retention_of_nothing_compacts_never(void **state)
{
    (void)state;
    static const enum compactor_mode modes[] = { COMPACT_NEVER, COMPACT_PERIODIC,
                                                 COMPACT_REVISION };
    for (size_t i = 0; i < 3; i++) {
        struct clockwork w;
        begin(&w, modes[i], 0);
        run_to(&w, 3 * HOUR);
        assert_int_equal(w.n, 0);
        compactor_fini(&w.c);
    }
}

/* The shortest retention, and the longest with all that it notes. */
static void retentions_are_bounded(void **state)
{
    (void)state;
    struct compactor c;
    compactor_init(&c, COMPACT_PERIODIC, 1, 0, 5);
    assert_int_equal(compactor_due(&c, 1, 6, true), 5);
    compactor_done(&c, 1, 6, true);
    assert_int_equal(compactor_due(&c, 2, 7, true), 0); /* that was the last one, too */
    assert_int_equal(compactor_due(&c, 3, 8, true), 6);
    compactor_fini(&c);
    compactor_init(&c, COMPACT_PERIODIC, COMPACTOR_PERIOD_MAX_MS, 0, 5);
    assert_int_equal(c.noted_max, 876001);
    compactor_fini(&c);
}

int test_compactor_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_is_kept_and_compacted_hourly),
        cmocka_unit_test(a_day_is_kept_and_compacted_hourly_after_it),
        cmocka_unit_test(ten_minutes_are_kept_and_compacted_every_ten),
        cmocka_unit_test(what_failed_is_tried_again_after_a_tenth),
        cmocka_unit_test(only_a_leader_compacts_and_a_new_one_knows_the_past),
        cmocka_unit_test(where_nothing_is_written_nothing_is_compacted_twice),
        cmocka_unit_test(the_newest_revisions_are_kept_every_five_minutes),
        cmocka_unit_test(a_retention_of_nothing_compacts_never),
        cmocka_unit_test(retentions_are_bounded),
    };
    return cmocka_run_group_tests_name("server/compactor", tests, NULL, NULL);
}
