/* Orchestration: a small cluster that does everything right passes, through rollouts, crashes and
 * lost nodes; each wrong deed is caught in every seed, by the verdict it belongs to. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "tests/unit/check/cluster.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 150 / SHARE };

static const char *const verdict_of[FAULTS] = {
    [DOUBLE_BIND] = "bound once",
    [UNBOUND] = "bound once",
    [OVERCOMMIT_CPU] = "fits its node",
    [OVERCOMMIT_MEMORY] = "fits its node",
    [TOO_MANY_PODS] = "fits its node",
    [ORPHAN] = "no orphan",
    [LOST_POD] = "no pod lost",
    [SURPLUS_POD] = "no pod lost",
    [NO_PROCESS] = "no pod lost",
    [OVERLAP] = "runs where bound",
    [WRONG_NODE] = "runs where bound",
    [UNKNOWN_POD] = "runs where bound",
    [HOT_WRITES] = "idle quiet",
    [GENERATION_BACK] = "generation observed",
    [OBSERVED_BACK] = "generation observed",
    [OBSERVED_AHEAD] = "generation observed",
    [TOO_FEW_READY] = "rollout available",
    [TOO_FEW_READY_REMOVED] = "rollout available",
    [UNREADABLE] = "objects readable",
};

static void judge(struct cluster *w, struct check_report *report, bool healed)
{
    struct check_orch_facts f = {
        .processes = w->processes,
        .n_processes = w->n_processes,
        .contacts = w->contacts,
        .n_contacts = w->n_contacts,
        .quiet = &w->quiet,
        .n_quiet = 1,
        .end_us = w->now,
        .healed = healed,
        .has_journals = true,
    };
    check_report_init(report);
    int rv = check_orchestration(&w->log, &f, report);
    assert_int_equal(rv, check_result_code(check_report_result(report)));
}

static void world_fini(struct cluster *w, struct check_report *report)
{
    check_report_fini(report);
    cluster_fini(w);
}

static void complain(struct check_report *report, const char *what, uint64_t seed)
{
    autobuf out = BUF_INIT;
    check_report_print(report, &out);
    fprintf(stderr, "%s\n", buf_str(&out));
    fail_msg("%s, seed %llu", what, (unsigned long long)seed);
}

static void test_a_right_cluster_passes(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        struct check_report report;
        cluster_run(w, seed, NONE);
        judge(w, &report, true);
        if (check_report_result(&report) != CHECK_HOLDS) {
            complain(&report, "right", seed);
        }
        world_fini(w, &report);
    }
    mem_free(w);
}

static void test_every_wrong_deed_is_caught(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    for (int fault = NONE + 1; fault < FAULTS; fault++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct check_report report;
            cluster_run(w, seed, (enum fault)fault);
            judge(w, &report, fault == LOST_POD || fault == SURPLUS_POD || fault == NO_PROCESS);
            for (size_t i = 0; i < report.n; i++) {
                bool mine = strcmp(report.verdicts[i]->name, verdict_of[fault]) == 0;
                bool broken = report.verdicts[i]->result == CHECK_VIOLATED;
                /* A pod that moves takes its processes with it; all else breaks one promise. */
                if (mine != broken && (mine || fault > UNBOUND)) {
                    complain(&report, verdict_of[fault], seed);
                }
            }
            world_fini(w, &report);
        }
    }
    mem_free(w);
}

static void test_deletions_by_people_are_theirs(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    struct check_report report;
    const char *uids[PODS_MAX];
    cluster_run(w, 1, TOO_FEW_READY);
    for (int i = 0; i < w->n_pods; i++) {
        uids[i] = w->pods[i].uid;
    }
    struct check_orch_facts f = { .user_deletes = uids, .n_user_deletes = (size_t)w->n_pods };
    check_report_init(&report);
    assert_int_equal(check_orchestration(&w->log, &f, &report), 0);
    world_fini(w, &report);
    mem_free(w);
}

/* The pod is gone at 10 s; its node is in contact from 100 s on, for `contact` seconds; the process
 * ends at `stop`. */
