/* The other formats: one screen, JSON there and back, JUnit. */
#include "tests/unit/chaos/tests.h"

#include <string.h>

#include "chaos/report_words.h"
#include "lib/codec/json.h"
#include "tests/unit/chaos/markup.h"
#include "tests/unit/chaos/sample.h"

static void has(struct buf *text, const char *want)
{
    if (strstr(buf_str(text), want) == NULL) {
        fail_msg("%s\nlacks: %s", buf_str(text), want);
    }
}

/* --- the screen --- */

static void fits_a_screen(struct chaos_report *r, struct buf *text)
{
    chaos_report_text(r, &(struct chaos_text_options){ .html_path = "x.html" }, text);
    chaos_report_free(r);
    const char *at = buf_str(text), *begin = at;
    size_t lines = 0, columns = 0;
    for (uint32_t c = words_next(&at); c != 0; c = words_next(&at)) {
        assert_true(c == '\n' || c >= 0x20);
        begin = c == '\n' ? at : begin;
        columns = c == '\n' ? 0 : columns + 1;
        lines += c == '\n' || (columns > 1 && columns % 80 == 1); /* wrapped */
        if (columns > 80 && strncmp(begin, "repeat ", 7) != 0) {
            fail_msg("line %zu of more than 80 columns in:\n%s", lines + 1, buf_str(text));
        }
    }
    if (lines > 24) {
        fail_msg("%zu lines:\n%s", lines, buf_str(text));
    }
}

static void every_report_fits_a_screen(void **state)
{
    (void)state;
    for (int faults = 0; faults < 60; faults += 7) {
        autobuf held = BUF_INIT, violated = BUF_INIT;
        fits_a_screen(sample_run(faults, false), &held);
        fits_a_screen(sample_run(faults, true), &violated);
        has(&violated, "VIOLATED: 1 of 6 checks, 1 not run");
        has(&violated, "stale read: client 5");
        has(&held, "ALL HELD: 6 checks");
        has(&held, "repeat    barque chaos replay 42 --minutes 5");
    }
    autobuf empty = BUF_INIT, hostile = BUF_INIT;
    fits_a_screen(chaos_report_new(), &empty);
    has(&empty, "COULD NOT RUN: nothing was checked");
    fits_a_screen(sample_hostile(), &hostile);
}

static void the_command_is_whole_however_long(void **state)
{
    (void)state;
    static const char command[] =
        "barque chaos replay 11 --seconds 110 --start 3 --nodes 3 --faults "
        "kill,pause,partition,partial,one-way,delay,loss,slow-disk,clock";
    autobuf text = BUF_INIT;
    struct chaos_report *r = sample_run(14, true);
    r->replay = command;
    fits_a_screen(r, &text);
    has(&text, command);
}

static void many_violations_still_fit(void **state)
{
    (void)state;
    autobuf text = BUF_INIT;
    struct chaos_report *r = sample_run(14, true);
    for (int i = 0; i < 20; i++) {
        struct chaos_check *c = chaos_report_add_check(r, "another", "x");
        c->result = CHAOS_CHECK_VIOLATED;
        c->counterexample = "a\n\nb\n";
    }
    fits_a_screen(r, &text);
    has(&text, "VIOLATED: 21 of 26 checks");
}

static void checks_that_have_no_line_of_their_own_are_named_or_counted(void **state)
{
    (void)state;
    for (int more = 1; more < 50; more += 6) {
        autobuf text = BUF_INIT;
        struct chaos_report *r = sample_run(14, more % 2 != 0);
        for (int i = 0; i < more; i++) {
            chaos_report_add_check(r, chaos_report_printf(r, "check %d", i), "x")->result =
                CHAOS_CHECK_HELD;
        }
        fits_a_screen(r, &text);
        int absent = 0;
        for (int i = 0; i < more; i++) {
            autobuf name = BUF_INIT;
            buf_printf(&name, "check %d%s", i, more == 1 ? "" : ",");
            absent += strstr(buf_str(&text), buf_str(&name)) == NULL;
        }
        bool last = more > 1 && absent == 1; /* has no comma */
        if (absent != 0 && !last) {
            autobuf rest = BUF_INIT;
            buf_printf(&rest, "%d more\n", absent);
            has(&text, buf_str(&rest));
        }
    }
}

