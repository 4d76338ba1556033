/* YAML: positions, what plain scalars mean, what is refused, and that writing reads back equal. */
#include "test.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/codec/yaml.h"

static int set_up(void **state)
{
    static struct arena a;
    arena_init(&a);
    *state = &a;
    return 0;
}

static int tear_down(void **state)
{
    arena_fini(*state);
    return 0;
}

static struct yaml_node *parsed(struct arena *a, const char *text)
{
    struct yaml_stream s;
    struct err err = ERR_INIT;
    assert_int_equal(yaml_parse(slice_str(text), a, &s, &err), 0);
    assert_int_equal(s.n, 1);
    return s.docs[0];
}

static void assert_json(const struct yaml_node *node, const char *want)
{
    struct err err = ERR_INIT;
    json_t *doc = NULL;
    autobuf out = BUF_INIT;
    assert_int_equal(yaml_to_json(node, &doc, &err), 0);
    json_write(doc, &out);
    assert_string_equal(buf_str(&out), want);
    json_decref(doc);
}

static const char *const manifest = "apiVersion: v1\n"
                                    "kind: Pod\n"
                                    "metadata:\n"
                                    "  name: web\n"
                                    "  labels:\n"
                                    "    app.example/name: web\n"
                                    "spec:\n"
                                    "  containers:\n"
                                    "  - name: main\n"
                                    "    command: [sh, -c, \"sleep 1\"]\n"
                                    "    args:\n"
                                    "    - |\n"
                                    "      line 1\n"
                                    "      line 2\n"
                                    "  - name: side\n"
                                    "    ports: [{containerPort: 80}]\n";

static void every_node_and_key_knows_its_line_and_column(void **state)
{
    const struct yaml_node *doc = parsed(*state, manifest);
    const struct yaml_node *spec = yaml_get(doc, "spec");
    assert_int_equal(doc->type, YAML_MAPPING);
    assert_int_equal(doc->n, 4);
    assert_int_equal(doc->keys[3]->line, 7);
    assert_int_equal(doc->keys[3]->column, 1);
    assert_int_equal(spec->line, 8);
    assert_int_equal(spec->column, 3);
    const struct yaml_node *port = yaml_locate(doc, "spec.containers[1].ports[0].containerPort");
    assert_int_equal(port->line, 16);
    assert_int_equal(port->column, 29);
    assert_string_equal(port->text, "80");
    assert_true(port->plain);
    const struct yaml_node *label = yaml_locate(doc, "metadata.labels[app.example/name]");
    assert_int_equal(label->line, 6);
    const struct yaml_node *quoted = yaml_locate(doc, "spec.containers[0].command[2]");
    assert_false(quoted->plain);
    assert_int_equal(quoted->column, 23);
}

static void a_path_that_leaves_the_tree_ends_at_its_deepest_node(void **state)
{
    const struct yaml_node *doc = parsed(*state, manifest);
    assert_ptr_equal(yaml_locate(doc, "metadata.annotations.x"), yaml_get(doc, "metadata"));
    assert_ptr_equal(yaml_locate(doc, "nothing"), doc);
    assert_ptr_equal(yaml_locate(doc, ""), doc);
    const struct yaml_node *list = yaml_locate(doc, "spec.containers");
    assert_ptr_equal(yaml_locate(doc, "spec.containers[2].name"), list);
    assert_ptr_equal(yaml_locate(doc, "spec.containers[name]"), list);
    assert_ptr_equal(yaml_locate(doc, "spec.containers[99999999999999999999]"), list);
    assert_ptr_equal(yaml_locate(doc, "spec.containers[]"), list);
    assert_ptr_equal(yaml_locate(doc, "spec.containers[0"), list->items[0]);
    assert_ptr_equal(yaml_locate(doc, "spec.containers[+]"), list);
    assert_null(yaml_get(list, "name"));
    assert_null(yaml_get(NULL, "name"));
    struct err err = ERR_INIT;
    assert_int_equal(yaml_err(&err, E_INVAL, list, "bad %s", "list"), E_INVAL);
    assert_string_equal(err.msg, "9:3: bad list");
}

static void a_manifest_becomes_json(void **state)
{
    assert_json(parsed(*state, manifest),
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"labels\":"
                "{\"app.example/name\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"main\","
                "\"command\":[\"sh\",\"-c\",\"sleep 1\"],\"args\":[\"line 1\\nline 2\\n\"]},"
                "{\"name\":\"side\",\"ports\":[{\"containerPort\":80}]}]}}");
}