static enum check_result judge_orphan(int64_t contact_us, int64_t stop_us)
{
    static const char key[] = "/registry/pods/default/p";
    struct check_pool pool;
    struct check_log log;
    struct check_report report;
    check_pool_init(&pool, 0);
    check_log_init(&log, &pool);
    check_report_init(&report);
    struct check_event e = {
        .kv = { .key = slice_str(key), .create_revision = 2, .mod_revision = 2, .version = 1 }
    };
    e.kv.value = slice_str("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\","
                           "\"uid\":\"u\"},\"spec\":{\"nodeName\":\"n1\"}}");
    assert_int_equal(check_log_add(&log, 2, SECOND, &e, 1), 0);
    e = (struct check_event){ .kv = { .key = slice_str(key), .mod_revision = 3 }, .deleted = true };
    assert_int_equal(check_log_add(&log, 3, 10 * SECOND, &e, 1), 0);
    struct check_process p = { "n1", "u", "default/p", 2 * SECOND, stop_us };
    struct check_contact c = { "n1", 100 * (int64_t)SECOND, 100 * (int64_t)SECOND + contact_us };
    struct check_orch_facts f = { .processes = &p,
                                  .n_processes = 1,
                                  .contacts = &c,
                                  .n_contacts = 1,
                                  .end_us = 1000 * (int64_t)SECOND,
                                  .has_journals = true };
    check_orchestration(&log, &f, &report);
    enum check_result result = check_report_find(&report, "no orphan")->result;
    check_report_fini(&report);
    check_log_fini(&log);
    check_pool_fini(&pool);
    return result;
}

static void test_an_orphan_has_a_minute_of_unbroken_contact(void **state)
{
    (void)state;
    int64_t minute = 60 * (int64_t)SECOND, limit = 160 * (int64_t)SECOND;
    assert_int_equal(judge_orphan(2 * minute, limit), CHECK_HOLDS);
    assert_int_equal(judge_orphan(2 * minute, limit + 1), CHECK_VIOLATED);
    assert_int_equal(judge_orphan(minute, limit + 1), CHECK_VIOLATED);
    assert_int_equal(judge_orphan(minute - 1, INT64_MAX), CHECK_HOLDS);
}

/* A log that begins later, with what was there. */
static void test_a_base_is_state_without_deeds(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    struct check_report report;
    cluster_run(w, 3, NONE);
    struct check_log later;
    struct check_kv kv = { .key = slice_str("/registry/pods/default/web-0-0"),
                           .create_revision = 2,
                           .mod_revision = 2,
                           .version = 1 };
    kv.value = slice_str("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                         "\"web-0-0\",\"uid\":\"u\"},\"spec\":{\"nodeName\":\"n1\"}}");
    check_log_init(&later, &w->pool);
    check_log_base(&later, 9, &kv, 1);
    for (int kind = 0; kind < 3; kind++) { /* as it was; moved; another pod of this name */
        const char *const values[] = {
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0-0\","
            "\"uid\":\"u\"},\"spec\":{\"nodeName\":\"n1\"}}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0-0\","
            "\"uid\":\"other\"},\"spec\":{\"nodeName\":\"n2\"}}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0-0\","
            "\"uid\":\"other\"},\"spec\":{\"nodeName\":\"n3\"}}",
        };
        struct check_event e = { .kv = kv };
        e.kv.mod_revision = 10 + kind;
        e.kv.value = slice_str(values[kind]);
        assert_int_equal(check_log_add(&later, 10 + kind, 0, &e, 1), 0);
        struct check_orch_facts f = { .end_us = 1 };
        check_report_init(&report);
        check_orchestration(&later, &f, &report);
        assert_int_equal(check_report_find(&report, "bound once")->result,
                         kind < 2 ? CHECK_HOLDS : CHECK_VIOLATED);
        check_report_fini(&report);
    }
    check_log_fini(&later);
    check_report_init(&report);
    world_fini(w, &report);
    mem_free(w);
}

/* Who deleted a moment after more were wanted could not know. */
static void test_a_number_raised_a_moment_ago_is_not_held_against_anybody(void **state)
{
    (void)state;
    struct cluster *w = mem_alloc(sizeof *w);
    for (int late = 0; late < 2; late++) {
        struct check_report report;
        cluster_run(w, 4, NONE);
        w->replicas = REPLICAS + 2; /* of which at most one may be missing */
        w->now += 60 * (int64_t)SECOND;
        cluster_put_deployment(w);
        w->now += late ? 5 * SECOND : SECOND / 2;
        cluster_take_down(w, cluster_any(w, -1));
        judge(w, &report, false);
        assert_int_equal(check_report_find(&report, "rollout available")->result,
                         late ? CHECK_VIOLATED : CHECK_HOLDS);
        world_fini(w, &report);
    }
    mem_free(w);
}

int run_orch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_right_cluster_passes),
        cmocka_unit_test(test_every_wrong_deed_is_caught),
        cmocka_unit_test(test_an_orphan_has_a_minute_of_unbroken_contact),
        cmocka_unit_test(test_a_base_is_state_without_deeds),
        cmocka_unit_test(test_a_number_raised_a_moment_ago_is_not_held_against_anybody),
        cmocka_unit_test(test_deletions_by_people_are_theirs),
    };
    return cmocka_run_group_tests_name("check/orch", tests, NULL, NULL);
}
