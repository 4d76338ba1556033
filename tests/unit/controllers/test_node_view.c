/* The node view: what agents are told, and what they tell. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

/* env is JSON of the container's env list; meta begins with a comma or is empty. */
static void put_pod(struct world *w, const char *uid, const char *meta, const char *node,
                    const char *env)
{
    world_put(w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web','namespace':'d',"
                 "'uid':'%s','creationTimestamp':'2025-11-24T15:00:00Z','labels':{'app':'web'}%s},"
                 "'spec':{%s%s%s'restartPolicy':'Always','containers':[{'name':'c','image':'x',"
                 "'command':['x'],'env':[%s]}]},'status':{'phase':'Pending','conditions':[{"
                 "'type':'PodScheduled','status':'True',"
                 "'lastTransitionTime':'2025-11-24T15:00:01Z'}]}}",
              uid, meta, node != NULL ? "'nodeName':'" : "", node != NULL ? node : "",
              node != NULL ? "'," : "", env);
}

static void put_status(struct world *w, const char *node, const char *uid, bool stopped)
{
    world_put(w, "{'apiVersion':'barque/v1','kind':'NodeItem','metadata':{"
                 "'name':'status.d.web','namespace':'%s','uid':'s-%s'},'pod':{'namespace':'d',"
                 "'name':'web','uid':'%s'},'stopped':%s,'status':{'phase':'Running',"
                 "'hostIP':'10.0.0.1','conditions':[{'type':'Ready','status':'True'}]}}",
              node, uid, uid, stopped ? "true" : "false");
}

static const struct node_item *created_item(const struct world *w)
{
    return object_node_item(world_op(w, PLAN_CREATE, 0)->object);
}

static const char DELETED[] = ",'deletionTimestamp':'2025-11-24T16:00:00Z'";

static void a_bound_pod_gets_an_item_under_its_node_with_everything_resolved(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    world_put(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'cm',"
                  "'namespace':'d'},'data':{'k':'hello'}}");
    put_pod(&w, "u1", "", "n1",
            "{'name':'A','value':'plain'},"
            "{'name':'B','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}},"
            "{'name':'C','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}},"
            "{'name':'D','valueFrom':{'fieldRef':{'fieldPath':'spec.nodeName'}}},"
            "{'name':'E','valueFrom':{'configMapKeyRef':{'name':'cm','key':'none',"
            "'optional':true}}}");
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 1);
    const struct node_item *item = created_item(&w);
    assert_string_equal(item->object.metadata.namespace_, "n1");
    assert_string_equal(item->object.metadata.name, "pod.d.web");
    assert_string_equal(item->pod_uid, "u1");
    assert_false(item->stop);
    static const char *const want[] = { "plain", "hello", "web", "n1", "" };
    for (size_t i = 0; i < 5; i++) {
        const struct env_var *e = &item->spec.containers[0].env[i];
        assert_string_equal(e->value, want[i]);
        assert_null(e->config_map_name);
        assert_null(e->field_path);
    }
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 0);
    world_close(&w);
}

static void an_unbound_pod_has_no_item(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", NULL, "");
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 0);
    world_close(&w);
}

static void a_missing_configmap_or_key_is_told_in_the_pods_status_once(void **state)
{
    static const char ENV[] =
        "{'name':'B','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}}";
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", "n1", ENV);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 1);
    const struct pod *p = object_pod(world_op(&w, PLAN_UPDATE_STATUS, 0)->object);
    assert_string_equal(p->status.reason, "CreateContainerConfigError");
    assert_string_equal(p->status.message, "ConfigMap cm does not exist");
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 0);
    assert_int_equal(plan_count(&w.plan, PLAN_EVENT), 0);
    world_put(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'cm',"
                  "'namespace':'d'},'data':{}}");
    world_reconcile(&w, &controller_node_view, "d/web");
    p = object_pod(world_op(&w, PLAN_UPDATE_STATUS, 0)->object);
    assert_string_equal(p->status.message, "ConfigMap cm has no key k");
    world_close(&w);
}

static void a_pod_that_no_agent_could_start_is_refused_with_its_reason(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    world_put(&w, "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web','namespace':'d',"
                  "'uid':'u1'},'spec':{'nodeName':'n1','containers':[{'command':['x']}]}}");
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_CREATE), 0);
    const struct pod *p = object_pod(world_op(&w, PLAN_UPDATE_STATUS, 0)->object);
    assert_string_equal(p->status.reason, "InvalidPod");
    assert_non_null(p->status.message);
    world_close(&w);
}

