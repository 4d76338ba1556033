/* Snapshot files: one file holds the whole state machine at one index, in checksummed chunks.
 *
 * Written beside its final name, verified by construction, synced, renamed, directory synced: a
 * file with its name is whole. Read back chunk by chunk; nothing holds the whole state in memory.
 * Threads: any, one user at a time; everything here blocks (call it from a worker, except at
 * open). */
#ifndef BARQUE_RAFT_SNAPSHOT_FILE_H
#define BARQUE_RAFT_SNAPSHOT_FILE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/value.h"
#include "lib/io/file.h"

/* What a snapshot says about itself. index 0: none. */
struct snapshot_info {
    uint64_t cluster_id;
    uint64_t index;
    uint64_t term;
    uint64_t conf_index;
    struct value *conf;  /* the configuration as of `index`, in a RAFT_CHANGE entry's encoding */
    struct value *attrs; /* what members published about themselves (membership.c) */
};

void snapshot_info_copy(const struct snapshot_info *from, struct snapshot_info *ret_to);
void snapshot_info_fini(struct snapshot_info *info);

struct snapshot_writer {
    struct fs *fs;
    struct file *file;
    char *dir;
    char *tmp;
    char *path;
    uint64_t offset;
    uint64_t bytes;
    uint64_t chunks;
    uint32_t crc;
};

int snapshot_writer_open(struct snapshot_writer *w, struct fs *fs, const char *dir,
                         const struct snapshot_info *info, struct err *err);
/* Any number of bytes; chunks of the file are at most LIMIT_SNAPSHOT_CHUNK_BYTES. */
int snapshot_writer_append(struct snapshot_writer *w, struct slice bytes, struct err *err);
/* Footer, sync, rename, sync of the directory. The writer is closed whatever happens. */
int snapshot_writer_finish(struct snapshot_writer *w, struct err *err);
void snapshot_writer_abort(struct snapshot_writer *w);

struct snapshot_reader {
    struct file *file;
    char *path;
    struct snapshot_info info;
    uint64_t offset;
    uint64_t bytes;
    uint64_t chunks;
    uint32_t crc;
};

/* E_CORRUPT, E_MISMATCH, E_UNSUPPORTED with file and offset in the message. */
int snapshot_reader_open(struct snapshot_reader *r, struct fs *fs, const char *path,
                         uint64_t cluster_id, struct err *err);
/* Replaces out with the next chunk: 1; 0 after the last one, with the footer checked; E_CORRUPT. */
int snapshot_reader_next(struct snapshot_reader *r, struct buf *out, struct err *err);
void snapshot_reader_close(struct snapshot_reader *r);

/* "<dir>/<index>-<term>.snap"; mem_free. */
char *snapshot_path(const char *dir, uint64_t index, uint64_t term);
/* Path of the newest snapshot or NULL; removes what a crash left half-made. */
int snapshot_newest(struct fs *fs, const char *dir, char **ret_path, struct err *err);
/* Removes all snapshots older than `index`. */
int snapshot_remove_older(struct fs *fs, const char *dir, uint64_t index, struct err *err);

#endif
