/* Term, vote and identity, as a damaged disk may give them back. Even inputs are read as they are;
 * odd ones choose two copies that are written one after the other and damage in either: what
 * is read is one of the copies, and the newer one wherever that is whole. */
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "raft/meta.h"

enum { FLIPS_MAX = 4, AT = META_BYTES / 2, FIELDS_AT = 16, FIELDS_BYTES = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_is(struct slice bytes)
{
    struct meta m = { 0 };
    struct err err = ERR_INIT;
    int rv = meta_parse(bytes, "meta", &m, &err);
    INVARIANT(rv == 0 || rv == E_CORRUPT || rv == E_UNSUPPORTED);
    INVARIANT((rv == 0) == (err.msg[0] == '\0'));
    if (rv == 0) {
        uint8_t copy[META_COPY_BYTES];
        meta_encode(&m, copy); /* its fields are one of the two's, byte for byte */
        const uint8_t *fields = copy + FIELDS_AT;
        INVARIANT(memcmp(fields, bytes.data + FIELDS_AT, FIELDS_BYTES) == 0 ||
                  (bytes.len >= AT + META_COPY_BYTES &&
                   memcmp(fields, bytes.data + AT + FIELDS_AT, FIELDS_BYTES) == 0));
    }
}

/* input: {term, vote, sequence distance}, then {copy, offset, bit} for each flip. */
static void damaged(struct slice input)
{
    uint8_t bytes[META_BYTES] = { 0 };
    struct meta old = { .cluster_id = 1, .member_id = 2, .seq = 9, .term = input.data[0],
                        .vote = input.data[1], .epoch = 3, .ready = true };
    struct meta new = old;
    bool whole[2] = { true, true };
    new.seq += input.data[2] % 2;
    new.term += input.data[2] % 2;
    meta_encode(&new, bytes);
    meta_encode(&old, bytes + AT);
    input = slice_make(input.data + 3, input.len - 3);
    for (int i = 0; i < FLIPS_MAX && input.len >= 3; i++) {
        size_t copy = input.data[0] % 2, at = input.data[1] % META_COPY_BYTES;
        bytes[copy * AT + at] ^= (uint8_t)(1u << input.data[2] % 8);
        input = slice_make(input.data + 3, input.len - 3);
    }
    uint8_t as[META_COPY_BYTES];
    meta_encode(&new, as);
    whole[0] = memcmp(as, bytes, sizeof as) == 0;
    meta_encode(&old, as);
    whole[1] = memcmp(as, bytes + AT, sizeof as) == 0;
    struct meta m = { 0 };
    struct err err = ERR_INIT;
    int rv = meta_parse(slice_make(bytes, sizeof bytes), "meta", &m, &err);
    INVARIANT(rv == (whole[0] || whole[1] ? 0 : E_CORRUPT));
    const struct meta *want = whole[0] ? &new : &old;
    INVARIANT(rv != 0 || (m.term == want->term && m.vote == want->vote && m.seq == want->seq));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_set_level(LOG_OFF);
    if (size > 4 && (data[0] & 1) != 0) {
        damaged(slice_make(data + 1, size - 1));
    } else {
        as_is(slice_make(data, size));
    }
    return 0;
}
