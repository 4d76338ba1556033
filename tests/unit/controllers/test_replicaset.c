/* ReplicaSet: as many as wanted, who goes first, what the status says. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

static void put_rs(struct world *w, int replicas, int min_ready)
{
    world_put(w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'web',"
                 "'namespace':'d','uid':'rs1','generation':3},'spec':{'replicas':%d,"
                 "'minReadySeconds':%d,'selector':{'matchLabels':{'app':'web'}},'template':{"
                 "'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
                 "'command':['x']}]}}}}",
              replicas, min_ready);
}

/* extra_meta and rest begin with a comma or are empty. */
static void put_pod(struct world *w, const char *name, const char *extra_meta, const char *node,
                    const char *status)
{
    world_put(w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','namespace':'d',"
                 "'uid':'u-%s','labels':{'app':'web'},'ownerReferences':[{'apiVersion':'apps/v1',"
                 "'kind':'ReplicaSet','name':'web','uid':'rs1','controller':true}]%s},"
                 "'spec':{'containers':[{'name':'c','command':['x']}]%s%s%s},'status':{%s}}",
              name, name, extra_meta, node != NULL ? ",'nodeName':'" : "",
              node != NULL ? node : "", node != NULL ? "'" : "", status);
}

static const char READY[] = "'phase':'Running','conditions':[{'type':'Ready','status':'True',"
                            "'lastTransitionTime':'2025-11-24T15:00:00Z'}]";

static const struct replicaset *status_of(const struct world *w)
{
    return object_replicaset(world_op(w, PLAN_UPDATE_STATUS, 0)->object);
}

static void missing_pods_are_created_from_the_template(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 3, 0);
    put_pod(&w, "web-a", "", "n1", READY);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 2);
    const struct pod *p = object_pod(world_op(&w, PLAN_CREATE, 0)->object);
    assert_int_equal(strncmp(p->object.metadata.name, "web-", 4), 0);
    assert_string_equal(p->object.metadata.namespace_, "d");
    assert_string_equal(string_map_get(&p->object.metadata.labels, "app"), "web");
    assert_string_equal(object_controller_of(&p->object)->uid, "rs1");
    assert_string_equal(p->spec.containers[0].command[0], "x");
    assert_null(p->spec.node_name);
    assert_string_not_equal(world_op(&w, PLAN_CREATE, 0)->name,
                            world_op(&w, PLAN_CREATE, 1)->name);
    world_close(&w);
}

static void pods_that_end_or_have_ended_do_not_count(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 2, 0);
    put_pod(&w, "web-a", ",'deletionTimestamp':'2025-11-24T15:00:00Z'", "n1", READY);
    put_pod(&w, "web-b", "", "n1", "'phase':'Failed'");
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 2);
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 0);
    world_close(&w);
}

static void the_right_number_needs_no_write_once_the_status_is_there(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 1, 0);
    put_pod(&w, "web-a", "", "n1", READY);
    assert_int_equal(world_reconcile(&w, &controller_replicaset, "d/web"), 1);
    const struct replicaset *rs = status_of(&w);
    assert_int_equal(rs->status.replicas, 1);
    assert_int_equal(rs->status.ready_replicas, 1);
    assert_int_equal(rs->status.available_replicas, 1);
    assert_int_equal(rs->status.observed_generation, 3);
    assert_int_equal(rs->object.metadata.generation, 3);
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_replicaset, "d/web"), 0);
    world_close(&w);
}

/* Whoever reads the status must not rely on a pod that this very pass sends away. */
static void those_that_are_to_go_are_not_in_the_status(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 1, 0);
    put_pod(&w, "web-a", "", "n1", READY);
    put_pod(&w, "web-b", "", "n1", READY);
    put_pod(&w, "web-c", "", "n1", READY);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_UPDATE), 2);
    const struct replicaset *rs = status_of(&w);
    assert_int_equal(rs->status.replicas, 1);
    assert_int_equal(rs->status.ready_replicas, 1);
    assert_int_equal(rs->status.available_replicas, 1);
    world_close(&w);
}

