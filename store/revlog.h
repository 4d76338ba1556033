/* The revision log: every record from the compacted revision on, by (mod_revision, sub).
 *
 * A deque in blocks of 4,096 pointers: appended to by apply, popped at the front by
 * compaction, read at any place by lagging watchers. Growth never moves a block. Holds one
 * reference per record. It also remembers which records began or ended a key's life, so that
 * "how many keys were there then" is answered from births and deaths alone. */
#ifndef BARQUE_STORE_REVLOG_H
#define BARQUE_STORE_REVLOG_H

#include "store/record.h"

struct revlog_block;

struct revlog {
    struct revlog_block **blocks;
    size_t n_blocks, cap;
    size_t head; /* position of the first record in blocks[0] */
    size_t n;
};

void revlog_init(struct revlog *l);
void revlog_fini(struct revlog *l);
/* Takes the caller's reference. PRE: (mod_revision, sub) is above the last. */
void revlog_push(struct revlog *l, struct record *r);
/* Borrowed. PRE: i < n. */
struct record *revlog_at(const struct revlog *l, size_t i);
/* Gives the first record's reference to the caller. PRE: n > 0. */
struct record *revlog_pop(struct revlog *l);
/* Position of the first record with mod_revision >= revision; n when there is none. */
size_t revlog_find(const struct revlog *l, int64_t revision);

/* Births and deaths of keys: all that changes a count. */
static inline bool record_is_birth(const struct record *r)
{
    return !r->tombstone && r->version == 1;
}
/* How many of them lie from position i on. */
size_t revlog_vital_count(const struct revlog *l, size_t i);
/* The first at or after position i; n when there is none. */
size_t revlog_vital_next(const struct revlog *l, size_t i);

#endif
