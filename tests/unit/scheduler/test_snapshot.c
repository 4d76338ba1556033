/* The snapshot's accounts: what is used where, by what the cache shows and by what we assume. */
#include "tests/unit/scheduler/fixture.h"

#include <stdio.h>

#include "api/meta.h"
#include "lib/base/rng.h"

static const struct node_info *info(const struct fixture *f, const char *name)
{
    return map_get_str(&f->snapshot.nodes, name);
}

static void a_bound_pod_is_charged_to_its_node_until_it_ends(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    add_pod(&f, "a", "", "n1", "1500m");
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1500);
    assert_int_equal(info(&f, "n1")->n_pods, 1);
    struct pod *done = make_pod("a", "", "'nodeName':'n1','containers':[{'name':'c',"
                                         "'resources':{'requests':{'cpu':'1500m'}}}]");
    string_set(&done->status.phase, "Succeeded");
    snapshot_pod_set(&f.snapshot, done);
    object_free(&done->object);
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 0);
    assert_int_equal(info(&f, "n1")->n_pods, 0);
    fixture_close(&f);
}

static void allocatable_is_read_with_its_units(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    assert_int_equal(info(&f, "n1")->cpu_milli, 4000);
    assert_int_equal(info(&f, "n1")->memory_bytes, 4294967296);
    assert_int_equal(info(&f, "n1")->pods_max, 10);
    fixture_close(&f);
}

static void an_assumed_pod_counts_until_the_cache_shows_it_or_it_is_forgotten(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    struct pod *p = make_pod("a", "", "'containers':[{'name':'c','resources':{'requests':{"
                                      "'cpu':'1'}}}]");
    snapshot_pod_assume(&f.snapshot, p, "n1");
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1000);
    snapshot_pod_set(&f.snapshot, p); /* the cache is behind */
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1000);
    add_pod(&f, "a", "", "n1", "1"); /* the bound pod comes back */
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1000);
    snapshot_pod_forget(&f.snapshot, "d/a"); /* a late failure does not undo what is seen */
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1000);
    snapshot_pod_remove(&f.snapshot, "d/a");
    snapshot_pod_assume(&f.snapshot, p, "n1");
    snapshot_pod_forget(&f.snapshot, "d/a");
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 0);
    object_free(&p->object);
    fixture_close(&f);
}

static void a_pod_that_is_bound_elsewhere_than_assumed_moves(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    add_node(&f, "n2", "", "");
    struct pod *p = make_pod("a", "", "'containers':[{'name':'c'}]");
    snapshot_pod_assume(&f.snapshot, p, "n1");
    add_pod(&f, "a", "", "n2", "1");
    assert_int_equal(info(&f, "n1")->n_pods, 0);
    assert_int_equal(info(&f, "n2")->n_pods, 1);
    object_free(&p->object);
    fixture_close(&f);
}

static void pods_may_be_seen_before_their_node_and_outlive_it(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_pod(&f, "a", "", "n1", "1");
    assert_int_equal(f.snapshot.n_nodes, 0);
    assert_null(place(&f, "", "'containers':[{'name':'c'}]"));
    add_node(&f, "n1", "", "");
    assert_int_equal(f.snapshot.n_nodes, 1);
    assert_int_equal(info(&f, "n1")->used_cpu_milli, 1000);
    snapshot_node_remove(&f.snapshot, "n1");
    assert_int_equal(f.snapshot.n_nodes, 0);
    assert_int_equal(info(&f, "n1")->n_pods, 1);
    snapshot_pod_remove(&f.snapshot, "d/a");
    assert_null(info(&f, "n1"));
    fixture_close(&f);
}

static void strange_requests_neither_help_nor_overflow(void **state)
{
    int64_t cpu, memory;
    (void)state;
    struct pod *p = make_pod("a", "", "'containers':[{'name':'c','resources':{'requests':{"
                                      "'cpu':'1','memory':'1Gi'}}},{'name':'d'}]");
    string_map_set(&p->spec.containers[0].resources.requests, "cpu", "-5");
    string_map_set(&p->spec.containers[0].resources.requests, "memory", "8000Pi");
    string_map_set(&p->spec.containers[1].resources.requests, "memory", "8000Pi");
    string_map_set(&p->spec.containers[1].resources.requests, "cpu", "abc");
    pod_requests(p, &cpu, &memory);
    assert_int_equal(cpu, 0);
    assert_true(memory >= 0);
    assert_true(memory < INT64_MAX / 4096);
    object_free(&p->object);
}

