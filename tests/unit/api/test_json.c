/* Reading and writing JSON: what is read is written back byte by byte, and what can't be read says
 * where. */
#include "test.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "samples.h"

static void every_kind_is_written_as_it_was_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct object *o = object_of(samples[i]);
        autofree char *json = json_of(o);
        assert_string_equal(json, samples[i]);
        object_free(o);
    }
}

static void an_empty_object_reads_and_has_only_its_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < kinds_n; i++) {
        autofree char *text = mem_printf("{\"apiVersion\":\"%s\",\"kind\":\"%s\"}",
                                         kinds[i]->api_version, kinds[i]->kind);
        struct object *o = object_of(text);
        assert_ptr_equal(o->kind, kinds[i]);
        assert_null(o->metadata.name);
        object_free(o);
    }
}

static void unknown_fields_of_a_newer_writer_are_passed_over(void **state)
{
    (void)state;
    struct object *o = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"future\":1,"
                                 "\"spec\":{\"nodeName\":\"n1\",\"warp\":{\"a\":[1]}}}");
    autofree char *json = json_of(o);
    assert_string_equal(json, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":"
                              "{\"nodeName\":\"n1\"}}");
    object_free(o);
}

static void a_kubelet_of_kubernetes_may_describe_its_swap(void **state)
{
    struct object *o = object_of(
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"},"
        "\"status\":{\"nodeInfo\":{\"osImage\":\"x\",\"swap\":{\"capacity\":1}}}}");
    (void)state;
    assert_int_equal(object_node(o)->status.node_info.n, 1);
    assert_string_equal(string_map_get(&object_node(o)->status.node_info, "osImage"), "x");
    object_free(o);
}

static void null_is_absent(void **state)
{
    (void)state;
    struct object *o = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":"
                                 "null,\"name\":null},\"spec\":{\"containers\":null}}");
    autofree char *json = json_of(o);
    assert_string_equal(json, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}");
    object_free(o);
}

static void a_wrong_type_says_where(void **state)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{},{\"name\":5}]}}",
          "Pod: spec.containers[1].name: expected a string, got the number 5 (put it in quotes)" },
        { "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":{\"a\":true}}}",
          "Pod: metadata.labels[a]: expected a string, got the boolean true (put it in quotes)" },
        { "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"spec\":[]}",
          "Node: spec: expected a mapping, got a list" },
        { "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"spec\":{\"replicas\":3000000000}}",
          "ReplicaSet: spec.replicas: 3000000000 is out of range" },
        { "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"strategy\":"
          "{\"rollingUpdate\":{\"maxSurge\":\"x%\"}}}}",
          "Deployment: spec.strategy.rollingUpdate.maxSurge: expected an integer or a percentage "
          "like \"25%\", got the string \"x%\"" },
        { "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"x\"}}",
          "Pod: metadata.resourceVersion: \"x\" is not a revision" },
        { "[]", "no object: apiVersion and kind are required" },
        { "{\"apiVersion\":\"v2\",\"kind\":\"Pod\"}", "unknown kind v2 Pod" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct object *o = NULL;
        struct err err = ERR_INIT;
        int rv = object_from_any_json(slice_str(cases[i].json), &o, &err);
        assert_int_equal(rv, E_INVAL);
        assert_string_equal(err.msg, cases[i].message);
        assert_null(o);
    }
}

static void malformed_json_says_line_and_column(void **state)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(object_from_json(&kind_pod, slice_str("{\n \"a\" 1}"), &o, &err), E_INVAL);
    assert_int_equal(strncmp(err.msg, "2:", 2), 0);
}

static void the_revision_is_shown_to_people_but_not_stored(void **state)
{
    autobuf yaml = BUF_INIT, pretty = BUF_INIT;
    (void)state;
    struct object *o = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":"
                                 "{\"name\":\"n1\",\"resourceVersion\":\"12\"}}");
    assert_int_equal(o->metadata.resource_version, 12);
    autofree char *json = json_of(o);
    assert_null(strstr(json, "resourceVersion"));
    object_to_yaml(o, &yaml);
    assert_string_equal(buf_str(&yaml), "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n"
                                        "  resourceVersion: \"12\"\n");
    object_to_json_pretty(o, &pretty);
    assert_non_null(strstr(buf_str(&pretty), "\"resourceVersion\": \"12\""));
    object_free(o);
}

static void maps_are_written_sorted(void **state)
{
    (void)state;
    struct object *o = object_of("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":"
                                 "{\"b\":\"2\",\"c\":\"3\",\"a\":\"1\"}}");
    autofree char *json = json_of(o);
    assert_non_null(strstr(json, "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}"));
    object_free(o);
}

static void bytes_that_are_not_utf8_become_the_replacement_character(void **state)
{
    static const char *const bad[] = { "a\xff!", "\xc3", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                                       "\xe2\x82", "\xf5\x80\x80\x80" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct object *o = object_new(&kind_pod), *back = NULL;
        o->metadata.name = mem_strdup(bad[i]);
        autofree char *json = json_of(o);
        assert_int_equal(object_from_any_json(slice_str(json), &back, NULL), 0);
        assert_non_null(strstr(back->metadata.name, "\xef\xbf\xbd"));
        object_free(o);
        object_free(back);
    }
}

static void good_utf8_stays(void **state)
{
    static const char text[] = "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2";
    (void)state;
    struct object *o = object_new(&kind_pod);
    o->metadata.name = mem_strdup(text);
    autofree char *json = json_of(o);
    assert_non_null(strstr(json, text));
    object_free(o);
}

static void a_list_beyond_its_bound_is_refused(void **state)
{
    autobuf text = BUF_INIT;
    struct object *o = NULL;
    struct err err = ERR_INIT;
    (void)state;
    buf_append_str(&text, "{\"spec\":{\"containers\":[{}");
    for (int i = 0; i < 8192; i++) {
        buf_append_str(&text, ",{}");
    }
    buf_append_str(&text, "]}}");
    assert_int_equal(object_from_json(&kind_pod, buf_slice(&text), &o, &err), E_INVAL);
    assert_string_equal(err.msg, "Pod: spec.containers: 8193 items; at most 8192");
}

int test_json_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_written_as_it_was_read),
        cmocka_unit_test(an_empty_object_reads_and_has_only_its_kind),
        cmocka_unit_test(unknown_fields_of_a_newer_writer_are_passed_over),
        cmocka_unit_test(a_kubelet_of_kubernetes_may_describe_its_swap),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(a_wrong_type_says_where),
        cmocka_unit_test(malformed_json_says_line_and_column),
        cmocka_unit_test(the_revision_is_shown_to_people_but_not_stored),
        cmocka_unit_test(maps_are_written_sorted),
        cmocka_unit_test(bytes_that_are_not_utf8_become_the_replacement_character),
        cmocka_unit_test(good_utf8_stays),
        cmocka_unit_test(a_list_beyond_its_bound_is_refused),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
