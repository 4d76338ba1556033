/* Reassembly of gRPC messages, timeouts and percent-encoding. */
#include "lib/rpc/grpc_frame.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/err.h"

void grpc_reader_init(struct grpc_reader *r, size_t max_bytes)
{
    buf_init(&r->part);
    r->max_bytes = max_bytes;
}

void grpc_reader_fini(struct grpc_reader *r)
{
    buf_fini(&r->part);
}

void grpc_prefix(uint8_t *to, size_t len)
{
    to[0] = 0;
    to[1] = (uint8_t)(len >> 24);
    to[2] = (uint8_t)(len >> 16);
    to[3] = (uint8_t)(len >> 8);
    to[4] = (uint8_t)len;
}

/* The payload length of a whole prefix. */
static int prefix_parse(const struct grpc_reader *r, const uint8_t *p, size_t *ret_len)
{
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    *ret_len = len;
    if (p[0] != 0) {
        return E_UNSUPPORTED;
    }
    return len > r->max_bytes ? E_TOOBIG : 0;
}

/* Moves bytes into r->part until it holds `want`; false when the bytes ran out. */
static bool part_fill(struct grpc_reader *r, struct slice *bytes, size_t want)
{
    size_t n = want - r->part.len < bytes->len ? want - r->part.len : bytes->len;
    buf_append(&r->part, bytes->data, n);
    *bytes = slice_make(bytes->data + n, bytes->len - n);
    return r->part.len == want;
}

/* The first bytes of a message. Room for all of it spares copies; beyond a window of HTTP/2 it is
 * made only for what has come, so that a length alone costs nobody memory. */
static void part_begin(struct grpc_reader *r, struct slice bytes, size_t total)
{
    enum { TRUSTED_BYTES = 64 * 1024 };
    if (total <= TRUSTED_BYTES) {
        (void)buf_reserve(&r->part, total);
    }
    buf_append_slice(&r->part, bytes);
}

/* The message begun earlier. Sets *ret_again when it is whole and was passed on. */
static int part_feed(struct grpc_reader *r, struct slice *bytes,
                     bool (*message)(void *arg, struct slice payload), void *arg, size_t *ret_len)
{
    if (r->part.len < GRPC_PREFIX_BYTES && !part_fill(r, bytes, GRPC_PREFIX_BYTES)) {
        return 0;
    }
    int rv = prefix_parse(r, r->part.data, ret_len);
    if (rv != 0 || !part_fill(r, bytes, GRPC_PREFIX_BYTES + *ret_len)) {
        return rv;
    }
    /* The reader may be fed again, or freed, by what the message leads to: leave it clean first. */
    struct buf whole = r->part;
    buf_init(&r->part);
    bool go_on = message(arg, slice_make(whole.data + GRPC_PREFIX_BYTES, *ret_len));
    buf_fini(&whole);
    return go_on ? 0 : E_CANCELED;
}

int grpc_reader_feed(struct grpc_reader *r, struct slice bytes,
                     bool (*message)(void *arg, struct slice payload), void *arg, size_t *ret_len)
{
    while (bytes.len > 0) {
        if (r->part.len > 0) {
            int rv = part_feed(r, &bytes, message, arg, ret_len);
            if (rv != 0) {
                return rv;
            }
            continue;
        }
        if (bytes.len < GRPC_PREFIX_BYTES) {
            buf_append_slice(&r->part, bytes);
            return 0;
        }
        int rv = prefix_parse(r, bytes.data, ret_len);
        if (rv != 0) {
            return rv;
        }
        size_t total = GRPC_PREFIX_BYTES + *ret_len;
        if (bytes.len < total) {
            part_begin(r, bytes, total);
            return 0;
        }
        struct slice payload = slice_make(bytes.data + GRPC_PREFIX_BYTES, *ret_len);
        bytes = slice_make(bytes.data + total, bytes.len - total);
        if (!message(arg, payload)) {
            return E_CANCELED;
        }
    }
    return 0;
}

/* --- timeouts --------------------------------------------------------------------------------- */

int grpc_timeout_parse(struct slice text, uint64_t *ret_ms)
{
    static const struct {
        char unit;
        uint64_t mul, div; /* to milliseconds */
    } units[] = {
        { 'H', 3600000, 1 }, { 'M', 60000, 1 },  { 'S', 1000, 1 },
        { 'm', 1, 1 },       { 'u', 1, 1000 },   { 'n', 1, 1000000 },
    };
    if (text.len < 2 || text.len > 9) {
        return E_INVAL;
    }
    uint64_t v = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return E_INVAL;
        }
        v = v * 10 + (uint64_t)(text.data[i] - '0');
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.data[text.len - 1] == (uint8_t)units[i].unit) {
            *ret_ms = (v * units[i].mul + units[i].div - 1) / units[i].div;
            return 0;
        }
    }
    return E_INVAL;
}

void grpc_timeout_format(uint64_t ms, char *ret_text)
{
    static const struct {
        char unit;
        uint64_t ms;
    } units[] = { { 'm', 1 }, { 'S', 1000 }, { 'M', 60000 }, { 'H', 3600000 } };
    uint64_t v = ms;
    size_t i = 0;
    while (v > 99999999 && i + 1 < sizeof units / sizeof units[0]) {
        i++;
        v = ms / units[i].ms + (ms % units[i].ms != 0);
    }
    snprintf(ret_text, 16, "%" PRIu64 "%c", v > 99999999 ? (uint64_t)99999999 : v, units[i].unit);
}

/* --- texts ------------------------------------------------------------------------------------ */

void grpc_percent_encode(struct buf *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *p = text; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            buf_append_char(out, (char)c);
        } else {
            char esc[3] = { '%', hex[c >> 4], hex[c & 15] };
            buf_append(out, esc, sizeof esc);
        }
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void grpc_percent_decode(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        int c = text.data[i];
        if (c == '%' && i + 2 < text.len) {
            int hi = hex_value(text.data[i + 1]);
            int lo = hex_value(text.data[i + 2]);
            if (hi >= 0 && lo >= 0) {
                c = hi << 4 | lo;
                i += 2;
            }
        }
        buf_append_char(out, c == 0 ? '?' : (char)c);
    }
}
