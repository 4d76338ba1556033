/* JSON: bounds and messages of the reader, the two layouts of the writer, and paths. */
#include "test.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/codec/json.h"

static json_t *parsed(const char *text)
{
    json_t *doc = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(slice_str(text), &doc, &err), 0);
    assert_non_null(doc);
    return doc;
}

static void a_document_writes_back_in_its_own_order(void **state)
{
    (void)state;
    const char *text = "{\"z\":1,\"a\":[true,false,null,\"\xc3\xa4/\\n\"],"
                       "\"m\":{},\"f\":0.1,\"n\":-5}";
    json_auto_t *doc = parsed(text);
    autobuf out = BUF_INIT;
    json_write(doc, &out);
    assert_string_equal(buf_str(&out), text);
}

static void pretty_is_indented_by_four(void **state)
{
    (void)state;
    json_auto_t *doc = parsed("{\"a\":{\"b\":[1]}}");
    autobuf out = BUF_INIT;
    json_write_pretty(doc, &out);
    assert_string_equal(buf_str(&out), "{\n    \"a\": {\n        \"b\": [\n            1\n"
                                       "        ]\n    }\n}");
}

static void reals_are_short_when_they_can_be_and_exact_always(void **state)
{
    (void)state;
    autobuf out = BUF_INIT;
    json_auto_t *doc = parsed("[0.1, 2.0]");
    json_write(doc, &out);
    assert_string_equal(buf_str(&out), "[0.1,2.0]");
    buf_reset(&out);
    json_auto_t *long_doc = parsed("{\"a\":[0.12345678901234566]}");
    json_write(long_doc, &out);
    json_auto_t *back = parsed(buf_str(&out));
    assert_true(json_equal(long_doc, back));
}

static void broken_text_is_refused_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *starts;
    } rows[] = {
        { "", "1:1: " },
        { "{\"a\":1,\n \"a\":2}", "2:" },
        { "{\"a\":\n\n  tru}", "3:" },
        { "[1,2", "1:" },
        { "[1] x", "1:" },
        { "{'a':1}", "1:" },
        { "[\"\\u0000\"]", "1:" },
        { "[\"\xff\"]", "1:" },
        { "[99999999999999999999]", "1:" },
        { "[1e999]", "1:" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *doc = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(json_parse(slice_str(rows[i].text), &doc, &err), E_INVAL);
        assert_null(doc);
        assert_memory_equal(err.msg, rows[i].starts, strlen(rows[i].starts));
        assert_true(strlen(err.msg) > 6);
    }
    json_t *doc;
    assert_int_equal(json_parse(slice_make(NULL, 0), &doc, NULL), E_INVAL);
}

/* `depth` open brackets, then as many closed ones. */
static void nest(struct buf *out, int depth)
{
    for (int i = 0; i < 2 * depth; i++) {
        buf_append_char(out, i < depth ? '[' : ']');
    }
}

static void nesting_is_bounded_but_brackets_in_strings_do_not_count(void **state)
{
    (void)state;
    autobuf text = BUF_INIT;
    struct err err = ERR_INIT;
    json_t *doc;
    nest(&text, LIMIT_DOC_DEPTH);
    assert_int_equal(json_parse(buf_slice(&text), &doc, &err), 0);
    json_decref(doc);
    buf_reset(&text);
    nest(&text, LIMIT_DOC_DEPTH + 1);
    assert_int_equal(json_parse(buf_slice(&text), &doc, &err), E_TOOBIG);
    assert_string_equal(err.msg, "1:65: nested deeper than 64 levels");
    buf_reset(&text);
    buf_append_str(&text, "[\"\\\"");
    nest(&text, 200);
    buf_append_str(&text, "\"]");
    assert_int_equal(json_parse(buf_slice(&text), &doc, &err), 0);
    json_decref(doc);
}

