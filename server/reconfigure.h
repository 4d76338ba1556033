/* Which changes of the membership are allowed: none that would leave the cluster without a quorum.
 * Pure; etcd's rules (--strict-reconfig-check, which is always on here) with a learner's first
 * steps in mind: who is added never votes before it has caught up. */
#ifndef BARQUE_SERVER_RECONFIGURE_H
#define BARQUE_SERVER_RECONFIGURE_H

#include <stdbool.h>
#include <stddef.h>

#include "raft/membership.h"

struct reconfigure_view {
    size_t voters;
    size_t voters_active;   /* have answered the leader lately; the leader is one */
    size_t started;         /* of voters and joining: has said its name once */
    size_t joining;         /* learners that will vote as soon as they have caught up */
    size_t learners;        /* that stay learners */
    size_t learners_max;
};

/* The member that a change is about. */
struct reconfigure_member {
    bool voter;
    bool active;
    bool started;
    bool promotes; /* to be added: will vote (otherwise it stays a learner) */
};

/* 0, or why not: E_NOT_STARTED, E_UNAVAILABLE (too few would be left that answer),
 * E_TOO_MANY_LEARNERS. */
int reconfigure_allowed(enum member_change kind, const struct reconfigure_view *v,
                        const struct reconfigure_member *about);

#endif