static void json_text_parses_with_positions(void **state)
{
    const struct yaml_node *doc =
        parsed(*state, "{\"a\":1,\n\t\"b\":[true,null,\"x\\n\\u00e4\"]\n}");
    assert_int_equal(yaml_get(doc, "b")->line, 2);
    assert_int_equal(yaml_get(doc, "b")->column, 6);
    assert_json(doc, "{\"a\":1,\"b\":[true,null,\"x\\n\xc3\xa4\"]}");
}

static void a_stream_holds_documents_and_skips_empty_ones(void **state)
{
    struct yaml_stream s;
    struct err err = ERR_INIT;
    assert_int_equal(yaml_parse(slice_str("---\n# only a comment\n---\na: 1\n---\n---\n- b\n...\n"),
                                *state, &s, &err),
                     0);
    assert_int_equal(s.n, 2);
    assert_json(s.docs[0], "{\"a\":1}");
    assert_json(s.docs[1], "[\"b\"]");
    assert_int_equal(s.docs[1]->line, 7);
    assert_int_equal(yaml_parse(slice_make(NULL, 0), *state, &s, &err), 0);
    assert_int_equal(s.n, 0);
}

static void plain_scalars_mean_what_the_core_schema_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum yaml_kind kind;
        int64_t integer;
    } rows[] = {
        { "", YAML_NULL, 0 },           { "~", YAML_NULL, 0 },        { "null", YAML_NULL, 0 },
        { "nUll", YAML_STR, 0 },        { "true", YAML_BOOL, 0 },     { "FALSE", YAML_BOOL, 0 },
        { "yes", YAML_STR, 0 },         { "on", YAML_STR, 0 },        { "0", YAML_INT, 0 },
        { "-0", YAML_INT, 0 },          { "+12", YAML_INT, 12 },      { "-12", YAML_INT, -12 },
        { "0644", YAML_INT, 420 },      { "0o17", YAML_INT, 15 },     { "0x1F", YAML_INT, 31 },
        { "0899", YAML_STR, 0 },        { "0x", YAML_STR, 0 },        { "0xg", YAML_STR, 0 },
        { "-", YAML_STR, 0 },           { "+", YAML_STR, 0 },         { ".", YAML_STR, 0 },
        { "1.5", YAML_FLOAT, 0 },       { ".5", YAML_FLOAT, 0 },      { "1.", YAML_FLOAT, 0 },
        { "1e3", YAML_FLOAT, 0 },       { "-1.5E-3", YAML_FLOAT, 0 }, { "1e", YAML_STR, 0 },
        { "1.2.3", YAML_STR, 0 },       { "10.0.0.1", YAML_STR, 0 },  { "500m", YAML_STR, 0 },
        { "1Gi", YAML_STR, 0 },         { ".inf", YAML_RANGE, 0 },    { ".nan", YAML_RANGE, 0 },
        { "1e999", YAML_RANGE, 0 },     { "12:30", YAML_STR, 0 },     { "1_000", YAML_STR, 0 },
        { "9223372036854775807", YAML_INT, INT64_MAX },
        { "-9223372036854775808", YAML_INT, INT64_MIN },
        { "9223372036854775808", YAML_RANGE, 0 },
        { "0xffffffffffffffff", YAML_RANGE, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_value v = yaml_resolve_text(rows[i].text);
        assert_int_equal(v.kind, rows[i].kind);
        assert_true(v.integer == rows[i].integer);
    }
    assert_true(yaml_resolve_text("True").boolean);
    assert_false(yaml_resolve_text("False").boolean);
    assert_true(yaml_resolve_text("1e3").real == 1000);
}

static void quoted_and_tagged_scalars_are_strings(void **state)
{
    assert_json(parsed(*state, "[\"1\", '2', !!str 3, !!str true, ! 4, !!map {}, !!seq []]"),
                "[\"1\",\"2\",\"3\",\"true\",\"4\",{},[]]");
}

