/* Each filter and score, by tables of one node and one pod. */
#include "tests/unit/scheduler/fixture.h"

#include <stdio.h>

#include "api/meta.h"

struct row {
    const char *node_spec, *labels, *pod_spec;
    const char *message; /* NULL: it fits */
};

static const struct row rows[] = {
    /* node name */
    { "", "", "'nodeName':'n1'", NULL },
    { "", "", "'nodeName':'n2'", "0/1 nodes fit: 1 not the named node" },
    /* cordoned */
    { "'unschedulable':true", "", "", "0/1 nodes fit: 1 cordoned" },
    /* node selector */
    { "", "'disk':'ssd'", "'nodeSelector':{'disk':'ssd'}", NULL },
    { "", "'disk':'hdd'", "'nodeSelector':{'disk':'ssd'}",
      "0/1 nodes fit: 1 without label disk=ssd" },
    { "", "", "'nodeSelector':{'disk':'ssd'}", "0/1 nodes fit: 1 without label disk=ssd" },
    /* taints and tolerations */
    { "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "", "", "0/1 nodes fit: 1 tainted gpu" },
    { "'taints':[{'key':'gpu','effect':'NoExecute'}]", "", "", "0/1 nodes fit: 1 tainted gpu" },
    { "'taints':[{'key':'gpu','effect':'PreferNoSchedule'}]", "", "", NULL },
    { "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "",
      "'tolerations':[{'key':'gpu','operator':'Exists'}]", NULL },
    { "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "",
      "'tolerations':[{'operator':'Exists'}]", NULL },
    { "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "",
      "'tolerations':[{'key':'gpu','operator':'Exists','effect':'NoExecute'}]",
      "0/1 nodes fit: 1 tainted gpu" },
    { "'taints':[{'key':'gpu','value':'a','effect':'NoSchedule'}]", "",
      "'tolerations':[{'key':'gpu','operator':'Equal','value':'a'}]", NULL },
    { "'taints':[{'key':'gpu','value':'a','effect':'NoSchedule'}]", "",
      "'tolerations':[{'key':'gpu','value':'b'}]", "0/1 nodes fit: 1 tainted gpu" },
    { "'taints':[{'key':'gpu','effect':'NoSchedule'},{'key':'x','effect':'NoSchedule'}]", "",
      "'tolerations':[{'key':'gpu','operator':'Exists'}]", "0/1 nodes fit: 1 tainted x" },
    { "'taints':[{'key':'gpu'}]", "", "", "0/1 nodes fit: 1 tainted gpu" },
    { "'taints':[{'effect':'NoSchedule'}]", "", "'tolerations':[{'key':'k'}]",
      "0/1 nodes fit: 1 tainted " },
    /* resources: 4 cpu, 4Gi, of which 3 cpu are used */
    { "", "", "'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}}}]", NULL },
    { "", "", "'containers':[{'name':'c','resources':{'requests':{'cpu':'1200m'}}}]",
      "0/1 nodes fit: 1 cpu short by 200m" },
    { "", "", "'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}}},{'name':'d',"
              "'resources':{'requests':{'cpu':'1'}}}]", "0/1 nodes fit: 1 cpu short by 1" },
    { "", "", "'containers':[{'name':'c','resources':{'requests':{'memory':'5Gi'}}}]",
      "0/1 nodes fit: 1 memory short by 1Gi" },
    { "", "", "'containers':[{'name':'c','resources':{'requests':{'memory':'4Gi'}}}]", NULL },
};

static void each_filter_admits_and_refuses_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct fixture f;
        fixture_open(&f);
        add_node(&f, "n1", r->node_spec, r->labels);
        add_pod(&f, "old", "", "n1", "3");
        const char *node = place(&f, "", r->pod_spec);
        if (r->message == NULL && node == NULL) {
            fail_msg("row %zu: %s", i, f.result.message);
        }
        if (r->message != NULL) {
            if (node != NULL) {
                fail_msg("row %zu fits", i);
            }
            assert_string_equal(f.result.message, r->message);
        }
        fixture_close(&f);
    }
}

static void a_node_that_is_not_ready_gets_nothing(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    struct node_info *n = map_get_str(&f.snapshot.nodes, "n1");
    condition_set(&n->node->status.conditions, "Ready", "Unknown", NULL, NULL, "x");
    assert_null(place(&f, "", ""));
    assert_string_equal(f.result.message, "0/1 nodes fit: 1 not ready");
    fixture_close(&f);
}

static void a_node_takes_as_many_pods_as_it_says(void **state)
{
    struct fixture f;
    char name[8];
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    for (int i = 0; i < 10; i++) {
        assert_non_null(place(&f, "", ""));
        snprintf(name, sizeof name, "p%d", i);
        add_pod(&f, name, "", "n1", "0");
    }
    assert_null(place(&f, "", ""));
    assert_string_equal(f.result.message, "0/1 nodes fit: 1 full of pods");
    fixture_close(&f);
}

static void memory_that_is_taken_is_not_free(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    struct pod *p = make_pod("big", "", "'nodeName':'n1','containers':[{'name':'c','resources':{"
                                        "'requests':{'memory':'3Gi'}}}]");
    snapshot_pod_set(&f.snapshot, p);
    object_free(&p->object);
    assert_non_null(place(&f, "", "'containers':[{'name':'c','resources':{'requests':{"
                                  "'memory':'1Gi'}}}]"));
    assert_null(place(&f, "", "'containers':[{'name':'c','resources':{'requests':{"
                              "'memory':'2Gi'}}}]"));
    assert_string_equal(f.result.message, "0/1 nodes fit: 1 memory short by 1Gi");
    fixture_close(&f);
}

static void an_overfull_node_still_takes_pods_that_ask_for_nothing(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    add_pod(&f, "big", "", "n1", "9");
    assert_non_null(place(&f, "", "'containers':[{'name':'c'}]"));
    assert_null(place(&f, "", "'containers':[{'name':'c','resources':{'requests':{"
                              "'cpu':'1m'}}}]"));
    assert_string_equal(f.result.message, "0/1 nodes fit: 1 cpu short by 5001m");
    fixture_close(&f);
}

static void the_least_allocated_node_is_preferred(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "busy", "", "");
    add_node(&f, "idle", "", "");
    add_node(&f, "busier", "", "");
    add_pod(&f, "a", "", "busy", "1");
    add_pod(&f, "b", "", "busier", "2");
    add_pod(&f, "c", "", "idle", "100m");
    assert_string_equal(place(&f, "", "'containers':[{'name':'c'}]"), "idle");
    fixture_close(&f);
}

int test_plugins_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_filter_admits_and_refuses_with_its_reason),
        cmocka_unit_test(a_node_that_is_not_ready_gets_nothing),
        cmocka_unit_test(a_node_takes_as_many_pods_as_it_says),
        cmocka_unit_test(memory_that_is_taken_is_not_free),
        cmocka_unit_test(an_overfull_node_still_takes_pods_that_ask_for_nothing),
        cmocka_unit_test(the_least_allocated_node_is_preferred),
    };
    return cmocka_run_group_tests_name("plugins", tests, NULL, NULL);
}
