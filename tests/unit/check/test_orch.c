/* Orchestration: a small cluster that does everything right passes, through rollouts, crashes and
 * lost nodes; each wrong deed is caught in every seed, by the verdict it belongs to. */
#include <stdio.h>
#include <stdlib.h>

#include "check/orch.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "lib/base/rng.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 150, NODES = 4, REPLICAS = 4, PODS_MAX = 200, SETS_MAX = 30, SECOND = 1000000 };

enum fault {
    NONE,
    DOUBLE_BIND,
    UNBOUND,
    OVERCOMMIT_CPU,
    OVERCOMMIT_MEMORY,
    TOO_MANY_PODS,
    ORPHAN,
    LOST_POD,
    SURPLUS_POD,
    NO_PROCESS,
    OVERLAP,
    WRONG_NODE,
    UNKNOWN_POD,
    HOT_WRITES,
    GENERATION_BACK,
    OBSERVED_BACK,
    OBSERVED_AHEAD,
    TOO_FEW_READY,
    TOO_FEW_READY_REMOVED,
    UNREADABLE,
    FAULTS
};

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

struct pod {
    char name[32], uid[40];
    int set, node, process; /* -1: none */
    int cpu, memory_mi;
    bool ready, deleting, gone;
};

struct world {
    struct check_pool pool;
    struct check_log log;
    struct rng rng;
    int64_t revision, now;
    struct pod pods[PODS_MAX];
    int n_pods, n_sets;
    int set_sizes[SETS_MAX];
    int generation, observed;
    bool lost[NODES];
    struct check_process processes[2 * PODS_MAX];
    char process_nodes[NODES][16];
    size_t n_processes;
    struct check_contact contacts[64];
    size_t n_contacts;
    int64_t contact_since[NODES];
    struct check_span quiet;
};

static int pick(struct world *w, int lo, int hi)
{
    return (int)rng_range(&w->rng, (uint64_t)lo, (uint64_t)hi);
}

/* --- what is stored --------------------------------------------------------------------------- */

static void put(struct world *w, const char *key, const char *json)
{
    w->revision++;
    w->now += pick(w, 1000, 200000);
    struct check_event e = { .kv = { .key = slice_str(key),
                                     .value = slice_str(json),
                                     .create_revision = w->revision,
                                     .mod_revision = w->revision,
                                     .version = 1 },
                             .deleted = json == NULL };
    assert_int_equal(check_log_add(&w->log, w->revision, w->now, &e, 1), 0);
}

static void put_node(struct world *w, int i)
{
    char key[64], json[512];
    snprintf(key, sizeof key, "/registry/minions/n%d", i);
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n%d\",\"uid\":"
             "\"node-%d\"},\"spec\":{%s},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":"
             "\"8Gi\",\"pods\":\"8\"}}}",
             i, i,
             w->lost[i] ? "\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":"
                          "\"NoExecute\"}]"
                        : "");
    put(w, key, json);
}

static void put_deployment(struct world *w)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
             "\"namespace\":\"default\",\"uid\":\"dep\",\"generation\":%d},\"spec\":{\"replicas\":"
             "%d,\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":1,"
             "\"maxUnavailable\":1}}},\"status\":{\"observedGeneration\":%d}}",
             w->generation, REPLICAS, w->observed);
    put(w, "/registry/deployments/default/web", json);
}

static void put_set(struct world *w, int i)
{
    char key[64], json[512];
    snprintf(key, sizeof key, "/registry/replicasets/default/web-%d", i);
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{\"name\":\"web-%d\""
             ",\"namespace\":\"default\",\"uid\":\"set-%d\",\"generation\":1,\"ownerReferences\":"
             "[{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\",\"uid\":\"dep\""
             ",\"controller\":true}]},\"spec\":{\"replicas\":%d},\"status\":{\"observedGeneration\""
             ":1}}",
             i, i, w->set_sizes[i]);
    put(w, key, json);
}

