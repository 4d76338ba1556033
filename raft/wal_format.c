/* The bytes of a WAL segment.
 *
 * A segment is a file of fixed size, zero-filled when it is made; integers are little-endian.
 *
 *   header, 96 bytes
 *      0  "BARQWAL\n"        8  u32 version = 1      12  u32 flags (1 = fresh)
 *     16  u64 cluster id    24  u64 member id        32  u64 sequence number of the segment
 *     40  u64 size of file  48  u64 base index       56  u64 base term
 *     64  u64 mark          72  u32 crc of the previous segment's last record
 *     76  16 zero bytes     92  u32 crc32c of bytes 0..91
 *   records, each at a multiple of 8
 *      0  u32 payload length     4  u32 crc32c of bytes 8..39, then the length, then the payload
 *      8  u32 type              12  u32 crc of the record before (or of the header)
 *     16  u64 index             24  u64 term          32  u64 mark
 *     40  payload, zero-padded to a multiple of 8
 *   zeros up to the end
 *
 * Entry records have the entry's type; index <= the last one so far means: forget that entry and
 * all after it (a follower's log was overwritten by its leader's). A mark record (type 16) holds no
 * entry.
 *
 * `mark` is the position (sequence number << 32 | offset) up to which the WAL was known to be
 * durable when the record was written. It tells a torn tail from damage: bytes that a later record
 * vouches for were once synced, so if they do not check, the disk lost them and the log must not be
 * shortened. Bytes nobody vouches for were never acknowledged, and are dropped. After each sync a
 * mark record is written (not synced) so that the last batch is vouched for too. Where a loss of
 * power took that mark, a whole record with wrong bits, one wrong bit in a sector that was
 * written and bytes that belong elsewhere are still told from a torn write, which lacks sectors
 * or its end (wal_damaged).
 *
 * Each record holds the checksum of the one before, so a misplaced, stale or foreign record does
 * not fit its place even where it is valid by itself; the chain starts from the header, with the
 * cluster's id. */
#include "raft/wal_format.h"

#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/codec/crc32c.h"

enum { SECTOR_BYTES = 512 };

static const uint8_t MAGIC[8] = { 'B', 'A', 'R', 'Q', 'W', 'A', 'L', '\n' };

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

void wal_header_encode(struct wal_header *h, uint8_t out[WAL_HEADER_BYTES])
{
    memset(out, 0, WAL_HEADER_BYTES);
    memcpy(out, MAGIC, sizeof MAGIC);
    put32(out + 8, WAL_FORMAT_VERSION);
    put32(out + 12, h->fresh ? 1 : 0);
    put64(out + 16, h->cluster_id);
    put64(out + 24, h->member_id);
    put64(out + 32, h->seq);
    put64(out + 40, h->size_bytes);
    put64(out + 48, h->base_index);
    put64(out + 56, h->base_term);
    put64(out + 64, h->mark);
    put32(out + 72, h->prev_crc);
    h->crc = crc32c(0, out, WAL_HEADER_BYTES - 4);
    put32(out + 92, h->crc);
}

int wal_header_decode(struct slice bytes, struct wal_header *ret_header)
{
    const uint8_t *p = bytes.data;
    if (bytes.len < WAL_HEADER_BYTES || memcmp(p, MAGIC, sizeof MAGIC) != 0) {
        return E_CORRUPT;
    }
    uint32_t crc = crc32c(0, p, WAL_HEADER_BYTES - 4);
    if (crc != get32(p + 92)) {
        return E_CORRUPT;
    }
    if (get32(p + 8) != WAL_FORMAT_VERSION) {
        return E_UNSUPPORTED;
    }
    *ret_header = (struct wal_header){
        .cluster_id = get64(p + 16),
        .member_id = get64(p + 24),
        .seq = get64(p + 32),
        .size_bytes = get64(p + 40),
        .base_index = get64(p + 48),
        .base_term = get64(p + 56),
        .mark = get64(p + 64),
        .prev_crc = get32(p + 72),
        .fresh = (get32(p + 12) & 1) != 0,
        .crc = crc,
    };
    return 0;
}

