/* Strings, maps, conditions, pods' readiness, templates. */
#include "test.h"

#include <string.h>

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "samples.h"

static void string_maps_set_get_and_remove(void **state)
{
    struct string_map m = { NULL, 0 }, copy = { NULL, 0 };
    (void)state;
    string_map_set(&m, "a", "1");
    string_map_set(&m, "b", "2");
    string_map_set(&m, "c", "3");
    string_map_set(&m, "a", "4");
    assert_int_equal(m.n, 3);
    assert_string_equal(string_map_get(&m, "a"), "4");
    string_map_set(&copy, "old", "x");
    string_map_copy(&copy, &m);
    assert_true(string_map_equal(&m, &copy));
    string_map_remove(&m, "a");
    string_map_remove(&m, "absent");
    assert_null(string_map_get(&m, "a"));
    assert_string_equal(string_map_get(&m, "c"), "3");
    assert_false(string_map_equal(&m, &copy));
    string_map_remove(&m, "b");
    string_map_remove(&m, "c");
    string_map_copy(&copy, &m);
    assert_int_equal(copy.n, 0);
    mem_free(m.items);
    mem_free(copy.items);
}

static void a_string_may_be_set_from_itself(void **state)
{
    char *s = NULL;
    (void)state;
    string_set(&s, "hello");
    string_set(&s, s + 1);
    assert_string_equal(s, "ello");
    string_set(&s, NULL);
    assert_null(s);
}

static void a_condition_moves_its_time_only_with_its_status(void **state)
{
    struct object *o = object_new(&kind_pod);
    struct condition_list *l = &object_pod(o)->status.conditions;
    (void)state;
    assert_null(condition_find(l, "Ready"));
    assert_true(condition_set(l, "Ready", "False", "Starting", NULL, "t1"));
    assert_false(condition_set(l, "Ready", "False", "Starting", NULL, "t2"));
    assert_true(condition_set(l, "Ready", "False", "Waiting", "m", "t3"));
    assert_string_equal(condition_find(l, "Ready")->last_transition_time, "t1");
    assert_false(condition_is_true(l, "Ready"));
    assert_true(condition_set(l, "Ready", "True", NULL, NULL, "t4"));
    assert_string_equal(condition_find(l, "Ready")->last_transition_time, "t4");
    assert_null(condition_find(l, "Ready")->reason);
    assert_true(condition_is_true(l, "Ready"));
    assert_true(condition_set(l, "Other", "True", NULL, NULL, "t5"));
    assert_int_equal(l->n, 2);
    object_free(o);
}

static void a_pod_is_available_after_being_ready_long_enough(void **state)
{
    struct object *o = object_new(&kind_pod);
    struct pod *p = object_pod(o);
    const int64_t start_ms = INT64_C(1795428000000); /* 2026-11-23T10:00:00Z */
    (void)state;
    assert_false(pod_is_available(p, 0, start_ms));
    (void)condition_set(&p->status.conditions, "Ready", "True", NULL, NULL,
                        "2026-11-23T10:00:00Z");
    assert_true(pod_is_ready(p));
    assert_true(pod_is_available(p, 0, start_ms));
    assert_false(pod_is_available(p, 10, start_ms + 9999));
    assert_true(pod_is_available(p, 10, start_ms + 10000));
    object_free(o);
}

static void a_pod_is_active_until_it_ends_or_is_deleted(void **state)
{
    struct object *o = object_new(&kind_pod);
    struct pod *p = object_pod(o);
    (void)state;
    assert_true(pod_is_active(p));
    string_set(&p->status.phase, "Succeeded");
    assert_true(pod_is_terminal(p));
    assert_false(pod_is_active(p));
    string_set(&p->status.phase, "Failed");
    assert_true(pod_is_terminal(p));
    string_set(&p->status.phase, "Running");
    string_set(&o->metadata.deletion_timestamp, "t");
    assert_false(pod_is_terminal(p));
    assert_false(pod_is_active(p));
    object_free(o);
}

