/* Spreading: siblings apart, and topologySpreadConstraints. */
#include "tests/unit/scheduler/fixture.h"

#include <stdio.h>

#include "api/meta.h"

static const char OWNED[] = ",'ownerReferences':[{'kind':'ReplicaSet','name':'web','uid':'rs',"
                            "'apiVersion':'apps/v1','controller':true}],'labels':{'app':'web'}";
static const char ZONES[] = "'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'zone',"
                            "'whenUnsatisfiable':'DoNotSchedule','labelSelector':{"
                            "'matchLabels':{'app':'web'}}}]";
static const char HOSTS[] = "'topologySpreadConstraints':[{'maxSkew':1,"
                            "'topologyKey':'kubernetes.io/hostname',"
                            "'whenUnsatisfiable':'DoNotSchedule','labelSelector':{"
                            "'matchLabels':{'app':'web'}}}]";

/* Places and adds `n` pods; how many each of the nodes n0.. then has. */
static void fill(struct fixture *f, int n, const char *spec, int *ret_counts)
{
    char name[16];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "web-%d", i);
        struct pod *p = make_pod(name, OWNED, spec);
        cycle_run(&f->snapshot, p, 1, &f->arena, &f->result);
        object_free(&p->object);
        if (f->result.node == NULL) {
            fail_msg("%s", f->result.message);
        }
        ret_counts[f->result.node[1] - '0']++;
        add_pod(f, name, OWNED, f->result.node, "1m");
    }
}

static void siblings_go_to_different_nodes(void **state)
{
    struct fixture f;
    int counts[3] = { 0 };
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "");
    add_node(&f, "n1", "", "");
    add_node(&f, "n2", "", "");
    fill(&f, 6, "", counts);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counts[i], 2);
    }
    fixture_close(&f);
}

static void zones_are_filled_evenly(void **state)
{
    struct fixture f;
    int counts[3] = { 0 };
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "'zone':'a'");
    add_node(&f, "n1", "", "'zone':'a'");
    add_node(&f, "n2", "", "'zone':'b'");
    fill(&f, 8, ZONES, counts);
    assert_int_equal(counts[0] + counts[1], 4);
    assert_int_equal(counts[2], 4);
    fixture_close(&f);
}

static void what_would_skew_is_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "'zone':'a'");
    add_node(&f, "n1", "", "'zone':'b'");
    add_node(&f, "n2", "", "");
    add_pod(&f, "p0", OWNED, "n0", "1m");
    add_pod(&f, "fat", "", "n1", "4"); /* zone b is full */
    assert_null(place(&f, OWNED, "'containers':[{'name':'c','resources':{'requests':{"
                                 "'cpu':'1m'}}}],'topologySpreadConstraints':[{'maxSkew':1,"
                                 "'topologyKey':'zone','whenUnsatisfiable':'DoNotSchedule',"
                                 "'labelSelector':{'matchLabels':{'app':'web'}}}]"));
    assert_string_equal(f.result.message, "0/3 nodes fit: 1 would skew zone, 1 cpu short by 1m, "
                                          "1 without topology zone");
    fixture_close(&f);
}

static void a_node_that_is_down_does_not_hold_the_others_back(void **state)
{
    struct fixture f;
    int counts[3] = { 0 };
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "");
    add_node(&f, "n1", "", "");
    add_node(&f, "n2", "'taints':[{'key':'x','effect':'NoExecute'}]", "");
    fill(&f, 6, HOSTS, counts);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 3);
    fixture_close(&f);
}

static void a_pod_that_its_own_selector_does_not_match_adds_no_skew(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "'unschedulable':true", "");
    add_node(&f, "n1", "", "");
    add_pod(&f, "p0", OWNED, "n1", "1m");
    assert_non_null(place(&f, "", HOSTS));
    fixture_close(&f);
}

static void other_namespaces_do_not_count(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "'zone':'a'");
    add_node(&f, "n1", "", "'zone':'b'");
    struct pod *other = make_pod("x", OWNED, "'nodeName':'n0'");
    string_set(&other->object.metadata.namespace_, "other");
    snapshot_pod_set(&f.snapshot, other);
    string_set(&other->object.metadata.name, "y");
    snapshot_pod_set(&f.snapshot, other);
    object_free(&other->object);
    add_pod(&f, "fat", "", "n1", "4");
    assert_non_null(place(&f, OWNED, "'containers':[{'name':'c','resources':{'requests':{"
                                     "'cpu':'1m'}}}],'topologySpreadConstraints':[{'maxSkew':1,"
                                     "'topologyKey':'zone','labelSelector':{'matchLabels':{"
                                     "'app':'web'}}}]"));
    fixture_close(&f);
}

static void schedule_anyway_never_refuses(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n0", "", "");
    assert_non_null(place(&f, OWNED, "'topologySpreadConstraints':[{'maxSkew':1,"
                                     "'topologyKey':'zone','whenUnsatisfiable':"
                                     "'ScheduleAnyway'}]"));
    fixture_close(&f);
}

int test_spread_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_go_to_different_nodes),
        cmocka_unit_test(zones_are_filled_evenly),
        cmocka_unit_test(what_would_skew_is_refused),
        cmocka_unit_test(a_node_that_is_down_does_not_hold_the_others_back),
        cmocka_unit_test(a_pod_that_its_own_selector_does_not_match_adds_no_skew),
        cmocka_unit_test(other_namespaces_do_not_count),
        cmocka_unit_test(schedule_anyway_never_refuses),
    };
    return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}
