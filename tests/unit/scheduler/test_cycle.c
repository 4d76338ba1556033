/* The cycle: the same answer every time, reasons that count, a fair choice among equals. */
#include "tests/unit/scheduler/fixture.h"

#include <stdio.h>

static const char *place_named(struct fixture *f, const char *name, uint64_t seed)
{
    struct pod *p = make_pod(name, "", "'containers':[{'name':'c'}]");
    cycle_run(&f->snapshot, p, seed, &f->arena, &f->result);
    object_free(&p->object);
    return f->result.node;
}

static void add_nodes(struct fixture *f, int n, bool backwards)
{
    char name[16];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "n%d", backwards ? n - 1 - i : i);
        add_node(f, name, "", "");
    }
}

static void no_nodes_is_said_so(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    assert_null(place(&f, "", ""));
    assert_string_equal(f.result.message, "0/0 nodes fit");
    fixture_close(&f);
}

static void refusals_are_counted_by_reason(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "a", "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "");
    add_node(&f, "b", "", "");
    add_node(&f, "c", "", "");
    add_node(&f, "d", "'taints':[{'key':'gpu','effect':'NoSchedule'}]", "");
    add_node(&f, "e", "'unschedulable':true", "");
    assert_null(place(&f, "", "'containers':[{'name':'c','resources':{'requests':{"
                              "'cpu':'4200m'}}}]"));
    assert_string_equal(f.result.message,
                        "0/5 nodes fit: 2 tainted gpu, 2 cpu short by 200m, 1 cordoned");
    assert_int_equal(f.result.feasible, 0);
    fixture_close(&f);
}

static void the_same_snapshot_and_seed_give_the_same_node(void **state)
{
    struct fixture a, b;
    char pod[16];
    (void)state;
    fixture_open(&a);
    fixture_open(&b);
    add_nodes(&a, 20, false);
    add_nodes(&b, 20, true); /* whatever the order they came in */
    for (int i = 0; i < 50; i++) {
        snprintf(pod, sizeof pod, "p%d", i);
        const char *node = place_named(&a, pod, 7);
        assert_string_equal(place_named(&a, pod, 7), node);
        assert_string_equal(place_named(&b, pod, 7), node);
    }
    fixture_close(&a);
    fixture_close(&b);
}

static void equals_are_chosen_evenly(void **state)
{
    struct fixture f;
    int counts[4] = { 0 };
    char pod[16];
    (void)state;
    fixture_open(&f);
    add_nodes(&f, 4, false);
    for (int i = 0; i < 400; i++) {
        snprintf(pod, sizeof pod, "p%d", i);
        counts[place_named(&f, pod, 9)[1] - '0']++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(counts[i], 60, 140);
    }
    fixture_close(&f);
}

static void a_large_cluster_is_not_searched_to_the_end(void **state)
{
    struct fixture f;
    int low = 0;
    char pod[16];
    (void)state;
    fixture_open(&f);
    add_nodes(&f, 1000, false);
    for (int i = 0; i < 50; i++) {
        snprintf(pod, sizeof pod, "p%d", i);
        const char *node = place_named(&f, pod, 9);
        assert_int_equal(f.result.feasible, 420);
        low += strlen(node) < 4; /* n0..n99 */
    }
    assert_in_range(low, 0, 25); /* and not always the same part of it */
    fixture_close(&f);
}

static void the_only_node_that_fits_is_found_wherever_it_is(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_nodes(&f, 300, false);
    add_node(&f, "special", "", "'disk':'ssd'");
    add_nodes(&f, 10, false);
    assert_string_equal(place(&f, "", "'nodeSelector':{'disk':'ssd'}"), "special");
    fixture_close(&f);
}

int test_cycle_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_nodes_is_said_so),
        cmocka_unit_test(refusals_are_counted_by_reason),
        cmocka_unit_test(the_same_snapshot_and_seed_give_the_same_node),
        cmocka_unit_test(equals_are_chosen_evenly),
        cmocka_unit_test(a_large_cluster_is_not_searched_to_the_end),
        cmocka_unit_test(the_only_node_that_fits_is_found_wherever_it_is),
    };
    return cmocka_run_group_tests_name("cycle", tests, NULL, NULL);
}
