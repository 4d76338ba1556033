/* A snapshot comes from a disk or a peer: arbitrary bytes must be refused or give a sound
 * store. The checksum would stop the fuzzer at the door, so the last frame is written anew
 * with the right one when the input asks for it; a store that restores must then write the
 * very bytes it writes again. */
#include <stdlib.h>

#include "lib/codec/crc32c.h"
#include "lib/codec/mp.h"
#include "tests/unit/store/snapshot_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Drops the end frame and appends one with the checksum and a count taken from the input. */
static void mend(struct buf *b, uint8_t n_records)
{
    size_t at = 0, last = 0;
    while (b->len - at >= 4) {
        const uint8_t *p = b->data + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (len > b->len - at - 4) {
            break;
        }
        last = at;
        at += 4 + len;
    }
    b->len = last;
    autobuf frame = BUF_INIT;
    uint32_t crc = crc32c(0, b->data, b->len);
    mp_put_u64(&frame, 4);
    mp_put_u64(&frame, n_records);
    mp_put_u64(&frame, crc);
    buf_put_u32(b, (uint32_t)frame.len);
    buf_append_slice(b, buf_slice(&frame));
}

/* What was restored works like any store. */
static void use(struct store *s)
{
    autobuf a = BUF_INIT, b = BUF_INIT;
    struct err err = ERR_INIT;
    snapshot_bytes(s, &a);
    struct store *again = snapshot_restore(buf_slice(&a), 1 << 20, NULL, &err);
    if (again == NULL) {
        abort();
    }
    snapshot_bytes(again, &b);
    if (!slice_eq(buf_slice(&a), buf_slice(&b))) {
        abort();
    }
    store_free(again);
    if (store_applied_index(s) < UINT64_MAX && store_revision(s) < INT64_MAX) {
        struct store_result r;
        store_result_init(&r);
        struct command c = { .type = COMMAND_DELETE };
        c.del = (struct delete_request){ slice_make("", 1), slice_make("", 1), true };
        store_apply(s, store_applied_index(s) + 1, &c, &r);
        store_result_fini(&r);
    }
    while (store_compact_step(s, 10)) {
    }
    store_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    autobuf bytes = BUF_INIT;
    buf_append(&bytes, data + 2, size - 2);
    if (data[0] % 2 == 0) {
        mend(&bytes, data[1]);
    }
    struct err err = ERR_INIT;
    struct store *s = snapshot_restore(buf_slice(&bytes), 1 + data[0] / 2, NULL, &err);
    if (s != NULL) {
        use(s);
    }
    return 0;
}
