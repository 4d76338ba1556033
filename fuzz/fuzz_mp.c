/* Fuzzes the msgpack cursor. The first bytes choose the reads, the rest is read. Whatever
 * happens, the cursor stays inside its bytes, slices do too, and an error stays. Then one
 * element is passed over by mp_skip, which must end. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/assert.h"
#include "lib/codec/mp.h"

enum { READS = 16, MAX = 1000 };

static void check_slice(const struct mp_reader *r, struct slice all, struct slice s)
{
    INVARIANT(s.len <= MAX);
    INVARIANT(s.len == 0 || (s.data >= all.data && s.data + s.len <= all.data + all.len));
    INVARIANT(r->error == 0 || s.len == 0);
}

static void read_one(struct mp_reader *r, struct slice all, uint8_t what)
{
    int before = mp_reader_error(r);
    switch (what % 8) {
    case 0:
        INVARIANT(mp_get_array(r, MAX) <= MAX);
        break;
    case 1:
        INVARIANT(mp_get_map(r, MAX) <= MAX);
        break;
    case 2:
        (void)mp_get_u64(r);
        break;
    case 3:
        (void)mp_get_i64(r);
        break;
    case 4:
        (void)mp_get_bool(r);
        break;
    case 5:
        check_slice(r, all, mp_get_bin(r, MAX));
        break;
    case 6:
        (void)mp_get_nil(r);
        break;
    default:
        mp_skip(r);
        break;
    }
    INVARIANT(before == 0 || mp_reader_error(r) == before);
    INVARIANT(r->at <= r->end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mp_reader r;
    if (size < READS) {
        return 0;
    }
    struct slice all = slice_make(data + READS, size - READS);
    mp_reader_init(&r, all);
    for (size_t i = 0; i < READS; i++) {
        read_one(&r, all, data[i]);
    }
    (void)mp_reader_finish(&r);
    mp_reader_init(&r, all);
    mp_skip(&r);
    INVARIANT(r.at <= r.end);
    return 0;
}
