/* Objects as JSON, processes as journals. Each deed writes what a right cluster would write, in its
 * order; do_wrong does what none should. */
#include "tests/unit/check/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/check/tests.h"

static int pick(struct cluster *w, int lo, int hi)
{
    return (int)rng_range(&w->rng, (uint64_t)lo, (uint64_t)hi);
}

/* --- what is stored --------------------------------------------------------------------------- */

static void put(struct cluster *w, const char *key, const char *json)
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

void cluster_put_node(struct cluster *w, int i)
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

void cluster_put_deployment(struct cluster *w)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
             "\"namespace\":\"default\",\"uid\":\"dep\",\"generation\":%d},\"spec\":{\"replicas\":"
             "%d,\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":1,"
             "\"maxUnavailable\":1}}},\"status\":{\"observedGeneration\":%d}}",
             w->generation, w->replicas, w->observed);
    put(w, "/registry/deployments/default/web", json);
}

void cluster_put_set(struct cluster *w, int i)
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

void cluster_put_pod(struct cluster *w, const struct pod *p)
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

static void start(struct cluster *w, struct pod *p, int node)
{
    p->process = (int)w->n_processes;
    w->processes[w->n_processes++] = (struct check_process){ .node = w->process_nodes[node],
                                                             .pod_uid = p->uid,
                                                             .pod = p->name,
                                                             .start_us = w->now,
                                                             .stop_us = INT64_MAX };
}

static void stop(struct cluster *w, struct pod *p)
{
    if (p->process >= 0) {
        w->processes[p->process].stop_us = w->now;
        p->process = -1;
    }
}

static int free_node(struct cluster *w)
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

static struct pod *create(struct cluster *w, int set)
{
    assert_true(w->n_pods < PODS_MAX);
    struct pod *p = &w->pods[w->n_pods];
    *p = (struct pod){ .set = set, .node = -1, .process = -1, .cpu = 1000, .memory_mi = 2048 };
    snprintf(p->name, sizeof p->name, "web-%d-%d", set, w->n_pods);
    snprintf(p->uid, sizeof p->uid, "pod-%d", w->n_pods++);
    cluster_put_pod(w, p);
    return p;
}

static void bring_up(struct cluster *w, struct pod *p)
{
    p->node = free_node(w);
    cluster_put_pod(w, p);
    start(w, p, p->node);
    p->ready = true;
    cluster_put_pod(w, p);
}

void cluster_take_down(struct cluster *w, struct pod *p)
{
    p->deleting = true;
    cluster_put_pod(w, p);
    stop(w, p);
    p->ready = false;
    p->gone = true;
    cluster_put_pod(w, p);
}

struct pod *cluster_any(struct cluster *w, int set)
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

static void rollout(struct cluster *w)
{
    int old = w->n_sets - 1, now = w->n_sets++;
    w->generation++;
    cluster_put_deployment(w);
    w->observed = w->generation;
    cluster_put_deployment(w);
    for (int i = 0; i < REPLICAS; i++) {
        w->set_sizes[now] = i + 1;
        cluster_put_set(w, now);
        bring_up(w, create(w, now));
        w->set_sizes[old]--;
        cluster_put_set(w, old);
        cluster_take_down(w, cluster_any(w, old));
    }
}

static void crash(struct cluster *w)
{
    struct pod *p = cluster_any(w, -1);
    stop(w, p);
    p->ready = false;
    cluster_put_pod(w, p);
    start(w, p, p->node);
    p->ready = true;
    cluster_put_pod(w, p);
}

static void end_contact(struct cluster *w, int node)
{
    assert_true(w->n_contacts < 64);
    w->contacts[w->n_contacts++] = (struct check_contact){ .node = w->process_nodes[node],
                                                           .from_us = w->contact_since[node],
                                                           .to_us = w->now };
}

