/* Snapshot files. Byte format (integers little-endian):
 *
 *   head     0  "BARQSNAP"   8  u32 version = 1   12  u32 length of the head with its checksum
 *           16  u64 cluster id   24  u64 index   32  u64 term   40  u64 index of the configuration
 *           48  u32 length of the configuration   52  u32 length of the attributes
 *           56  configuration, attributes, u32 crc32c of all before
 *   chunks  u32 length (1 .. 256 KiB), u32 crc32c continued from the checksum before, the bytes
 *   footer  u32 0, u32 crc32c continued over the next 16 bytes, u64 chunks, u64 bytes; then the end
 *
 * Each checksum continues the one before, so chunks can be neither lost, repeated nor swapped. */
#include "raft/snapshot_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/crc32c.h"

enum { VERSION = 1, HEAD_BYTES = 56, CHUNK_HEAD_BYTES = 8, FOOTER_BYTES = 24, HEAD_MAX = 1 << 20 };

static const uint8_t MAGIC[8] = { 'B', 'A', 'R', 'Q', 'S', 'N', 'A', 'P' };

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

void snapshot_info_copy(const struct snapshot_info *from, struct snapshot_info *ret_to)
{
    *ret_to = *from;
    value_ref(ret_to->conf);
    value_ref(ret_to->attrs);
}

void snapshot_info_fini(struct snapshot_info *info)
{
    value_unref(info->conf);
    value_unref(info->attrs);
    *info = (struct snapshot_info){ 0 };
}

char *snapshot_path(const char *dir, uint64_t index, uint64_t term)
{
    return mem_printf("%s/%016" PRIx64 "-%016" PRIx64 ".snap", dir, index, term);
}

/* --- writing --- */

static void head_encode(const struct snapshot_info *info, struct buf *out)
{
    size_t conf = info->conf->len;
    size_t attrs = info->attrs != NULL ? info->attrs->len : 0;
    uint8_t *p = buf_reserve(out, HEAD_BYTES);
    memcpy(p, MAGIC, sizeof MAGIC);
    put(p + 8, VERSION, 4);
    put(p + 12, HEAD_BYTES + conf + attrs + 4, 4);
    put(p + 16, info->cluster_id, 8);
    put(p + 24, info->index, 8);
    put(p + 32, info->term, 8);
    put(p + 40, info->conf_index, 8);
    put(p + 48, conf, 4);
    put(p + 52, attrs, 4);
    buf_advance(out, HEAD_BYTES);
    buf_append_slice(out, value_slice(info->conf));
    buf_append_slice(out, value_slice(info->attrs));
    uint8_t crc[4];
    put(crc, crc32c(0, out->data, out->len), 4);
    buf_append(out, crc, sizeof crc);
}

int snapshot_writer_open(struct snapshot_writer *w, struct fs *fs, const char *dir,
                         const struct snapshot_info *info, struct err *err)
{
    PRE(info->index > 0);
    PRE(info->term > 0);
    PRE(info->conf != NULL);
    *w = (struct snapshot_writer){ .fs = fs, .dir = mem_strdup(dir) };
    w->path = snapshot_path(dir, info->index, info->term);
    w->tmp = mem_printf("%s.tmp", w->path);
    autobuf head = BUF_INIT;
    head_encode(info, &head);
    w->crc = crc32c(0, head.data, head.len);
    w->offset = head.len;
    int rv = file_open(fs, w->tmp, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &w->file, err);
    if (rv == 0) {
        rv = file_pwrite(w->file, head.data, head.len, 0, err);
    }
    if (rv != 0) {
        snapshot_writer_abort(w);
    }
    return rv;
}

static int append_chunk(struct snapshot_writer *w, struct slice chunk, struct err *err)
{
    uint8_t head[CHUNK_HEAD_BYTES];
    w->crc = crc32c(w->crc, chunk.data, chunk.len);
    put(head, chunk.len, 4);
    put(head + 4, w->crc, 4);
    struct slice parts[2] = { slice_make(head, sizeof head), chunk };
    int rv = file_pwritev(w->file, parts, 2, w->offset, err);
    w->offset += sizeof head + chunk.len;
    w->bytes += chunk.len;
    w->chunks++;
    return rv;
}

