/* Orchestration: what must hold of the objects at every revision, and of the processes at every
 * moment, whatever was killed meanwhile.
 *
 * From the log (objects as JSON under /registry/, times from at_us):
 *     "bound once"             a pod's nodeName never changes once it is set
 *     "fits its node"          when a pod is bound, the requests of all pods on that node that have
 *                              not ended stay within its allocatable cpu, memory and pods
 *     "rollout available"      no ready pod of a Deployment is deleted, by whoever, while that
 *                              leaves fewer ready ones than replicas - maxUnavailable, unless its
 *                              node is unreachable or the deletion is listed in user_deletes;
 *                              by anything that was so within sight_us (before the set was told
 *                              to lose pods, where it was)
 *     "generation observed"    observedGeneration never goes back and never passes generation
 *     "idle quiet"             in a quiet span no object is written more than once a second
 *     "objects readable"       every value parses
 * From the journals:
 *     "runs where bound"       a process runs only on the node its pod is bound to, and never on
 *                              two nodes at once
 *     "no orphan"              a process whose pod is gone or is another's ends within orphan_us of
 *                              unbroken contact
 * At the end, when `healed`:
 *     "no pod lost"            every Deployment and ReplicaSet has as many ready pods as it wants,
 *                              every bound pod that should run has a running process
 *
 * Pure; nothing is kept. */
#ifndef BARQUE_CHECK_ORCH_H
#define BARQUE_CHECK_ORCH_H

#include "check/log.h"
#include "check/report.h"

/* One life of a pod's process on a node, from the agent's (or the harness's own) journal. */
struct check_process {
    const char *node, *pod_uid;
    const char *pod;     /* "namespace/name", for messages */
    int64_t start_us;
    int64_t stop_us;     /* INT64_MAX: it still runs */
};

/* A time in which a node's agent could reach a serving quorum. */
struct check_contact {
    const char *node;
    int64_t from_us, to_us;
};

struct check_span {
    int64_t from_us, to_us;
};

struct check_orch_facts {
    const struct check_process *processes;
    size_t n_processes;
    const struct check_contact *contacts;
    size_t n_contacts;
    const struct check_span *quiet;      /* nothing was asked for, nothing was broken, all had
                                            settled */
    size_t n_quiet;
    const char *const *user_deletes;     /* uids of pods that people (or the harness) deleted */
    size_t n_user_deletes;
    int64_t orphan_us;       /* 0 = 60 s */
    int64_t sight_us;        /* how old a controller's sight may be when its write is applied;
                                0 = 2 s */
    int64_t quiet_window_us; /* writes are averaged over it; 0 = 10 s */
    int64_t end_us;          /* of the observation */
    bool healed;             /* by end_us everything had time to become as desired */
    bool has_journals;       /* processes and contacts are complete */
};

/* The worst of its verdicts' codes. */
int check_orchestration(const struct check_log *log, const struct check_orch_facts *facts,
                        struct check_report *report);

#endif
