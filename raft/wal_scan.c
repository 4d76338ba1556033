/* Reading the WAL back at start. Every byte that was acknowledged must check, or the member does
 * not start: a log that is silently shorter than what it promised could elect a leader that lacks
 * committed entries.
 *
 * The algorithm: take the segments from the newest fresh one on; each must follow the one before
 * (sequence number, checksum chain, no gap of indexes). The first place that holds no valid record
 * ends the scan of a segment. If a later segment, or a later record of this one, vouches for that
 * place, the disk lost acknowledged bytes: E_CORRUPT. Otherwise it is the torn tail of the last,
 * unacknowledged batch: it is zeroed and writing goes on there.
 *
 * Not all that is read is on the disk: after a sync that failed (and ended the member) the kernel
 * shows the bytes, counts them as clean, and a later sync of them succeeds and does nothing. So
 * what no mark vouches for is written once more before it is synced and promised. */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/wal_file.h"

#define WHAT_TO_DO                                                                           \
    "; this member's copy cannot be trusted: keep the directory for inspection, remove the " \
    "member from the cluster and add it again with an empty data directory"

struct scan {
    struct wal_files *f;
    const struct wal_sink *sink;
    struct buf bytes;       /* the segment being read */
    struct wal_header header;
    bool any;               /* an entry or base was seen: `last` counts */
    uint64_t last;
    uint64_t seq;
    uint64_t mark;          /* the newest that a record carries */
    uint32_t crc;
};

/* Collects the sequence numbers of *.wal, oldest first, and removes what a crash left half-made. */
static int list_segments(struct wal_files *f, struct err *err)
{
    char **names;
    size_t n;
    int rv = fs_list(f->fs, f->dir, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n && rv == 0; i++) {
        if (str_ends(names[i], ".tmp") && f->read_only) {
            continue;
        }
        if (str_ends(names[i], ".tmp")) {
            autofree char *path = mem_printf("%s/%s", f->dir, names[i]);
            rv = fs_unlink(f->fs, path, err);
        } else if (strlen(names[i]) == 20 && str_ends(names[i], ".wal")) {
            f->segments = mem_grow(f->segments, &f->cap, f->n + 1, sizeof *f->segments);
            f->segments[f->n++] = (struct wal_segment){ strtoull(names[i], NULL, 16), 0 };
        } else {
            rv = err_set(err, E_MISMATCH, "%s/%s is no WAL segment; is %s another program's?",
                         f->dir, names[i], f->dir);
        }
    }
    fs_list_free(names, n);
    return rv;
}

static int read_file(struct scan *s, const char *path, size_t max, struct err *err)
{
    struct file *file;
    int rv = file_open(s->f->fs, path, FILE_READ, &file, err);
    if (rv != 0) {
        return rv;
    }
    uint64_t size = 0;
    size_t got = 0;
    rv = file_size(file, &size, err);
    if (rv == 0 && size > 2ULL * LIMIT_WAL_SEGMENT_BYTES) {
        rv = err_set(err, E_CORRUPT, "%" PRIu64 " bytes is no segment's size", size);
    }
    if (rv == 0) {
        size_t want = size < max ? (size_t)size : max;
        buf_reset(&s->bytes);
        rv = file_pread(file, buf_reserve(&s->bytes, want), want, 0, &got, err);
        buf_advance(&s->bytes, got);
    }
    file_close(file);
    return rv;
}

static int check_header(struct scan *s, const char *path, struct err *err)
{
    int rv = wal_header_decode(buf_slice(&s->bytes), &s->header);
    if (rv == E_UNSUPPORTED) {
        return err_set(err, rv, "%s was written by another version of Barque (this one reads "
                       "format %d); use that version", path, WAL_FORMAT_VERSION);
    }
    if (rv != 0) {
        return err_set(err, E_CORRUPT, "%s: offset 0: the segment header is damaged" WHAT_TO_DO,
                       path);
    }
    if (s->header.cluster_id != s->f->cluster_id || s->header.member_id != s->f->member_id) {
        return err_set(err, E_MISMATCH, "%s belongs to member %016" PRIx64 " of cluster %016" PRIx64
                       ", this is member %016" PRIx64 " of cluster %016" PRIx64
                       "; check --data-dir and --initial-cluster", path, s->header.member_id,
                       s->header.cluster_id, s->f->member_id, s->f->cluster_id);
    }
    return 0;
}

/* Drops (and removes) the segments before the newest fresh one. */
static int find_start(struct scan *s, struct err *err)
{
    struct wal_files *f = s->f;
    size_t start = 0;
    for (size_t k = 0; k < f->n; k++) {
        autofree char *path = wal_files_path(f, f->segments[k].seq, ".wal");
        int rv = read_file(s, path, WAL_HEADER_BYTES, err);
        if (rv == 0) {
            rv = check_header(s, path, err);
        }
        if (rv != 0) {
            return rv;
        }
        if (s->header.seq != f->segments[k].seq ||
            (k > 0 && s->header.seq != f->segments[k - 1].seq + 1)) {
            return err_set(err, E_CORRUPT, "%s: a segment is missing or misplaced" WHAT_TO_DO,
                           path);
        }
        start = s->header.fresh ? k : start;
    }
    for (size_t k = 0; k < start && !f->read_only; k++) {
        autofree char *path = wal_files_path(f, f->segments[k].seq, ".wal");
        int rv = fs_unlink(f->fs, path, err);
        if (rv != 0) {
            return rv;
        }
    }
    memmove(f->segments, f->segments + start, (f->n - start) * sizeof *f->segments);
    f->n -= start;
    return 0;
}