static void a_document_over_its_limit_is_refused(void **state)
{
    (void)state;
    autobuf text = BUF_INIT;
    json_t *doc;
    memset(buf_reserve(&text, LIMIT_DOC_BYTES + 1), ' ', LIMIT_DOC_BYTES + 1);
    buf_advance(&text, LIMIT_DOC_BYTES + 1);
    text.data[0] = '1';
    assert_int_equal(json_parse(buf_slice(&text), &doc, NULL), E_TOOBIG);
    assert_int_equal(json_parse(slice_make(text.data, LIMIT_DOC_BYTES), &doc, NULL), 0);
    json_decref(doc);
}

static void paths_reach_into_objects_and_arrays(void **state)
{
    (void)state;
    json_auto_t *doc =
        parsed("{\"spec\":{\"replicas\":3,\"paused\":true,\"none\":null,"
               "\"containers\":[{\"image\":\"a\"},{\"image\":\"b\"}]},\"off\":false}");
    assert_int_equal(json_path_int(doc, "spec.replicas", 1), 3);
    assert_true(json_path_bool(doc, "spec.paused", false));
    assert_string_equal(json_path_str(doc, "spec.containers.1.image", ""), "b");
    assert_null(json_path_get(doc, "spec.containers.2.image"));
    assert_null(json_path_get(doc, "spec.containers.x"));
    assert_null(json_path_get(doc, "a.b.c"));
    assert_null(json_path_get(NULL, "a"));
    /* Of another type, null, or beyond a scalar: the fallback. */
    assert_int_equal(json_path_int(doc, "spec.paused", 9), 9);
    assert_string_equal(json_path_str(doc, "spec.none", "fallback"), "fallback");
    assert_string_equal(json_path_str(doc, "spec.replicas.x", "fallback"), "fallback");
    assert_false(json_path_bool(doc, "spec", false));
    assert_int_equal(json_path_int(doc, "spec.absent", 7), 7);
    assert_true(json_path_bool(doc, "spec.absent", true));
    assert_false(json_path_bool(doc, "off", true));
}

static void setting_a_path_makes_the_objects_on_the_way(void **state)
{
    (void)state;
    json_auto_t *doc = parsed("{\"list\":[{}],\"n\":1}");
    autobuf out = BUF_INIT;
    assert_int_equal(json_path_set_new(doc, "metadata.labels.app", json_string("web")), 0);
    assert_int_equal(json_path_set_new(doc, "list.0.x", json_integer(1)), 0);
    assert_int_equal(json_path_set_new(doc, "n", json_integer(2)), 0);
    assert_int_equal(json_path_set_new(doc, "list.5.x", json_integer(1)), E_INVAL);
    assert_int_equal(json_path_set_new(doc, "n.x", json_integer(1)), E_INVAL);
    assert_int_equal(json_path_set_new(doc, "list.x", json_integer(1)), E_INVAL);
    assert_int_equal(json_path_set_new(doc, "list.1", json_integer(1)), E_INVAL);
    json_write(doc, &out);
    assert_string_equal(buf_str(&out), "{\"list\":[{\"x\":1}],\"n\":2,"
                                       "\"metadata\":{\"labels\":{\"app\":\"web\"}}}");
    assert_int_equal(json_path_del(doc, "metadata.labels.app"), 0);
    assert_int_equal(json_path_del(doc, "metadata.labels.app"), E_NOTFOUND);
    assert_int_equal(json_path_del(doc, "list.0"), 0);
    assert_int_equal(json_path_del(doc, "list.0"), E_NOTFOUND);
    assert_int_equal(json_path_del(doc, "a.b"), E_NOTFOUND);
}

int test_json_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_writes_back_in_its_own_order),
        cmocka_unit_test(pretty_is_indented_by_four),
        cmocka_unit_test(reals_are_short_when_they_can_be_and_exact_always),
        cmocka_unit_test(broken_text_is_refused_with_its_position),
        cmocka_unit_test(nesting_is_bounded_but_brackets_in_strings_do_not_count),
        cmocka_unit_test(a_document_over_its_limit_is_refused),
        cmocka_unit_test(paths_reach_into_objects_and_arrays),
        cmocka_unit_test(setting_a_path_makes_the_objects_on_the_way),
    };
    return cmocka_run_group_tests_name("codec/json", tests, NULL, NULL);
}
