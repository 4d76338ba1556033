/* One scheduling cycle, pure: a snapshot of the nodes and a pod in, a node or the reasons why not
 * out.
 *
 * A plugin is one predicate and/or one score in THE table (plugins.c). Filters run in table
 * order; the first that refuses a node gives its reason, and equal reasons are counted ("3 cpu
 * short by 200m, 2 tainted gpu"). Scores are 0..100, times the weight. The best wins; equals are
 * decided by a hash of seed, pod and node, so the same snapshot and seed give the same answer on
 * every machine. */
#ifndef BARQUE_SCHEDULER_CYCLE_H
#define BARQUE_SCHEDULER_CYCLE_H

#include "api/core.h"
#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

/* What a bound (or assumed) pod takes from its node. */
struct pod_info {
    struct list link;         /* node_info.pods */
    struct node_info *node;
    char *key;                /* "ns/name" */
    char *owner_uid;          /* controlling owner, or NULL */
    char *namespace_;
    struct string_map labels;
    int64_t cpu_milli, memory_bytes;
    bool assumed;             /* bound by us, not yet seen in the cache */
};

/* How many pods of one owner a node has: read for every node of every cycle, so kept close
 * together. Owners are told apart by a hash of their uid (it decides scores, never what fits). */
struct owner_count {
    uint64_t owner;
    size_t n;
};

struct node_info {
    struct list link;         /* snapshot.order, in order of appearance */
    size_t index;             /* in snapshot.all */
    struct node *node;        /* owned copy; NULL while pods are bound to a node we have not seen */
    char *name;
    struct list pods;
    struct owner_count *owners;
    size_t n_owners, cap_owners;
    size_t n_pods;
    int64_t cpu_milli, memory_bytes, pods_max; /* allocatable */
    int64_t used_cpu_milli, used_memory_bytes;
};

struct snapshot {
    struct map nodes;         /* name -> struct node_info */
    struct map pods;          /* "ns/name" -> struct pod_info */
    struct list order;
    struct node_info **all;   /* the same, in any order: to begin anywhere */
    size_t n_all, cap_all;
    size_t n_nodes;           /* with a node object */
};

/* --- snapshot.c ------------------------------------------------------------------------------- */
void snapshot_init(struct snapshot *s);
void snapshot_fini(struct snapshot *s);
void snapshot_node_set(struct snapshot *s, const struct node *node);
void snapshot_node_remove(struct snapshot *s, const char *name);
/* A pod as the cache shows it: counted while bound and not finished; replaces what was assumed. */
void snapshot_pod_set(struct snapshot *s, const struct pod *pod);
void snapshot_pod_remove(struct snapshot *s, const char *key);
/* We are about to bind it there; snapshot_pod_forget when that failed. */
void snapshot_pod_assume(struct snapshot *s, const struct pod *pod, const char *node);
void snapshot_pod_forget(struct snapshot *s, const char *key);
/* Sum of the containers' requests. Malformed quantities count as 0 (validation refused them). */
void pod_requests(const struct pod *pod, int64_t *ret_cpu_milli, int64_t *ret_memory_bytes);

/* PRE: uid is not NULL. */
size_t node_info_siblings(const struct node_info *n, const char *owner_uid);

/* --- cycle.c ---------------------------------------------------------------------------------- */
struct cycle {
    const struct snapshot *snapshot;
    const struct pod *pod;
    const char *owner_uid;
    int64_t cpu_milli, memory_bytes;
    struct arena *arena;
    struct spread_count *spread; /* of each topologySpreadConstraint; spread.c's */
};

struct plugin {
    const char *name;
    /* Once a cycle, before the filters: what would else be counted anew for each node. */
    void (*prefilter)(struct cycle *c);
    /* At the end of a cycle: frees what prefilter has made outside the arena. */
    void (*done)(struct cycle *c);
    /* NULL when the pod may go there; otherwise a short reason (static or from the cycle's
     * arena). */
    const char *(*filter)(const struct cycle *c, const struct node_info *n);
    /* 0..100, the more the better. */
    int64_t (*score)(const struct cycle *c, const struct node_info *n);
    int64_t weight;
};
extern const struct plugin *const plugins[];
extern const size_t plugins_n;

struct cycle_result {
    const char *node;         /* NULL: nowhere */
    const char *message;      /* then why: "0/5 nodes: 3 cpu short by 200m, 2 tainted gpu" */
    size_t feasible;
};
/* In large clusters not every node is looked at: it ends when NODES_ENOUGH, or a share of all that
 * falls from a half to a twentieth with their number, could take the pod; each pod begins
 * elsewhere. Strings are in the arena or the snapshot. */
enum { NODES_ENOUGH = 100 };
void cycle_run(const struct snapshot *s, const struct pod *pod, uint64_t seed, struct arena *arena,
               struct cycle_result *ret_result);

extern const struct plugin plugin_node_name, plugin_cordoned, plugin_taints,
    plugin_node_selector, plugin_resources, plugin_spread;

#endif
