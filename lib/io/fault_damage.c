/* Damage to a dead process's files. The tree is walked in byte order of names, so that a file's
 * place in the walk names it to the draws (inodes and paths differ from run to run).
 *
 * A power cut: the journal (fault_track.c) is read to its end; of each file only what follows its
 * last sync counts. Those writes are undone from the newest to the oldest, sector by sector, so a
 * sector that is lost shows what it held when the file was last synced. A size that grew shrinks
 * again, or not. Names are left as they are. */
#include "lib/io/fault_damage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"
#include "lib/io/fault_internal.h"
#include "lib/io/file.h"

enum { TREE_DEPTH_MAX = 8, SECTOR_BYTES = 512, STEP_BYTES = 64 * 1024 };

struct victim {
    char *path;
    uint64_t inode;
    uint64_t size;
    uint64_t shrink_to; /* the smallest size that an undone write found; UINT64_MAX: none */
    uint64_t kept, lost; /* sectors of unsynced writes */
};

struct victims {
    struct victim *v;
    size_t n, cap;
};

static void victims_fini(struct victims *all)
{
    for (size_t i = 0; i < all->n; i++) {
        mem_free(all->v[i].path);
    }
    mem_free(all->v);
}

static int walk(struct victims *all, const char *dir, int depth, struct err *err)
{
    char **names;
    size_t n;
    int rv = depth > TREE_DEPTH_MAX ? err_set(err, E_IO, "%s is too deep", dir)
                                    : fs_list(NULL, dir, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n && rv == 0; i++) {
        autofree char *path = mem_printf("%s/%s", dir, names[i]);
        struct stat st;
        if (lstat(path, &st) != 0) {
            rv = err_errno(err, errno, "stat %s", path);
        } else if (S_ISDIR(st.st_mode)) {
            rv = walk(all, path, depth + 1, err);
        } else if (S_ISREG(st.st_mode)) {
            all->v = mem_grow(all->v, &all->cap, all->n + 1, sizeof *all->v);
            all->v[all->n++] = (struct victim){ .path = TAKE(path), .inode = st.st_ino,
                                                .size = (uint64_t)st.st_size,
                                                .shrink_to = UINT64_MAX };
        }
    }
    fs_list_free(names, n);
    return rv;
}

/* --- one bit ---------------------------------------------------------------------------------- */

/* The first byte at or after `from` that is not zero; true when there is one. */
static bool find_nonzero(int fd, uint64_t from, uint64_t *ret_at, uint8_t *ret_byte)
{
    uint8_t bytes[STEP_BYTES];
    ssize_t n;
    while ((n = pread(fd, bytes, sizeof bytes, (off_t)from)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != 0) {
                *ret_at = from + (uint64_t)i;
                *ret_byte = bytes[i];
                return true;
            }
        }
        from += (uint64_t)n;
    }
    return false;
}

/* One past the last byte that is not zero. */
static uint64_t used_bytes(int fd, uint64_t size)
{
    uint8_t bytes[STEP_BYTES];
    while (size > 0) {
        uint64_t start = (size - 1) / STEP_BYTES * STEP_BYTES;
        ssize_t n = pread(fd, bytes, (size_t)(size - start), (off_t)start);
        while (n > 0 && bytes[n - 1] == 0) {
            n--;
        }
        if (n > 0) {
            return start + (uint64_t)n;
        }
        size = start;
    }
    return 0;
}

/* 1 when it was done, 0 when the file holds nothing. */
static int flip_in(const struct victim *v, struct rng *rng, struct buf *told, struct err *err)
{
    uint64_t at = 0;
    uint8_t byte = 0;
    int fd = open(v->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno, "open %s", v->path);
    }
    uint64_t used = used_bytes(fd, v->size);
    int rv = used > 0 && find_nonzero(fd, rng_range(rng, 0, used - 1), &at, &byte) ? 1 : 0;
    if (rv == 1) {
        unsigned bit = (unsigned)rng_range(rng, 0, 7);
        byte ^= (uint8_t)(1U << bit);
        if (pwrite(fd, &byte, 1, (off_t)at) != 1 || fsync(fd) != 0) {
            rv = err_errno(err, errno, "write %s", v->path);
        } else {
            buf_printf(told, "%s: bit %u of byte %" PRIu64 " flipped\n", v->path, bit, at);
        }
    }
    close(fd);
    return rv;
}

int damage_flip(const char *dir, uint64_t seed, struct buf *told, struct err *err)
{
    struct victims all = { 0 };
    struct rng rng;
    int rv = walk(&all, dir, 0, err);
    rng_init(&rng, seed);
    size_t first = rv == 0 && all.n > 0 ? (size_t)rng_range(&rng, 0, all.n - 1) : 0;
    for (size_t i = 0; rv == 0 && i < all.n; i++) {
        rv = flip_in(&all.v[(first + i) % all.n], &rng, told, err);
    }
    victims_fini(&all);
    if (rv == 0) {
        return err_set(err, E_NOTFOUND, "%s holds no data", dir);
    }
    return rv == 1 ? 0 : rv;
}

