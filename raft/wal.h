/* The write-ahead log on disk: preallocated segments, group commit on a worker.
 *
 * An append is queued; after wal_flush the worker, as soon as it is free, takes all that is queued,
 * writes it with one run of writes and one fdatasync, and on_durable tells the highest index now
 * safe. The byte format, torn tails and damage are explained in wal_format.c.
 *
 * A failed write or sync is final: on_failed is called once and nothing more is written. A full
 * disk is not: a segment is allocated as a whole, so nothing of it was written yet; the batch
 * waits. Threads: loop, except the job. Callbacks never run inside a submitting call. */
#ifndef BARQUE_RAFT_WAL_H
#define BARQUE_RAFT_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/base/value.h"
#include "lib/io/file.h"
#include "lib/io/loop.h"

struct wal;

struct wal_options {
    struct loop *loop;
    struct fs *fs;
    const char *dir;
    uint64_t cluster_id;
    uint64_t member_id;
    size_t segment_bytes; /* 0: LIMIT_WAL_SEGMENT_BYTES */
    bool create;          /* start an empty WAL; otherwise one must be there */
    bool no_fsync;        /* tests and benchmarks only */
    /* All entries up to `index` are on disk (and none of them was truncated meanwhile). */
    void (*on_durable)(void *arg, uint64_t index);
    /* wal_reset is on disk. */
    void (*on_reset)(void *arg, uint64_t index);
    void (*on_failed)(void *arg, const struct err *err);
    /* There is no space for the next segment: writing waits, and goes on by itself once there is.
     * May be NULL. */
    void (*on_full)(void *arg, bool full);
    /* One group commit took so long. May be NULL. */
    void (*on_synced)(void *arg, double seconds);
    void *arg;
};

/* What the scan at open finds, in order. entry: index at or below the last one replaces that entry
 * and all after it. reset: the log starts afresh after (index, term). */
struct wal_sink {
    void (*entry)(void *arg, uint64_t index, uint64_t term, uint32_t type, struct slice data);
    void (*reset)(void *arg, uint64_t index, uint64_t term);
    void *arg;
};

/* Opens or creates; drops a torn tail. E_CORRUPT, E_MISMATCH (another cluster's), E_UNSUPPORTED
 * (another version), E_IO... with a message that names file, offset and what to do. */
int wal_open(const struct wal_options *options, const struct wal_sink *sink, struct wal **ret_wal,
             struct err *err);
/* Queues one entry; takes a reference of `data`. index <= the last queued one truncates first. */
void wal_append(struct wal *w, uint64_t index, uint64_t term, uint32_t type, struct value *data);
/* Queues: the log starts afresh after (index, term), i.e. a snapshot was installed. on_reset
 * follows. */
void wal_reset(struct wal *w, uint64_t index, uint64_t term);
/* Queues: entries up to `index` are not needed any more; whole segments are removed. */
void wal_compact(struct wal *w, uint64_t index);
/* Hands what is queued to the worker, now or when it is free. */
void wal_flush(struct wal *w);
/* Nothing queued and nothing running. */
bool wal_idle(const struct wal *w);
/* A number for the group commit that is under way on the disk now, another one for each; 0: none,
 * or it waits for space. */
uint64_t wal_running(const struct wal *w);
uint64_t wal_size_bytes(const struct wal *w);
/* Writes out what is queued, then calls back and frees. */
void wal_close(struct wal *w, void (*closed)(void *arg), void *arg);
/* Frees without writing, as a crash would. */
void wal_abandon(struct wal *w);

#endif
