/* Inside a record. Only store/ includes this; everyone else sees record_view().
 *
 * A record is one allocation: this head, then (only when it has a predecessor) a jump, then
 * the key's bytes, then the value's. One million 24-byte keys with 256-byte values cost about
 * 350 MB.
 *
 * Counted references: the tree holds a key's newest record, the revision log every record
 * after the compact revision, a record its predecessor. Jumps are not counted. */
#ifndef BARQUE_STORE_RECORD_H
#define BARQUE_STORE_RECORD_H

#include "store/store.h"

struct record {
    uint32_t refs;
    uint32_t key_len : 30;
    uint32_t tombstone : 1;
    uint32_t linked : 1; /* it was made with a predecessor: a jump follows */
    uint32_t value_len;
    int32_t sub;
    int64_t create_revision, mod_revision, version, lease;
    struct record *prev; /* counted; NULL: none, or compacted away */
    uint8_t bytes[];
};

/* A skew-binary jump pointer: some older version of the key, chosen so that any version is
 * reached in O(log n) steps. The target may have been freed by compaction: it may be looked at
 * only when its revision, kept here, is above the compact revision. */
struct record_jump {
    struct record *to;
    int64_t revision;
    uint32_t depth;    /* of the record that holds this jump */
    uint32_t to_depth; /* of its target */
};

static inline struct record_jump *record_jump(const struct record *r)
{
    return (struct record_jump *)(void *)(uintptr_t)r->bytes;
}

static inline struct slice record_key(const struct record *r)
{
    return slice_make(r->bytes + (r->linked ? sizeof(struct record_jump) : 0), r->key_len);
}

static inline struct slice record_value(const struct record *r)
{
    size_t at = (r->linked ? sizeof(struct record_jump) : 0) + r->key_len;
    return slice_make(r->bytes + at, r->value_len);
}

/* A new record with one reference; takes the caller's reference to prev (may be NULL). */
struct record *record_new(const struct kv_view *v, struct record *prev, int64_t compact_revision);
/* The newest version at or before `revision`, tombstone or not; NULL when there is none.
 * PRE: revision >= the compact revision. */
struct record *record_at(struct record *head, int64_t revision);
/* The same, NULL also when the key did not exist then. */
struct record *record_live_at(struct record *head, int64_t revision);
/* Forgets the predecessor: its revision is compacted. */
void record_cut(struct record *r);
/* Memory of one record, with the allocator's overhead. */
int64_t record_bytes(const struct record *r);

#endif
