/* States on disk: etcd's database file, and members' data directories. What is made is made beside
 * its place, checked by reading it back, and only then put there; nothing that exists is
 * overwritten but a file that somebody names to be saved to. Progress goes to stderr. Blocks; no
 * loop is needed. */
#ifndef BARQUE_CMD_SNAPSHOT_STATE_H
#define BARQUE_CMD_SNAPSHOT_STATE_H

#include "raft/inspect.h"
#include "raft/rnode.h"
#include "store/etcd_db.h"

/* --- files ------------------------------------------------------------------------------------ */

enum { STATE_SUM_BYTES = 32 };

struct state_file {
    struct slice bytes;    /* mapped, without the sum */
    uint64_t size;         /* with it */
    bool summed;           /* a sum was there, and it is right */
};

/* Maps a file and checks its SHA-256. E_CORRUPT when it differs; without one (a file that was
 * copied out of a data directory) only if sum_optional. */
int state_file_open(const char *path, bool sum_optional, struct state_file *ret_file,
                    struct err *err);
void state_file_close(struct state_file *f);
/* Writes the store as etcd's file, with its sum, by `path`.part. */
int state_file_write(struct store *s, const struct etcd_db_facts *facts, const char *path,
                     struct err *err);

/* --- data directories ------------------------------------------------------------------------- */

/* E_EXIST unless there is nothing, or an empty directory. */
int state_dir_free(const char *data_dir, struct err *err);

struct state_found {
    const char *data_dir;
    uint64_t cluster_id, member_id;
    const struct rnode_member *members;
    size_t n_members;
    uint64_t index, term;
    const char *replaces; /* where what is at data_dir goes first, or NULL: data_dir must be free */
};
/* Takes the store. */
int state_found(struct store *s, const struct state_found *f, struct err *err);
/* The state of a member that does not run, its whole log applied. */
int state_replay(const struct inspect *in, struct store **ret_store, struct err *err);

/* The directory in which `path` is: what was renamed there is durable. */
int state_sync_parent(const char *path, struct err *err);
/* A line on stderr: "barque: ...". */
void state_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
