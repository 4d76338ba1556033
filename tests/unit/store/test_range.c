/* Range: bounds, revisions, count, limit, filters, sorting. */
#include <stdio.h>

#include "tests/unit/store/world.h"

/* Revisions: a 2, b 3, c 4, a again 5, b deleted 6, d 7. */
static void fill(struct world *w)
{
    put(w, "a", "3");
    put(w, "b", "2");
    put(w, "c", "1");
    put(w, "a", "9");
    del(w, "b");
    put(w, "d", "2");
}

static struct range_request all(void)
{
    return (struct range_request){ .key = slice_str("a"), .range_end = slice_make("", 1) };
}

static void no_end_means_one_key(void **state)
{
    struct world *w = *state;
    fill(w);
    put(w, "aa", "x");
    assert_string_equal(get(w, "a"), "a=9");
    assert_string_equal(get(w, "b"), "");
}

static void an_end_is_not_included(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(keys_text(w, "a", "d"), "a=9 c=1");
    assert_string_equal(keys_text(w, "b", "b"), "");
    assert_string_equal(keys_text(w, "c", "a"), "");
}

static void a_zero_byte_as_end_means_all_keys_from_there(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(keys_text(w, "b", "*"), "c=1 d=2");
    struct range_request r = { .key = slice_make("", 1), .range_end = slice_make("", 1) };
    assert_string_equal(range_text(w, r), "a=9 c=1 d=2");
}

static void a_read_at_an_old_revision_sees_that_revision(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = all();
    r.revision = 4;
    assert_string_equal(range_text(w, r), "a=3 b=2 c=1");
    r.revision = 6;
    assert_string_equal(range_text(w, r), "a=9 c=1");
    r.revision = 1;
    assert_string_equal(range_text(w, r), "");
    assert_string_equal(get_at(w, "b", 5), "b=2");
    assert_string_equal(get_at(w, "b", 6), "");
}

static void an_order_that_is_not_named_sorts_the_first_keys(void **state)
{
    struct world *w = *state;
    put(w, "a", "3");
    put(w, "b", "2");
    put(w, "c", "1");
    struct range_request r = all();
    r.sort_target = SORT_VALUE;
    r.limit = 1;
    assert_string_equal(range_text(w, r), "b=2 +"); /* the least of a and b, one more than asked */
    r.sort_order = SORT_ASCEND;
    assert_string_equal(range_text(w, r), "c=1 +");
    r.sort_order = SORT_NONE;
    r.min_mod_revision = 1; /* with a filter nothing is cut before */
    assert_string_equal(range_text(w, r), "c=1 +");
    r.limit = 0;
    assert_string_equal(range_text(w, r), "c=1 b=2 a=3");
}

static void a_future_revision_is_refused(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(get_at(w, "a", 7), "a=9");
    assert_string_equal(get_at(w, "a", 8), "E_FUTURE_REV");
}

static void count_is_the_total_whatever_limit_and_filters_say(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = all();
    r.limit = 1;
    r.min_mod_revision = 6;
    struct range_result result = { 0 };
    assert_int_equal(store_range(w->store, &r, &w->arena, &result), 0);
    assert_int_equal(result.count, 3);
    assert_int_equal(result.n, 1);
    assert_false(result.more); /* only d passes the filter */
    range_result_unref(&result);
}

static void count_only_counts_at_every_revision(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_int_equal(count_at_revision(w, "a", "*", 0), 3);
    assert_int_equal(count_at_revision(w, "a", "*", 4), 3);
    assert_int_equal(count_at_revision(w, "a", "*", 6), 2);
    assert_int_equal(count_at_revision(w, "b", "d", 5), 2);
    assert_int_equal(count_at_revision(w, "b", "d", 6), 1);
    assert_int_equal(count_at_revision(w, "b", "", 6), 0);
}

static void a_limit_cuts_and_says_more(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = all();
    r.limit = 2;
    assert_string_equal(range_text(w, r), "a=9 c=1 +");
    r.limit = 3;
    assert_string_equal(range_text(w, r), "a=9 c=1 d=2");
    r.limit = -1;
    assert_string_equal(range_text(w, r), "a=9 c=1 d=2");
    r.limit = 1;
    r.revision = 4;
    assert_string_equal(range_text(w, r), "a=3 +");
}

