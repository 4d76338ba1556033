/* Copy, equal and diff over all kinds. The samples set every field, so a row that a walker forgets
 * shows. */
#include "test.h"

#include <string.h>

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "samples.h"

static void a_copy_is_equal_and_independent(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct object *o = object_of(samples[i]);
        struct object *copy = object_copy(o);
        assert_true(object_equal(o, copy));
        string_set(&o->metadata.name, "other");
        assert_false(object_equal(o, copy));
        object_free(o);
        autofree char *json = json_of(copy);
        assert_string_equal(json, samples[i]);
        object_free(copy);
    }
}

/* Changes one character of one value at a time: equal must see it, and diff must name it. */
static void any_changed_value_is_a_difference(void **state)
{
    size_t changed = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct object *o = object_of(samples[i]);
        autofree char *text = mem_strdup(samples[i]);
        size_t status = strlen(text);
        for (size_t at = 0; at < status; at++) {
            char was = text[at];
            struct object *other = NULL;
            if (was < '0' || was > '8') {
                continue;
            }
            text[at] = (char)(was + 1);
            if (object_from_any_json(slice_str(text), &other, NULL) == 0) {
                autobuf diff = BUF_INIT;
                assert_false(object_equal(o, other));
                object_diff(o, other, &diff);
                assert_true(diff.len > 0);
                changed++;
                object_free(other);
            }
            text[at] = was;
        }
        object_free(o);
    }
    assert_true(changed > 300);
}

static void the_order_of_maps_and_the_revision_make_no_difference(void **state)
{
    (void)state;
    struct object *a = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":"
                                 "{\"a\":\"1\",\"b\":\"2\"},\"resourceVersion\":\"1\"},\"spec\":"
                                 "{\"priority\":1,\"dnsPolicy\":\"x\"}}");
    struct object *b = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":"
                                 "{\"b\":\"2\",\"a\":\"1\"},\"resourceVersion\":\"2\"},\"spec\":"
                                 "{\"dnsPolicy\":\"x\",\"priority\":1}}");
    autobuf diff = BUF_INIT;
    assert_true(object_equal(a, b));
    object_diff(a, b, &diff);
    assert_string_equal(buf_str(&diff), "");
    string_map_remove(&a->metadata.labels, "a");
    assert_false(object_equal(a, b));
    object_free(a);
    object_free(b);
}

static void zero_and_absent_differ_where_it_matters(void **state)
{
    (void)state;
    struct object *a = object_of("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{"
                                 "\"replicas\":0}}");
    struct object *b = object_of("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"}");
    assert_false(object_equal(a, b));
    object_free(a);
    object_free(b);
}

static void differences_are_named_by_path(void **state)
{
    (void)state;
    struct object *a = object_of(
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"labels\":{\"a\":\"1\","
        "\"b\":\"2\"}},\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":"
        "\"c\",\"command\":[\"x\"],\"tty\":true}]}},\"strategy\":{\"type\":\"Recreate\"}}}");
    struct object *b = object_of(
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"labels\":{\"b\":\"3\","
        "\"c\":\"\"}},\"spec\":{\"replicas\":6,\"template\":{\"spec\":{\"containers\":[{\"name\":"
        "\"c\",\"command\":[\"x\",\"y\\nz\"],\"stdin\":true},{\"name\":\"d\"}]}},\"strategy\":{"
        "\"rollingUpdate\":{\"maxSurge\":\"25%\"}}}}");
    autobuf diff = BUF_INIT;
    object_diff(a, b, &diff);
    assert_string_equal(buf_str(&diff),
                        "metadata.labels[a]: 1 -> (none)\n"
                        "metadata.labels[b]: 2 -> 3\n"
                        "metadata.labels[c]: (none) -> \"\"\n"
                        "spec.replicas: 3 -> 6\n"
                        "spec.template.spec.containers[0].command[1]: (none) -> \"y\\nz\"\n"
                        "spec.template.spec.containers[0].tty: true -> (none)\n"
                        "spec.template.spec.containers[0].stdin: (none) -> true\n"
                        "spec.template.spec.containers[1]: (none) -> {\"name\":\"d\"}\n"
                        "spec.strategy.type: Recreate -> (none)\n"
                        "spec.strategy.rollingUpdate.maxSurge: (none) -> \"25%\"\n");
    object_free(a);
    object_free(b);
}

static void a_long_value_is_cut_in_a_difference(void **state)
{
    autobuf diff = BUF_INIT;
    (void)state;
    struct configmap *a = object_configmap(object_new(&kind_configmap));
    struct configmap *b = object_configmap(object_new(&kind_configmap));
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    string_map_set(&a->data, "k", text);
    object_diff(&a->object, &b->object, &diff);
    assert_true(diff.len < 250);
    assert_non_null(strstr(buf_str(&diff), "xxx... -> (none)\n"));
    object_free(&a->object);
    object_free(&b->object);
}

static void a_state_that_is_set_but_empty_survives(void **state)
{
    (void)state;
    const char *json = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"status\":{\"containerStatuses\":["
                       "{\"state\":{\"waiting\":{}},\"ready\":false,\"restartCount\":0}]}}";
    struct object *o = object_of(json);
    struct object *copy = object_copy(o);
    assert_true(object_pod(copy)->status.container_statuses[0].state.waiting.set);
    autofree char *back = json_of(copy);
    assert_string_equal(back, json);
    object_free(o);
    object_free(copy);
}

static void the_controller_is_set_once(void **state)
{
    (void)state;
    struct object *rs = object_of(samples[4]);
    struct object *pod = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
                                   "\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"n\"}]}}");
    assert_null(object_controller_of(pod));
    object_set_controller(pod, rs);
    object_set_controller(pod, rs);
    assert_int_equal(pod->metadata.n_owner_references, 2);
    const struct owner_reference *owner = object_controller_of(pod);
    assert_string_equal(owner->kind, "ReplicaSet");
    assert_string_equal(owner->api_version, "apps/v1");
    assert_string_equal(owner->uid, "u-1");
    object_free(rs);
    object_free(pod);
}

int test_walk_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(any_changed_value_is_a_difference),
        cmocka_unit_test(the_order_of_maps_and_the_revision_make_no_difference),
        cmocka_unit_test(zero_and_absent_differ_where_it_matters),
        cmocka_unit_test(differences_are_named_by_path),
        cmocka_unit_test(a_long_value_is_cut_in_a_difference),
        cmocka_unit_test(a_state_that_is_set_but_empty_survives),
        cmocka_unit_test(the_controller_is_set_once),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