static void the_cheapest_pods_go_first(void **state)
{
    static const char *const order[] = { "unbound", "pending", "unready", "twin-b" };
    struct world w;
    (void)state;
    for (size_t keep = 0; keep < 4; keep++) {
        world_open(&w);
        put_rs(&w, (int)(6 - 1 - keep), 0);
        put_pod(&w, "alone", "", "n1", READY);
        put_pod(&w, "twin-a", ",'creationTimestamp':'2025-11-24T10:00:00Z'", "n2", READY);
        put_pod(&w, "twin-b", ",'creationTimestamp':'2025-11-24T11:00:00Z'", "n2", READY);
        put_pod(&w, "unready", "", "n3", "'phase':'Running'");
        put_pod(&w, "pending", "", "n3", "'phase':'Pending'");
        put_pod(&w, "unbound", "", NULL, "'phase':'Pending'");
        world_reconcile(&w, &controller_replicaset, "d/web");
        for (size_t i = 0; i <= keep; i++) {
            enum plan_action how = i == 0 ? PLAN_DELETE : PLAN_UPDATE;
            assert_true(world_plans(&w, how, order[i]));
        }
        assert_int_equal(plan_count(&w.plan, PLAN_DELETE) + plan_count(&w.plan, PLAN_UPDATE),
                         keep + 1);
        world_close(&w);
    }
}

static void the_one_that_restarts_most_goes_before_its_equals(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 1, 0);
    put_pod(&w, "calm", "", "n1", READY);
    char status[400];
    snprintf(status, sizeof status, "%s,'containerStatuses':[{'name':'c','restartCount':4}]",
             READY);
    put_pod(&w, "nervous", "", "n2", status);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_true(world_plans(&w, PLAN_UPDATE, "nervous"));
    assert_false(world_plans(&w, PLAN_UPDATE, "calm"));
    world_close(&w);
}

static void a_bound_pod_is_asked_to_stop_and_only_once(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 0, 0);
    put_pod(&w, "web-a", "", "n1", READY);
    world_reconcile(&w, &controller_replicaset, "d/web");
    const struct object *o = world_op(&w, PLAN_UPDATE, 0)->object;
    assert_string_equal(o->metadata.deletion_timestamp, world_time(&w, 0));
    world_apply(&w);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_UPDATE), 0);
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 0);
    world_close(&w);
}

static void a_ready_pod_is_available_after_min_ready_seconds(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 1, 10);
    char status[200];
    snprintf(status, sizeof status, "'phase':'Running','conditions':[{'type':'Ready',"
             "'status':'True','lastTransitionTime':'%s'}]", world_time(&w, -4000));
    put_pod(&w, "web-a", "", "n1", status);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(status_of(&w)->status.ready_replicas, 1);
    assert_int_equal(status_of(&w)->status.available_replicas, 0);
    assert_true(w.plan.requeue_after_ms <= 6000);
    w.now_ms += 7000;
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(status_of(&w)->status.available_replicas, 1);
    assert_true(w.plan.requeue_after_ms == UINT64_MAX);
    world_close(&w);
}

static void one_pass_makes_at_most_a_burst(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, 2000, 0);
    world_reconcile(&w, &controller_replicaset, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 500);
    world_close(&w);
}

static void nothing_is_done_for_one_that_is_gone_or_going(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_int_equal(world_reconcile(&w, &controller_replicaset, "d/none"), 0);
    world_put(&w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'web',"
                  "'namespace':'d','uid':'rs1','deletionTimestamp':'2025-11-24T15:00:00Z'},"
                  "'spec':{'replicas':3}}");
    assert_int_equal(world_reconcile(&w, &controller_replicaset, "d/web"), 0);
    world_put(&w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'raw',"
                  "'namespace':'d'},'spec':{'replicas':3}}");
    assert_int_equal(world_reconcile(&w, &controller_replicaset, "d/raw"), 0);
    world_close(&w);
}

int test_replicaset_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_pods_are_created_from_the_template),
        cmocka_unit_test(pods_that_end_or_have_ended_do_not_count),
        cmocka_unit_test(the_right_number_needs_no_write_once_the_status_is_there),
        cmocka_unit_test(those_that_are_to_go_are_not_in_the_status),
        cmocka_unit_test(the_cheapest_pods_go_first),
        cmocka_unit_test(the_one_that_restarts_most_goes_before_its_equals),
        cmocka_unit_test(a_bound_pod_is_asked_to_stop_and_only_once),
        cmocka_unit_test(a_ready_pod_is_available_after_min_ready_seconds),
        cmocka_unit_test(one_pass_makes_at_most_a_burst),
        cmocka_unit_test(nothing_is_done_for_one_that_is_gone_or_going),
    };
    return cmocka_run_group_tests_name("replicaset", tests, NULL, NULL);
}
