/* Garbage: pods of lost nodes, dependents of gone owners; never too early. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

static void put_node(struct world *w, const char *effect)
{
    world_put(w, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','uid':'n'},'spec':{"
                 "'taints':[{'key':'node.kubernetes.io/unreachable','effect':'%s'}]}}", effect);
}

static void put_pod(struct world *w, const char *spec, const char *meta)
{
    world_put(w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web','namespace':'d',"
                 "'uid':'u1','creationTimestamp':'%s'%s},'spec':{%s},'status':{'conditions':[{"
                 "'type':'PodScheduled','status':'True','lastTransitionTime':'%s'}]}}",
              world_time(w, -3600000), meta, spec, world_time(w, 0));
}

static size_t gc(struct world *w)
{
    world_reconcile(w, &controller_pod_gc, "d/web");
    return plan_count(&w->plan, PLAN_DELETE);
}

static void pods_of_a_lost_node_are_removed_at_once(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_node(&w, "NoExecute");
    put_pod(&w, "'nodeName':'n1'", "");
    assert_int_equal(gc(&w), 1);
    world_close(&w);
}

static void a_pod_that_was_being_deleted_there_goes_too(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_node(&w, "NoExecute");
    put_pod(&w, "'nodeName':'n1'", ",'deletionTimestamp':'2025-11-24T15:00:00Z'");
    assert_int_equal(gc(&w), 1);
    world_close(&w);
}

static void while_the_brake_holds_they_stay(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_node(&w, "NoSchedule");
    put_pod(&w, "'nodeName':'n1'", "");
    assert_int_equal(gc(&w), 0);
    world_close(&w);
}

static void who_tolerates_it_for_good_stays(void **state)
{
    static const struct {
        const char *toleration;
        size_t deleted;
    } table[] = {
        { "'operator':'Exists'", 0 },
        { "'key':'node.kubernetes.io/unreachable','operator':'Exists','effect':'NoExecute'", 0 },
        { "'key':'node.kubernetes.io/unreachable'", 0 },
        { "'key':'node.kubernetes.io/unreachable','value':'other'", 1 },
        { "'key':'other','operator':'Exists'", 1 },
        { "'key':'node.kubernetes.io/unreachable','operator':'Exists','effect':'NoSchedule'", 1 },
        { "'operator':'Exists','tolerationSeconds':300", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct world w;
        char spec[300];
        world_open(&w);
        put_node(&w, "NoExecute");
        snprintf(spec, sizeof spec, "'nodeName':'n1','tolerations':[{%s}]", table[i].toleration);
        put_pod(&w, spec, "");
        if (gc(&w) != table[i].deleted) {
            fail_msg("toleration %zu is misjudged", i);
        }
        world_close(&w);
    }
}

static void a_node_that_is_missing_counts_only_in_a_cache_as_new_as_the_binding(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    /* An old pod, bound this moment: our view of nodes may be older. */
    put_pod(&w, "'nodeName':'n1'", "");
    struct object *late = object_copy(world_get(&w, &kind_pod, "d/web"));
    late->metadata.resource_version = w.revision + 10;
    cache_put(lister_cache(&w.lister, &kind_pod), late, NULL);
    assert_int_equal(gc(&w), 0);
    assert_true(w.plan.requeue_after_ms <= 5000);
    w.now_ms += 6000;
    assert_int_equal(gc(&w), 1);
    w.now_ms -= 6000;
    cache_set_revision(lister_cache(&w.lister, &kind_node), w.revision + 10);
    assert_int_equal(gc(&w), 1);
    world_close(&w);
}

static void an_unbound_pod_that_is_deleted_needs_no_agent(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "", "");
    assert_int_equal(gc(&w), 0);
    put_pod(&w, "", ",'deletionTimestamp':'2025-11-24T15:00:00Z'");
    assert_int_equal(gc(&w), 1);
    world_close(&w);
}

/* --- owners --------------------------------------------------------------------------------- */

