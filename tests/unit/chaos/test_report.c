/* The report as data: bounds, samples that thin themselves out, the verdict. */
#include "tests/unit/chaos/tests.h"

#include "chaos/report.h"

static void an_add_beyond_the_bound_is_refused_and_counted(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    for (int i = 0; i < CHAOS_FAULTS_MAX; i++) {
        assert_non_null(chaos_report_add_fault(r, "kill", CHAOS_PROCESS, 1, i));
    }
    assert_null(chaos_report_add_fault(r, "kill", CHAOS_PROCESS, 1, 0));
    for (int i = 0; i < CHAOS_LANES_MAX; i++) {
        assert_int_equal(chaos_report_add_lane(r, CHAOS_MEMBER, "m"), i);
    }
    assert_int_equal(chaos_report_add_lane(r, CHAOS_MEMBER, "m"), -1);
    assert_int_equal(r->dropped, 2);
    assert_int_equal(r->faults[7].recovery_ms[CHAOS_ELECT], CHAOS_ABSENT);
    chaos_report_free(r);
    chaos_report_free(NULL);
}

static void errors_are_counted_by_text_and_none_is_lost(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    for (int i = 0; i < 3 * CHAOS_ERRORS_MAX; i++) {
        chaos_report_add_error(r, chaos_report_printf(r, "error %d", i), 2);
        chaos_report_add_error(r, "error 0", 1);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < r->error_count; i++) {
        sum += r->errors[i].n;
    }
    assert_int_equal(r->error_count, CHAOS_ERRORS_MAX);
    assert_int_equal(sum, 9 * CHAOS_ERRORS_MAX);
    assert_int_equal(r->errors[0].n, 2 + 3 * CHAOS_ERRORS_MAX);
    assert_string_equal(r->errors[CHAOS_ERRORS_MAX - 1].name, "other");
    assert_int_equal(r->dropped, 0);
    chaos_report_free(r);
}

static void samples_join_when_there_is_no_room_and_sums_stay_exact(void **state)
{
    (void)state;
    for (int n = CHAOS_SAMPLES_MAX - 1; n < 5 * CHAOS_SAMPLES_MAX; n += 337) {
        struct chaos_report *r = chaos_report_new();
        r->sample_ms = 100;
        uint64_t ok = 0;
        for (int i = 0; i < n; i++) {
            struct chaos_sample s = { .ok = i % 7, .failed = 1, .p50_us = i, .p99_us = 2 * i };
            chaos_report_add_sample(r, &s);
            ok += s.ok;
        }
        uint64_t sum_ok = 0, sum_failed = 0;
        for (size_t i = 0; i < r->sample_count; i++) {
            sum_ok += r->samples[i].ok;
            sum_failed += r->samples[i].failed;
            /* Each place holds exactly its own intervals, but for the newest. */
            uint64_t expect = i + 1 < r->sample_count ? r->sample_stride : r->sample_fill;
            assert_int_equal(r->samples[i].failed, expect);
        }
        assert_int_equal(sum_ok, ok);
        assert_int_equal(sum_failed, n);
        assert_int_equal(r->sample_ms, 100 * r->sample_stride);
        assert_int_equal(r->samples[r->sample_count - 1].p99_us, 2 * (n - 1));
        chaos_report_free(r);
    }
}

static void a_joined_sample_ignores_an_interval_without_operations(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    struct chaos_sample none = { .failed = 3, .p50_us = CHAOS_ABSENT, .p99_us = CHAOS_ABSENT };
    struct chaos_sample some = { .ok = 10, .p50_us = 500, .p99_us = 900 };
    for (int i = 0; i < CHAOS_SAMPLES_MAX / 2; i++) {
        chaos_report_add_sample(r, &none);
        chaos_report_add_sample(r, &some);
    }
    chaos_report_add_sample(r, &some);
    assert_int_equal(r->samples[0].p50_us, 500);
    assert_int_equal(r->samples[0].p99_us, 900);
    assert_int_equal(r->samples[0].failed, 3);
    chaos_report_free(r);
}

static void the_verdict_follows_the_worst_check(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    assert_int_equal(chaos_report_verdict(r), CHAOS_COULD_NOT_RUN);
    struct chaos_check *a = chaos_report_add_check(r, "linearizable", "x");
    assert_int_equal(chaos_report_verdict(r), CHAOS_COULD_NOT_RUN);
    a->result = CHAOS_CHECK_HELD;
    assert_int_equal(chaos_report_verdict(r), CHAOS_ALL_HELD);
    struct chaos_check *b = chaos_report_add_check(r, "watch", "y");
    assert_int_equal(chaos_report_verdict(r), CHAOS_ALL_HELD);
    r->failure = "no endpoint answered";
    assert_int_equal(chaos_report_verdict(r), CHAOS_COULD_NOT_RUN);
    b->result = CHAOS_CHECK_VIOLATED;
    assert_int_equal(chaos_report_verdict(r), CHAOS_VIOLATION);
    chaos_report_free(r);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    const char *text = chaos_report_printf(r, "%*d", 3 * CHAOS_TEXT_MAX, 7);
    assert_int_equal(strlen(text), CHAOS_TEXT_MAX);
    assert_string_equal(text + CHAOS_TEXT_MAX - 4, " ...");
    chaos_report_free(r);
}

int test_report_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_add_beyond_the_bound_is_refused_and_counted),
        cmocka_unit_test(errors_are_counted_by_text_and_none_is_lost),
        cmocka_unit_test(samples_join_when_there_is_no_room_and_sums_stay_exact),
        cmocka_unit_test(a_joined_sample_ignores_an_interval_without_operations),
        cmocka_unit_test(the_verdict_follows_the_worst_check),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests_name("chaos: report", tests, NULL, NULL);
}