static void put_pod(struct world *w, const struct pod *p)
{
    char key[64], json[1024], node[32] = "", owner[256] = "";
    snprintf(key, sizeof key, "/registry/pods/default/%s", p->name);
    if (p->gone) {
        put(w, key, NULL);
        return;
    }
    if (p->node >= 0) {
        snprintf(node, sizeof node, "\"nodeName\":\"n%d\",", p->node);
    }
    if (p->set >= 0) {
        snprintf(owner, sizeof owner,
                 ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","
                 "\"name\":\"web-%d\",\"uid\":\"set-%d\",\"controller\":true}]",
                 p->set, p->set);
    }
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
             "\"default\",\"uid\":\"%s\"%s%s},\"spec\":{%s\"containers\":[{\"name\":\"c\","
             "\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]},\"status\":{"
             "\"phase\":\"%s\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
             p->name, p->uid, owner,
             p->deleting ? ",\"deletionTimestamp\":\"2026-11-23T10:00:00Z\"" : "", node, p->cpu,
             p->memory_mi, p->node >= 0 ? "Running" : "Pending", p->ready ? "True" : "False");
    put(w, key, json);
}

/* --- what is done ----------------------------------------------------------------------------- */

static void start(struct world *w, struct pod *p, int node)
{
    p->process = (int)w->n_processes;
    w->processes[w->n_processes++] = (struct check_process){ .node = w->process_nodes[node],
                                                             .pod_uid = p->uid,
                                                             .pod = p->name,
                                                             .start_us = w->now,
                                                             .stop_us = INT64_MAX };
}

static void stop(struct world *w, struct pod *p)
{
    if (p->process >= 0) {
        w->processes[p->process].stop_us = w->now;
        p->process = -1;
    }
}

static int free_node(struct world *w)
{
    int node, tries = 0;
    do {
        node = pick(w, 0, NODES - 1);
        int used = 0;
        for (int i = 0; i < w->n_pods; i++) {
            used += !w->pods[i].gone && w->pods[i].node == node;
        }
        if (!w->lost[node] && used < 4) {
            return node;
        }
    } while (tries++ < 1000);
    abort();
}

static struct pod *create(struct world *w, int set)
{
    assert_true(w->n_pods < PODS_MAX);
    struct pod *p = &w->pods[w->n_pods];
    *p = (struct pod){ .set = set, .node = -1, .process = -1, .cpu = 1000, .memory_mi = 2048 };
    snprintf(p->name, sizeof p->name, "web-%d-%d", set, w->n_pods);
    snprintf(p->uid, sizeof p->uid, "pod-%d", w->n_pods++);
    put_pod(w, p);
    return p;
}

static void bring_up(struct world *w, struct pod *p)
{
    p->node = free_node(w);
    put_pod(w, p);
    start(w, p, p->node);
    p->ready = true;
    put_pod(w, p);
}

static void take_down(struct world *w, struct pod *p)
{
    p->deleting = true;
    put_pod(w, p);
    stop(w, p);
    p->ready = false;
    p->gone = true;
    put_pod(w, p);
}

static struct pod *any(struct world *w, int set)
{
    int from = pick(w, 0, w->n_pods - 1);
    for (int i = 0; i < w->n_pods; i++) {
        struct pod *p = &w->pods[(from + i) % w->n_pods];
        if (!p->gone && p->ready && !p->deleting && (set < 0 || p->set == set)) {
            return p;
        }
    }
    return NULL;
}

static void rollout(struct world *w)
{
    int old = w->n_sets - 1, now = w->n_sets++;
    w->generation++;
    put_deployment(w);
    w->observed = w->generation;
    put_deployment(w);
    for (int i = 0; i < REPLICAS; i++) {
        w->set_sizes[now] = i + 1;
        put_set(w, now);
        bring_up(w, create(w, now));
        w->set_sizes[old]--;
        put_set(w, old);
        take_down(w, any(w, old));
    }
}

static void crash(struct world *w)
{
    struct pod *p = any(w, -1);
    stop(w, p);
    p->ready = false;
    put_pod(w, p);
    start(w, p, p->node);
    p->ready = true;
    put_pod(w, p);
}

static void end_contact(struct world *w, int node)
{
    assert_true(w->n_contacts < 64);
    w->contacts[w->n_contacts++] = (struct check_contact){ .node = w->process_nodes[node],
                                                           .from_us = w->contact_since[node],
                                                           .to_us = w->now };
}

