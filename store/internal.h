/* The store's own state, shared by the files of store/ only. */
#ifndef BARQUE_STORE_INTERNAL_H
#define BARQUE_STORE_INTERNAL_H

#include "store/lease.h"
#include "store/revlog.h"
#include "store/store.h"
#include "store/tree.h"

/* What a live key counts towards the quota beside its key and value. */
enum { LIVE_OVERHEAD_BYTES = 64 };

/* The highest version and auth revision that are believed when read: counting goes on from them. */
#define COUNT_READ_MAX (INT64_MAX / 2)

struct store {
    struct tree tree;
    struct revlog log;
    struct lease_table leases;
    struct auth auth;
    struct alarms alarms;
    struct store_options options;
    int64_t revision;
    int64_t compact_revision; /* reads below are refused; memory follows later (compact.c) */
    uint64_t applied_index;
    uint64_t digest;
    int64_t live_bytes;
    int64_t size_bytes;
    size_t pins;
    /* Records of the revision in the making; empty between commands. */
    struct record **events;
    size_t n_events, events_cap;
    store_on_events on_events;
    void *on_events_arg;
    store_on_lease on_lease;
    void *on_lease_arg;
};

int64_t record_live_bytes(const struct record *r);

/* range.c. `latest` is the newest revision to be seen: revision + 1 inside a txn that has
 * written. */
int range_run(struct store *s, const struct range_request *r, int64_t latest, struct arena *arena,
              struct range_result *ret_result);
/* E_COMPACTED, E_FUTURE_REV. */
int range_check_revision(const struct store *s, int64_t revision, int64_t latest);
/* Borrowed records of the live keys in a range at the newest state, in key order. */
size_t range_heads(struct store *s, const struct key_range *range, struct arena *arena,
                   struct record ***ret_records);

/* apply.c: one write inside the revision in the making. */
int write_check_put(const struct store *s, const struct put_request *p);
void write_put(struct store *s, const struct put_request *p, struct op_result *ret_result);
void write_delete(struct store *s, const struct delete_request *d, struct arena *arena,
                  struct op_result *ret_result);
void write_tombstone(struct store *s, struct record *head);
/* What reads inside a txn see. */
int64_t write_latest(const struct store *s);

/* txn.c */
int txn_apply(struct store *s, const struct txn_request *t, struct arena *arena,
              struct txn_result *ret_result);

/* auth_check.c: may this be applied? E_USER_EMPTY, E_AUTH_OLD, E_PERM. */
int store_may_apply(const struct store *s, const struct command *c);

/* compact.c */
/* The newest revision whose changes are forgotten: the one before the compacted revision, whose
 * own changes a watch may still ask for. */
static inline int64_t compact_floor(int64_t compact_revision)
{
    return compact_revision > 0 ? compact_revision - 1 : 0;
}
int compact_mark(struct store *s, int64_t revision);

#endif
