/* The sum is checked before anything else is believed: what follows reads only text that a member
 * wrote. */
#include "server/token.h"

#include <inttypes.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/codec/secret.h"

enum { TEXT_BYTES_MAX = 2 * LIMIT_AUTH_NAME_BYTES + 2 * 21 + 1 + 2 * SECRET_SUM_BYTES };

void token_write(struct slice key, const struct token *t, struct buf *out)
{
    uint8_t sum[SECRET_SUM_BYTES];
    size_t from = out->len;
    PRE(t->user_len <= sizeof t->user);
    secret_hex(t->user, t->user_len, out);
    buf_printf(out, ".%" PRIu64 ".%" PRIu64, t->since, t->expiry_s);
    secret_sum(key, slice_make(out->data + from, out->len - from), sum);
    buf_append_char(out, '.');
    secret_hex(sum, sizeof sum, out);
}

/* Cuts off what stands behind the last dot; false when there is none. */
static bool cut_last(struct slice *text, struct slice *ret_last)
{
    for (size_t i = text->len; i-- > 0;) {
        if (text->data[i] == '.') {
            *ret_last = slice_make(text->data + i + 1, text->len - i - 1);
            *text = slice_make(text->data, i);
            return true;
        }
    }
    return false;
}

static bool cut_number(struct slice *text, uint64_t *ret_number)
{
    struct slice digits;
    char number[24];
    if (!cut_last(text, &digits) || digits.len >= sizeof number) {
        return false;
    }
    memcpy(number, digits.data, digits.len);
    number[digits.len] = '\0';
    return str_parse_u64(number, INT64_MAX, ret_number) == 0;
}

int token_read(struct slice key, struct slice text, struct token *ret_token)
{
    uint8_t want[SECRET_SUM_BYTES], is[SECRET_SUM_BYTES];
    struct slice rest = text, sum;
    if (text.len > TEXT_BYTES_MAX || !cut_last(&rest, &sum) ||
        secret_unhex(sum, want, sizeof want) != 0) {
        return E_AUTH_TOKEN;
    }
    secret_sum(key, rest, is);
    if (!secret_equal(is, want, sizeof is)) {
        return E_AUTH_TOKEN;
    }
    struct token t;
    if (!cut_number(&rest, &t.expiry_s) || !cut_number(&rest, &t.since) ||
        rest.len / 2 > sizeof t.user || secret_unhex(rest, t.user, rest.len / 2) != 0) {
        return E_AUTH_TOKEN;
    }
    t.user_len = rest.len / 2;
    *ret_token = t;
    return 0;
}
