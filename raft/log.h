/* The in-memory log: entries by absolute index, in a ring that doubles; bounded by the snapshots,
 * which drop everything but a trailing part. Entry bytes are ref-counted values, shared with the
 * WAL's queue and with whoever sends them: a command is copied once, when it enters the member.
 *
 * Threads: loop. Nothing here does I/O. (The name log_* belongs to lib/base/log.h.) */
#ifndef BARQUE_RAFT_LOG_H
#define BARQUE_RAFT_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/value.h"

struct entry {
    uint64_t term;
    uint32_t type;      /* enum raft_entry_type */
    struct value *data; /* one reference is the log's */
};

struct entry_log {
    struct entry *ring;
    size_t cap;         /* power of two, or 0 */
    uint64_t first;     /* index of the oldest entry; last + 1 when empty */
    uint64_t last;      /* first - 1 when empty */
    size_t bytes;       /* sum of the data held */
};

/* An empty log whose next entry has index `first`. */
void entry_log_init(struct entry_log *l, uint64_t first);
void entry_log_fini(struct entry_log *l);
/* Drops everything; the next entry has index `first`. */
void entry_log_reset(struct entry_log *l, uint64_t first);
/* Appends at last + 1; takes the caller's reference of `data`. */
void entry_log_append(struct entry_log *l, uint64_t term, uint32_t type, struct value *data);
/* Drops index and all after it. PRE: first <= index <= last + 1. */
void entry_log_truncate(struct entry_log *l, uint64_t index);
/* Drops index and all before it (as far as they exist; never past last). */
void entry_log_compact(struct entry_log *l, uint64_t index);
/* NULL when absent; valid until the next change. */
const struct entry *entry_log_get(const struct entry_log *l, uint64_t index);

#endif
