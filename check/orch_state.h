/* Inside the orchestration checker: what is kept of the objects while the log is walked.
 *
 *     orch_objects.c  one value at a time: what is read of each kind
 *     orch.c          the walk and what must hold at every revision
 *     orch_process.c  the journals and the end */
#ifndef BARQUE_CHECK_ORCH_STATE_H
#define BARQUE_CHECK_ORCH_STATE_H

#include "api/apps.h"
#include "check/orch.h"
#include "lib/base/map.h"

struct orch_node {
    const char *name;
    bool live, unreachable;
    int64_t unreachable_us;    /* when it last was, and is not any more; INT64_MIN: never */
    int64_t cpu, memory, pods; /* allocatable, in thousandths; -1: not told */
    int64_t used_cpu, used_memory, used_pods;
};

/* One life of a pod: its uid. */
struct orch_pod {
    const char *uid, *name; /* "namespace/name" */
    struct orch_node *node; /* NULL until bound */
    const char *owner;      /* uid of its ReplicaSet, NULL */
    int64_t cpu, memory;    /* requests, in thousandths */
    bool live, ready, deleting, terminal, restarts;
    int64_t unready_us; /* when it was last ready and is not any more; INT64_MIN: never */
    int64_t ready_us;   /* when it became ready */
    int64_t gone_us;    /* its object was deleted; INT64_MAX: it is there */
};

struct orch_set {
    const char *uid, *name, *owner; /* owner: uid of its Deployment, NULL */
    bool live;
    int64_t replicas;
    int64_t lowered_us; /* when it was last told to have fewer; INT64_MAX: never */
};

struct orch_deployment {
    const char *uid, *name;
    bool live, recreates, paused;
    int64_t replicas, min, min_before; /* ready pods; `min_before` until changed_us */
    int64_t changed_us;
};

/* A key and what is there now. */
struct orch_entry {
    const struct kind *kind;
    const char *uid;
    struct orch_pod *pod; /* one of these four, by kind */
    struct orch_node *node;
    struct orch_set *set;
    struct orch_deployment *deployment;
    int64_t generation, observed;
    int64_t *writes; /* times of the last writes in quiet spans, a ring */
    uint64_t n_writes;
};

struct orch {
    const struct check_log *log;
    const struct check_orch_facts *facts;
    struct check_verdict *once, *fits, *rollout, *generation, *quiet, *readable, *bound, *orphan,
        *lost;
    struct arena arena;
    struct u64map entries;                     /* by pool id of the key */
    struct map pods, nodes, sets, deployments; /* by uid; nodes by name */
    int64_t revision, at_us;                   /* of the walk */
    uint64_t ring;                             /* writes allowed in a quiet window */
};

/* What a value changed of an object that is there. */
struct orch_change {
    struct orch_entry *entry;
    struct orch_pod *new_binding; /* this pod has a node since now, and had none before */
    struct orch_pod *deleted;     /* this ready pod is on its way out since now */
    const char *rebound_from;     /* the pod's node before, when it changed */
};

/* Reads a put or delete into the state. `json` empty: deleted. False: it does not parse, and `err`
 * says why. */
bool orch_take(struct orch *o, uint32_t key, struct slice json, bool deleted,
               struct orch_change *ret_change, struct err *err);

void orch_check_journals(struct orch *o);
void orch_check_end(struct orch *o);
/* Ready pods of a Deployment that are not on their way out; `since_us`: those count, too, that
 * were ready after it. */
int64_t orch_ready(struct orch *o, const char *deployment_uid, int64_t since_us);

#endif