static const char *const OWNERS[3] = {
    "",
    ",'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'a','uid':'one',"
    "'controller':true}]",
    ",'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'b','uid':'two',"
    "'controller':true}]",
};

/* The accounts against a plain recount, over random events. */
static void after_any_events_the_accounts_are_those_of_a_recount(void **state)
{
    struct fixture f;
    struct rng rng;
    int64_t cpu[20] = { 0 };
    int node[20]; /* -1 = not there */
    char name[8], on[8], text[16];
    (void)state;
    fixture_open(&f);
    rng_init(&rng, 3);
    for (int i = 0; i < 20; i++) {
        node[i] = -1;
    }
    for (int step = 0; step < 3000; step++) {
        int i = (int)(rng_u64(&rng) % 20), n = (int)(rng_u64(&rng) % 4);
        snprintf(name, sizeof name, "p%d", i);
        snprintf(on, sizeof on, "n%d", n);
        switch (rng_u64(&rng) % 4) {
        case 0:
        case 1:
            cpu[i] = (int64_t)(rng_u64(&rng) % 900);
            node[i] = n;
            snprintf(text, sizeof text, "%dm", (int)cpu[i]);
            add_pod(&f, name, OWNERS[i % 3], on, text);
            break;
        case 2:
            snprintf(text, sizeof text, "d/%s", name);
            snapshot_pod_remove(&f.snapshot, text);
            node[i] = -1;
            break;
        default:
            if (rng_u64(&rng) % 2 == 0) {
                add_node(&f, on, "", "");
            } else {
                snapshot_node_remove(&f.snapshot, on);
            }
        }
        for (int k = 0; k < 4; k++) {
            int64_t used = 0;
            size_t pods = 0, siblings = 0;
            for (int j = 0; j < 20; j++) {
                used += node[j] == k ? cpu[j] : 0;
                pods += node[j] == k;
                siblings += node[j] == k && j % 3 == 1;
            }
            snprintf(on, sizeof on, "n%d", k);
            const struct node_info *have = info(&f, on);
            assert_int_equal(have != NULL ? have->used_cpu_milli : 0, used);
            assert_int_equal(have != NULL ? have->n_pods : 0, pods);
            assert_int_equal(have != NULL ? node_info_siblings(have, "one") : 0, siblings);
        }
    }
    fixture_close(&f);
}

static void an_owner_without_uid_and_a_node_without_end_do_no_harm(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    add_node(&f, "n1", "", "");
    struct node *huge = object_node(object_copy(&info(&f, "n1")->node->object));
    string_map_set(&huge->status.allocatable, "cpu", "9000000000000000");
    string_map_set(&huge->status.allocatable, "memory", "9000000000000000");
    snapshot_node_set(&f.snapshot, huge);
    object_free(&huge->object);
    assert_true(info(&f, "n1")->cpu_milli <= INT64_MAX / 100);
    assert_true(info(&f, "n1")->memory_bytes <= INT64_MAX / 100);
    add_pod(&f, "a", ",'ownerReferences':[{'controller':true}]", "n1", "1");
    assert_int_equal(info(&f, "n1")->n_pods, 1);
    assert_int_equal(info(&f, "n1")->n_owners, 0);
    fixture_close(&f);
}

int test_snapshot_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_pod_is_charged_to_its_node_until_it_ends),
        cmocka_unit_test(allocatable_is_read_with_its_units),
        cmocka_unit_test(an_assumed_pod_counts_until_the_cache_shows_it_or_it_is_forgotten),
        cmocka_unit_test(a_pod_that_is_bound_elsewhere_than_assumed_moves),
        cmocka_unit_test(pods_may_be_seen_before_their_node_and_outlive_it),
        cmocka_unit_test(strange_requests_neither_help_nor_overflow),
        cmocka_unit_test(an_owner_without_uid_and_a_node_without_end_do_no_harm),
        cmocka_unit_test(after_any_events_the_accounts_are_those_of_a_recount),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
