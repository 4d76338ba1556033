/* The simulated disk's parts: inodes of pages, two tables of names, a journal between them. disk.c
 * has the model, file.c the calls of lib/io/file.h. */
#ifndef BARQUE_TESTS_SIM_DISK_H
#define BARQUE_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/slice.h"

enum { PAGE_BYTES = 4096, SECTOR_BYTES = 512, PATH_BYTES = 128 };

struct page {
    uint8_t data[PAGE_BYTES]; /* as programs see it */
    uint8_t *old;             /* as last synced; valid when listed and synced */
    uint8_t sectors;          /* written since the last sync */
    bool listed;              /* in its inode's dirty list */
    bool synced;              /* was ever synced (otherwise zeros are on disk) */
    bool lost;                /* its sync failed: counts as clean, is not on the disk */
};

struct inode {
    int refs;
    bool locked;
    bool truncated; /* since the last sync */
    uint64_t size;
    uint64_t synced_size;
    struct page **pages; /* NULL: zeros */
    size_t n_pages;
    size_t *dirty;
    size_t n_dirty, dirty_cap;
};

struct name {
    char path[PATH_BYTES];
    struct inode *inode;
};

struct names {
    struct name *items;
    size_t n, cap;
};

struct change {
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    struct inode *inode;
};

enum crash_policy { CRASH_LOSE, CRASH_KEEP, CRASH_ANY, CRASH_PREFIX, CRASH_DRAWN, CRASH_NOT };

enum disk_op_kind {
    DISK_OPEN, /* of a file that exists, or a list of names */
    DISK_READ,
    DISK_CREATE,
    DISK_WRITE,
    DISK_SYNC,
    DISK_TRUNCATE,
    DISK_ALLOCATE,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_SYNC_DIR,
};

enum { DISK_PRETEND = 1 };

/* What is about to be done. */
struct disk_op {
    enum disk_op_kind kind;
    struct inode *inode;      /* NULL: names */
    const struct slice *parts; /* of a write, at offset */
    size_t n;
    uint64_t offset;
};

struct sim;

struct fs {
    struct sim *sim;
    struct names seen;    /* by programs */
    struct names durable; /* after a power cut */
    struct change *journal;
    size_t n_journal, journal_cap;
    uint64_t die_after;
    uint64_t fail_after;
    int fail_error;
    bool full;
    /* CRASH_DRAWN: another one at each crash; CRASH_NOT: the next one is of the process alone. */
    enum crash_policy policy;
    /* Sees every operation before it is done (tests/failure): 0, or the error it ends with, or
     * DISK_PRETEND: a sync that is said to be done, and is not. */
    int (*hook)(struct fs *fs, const struct disk_op *op, struct err *err);
};

void inode_unref(struct inode *n);
void inode_write(struct inode *n, struct slice bytes, uint64_t offset);
size_t inode_read(const struct inode *n, uint8_t *out, size_t len, uint64_t offset);
void inode_sync(struct inode *n);
/* As Linux does it: what was to be synced counts as clean, and is not on the disk. */
void inode_sync_fails(struct inode *n);
/* Such bytes are there, and were not written again. */
bool inode_has_lost(const struct inode *n);
void inode_truncate(struct inode *n, uint64_t size);
struct name *names_find(struct names *t, const char *path);
/* Creates (to, inode), renames (from, to, inode), removes (from), or renames a directory (from,
 * to). */
void fs_change(struct fs *fs, const char *from, const char *to, struct inode *inode);
void fs_commit_dir(struct fs *fs, const char *dir);
/* Before every operation that changes something: the node may die here, or the disk fail. */
int fs_operation(struct fs *fs, const struct disk_op *op, struct err *err);
/* Before every other one. */
int fs_looking(struct fs *fs, const struct disk_op *op, struct err *err);
struct inode *inode_create(void);

#endif
