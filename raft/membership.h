/* Changing who is a member: one server at a time, as a RAFT_CHANGE entry. */
#ifndef BARQUE_RAFT_MEMBERSHIP_H
#define BARQUE_RAFT_MEMBERSHIP_H

#include "raft/rnode.h"

enum member_change {
    MEMBER_ADD_LEARNER, /* uses id and peer_address */
    MEMBER_PROMOTE,     /* learner -> voter, once it has nearly caught up */
    MEMBER_DEMOTE,      /* voter -> learner */
    MEMBER_REMOVE,
    MEMBER_UPDATE,      /* another peer_address for the same member */
};

/* An id for a member to be added, from 64 random bits. Whether the leader promotes it by itself as
 * soon as it has caught up is written into the id: so the wish is part of the configuration, needs
 * no entry of its own, and outlives every leader. */
uint64_t rnode_new_id(uint64_t random, bool promote);
bool rnode_id_promotes(uint64_t id);

/* On the leader. done exactly once, later:
 *   0               committed
 *   E_NOTLEADER     also while a transfer runs
 *   E_NOTREADY      the leader has not committed an entry of its term yet, or the learner lags: try
 *                   again
 *   E_CONFLICT      another change is in flight
 *   E_EXIST, E_PEER_URL_EXIST, E_MEMBER_NOT_FOUND, E_NOT_LEARNER, E_INVAL (the last voter; a wrong
 *                   role), E_FULL
 *   E_PERM          it is the leader itself: transfer leadership first
 *   E_LEADER_CHANGED outcome unknown
 * Whether a quorum survives the change is the caller's to judge (server/reconfigure.h). */
void rnode_change(struct rnode *n, enum member_change kind, const struct rnode_member *member,
                  void (*done)(void *arg, int status), void *arg);

/* On the leader: itself, and who is connected and has answered it within the last election
 * timeout. */
bool rnode_member_active(const struct rnode *n, uint64_t id);

#endif