/* Lost, its pods replaced; then it comes back and stops what was replaced. */
static void lose_node(struct cluster *w, bool stays_orphan)
{
    int node = cluster_any(w, -1)->node;
    struct pod *gone[PODS_MAX];
    int n = 0;
    end_contact(w, node);
    w->lost[node] = true;
    cluster_put_node(w, node);
    for (int i = 0; i < w->n_pods; i++) {
        if (!w->pods[i].gone && w->pods[i].node == node) {
            gone[n++] = &w->pods[i];
            w->pods[i].gone = true;
            cluster_put_pod(w, &w->pods[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        bring_up(w, create(w, gone[i]->set));
    }
    w->now += 100 * (int64_t)SECOND;
    w->contact_since[node] = w->now;
    w->lost[node] = false;
    cluster_put_node(w, node);
    w->now += pick(w, 0, 30) * (int64_t)SECOND;
    for (int i = 0; i < n; i++) {
        if (!stays_orphan) {
            stop(w, gone[i]);
        }
    }
}

/* --- wrong deeds ------------------------------------------------------------------------------ */

static void overcommit(struct cluster *w, enum fault fault)
{
    struct pod *p = create(w, -1);
    p->node = cluster_any(w, -1)->node;
    p->cpu = fault == OVERCOMMIT_CPU ? 3500 : 10;
    p->memory_mi = fault == OVERCOMMIT_MEMORY ? 7000 : 10;
    cluster_put_pod(w, p);
    for (int i = 0; fault == TOO_MANY_PODS && i < 8; i++) {
        struct pod *q = create(w, -1);
        q->node = p->node;
        q->cpu = q->memory_mi = 0;
        cluster_put_pod(w, q);
    }
    for (; p < &w->pods[w->n_pods]; p++) {
        p->gone = true;
        cluster_put_pod(w, p);
    }
}

static void wrong_process(struct cluster *w, enum fault fault)
{
    struct pod *p = cluster_any(w, -1), stranger = { .name = "x", .process = -1 };
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

static void go_back(struct cluster *w, enum fault fault)
{
    int generation = w->generation, observed = w->observed;
    rollout(w);
    w->generation = fault == GENERATION_BACK ? generation : w->generation;
    w->observed = fault == OBSERVED_AHEAD ? w->generation + 1 : observed;
    cluster_put_deployment(w);
    w->generation = generation + 1;
    w->observed = w->generation;
    cluster_put_deployment(w);
}

static void do_wrong(struct cluster *w, enum fault fault)
{
    struct pod *p = cluster_any(w, -1);
    w->now += 5 * SECOND; /* nobody decides on what was ready long ago */
    switch (fault) {
    case DOUBLE_BIND:
    case UNBOUND: {
        int node = p->node;
        p->node = fault == UNBOUND ? -1 : (p->node + 1) % NODES;
        cluster_put_pod(w, p);
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
            p = cluster_any(w, -1);
            if (fault == TOO_FEW_READY) {
                cluster_take_down(w, p);
            } else {
                stop(w, p);
                p->gone = true;
                cluster_put_pod(w, p);
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

static void do_wrong_at_end(struct cluster *w, enum fault fault)
{
    struct pod *p = cluster_any(w, -1);
    if (fault == LOST_POD) {
        cluster_take_down(w, p);
    } else if (fault == SURPLUS_POD) {
        bring_up(w, create(w, w->n_sets - 1));
    } else if (fault == NO_PROCESS) {
        stop(w, p);
    }
}

static void be_quiet(struct cluster *w, bool hot)
{
    w->now += 10 * SECOND;
    w->quiet.from_us = w->now;
    for (int i = 0; i < 15; i++) {
        cluster_put_deployment(w);
        w->now += hot ? SECOND / 10 : 12 * SECOND / 10;
    }
    w->quiet.to_us = w->now;
}

/* --- all -------------------------------------------------------------------------------------- */

void cluster_run(struct cluster *w, uint64_t seed, enum fault fault)
{
    memset(w, 0, sizeof *w);
    check_pool_init(&w->pool, 0);
    check_log_init(&w->log, &w->pool);
    rng_init(&w->rng, seed);
    w->revision = 1;
    w->generation = w->observed = 1;
    w->replicas = REPLICAS;
    for (int i = 0; i < NODES; i++) {
        snprintf(w->process_nodes[i], sizeof w->process_nodes[i], "n%d", i);
        cluster_put_node(w, i);
    }
    cluster_put_deployment(w);
    w->set_sizes[w->n_sets++] = REPLICAS;
    cluster_put_set(w, 0);
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

void cluster_fini(struct cluster *w)
{
    check_log_fini(&w->log);
    check_pool_fini(&w->pool);
}
