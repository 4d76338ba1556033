/* The WAL's files: the part that its worker owns. Everything here is synchronous; used by the open
 * scan on the loop before the worker starts, and by the worker's job afterwards. */
#ifndef BARQUE_RAFT_WAL_FILE_H
#define BARQUE_RAFT_WAL_FILE_H

#include "raft/wal.h"
#include "raft/wal_format.h"

struct wal_segment {
    uint64_t seq;
    uint64_t index_max; /* highest index ever written to it (0: none) */
};

struct wal_files {
    struct fs *fs;
    char *dir;
    uint64_t cluster_id, member_id;
    size_t segment_bytes;
    bool no_fsync;
    bool read_only; /* scanned only: nothing is mended, removed or opened for writing */
    struct wal_segment *segments; /* oldest first; the last one is open */
    size_t n, cap;
    struct file *file;
    size_t file_bytes;  /* size of the open segment */
    uint64_t offset;    /* where `pending` goes */
    uint64_t mark;      /* durable position */
    uint32_t crc;       /* of the last record */
    uint64_t last;      /* index of the last entry */
    struct buf pending; /* encoded, not yet written */
    bool dirty;         /* written, not yet synced */
    bool full;          /* the last roll found no space: nothing is lost, try again */
};

void wal_files_init(struct wal_files *f, const struct wal_options *options);
void wal_files_fini(struct wal_files *f);
/* mem_free the result. */
char *wal_files_path(const struct wal_files *f, uint64_t seq, const char *suffix);
/* Makes the next segment durable and current; what is pending is written and synced before. */
int wal_files_roll(struct wal_files *f, bool fresh, uint64_t base_index, uint64_t base_term,
                   size_t room_bytes, struct err *err);
int wal_files_append(struct wal_files *f, uint64_t index, uint64_t term, uint32_t type,
                     struct slice data, struct err *err);
/* Writes and syncs all that is pending, then vouches for it with a mark record (not synced). */
int wal_files_sync(struct wal_files *f, struct err *err);
/* Removes the segments that hold nothing above `index`; all but the current one when `all`. */
int wal_files_compact(struct wal_files *f, uint64_t index, bool all, struct err *err);
/* Reads every segment into the sink and positions at the end (wal_scan.c). */
int wal_files_scan(struct wal_files *f, const struct wal_sink *sink, struct err *err);

#endif
