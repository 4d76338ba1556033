/* What a result is printed as. */
#include "tests/unit/bench/tests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/account.h"
#include "bench/report.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"

static void the_median_ignores_one_bad_window(void **state)
{
    (void)state;
    double odd[] = { 100, 1, 101 };
    double even[] = { 4, 1, 3, 2 };
    assert_true(report_median(odd, 3) == 100);
    assert_true(report_median(even, 4) == 2.5);
    assert_true(report_median(NULL, 0) == 0);
}

static struct bench_result *result_new(double *windows, size_t n)
{
    struct bench_result *r = mem_zalloc(sizeof *r);
    histogram_init(&r->latency);
    histogram_record(&r->latency, 100);
    r->windows = windows;
    r->n_windows = n;
    r->ops = 1000;
    r->errors = 2;
    r->measured_us = 2000000;
    r->server_cpu_us = 25000;
    r->client_cpu_us = 4000;
    memcpy(r->last_error, "boom", 5);
    return r;
}

static void json_holds_the_figures_on_one_line(void **state)
{
    (void)state;
    double windows[] = { 480, 520 };
    struct bench_options o = { .clients = 7, .conns = 2, .n_endpoints = 1, .n_pids = 1 };
    autofree struct bench_result *r = result_new(windows, 2);
    autobuf out = BUF_INIT;
    report_json(&o, load_find("put"), r, &out);
    const char *s = buf_str(&out);
    assert_non_null(strstr(s, "\"ops_per_second\": 500.0"));
    assert_non_null(strstr(s, "\"p99_us\": 100"));
    assert_non_null(strstr(s, "\"errors\": 2"));
    assert_non_null(strstr(s, "\"server_cpu_us_per_op\": 25.00"));
    assert_non_null(strstr(s, "\"client_cpu_us_per_op\": 4.00"));
    assert_ptr_equal(strchr(s, '\n'), s + strlen(s) - 1);
}

/* It may be shorter than a window, or have done all of its work in the last one. */
static void the_rate_of_what_ends_by_itself_is_of_all_its_time(void **state)
{
    (void)state;
    double windows[] = { 0 };
    struct bench_options o = { .clients = 7, .conns = 2, .n_endpoints = 1 };
    autofree struct bench_result *r = result_new(windows, 1);
    autobuf json = BUF_INIT, table = BUF_INIT;
    report_json(&o, load_find("fill"), r, &json);
    report_table(&o, load_find("fill"), r, &table);
    assert_non_null(strstr(buf_str(&json), "\"ops_per_second\": 500.0"));
    assert_non_null(strstr(buf_str(&table), "  throughput  500 keys/s\n"));
}

static void a_lost_server_process_voids_its_figures(void **state)
{
    (void)state;
    double windows[] = { 500 };
    struct bench_options o = { .clients = 7, .conns = 2, .n_endpoints = 1, .n_pids = 1 };
    autofree struct bench_result *r = result_new(windows, 1);
    r->pids_lost = true;
    autobuf json = BUF_INIT, table = BUF_INIT;
    report_json(&o, load_find("put"), r, &json);
    report_table(&o, load_find("put"), r, &table);
    assert_null(strstr(buf_str(&json), "server_cpu"));
    assert_non_null(strstr(buf_str(&table), "server CPU  unknown"));
    assert_non_null(strstr(buf_str(&table), "last error  boom"));
}

static void the_cpu_time_of_a_process_is_what_it_says_itself(void **state)
{
    (void)state;
    pid_t pid = getpid();
    uint64_t before = clock_cpu_us(), seen = 0, rss = 0;
    assert_int_equal(account_cpu_us(&pid, 1, &seen), 0);
    assert_in_range(seen, before, clock_cpu_us());
    assert_int_equal(account_rss_bytes(&pid, 1, &rss), 0);
    assert_true(rss > 100000);
    pid = 4194304; /* Linux gives none so high */
    assert_true(account_cpu_us(&pid, 1, &seen) != 0);
}

int test_report_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_ignores_one_bad_window),
        cmocka_unit_test(json_holds_the_figures_on_one_line),
        cmocka_unit_test(the_rate_of_what_ends_by_itself_is_of_all_its_time),
        cmocka_unit_test(a_lost_server_process_voids_its_figures),
        cmocka_unit_test(the_cpu_time_of_a_process_is_what_it_says_itself),
    };
    return cmocka_run_group_tests_name("bench report", tests, NULL, NULL);
}
