/* A key-value store as plainly as it can be written: the state at one revision, moved forward one
 * operation at a time. Shared by the checkers, and sharing no code with store/.
 *
 * Keys are known beforehand (every key that a put or a log names), so a key is a rank in key order
 * and the state an array: a point costs O(1), a count O(log keys), a range its output.
 *
 * It runs forward only; reads of old revisions are asked when it passes them. While `undoing`, each
 * change is journalled and check_model_rollback takes it back: dry runs and searches. Pure. */
#ifndef BARQUE_CHECK_MODEL_H
#define BARQUE_CHECK_MODEL_H

#include "check/history.h"
#include "check/log.h"
#include "lib/base/map.h"

#define CHECK_NO_RANK UINT32_MAX

struct check_undo {
    struct check_pkv kv;
    int64_t absent_until;
    uint32_t rank;
};

struct check_model {
    const struct check_pool *pool;
    uint32_t *keys; /* by rank: pool ids, in key order */
    size_t n, keys_cap;
    uint32_t *ranks;        /* by pool id; CHECK_NO_RANK: not a key */
    uint32_t *bounds;       /* by pool id: rank of the first key at or after it; CHECK_NO_RANK: not
                               asked yet */
    struct check_pkv *kvs;  /* by rank; version 0: absent */
    int64_t *absent_until;  /* by rank: the last revision it was absent at, of the past ones */
    uint32_t *sums;         /* live keys, Fenwick tree over rank + 1 */
    uint64_t *live, *words; /* bit a rank; bit a word of `live` */
    uint32_t from_key;      /* pool id of "\0" as a range_end; UINT32_MAX: nobody asked */
    int64_t revision;
    struct u64map leases;        /* id -> struct check_model_lease: live keys of each lease */
    struct check_pevent *events; /* what the last check_model_op changed, in order */
    size_t n_events, events_cap;
    struct check_undo *undo;
    size_t n_undo, undo_cap;
    bool undoing;
};

struct check_model_lease {
    int64_t id;
    uint32_t live;
};

/* Keys of the history (may be NULL) and of the log (may be NULL), the log's base as state. */
void check_model_init(struct check_model *m, const struct check_pool *pool, const struct history *h,
                      const struct check_log *log);
void check_model_fini(struct check_model *m);

/* NULL: absent. */
const struct check_pkv *check_model_get(const struct check_model *m, uint32_t key);
/* Ranks [*ret_lo, *ret_hi) of a key or a range. */
void check_model_span(struct check_model *m, uint32_t key, uint32_t range_end, uint32_t *ret_lo,
                      uint32_t *ret_hi);
/* The first live rank at or after `rank`; m->n when there is none. */
uint32_t check_model_next(const struct check_model *m, uint32_t rank);
/* Live keys in [lo, hi). */
uint32_t check_model_count(const struct check_model *m, uint32_t lo, uint32_t hi);
uint32_t check_model_lease_keys(const struct check_model *m, int64_t lease);
bool check_model_compare(struct check_model *m, const struct check_pcompare *c);

/* Runs a put, range, delete or txn at `revision` (what its writes get). With `answered` every
 * field of the answer is held against the state; false: it differs, and `why` (may be NULL) says
 * how. Without it, false: the operation could not have succeeded here. Range parts of a given
 * revision are passed over: see check_model_read. */
bool check_model_op(struct check_model *m, const struct check_op *op, int64_t revision,
                    bool answered, struct buf *why);
/* A range part against the present state. */
bool check_model_read(struct check_model *m, const struct check_part *p, struct buf *why);
/* The changes of a logged revision, which must be possible here. */
bool check_model_rev(struct check_model *m, const struct check_rev *rev, struct buf *why);
/* Does this revision delete all keys of one lease or several, and nothing else? Before it is
 * applied. */
bool check_model_ends_leases(const struct check_model *m, const struct check_rev *rev);
/* Deletes all keys of a lease. */
void check_model_end_lease(struct check_model *m, int64_t lease, int64_t revision);
bool check_model_same(const struct check_model *m, const struct check_rev *rev);

/* What is at a rank from `revision` on; kv->version 0: nothing. */
void check_model_set(struct check_model *m, uint32_t rank, const struct check_pkv *kv,
                     int64_t revision);
/* Takes back every change after the first `mark` of the journal. */
void check_model_rollback(struct check_model *m, size_t mark);

#endif
