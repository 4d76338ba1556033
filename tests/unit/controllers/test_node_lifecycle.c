/* Nodes: registered, lost, held back by the brake, back again. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

static void put_registration(struct world *w, const char *node, int epoch)
{
    world_put(w, "{'apiVersion':'barque/v1','kind':'NodeItem','metadata':{'name':'node',"
                 "'namespace':'%s','uid':'i-%s'},'epoch':%d,'labels':{'zone':'a'},"
                 "'capacity':{'cpu':'4'},'allocatable':{'cpu':'3'}}", node, node, epoch);
}

static void put_alive(struct world *w, const char *node, int epoch)
{
    world_put(w, "{'apiVersion':'barque/v1','kind':'NodeAlive','metadata':{'name':'%s'},"
                 "'epoch':%d}", node, epoch);
}

static void reconcile_and_apply(struct world *w, const char *node)
{
    world_reconcile(w, &controller_node_lifecycle, node);
    world_apply(w);
}

/* n nodes "n1".. that are ready. */
static void ready_nodes(struct world *w, int n)
{
    char name[16];
    for (int i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "n%d", i);
        put_registration(w, name, i);
        put_alive(w, name, i);
        reconcile_and_apply(w, name);
    }
}

static const struct node *node_of(const struct world *w, const char *name)
{
    return object_node(world_get(w, &kind_node, name));
}

static const char *effect_of(const struct world *w, const char *name)
{
    const struct node *n = node_of(w, name);
    for (size_t i = 0; i < n->spec.n_taints; i++) {
        if (strcmp(n->spec.taints[i].key, NODE_TAINT_UNREACHABLE) == 0) {
            return n->spec.taints[i].effect;
        }
    }
    return "none";
}

static void lose(struct world *w, const char *name)
{
    world_remove(w, &kind_node_alive, name);
}

static void a_registration_becomes_a_node_once_its_agent_is_alive(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_registration(&w, "n1", 5);
    assert_int_equal(world_reconcile(&w, &controller_node_lifecycle, "n1"), 0);
    put_alive(&w, "n1", 5);
    assert_int_equal(world_reconcile(&w, &controller_node_lifecycle, "n1"), 1);
    const struct node *n = object_node(world_op(&w, PLAN_CREATE, 0)->object);
    assert_true(condition_is_true(&n->status.conditions, "Ready"));
    assert_string_equal(string_map_get(&n->object.metadata.labels, "zone"), "a");
    assert_string_equal(string_map_get(&n->status.capacity, "cpu"), "4");
    assert_string_equal(string_map_get(&n->status.allocatable, "cpu"), "3");
    assert_int_equal(n->spec.n_taints, 0);
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_node_lifecycle, "n1"), 0);
    world_close(&w);
}

static void a_sign_of_life_of_another_epoch_does_not_count(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 4);
    put_registration(&w, "n1", 99); /* the disk is new, the old key is still there */
    reconcile_and_apply(&w, "n1");
    assert_string_equal(effect_of(&w, "n1"), "NoExecute");
    put_alive(&w, "n1", 99);
    reconcile_and_apply(&w, "n1");
    assert_string_equal(effect_of(&w, "n1"), "none");
    world_close(&w);
}

static void a_lost_node_is_tainted_at_once_and_told_once(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 4);
    lose(&w, "n2");
    world_reconcile(&w, &controller_node_lifecycle, "n2");
    assert_true(world_plans(&w, PLAN_EVENT, "n2"));
    world_apply(&w);
    assert_string_equal(effect_of(&w, "n2"), "NoExecute");
    assert_string_equal(
        condition_find(&node_of(&w, "n2")->status.conditions, "Ready")->status, "Unknown");
    w.now_ms += 5000;
    assert_int_equal(world_reconcile(&w, &controller_node_lifecycle, "n2"), 0);
    assert_int_equal(plan_count(&w.plan, PLAN_EVENT), 0);
    world_close(&w);
}

static void a_node_that_returns_loses_our_taint_and_keeps_others(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 4);
    world_put(&w, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','uid':'x'},'spec':{"
                  "'taints':[{'key':'gpu','effect':'NoSchedule'}],'unschedulable':true}}");
    lose(&w, "n1");
    reconcile_and_apply(&w, "n1");
    assert_int_equal(node_of(&w, "n1")->spec.n_taints, 2);
    put_alive(&w, "n1", 1);
    reconcile_and_apply(&w, "n1");
    assert_int_equal(node_of(&w, "n1")->spec.n_taints, 1);
    assert_string_equal(node_of(&w, "n1")->spec.taints[0].key, "gpu");
    assert_true(node_of(&w, "n1")->spec.unschedulable);
    assert_true(condition_is_true(&node_of(&w, "n1")->status.conditions, "Ready"));
    world_close(&w);
}

