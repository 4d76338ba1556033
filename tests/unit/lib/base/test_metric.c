/* Metrics: identity of series, histograms, and the text that Prometheus reads. */
#include "test.h"

#include <pthread.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/metric.h"

static void a_series_is_known_by_name_and_labels(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric *a = metrics_counter(m, "calls_total", "method=\"Range\"", "Calls.");
    struct metric *b = metrics_counter(m, "calls_total", "method=\"Put\"", "Calls.");
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(a, metrics_counter(m, "calls_total", "method=\"Range\"", "Calls."));
    metric_add(a, 2);
    metric_add(a, 1);
    assert_true(metric_get(a) == 3 && metric_get(b) == 0);
    metrics_free(m);
}

static void the_text_has_one_head_a_family(void **state)
{
    (void)state;
    autobuf out = BUF_INIT;
    struct metrics *m = metrics_new();
    metric_add(metrics_counter(m, "c_total", "x=\"1\"", "A counter."), 5);
    metric_set(metrics_gauge(m, "g", NULL, "A gauge."), -0.5);
    metric_add(metrics_counter(m, "c_total", "x=\"2\"", "A counter."), 1e6);
    metrics_print(m, &out);
    assert_string_equal(buf_str(&out), "# HELP c_total A counter.\n"
                                       "# TYPE c_total counter\n"
                                       "c_total{x=\"1\"} 5\n"
                                       "c_total{x=\"2\"} 1000000\n"
                                       "# HELP g A gauge.\n"
                                       "# TYPE g gauge\n"
                                       "g -0.5\n");
    metrics_free(m);
}

static void histogram_buckets_are_cumulative_and_include_their_edge(void **state)
{
    (void)state;
    autobuf out = BUF_INIT;
    struct metrics *m = metrics_new();
    struct metric *h = metrics_histogram(m, "h", NULL, "H.", 0.1, 3);
    metric_observe(h, 0.1);
    metric_observe(h, 0.3);
    metric_observe(h, 5);
    metrics_print(m, &out);
    assert_string_equal(buf_str(&out), "# HELP h H.\n"
                                       "# TYPE h histogram\n"
                                       "h_bucket{le=\"0.1\"} 1\n"
                                       "h_bucket{le=\"0.2\"} 1\n"
                                       "h_bucket{le=\"0.4\"} 2\n"
                                       "h_bucket{le=\"+Inf\"} 3\n"
                                       "h_sum 5.4\n"
                                       "h_count 3\n");
    metrics_free(m);
}

static void quantiles_fall_into_the_right_bucket(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric *h = metrics_histogram(m, "h", "a=\"b\"", "H.", 1, 10);
    assert_true(metric_quantile(h, 0.5) == 0);
    for (int i = 0; i < 90; i++) {
        metric_observe(h, 1.5);
    }
    for (int i = 0; i < 10; i++) {
        metric_observe(h, 100);
    }
    double p50 = metric_quantile(h, 0.5);
    double p99 = metric_quantile(h, 0.99);
    assert_true(p50 > 1 && p50 <= 2);
    assert_true(p99 > 64 && p99 <= 128);
    metric_observe(h, 1e9);
    assert_true(metric_quantile(h, 1) == 512);
    metrics_free(m);
}

enum { ADDS = 20000 };

static void *add_many(void *arg)
{
    for (int i = 0; i < ADDS; i++) {
        metric_add(arg, 1);
    }
    return NULL;
}

static void adding_from_two_threads_loses_nothing(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct metric *c = metrics_counter(m, "c", NULL, "C.");
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, add_many, c), 0);
    add_many(c);
    pthread_join(t, NULL);
    assert_true(metric_get(c) == 2 * ADDS);
    metrics_free(m);
}

static void change_type(void)
{
    struct metrics *m = metrics_new();
    (void)metrics_counter(m, "x", NULL, "X.");
    (void)metrics_gauge(m, "x", NULL, "X.");
}

static void one_name_with_two_types_is_a_bug(void **state)
{
    (void)state;
    assert_true(child_aborts(change_type, "precondition failed"));
}

int test_metric_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_is_known_by_name_and_labels),
        cmocka_unit_test(the_text_has_one_head_a_family),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_include_their_edge),
        cmocka_unit_test(quantiles_fall_into_the_right_bucket),
        cmocka_unit_test(adding_from_two_threads_loses_nothing),
        cmocka_unit_test(one_name_with_two_types_is_a_bug),
    };
    return cmocka_run_group_tests_name("base/metric", tests, NULL, NULL);
}