static void deletion_is_passed_on_and_finished_when_the_agent_has_stopped_it(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", "n1", "");
    world_reconcile(&w, &controller_node_view, "d/web");
    world_apply(&w);
    put_pod(&w, "u1", DELETED, "n1", "");
    put_status(&w, "n1", "u1", false);
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 0);
    assert_true(object_node_item(world_op(&w, PLAN_UPDATE, 0)->object)->stop);
    world_apply(&w);
    put_status(&w, "n1", "u1", true);
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_int_equal(plan_count(&w.plan, PLAN_DELETE), 1);
    assert_ptr_equal(world_op(&w, PLAN_DELETE, 0)->kind, &kind_pod);
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 2);
    assert_true(world_plans(&w, PLAN_DELETE, "pod.d.web"));
    assert_true(world_plans(&w, PLAN_DELETE, "status.d.web"));
    world_apply(&w);
    assert_int_equal(world_count(&w, &kind_node_item), 0);
    world_close(&w);
}

static void deletion_reaches_a_running_pod_whose_configmap_has_gone(void **state)
{
    static const char ENV[] =
        "{'name':'B','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}}";
    struct world w;
    (void)state;
    world_open(&w);
    world_put(&w, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'cm',"
                  "'namespace':'d'},'data':{'k':'hello'}}");
    put_pod(&w, "u1", "", "n1", ENV);
    world_reconcile(&w, &controller_node_view, "d/web");
    world_apply(&w);
    world_remove(&w, &kind_configmap, "d/cm");
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 0); /* goes on */
    put_pod(&w, "u1", DELETED, "n1", ENV);
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_true(object_node_item(world_op(&w, PLAN_UPDATE, 0)->object)->stop);
    world_close(&w);
}

static void deletion_of_one_that_never_started_is_at_once(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", DELETED, "n1",
            "{'name':'B','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}}");
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_ptr_equal(world_op(&w, PLAN_DELETE, 0)->kind, &kind_pod);
    world_close(&w);
}

static void the_agents_status_is_folded_in_and_podscheduled_stays(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", "n1", "");
    world_reconcile(&w, &controller_node_view, "d/web");
    world_apply(&w);
    put_status(&w, "n1", "u1", false);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 1);
    const struct pod *p = object_pod(world_op(&w, PLAN_UPDATE_STATUS, 0)->object);
    assert_string_equal(p->status.phase, "Running");
    assert_string_equal(p->status.host_ip, "10.0.0.1");
    assert_true(pod_is_ready(p));
    assert_true(condition_is_true(&p->status.conditions, "PodScheduled"));
    world_apply(&w);
    assert_int_equal(world_reconcile(&w, &controller_node_view, "d/web"), 0);
    world_close(&w);
}

static void items_of_an_older_pod_of_the_same_name_go_and_say_nothing(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", "n1", "");
    world_reconcile(&w, &controller_node_view, "d/web");
    world_apply(&w);
    put_status(&w, "n1", "u1", true);
    put_pod(&w, "u2", DELETED, "n1", ""); /* its successor; u1 was "stopped", u2 was not */
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_true(world_plans(&w, PLAN_DELETE, "pod.d.web"));
    assert_true(world_plans(&w, PLAN_DELETE, "status.d.web"));
    assert_false(world_plans(&w, PLAN_DELETE, "web"));
    assert_int_equal(plan_count(&w.plan, PLAN_UPDATE_STATUS), 0);
    assert_string_equal(created_item(&w)->pod_uid, "u2");
    world_close(&w);
}

static void items_under_another_node_go(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    put_pod(&w, "u1", "", "n2", "");
    put_status(&w, "n1", "u1", false);
    world_reconcile(&w, &controller_node_view, "d/web");
    assert_string_equal(world_op(&w, PLAN_DELETE, 0)->namespace_, "n1");
    assert_string_equal(created_item(&w)->object.metadata.namespace_, "n2");
    world_close(&w);
}

int test_node_view_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_pod_gets_an_item_under_its_node_with_everything_resolved),
        cmocka_unit_test(an_unbound_pod_has_no_item),
        cmocka_unit_test(a_missing_configmap_or_key_is_told_in_the_pods_status_once),
        cmocka_unit_test(a_pod_that_no_agent_could_start_is_refused_with_its_reason),
        cmocka_unit_test(deletion_is_passed_on_and_finished_when_the_agent_has_stopped_it),
        cmocka_unit_test(deletion_reaches_a_running_pod_whose_configmap_has_gone),
        cmocka_unit_test(deletion_of_one_that_never_started_is_at_once),
        cmocka_unit_test(the_agents_status_is_folded_in_and_podscheduled_stays),
        cmocka_unit_test(items_of_an_older_pod_of_the_same_name_go_and_say_nothing),
        cmocka_unit_test(items_under_another_node_go),
    };
    return cmocka_run_group_tests_name("node_view", tests, NULL, NULL);
}