static uint32_t record_crc(const uint8_t *header, struct slice data)
{
    uint32_t crc = crc32c(0, header + 8, WAL_RECORD_BYTES - 8);
    crc = crc32c(crc, header, 4);
    crc = crc32c(crc, data.data, data.len);
    return crc != 0 ? crc : 1; /* so that a record never begins with eight zero bytes */
}

void wal_record_encode(struct wal_record *r, uint8_t out[WAL_RECORD_BYTES])
{
    PRE(r->data.len <= LIMIT_WAL_RECORD_BYTES - WAL_RECORD_BYTES);
    put32(out, (uint32_t)r->data.len);
    put32(out + 8, r->type);
    put32(out + 12, r->prev_crc);
    put64(out + 16, r->index);
    put64(out + 24, r->term);
    put64(out + 32, r->mark);
    r->crc = record_crc(out, r->data);
    r->size = wal_record_size(r->data.len);
    put32(out + 4, r->crc);
}

int wal_record_decode(struct slice bytes, size_t offset, struct wal_record *ret_record)
{
    if (offset + WAL_RECORD_BYTES > bytes.len) {
        return wal_written_end(bytes, offset) == offset ? E_NOTFOUND : E_CORRUPT;
    }
    const uint8_t *p = bytes.data + offset;
    uint32_t len = get32(p);
    uint32_t crc = get32(p + 4);
    if (len == 0 && crc == 0) {
        return E_NOTFOUND;
    }
    uint32_t type = get32(p + 8);
    bool known = (type >= 1 && type <= 3) || (type == WAL_TYPE_MARK && len == 0);
    if (!known || len > LIMIT_WAL_RECORD_BYTES - WAL_RECORD_BYTES ||
        wal_record_size(len) > bytes.len - offset) {
        return E_CORRUPT;
    }
    struct slice data = slice_make(p + WAL_RECORD_BYTES, len);
    if (record_crc(p, data) != crc && !BUG(BUG_WAL_NO_CRC)) {
        return E_CORRUPT;
    }
    *ret_record = (struct wal_record){
        .type = type,
        .crc = crc,
        .prev_crc = get32(p + 12),
        .index = get64(p + 16),
        .term = get64(p + 24),
        .mark = get64(p + 32),
        .data = data,
        .size = wal_record_size(len),
    };
    return 0;
}

bool wal_vouched(struct slice bytes, size_t from, uint64_t position)
{
    size_t end = wal_written_end(bytes, from);
    from = (from + WAL_ALIGN - 1) / WAL_ALIGN * WAL_ALIGN;
    for (size_t at = from; at + WAL_RECORD_BYTES <= bytes.len && at < end; at += WAL_ALIGN) {
        struct wal_record r;
        /* The cheap look first: most places are no record at all. */
        if (get64(bytes.data + at + 32) > position && wal_record_decode(bytes, at, &r) == 0) {
            return true;
        }
    }
    return false;
}

/* A write that a crash tore lacks whole sectors (they are still zero) or its end; a record that
 * has all its sectors and its last byte was complete. */
static bool is_complete(struct slice bytes, size_t offset, size_t len)
{
    static const uint8_t zeros[SECTOR_BYTES];
    size_t end = offset + WAL_RECORD_BYTES + len;
    if (end > bytes.len || wal_written_end(bytes, offset) < end) {
        return false;
    }
    for (size_t at = offset; at < end;) {
        size_t next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        next = next < bytes.len ? next : bytes.len;
        if (memcmp(bytes.data + at, zeros, next - at) == 0) {
            return false;
        }
        at = next;
    }
    return true;
}

/* What a crash tore is zero or the record's own: bytes of another place have another chain. The
 * checksum before is there in full when anything behind it in its sector is. */
static bool is_foreign(struct slice bytes, size_t offset, uint32_t prev_crc)
{
    size_t sector_end = ((offset + 12) / SECTOR_BYTES + 1) * SECTOR_BYTES;
    if (get32(bytes.data + offset + 12) == prev_crc) {
        return false;
    }
    for (size_t at = offset + 16; at < sector_end && at < bytes.len; at++) {
        if (bytes.data[at] != 0) {
            return true;
        }
    }
    return false;
}

