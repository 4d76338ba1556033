/* WAL segments. Even inputs are scanned as they are; odd ones become the payloads of a valid
 * segment that is then damaged in one place: what still decodes in sequence must be what was
 * written. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "raft/wal_format.h"

enum { RECORDS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any number that the input can choose. */
static uint32_t first_crc(struct slice bytes)
{
    return bytes.len > 15 ? (uint32_t)bytes.data[12] : 0;
}

static void scan(struct slice bytes)
{
    struct wal_header h;
    struct wal_record r;
    size_t at = 0;
    if (wal_header_decode(bytes, &h) == 0) {
        at = WAL_HEADER_BYTES;
    }
    while (wal_record_decode(bytes, at, &r) == 0) {
        at += r.size;
    }
    (void)wal_vouched(bytes, at, wal_position(1, at));
    (void)wal_damaged(bytes, at, first_crc(bytes));
}

static size_t write_records(struct slice input, struct buf *out, struct wal_record *records)
{
    uint32_t crc = 1;
    size_t n = 0;
    while (input.len > 0 && n < RECORDS_MAX) {
        size_t len = input.data[0] < input.len ? input.data[0] : input.len;
        struct wal_record r = { .type = 1 + (uint32_t)(len % 3), .prev_crc = crc,
                                .index = n + 1, .term = 1, .data = slice_make(input.data, len) };
        uint8_t *p = buf_reserve(out, wal_record_size(len));
        memset(p, 0, wal_record_size(len));
        wal_record_encode(&r, p);
        memcpy(p + WAL_RECORD_BYTES, input.data, len);
        buf_advance(out, r.size);
        crc = r.crc;
        records[n++] = r;
        size_t used = len > 0 ? len : 1;
        input = slice_make(input.data + used, input.len - used);
    }
    return n;
}

static void damage(struct slice input)
{
    struct buf b = BUF_INIT;
    struct wal_record want[RECORDS_MAX];
    size_t n = write_records(slice_make(input.data + 3, input.len - 3), &b, want);
    if (b.len > 0) {
        b.data[((size_t)input.data[1] << 8 | input.data[2]) % b.len] ^= 0x10;
    }
    size_t at = 0;
    uint32_t crc = 1;
    struct wal_record r;
    for (size_t i = 0; wal_record_decode(buf_slice(&b), at, &r) == 0 && r.prev_crc == crc; i++) {
        if (i >= n || r.index != want[i].index || r.type != want[i].type ||
            !slice_eq(r.data, want[i].data)) {
            abort();
        }
        crc = r.crc;
        at += r.size;
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4 && (data[0] & 1) != 0) {
        damage(slice_make(data, size));
    } else {
        scan(slice_make(data, size));
    }
    return 0;
}
