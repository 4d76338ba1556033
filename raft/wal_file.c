/* Writing the WAL's segments: encode into a buffer, write it out in runs, sync once a batch.
 *
 * A segment is made under a temporary name, zero-filled to its full size, synced, renamed and its
 * directory synced, so a segment that has its name has its header and its blocks: running out of
 * space is told when it is made, not in the middle of a batch. The last 40 bytes are kept free for
 * a mark. */
#include "raft/wal_file.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"

enum { RUN_BYTES = 1024 * 1024 }; /* written out when this much is pending */

void wal_files_init(struct wal_files *f, const struct wal_options *options)
{
    *f = (struct wal_files){
        .fs = options->fs,
        .dir = mem_strdup(options->dir),
        .cluster_id = options->cluster_id,
        .member_id = options->member_id,
        .segment_bytes = options->segment_bytes != 0 ? options->segment_bytes
                                                     : LIMIT_WAL_SEGMENT_BYTES,
        .no_fsync = options->no_fsync,
    };
    buf_init(&f->pending);
}

void wal_files_fini(struct wal_files *f)
{
    file_close(f->file);
    buf_fini(&f->pending);
    mem_free(f->segments);
    mem_free(f->dir);
    *f = (struct wal_files){ 0 };
}

char *wal_files_path(const struct wal_files *f, uint64_t seq, const char *suffix)
{
    return mem_printf("%s/%016" PRIx64 "%s", f->dir, seq, suffix);
}

static int write_out(struct wal_files *f, struct err *err)
{
    if (f->pending.len == 0) {
        return 0;
    }
    int rv = file_pwrite(f->file, f->pending.data, f->pending.len, f->offset, err);
    if (rv != 0) {
        return rv;
    }
    f->offset += f->pending.len;
    buf_reset(&f->pending);
    f->dirty = true;
    return 0;
}

static uint64_t here(const struct wal_files *f)
{
    uint64_t seq = f->n > 0 ? f->segments[f->n - 1].seq : 0;
    return wal_position(seq, f->offset + f->pending.len);
}

static int sync_out(struct wal_files *f, struct err *err)
{
    int rv = write_out(f, err);
    if (rv == 0 && f->dirty && !f->no_fsync && !BUG(BUG_WAL_NO_SYNC) &&
        !(BUG(BUG_WAL_SOME_SYNC) && f->offset / 8 % 2 == 0)) {
        rv = file_sync(f->file, err);
    }
    if (rv == 0) {
        f->dirty = false;
        f->mark = here(f);
    }
    return rv;
}

static void encode(struct wal_files *f, struct wal_record *r)
{
    r->prev_crc = f->crc;
    r->mark = f->mark;
    uint8_t *out = buf_reserve(&f->pending, wal_record_size(r->data.len));
    wal_record_encode(r, out);
    if (r->data.len != 0) {
        memcpy(out + WAL_RECORD_BYTES, r->data.data, r->data.len);
    }
    memset(out + WAL_RECORD_BYTES + r->data.len, 0, r->size - WAL_RECORD_BYTES - r->data.len);
    buf_advance(&f->pending, r->size);
    f->crc = r->crc;
}

/* Creates the file of one segment under its temporary name; *ret_file is open on success. */
static int make_segment(struct wal_files *f, const char *tmp, struct wal_header *h,
                        struct file **ret_file, struct err *err)
{
    uint8_t bytes[WAL_HEADER_BYTES];
    struct file *file;
    int rv = file_open(f->fs, tmp, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_TRUNC, &file, err);
    if (rv != 0) {
        return rv;
    }
    wal_header_encode(h, bytes);
    rv = file_allocate(file, h->size_bytes, err);
    if (rv == 0) {
        rv = file_pwrite(file, bytes, sizeof bytes, 0, err);
    }
    if (rv == 0 && !f->no_fsync) {
        rv = file_sync(file, err);
    }
    if (rv != 0) {
        file_close(file);
        (void)fs_unlink(f->fs, tmp, NULL); /* what it got of the space is free again */
        return rv;
    }
    *ret_file = file;
    return 0;
}