/* Where the k-th bit from the end of what the checksum covers lies: payload, length, header. */
static size_t position_of(size_t k, size_t len)
{
    size_t i = k / 8;
    return i < len       ? WAL_RECORD_BYTES + len - 1 - i
           : i < len + 4 ? len + 3 - i
                         : WAL_RECORD_BYTES - 1 - (i - len - 4);
}

/* Could a tear have taken the byte: was nothing written from there on, or is its sector, as far as
 * the record has it, zero as before the write? Sectors behind it may have been kept. */
static bool is_lost(struct slice bytes, size_t offset, size_t at, size_t written)
{
    static const uint8_t zeros[SECTOR_BYTES];
    size_t from = (offset + at) / SECTOR_BYTES * SECTOR_BYTES;
    size_t end = from + SECTOR_BYTES < bytes.len ? from + SECTOR_BYTES : bytes.len;
    from = from > offset ? from : offset;
    return at >= written || memcmp(bytes.data + from, zeros, end - from) == 0;
}

/* Is there one bit of what the checksum covers that makes it valid again? CRC is linear: a bit with
 * k bits behind it changes the checksum by the polynomial shifted k times, whatever the others are.
 * So a hit bit is told from a tear where is_complete cannot: in a record that ends in zeros. Not a
 * bit that a tear may have taken. */
static bool is_one_bit_off(struct slice bytes, size_t offset, size_t len, size_t written)
{
    enum { POLYNOMIAL = 0x82f63b78 }; /* CRC-32C, reflected */
    const uint8_t *p = bytes.data + offset;
    uint32_t off = record_crc(p, slice_make(p + WAL_RECORD_BYTES, len)) ^ get32(p + 4);
    size_t bits = 8 * (WAL_RECORD_BYTES - 8 + sizeof(uint32_t) + len);
    uint32_t change = POLYNOMIAL;
    for (size_t k = 0; k < bits; k++) {
        if (change == off && !is_lost(bytes, offset, position_of(k, len), written)) {
            return true;
        }
        change = change >> 1 ^ ((change & 1) != 0 ? (uint32_t)POLYNOMIAL : 0);
    }
    return false;
}

/* The length, the chain or the checksum may be what was hit. */
static bool is_one_head_bit_off(struct slice bytes, size_t offset, uint32_t prev_crc,
                                size_t written)
{
    const uint8_t *p = bytes.data + offset;
    for (unsigned bit = 0; bit < 8 * WAL_RECORD_BYTES; bit++) {
        uint8_t head[WAL_RECORD_BYTES];
        memcpy(head, p, sizeof head);
        head[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        uint32_t len = get32(head);
        if (get32(head + 12) == prev_crc && get32(head + 4) != 0 &&
            len <= bytes.len - offset - WAL_RECORD_BYTES &&
            record_crc(head, slice_make(p + WAL_RECORD_BYTES, len)) == get32(head + 4) &&
            !is_lost(bytes, offset, bit / 8, written)) {
            return true;
        }
    }
    return false;
}

bool wal_damaged(struct slice bytes, size_t offset, uint32_t prev_crc)
{
    if (offset + WAL_RECORD_BYTES > bytes.len) {
        return false;
    }
    if (is_foreign(bytes, offset, prev_crc)) {
        return true;
    }
    const uint8_t *p = bytes.data + offset;
    size_t written = wal_written_end(bytes, offset) - offset;
    uint32_t len = get32(p);
    if (get32(p + 12) != prev_crc || len > bytes.len - offset - WAL_RECORD_BYTES) {
        return is_one_head_bit_off(bytes, offset, prev_crc, written);
    }
    return is_complete(bytes, offset, len) ||
           is_one_bit_off(bytes, offset, len, written) ||
           is_one_head_bit_off(bytes, offset, prev_crc, written);
}

size_t wal_written_end(struct slice bytes, size_t from)
{
    static const uint8_t zeros[4096]; /* most of a segment: whole blocks first */
    size_t at = bytes.len;
    while (at > from && at - from >= sizeof zeros &&
           memcmp(bytes.data + at - sizeof zeros, zeros, sizeof zeros) == 0) {
        at -= sizeof zeros;
    }
    while (at > from && bytes.data[at - 1] == 0) {
        at--;
    }
    return at;
}