static void what_we_do_not_take_is_refused_with_its_position(void **state)
{
    static const struct {
        const char *text;
        const char *message; /* NULL: libyaml's own */
        const char *at;
    } rows[] = {
        { "a: 1\nb: 2\na: 3\n", "key \"a\" comes twice (first on line 1)", "3:1: " },
        { "a: &x 1\n", "anchors (&name) are not supported", "1:4: " },
        { "a: &x\n  b: 1\n", "anchors (&name) are not supported", "1:4: " },
        { "a: *x\n", "aliases (*name) are not supported", "1:4: " },
        { "a:\n  <<: {b: 1}\n", "merge keys (<<) are not supported", "2:3: " },
        { "a: !!binary aGk=\n", "tags are not supported", "1:4: " },
        { "a: !mine {}\n", "tags are not supported", "1:4: " },
        { "? [a]\n: b\n", "a key must be a string", "1:3: " },
        { "{{a: 1}: b}\n", "a key must be a string", "1:2: " },
        { "a: \"x\\0y\"\n", "a NUL character in a string", "1:4: " },
        { "a: b: c\n", NULL, "1:5: " },
        { "a: 1\n b: 2\n", NULL, "2:3: " },
        { "a:\n\t- b\n", NULL, "2:1: " },
        { "a: [1, 2\nb: 3\n", NULL, "" },
        { "ok: 1\nbad: \xff\n", NULL, "2:6: " },
        { "a: \"open\n", NULL, "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_stream s;
        struct err err = ERR_INIT;
        assert_int_equal(yaml_parse(slice_str(rows[i].text), *state, &s, &err), E_INVAL);
        assert_memory_equal(err.msg, rows[i].at, strlen(rows[i].at));
        if (rows[i].message != NULL) {
            assert_string_equal(err.msg + strlen(rows[i].at), rows[i].message);
        }
    }
}

static void a_repeated_key_is_found_in_a_large_mapping(void **state)
{
    autobuf text = BUF_INIT;
    struct yaml_stream s;
    struct err err = ERR_INIT;
    for (int i = 0; i < 100; i++) {
        buf_printf(&text, "k%d: %d\n", i, i);
    }
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), 0);
    buf_append_str(&text, "k42: again\n");
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_INVAL);
    assert_string_equal(err.msg, "101:1: key \"k42\" comes twice (first on line 43)");
    buf_append_str(&text, "k100: 1\n");
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_INVAL);
    assert_string_equal(err.msg, "101:1: key \"k42\" comes twice (first on line 43)");
}

static void depth_size_and_count_are_bounded(void **state)
{
    autobuf text = BUF_INIT;
    struct yaml_stream s;
    struct err err = ERR_INIT;
    for (int i = 0; i < LIMIT_DOC_DEPTH; i++) {
        buf_append_char(&text, '[');
    }
    for (int i = 0; i < LIMIT_DOC_DEPTH; i++) {
        buf_append_char(&text, ']');
    }
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), 0);
    buf_reset(&text);
    memset(buf_reserve(&text, 1000), '[', 1000);
    buf_advance(&text, 1000);
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_TOOBIG);
    assert_string_equal(err.msg, "1:65: nested too deeply");

    buf_reset(&text);
    memset(buf_reserve(&text, LIMIT_DOC_BYTES + 1), ' ', LIMIT_DOC_BYTES + 1);
    buf_advance(&text, LIMIT_DOC_BYTES + 1);
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_TOOBIG);

    buf_reset(&text);
    buf_append_char(&text, '[');
    for (int i = 0; i <= LIMIT_YAML_NODES; i++) {
        buf_append_str(&text, "1,");
    }
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "too many values"));

    buf_reset(&text);
    buf_append_char(&text, '[');
    for (int i = 0; i <= LIMIT_YAML_NODES; i++) {
        buf_append_str(&text, "[],");
    }
    assert_int_equal(yaml_parse(buf_slice(&text), *state, &s, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "too many values"));
}

static void numbers_that_json_cannot_hold_are_refused(void **state)
{
    struct err err = ERR_INIT;
    json_t *doc = NULL;
    const struct yaml_node *node = parsed(*state, "a:\n- 1\n- 99999999999999999999\n");
    assert_int_equal(yaml_to_json(node, &doc, &err), E_INVAL);
    assert_string_equal(err.msg, "3:3: the number 99999999999999999999 is out of range");
    assert_null(doc);
}

static void writing_looks_like_kubectl(void **state)
{
    struct err err = ERR_INIT;
    json_t *doc = NULL;
    autobuf out = BUF_INIT;
    assert_int_equal(yaml_to_json(parsed(*state, manifest), &doc, &err), 0);
    yaml_write(doc, &out);
    json_decref(doc);
    assert_string_equal(buf_str(&out), "apiVersion: v1\n"
                                       "kind: Pod\n"
                                       "metadata:\n"
                                       "  name: web\n"
                                       "  labels:\n"
                                       "    app.example/name: web\n"
                                       "spec:\n"
                                       "  containers:\n"
                                       "  - name: main\n"
                                       "    command:\n"
                                       "    - sh\n"
                                       "    - -c\n"
                                       "    - sleep 1\n"
                                       "    args:\n"
                                       "    - |\n"
                                       "      line 1\n"
                                       "      line 2\n"
                                       "  - name: side\n"
                                       "    ports:\n"
                                       "    - containerPort: 80\n");
}