static const char OWNED[] = ",'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet',"
                            "'name':'rs','uid':'rs1','controller':true}]";

static void put_rs(struct world *w, const char *uid)
{
    world_put(w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'rs',"
                 "'namespace':'d','uid':'%s'},'spec':{}}", uid);
}

static void dependents_stay_while_their_owner_is_there(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, "rs1");
    put_pod(&w, "'nodeName':'n1'", OWNED);
    assert_int_equal(world_reconcile(&w, &controller_owner_gc, "pod:d/web"), 0);
    world_close(&w);
}

static void dependents_of_a_gone_owner_or_of_its_predecessor_are_deleted(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_rs(&w, "another");
    put_pod(&w, "'nodeName':'n1'", OWNED);
    world_reconcile(&w, &controller_owner_gc, "pod:d/web");
    assert_non_null(world_op(&w, PLAN_UPDATE, 0)->object->metadata.deletion_timestamp);
    put_pod(&w, "", OWNED); /* unbound: at once */
    world_reconcile(&w, &controller_owner_gc, "pod:d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 1);
    world_remove(&w, &kind_replicaset, "d/rs");
    world_reconcile(&w, &controller_owner_gc, "pod:d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 1);
    world_close(&w);
}

static void a_replicaset_goes_with_its_deployment(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    world_put(&w, "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'rs',"
                  "'namespace':'d','uid':'rs1','ownerReferences':[{'apiVersion':'apps/v1',"
                  "'kind':'Deployment','name':'web','uid':'d1','controller':true}]},'spec':{}}");
    world_reconcile(&w, &controller_owner_gc, "rs:d/rs");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 1);
    world_close(&w);
}

static void an_owner_our_cache_may_not_show_yet_is_given_time(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    world_put(&w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web','namespace':'d',"
                  "'uid':'u1','creationTimestamp':'%s'%s},'spec':{}}",
              world_time(&w, -1000), OWNED);
    struct object *late = object_copy(world_get(&w, &kind_pod, "d/web"));
    late->metadata.resource_version = w.revision + 10;
    cache_put(lister_cache(&w.lister, &kind_pod), late, NULL);
    assert_int_equal(world_reconcile(&w, &controller_owner_gc, "pod:d/web"), 0);
    assert_true(w.plan.requeue_after_ms <= 5000);
    w.now_ms += 6000;
    assert_int_equal(world_reconcile(&w, &controller_owner_gc, "pod:d/web"), 1);
    world_close(&w);
}

static void owners_of_kinds_we_do_not_keep_are_not_ours_to_judge(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "", ",'ownerReferences':[{'apiVersion':'batch/v1','kind':'Job','name':'j',"
                    "'uid':'j','controller':true}]");
    assert_int_equal(world_reconcile(&w, &controller_owner_gc, "pod:d/web"), 0);
    put_pod(&w, "", "");
    assert_int_equal(world_reconcile(&w, &controller_owner_gc, "pod:d/web"), 0);
    world_close(&w);
}

int test_gc_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_of_a_lost_node_are_removed_at_once),
        cmocka_unit_test(a_pod_that_was_being_deleted_there_goes_too),
        cmocka_unit_test(while_the_brake_holds_they_stay),
        cmocka_unit_test(who_tolerates_it_for_good_stays),
        cmocka_unit_test(a_node_that_is_missing_counts_only_in_a_cache_as_new_as_the_binding),
        cmocka_unit_test(an_unbound_pod_that_is_deleted_needs_no_agent),
        cmocka_unit_test(dependents_stay_while_their_owner_is_there),
        cmocka_unit_test(dependents_of_a_gone_owner_or_of_its_predecessor_are_deleted),
        cmocka_unit_test(a_replicaset_goes_with_its_deployment),
        cmocka_unit_test(an_owner_our_cache_may_not_show_yet_is_given_time),
        cmocka_unit_test(owners_of_kinds_we_do_not_keep_are_not_ours_to_judge),
    };
    return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
