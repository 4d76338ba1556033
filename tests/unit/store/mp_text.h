/* msgpack as text, so that a malformed frame is one line of a table:
 *
 *     12 -3          numbers            T F N     true, false, nil
 *     'ab'           bytes              Z         bytes: a zero, the end of all keys
 *     [ ... ]        an array of what is inside
 *     !              a byte that no msgpack begins with
 *
 * snapshot_text() makes frames of it: `|` ends one, `#` is the checksum of the frames before. */
#ifndef BARQUE_TESTS_STORE_MP_TEXT_H
#define BARQUE_TESTS_STORE_MP_TEXT_H

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/codec/crc32c.h"
#include "lib/codec/mp.h"

static inline uint32_t mp_text_count(const char *p)
{
    uint32_t n = 0;
    for (int depth = 0; *p != '\0' && depth >= 0; p++) {
        bool starts = p[-1] == ' ' && *p != ' ' && *p != ']';
        n += depth == 0 && starts;
        depth += *p == '[';
        depth -= *p == ']';
    }
    return n;
}

/* Words are separated by one blank each; `crc` is what `#` stands for. */
static inline void mp_text(const char *text, uint32_t crc, struct buf *out)
{
    char *after;
    for (const char *p = text; *p != '\0' && *p != '|'; p++) {
        if (*p == '[') {
            mp_put_array(out, mp_text_count(p + 1));
        } else if (*p == '\'') {
            const char *end = strchr(p + 1, '\'');
            mp_put_bin(out, slice_make(p + 1, (size_t)(end - p) - 1));
            p = end;
        } else if (*p == 'Z') {
            mp_put_bin(out, slice_make("", 1));
        } else if (*p == 'T' || *p == 'F') {
            mp_put_bool(out, *p == 'T');
        } else if (*p == 'N') {
            mp_put_nil(out);
        } else if (*p == '#') {
            mp_put_u64(out, crc);
        } else if (*p == '!') {
            buf_put_u8(out, 0xc1);
        } else if (*p == '-') {
            mp_put_i64(out, strtoll(p, &after, 10));
            p = after - 1;
        } else if (*p >= '0' && *p <= '9') {
            mp_put_u64(out, strtoull(p, &after, 10));
            p = after - 1;
        }
    }
}

static inline void snapshot_text(const char *text, struct buf *out)
{
    uint32_t crc = 0;
    for (const char *p = text, *end; p[strspn(p, " ")] != '\0'; p = *end == '|' ? end + 1 : end) {
        autobuf frame = BUF_INIT;
        end = p + strcspn(p, "|");
        size_t at = out->len;
        mp_text(p, crc, &frame);
        buf_put_u32(out, (uint32_t)frame.len);
        buf_append_slice(out, buf_slice(&frame));
        crc = crc32c(crc, out->data + at, out->len - at);
    }
}

#endif
