/* Changing who is a member: one server at a time, as a RAFT_CHANGE entry. */
#ifndef BARQUE_RAFT_MEMBERSHIP_H
#define BARQUE_RAFT_MEMBERSHIP_H

#include "raft/rnode.h"

enum member_change {
    MEMBER_ADD_LEARNER, /* uses id and peer_address */
    MEMBER_PROMOTE,     /* learner -> voter, once it has nearly caught up */
    MEMBER_DEMOTE,      /* voter -> learner */
    MEMBER_REMOVE,
};

/* On the leader. done exactly once, later:
 *   0               committed
 *   E_NOTLEADER     also while a transfer runs
 *   E_NOTREADY      the leader has not committed an entry of its term yet, or the learner lags: try
 *                   again
 *   E_CONFLICT      another change is in flight
 *   E_EXIST, E_MEMBER_NOT_FOUND, E_INVAL (the last voter; a wrong role)
 *   E_PERM          it is the leader itself: transfer leadership first
 *   E_LEADER_CHANGED outcome unknown */
void rnode_change(struct rnode *n, enum member_change kind, const struct rnode_member *member,
                  void (*done)(void *arg, int status), void *arg);

#endif
