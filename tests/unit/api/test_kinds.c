/* The kinds table: words, keys both ways, ids. */
#include "test.h"

#include <string.h>

#include "api/barque.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

static void kinds_are_found_by_what_people_type(void **state)
{
    static const struct {
        const char *word;
        const struct kind *kind;
    } cases[] = {
        { "pods", &kind_pod },          { "pod", &kind_pod },
        { "po", &kind_pod },            { "Pod", &kind_pod },
        { "no", &kind_node },           { "ns", &kind_namespace },
        { "rs", &kind_replicaset },     { "deploy", &kind_deployment },
        { "cm", &kind_configmap },      { "ev", &kind_event },
        { "deployments.apps", &kind_deployment },
        { "deployments.v1.apps", &kind_deployment },
        { "pods.v1", &kind_pod },       { "deployments.v1", NULL },
        { "pods.apps", NULL },          { "podz", NULL },
        { "", NULL },                   { "nodeitems", NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_ptr_equal(kind_by_word(cases[i].word), cases[i].kind);
    }
}

static void kinds_are_found_by_their_exact_name(void **state)
{
    (void)state;
    assert_ptr_equal(kind_by_name("apps/v1", "Deployment"), &kind_deployment);
    assert_ptr_equal(kind_by_name("barque/v1", "NodeItem"), &kind_node_item);
    assert_null(kind_by_name("v1", "Deployment"));
    assert_null(kind_by_name("v1", "pod"));
}

static void keys_are_kubernetes_own(void **state)
{
    static const struct {
        const struct kind *kind;
        const char *namespace_, *name, *key;
    } cases[] = {
        { &kind_pod, "default", "web-1", "/registry/pods/default/web-1" },
        { &kind_node, "", "n1", "/registry/minions/n1" },
        { &kind_namespace, "", "default", "/registry/namespaces/default" },
        { &kind_replicaset, "a", "b", "/registry/replicasets/a/b" },
        { &kind_deployment, "a", "b", "/registry/deployments/a/b" },
        { &kind_configmap, "a", "b", "/registry/configmaps/a/b" },
        { &kind_event, "a", "b.1", "/registry/events/a/b.1" },
        { &kind_node_item, "n1", "pod.default.web-1", "/barque/nodes/n1/pod.default.web-1" },
        { &kind_node_alive, "", "n1", "/barque/alive/n1" },
    };
    char ns[254], name[254];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf key = BUF_INIT;
        kind_key(cases[i].kind, cases[i].namespace_, cases[i].name, &key);
        assert_string_equal(buf_str(&key), cases[i].key);
        assert_ptr_equal(kind_by_key(buf_slice(&key), ns, name), cases[i].kind);
        assert_string_equal(ns, cases[i].namespace_);
        assert_string_equal(name, cases[i].name);
    }
}

static void other_keys_belong_to_no_kind(void **state)
{
    static const char *const keys[] = {
        "", "/registry/pods/", "/registry/pods/default", "/registry/pods/default/",
        "/registry/pods//x", "/registry/pods/a/b/c", "/registry/minions/", "/registry/minions/a/b",
        "/registry/services/specs/a/b", "/barque/x",
    };
    char ns[254], name[254];
    autobuf longer = BUF_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_null(kind_by_key(slice_str(keys[i]), ns, name));
    }
    buf_append_str(&longer, "/registry/minions/");
    for (int i = 0; i < 254; i++) {
        buf_append_char(&longer, 'a');
    }
    assert_null(kind_by_key(buf_slice(&longer), ns, name));
    longer.len--;
    assert_ptr_equal(kind_by_key(buf_slice(&longer), ns, name), &kind_node);
}

static void prefixes_are_of_a_kind_or_of_a_namespace(void **state)
{
    autobuf all = BUF_INIT, one = BUF_INIT, node = BUF_INIT;
    (void)state;
    kind_prefix(&kind_pod, NULL, &all);
    assert_string_equal(buf_str(&all), "/registry/pods/");
    kind_prefix(&kind_pod, "default", &one);
    assert_string_equal(buf_str(&one), "/registry/pods/default/");
    kind_prefix(&kind_node, "default", &node);
    assert_string_equal(buf_str(&node), "/registry/minions/");
}

static void objects_know_their_keys(void **state)
{
    autobuf key = BUF_INIT;
    (void)state;
    struct object *pod = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":"
                                   "{\"name\":\"web-1\",\"namespace\":\"default\"}}");
    struct object *node = object_of("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":"
                                    "{\"name\":\"n1\"}}");
    autofree char *pod_key = object_name_key(pod);
    autofree char *node_key = object_name_key(node);
    assert_string_equal(pod_key, "default/web-1");
    assert_string_equal(node_key, "n1");
    object_key(pod, &key);
    assert_string_equal(buf_str(&key), "/registry/pods/default/web-1");
    assert_ptr_equal(object_pod(pod), pod);
    object_free(pod);
    object_free(node);
}

static void uids_are_version_4(void **state)
{
    char text[37];
    (void)state;
    uid_format(0, 0, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
    uid_format(UINT64_MAX, UINT64_MAX, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    uid_format(UINT64_C(0x0123456789abcdef), UINT64_C(0x0fedcba987654321), text);
    assert_string_equal(text, "01234567-89ab-4def-8fed-cba987654321");
}

static void node_items_are_told_apart_by_name(void **state)
{
    static const struct {
        const char *name;
        enum node_item_type type;
    } cases[] = {
        { "pod.default.web-1", NODE_ITEM_POD },
        { "status.default.web-1", NODE_ITEM_STATUS },
        { "node", NODE_ITEM_NODE },
        { "nodes", NODE_ITEM_UNKNOWN },
    };
    char name[520];
    (void)state;
    struct object *o = object_new(&kind_node_item);
    assert_int_equal(node_item_type(o), NODE_ITEM_UNKNOWN);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        mem_free(o->metadata.name);
        o->metadata.name = mem_strdup(cases[i].name);
        assert_int_equal(node_item_type(o), cases[i].type);
        if (cases[i].type != NODE_ITEM_UNKNOWN) {
            node_item_name(cases[i].type, "default", "web-1", name, sizeof name);
            assert_string_equal(name, cases[i].name);
        }
    }
    object_free(o);
}

int test_kinds_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_found_by_what_people_type),
        cmocka_unit_test(kinds_are_found_by_their_exact_name),
        cmocka_unit_test(keys_are_kubernetes_own),
        cmocka_unit_test(other_keys_belong_to_no_kind),
        cmocka_unit_test(prefixes_are_of_a_kind_or_of_a_namespace),
        cmocka_unit_test(objects_know_their_keys),
        cmocka_unit_test(uids_are_version_4),
        cmocka_unit_test(node_items_are_told_apart_by_name),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
