/* The MVCC store: versioned keys, generations, tombstones, leases. The one pure state machine
 * under every member: store_apply is the sole writer; equal commands give equal states and
 * digests.
 *
 * Idea. A copy-on-write B+tree maps a key to its newest record; a record is immutable and
 * points at the record before it (with jump pointers, so time travel is O(log versions)). A
 * second index, the revision log, lists records by revision: watchers catch up from it and
 * compaction walks it. Subtree counts make Range.count O(log n). A pinned root is a snapshot:
 * O(1), readable by a worker.
 *
 * Lifetimes. Records are reference-counted and shared by tree, revision log, results and watch
 * events without a copy. A result lives in its arena plus references: store_result_fini drops
 * them. Threads: one (the loop); store_pin's cursor may be read by one worker while the loop
 * goes on. Physical compaction waits while a pin exists. Pure: no clock, no log, no I/O. */
#ifndef BARQUE_STORE_STORE_H
#define BARQUE_STORE_STORE_H

#include "store/alarm.h"
#include "store/auth.h"

struct store;

/* One version of one key. Immutable once published. Key and value bytes follow in one
 * allocation. */
struct record;
struct kv_view {
    struct slice key, value;
    int64_t create_revision, mod_revision, version, lease;
    int32_t sub;         /* order inside one revision */
    bool tombstone;      /* a delete: only key and mod_revision mean anything */
};
void record_view(const struct record *r, struct kv_view *ret_view);
struct record *record_ref(struct record *r);
void record_unref(struct record *r);
/* The version before this one (NULL: none, or compacted); a tombstone's is what it deleted. */
struct record *record_prev(const struct record *r);

struct store_options {
    int64_t quota_bytes;     /* live bytes; 0 = no quota. Over it, puts and grants give E_NOSPACE */
    size_t max_txn_ops;      /* default LIMIT_TXN_OPS */
};

struct store *store_new(const struct store_options *options);
void store_free(struct store *s);

/* --- results ---------------------------------------------------------------------------------- */
struct range_result {
    struct record **kvs;     /* references */
    size_t n;
    int64_t count;           /* total in range at that revision, whatever limit and filters say */
    bool more;
};

struct op_result {
    enum op_type type;
    int64_t revision;               /* in a txn: of the state that it saw, or left */
    struct range_result range;      /* RANGE */
    struct record *prev;            /* PUT with prev_kv: reference or NULL */
    struct record **deleted;        /* DELETE with prev_kv: references */
    int64_t n_deleted;
    struct txn_result *txn;
};

struct txn_result {
    bool succeeded;
    struct op_result *ops;
    size_t n_ops;
};

struct lease_info {
    int64_t id, ttl_s, remaining_ttl_s; /* remaining: last checkpoint, or ttl */
};

struct store_result {
    struct arena arena;
    int status;              /* 0 or E_KEY_NOT_FOUND, E_LEASE_NOT_FOUND, E_LEASE_EXIST, E_COMPACTED,
                                E_FUTURE_REV, E_NOSPACE, ...: the command changed nothing */
    int64_t revision;        /* the store's revision after it: the response header's */
    struct op_result op;     /* PUT, DELETE */
    struct txn_result txn;   /* TXN */
    int64_t lease_id, lease_ttl_s;
    bool alarm_told;         /* ALARM: it is to be told (alarm.h) */
};

void store_result_init(struct store_result *r);
void store_result_fini(struct store_result *r); /* drops references, frees the arena */

/* --- writing ---------------------------------------------------------------------------------- */
/* Applies one committed command; events of the revision it made (in sub order) are handed to
 * on_events (may be NULL) before it returns: records are borrowed, valid until compacted, so
 * ref them. The txn's compares all see the state before any write. A revision is made only if
 * something changed. */
typedef void (*store_on_events)(void *arg, int64_t revision, struct record *const *records,
                                size_t n);
void store_set_on_events(struct store *s, store_on_events fn, void *arg);
/* Lease table changes (grant, revoke), for the leader's clock (store/lease.h). May be NULL. */
typedef void (*store_on_lease)(void *arg, const struct lease_info *lease, bool removed);
void store_set_on_lease(struct store *s, store_on_lease fn, void *arg);

void store_apply(struct store *s, uint64_t index, const struct command *c,
                 struct store_result *ret_result);

