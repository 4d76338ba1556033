/* Getting into a cluster from outside: the questions (knocks) of who is no member yet, or whose
 * data directory is damaged.
 *
 *   JOIN_WHO      who is in the cluster, and under which id is the member at my address? For a new
 *                 member that was added before (MemberAdd). Any member answers, after a ReadIndex.
 *   JOIN_REPLACE  the member at my address has lost its state: put a learner under a new id in its
 *                 place. The leader does it in two changes, and only when it has not heard from
 *                 that member for an election timeout. A join asks first (JOIN_WHO) which id that
 *                 member has, and says it: a question that comes twice, or late, finds another one
 *                 there and is answered with that.
 *   JOIN_STARTED  has the member at my address ever taken part? For a founder whose data directory
 *                 is empty: it may have been lost, and then its promises are, too. Whoever is there
 *                 answers at once, from what it has applied.
 *
 * A join asks one address after the other, goes where it is sent (the leader), and gives up at its
 * deadline. Threads: loop. */
#ifndef BARQUE_RAFT_JOIN_H
#define BARQUE_RAFT_JOIN_H

#include "lib/base/limits.h"
#include "raft/rnode.h"

enum join_what { JOIN_WHO = 1, JOIN_REPLACE = 2, JOIN_STARTED = 3 };

struct join_answer {
    int status;          /* 0, E_NOTLEADER, or why not now */
    uint64_t cluster_id;
    uint64_t leader_id;  /* 0: unknown */
    uint64_t your_id;    /* of the member at the asker's address; 0: there is none */
    struct rnode_member members[LIMIT_PEERS];
    size_t n_members;
};

void join_answer_encode(const struct join_answer *a, struct buf *out);
/* All but the asker: who may introduce it. */
size_t join_others(const struct join_answer *a, struct rnode_member *ret_others);
/* E_PROTO, E_UNSUPPORTED. */
int join_answer_decode(struct slice bytes, struct join_answer *ret_answer);

struct join_options {
    struct loop *loop;
    enum join_what what;
    uint64_t cluster_id;         /* 0: that of whoever answers */
    const char *name;            /* ours */
    const char *address;         /* where our peers reach us */
    const char *const *ask;      /* addresses of members; our own is passed over */
    size_t n_ask;
    bool once; /* each address at most once: nobody may be there yet */
    uint64_t timeout_ms;
};

struct join;
/* done exactly once, later; memory of the join is gone afterwards. status 0: the answer has
 * your_id. E_MEMBER_NOT_FOUND (JOIN_WHO: nobody added us; JOIN_STARTED: nobody knows that it has),
 * E_TIMEOUT, and err says what was in the way. */
struct join *join_start(const struct join_options *o,
                        void (*done)(void *arg, int status, const struct join_answer *answer,
                                     const struct err *err),
                        void *arg);
/* done comes soon, with E_CANCELED. */
void join_cancel(struct join *j);
/* Ends it without a word, as a crash would. */
void join_abandon(struct join *j);

#endif