static void many_that_vanish_together_are_not_replaced_until_the_hold_is_over(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 5);
    lose(&w, "n1");
    lose(&w, "n2");
    reconcile_and_apply(&w, "n1");
    reconcile_and_apply(&w, "n2");
    assert_string_equal(effect_of(&w, "n1"), "NoSchedule");
    assert_string_equal(effect_of(&w, "n2"), "NoSchedule");
    w.now_ms += 30000;
    world_reconcile(&w, &controller_node_lifecycle, "n1");
    assert_true(w.plan.requeue_after_ms <= 31000);
    world_apply(&w);
    assert_string_equal(effect_of(&w, "n1"), "NoSchedule");
    w.now_ms += 31000;
    reconcile_and_apply(&w, "n1");
    assert_string_equal(effect_of(&w, "n1"), "NoExecute");
    world_close(&w);
}

static void who_returns_while_held_keeps_its_pods(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 3);
    lose(&w, "n1");
    lose(&w, "n2");
    reconcile_and_apply(&w, "n1");
    reconcile_and_apply(&w, "n2");
    put_alive(&w, "n1", 1);
    reconcile_and_apply(&w, "n1");
    assert_string_equal(effect_of(&w, "n1"), "none");
    world_close(&w);
}

static void a_third_or_a_single_one_is_no_partition(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 6);
    lose(&w, "n1");
    lose(&w, "n2"); /* a third, not more */
    reconcile_and_apply(&w, "n1");
    reconcile_and_apply(&w, "n2");
    assert_string_equal(effect_of(&w, "n1"), "NoExecute");
    assert_string_equal(effect_of(&w, "n2"), "NoExecute");
    world_close(&w);
    world_open(&w);
    ready_nodes(&w, 2);
    lose(&w, "n1"); /* half, but one */
    reconcile_and_apply(&w, "n1");
    assert_string_equal(effect_of(&w, "n1"), "NoExecute");
    world_close(&w);
}

static void losses_far_apart_do_not_add_up(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 4);
    lose(&w, "n1");
    reconcile_and_apply(&w, "n1");
    w.now_ms += 11000;
    lose(&w, "n2");
    reconcile_and_apply(&w, "n2");
    assert_string_equal(effect_of(&w, "n2"), "NoExecute");
    world_close(&w);
}

static void a_lost_node_that_was_deleted_stays_deleted_until_it_returns(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 4);
    lose(&w, "n1");
    world_remove(&w, &kind_node, "n1");
    assert_int_equal(world_reconcile(&w, &controller_node_lifecycle, "n1"), 0);
    put_alive(&w, "n1", 1);
    world_reconcile(&w, &controller_node_lifecycle, "n1");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 1);
    world_close(&w);
}

static void taints_without_key_or_effect_do_no_harm(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 1);
    world_put(&w, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','uid':'x'},"
                  "'spec':{'taints':[{'value':'v'}]}}");
    lose(&w, "n1");
    reconcile_and_apply(&w, "n1");
    assert_string_equal(node_of(&w, "n1")->spec.taints[1].effect, "NoExecute");
    world_close(&w);
}

static void a_condition_without_type_or_status_does_no_harm(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    ready_nodes(&w, 1);
    world_put(&w, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','uid':'x'},"
                  "'status':{'conditions':[{},{'type':'Ready'}]}}");
    lose(&w, "n1");
    reconcile_and_apply(&w, "n1");
    assert_string_equal(condition_find(&node_of(&w, "n1")->status.conditions, "Ready")->status,
                        "Unknown");
    world_close(&w);
}

int test_node_lifecycle_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_becomes_a_node_once_its_agent_is_alive),
        cmocka_unit_test(a_sign_of_life_of_another_epoch_does_not_count),
        cmocka_unit_test(a_lost_node_is_tainted_at_once_and_told_once),
        cmocka_unit_test(a_node_that_returns_loses_our_taint_and_keeps_others),
        cmocka_unit_test(many_that_vanish_together_are_not_replaced_until_the_hold_is_over),
        cmocka_unit_test(who_returns_while_held_keeps_its_pods),
        cmocka_unit_test(a_third_or_a_single_one_is_no_partition),
        cmocka_unit_test(losses_far_apart_do_not_add_up),
        cmocka_unit_test(a_lost_node_that_was_deleted_stays_deleted_until_it_returns),
        cmocka_unit_test(taints_without_key_or_effect_do_no_harm),
        cmocka_unit_test(a_condition_without_type_or_status_does_no_harm),
    };
    return cmocka_run_group_tests_name("node_lifecycle", tests, NULL, NULL);
}
