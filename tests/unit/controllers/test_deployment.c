/* Deployment: the ReplicaSet it makes, history, revisions, conditions. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

static void put_deployment(struct world *w, const char *image, const char *spec, int generation)
{
    world_put(w, "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web',"
                 "'namespace':'d','uid':'d1','generation':%d,'annotations':{"
                 "'kubernetes.io/change-cause':'because'}},'spec':{'replicas':2,"
                 "'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{"
                 "'app':'web'}},'spec':{'containers':[{'name':'c','image':'%s','command':['x']}]}}"
                 "%s}}",
              generation, image, spec);
}

static void put_rs(struct world *w, const char *name, const char *image, int revision,
                   int replicas, int available)
{
    world_put(w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'%s',"
                 "'namespace':'d','uid':'u-%s','generation':1,'annotations':{"
                 "'deployment.kubernetes.io/revision':'%d'},'ownerReferences':[{"
                 "'apiVersion':'apps/v1','kind':'Deployment','name':'web','uid':'d1',"
                 "'controller':true}]},'spec':{'replicas':%d,'template':{'metadata':{'labels':{"
                 "'app':'web','pod-template-hash':'h'}},'spec':{'containers':[{'name':'c',"
                 "'image':'%s','command':['x']}]}}},'status':{'replicas':%d,'readyReplicas':%d,"
                 "'availableReplicas':%d,'observedGeneration':1}}",
              name, name, revision, replicas, image, replicas, available, available);
}

static const struct deployment *status_of(const struct world *w)
{
    return object_deployment(world_op(w, PLAN_UPDATE_STATUS, 0)->object);
}

static const char *reason_of(const struct world *w, const char *type)
{
    return condition_find(&status_of(w)->status.conditions, type)->reason;
}

static void the_first_replicaset_carries_template_hash_and_owner(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", ",'minReadySeconds':7", 1);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 1);
    const struct replicaset *rs = object_replicaset(world_op(&w, PLAN_CREATE, 0)->object);
    const char *hash = string_map_get(&rs->object.metadata.labels, LABEL_POD_TEMPLATE_HASH);
    assert_non_null(hash);
    assert_string_equal(rs->object.metadata.name + strlen("web-"), hash);
    assert_string_equal(
        string_map_get(&rs->spec.template_.metadata.labels, LABEL_POD_TEMPLATE_HASH), hash);
    assert_string_equal(
        string_map_get(&rs->spec.selector.match_labels, LABEL_POD_TEMPLATE_HASH), hash);
    assert_string_equal(string_map_get(&rs->object.metadata.annotations, ANNOTATION_REVISION),
                        "1");
    assert_string_equal(string_map_get(&rs->object.metadata.annotations, ANNOTATION_CHANGE_CAUSE),
                        "because");
    assert_string_equal(object_controller_of(&rs->object)->uid, "d1");
    assert_int_equal(rs->spec.replicas, 2);
    assert_int_equal(rs->spec.min_ready_seconds, 7);
    world_apply(&w);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 0); /* it is found again */
    world_close(&w);
}

static void a_taken_name_leads_to_another_hash(void **state)
{
    struct world w;
    char name[64];
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", "", 1);
    world_reconcile(&w, &controller_deployment, "d/web");
    snprintf(name, sizeof name, "%s", world_op(&w, PLAN_CREATE, 0)->name);
    world_put(&w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'%s',"
                  "'namespace':'d','uid':'stranger'},'spec':{'replicas':1}}", name);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_string_not_equal(world_op(&w, PLAN_CREATE, 0)->name, name);
    world_close(&w);
}

static void going_back_to_an_old_template_takes_the_next_revision(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", "", 3);
    put_rs(&w, "web-1", "v1", 1, 0, 0);
    put_rs(&w, "web-2", "v2", 2, 2, 2);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 0);
    assert_true(world_plans(&w, PLAN_UPDATE, "web-1"));
    const struct replicaset *rs = object_replicaset(world_op(&w, PLAN_UPDATE, 0)->object);
    assert_string_equal(rs->object.metadata.name, "web-1");
    assert_string_equal(string_map_get(&rs->object.metadata.annotations, ANNOTATION_REVISION),
                        "3");
    world_apply(&w);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_string_equal(string_map_get(&status_of(&w)->object.metadata.annotations,
                                       ANNOTATION_REVISION), "3");
    world_close(&w);
}

static void history_beyond_its_limit_goes_oldest_first(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v5", ",'revisionHistoryLimit':1", 5);
    put_rs(&w, "web-3", "v3", 3, 0, 0);
    put_rs(&w, "web-1", "v1", 1, 0, 0);
    put_rs(&w, "web-2", "v2", 2, 0, 0);
    put_rs(&w, "web-5", "v5", 5, 2, 2);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 2);
    assert_true(world_plans(&w, PLAN_DELETE, "web-1"));
    assert_true(world_plans(&w, PLAN_DELETE, "web-2"));
    world_close(&w);
}

static void history_that_still_has_pods_stays(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v2", ",'revisionHistoryLimit':0", 2);
    put_rs(&w, "web-1", "v1", 1, 1, 1);
    put_rs(&w, "web-2", "v2", 2, 2, 1);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 0);
    world_close(&w);
}