int wal_files_roll(struct wal_files *f, bool fresh, uint64_t base_index, uint64_t base_term,
                   size_t room_bytes, struct err *err)
{
    int rv = 0;
    if (f->file != NULL) {
        f->dirty = true; /* the last mark was not synced, and the chain goes on from it */
        rv = sync_out(f, err);
    }
    if (rv != 0) {
        return rv;
    }
    uint64_t seq = f->n > 0 ? f->segments[f->n - 1].seq + 1 : 1;
    size_t need = WAL_HEADER_BYTES + room_bytes + WAL_RECORD_BYTES;
    struct wal_header h = {
        .cluster_id = f->cluster_id,
        .member_id = f->member_id,
        .seq = seq,
        .size_bytes = need > f->segment_bytes ? need : f->segment_bytes,
        .base_index = base_index,
        .base_term = base_term,
        .mark = f->mark,
        .prev_crc = f->crc,
        .fresh = fresh,
    };
    autofree char *tmp = wal_files_path(f, seq, ".tmp");
    autofree char *path = wal_files_path(f, seq, ".wal");
    struct file *file;
    rv = make_segment(f, tmp, &h, &file, err);
    f->full = rv == E_DISKFULL;
    if (rv != 0) {
        return err_prefix(err, "WAL segment %s", tmp);
    }
    rv = fs_rename(f->fs, tmp, path, err);
    if (rv == 0 && !f->no_fsync && !BUG(BUG_WAL_NO_DIR_SYNC)) {
        rv = fs_sync_dir(f->fs, f->dir, err);
    }
    if (rv != 0) {
        file_close(file);
        return rv;
    }
    file_close(f->file);
    f->file = file;
    f->file_bytes = h.size_bytes;
    f->offset = WAL_HEADER_BYTES;
    f->crc = h.crc;
    f->last = base_index;
    f->segments = mem_grow(f->segments, &f->cap, f->n + 1, sizeof *f->segments);
    f->segments[f->n++] = (struct wal_segment){ seq, 0 };
    f->mark = here(f);
    return 0;
}

int wal_files_append(struct wal_files *f, uint64_t index, uint64_t term, uint32_t type,
                     struct slice data, struct err *err)
{
    PRE(index <= f->last + 1);
    size_t size = wal_record_size(data.len);
    int rv = 0;
    if (f->offset + f->pending.len + size + WAL_RECORD_BYTES > f->file_bytes) {
        rv = wal_files_roll(f, false, f->last, 0, size, err);
    } else if (f->pending.len >= RUN_BYTES) {
        rv = write_out(f, err);
    }
    if (rv != 0) {
        return rv;
    }
    encode(f, &(struct wal_record){ .type = type, .index = index, .term = term, .data = data });
    f->last = index;
    struct wal_segment *s = &f->segments[f->n - 1];
    s->index_max = index > s->index_max ? index : s->index_max;
    return 0;
}

int wal_files_sync(struct wal_files *f, struct err *err)
{
    if (f->pending.len == 0 && !f->dirty) {
        return 0;
    }
    int rv = sync_out(f, err);
    if (rv != 0) {
        return rv;
    }
    if (f->offset + WAL_RECORD_BYTES <= f->file_bytes) {
        encode(f, &(struct wal_record){ .type = WAL_TYPE_MARK, .index = f->last });
        rv = write_out(f, err);
        f->dirty = false; /* nobody waits for a mark */
    }
    return rv;
}

int wal_files_compact(struct wal_files *f, uint64_t index, bool all, struct err *err)
{
    size_t k = 0;
    int rv = 0;
    while (k + 1 < f->n && (all || f->segments[k].index_max <= index) && rv == 0) {
        autofree char *path = wal_files_path(f, f->segments[k].seq, ".wal");
        rv = fs_unlink(f->fs, path, err);
        k++;
    }
    if (k == 0 || rv != 0) {
        return rv;
    }
    memmove(f->segments, f->segments + k, (f->n - k) * sizeof *f->segments);
    f->n -= k;
    return f->no_fsync ? 0 : fs_sync_dir(f->fs, f->dir, err);
}