/* Takes one valid record; false when it does not fit its place. */
static bool take(struct scan *s, struct wal_segment *segment, const struct wal_record *r)
{
    if (r->prev_crc != s->crc) {
        return false;
    }
    s->crc = r->crc;
    s->mark = r->mark > s->mark ? r->mark : s->mark;
    if (r->type == WAL_TYPE_MARK) {
        return true;
    }
    if (r->index == 0 || r->term == 0 || (s->any && r->index > s->last + 1)) {
        return false;
    }
    s->sink->entry(s->sink->arg, r->index, r->term, r->type, r->data);
    s->any = true;
    s->last = r->index;
    segment->index_max = r->index > segment->index_max ? r->index : segment->index_max;
    return true;
}

static int zero_tail(struct scan *s, const char *path, size_t from, struct err *err)
{
    size_t end = wal_written_end(buf_slice(&s->bytes), from);
    if (end == from) {
        return 0;
    }
    log_warn("raft", "dropped the torn end of the WAL", "file=%s offset=%zu bytes=%zu", path, from,
             end - from);
    autofree uint8_t *zeros = mem_zalloc(end - from);
    int rv = file_pwrite(s->f->file, zeros, end - from, from, err);
    return rv == 0 ? file_sync(s->f->file, err) : rv;
}

/* Writes again what may only be in the kernel's cache, up to `end`. */
static int write_again(struct scan *s, size_t end, struct err *err)
{
    uint64_t start = wal_position(s->header.seq, WAL_HEADER_BYTES);
    size_t from = WAL_HEADER_BYTES + (size_t)(s->mark > start ? s->mark - start : 0);
    return from < end ? file_pwrite(s->f->file, s->bytes.data + from, end - from, from, err) : 0;
}

/* Reads the records of one segment; the last one is opened for writing at its end. */
static int scan_segment(struct scan *s, size_t k, struct err *err)
{
    struct wal_files *f = s->f;
    bool newest = k + 1 == f->n;
    autofree char *path = wal_files_path(f, f->segments[k].seq, ".wal");
    int rv = read_file(s, path, SIZE_MAX, err);
    if (rv == 0) {
        rv = check_header(s, path, err);
    }
    if (rv != 0) {
        return rv;
    }
    if (s->bytes.len != s->header.size_bytes || (k > 0 && s->header.prev_crc != s->crc)) {
        bool cut = s->bytes.len != s->header.size_bytes;
        return err_set(err, E_CORRUPT, "%s: %s" WHAT_TO_DO, path,
                       cut ? "the file has not its full size"
                           : "the segment before it lost its end");
    }
    if (k == 0 && (s->header.fresh || s->header.seq == 1)) {
        s->sink->reset(s->sink->arg, s->header.base_index, s->header.base_term);
        s->any = true;
        s->last = s->header.base_index;
    }
    s->crc = s->header.crc;
    size_t at = WAL_HEADER_BYTES;
    struct wal_record r;
    while (wal_record_decode(buf_slice(&s->bytes), at, &r) == 0) {
        uint32_t crc = s->crc;
        if (!take(s, &f->segments[k], &r)) {
            s->crc = crc;
            break;
        }
        at += r.size;
    }
    if (!BUG(BUG_WAL_MARK_IGNORED) &&
        (wal_vouched(buf_slice(&s->bytes), at, wal_position(s->header.seq, at)) ||
         wal_damaged(buf_slice(&s->bytes), at, s->crc))) {
        return err_set(err, E_CORRUPT, "%s: offset %zu: acknowledged bytes are damaged" WHAT_TO_DO,
                       path, at);
    }
    if (!newest || f->read_only) {
        return 0; /* the next segment's checksum chain tells whether this one is whole */
    }
    rv = file_open(f->fs, path, FILE_READ | FILE_WRITE, &f->file, err);
    if (rv == 0) {
        rv = zero_tail(s, path, at, err);
    }
    if (rv == 0) {
        rv = write_again(s, at, err);
    }
    f->file_bytes = s->bytes.len;
    f->offset = at;
    f->crc = s->crc;
    f->last = s->any ? s->last : s->header.base_index;
    f->mark = wal_position(s->header.seq, at);
    return rv;
}

int wal_files_scan(struct wal_files *f, const struct wal_sink *sink, struct err *err)
{
    int rv = list_segments(f, err);
    if (rv != 0) {
        return rv;
    }
    if (f->n == 0) {
        return err_set(err, E_CORRUPT, "%s: the WAL is missing" WHAT_TO_DO, f->dir);
    }
    struct scan s = { .f = f, .sink = sink };
    rv = find_start(&s, err);
    for (size_t k = 0; k < f->n && rv == 0; k++) {
        rv = scan_segment(&s, k, err);
    }
    if (f->read_only) {
        buf_fini(&s.bytes);
        return rv;
    }
    /* What was scanned as the tail may not be synced yet; from here on it is vouched for. */
    f->dirty = true;
    if (rv == 0) {
        rv = wal_files_sync(f, err);
    }
    if (rv == 0 && !f->no_fsync) {
        rv = file_sync(f->file, err);
    }
    /* Nor is a segment's name, when the process was killed right after the rename. */
    if (rv == 0 && !f->no_fsync) {
        rv = fs_sync_dir(f->fs, f->dir, err);
    }
    buf_fini(&s.bytes);
    return rv;
}
