/* "rollout available" is held against what a deletion's writer may have seen: each excuse holds
 * within sight and not beyond it, and none is taken twice. */
#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "tests/unit/check/cluster.h"
#include "tests/unit/check/tests.h"

enum { LATE_S = 4, LONG_S = 60 }; /* sight is 2 s */

static void pass(struct cluster *w, int64_t seconds)
{
    w->now += seconds * SECOND;
}

/* Four ready pods of a Deployment that wants at least three; nothing has happened for a while. */
static void begin(struct cluster *w, struct pod *pods[REPLICAS])
{
    int n = 0;
    cluster_run(w, 4, NONE);
    for (int i = 0; i < w->n_pods; i++) {
        if (!w->pods[i].gone) {
            assert_true(n < REPLICAS && w->pods[i].ready);
            pods[n++] = &w->pods[i];
        }
    }
    assert_int_equal(n, REPLICAS);
}

static void set_ready(struct cluster *w, struct pod *p, bool ready)
{
    p->ready = ready;
    cluster_put_pod(w, p);
}

static void mark_node(struct cluster *w, int node, bool lost)
{
    w->lost[node] = lost;
    cluster_put_node(w, node);
}

static void end(struct cluster *w, enum check_result want)
{
    struct check_report report;
    struct check_orch_facts f = { .end_us = w->now };
    check_report_init(&report);
    check_orchestration(&w->log, &f, &report);
    assert_int_equal(check_report_find(&report, "rollout available")->result, want);
    check_report_fini(&report);
    cluster_fini(w);
}

static void a_pod_that_fell_a_moment_ago_still_counts(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    for (int late = 0; late < 2; late++) {
        begin(w, p);
        set_ready(w, p[1], false);
        pass(w, late ? LATE_S : 1);
        cluster_take_down(w, p[0]);
        end(w, late ? CHECK_VIOLATED : CHECK_HOLDS);
    }
    mem_free(w);
}

static void a_node_that_was_lost_a_moment_ago_excuses_its_own_pods(void **state)
{
    (void)state;
    enum { SOON, LATE, ANOTHERS, CASES };
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    for (int which = SOON; which < CASES; which++) {
        begin(w, p);
        int node = p[0]->node;
        if (which == ANOTHERS) { /* none of the Deployment's */
            for (node = 0; node < NODES && node == p[0]->node; node++) {
            }
        }
        set_ready(w, p[1], false);
        pass(w, LONG_S);
        mark_node(w, node, true);
        mark_node(w, node, false);
        pass(w, which == LATE ? LATE_S : 1);
        cluster_take_down(w, p[0]);
        end(w, which == SOON ? CHECK_HOLDS : CHECK_VIOLATED);
    }
    mem_free(w);
}

static void a_pod_that_rose_a_moment_ago_excuses_one_deletion(void **state)
{
    (void)state;
    enum { SOON, LATE, TWO, CASES };
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    for (int which = SOON; which < CASES; which++) {
        begin(w, p);
        set_ready(w, p[1], false);
        set_ready(w, p[2], false);
        pass(w, LONG_S);
        set_ready(w, p[2], true);
        pass(w, which == LATE ? LATE_S : 1);
        cluster_take_down(w, p[0]);
        if (which == TWO) {
            cluster_take_down(w, p[3]);
        }
        end(w, which == SOON ? CHECK_HOLDS : CHECK_VIOLATED);
    }
    mem_free(w);
}

/* A set is told a smaller number because one is not ready; when that goes, it has recovered. */
static void the_pod_that_goes_may_have_risen_since_its_set_was_told(void **state)
{
    (void)state;
    enum { TOLD, NOT_TOLD, ROSE_BEFORE, DONE_BEFORE, CASES };
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    for (int which = TOLD; which < CASES; which++) {
        begin(w, p);
        set_ready(w, p[1], false);
        set_ready(w, p[0], false);
        pass(w, LONG_S);
        if (which == ROSE_BEFORE) {
            set_ready(w, p[0], true);
            pass(w, LATE_S);
        }
        if (which != NOT_TOLD) {
            w->set_sizes[p[0]->set]--;
            cluster_put_set(w, p[0]->set);
        }
        if (which == DONE_BEFORE) {
            cluster_take_down(w, p[1]);
        }
        pass(w, 1);
        set_ready(w, p[0], true);
        pass(w, 1);
        cluster_take_down(w, p[0]);
        end(w, which == TOLD ? CHECK_HOLDS : CHECK_VIOLATED);
    }
    mem_free(w);
}

/* Three of four are not ready when their set is told one; then all rise, and three go. */
static void each_pod_that_rose_is_an_excuse_for_itself(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    begin(w, p);
    for (int i = 0; i < 3; i++) {
        set_ready(w, p[i], false);
    }
    pass(w, LONG_S);
    w->set_sizes[p[0]->set] -= 3;
    cluster_put_set(w, p[0]->set);
    for (int i = 0; i < 3; i++) {
        set_ready(w, p[i], true);
    }
    for (int i = 0; i < 3; i++) {
        cluster_take_down(w, p[i]);
    }
    end(w, CHECK_HOLDS);
    mem_free(w);
}

/* An outage lies between the order and its execution. */
static void what_a_set_was_told_counts_until_it_is_done(void **state)
{
    (void)state;
    enum { TOLD, NOT_TOLD, DONE_BEFORE, CASES };
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    for (int which = TOLD; which < CASES; which++) {
        begin(w, p);
        if (which != NOT_TOLD) {
            w->set_sizes[p[0]->set]--;
            cluster_put_set(w, p[0]->set);
        }
        pass(w, 10);
        set_ready(w, p[1], false);
        pass(w, 10);
        cluster_take_down(w, p[0]);
        if (which == DONE_BEFORE) {
            pass(w, LATE_S);
            cluster_take_down(w, p[2]);
        }
        end(w, which == TOLD ? CHECK_HOLDS : CHECK_VIOLATED);
    }
    mem_free(w);
}

/* The run says how old a sight may be. */
static void sight_is_a_fact_of_the_run(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    struct pod *p[REPLICAS];
    struct check_report report;
    begin(w, p);
    set_ready(w, p[1], false);
    pass(w, LATE_S);
    cluster_take_down(w, p[0]);
    for (int longer = 0; longer < 2; longer++) {
        struct check_orch_facts f = { .sight_us = longer ? 2 * LATE_S * SECOND : SECOND };
        check_report_init(&report);
        check_orchestration(&w->log, &f, &report);
        assert_int_equal(check_report_find(&report, "rollout available")->result,
                         longer ? CHECK_HOLDS : CHECK_VIOLATED);
        check_report_fini(&report);
    }
    cluster_fini(w);
    mem_free(w);
}

int run_orch_sight_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_that_fell_a_moment_ago_still_counts),
        cmocka_unit_test(a_node_that_was_lost_a_moment_ago_excuses_its_own_pods),
        cmocka_unit_test(a_pod_that_rose_a_moment_ago_excuses_one_deletion),
        cmocka_unit_test(the_pod_that_goes_may_have_risen_since_its_set_was_told),
        cmocka_unit_test(each_pod_that_rose_is_an_excuse_for_itself),
        cmocka_unit_test(what_a_set_was_told_counts_until_it_is_done),
        cmocka_unit_test(sight_is_a_fact_of_the_run),
    };
    return cmocka_run_group_tests_name("check/orch sight", tests, NULL, NULL);
}
