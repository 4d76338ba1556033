/* Reading the data directory of a member that does not run, without changing it: what is in it, and
 * the state that comes out of its snapshot and its log.
 *
 * The log is applied to its end. A member cannot know which of its last entries were committed, and
 * each of them may have been answered for: who recovers must keep all. Synchronous; the directory
 * is locked until inspect_close. */
#ifndef BARQUE_RAFT_INSPECT_H
#define BARQUE_RAFT_INSPECT_H

#include "lib/base/limits.h"
#include "lib/io/file.h"
#include "raft/log.h"
#include "raft/rnode.h"

struct inspect {
    struct fs *fs;
    char *dir;
    struct file *lock;
    uint64_t cluster_id, member_id, term;
    uint64_t snapshot_index, snapshot_term; /* 0: none */
    uint64_t first_index;                   /* of the log */
    uint64_t last_index, last_term;         /* of log or snapshot */
    uint64_t commit_index;                  /* so far it certainly was committed */
    struct rnode_member members[LIMIT_PEERS]; /* of the newest configuration: id, role, address */
    size_t n_members;
    char *snapshot; /* path, or NULL */
    struct entry_log log;
};

/* `dir` is <data-dir>/member. E_NOTFOUND, E_CONFLICT (it runs), E_CORRUPT, E_MISMATCH,
 * E_UNSUPPORTED, E_IO with what and where. inspect_close after success only. */
int inspect_open(struct fs *fs, const char *dir, struct inspect *ret_inspect, struct err *err);
/* Gives snapshot and commands to the fsm: restore_begin, restore_chunk, restore_commit, apply. */
int inspect_replay(const struct inspect *in, const struct rnode_fsm *fsm, struct err *err);
void inspect_close(struct inspect *in);

#endif
