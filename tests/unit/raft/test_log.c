/* The in-memory log. */
#include "test.h"

#include "raft/log.h"

static struct value *data(uint64_t i)
{
    return value_new(&i, sizeof i);
}

static void entries_are_found_by_index_while_both_ends_move(void **state)
{
    (void)state;
    struct entry_log l;
    entry_log_init(&l, 5);
    assert_null(entry_log_get(&l, 5));
    for (uint64_t i = 5; i < 2005; i++) {
        entry_log_append(&l, i / 100 + 1, 1, data(i));
        if (i >= 105) {
            entry_log_compact(&l, i - 100);
        }
    }
    assert_int_equal(l.first, 1905);
    assert_int_equal(l.last, 2004);
    assert_int_equal(l.bytes, 100 * sizeof(uint64_t));
    for (uint64_t i = l.first; i <= l.last; i++) {
        const struct entry *e = entry_log_get(&l, i);
        assert_int_equal(e->term, i / 100 + 1);
        assert_memory_equal(e->data->data, &i, sizeof i);
    }
    assert_null(entry_log_get(&l, 1904));
    assert_null(entry_log_get(&l, 2005));
    entry_log_fini(&l);
}

static void truncation_drops_the_tail_and_the_log_grows_on(void **state)
{
    (void)state;
    struct entry_log l;
    entry_log_init(&l, 1);
    for (uint64_t i = 1; i <= 10; i++) {
        entry_log_append(&l, 1, 1, data(i));
    }
    entry_log_truncate(&l, 4);
    assert_int_equal(l.last, 3);
    assert_null(entry_log_get(&l, 4));
    entry_log_append(&l, 2, 1, data(40));
    assert_int_equal(entry_log_get(&l, 4)->term, 2);
    entry_log_truncate(&l, 5); /* nothing to drop */
    assert_int_equal(l.last, 4);
    entry_log_reset(&l, 100);
    assert_int_equal(l.first, 100);
    assert_int_equal(l.last, 99);
    assert_int_equal(l.bytes, 0);
    entry_log_fini(&l);
}

static void compaction_never_passes_the_end(void **state)
{
    (void)state;
    struct entry_log l;
    entry_log_init(&l, 1);
    entry_log_append(&l, 1, 1, data(1));
    entry_log_compact(&l, 1000);
    assert_int_equal(l.first, 2);
    assert_int_equal(l.last, 1);
    entry_log_append(&l, 1, 1, data(2));
    assert_non_null(entry_log_get(&l, 2));
    entry_log_fini(&l);
}

int test_log_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_by_index_while_both_ends_move),
        cmocka_unit_test(truncation_drops_the_tail_and_the_log_grows_on),
        cmocka_unit_test(compaction_never_passes_the_end),
    };
    return cmocka_run_group_tests_name("raft/log", tests, NULL, NULL);
}