static void percentages_round_as_asked(void **state)
{
    static const struct {
        struct int_or_percent v;
        int32_t total, up, down;
    } cases[] = {
        { { false, false, 7 }, 10, 0, 0 },
        { { true, false, 7 }, 10, 7, 7 },
        { { true, true, 25 }, 6, 2, 1 },
        { { true, true, 25 }, 4, 1, 1 },
        { { true, true, 0 }, 4, 0, 0 },
        { { true, true, 100 }, INT32_MAX, INT32_MAX, INT32_MAX },
        { { true, true, INT32_MAX }, INT32_MAX, INT32_MAX, INT32_MAX },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(int_or_percent_of(&cases[i].v, cases[i].total, true), cases[i].up);
        assert_int_equal(int_or_percent_of(&cases[i].v, cases[i].total, false), cases[i].down);
    }
}

static void a_template_is_equal_apart_from_its_hash_label(void **state)
{
    struct object *o = object_of(samples[5]);
    struct pod_template *a = &object_deployment(o)->spec.template_;
    struct pod_template b = { 0 };
    (void)state;
    pod_template_copy(&b, a);
    pod_template_copy(&b, a); /* replaces without a leak */
    string_map_set(&b.metadata.labels, LABEL_POD_TEMPLATE_HASH, "x");
    assert_true(pod_template_equal(a, &b));
    string_map_set(&b.metadata.labels, "tier", "b");
    assert_false(pod_template_equal(a, &b));
    string_map_set(&b.metadata.labels, "tier", "a");
    string_set(&b.spec.containers[0].image, "web:2");
    assert_false(pod_template_equal(a, &b));
    pod_spec_copy(&b.spec, &a->spec);
    assert_true(pod_template_equal(a, &b));
    pod_template_copy(&b, &(struct pod_template){ 0 });
    object_free(o);
}

static void equal_templates_hash_alike_and_collisions_part_them(void **state)
{
    struct object *o = object_of(samples[5]);
    struct pod_template *t = &object_deployment(o)->spec.template_;
    char first[16], second[16];
    (void)state;
    pod_template_hash(t, 0, first);
    assert_int_equal(strlen(first), strspn(first, "bcdfghjklmnpqrstvwxz2456789"));
    assert_true(strlen(first) >= 8);
    string_map_set(&t->metadata.labels, LABEL_POD_TEMPLATE_HASH, first);
    pod_template_hash(t, 0, second);
    assert_string_equal(first, second);
    string_map_remove(&t->metadata.labels, "app");
    string_map_set(&t->metadata.labels, "app", "web"); /* another order */
    pod_template_hash(t, 0, second);
    assert_string_equal(first, second);
    pod_template_hash(t, 1, second);
    assert_string_not_equal(first, second);
    string_set(&t->spec.containers[0].image, "web:2");
    pod_template_hash(t, 0, second);
    assert_string_not_equal(first, second);
    object_free(o);
}

static void a_template_hash_never_changes_between_versions(void **state)
{
    struct pod_template t = { 0 };
    char hash[16];
    (void)state;
    string_map_set(&t.metadata.labels, "app", "web");
    pod_template_hash(&t, 0, hash);
    /* A new field in a schema must not roll every workload of a cluster. */
    assert_string_equal(hash, "mndhg6s4tw");
    pod_template_copy(&t, &(struct pod_template){ 0 });
}

int test_meta_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_maps_set_get_and_remove),
        cmocka_unit_test(a_string_may_be_set_from_itself),
        cmocka_unit_test(a_condition_moves_its_time_only_with_its_status),
        cmocka_unit_test(a_pod_is_available_after_being_ready_long_enough),
        cmocka_unit_test(a_pod_is_active_until_it_ends_or_is_deleted),
        cmocka_unit_test(percentages_round_as_asked),
        cmocka_unit_test(a_template_is_equal_apart_from_its_hash_label),
        cmocka_unit_test(equal_templates_hash_alike_and_collisions_part_them),
        cmocka_unit_test(a_template_hash_never_changes_between_versions),
    };
    return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