/* Lost, its pods replaced; then it comes back and stops what was replaced. */
static void lose_node(struct world *w, bool stays_orphan)
{
    int node = any(w, -1)->node;
    struct pod *gone[PODS_MAX];
    int n = 0;
    end_contact(w, node);
    w->lost[node] = true;
    put_node(w, node);
    for (int i = 0; i < w->n_pods; i++) {
        if (!w->pods[i].gone && w->pods[i].node == node) {
            gone[n++] = &w->pods[i];
            w->pods[i].gone = true;
            put_pod(w, &w->pods[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        bring_up(w, create(w, gone[i]->set));
    }
    w->now += 100 * (int64_t)SECOND;
    w->contact_since[node] = w->now;
    w->lost[node] = false;
    put_node(w, node);
    w->now += pick(w, 0, 30) * (int64_t)SECOND;
    for (int i = 0; i < n; i++) {
        if (!stays_orphan) {
            stop(w, gone[i]);
        }
    }
}

/* --- wrong deeds ------------------------------------------------------------------------------ */

static void overcommit(struct world *w, enum fault fault)
{
    struct pod *p = create(w, -1);
    p->node = any(w, -1)->node;
    p->cpu = fault == OVERCOMMIT_CPU ? 3500 : 10;
    p->memory_mi = fault == OVERCOMMIT_MEMORY ? 7000 : 10;
    put_pod(w, p);
    for (int i = 0; fault == TOO_MANY_PODS && i < 8; i++) {
        struct pod *q = create(w, -1);
        q->node = p->node;
        q->cpu = q->memory_mi = 0;
        put_pod(w, q);
    }
    for (; p < &w->pods[w->n_pods]; p++) {
        p->gone = true;
        put_pod(w, p);
    }
}

static void wrong_process(struct world *w, enum fault fault)
{
    struct pod *p = any(w, -1), stranger = { .name = "x", .process = -1 };
    int other = (p->node + 1) % NODES;
    if (fault == UNKNOWN_POD) {
        start(w, &stranger, other);
        w->processes[stranger.process].pod_uid = "never-stored";
        w->processes[stranger.process].pod = "default/x";
        w->processes[stranger.process].stop_us = w->now + SECOND;
        return;
    }
    int mine = p->process;
    if (fault == WRONG_NODE) {
        w->processes[mine].stop_us = w->now;
    }
    start(w, p, other);
    w->processes[p->process].stop_us = w->now + SECOND;
    if (fault == WRONG_NODE) {
        w->now += 2 * SECOND;
        start(w, p, p->node);
    } else {
        p->process = mine;
    }
}

static void go_back(struct world *w, enum fault fault)
{
    int generation = w->generation, observed = w->observed;
    rollout(w);
    w->generation = fault == GENERATION_BACK ? generation : w->generation;
    w->observed = fault == OBSERVED_AHEAD ? w->generation + 1 : observed;
    put_deployment(w);
    w->generation = generation + 1;
    w->observed = w->generation;
    put_deployment(w);
}

static void do_wrong(struct world *w, enum fault fault)
{
    struct pod *p = any(w, -1);
    w->now += 5 * SECOND; /* nobody decides on what was ready long ago */
    switch (fault) {
    case DOUBLE_BIND:
    case UNBOUND: {
        int node = p->node;
        p->node = fault == UNBOUND ? -1 : (p->node + 1) % NODES;
        put_pod(w, p);
        p->node = node;
        break;
    }
    case OVERCOMMIT_CPU:
    case OVERCOMMIT_MEMORY:
    case TOO_MANY_PODS:
        overcommit(w, fault);
        break;
    case OVERLAP:
    case WRONG_NODE:
    case UNKNOWN_POD:
        wrong_process(w, fault);
        break;
    case GENERATION_BACK:
    case OBSERVED_BACK:
    case OBSERVED_AHEAD:
        go_back(w, fault);
        break;
    case TOO_FEW_READY:
    case TOO_FEW_READY_REMOVED:
        for (int i = 0; i < 2; i++) {
            p = any(w, -1);
            if (fault == TOO_FEW_READY) {
                take_down(w, p);
            } else {
                stop(w, p);
                p->gone = true;
                put_pod(w, p);
            }
        }
        bring_up(w, create(w, w->n_sets - 1));
        bring_up(w, create(w, w->n_sets - 1));
        break;
    case UNREADABLE:
        put(w, "/registry/pods/default/broken", "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",");
        break;
    default:
        break;
    }
}

static void do_wrong_at_end(struct world *w, enum fault fault)
{
    struct pod *p = any(w, -1);
    if (fault == LOST_POD) {
        take_down(w, p);
    } else if (fault == SURPLUS_POD) {
        bring_up(w, create(w, w->n_sets - 1));
    } else if (fault == NO_PROCESS) {
        stop(w, p);
    }
}

static void be_quiet(struct world *w, bool hot)
{
    w->now += 10 * SECOND;
    w->quiet.from_us = w->now;
    for (int i = 0; i < 15; i++) {
        put_deployment(w);
        w->now += hot ? SECOND / 10 : 12 * SECOND / 10;
    }
    w->quiet.to_us = w->now;
}

/* --- all -------------------------------------------------------------------------------------- */

static void run(struct world *w, uint64_t seed, enum fault fault)
{
    memset(w, 0, sizeof *w);
    check_pool_init(&w->pool, 0);
    check_log_init(&w->log, &w->pool);
    rng_init(&w->rng, seed);
    w->revision = 1;
    w->generation = w->observed = 1;
    for (int i = 0; i < NODES; i++) {
        snprintf(w->process_nodes[i], sizeof w->process_nodes[i], "n%d", i);
        put_node(w, i);
    }
    put_deployment(w);
    w->set_sizes[w->n_sets++] = REPLICAS;
    put_set(w, 0);
    for (int i = 0; i < REPLICAS; i++) {
        bring_up(w, create(w, 0));
    }
    int rounds = pick(w, 1, 6), bad = pick(w, 0, rounds - 1);
    for (int i = 0; i < rounds; i++) {
        int dice = pick(w, 0, 2);
        if (i == bad) {
            do_wrong(w, fault);
        }
        if (dice == 0) {
            rollout(w);
        } else if (dice == 1) {
            crash(w);
        }
        if (dice == 2 || (fault == ORPHAN && i == bad)) {
            lose_node(w, fault == ORPHAN && i == bad);
        }
    }
    do_wrong_at_end(w, fault);
    be_quiet(w, fault == HOT_WRITES);
    w->now += 100 * (int64_t)SECOND;
    for (int i = 0; i < NODES; i++) {
        end_contact(w, i);
    }
}

static void judge(struct world *w, struct check_report *report, bool healed)
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

static void world_fini(struct world *w, struct check_report *report)
{
    check_report_fini(report);
    check_log_fini(&w->log);
    check_pool_fini(&w->pool);
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
    struct world *w = mem_alloc(sizeof *w);
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        struct check_report report;
        run(w, seed, NONE);
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
    struct world *w = mem_alloc(sizeof *w);
    for (int fault = NONE + 1; fault < FAULTS; fault++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct check_report report;
            run(w, seed, (enum fault)fault);
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
    struct world *w = mem_alloc(sizeof *w);
    struct check_report report;
    const char *uids[PODS_MAX];
    run(w, 1, TOO_FEW_READY);
    for (int i = 0; i < w->n_pods; i++) {
        uids[i] = w->pods[i].uid;
    }
    struct check_orch_facts f = { .user_deletes = uids, .n_user_deletes = (size_t)w->n_pods };
    check_report_init(&report);
    assert_int_equal(check_orchestration(&w->log, &f, &report), 0);
    world_fini(w, &report);
    mem_free(w);
}

int run_orch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_right_cluster_passes),
        cmocka_unit_test(test_every_wrong_deed_is_caught),
        cmocka_unit_test(test_deletions_by_people_are_theirs),
    };
    return cmocka_run_group_tests_name("check/orch", tests, NULL, NULL);
}
