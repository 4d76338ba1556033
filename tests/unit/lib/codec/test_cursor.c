/* JSON token by token: what is taken, what is refused, where objects end. */
#include "test.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/codec/json_cursor.h"

static int skip_all(const char *text)
{
    struct json_cursor c;
    json_cursor_init(&c, slice_str(text));
    int rv = json_read_skip(&c);
    return rv != 0 ? rv : json_read_end(&c);
}

static void values_of_the_grammar_are_taken_and_others_refused(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}", " [ ] ", "{\"a\":[1,-2.5e+3,0,{\"b\":null}],\"c\":true}", "\"\\u00e4\\n\"", "false",
        "0.1", "\"\xf0\x9f\x98\x80\"",
    };
    static const char *const wrong[] = {
        "", "{", "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "01", "-", "1.", "1e", "+1",
        "tru", "nul", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\x01\"", "\"\xff\"", "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"", "1 2", "{1:2}", "]",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(skip_all(good[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(skip_all(wrong[i]), E_INVAL);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    autobuf text = BUF_INIT;
    for (int i = 0; i < LIMIT_DOC_DEPTH; i++) {
        buf_append_char(&text, '[');
    }
    for (int i = 0; i < LIMIT_DOC_DEPTH; i++) {
        buf_append_char(&text, ']');
    }
    assert_int_equal(skip_all(buf_str(&text)), 0);
    autobuf deeper = BUF_INIT;
    buf_printf(&deeper, "[%s]", buf_str(&text));
    assert_int_equal(skip_all(buf_str(&deeper)), E_TOOBIG);
}

static void strings_are_decoded_and_quoted_back(void **state)
{
    (void)state;
    static const struct {
        const char *json, *bytes, *back;
    } rows[] = {
        { "\"a\\\"\\\\\\/\\t\"", "a\"\\/\t", "\"a\\\"\\\\/\\u0009\"" },
        { "\"\\u00e4\\u20ac\"", "\xc3\xa4\xe2\x82\xac", "\"\xc3\xa4\xe2\x82\xac\"" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
        { "\"\\ud83dx\"", "\xef\xbf\xbdx", "\"\xef\xbf\xbdx\"" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A", "\"\xef\xbf\xbd" "A\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_cursor c;
        autobuf text = BUF_INIT, back = BUF_INIT;
        json_cursor_init(&c, slice_str(rows[i].json));
        assert_int_equal(json_read_string(&c, &text), 0);
        assert_string_equal(buf_str(&text), rows[i].bytes);
        json_quote(buf_slice(&text), &back);
        assert_string_equal(buf_str(&back), rows[i].back);
    }
    autobuf out = BUF_INIT;
    json_quote(slice_str("\xff" "a"), &out);
    assert_string_equal(buf_str(&out), "\"\xef\xbf\xbd" "a\"");
}

static void objects_of_a_stream_are_found_byte_by_byte(void **state)
{
    (void)state;
    static const char text[] = " {\"a}\\\"{\":[{}]}\n{}x";
    struct json_frame f = { 0 };
    for (size_t n = 0; n < 16; n++) {
        assert_int_equal(json_frame_next(&f, slice_make(text, n)), n < 15 ? 0 : 15);
        if (n == 15) {
            break;
        }
    }
    f = (struct json_frame){ 0 };
    assert_int_equal(json_frame_next(&f, slice_str(text + 15)), 3);
    f = (struct json_frame){ 0 };
    assert_int_equal(json_frame_next(&f, slice_str(text + 18)), E_INVAL);
}

int test_cursor_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_the_grammar_are_taken_and_others_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(strings_are_decoded_and_quoted_back),
        cmocka_unit_test(objects_of_a_stream_are_found_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
