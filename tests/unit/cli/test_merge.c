/* What apply makes of a live object and a manifest; and how far a rollout is. */
#include "tests/unit/cli/test.h"

#include "cli/merge.h"
#include "cli/rollout_wait.h"
#include "lib/base/assert.h"

#define LIVE                                                                                   \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","        \
    "\"namespace\":\"default\",\"uid\":\"u-1\",\"generation\":4,\"creationTimestamp\":"          \
    "\"2026-11-23T10:00:00Z\",\"labels\":{\"app\":\"web\",\"old\":\"1\",\"other\":\"2\"},"       \
    "\"annotations\":{\"barque.io/applied-metadata\":\"l:app l:old\",\"who\":\"controller\"}},"  \
    "\"spec\":{\"replicas\":2,\"paused\":true,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}," \
    "\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}},\"status\":{\"replicas\":2}}"
#define WANTED                                                                                 \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","        \
    "\"namespace\":\"default\",\"labels\":{\"app\":\"web\",\"new\":\"3\"}},\"spec\":{"           \
    "\"replicas\":5,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"spec\":{"   \
    "\"containers\":[{\"name\":\"a\"}]}}}}"

static struct object *merged(const char *live_json, const char *wanted_json)
{
    struct object *live = object_of(live_json), *wanted = object_of(wanted_json);
    struct err err;

    live->metadata.resource_version = 77;
    assert_int_equal(merge_into(live, wanted, &err), 0);
    object_free(wanted);
    return live;
}

static void the_manifest_decides_the_spec_and_the_store_keeps_the_status(void **state)
{
    struct object *o = merged(LIVE, WANTED);
    const struct deployment *d = object_deployment(o);

    (void)state;
    assert_int_equal(d->spec.replicas, 5);
    assert_false(d->spec.paused); /* not in the manifest: gone */
    assert_int_equal(d->status.replicas, 2);
    assert_string_equal(o->metadata.uid, "u-1");
    assert_int_equal(o->metadata.generation, 4); /* the library's to bump */
    assert_int_equal(o->metadata.resource_version, 77);
    object_free(o);
}

static void labels_that_apply_once_set_go_and_those_of_others_stay(void **state)
{
    struct object *o = merged(LIVE, WANTED);

    (void)state;
    assert_string_equal(string_map_get(&o->metadata.labels, "new"), "3");
    assert_null(string_map_get(&o->metadata.labels, "old"));
    assert_string_equal(string_map_get(&o->metadata.labels, "other"), "2");
    assert_string_equal(string_map_get(&o->metadata.annotations, "who"), "controller");
    assert_string_equal(string_map_get(&o->metadata.annotations, ANNOTATION_APPLIED),
                        "l:app l:new");
    object_free(o);
}

static void applying_twice_changes_nothing(void **state)
{
    struct object *once = merged(LIVE, WANTED), *twice = object_copy(once);
    struct object *wanted = object_of(WANTED);
    struct err err;

    (void)state;
    assert_int_equal(merge_into(twice, wanted, &err), 0);
    assert_true(object_equal(once, twice));
    object_free(wanted);
    object_free(once);
    object_free(twice);
}

static void a_bound_pod_keeps_its_node(void **state)
{
    static const char live[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                               "\"p\",\"namespace\":\"default\"},\"spec\":{\"nodeName\":\"n1\","
                               "\"containers\":[{\"name\":\"a\"}]}}";
    static const char wanted[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                                 "\"p\",\"namespace\":\"default\"},\"spec\":{\"containers\":["
                                 "{\"name\":\"a\"}]}}";
    struct object *o = merged(live, wanted);

    (void)state;
    assert_string_equal(object_pod(o)->spec.node_name, "n1");
    object_free(o);
}

static void the_differences_shown_leave_out_what_nobody_wrote(void **state)
{
    struct object *before = object_of(LIVE), *after = merged(LIVE, WANTED);
    autobuf out = BUF_INIT;

    (void)state;
    after->metadata.generation++;
    merge_diff(before, after, &out);
    assert_non_null(strstr(buf_str(&out), "spec.replicas: 2 -> 5\n"));
    assert_null(strstr(buf_str(&out), "generation"));
    assert_null(strstr(buf_str(&out), ANNOTATION_APPLIED));
    object_free(before);
    object_free(after);
}

static void a_rollout_is_told_in_the_order_it_happens(void **state)
{
    static const struct {
        int generation, observed, replicas, updated, available;
        enum rollout_state want;
        const char *text;
    } cases[] = {
        { 2, 1, 0, 0, 0, ROLLOUT_GOES_ON, "waiting for deployment \"web\" to be looked at" },
        { 2, 2, 5, 1, 5, ROLLOUT_GOES_ON,
          "waiting for deployment \"web\": 1 of 5 new replicas have been made" },
        { 2, 2, 6, 5, 5, ROLLOUT_GOES_ON,
          "waiting for deployment \"web\": 1 old replicas are going" },
        { 2, 2, 5, 5, 4, ROLLOUT_GOES_ON,
          "waiting for deployment \"web\": 4 of 5 new replicas are available" },
        { 2, 2, 5, 5, 5, ROLLOUT_COMPLETE, "deployment \"web\" successfully rolled out" },
    };
    struct object *o = object_of(WANTED);
    struct deployment *d = object_deployment(o);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf text = BUF_INIT;

        o->metadata.generation = cases[i].generation;
        d->status.observed_generation = cases[i].observed;
        d->status.replicas = cases[i].replicas;
        d->status.updated_replicas = cases[i].updated;
        d->status.available_replicas = cases[i].available;
        assert_int_equal(rollout_state_of(d, &text), cases[i].want);
        assert_string_equal(buf_str(&text), cases[i].text);
    }
    object_free(o);
}

static void a_rollout_past_its_deadline_has_failed(void **state)
{
    struct object *o = object_of(
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},"
        "\"spec\":{\"replicas\":1},\"status\":{\"conditions\":[{\"type\":\"Progressing\","
        "\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\"}]}}");
    autobuf text = BUF_INIT;

    (void)state;
    assert_int_equal(rollout_state_of(object_deployment(o), &text), ROLLOUT_FAILED);
    object_free(o);
}

int test_merge_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_decides_the_spec_and_the_store_keeps_the_status),
        cmocka_unit_test(labels_that_apply_once_set_go_and_those_of_others_stay),
        cmocka_unit_test(applying_twice_changes_nothing),
        cmocka_unit_test(a_bound_pod_keeps_its_node),
        cmocka_unit_test(the_differences_shown_leave_out_what_nobody_wrote),
        cmocka_unit_test(a_rollout_is_told_in_the_order_it_happens),
        cmocka_unit_test(a_rollout_past_its_deadline_has_failed),
    };
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