/* --- reading ---------------------------------------------------------------------------------- */
int64_t store_revision(const struct store *s);         /* 1 when empty */
int64_t store_compact_revision(const struct store *s); /* 0 before the first compaction */
uint64_t store_applied_index(const struct store *s);
int64_t store_live_keys(const struct store *s);
int64_t store_size_bytes(const struct store *s);       /* all versions held, with overhead */
int64_t store_live_bytes(const struct store *s);       /* newest versions: the quota's measure */
bool store_over_quota(const struct store *s);
/* Rolling digest of everything applied: equal at equal applied index on every member. */
uint64_t store_digest(const struct store *s);

/* HashKV at a revision (0: the newest), the number that etcd gives the same keys: begun by the
 * owner, for which it is O(1), run by any thread, ended by the owner. In between it is a pin, of
 * O(1) memory and, while it runs, 8 bytes a version. E_COMPACTED, E_FUTURE_REV. */
struct store_hash;
int store_hash_begin(struct store *s, int64_t revision, struct store_hash **ret_hash);
uint32_t store_hash_run(struct store_hash *h); /* O(n log n) in versions; once */
void store_hash_end(struct store *s, struct store_hash *h);
/* All three. */
int store_hash_kv(struct store *s, int64_t revision, uint32_t *ret_hash);

/* kvs are references in `arena`-allocated arrays; store_range_result_unref drops them. */
int store_range(struct store *s, const struct range_request *r, struct arena *arena,
                struct range_result *ret_result);
void range_result_unref(struct range_result *r);
/* PRE: txn_is_readonly. */
int store_txn_read(struct store *s, const struct txn_request *t, struct store_result *ret_result);

/* --- compaction ------------------------------------------------------------------------------- */
/* COMMAND_COMPACT marks; this frees up to max_records old versions. True while there is more to do.
 * Never changes what a legal read sees. Does nothing while a pin exists. */
bool store_compact_step(struct store *s, size_t max_records);

/* --- leases ----------------------------------------------------------------------------------- */
bool store_lease_get(const struct store *s, int64_t id, struct lease_info *ret_lease);
/* Attached keys in key order; slices borrow the store until the next apply. */
size_t store_lease_keys(const struct store *s, int64_t id, struct arena *arena,
                        struct slice **ret_keys);
/* All leases by id. */
size_t store_leases(const struct store *s, struct arena *arena, struct lease_info **ret_leases);

/* --- alarms, auth ----------------------------------------------------------------------------- */
const struct alarms *store_alarms(const struct store *s);
const struct auth *store_auth(const struct store *s);
/* May they read or write all keys of a lease, do all a txn could do? As auth_may_range. */
int store_may_lease(const struct store *s, const struct auth_who *who, int64_t id,
                    enum auth_access access);
int store_may_txn(const struct store *s, const struct auth_who *who, const struct txn_request *t);

/* --- history, for watchers -------------------------------------------------------------------- */
/* Records of the revision log with from <= mod_revision, oldest first, at most max (whole revisions
 * only: goes over max rather than cut one). Borrowed. *ret_next = first revision not included.
 * E_COMPACTED when from < compact revision. */
int store_history(struct store *s, int64_t from, size_t max, struct arena *arena,
                  struct record ***ret_records, size_t *ret_n, int64_t *ret_next);

/* --- snapshots -------------------------------------------------------------------------------- */
/* A consistent image of everything (tree with history, leases, revision, compaction, digest,
 * applied index). Pin and unpin on the loop; next on one worker. Deterministic bytes. */
struct store_pin;
struct store_pin *store_pin(struct store *s);
void store_unpin(struct store *s, struct store_pin *pin);
/* Appends the next chunk (about LIMIT_SNAPSHOT_CHUNK_BYTES / 2, or one record that is longer);
 * 1 = more, 0 = done. Any thread. */
int store_pin_next(struct store_pin *pin, struct buf *out);
/* Builds a store from those chunks (sizes may differ); E_CORRUPT with the reason. */
struct store_restore;
struct store_restore *store_restore_begin(const struct store_options *options);
int store_restore_chunk(struct store_restore *r, struct slice bytes, struct err *err);
/* Takes r. E_CORRUPT when the end is missing or the digest differs. */
int store_restore_finish(struct store_restore *r, struct store **ret_store, struct err *err);
void store_restore_abort(struct store_restore *r);

#endif
