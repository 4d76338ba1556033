/* A small cluster at work: what its objects and journals would be, right or wrong. */
#ifndef BARQUE_TESTS_UNIT_CHECK_CLUSTER_H
#define BARQUE_TESTS_UNIT_CHECK_CLUSTER_H

#include "check/orch.h"
#include "lib/base/rng.h"

enum { NODES = 4, REPLICAS = 4, PODS_MAX = 200, SETS_MAX = 30, SECOND = 1000000 };

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

struct pod {
    char name[32], uid[40];
    int set, node, process; /* -1: none */
    int cpu, memory_mi;
    bool ready, deleting, gone;
};

struct cluster {
    struct check_pool pool;
    struct check_log log;
    struct rng rng;
    int64_t revision, now;
    struct pod pods[PODS_MAX];
    int n_pods, n_sets;
    int set_sizes[SETS_MAX];
    int generation, observed, replicas;
    bool lost[NODES];
    struct check_process processes[2 * PODS_MAX];
    char process_nodes[NODES][16];
    size_t n_processes;
    struct check_contact contacts[64];
    size_t n_contacts;
    int64_t contact_since[NODES];
    struct check_span quiet;
};

/* Rounds of rollouts, crashes and lost nodes; one of them goes wrong. */
void cluster_run(struct cluster *w, uint64_t seed, enum fault fault);
void cluster_fini(struct cluster *w);
/* A ready pod, of this set (-1: of any); NULL. */
struct pod *cluster_any(struct cluster *w, int set);
/* Each writes the object as it is now, a moment (at most 0.2 s) later. */
void cluster_put_deployment(struct cluster *w);
void cluster_put_set(struct cluster *w, int i);
void cluster_put_node(struct cluster *w, int i);
void cluster_put_pod(struct cluster *w, const struct pod *p);
void cluster_take_down(struct cluster *w, struct pod *p);

#endif