static void assert_round_trip(struct arena *a, json_t *doc)
{
    autobuf out = BUF_INIT;
    struct yaml_stream s;
    struct err err = ERR_INIT;
    json_t *back = NULL;
    yaml_write(doc, &out);
    assert_int_equal(yaml_parse(buf_slice(&out), a, &s, &err), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(yaml_to_json(s.docs[0], &back, &err), 0);
    if (!json_equal(doc, back)) {
        fail_msg("does not read back: %s", buf_str(&out));
    }
    json_decref(back);
}

static const char *const hard_strings[] = {
    "",
    "a",
    " a",
    "a ",
    "a: b",
    "a:",
    "a #b",
    "#",
    "- a",
    "-",
    "?",
    "? a",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a`",
    "'",
    "\"",
    "a'b\"c",
    "{a}",
    "[a]",
    "a,b",
    "true",
    "null",
    "~",
    "12",
    "0644",
    "1.5",
    "1e3",
    ".inf",
    "0x1f",
    "yes",
    "No",
    "y",
    "1_000",
    "0b11",
    "12:30:45",
    "2026-11-23",
    "=",
    "<<",
    "---",
    "...",
    "--- a",
    "a\nb",
    "a\nb\n",
    "a\n\n",
    "\na",
    " a\nb",
    "a \nb",
    "\n",
    "\t",
    "a\tb",
    "a\n\x01",
    "a\nb\x7f",
    "a\n \n",
    "a\nb ",
    "+1:30",
    "1:3x",
    "-0b1",
    "0b",
    "0b12",
    "+_1",
    "_",
    "2026-1x",
    "2026-x",
    "2026-1-",
    "0o",
    "-0899",
    "+0899",
    "1e+5",
    "1e-",
    "-.5",
    "12:",
    ("1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0"
     "_1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0"),
    "a\rb",
    "\x7f",
    "\xc3\xa4",
    "\xe2\x80\xa8",
    "\xef\xbb\xbf\x61",
    "\xf0\x9f\x9a\xa2",
    "a\n---\nb\n",
    "#!/bin/sh\nset -e\n\nexec \"$@\"\n",
    "key: |\n  a\n",
    "\x01",
    "\xc2\x85",
};

static void every_string_reads_back_as_the_same_string(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(hard_strings); i++) {
        json_auto_t *alone = json_string(hard_strings[i]);
        assert_non_null(alone);
        assert_round_trip(*state, alone);
        json_auto_t *inside = json_object();
        (void)json_object_set_new(inside, hard_strings[i], json_string(hard_strings[i]));
        json_auto_t *list = json_array();
        (void)json_array_append(list, inside);
        (void)json_array_append_new(list, json_string(hard_strings[i]));
        assert_round_trip(*state, list);
    }
}

static void numbers_and_empty_collections_read_back(void **state)
{
    struct err err = ERR_INIT;
    json_t *doc;
    const char *text =
        "{\"i\":[0,-1,9223372036854775807],\"f\":[2.0,0.1,1e300,-1.5e-7,0.12345678901234566],"
        "\"e\":{\"a\":[],\"b\":{},\"c\":[[],[{}]],\"d\":null,\"t\":true}}";
    assert_int_equal(json_parse(slice_str(text), &doc, &err), 0);
    assert_round_trip(*state, doc);
    json_decref(doc);
    for (size_t i = 0; i < 2; i++) {
        json_auto_t *empty = i == 0 ? json_array() : json_object();
        assert_round_trip(*state, empty);
    }
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int test_yaml_run(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(every_node_and_key_knows_its_line_and_column),
        WITH_ARENA(a_path_that_leaves_the_tree_ends_at_its_deepest_node),
        WITH_ARENA(a_manifest_becomes_json),
        WITH_ARENA(json_text_parses_with_positions),
        WITH_ARENA(a_stream_holds_documents_and_skips_empty_ones),
        WITH_ARENA(plain_scalars_mean_what_the_core_schema_says),
        WITH_ARENA(quoted_and_tagged_scalars_are_strings),
        WITH_ARENA(what_we_do_not_take_is_refused_with_its_position),
        WITH_ARENA(a_repeated_key_is_found_in_a_large_mapping),
        WITH_ARENA(depth_size_and_count_are_bounded),
        WITH_ARENA(numbers_that_json_cannot_hold_are_refused),
        WITH_ARENA(writing_looks_like_kubectl),
        WITH_ARENA(every_string_reads_back_as_the_same_string),
        WITH_ARENA(numbers_and_empty_collections_read_back),
    };
    return cmocka_run_group_tests_name("codec/yaml", tests, NULL, NULL);
}
