/* How a report speaks: numbers, and text made harmless. */
#include "tests/unit/chaos/tests.h"

#include "chaos/report_words.h"

static void numbers_are_for_people(void **state)
{
    (void)state;
    assert_string_equal(words_count(0).s, "0");
    assert_string_equal(words_count(999).s, "999");
    assert_string_equal(words_count(1234567).s, "1,234,567");
    assert_string_equal(words_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
    assert_string_equal(words_ms(CHAOS_ABSENT).s, "-");
    assert_string_equal(words_ms(999).s, "999 ms");
    assert_string_equal(words_ms(1240).s, "1.24 s");
    assert_string_equal(words_ms(59996).s, "60.0 s");
    assert_string_equal(words_ms(125000).s, "2 min 5 s");
    assert_string_equal(words_ms(3840000).s, "1 h 4 min");
    assert_string_equal(words_us(850).s, "850 \u00b5s");
    assert_string_equal(words_us(1240).s, "1.24 ms");
    assert_string_equal(words_us(2100000).s, "2.10 s");
    assert_string_equal(words_clock(125400).s, "2:05.4");
    assert_string_equal(words_clock(3840000).s, "1:04:00");
    assert_string_equal(words_rate(0.42).s, "0.4");
    assert_string_equal(words_rate(1234.4).s, "1,234");
    assert_string_equal(words_bytes(UINT64_C(8375186227)).s, "7.8 GiB");
    assert_string_equal(words_plural(1, "fault").s, "1 fault");
    assert_string_equal(words_plural(1200, "fault").s, "1,200 faults");
    assert_string_equal(words_units(1, "elections").s, "1 election");
    assert_string_equal(words_units(1, "watches").s, "1 watch");
    assert_string_equal(words_units(2, "watches").s, "2 watches");
    assert_string_equal(words_units(0, NULL).s, "0 checked");
    assert_string_equal(words_date(INT64_C(1795879620000)).s, "2026-11-28 15:27:00 UTC");
}

static void expect_escaped(const char *text, const char *want)
{
    autobuf out = BUF_INIT;
    words_escape(&out, text, WORDS_TEXT);
    assert_string_equal(buf_str(&out), want);
}

static void markup_and_bytes_become_harmless(void **state)
{
    (void)state;
    expect_escaped(NULL, "");
    expect_escaped("<a href=\"x\">'&'</a>",
                   "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    expect_escaped("a\tb\nc", "a\tb\nc");
    expect_escaped("\x1b[31m\r", "\ufffd[31m\ufffd");
    expect_escaped("\xe6\x97\xa5 \xf0\x9f\x92\xa5", "\xe6\x97\xa5 \xf0\x9f\x92\xa5");
    expect_escaped("\xe6\x97", "\ufffd\ufffd");           /* cut short by the end */
    expect_escaped("\xc0\xaf", "\ufffd\ufffd");           /* overlong */
    expect_escaped("\xed\xa0\x80", "\ufffd\ufffd\ufffd"); /* a surrogate */
    expect_escaped("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd");
    expect_escaped("a\xe2\x80\xae"
                   "b",
                   "a\ufffd"
                   "b"); /* turns the direction */
    autobuf attr = BUF_INIT;
    words_escape(&attr, "a\n\"b\"", WORDS_ATTR);
    assert_string_equal(buf_str(&attr), "a&#10;&quot;b&quot;");
}

static void a_claim_reads_as_a_sentence(void **state)
{
    (void)state;
    autobuf out = BUF_INIT;
    words_sentence(&out, "no event comes <twice>");
    assert_string_equal(buf_str(&out), "No event comes &lt;twice&gt;.");
    buf_reset(&out);
    words_sentence(&out, "Done.");
    words_sentence(&out, "");
    words_sentence(&out, NULL);
    assert_string_equal(buf_str(&out), "Done.");
}

static void a_line_never_exceeds_its_columns(void **state)
{
    (void)state;
    autobuf out = BUF_INIT;
    assert_int_equal(words_line(&out, "one\ntwo\x1b\xe6\x97\xa5", 20), 9);
    assert_string_equal(buf_str(&out), "one two??");
    buf_reset(&out);
    assert_int_equal(words_line(&out, "abcdefghij", 6), 6);
    assert_string_equal(buf_str(&out), "abc...");
    buf_reset(&out);
    assert_int_equal(words_line(&out, "abcdef", 6), 6);
    assert_string_equal(buf_str(&out), "abcdef");
    buf_reset(&out);
    assert_int_equal(words_line(&out, "abc", 0), 0);
    words_escape_cut(&out, "a<bcd", 2);
    assert_string_equal(buf_str(&out), "a&lt;\u2026");
}

static void names_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < CHAOS_FAMILY_N; i++) {
        assert_int_equal(words_family_find(words_family((enum chaos_family)i)), i);
    }
    for (int i = 0; i < CHAOS_ROLE_N; i++) {
        assert_int_equal(words_role_find(words_role((enum chaos_role)i)), i);
    }
    assert_int_equal(words_result_find("not_run"), CHAOS_CHECK_NOT_RUN);
    assert_int_equal(words_mark_find("note"), CHAOS_MARK_NOTE);
    assert_int_equal(words_family_find("x"), -1);
}

int test_words_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_for_people),
        cmocka_unit_test(markup_and_bytes_become_harmless),
        cmocka_unit_test(a_claim_reads_as_a_sentence),
        cmocka_unit_test(a_line_never_exceeds_its_columns),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests_name("chaos: report words", tests, NULL, NULL);
}