static void pages_at_one_revision_show_every_key_once(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = { .key = slice_str("a"), .range_end = slice_str("z"), .limit = 2,
                               .revision = 4 };
    assert_string_equal(range_text(w, r), "a=3 b=2 +");
    r.key = slice_make("b", 2); /* "b\0": just after the last */
    assert_string_equal(range_text(w, r), "c=1");
}

static void sorting_by_each_target_works_both_ways(void **state)
{
    struct world *w = *state;
    fill(w);
    put(w, "c", "5"); /* revision 8 */
    struct range_request r = all();
    r.sort_order = SORT_DESCEND;
    assert_string_equal(range_text(w, r), "d=2 c=5 a=9");
    r.sort_target = SORT_VALUE;
    assert_string_equal(range_text(w, r), "a=9 c=5 d=2");
    r.sort_order = SORT_ASCEND;
    assert_string_equal(range_text(w, r), "d=2 c=5 a=9");
    r.sort_target = SORT_MOD;
    assert_string_equal(range_text(w, r), "a=9 d=2 c=5");
    r.sort_target = SORT_CREATE;
    r.sort_order = SORT_DESCEND;
    assert_string_equal(range_text(w, r), "d=2 c=5 a=9");
    r.sort_target = SORT_VERSION;
    r.sort_order = SORT_ASCEND;
    assert_string_equal(range_text(w, r), "d=2 a=9 c=5");
}

static void a_target_without_an_order_ascends(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = all();
    r.sort_target = SORT_VALUE;
    r.limit = 2;
    assert_string_equal(range_text(w, r), "c=1 d=2 +"); /* sorted before cut */
}

static void filters_apply_before_the_limit(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = all();
    r.limit = 1;
    r.max_mod_revision = 6;
    assert_string_equal(range_text(w, r), "a=9 +");
    r.max_mod_revision = 4;
    assert_string_equal(range_text(w, r), "c=1");
    r.max_mod_revision = 0;
    r.min_create_revision = 5;
    assert_string_equal(range_text(w, r), "d=2");
    r.min_create_revision = 0;
    r.max_create_revision = 2;
    assert_string_equal(range_text(w, r), "a=9");
}

static void a_result_outlives_the_key(void **state)
{
    struct world *w = *state;
    fill(w);
    struct range_request r = { .key = slice_str("c") };
    struct range_result result = { 0 };
    assert_int_equal(store_range(w->store, &r, &w->arena, &result), 0);
    del(w, "c");
    compact(w, store_revision(w->store));
    sweep(w);
    struct kv_view kv;
    record_view(result.kvs[0], &kv);
    assert_memory_equal(kv.value.data, "1", 1);
    range_result_unref(&result);
}

static void a_thousand_versions_are_all_reachable(void **state)
{
    struct world *w = *state;
    char text[16], expected[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        put(w, "k", text);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(expected, sizeof expected, "k=%d", i);
        assert_string_equal(get_at(w, "k", i + 2), expected);
    }
    compact(w, 500);
    sweep(w);
    for (int i = 0; i < 600; i++) {
        put(w, "k", "later");
    }
    assert_string_equal(get_at(w, "k", 500), "k=498");
    assert_string_equal(get_at(w, "k", 900), "k=898");
    assert_string_equal(get_at(w, "k", 499), "E_COMPACTED");
}

int test_range_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(no_end_means_one_key),
        WORLD_TEST(an_end_is_not_included),
        WORLD_TEST(a_zero_byte_as_end_means_all_keys_from_there),
        WORLD_TEST(a_read_at_an_old_revision_sees_that_revision),
        WORLD_TEST(an_order_that_is_not_named_sorts_the_first_keys),
        WORLD_TEST(a_future_revision_is_refused),
        WORLD_TEST(count_is_the_total_whatever_limit_and_filters_say),
        WORLD_TEST(count_only_counts_at_every_revision),
        WORLD_TEST(a_limit_cuts_and_says_more),
        WORLD_TEST(pages_at_one_revision_show_every_key_once),
        WORLD_TEST(sorting_by_each_target_works_both_ways),
        WORLD_TEST(a_target_without_an_order_ascends),
        WORLD_TEST(filters_apply_before_the_limit),
        WORLD_TEST(a_result_outlives_the_key),
        WORLD_TEST(a_thousand_versions_are_all_reachable),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
