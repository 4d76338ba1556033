/* The journal of writes that are not synced yet, so that a power cut can be played after a kill -9
 * (fault_damage.c). It is written before the write it tells of, and the kernel keeps both when the
 * process is killed, so it always knows at least what is there.
 *
 * Bytes: docs/faults.md. Files are told by inode: a WAL segment is renamed after its first write.
 * Each file is written by one thread at a time (lib/io's rule), the journal by any. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/io/fault_internal.h"

struct fault_track {
    pthread_mutex_t lock; /* guards all below */
    int fd;               /* -1: off, or given up */
    bool on;
    char *path;
    uint64_t bytes;
    struct u64map unsynced; /* inode -> this (a set) */
};

/* --- bytes ----------------------------------------------------------------------------------- */

static uint32_t check_of(const uint8_t *data, size_t len)
{
    return (uint32_t)hash_bytes(data, len);
}

static void put(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

int track_record_next(struct slice *bytes, struct track_record *ret_record)
{
    if (bytes->len < TRACK_HEAD_BYTES) {
        return 0;
    }
    const uint8_t *p = bytes->data;
    uint64_t kind = get(p + 4, 4);
    size_t old = (size_t)get(p + 36, 4);
    if (old > bytes->len - TRACK_HEAD_BYTES || kind < TRACK_WRITE || kind > TRACK_RESIZE ||
        get(p, 4) != check_of(p + 4, TRACK_HEAD_BYTES - 4 + old)) {
        return 0;
    }
    *ret_record = (struct track_record){
        .kind = (enum track_kind)kind,
        .inode = get(p + 8, 8),
        .offset = get(p + 16, 8),
        .file_size = get(p + 24, 8),
        .len = (uint32_t)get(p + 32, 4),
        .old = slice_make(p + TRACK_HEAD_BYTES, old),
    };
    bytes->data += TRACK_HEAD_BYTES + old;
    bytes->len -= TRACK_HEAD_BYTES + old;
    return 1;
}

/* --- the journal ----------------------------------------------------------------------------- */

static void give_up(struct fault_track *t, const char *why)
{
    log_warn("io", "unsynced writes are tracked no more", "journal=%s reason=\"%s\"", t->path, why);
    close(t->fd);
    unlink(t->path);
    t->fd = -1;
}

static void append(struct fault_track *t, struct buf *record, struct track_record r)
{
    uint8_t *p = record->data;
    put(p + 4, r.kind, 4);
    put(p + 8, r.inode, 8);
    put(p + 16, r.offset, 8);
    put(p + 24, r.file_size, 8);
    put(p + 32, r.len, 4);
    put(p + 36, record->len - TRACK_HEAD_BYTES, 4);
    put(p, check_of(p + 4, record->len - 4), 4);
    if (t->bytes + record->len > TRACK_JOURNAL_MAX_BYTES) {
        give_up(t, "it is too long");
        return;
    }
    ssize_t n = pwrite(t->fd, p, record->len, (off_t)t->bytes);
    if (n != (ssize_t)record->len) {
        give_up(t, n < 0 ? strerror(errno) : "a short write");
        return;
    }
    t->bytes += record->len;
}

struct fault_track *fault_track_new(const char *path)
{
    struct fault_track *t = mem_zalloc(sizeof *t);
    t->fd = -1;
    t->path = mem_strdup(path);
    unlink(path); /* it tells of writes that are long on the disk */
    u64map_init(&t->unsynced);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void journal_close(struct fault_track *t)
{
    if (t->fd >= 0) {
        close(t->fd);
        unlink(t->path);
        t->fd = -1;
    }
}

static void journal_open(struct fault_track *t)
{
    t->fd = open(t->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    t->bytes = 0;
    u64map_fini(&t->unsynced);
    u64map_init(&t->unsynced);
    if (t->fd < 0) {
        log_warn("io", "unsynced writes are not tracked", "journal=%s reason=\"%s\"", t->path,
                 strerror(errno));
    }
}

void fault_track_switch(struct fault_track *t, bool on)
{
    pthread_mutex_lock(&t->lock);
    if (on != t->on) {
        t->on = on;
        if (on) {
            journal_open(t);
        } else {
            journal_close(t);
        }
    }
    pthread_mutex_unlock(&t->lock);
}

void fault_track_free(struct fault_track *t)
{
    journal_close(t);
    pthread_mutex_destroy(&t->lock);
    u64map_fini(&t->unsynced);
    mem_free(t->path);
    mem_free(t);
}

/* --- what happens to files ------------------------------------------------------------------- */

/* Room for the head and what is now at [offset, offset + len) of the file. */
static void record_old(struct buf *record, int fd, uint64_t offset, size_t len)
{
    memset(buf_reserve(record, TRACK_HEAD_BYTES + len), 0, TRACK_HEAD_BYTES);
    buf_advance(record, TRACK_HEAD_BYTES);
    ssize_t n = len != 0 ? pread(fd, record->data + TRACK_HEAD_BYTES, len, (off_t)offset) : 0;
    buf_advance(record, n > 0 ? (size_t)n : 0);
}

static void track(struct fault_track *t, enum track_kind kind, int fd, uint64_t offset, size_t len)
{
    struct stat st;
    autobuf record = BUF_INIT;

    pthread_mutex_lock(&t->lock);
    if (t->fd >= 0 && (fstat(fd, &st) != 0 || len > TRACK_OLD_MAX_BYTES)) {
        give_up(t, "a write that cannot be kept");
    }
    if (t->fd >= 0) {
        record_old(&record, fd, offset, kind == TRACK_WRITE ? len : 0);
        u64map_put(&t->unsynced, (uint64_t)st.st_ino, t);
        append(t, &record, (struct track_record){ .kind = kind, .inode = (uint64_t)st.st_ino,
                                                  .offset = offset, .len = (uint32_t)len,
                                                  .file_size = (uint64_t)st.st_size });
    }
    pthread_mutex_unlock(&t->lock);
}

void fault_track_write(struct fault_track *t, int fd, uint64_t offset, size_t len)
{
    while (len > TRACK_OLD_MAX_BYTES) {
        track(t, TRACK_WRITE, fd, offset, TRACK_OLD_MAX_BYTES);
        offset += TRACK_OLD_MAX_BYTES;
        len -= TRACK_OLD_MAX_BYTES;
    }
    track(t, TRACK_WRITE, fd, offset, len);
}

void fault_track_resize(struct fault_track *t, int fd, uint64_t size)
{
    track(t, TRACK_RESIZE, fd, size, 0); /* what a shorter file loses is not kept */
}

void fault_track_synced(struct fault_track *t, uint64_t inode)
{
    autobuf record = BUF_INIT;

    pthread_mutex_lock(&t->lock);
    if (t->fd >= 0 && u64map_remove(&t->unsynced, inode) != NULL) {
        if (t->unsynced.n == 0 && ftruncate(t->fd, 0) == 0) {
            t->bytes = 0;
        } else {
            record_old(&record, t->fd, 0, 0);
            append(t, &record, (struct track_record){ .kind = TRACK_SYNCED, .inode = inode });
        }
    }
    pthread_mutex_unlock(&t->lock);
}
