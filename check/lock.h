/* Locks with fencing. A lock alone excludes nobody (its holder may sleep past its lease), so what
 * is claimed is claimed of writes: the data under a lock is written only by txns that compare the
 * lock key's create revision, the fencing token.
 *
 * "lock fenced": each change of a data key was made by a recorded txn that compares CHECK_CREATE
 * EQUAL to a token > 0 on a key under the lock's prefix, in the branch where it holds, and that
 * lock key did exist with that create revision.
 * "lock exclusive": tokens of successive changes never go back: once a later holder wrote, no
 * earlier one does. With `queue` (etcd's mutex: every waiter has a key, the smallest create
 * revision owns the lock) the writer's key was the owner's. Pure. */
#ifndef BARQUE_CHECK_LOCK_H
#define BARQUE_CHECK_LOCK_H

#include "check/history.h"
#include "check/log.h"
#include "check/report.h"

struct check_lock {
    struct slice lock_prefix;    /* the key itself, or the prefix of the waiters' keys */
    struct slice data_prefix;    /* what it protects */
    bool queue;
};

/* The worst of its verdicts' codes. Changes by operations of unknown outcome are found by their
 * value. Changes that no recorded operation made break "lock fenced". */
int check_locks(const struct history *h, const struct check_log *log,
                const struct check_lock *locks, size_t n, struct check_report *report);

#endif
