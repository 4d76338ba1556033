/* Identity, term and vote. Byte format of each copy (little-endian):
 *    0  "BARQMETA"   8  u32 version = 1   12  u32 flags (1 ready, 2 joined)
 *   16  u64 sequence number   24  u64 cluster id   32  u64 member id
 *   40  u64 term   48  u64 vote   56  u64 epoch   64  12 zero bytes   76  u32 crc32c of bytes 0..75
 * The whole copy with the higher sequence number counts. */
#include "raft/meta.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "lib/codec/crc32c.h"

enum { COPY_OFFSET = 4096, VERSION = 1 };

static const uint8_t MAGIC[8] = { 'B', 'A', 'R', 'Q', 'M', 'E', 'T', 'A' };

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

void meta_encode(const struct meta *m, uint8_t *out)
{
    memset(out, 0, META_COPY_BYTES);
    memcpy(out, MAGIC, sizeof MAGIC);
    put(out + 8, VERSION, 4);
    put(out + 12, (m->ready ? 1u : 0) | (m->joined ? 2u : 0), 4);
    put(out + 16, m->seq, 8);
    put(out + 24, m->cluster_id, 8);
    put(out + 32, m->member_id, 8);
    put(out + 40, m->term, 8);
    put(out + 48, m->vote, 8);
    put(out + 56, m->epoch, 8);
    put(out + 76, crc32c(0, out, META_COPY_BYTES - 4), 4);
}

static int decode(const uint8_t *p, struct meta *m)
{
    if (memcmp(p, MAGIC, sizeof MAGIC) != 0 ||
        get(p + 76, 4) != crc32c(0, p, META_COPY_BYTES - 4)) {
        return E_CORRUPT;
    }
    if (get(p + 8, 4) != VERSION) {
        return E_UNSUPPORTED;
    }
    m->ready = (get(p + 12, 4) & 1) != 0;
    m->joined = (get(p + 12, 4) & 2) != 0;
    m->seq = get(p + 16, 8);
    m->cluster_id = get(p + 24, 8);
    m->member_id = get(p + 32, 8);
    m->term = get(p + 40, 8);
    m->vote = get(p + 48, 8);
    m->epoch = get(p + 56, 8);
    return 0;
}

int meta_parse(struct slice bytes, const char *path, struct meta *ret_meta, struct err *err)
{
    struct meta a = { 0 };
    struct meta b = { 0 };
    int rv_a = bytes.len >= META_COPY_BYTES ? decode(bytes.data, &a) : E_CORRUPT;
    int rv_b = bytes.len >= COPY_OFFSET + META_COPY_BYTES ? decode(bytes.data + COPY_OFFSET, &b)
                                                          : E_CORRUPT;
    if (rv_a == E_UNSUPPORTED || rv_b == E_UNSUPPORTED) {
        return err_set(err, E_UNSUPPORTED, "%s was written by another version of Barque (this one "
                       "reads format %d); use that version", path, VERSION);
    }
    if (rv_a != 0 && rv_b != 0) {
        return err_set(err, E_CORRUPT, "%s: both copies of term and vote are damaged; keep the "
                       "directory for inspection, remove the member from the cluster and add it "
                       "again with an empty data directory", path);
    }
    if (rv_a != 0 || rv_b != 0) {
        log_warn("raft", "one copy of term and vote was damaged; the other one counts", "file=%s",
                 path);
    }
    *ret_meta = rv_a == 0 && (rv_b != 0 || a.seq >= b.seq) ? a : b;
    return 0;
}

int meta_load(struct fs *fs, const char *path, struct meta *ret_meta, struct err *err)
{
    if (!fs_exists(fs, path)) {
        return E_NOTFOUND;
    }
    struct file *file;
    int rv = file_open(fs, path, FILE_READ | FILE_WRITE, &file, err);
    if (rv != 0) {
        return rv;
    }
    uint8_t bytes[META_BYTES] = { 0 };
    size_t got;
    rv = file_pread(file, bytes, sizeof bytes, 0, &got, err);
    if (rv == 0) {
        rv = meta_parse(slice_make(bytes, got), path, ret_meta, err);
    }
    if (rv != 0) {
        file_close(file);
        return rv;
    }
    ret_meta->file = file;
    return 0;
}

int meta_create(struct fs *fs, const char *dir, const char *path, struct meta *m, struct err *err)
{
    uint8_t bytes[META_BYTES] = { 0 };
    m->seq = 1;
    meta_encode(m, bytes);
    meta_encode(m, bytes + COPY_OFFSET);
    int rv = fs_write_file_atomic(fs, path, slice_make(bytes, sizeof bytes), err);
    if (rv == 0) {
        rv = fs_sync_dir(fs, dir, err);
    }
    return rv == 0 ? file_open(fs, path, FILE_READ | FILE_WRITE, &m->file, err) : rv;
}

int meta_store(struct meta *m, struct err *err)
{
    PRE(m->file != NULL);
    uint8_t bytes[META_COPY_BYTES];
    m->seq++;
    meta_encode(m, bytes);
    for (uint64_t copy = 0; copy < (BUG(BUG_META_ONE_COPY) ? 1 : 2); copy++) {
        int rv = file_pwrite(m->file, bytes, sizeof bytes, copy * COPY_OFFSET, err);
        if (rv == 0 && !m->no_fsync && !BUG(BUG_META_NO_SYNC)) {
            rv = file_sync(m->file, err);
        }
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

void meta_close(struct meta *m)
{
    file_close(m->file);
    m->file = NULL;
}