static void colours_are_only_there_when_asked_for(void **state)
{
    (void)state;
    autobuf plain = BUF_INIT, coloured = BUF_INIT;
    struct chaos_report *r = sample_run(3, true);
    chaos_report_text(r, &(struct chaos_text_options){ .colour = false }, &plain);
    chaos_report_text(r, &(struct chaos_text_options){ .colour = true }, &coloured);
    assert_null(strchr(buf_str(&plain), '\x1b'));
    has(&coloured, "\x1b[1;31mVIOLATED\x1b[0m");
    chaos_report_free(r);
}

/* --- JSON --- */

static struct chaos_report *read_back(struct buf *json)
{
    struct chaos_report *r = NULL;
    struct err err = ERR_INIT;
    if (chaos_report_from_json(buf_slice(json), &r, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return r;
}

static void a_report_reads_back_and_renders_the_same(void **state)
{
    (void)state;
    for (int faults = 0; faults < 50; faults += 16) {
        autobuf json = BUF_INIT, again = BUF_INIT, page = BUF_INIT, page_again = BUF_INIT;
        struct chaos_report *r = sample_run(faults, faults % 32 != 0);
        chaos_report_json(r, &json);
        struct chaos_report *back = read_back(&json);
        chaos_report_json(back, &again);
        assert_string_equal(buf_str(&json), buf_str(&again));
        chaos_report_html(r, &page);
        chaos_report_html(back, &page_again);
        assert_string_equal(buf_str(&page), buf_str(&page_again));
        chaos_report_free(back);
        chaos_report_free(r);
    }
}

static void absent_and_empty_stay_apart(void **state)
{
    (void)state;
    autobuf json = BUF_INIT;
    struct chaos_report *r = chaos_report_new();
    r->seed = UINT64_MAX;
    r->machine = "";
    struct chaos_check *c = chaos_report_add_check(r, "a", "b");
    c->result = CHAOS_CHECK_HELD;
    chaos_report_json(r, &json);
    chaos_report_free(r);
    r = read_back(&json);
    assert_true(r->seed == UINT64_MAX);
    assert_null(r->failure);
    assert_string_equal(r->machine, "");
    assert_null(r->checks[0].counterexample);
    assert_int_equal(r->checks[0].at_ms, CHAOS_ABSENT);
    assert_int_equal(chaos_report_verdict(r), CHAOS_ALL_HELD);
    chaos_report_free(r);
}

static void json_is_valid_whatever_the_text_held(void **state)
{
    (void)state;
    autobuf json = BUF_INIT;
    struct chaos_report *r = sample_hostile();
    chaos_report_json(r, &json);
    json_error_t error;
    json_auto_t *doc = json_loadb(buf_str(&json), json.len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(doc);
    assert_int_equal(json_array_size(json_object_get(doc, "faults")), CHAOS_FAULTS_MAX);
    const char *failure = json_string_value(json_object_get(doc, "failure"));
    assert_true(strlen(failure) <= CHAOS_TEXT_MAX);
    chaos_report_free(r);
}

#define HEAD "{\"kind\":\"barque chaos report\",\"format\":1"

static void what_is_wrong_in_a_file_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        int code;
    } rows[] = {
        { "", "1:1: ", E_INVAL },
        { "[]", "not a report of barque chaos", E_INVAL },
        { "{\"kind\":\"Pod\",\"format\":1}", "not a report of barque chaos", E_INVAL },
        { "{\"kind\":\"barque chaos report\",\"format\":2}", "format 2; this program reads 1",
          E_UNSUPPORTED },
        { HEAD ",\"seed\":42}", "seed: not a number in a string", E_INVAL },
        { HEAD ",\"seed\":\"18446744073709551616\"}", "seed: not a number of 64 bits", E_INVAL },
        { HEAD ",\"cpus\":-1}", "cpus: not a number from 0", E_INVAL },
        { HEAD ",\"sample_ms\":0}", "sample_ms: not a number from 1", E_INVAL },
        { HEAD ",\"duration_ms\":10000000000001}", "duration_ms: not a number from 0", E_INVAL },
        { HEAD ",\"interrupted\":1}", "interrupted: not true or false", E_INVAL },
        { HEAD ",\"target\":7}", "target: not a text", E_INVAL },
        { HEAD ",\"faults\":{}}", "faults: not an array", E_INVAL },
        { HEAD ",\"faults\":[7]}", "faults[0]: not an object", E_INVAL },
        { HEAD ",\"faults\":[{\"family\":\"x\"}]}", "faults[0]: family: not one of the known names",
          E_INVAL },
        { HEAD ",\"lanes\":[{}],\"faults\":[{\"targets\":[1]}]}",
          "faults[0]: targets: not a number from 0 to 0", E_INVAL },
        { HEAD ",\"marks\":[{\"lane\":0}]}", "marks[0]: lane: not a number from 0 to -1", E_INVAL },
        { HEAD ",\"faults\":[{\"recovery_ms\":{\"elect\":-2}}]}", "faults[0]: elect: not a number",
          E_INVAL },
        { HEAD ",\"samples\":[[1,2,3]]}", "samples[0]: not an array of 4 numbers", E_INVAL },
        { HEAD ",\"samples\":[[1,2,3,\"x\"]]}", "samples[0]: p99_us: not a number", E_INVAL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chaos_report *r = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(chaos_report_from_json(slice_str(rows[i].text), &r, &err), rows[i].code);
        assert_null(r);
        if (strstr(err.msg, rows[i].want) == NULL) {
            fail_msg("%s: said %s", rows[i].want, err.msg);
        }
    }
}

static void too_many_of_anything_is_refused(void **state)
{
    (void)state;
    autobuf json = BUF_INIT, text = BUF_INIT;
    buf_append_str(&json, HEAD ",\"lanes\":[{}");
    for (int i = 0; i < CHAOS_LANES_MAX; i++) {
        buf_append_str(&json, ",{}");
    }
    buf_append_str(&json, "]}");
    struct chaos_report *r = NULL;
    assert_int_equal(chaos_report_from_json(buf_slice(&json), &r, NULL), E_TOOBIG);
    buf_printf(&text, HEAD ",\"target\":\"%*d\"}", CHAOS_TEXT_MAX + 1, 1);
    assert_int_equal(chaos_report_from_json(buf_slice(&text), &r, NULL), E_TOOBIG);
}

static void an_unknown_field_is_passed_over(void **state)
{
    (void)state;
    struct chaos_report *r = NULL;
    struct slice text = slice_str(HEAD ",\"later\":{\"a\":1},\"checks\":[{\"name\":\"x\",\"new\":2,"
                                       "\"result\":\"held\"}]}");
    assert_int_equal(chaos_report_from_json(text, &r, NULL), 0);
    assert_string_equal(r->checks[0].name, "x");
    assert_int_equal(r->checks[0].result, CHAOS_CHECK_HELD);
    chaos_report_free(r);
}

/* --- JUnit --- */

static void xml_of(struct chaos_report *r, struct buf *xml)
{
    chaos_report_junit(r, xml);
    chaos_report_free(r);
    size_t at = 0;
    const char *wrong = markup_check(buf_slice(xml), &at);
    if (wrong != NULL) {
        fail_msg("%s: ...%.60s", wrong, buf_str(xml) + (at > 30 ? at - 30 : 0));
    }
}

static void junit_has_a_testcase_a_check(void **state)
{
    (void)state;
    autobuf held = BUF_INIT, violated = BUF_INIT, hostile = BUF_INIT, empty = BUF_INIT;
    xml_of(sample_run(14, false), &held);
    has(&held, "tests=\"7\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"300.000\"");
    has(&held, "<testcase classname=\"barque.chaos\" name=\"lease\"/>");
    has(&held, "<skipped message=\"the target runs no control plane\"/>");
    has(&held, "<property name=\"replay\" value=\"barque chaos replay 42 --minutes 5\"/>");
    xml_of(sample_run(14, true), &violated);
    has(&violated, "failures=\"1\"");
    has(&violated, ">stale read: client 5 read key &quot;k/17&quot;");
    xml_of(sample_hostile(), &hostile);
    xml_of(chaos_report_new(), &empty);
    has(&empty, "tests=\"1\" failures=\"0\" errors=\"1\"");
    has(&empty, "<error type=\"run\" message=\"nothing was checked\"/>");
}

int test_formats_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_report_fits_a_screen),
        cmocka_unit_test(the_command_is_whole_however_long),
        cmocka_unit_test(many_violations_still_fit),
        cmocka_unit_test(checks_that_have_no_line_of_their_own_are_named_or_counted),
        cmocka_unit_test(colours_are_only_there_when_asked_for),
        cmocka_unit_test(a_report_reads_back_and_renders_the_same),
        cmocka_unit_test(absent_and_empty_stay_apart),
        cmocka_unit_test(json_is_valid_whatever_the_text_held),
        cmocka_unit_test(what_is_wrong_in_a_file_is_said),
        cmocka_unit_test(too_many_of_anything_is_refused),
        cmocka_unit_test(an_unknown_field_is_passed_over),
        cmocka_unit_test(junit_has_a_testcase_a_check),
    };
    return cmocka_run_group_tests_name("chaos: report formats", tests, NULL, NULL);
}