int snapshot_writer_append(struct snapshot_writer *w, struct slice bytes, struct err *err)
{
    int rv = 0;
    while (bytes.len > 0 && rv == 0) {
        size_t len = bytes.len < LIMIT_SNAPSHOT_CHUNK_BYTES ? bytes.len
                                                            : (size_t)LIMIT_SNAPSHOT_CHUNK_BYTES;
        rv = append_chunk(w, slice_make(bytes.data, len), err);
        bytes = slice_make(bytes.data + len, bytes.len - len);
    }
    return rv;
}

static void writer_fini(struct snapshot_writer *w)
{
    file_close(w->file);
    mem_free(w->dir);
    mem_free(w->tmp);
    mem_free(w->path);
    *w = (struct snapshot_writer){ 0 };
}

int snapshot_writer_finish(struct snapshot_writer *w, struct err *err)
{
    uint8_t footer[FOOTER_BYTES] = { 0 };
    put(footer + 8, w->chunks, 8);
    put(footer + 16, w->bytes, 8);
    put(footer + 4, crc32c(w->crc, footer + 8, 16), 4);
    int rv = file_pwrite(w->file, footer, sizeof footer, w->offset, err);
    if (rv == 0 && !BUG(BUG_SNAPSHOT_NO_SYNC)) {
        rv = file_sync(w->file, err);
    }
    if (rv == 0) {
        rv = fs_rename(w->fs, w->tmp, w->path, err);
    }
    if (rv == 0) {
        rv = fs_sync_dir(w->fs, w->dir, err);
    }
    writer_fini(w);
    return rv;
}

void snapshot_writer_abort(struct snapshot_writer *w)
{
    if (w->file != NULL) {
        (void)fs_unlink(w->fs, w->tmp, NULL); /* the next start removes what stays */
    }
    writer_fini(w);
}

/* --- reading --- */

static int read_exact(struct snapshot_reader *r, struct buf *out, size_t len, struct err *err)
{
    size_t got;
    int rv = file_pread(r->file, buf_reserve(out, len), len, r->offset, &got, err);
    if (rv != 0) {
        return rv;
    }
    if (got != len) {
        return err_set(err, E_CORRUPT, "%s: the file ends early, at offset %" PRIu64, r->path,
                       r->offset + got);
    }
    buf_advance(out, len);
    r->offset += len;
    return 0;
}

static int damaged(struct snapshot_reader *r, struct err *err)
{
    return err_set(err, E_CORRUPT, "%s: offset %" PRIu64 ": bytes are damaged", r->path, r->offset);
}

static int read_head(struct snapshot_reader *r, uint64_t cluster_id, struct err *err)
{
    autobuf b = BUF_INIT;
    int rv = read_exact(r, &b, HEAD_BYTES, err);
    if (rv != 0) {
        return rv;
    }
    uint64_t len = get(b.data + 12, 4);
    uint64_t conf = get(b.data + 48, 4);
    uint64_t attrs = get(b.data + 52, 4);
    if (memcmp(b.data, MAGIC, sizeof MAGIC) != 0 || len > HEAD_MAX ||
        HEAD_BYTES + conf + attrs + 4 != len) {
        return damaged(r, err);
    }
    uint64_t version = get(b.data + 8, 4);
    rv = read_exact(r, &b, (size_t)len - HEAD_BYTES, err);
    if (rv != 0) {
        return rv;
    }
    if (crc32c(0, b.data, b.len - 4) != get(b.data + b.len - 4, 4)) {
        return damaged(r, err);
    }
    if (version != VERSION) {
        return err_set(err, E_UNSUPPORTED, "%s was written by another version of Barque (this one "
                       "reads format %d); use that version", r->path, VERSION);
    }
    r->crc = crc32c(0, b.data, b.len);
    r->info = (struct snapshot_info){
        .cluster_id = get(b.data + 16, 8),
        .index = get(b.data + 24, 8),
        .term = get(b.data + 32, 8),
        .conf_index = get(b.data + 40, 8),
        .conf = value_new(b.data + HEAD_BYTES, (size_t)conf),
        .attrs = value_new(b.data + HEAD_BYTES + conf, (size_t)attrs),
    };
    if (cluster_id != 0 && r->info.cluster_id != cluster_id) {
        return err_set(err, E_MISMATCH, "%s belongs to cluster %016" PRIx64 ", not to %016" PRIx64,
                       r->path, r->info.cluster_id, cluster_id);
    }
    return r->info.index == 0 || r->info.term == 0 ? damaged(r, err) : 0;
}

