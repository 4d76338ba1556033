/* Known bugs, planted on purpose: BUG(BUG_X) stands in the code at the place where a real system
 * went wrong, and is false.
 *
 *     if (f->dirty && !f->no_fsync && !BUG(BUG_WAL_NO_SYNC)) {
 *
 * In production builds it is a constant: the compiler drops the branch, and `make lint` and the
 * tests show that nothing of it is left. In recall builds (make BUGS=1, build/recall) it asks
 * whether this bug was selected: by the environment variable BARQUE_BUG=<name>, read once at start,
 * or by bug_select. `make recall` runs the simulator with each and fails when one is not found:
 * a harness that cannot find a bug that is known cannot be trusted with those that are not.
 *
 * What each is, where it comes from and which check must find it: the table in bug.c. With which
 * harness and options: tests/recall/plan.c. Adding one = a line here, a row in either table,
 * and the switch. */
#ifndef BARQUE_BASE_BUG_H
#define BARQUE_BASE_BUG_H

#include <stdbool.h>

enum bug {
    BUG_NONE,
    /* raft/: the disk */
    BUG_WAL_NO_SYNC,
    BUG_WAL_SOME_SYNC,
    BUG_WAL_NO_DIR_SYNC,
    BUG_WAL_NO_CRC,
    BUG_WAL_MARK_IGNORED,
    BUG_WAL_TRUNCATE_FORGOTTEN,
    BUG_WAL_OLD_DURABLE,
    BUG_META_NO_SYNC,
    BUG_META_ONE_COPY,
    BUG_META_LATE,
    BUG_SNAPSHOT_NO_SYNC,
    BUG_SNAPSHOT_BEHIND,
    BUG_INSTALL_NO_SYNC,
    BUG_INSTALL_NO_DIR_SYNC,
    /* raft/: the driver */
    BUG_APPLY_UNCOMMITTED,
    BUG_REPLY_BEFORE_COMMIT,
    BUG_COMMIT_OLD_TERM,
    /* raft/: reads */
    BUG_READ_LOCAL,
    BUG_READ_NO_QUORUM,
    BUG_READ_OLD_ROUND,
    BUG_READ_BEFORE_OWN_COMMIT,
    BUG_READ_BEFORE_APPLY,
    /* raft/: proposals */
    BUG_PROPOSE_NO_DEDUPE,
    BUG_PROPOSE_OLD_EPOCH,
    BUG_PROPOSE_RETRY_EARLY,
    BUG_PROPOSE_NEVER_SENT,
    BUG_PROPOSE_OVER_SNAPSHOT,
    /* raft/: membership */
    BUG_LEARNER_FOR_EVER,
    /* raft/: libraft's own, each with its gate open (raft/gates.c). Those that are missing
     * are shown by tests/unit/raft/test_gates.c and kept runs of the simulator. */
    BUG_G1,
    BUG_G2A,
    BUG_G2B,
    BUG_G6,
    BUG_G7,
    BUG_G13,
    /* store/ */
    BUG_STORE_LEASES_UNTOLD,
    BUG_STORE_COMPACT_REVISION_LOST,
    BUG_STORE_VERSION_KEPT,
    BUG_STORE_LEASE_KEPT,
    BUG_STORE_REVOKE_KEEPS_KEYS,
    BUG_STORE_TXN_UNCHECKED,
    BUG_STORE_HASH_OF_GARBAGE,
    /* store/: users, roles, alarms */
    BUG_AUTH_OLD_TAKEN,
    BUG_AUTH_ROLE_KEPT,
    BUG_AUTH_UNTOLD,
    BUG_ALARMS_UNTOLD,
    BUG_NOSPACE_FOR_DELETES,
    /* server/: room */
    BUG_QUOTA_OF_HISTORY,
    BUG_ALARM_FOR_EVER,
    BUG_COMPACT_HASTY,
    /* server/, store/: backups */
    BUG_BACKUP_STALLED,
    BUG_BACKUP_STORE_FREED,
    BUG_BACKUP_NO_LEASES,
    /* store/, server/, client/: watches */
    BUG_WATCH_START_LATE,
    BUG_WATCH_FUTURE_EARLY,
    BUG_WATCH_SLOW_DROPPED,
    BUG_WATCH_BLOCKED_SKIPPED,
    BUG_WATCH_COMPACTED_SKIPPED,
    BUG_WATCH_OVER_SNAPSHOT,
    BUG_PROGRESS_EARLY,
    BUG_BOOKMARK_EARLY,
    BUG_RESUME_LATE,
    BUG_RESUME_AGAIN,
    /* server/: leases */
    BUG_LEASE_DEPOSED,
    BUG_LEASE_NEW_LEADER,
    BUG_LEASE_FOR_EVER,
    BUG_KEEPALIVE_IGNORED,
    BUG_KEEPALIVE_UNCHECKED,
    /* server/, client/: calls */
    BUG_RANGE_LOCAL,
    BUG_WRITE_RETRIED,
    /* controllers/, scheduler/, kubelet/ */
    BUG_VICTIMS_COUNT,
    BUG_ROLLOUT_HASTY,
    BUG_RECREATE_OVERLAP,
    BUG_GC_STALE_CACHE,
    BUG_NODE_NO_BRAKE,
    BUG_ASSUMED_FORGOTTEN,
    BUG_MEMORY_UNCOUNTED,
    BUG_CONTAINER_TWICE,
    BUG_NO_BACK_OFF,
    BUG_NO_GRACE,
    BUG_ORPHAN_LEFT,
    BUG_UPDATE_UNGUARDED,
    BUGS
};

#ifdef BARQUE_BUGS

struct bug_info {
    const char *name;
    const char *what;   /* one line */
    const char *source; /* who went wrong this way */
    const char *where;  /* the file that has the switch */
};

bool bug_is(enum bug bug);
/* For the whole process, before it starts threads. BUG_NONE: none. */
void bug_select(enum bug bug);
enum bug bug_selected(void);
const struct bug_info *bug_info(enum bug bug);
enum bug bug_named(const char *name); /* BUGS: there is none of that name */

#define BUG(bug) bug_is(bug)

#else

#define BUG(bug) ((void)(bug), false)

#endif
#endif