/* --- a power cut ------------------------------------------------------------------------------ */

struct cut {
    struct victims all;
    struct u64map by_inode; /* -> struct victim */
    struct u64map synced;   /* inode -> what follows its last sync, in the journal's bytes */
    uint64_t seed;
    bool torn;
};

static bool lost(const struct cut *c, const struct victim *v, uint64_t sector)
{
    uint64_t file = (uint64_t)(v - c->all.v);
    return !c->torn || (hash_u64(c->seed ^ hash_u64(file << 48 ^ sector)) & 1) != 0;
}

/* Puts back what a sector's part [from, to) of the file held before this write. */
static int undo_part(int fd, const struct track_record *r, uint64_t from, uint64_t to)
{
    uint8_t old[SECTOR_BYTES] = { 0 };
    uint64_t end = r->offset + r->old.len;
    if (from < end) {
        memcpy(old, r->old.data + (from - r->offset), (size_t)((to < end ? to : end) - from));
    }
    return pwrite(fd, old, (size_t)(to - from), (off_t)from) == (ssize_t)(to - from) ? 0 : -1;
}

static int undo_write(struct cut *c, struct victim *v, const struct track_record *r,
                      struct err *err)
{
    int rv = 0;
    int fd = open(v->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno, "open %s", v->path);
    }
    for (uint64_t at = r->offset, end = r->offset + r->len; rv == 0 && at < end;) {
        uint64_t sector = at / SECTOR_BYTES;
        uint64_t to = (sector + 1) * SECTOR_BYTES;
        to = to < end ? to : end;
        bool gone = lost(c, v, sector);
        *(gone ? &v->lost : &v->kept) += 1;
        if (gone && undo_part(fd, r, at, to) != 0) {
            rv = err_errno(err, errno, "write %s", v->path);
        }
        at = to;
    }
    close(fd);
    return rv;
}

/* One record of the journal; the newest come first. */
static int undo(struct cut *c, const struct track_record *r, struct err *err)
{
    struct victim *v = u64map_get(&c->by_inode, r->inode);
    const uint8_t *synced = u64map_get(&c->synced, r->inode);
    if (v == NULL || r->kind == TRACK_SYNCED || (synced != NULL && r->old.data < synced)) {
        return 0;
    }
    v->shrink_to = r->file_size < v->shrink_to ? r->file_size : v->shrink_to;
    return r->kind == TRACK_WRITE ? undo_write(c, v, r, err) : 0;
}

static int undo_all(struct cut *c, struct slice journal, struct err *err)
{
    struct track_record *records = NULL;
    size_t cap = 0;
    size_t n = 0;
    struct track_record r;
    while (track_record_next(&journal, &r) == 1) {
        records = mem_grow(records, &cap, n + 1, sizeof *records);
        records[n++] = r;
        if (r.kind == TRACK_SYNCED) {
            u64map_put(&c->synced, r.inode, (void *)journal.data);
        }
    }
    int rv = 0;
    for (size_t i = n; i-- > 0 && rv == 0;) {
        rv = undo(c, &records[i], err);
    }
    mem_free(records);
    return rv;
}

/* What became of one file's size, and the line about it. */
static int settle(const struct cut *c, const struct victim *v, struct buf *told, struct err *err)
{
    uint64_t size = v->size;
    if (v->shrink_to < v->size && lost(c, v, UINT32_MAX)) {
        size = v->shrink_to;
    }
    if (size != v->size && truncate(v->path, (off_t)size) != 0) {
        return err_errno(err, errno, "truncate %s", v->path);
    }
    if (v->kept + v->lost > 0 || size != v->size) {
        buf_printf(told, "%s: %" PRIu64 " of %" PRIu64 " unsynced sectors lost, %" PRIu64
                   " bytes became %" PRIu64 "\n", v->path, v->lost, v->kept + v->lost, v->size,
                   size);
    }
    return 0;
}

int damage_unsynced(const char *dir, const char *journal, uint64_t seed, bool torn,
                    struct buf *told, struct err *err)
{
    autobuf bytes = BUF_INIT;
    struct cut c = { .seed = seed, .torn = torn };
    u64map_init(&c.by_inode);
    u64map_init(&c.synced);
    int rv = fs_read_file(NULL, journal, TRACK_JOURNAL_MAX_BYTES, &bytes, err);
    if (rv == 0) {
        rv = walk(&c.all, dir, 0, err);
    }
    for (size_t i = 0; rv == 0 && i < c.all.n; i++) {
        u64map_put(&c.by_inode, c.all.v[i].inode, &c.all.v[i]);
    }
    if (rv == 0) {
        rv = undo_all(&c, buf_slice(&bytes), err);
    }
    for (size_t i = 0; rv == 0 && i < c.all.n; i++) {
        rv = settle(&c, &c.all.v[i], told, err);
    }
    if (rv == 0 && unlink(journal) != 0) {
        rv = err_errno(err, errno, "remove %s", journal);
    }
    u64map_fini(&c.by_inode);
    u64map_fini(&c.synced);
    victims_fini(&c.all);
    return rv;
}