int snapshot_reader_open(struct snapshot_reader *r, struct fs *fs, const char *path,
                         uint64_t cluster_id, struct err *err)
{
    *r = (struct snapshot_reader){ .path = mem_strdup(path) };
    int rv = file_open(fs, path, FILE_READ, &r->file, err);
    if (rv == 0) {
        rv = read_head(r, cluster_id, err);
    }
    if (rv != 0) {
        snapshot_reader_close(r);
    }
    return rv;
}

static int read_footer(struct snapshot_reader *r, uint32_t crc, struct err *err)
{
    autobuf b = BUF_INIT;
    int rv = read_exact(r, &b, FOOTER_BYTES - CHUNK_HEAD_BYTES, err);
    if (rv != 0) {
        return rv;
    }
    uint64_t size = 0;
    rv = file_size(r->file, &size, err);
    if (rv != 0) {
        return rv;
    }
    bool good = crc32c(r->crc, b.data, b.len) == crc && get(b.data, 8) == r->chunks &&
                get(b.data + 8, 8) == r->bytes && size == r->offset;
    return good ? 0 : damaged(r, err);
}

int snapshot_reader_next(struct snapshot_reader *r, struct buf *out, struct err *err)
{
    buf_reset(out);
    int rv = read_exact(r, out, CHUNK_HEAD_BYTES, err);
    if (rv != 0) {
        return rv;
    }
    size_t len = (size_t)get(out->data, 4);
    uint32_t crc = (uint32_t)get(out->data + 4, 4);
    buf_reset(out);
    if (len == 0) {
        return read_footer(r, crc, err);
    }
    if (len > LIMIT_SNAPSHOT_CHUNK_BYTES) {
        return damaged(r, err);
    }
    rv = read_exact(r, out, len, err);
    if (rv != 0) {
        return rv;
    }
    r->crc = crc32c(r->crc, out->data, out->len);
    r->bytes += len;
    r->chunks++;
    return r->crc == crc ? 1 : damaged(r, err);
}

void snapshot_reader_close(struct snapshot_reader *r)
{
    file_close(r->file);
    mem_free(r->path);
    snapshot_info_fini(&r->info);
    *r = (struct snapshot_reader){ 0 };
}

/* --- the directory --- */

int snapshot_newest(struct fs *fs, const char *dir, char **ret_path, struct err *err)
{
    char **names;
    size_t n;
    char *newest = NULL;
    int rv = fs_list(fs, dir, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n && rv == 0; i++) { /* byte order is index order */
        autofree char *path = mem_printf("%s/%s", dir, names[i]);
        if (str_ends(names[i], ".tmp")) {
            rv = fs_unlink(fs, path, err);
        } else if (str_ends(names[i], ".snap")) {
            mem_free(newest);
            newest = TAKE(path);
        }
    }
    fs_list_free(names, n);
    if (rv != 0) {
        mem_free(newest);
        return rv;
    }
    *ret_path = newest;
    return 0;
}

int snapshot_remove_older(struct fs *fs, const char *dir, uint64_t index, struct err *err)
{
    char **names;
    size_t n;
    int rv = fs_list(fs, dir, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n && rv == 0; i++) {
        if (str_ends(names[i], ".snap") && strtoull(names[i], NULL, 16) < index) {
            autofree char *path = mem_printf("%s/%s", dir, names[i]);
            rv = fs_unlink(fs, path, err);
        }
    }
    fs_list_free(names, n);
    return rv;
}
