/* Setting up the data directory of a member that begins with a state: a restored backup, or the
 * state of one member when the others are lost. What is on disk afterwards is what a member has
 * that has just taken a snapshot: identity and term, the snapshot, an empty log behind it.
 *
 * Members that begin together must be given the same state, members, index and term: then each
 * holds the same snapshot, as if it had been replicated. Synchronous; nothing of it is a member's
 * before the caller has put the directory in its place. */
#ifndef BARQUE_RAFT_FOUND_H
#define BARQUE_RAFT_FOUND_H

#include "lib/base/buf.h"
#include "lib/io/file.h"
#include "raft/rnode.h"

struct found_options {
    struct fs *fs;
    const char *dir;                    /* made; must not be there */
    uint64_t cluster_id, member_id;
    const struct rnode_member *members; /* the configuration: ids, addresses, roles */
    size_t n_members;
    uint64_t index, term;               /* of the snapshot */
    /* Appends the next bytes of the state; 1 more, 0 that was the last. */
    int (*next)(void *arg, struct buf *out);
    void *arg;
};

/* All on disk on return. E_EXIST, E_INVAL (members), E_DISKFULL, E_IO... */
int found_member(const struct found_options *o, struct err *err);

#endif
