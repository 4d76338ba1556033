/* THE table of faults: what each does, what it needs of a cluster, whom it may hit and how hard.
 *
 * Pure. A new fault is a row here and its two hands (act, heal) in act.c. Costs are counted in
 * members: a member that is killed, paused, cut off, slow or full counts as gone, and a plan may
 * make at most (n-1)/2 of n gone at any time. */
#ifndef BARQUE_CHAOS_FAULT_H
#define BARQUE_CHAOS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos/report.h"
#include "lib/base/err.h"

enum fault_kind {
    FAULT_KILL,
    FAULT_PAUSE,
    FAULT_PARTITION,
    FAULT_PARTIAL,
    FAULT_ONE_WAY,
    FAULT_DELAY,
    FAULT_LOSS,
    FAULT_SLOW_DISK,
    FAULT_FULL_DISK,
    FAULT_CLOCK,
    FAULT_TORN,
    FAULT_CORRUPT,
    FAULT_MEMBERSHIP,
    FAULT_NODE,
    FAULT_CONTROLLERS,
    FAULT_SCHEDULER,
    FAULT_KILL_ALL,
    FAULT_PAUSE_MOST,
    FAULT_SHATTER,
    FAULTS_N,
};

/* What a cluster must offer; a target says for each why it does not (NULL = it does). */
enum fault_need {
    NEED_SIGNAL,     /* the members' process ids */
    NEED_RESTART,    /* a killed member can be started again */
    NEED_SHIM,       /* members read a faults file (--unsafe-faults) */
    NEED_LINKS,      /* links between members can be cut, by such a file or from outside */
    NEED_DATA,       /* their data directories are at hand */
    NEED_MEMBERSHIP, /* a member can be added and removed */
    NEED_REJOIN,     /* a member with damaged data comes back by itself */
    NEED_NODES,      /* agents that can be killed and started */
    NEED_MASTERS,    /* controllers and scheduler run in the members */
    NEEDS_N,
};

/* Whom a fault hits; roles are looked up when it happens. */
enum fault_who {
    WHO_LEADER,
    WHO_FOLLOWER,
    WHO_CONTROLLERS, /* the member whose controllers lead */
    WHO_SCHEDULER,
    WHO_NODE,
    WHO_MOST,        /* a majority, the leader among them */
    WHO_ALL,
    WHO_N,
};

struct fault {
    const char *name, *what;
    enum chaos_family family;
    unsigned needs;            /* bits of enum fault_need */
    unsigned who;              /* bits of enum fault_who: one is drawn */
    unsigned cost;             /* members gone while it lasts and while they catch up */
    bool breaks_quorum;        /* only with --break-quorum */
    const char *unit;          /* of the amount; NULL = it has none */
    int64_t amount_min, amount_max;
};
extern const struct fault faults[FAULTS_N];

const char *fault_who_text(enum fault_who who);
/* By name; E_NOTFOUND with the nearest. */
int fault_by_name(const char *name, enum fault_kind *ret_kind, struct err *err);
/* "kill,pause" -> bits; "all" = every fault that leaves a quorum; "none" = 0. E_INVAL with the
 * nearest name. */
int faults_parse(const char *list, uint64_t *ret_kinds, struct err *err);

#endif
