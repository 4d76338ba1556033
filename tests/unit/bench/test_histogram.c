/* Percentiles against the sorted values themselves. */
#include "tests/unit/bench/tests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/histogram.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"

static int setup(void **state)
{
    struct histogram *h = mem_alloc(sizeof *h);
    histogram_init(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    mem_free(*state);
    return 0;
}

static void an_empty_histogram_answers_zero(void **state)
{
    struct histogram *h = *state;
    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_true(histogram_mean(h) == 0);
}

static void small_values_are_exact(void **state)
{
    struct histogram *h = *state;
    for (uint64_t v = 1; v <= 100; v++) {
        histogram_record(h, v);
    }
    assert_int_equal(histogram_percentile(h, 50), 50);
    assert_int_equal(histogram_percentile(h, 99), 99);
    assert_int_equal(histogram_percentile(h, 100), 100);
    assert_int_equal(histogram_percentile(h, 0), 1);
    assert_true(histogram_mean(h) == 50.5);
    assert_int_equal(h->min, 1);
    assert_int_equal(h->max, 100);
}

static void a_value_reads_back_at_most_one_128th_higher(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    struct histogram *h = mem_alloc(sizeof *h);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rng_u64(&rng) >> rng_range(&rng, 28, 63);
        histogram_init(h);
        histogram_record(h, v);
        histogram_record(h, UINT64_C(1) << 36); /* so that max does not cap it */
        uint64_t back = histogram_percentile(h, 50);
        assert_true(back >= v);
        assert_true(back - v <= v / HISTOGRAM_SUB);
    }
    mem_free(h);
}

static void neighbouring_buckets_leave_no_gap(void **state)
{
    struct histogram *h = *state;
    static const uint64_t edges[] = { 127, 128, 255, 256, 257, 511, 512, 1023, 1024 };
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        histogram_init(h);
        histogram_record(h, edges[i]);
        histogram_record(h, edges[i] * 4);
        uint64_t back = histogram_percentile(h, 50);
        assert_true(back >= edges[i] && back <= edges[i] + edges[i] / HISTOGRAM_SUB);
    }
}

static void what_is_too_large_counts_and_the_maximum_is_kept(void **state)
{
    struct histogram *h = *state;
    histogram_record(h, UINT64_MAX / 2);
    histogram_record(h, 5);
    assert_int_equal(h->n, 2);
    assert_int_equal(histogram_percentile(h, 50), 5);
    assert_true(histogram_percentile(h, 99) == UINT64_MAX / 2);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_match_the_sorted_values(void **state)
{
    enum { N = 5000 };
    struct histogram *h = *state;
    struct rng rng;
    rng_init(&rng, 11);
    uint64_t *values = mem_alloc(N * sizeof *values);
    for (size_t i = 0; i < N; i++) {
        values[i] = rng_u64(&rng) >> rng_range(&rng, 34, 60);
        histogram_record(h, values[i]);
    }
    qsort(values, N, sizeof *values, by_size);
    static const unsigned percents[] = { 1, 25, 50, 90, 99 };
    for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
        uint64_t exact = values[N * percents[i] / 100 - 1];
        uint64_t got = histogram_percentile(h, percents[i]);
        assert_true(got >= exact && got - exact <= exact / HISTOGRAM_SUB);
    }
    mem_free(values);
}

static void two_histograms_add_up(void **state)
{
    struct histogram *h = *state;
    struct histogram *other = mem_alloc(sizeof *other);
    histogram_init(other);
    histogram_record(h, 10);
    histogram_record(other, 20);
    histogram_record(other, 2);
    histogram_add(h, other);
    mem_free(other);
    assert_int_equal(h->n, 3);
    assert_int_equal(h->sum, 32);
    assert_int_equal(h->min, 2);
    assert_int_equal(h->max, 20);
    assert_int_equal(histogram_percentile(h, 50), 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_histogram_run(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(an_empty_histogram_answers_zero),
        TEST(small_values_are_exact),
        TEST(a_value_reads_back_at_most_one_128th_higher),
        TEST(neighbouring_buckets_leave_no_gap),
        TEST(what_is_too_large_counts_and_the_maximum_is_kept),
        TEST(percentiles_match_the_sorted_values),
        TEST(two_histograms_add_up),
    };
    return cmocka_run_group_tests_name("bench histogram", tests, NULL, NULL);
}
