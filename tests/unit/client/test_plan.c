/* Plans: stamps, what is dropped because nothing differs, what guards a write. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include "api/apps.h"
#include "api/core.h"
#include "api/meta.h"
#include "client/plan.h"

static const int64_t now_ms = 1764000000000;

static struct object *replicaset(const char *name, int32_t replicas)
{
    struct object *o = object_new(&kind_replicaset);

    string_set(&o->metadata.namespace_, "default");
    string_set(&o->metadata.name, name);
    string_set(&o->metadata.uid, "uid-rs");
    o->metadata.resource_version = 17;
    o->metadata.generation = 3;
    ((struct replicaset *)o)->spec.replicas = replicas;
    ((struct replicaset *)o)->spec.has_replicas = true;
    return o;
}

static void a_create_is_stamped_with_uid_time_generation_and_a_generated_name(void **state)
{
    struct plan p;
    struct plan q;
    struct object *o = object_new(&kind_pod);
    struct object *again = object_new(&kind_pod);

    (void)state;
    plan_init(&p, 5, now_ms);
    plan_init(&q, 5, now_ms);
    string_set(&o->metadata.generate_name, "web-");
    string_set(&again->metadata.generate_name, "web-");
    plan_create(&p, o);
    plan_create(&q, again);
    assert_int_equal(p.n, 1);
    assert_int_equal(strlen(o->metadata.uid), 36);
    assert_int_equal(strlen(o->metadata.name), 9);
    assert_memory_equal(o->metadata.name, "web-", 4);
    assert_string_equal(o->metadata.creation_timestamp, "2025-11-24T16:00:00Z");
    assert_int_equal(o->metadata.generation, 1);
    assert_string_equal(o->metadata.name, again->metadata.name); /* the same seed */
    assert_string_equal(o->metadata.uid, again->metadata.uid);
    plan_fini(&p);
    plan_fini(&q);
}

static void two_generated_names_in_one_plan_differ(void **state)
{
    struct plan p;
    struct object *a = object_new(&kind_pod);
    struct object *b = object_new(&kind_pod);

    (void)state;
    plan_init(&p, 5, now_ms);
    string_set(&a->metadata.generate_name, "web-");
    string_set(&b->metadata.generate_name, "web-");
    plan_create(&p, a);
    plan_create(&p, b);
    assert_string_not_equal(a->metadata.name, b->metadata.name);
    assert_string_not_equal(a->metadata.uid, b->metadata.uid);
    plan_fini(&p);
}

static void an_update_that_changes_nothing_is_dropped(void **state)
{
    struct object *old = replicaset("rs", 3);
    struct plan p;

    (void)state;
    plan_init(&p, 1, now_ms);
    assert_false(plan_update(&p, old, object_copy(old)));
    assert_false(plan_update_status(&p, old, object_copy(old)));
    assert_int_equal(p.n, 0);
    plan_fini(&p);
    object_free(old);
}

static void a_changed_spec_raises_the_generation_and_a_changed_label_does_not(void **state)
{
    struct object *old = replicaset("rs", 3);
    struct object *spec = object_copy(old);
    struct object *label = object_copy(old);
    struct plan p;

    (void)state;
    plan_init(&p, 1, now_ms);
    ((struct replicaset *)spec)->spec.replicas = 5;
    string_map_set(&label->metadata.labels, "a", "b");
    assert_true(plan_update(&p, old, spec));
    assert_true(plan_update(&p, old, label));
    assert_int_equal(p.ops[0].object->metadata.generation, 4);
    assert_int_equal(p.ops[1].object->metadata.generation, 3);
    assert_int_equal(p.ops[0].resource_version, 17); /* the guard */
    plan_fini(&p);
    object_free(old);
}

static void a_status_update_keeps_the_generation(void **state)
{
    struct object *old = replicaset("rs", 3);
    struct object *o = object_copy(old);
    struct plan p;

    (void)state;
    plan_init(&p, 1, now_ms);
    ((struct replicaset *)o)->status.ready_replicas = 2;
    assert_true(plan_update_status(&p, old, o));
    assert_int_equal(p.ops[0].action, PLAN_UPDATE_STATUS);
    assert_int_equal(p.ops[0].object->metadata.generation, 3);
    assert_int_equal(p.ops[0].resource_version, 17);
    plan_fini(&p);
    object_free(old);
}

static void deletes_and_events_name_their_object_after_it_is_gone(void **state)
{
    struct object *o = replicaset("rs", 3);
    struct plan p;

    (void)state;
    plan_init(&p, 1, now_ms);
    plan_delete(&p, o);
    plan_event(&p, o, "Normal", "SuccessfulDelete", "deleted %s, %d left", "web-1", 2);
    object_free(o);
    assert_int_equal(p.n, 2);
    assert_ptr_equal(p.ops[0].kind, &kind_replicaset);
    assert_string_equal(p.ops[0].namespace_, "default");
    assert_string_equal(p.ops[0].name, "rs");
    assert_int_equal(p.ops[0].resource_version, 17);
    assert_string_equal(p.ops[1].message, "deleted web-1, 2 left");
    assert_string_equal(p.ops[1].uid, "uid-rs");
    assert_int_equal(plan_count(&p, PLAN_DELETE), 1);
    assert_int_equal(plan_count(&p, PLAN_EVENT), 1);
    assert_int_equal(plan_count(&p, PLAN_CREATE), 0);
    plan_fini(&p);
}

static void the_earliest_requeue_wins(void **state)
{
    struct plan p;

    (void)state;
    plan_init(&p, 1, now_ms);
    assert_true(p.requeue_after_ms == UINT64_MAX);
    plan_requeue_after(&p, 500);
    plan_requeue_after(&p, 900);
    assert_int_equal(p.requeue_after_ms, 500);
    plan_fini(&p);
}

int test_plan_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_create_is_stamped_with_uid_time_generation_and_a_generated_name),
        cmocka_unit_test(two_generated_names_in_one_plan_differ),
        cmocka_unit_test(an_update_that_changes_nothing_is_dropped),
        cmocka_unit_test(a_changed_spec_raises_the_generation_and_a_changed_label_does_not),
        cmocka_unit_test(a_status_update_keeps_the_generation),
        cmocka_unit_test(deletes_and_events_name_their_object_after_it_is_gone),
        cmocka_unit_test(the_earliest_requeue_wins),
    };

    return cmocka_run_group_tests_name("client/plan", tests, NULL, NULL);
}