static void a_finished_rollout_is_available_and_complete(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", "", 4);
    put_rs(&w, "web-1", "v1", 1, 2, 2);
    world_reconcile(&w, &controller_deployment, "d/web");
    const struct deployment *d = status_of(&w);
    assert_int_equal(d->status.observed_generation, 4);
    assert_int_equal(d->status.updated_replicas, 2);
    assert_int_equal(d->status.available_replicas, 2);
    assert_int_equal(d->status.unavailable_replicas, 0);
    assert_string_equal(reason_of(&w, "Progressing"), "NewReplicaSetAvailable");
    assert_string_equal(reason_of(&w, "Available"), "MinimumReplicasAvailable");
    assert_int_equal(d->object.metadata.generation, 4);
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_deployment, "d/web"), 0);
    world_close(&w);
}

static void no_progress_within_the_deadline_is_told_and_progress_begins_it_anew(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", ",'progressDeadlineSeconds':60", 1);
    put_rs(&w, "web-1", "v1", 1, 2, 0);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_string_equal(reason_of(&w, "Progressing"), "ReplicaSetUpdated");
    assert_string_equal(reason_of(&w, "Available"), "MinimumReplicasUnavailable");
    assert_true(w.plan.requeue_after_ms <= 62000);
    world_apply(&w);
    w.now_ms += 59000;
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_UPDATE_STATUS), 0);
    w.now_ms += 2000;
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_string_equal(reason_of(&w, "Progressing"), "ProgressDeadlineExceeded");
    world_apply(&w);
    put_rs(&w, "web-1", "v1", 1, 2, 1);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_string_equal(reason_of(&w, "Progressing"), "ReplicaSetUpdated");
    world_close(&w);
}

static void a_paused_one_neither_creates_nor_misses_its_deadline(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v2", ",'paused':true,'progressDeadlineSeconds':60", 1);
    put_rs(&w, "web-1", "v1", 1, 2, 2);
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 0);
    assert_string_equal(reason_of(&w, "Progressing"), "DeploymentPaused");
    world_apply(&w);
    w.now_ms += 100000;
    assert_int_equal(world_reconcile(&w, &controller_deployment, "d/web"), 0);
    world_close(&w);
}

static void recreate_creates_only_when_the_last_old_pod_is_gone(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v2", ",'strategy':{'type':'Recreate'}", 2);
    put_rs(&w, "web-1", "v1", 1, 0, 0);
    world_put(&w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','namespace':'d',"
                  "'uid':'p','deletionTimestamp':'2025-11-24T15:00:00Z','ownerReferences':[{"
                  "'apiVersion':'apps/v1','kind':'ReplicaSet','name':'web-1','uid':'u-web-1',"
                  "'controller':true}]},'spec':{'nodeName':'n1'}}");
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 0);
    world_remove(&w, &kind_pod, "d/p");
    world_reconcile(&w, &controller_deployment, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 1);
    world_close(&w);
}

static void of_two_with_one_template_the_newest_stays_the_newest(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_deployment(&w, "v1", ",'paused':true", 3);
    put_rs(&w, "web-1", "v1", 1, 1, 1);
    put_rs(&w, "web-2", "v1", 2, 1, 1);
    world_reconcile(&w, &controller_deployment, "d/web");
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_deployment, "d/web"), 0);
    world_close(&w);
}

static void numbers_at_the_ends_of_their_range_do_not_overflow(void **state)
{
    static const char *const specs[] = {
        "", ",'paused':true", ",'strategy':{'type':'Recreate'}",
        ",'strategy':{'rollingUpdate':{'maxSurge':-2147483648,'maxUnavailable':-2147483648}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct world w;
        world_open(&w);
        put_deployment(&w, "v3", specs[i], 3);
        put_rs(&w, "web-1", "v1", 1, INT32_MAX, INT32_MIN);
        put_rs(&w, "web-2", "v2", 2, INT32_MAX, INT32_MAX);
        put_rs(&w, "web-3", "v3", 3, INT32_MIN, INT32_MAX);
        world_reconcile(&w, &controller_deployment, "d/web");
        assert_int_equal(status_of(&w)->status.replicas, INT32_MAX);
        assert_int_equal(status_of(&w)->status.available_replicas, INT32_MAX);
        world_close(&w);
    }
}

int test_deployment_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_replicaset_carries_template_hash_and_owner),
        cmocka_unit_test(a_taken_name_leads_to_another_hash),
        cmocka_unit_test(going_back_to_an_old_template_takes_the_next_revision),
        cmocka_unit_test(history_beyond_its_limit_goes_oldest_first),
        cmocka_unit_test(history_that_still_has_pods_stays),
        cmocka_unit_test(a_finished_rollout_is_available_and_complete),
        cmocka_unit_test(no_progress_within_the_deadline_is_told_and_progress_begins_it_anew),
        cmocka_unit_test(a_paused_one_neither_creates_nor_misses_its_deadline),
        cmocka_unit_test(recreate_creates_only_when_the_last_old_pod_is_gone),
        cmocka_unit_test(of_two_with_one_template_the_newest_stays_the_newest),
        cmocka_unit_test(numbers_at_the_ends_of_their_range_do_not_overflow),
    };
    return cmocka_run_group_tests_name("deployment", tests, NULL, NULL);
}
