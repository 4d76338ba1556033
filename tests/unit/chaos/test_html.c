/* The page: whole, self-contained, harmless, and saying what it must. */
#include "tests/unit/chaos/tests.h"

#include <string.h>

#include "chaos/report_figures.h"
#include "chaos/report_plot.h"
#include "tests/unit/chaos/markup.h"
#include "tests/unit/chaos/sample.h"

static void page_of(struct chaos_report *r, struct buf *page)
{
    chaos_report_html(r, page);
    chaos_report_free(r);
    size_t at = 0;
    const char *wrong = markup_check(buf_slice(page), &at);
    if (wrong != NULL) {
        fail_msg("%s: ...%.60s", wrong, buf_str(page) + (at > 30 ? at - 30 : 0));
    }
}

static void has(struct buf *page, const char *text)
{
    if (strstr(buf_str(page), text) == NULL) {
        fail_msg("the page lacks: %s", text);
    }
}

static void lacks(struct buf *page, const char *text)
{
    if (strstr(buf_str(page), text) != NULL) {
        fail_msg("the page has: %s", text);
    }
}

static void the_markup_check_can_fail(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<a>",  "</a>", "<a></b>",    "<a x=y></a>", "<a x=\"<\"/>", "a & b", "&nbsp;",
        "\x1b", "\xff", "<a x=\"1/>", "<",           "\xe2\x80\xae",
    };
    size_t at;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(markup_check(slice_str(bad[i]), &at));
    }
    assert_null(markup_check(slice_str("<a x=\"1\">b &amp; <c/>\u00b5</a>"), &at));
}

/* Nothing is loaded from anywhere and nothing runs. */
static void is_self_contained(struct buf *page)
{
    static const char *const none[] = {
        "<script", "<link",  "<img", "<iframe", "<object",
        "http:",   "https:", "//",   "url(",    "@import",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        lacks(page, none[i]);
    }
}

static void a_page_needs_nothing_but_itself(void **state)
{
    (void)state;
    autobuf held = BUF_INIT, violated = BUF_INIT, many = BUF_INIT, empty = BUF_INIT;
    page_of(sample_run(14, false), &held);
    is_self_contained(&held);
    page_of(sample_run(14, true), &violated);
    is_self_contained(&violated);
    page_of(sample_run(90, false), &many);
    is_self_contained(&many);
    page_of(chaos_report_new(), &empty);
    is_self_contained(&empty);
}

static void a_page_says_what_held_and_how_to_repeat_it(void **state)
{
    (void)state;
    autobuf page = BUF_INIT;
    page_of(sample_run(14, false), &page);
    has(&page, "6 checks held, 1 not run");
    has(&page, "the target runs no control plane");
    has(&page, "barque chaos replay 42 --minutes 5");
    has(&page, "1,427,310 operations");
    has(&page, "needs a file system of its own (root)");
    has(&page, "all ready (from the fault");
}

static void a_violation_leads_with_its_counterexample(void **state)
{
    (void)state;
    autobuf page = BUF_INIT;
    page_of(sample_run(14, true), &page);
    has(&page, "<h1>1 of 6 checks violated</h1>");
    has(&page, "stale read: client 5 read key &quot;k/17&quot;");
    assert_true(strstr(buf_str(&page), "stale read") < strstr(buf_str(&page), "id=\"timeline\""));
}

static void a_run_that_failed_says_only_why(void **state)
{
    (void)state;
    autobuf page = BUF_INIT;
    struct chaos_report *r = chaos_report_new();
    r->failure = "no endpoint answered <within> 10 s";
    page_of(r, &page);
    has(&page, "The run could not be done");
    has(&page, "<p>no endpoint answered &lt;within&gt; 10 s</p>");
    lacks(&page, "id=\"timeline\"");
    lacks(&page, "id=\"checks\"");
}

static void hostile_text_stays_text(void **state)
{
    (void)state;
    autobuf page = BUF_INIT;
    page_of(sample_hostile(), &page);
    lacks(&page, "<script");
    has(&page, "&lt;script&gt;alert(1)");
    lacks(&page, "\x1b");
    assert_true(page.len < 64u << 20);
}

static void percentiles_are_values_that_were_seen(void **state)
{
    (void)state;
    struct chaos_report *r = chaos_report_new();
    for (int i = 1; i <= 10; i++) {
        struct chaos_fault *f =
            chaos_report_add_fault(r, i % 2 ? "kill" : "pause", CHAOS_PROCESS, 1, 1000 * i);
        f->recovery_ms[CHAOS_ELECT] = 100 * i;
    }
    struct figures fig;
    figures_make(r, &fig);
    assert_int_equal(fig.all[CHAOS_ELECT].n, 10);
    assert_int_equal(fig.all[CHAOS_ELECT].p50_ms, 500);
    assert_int_equal(fig.all[CHAOS_ELECT].p90_ms, 900);
    assert_int_equal(fig.all[CHAOS_ELECT].p99_ms, 1000);
    assert_int_equal(fig.all[CHAOS_ELECT].worst_ms, 1000);
    assert_int_equal(fig.all[CHAOS_DETECT].p50_ms, CHAOS_ABSENT);
    assert_int_equal(fig.kind_count, 2);
    assert_int_equal(fig.kinds[0].stages[CHAOS_ELECT].worst_ms, 900);
    assert_int_equal(fig.kinds[1].stages[CHAOS_ELECT].p50_ms, 600);
    chaos_report_free(r);
}

static void a_stall_is_the_longest_run_without_an_answer(void **state)
{
    (void)state;
    static const int ok[] = { 5, 0, 0, 7, 0, 0, 0, 2, 0 };
    struct chaos_report *r = chaos_report_new();
    r->sample_ms = 200;
    for (size_t i = 0; i < sizeof ok / sizeof ok[0]; i++) {
        struct chaos_sample s = { .ok = (uint64_t)ok[i],
                                  .p50_us = ok[i] ? 10 : CHAOS_ABSENT,
                                  .p99_us = ok[i] ? 30 : CHAOS_ABSENT };
        chaos_report_add_sample(r, &s);
    }
    struct figures fig;
    figures_make(r, &fig);
    assert_int_equal(fig.stall_ms, 600);
    assert_int_equal(fig.stall_at_ms, 800);
    assert_int_equal(fig.ok, 14);
    assert_int_equal((int)(fig.max_per_s), 35);
    assert_int_equal((int)(1000 * fig.available), 333);
    chaos_report_free(r);
}

static void axes_have_round_steps(void **state)
{
    (void)state;
    assert_int_equal(plot_time_step(300000, 10), 30000);
    assert_int_equal(plot_time_step(900, 10), 100);
    assert_int_equal(plot_time_step(INT64_C(10) * 86400000, 10), INT64_C(2) * 86400000);
    assert_true(plot_nice_step(5700, 4) == 2000);
    assert_true(plot_nice_step(100, 4) == 50);
    assert_true(plot_nice_step(0, 4) == 1);
}

int test_html_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_markup_check_can_fail),
        cmocka_unit_test(a_page_needs_nothing_but_itself),
        cmocka_unit_test(a_page_says_what_held_and_how_to_repeat_it),
        cmocka_unit_test(a_violation_leads_with_its_counterexample),
        cmocka_unit_test(a_run_that_failed_says_only_why),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(percentiles_are_values_that_were_seen),
        cmocka_unit_test(a_stall_is_the_longest_run_without_an_answer),
        cmocka_unit_test(axes_have_round_steps),
    };
    return cmocka_run_group_tests_name("chaos: report page", tests, NULL, NULL);
}
