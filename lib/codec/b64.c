/* Base64: three bytes are four characters of six bits. */
#include "lib/codec/b64.h"

#include "lib/base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void b64_encode(struct slice in, struct buf *out)
{
    size_t size = (in.len + 2) / 3 * 4;
    uint8_t *to = buf_reserve(out, size);

    for (size_t i = 0; i < in.len; i += 3) {
        size_t n = in.len - i < 3 ? in.len - i : 3;
        uint32_t v = (uint32_t)in.data[i] << 16;
        v |= n > 1 ? (uint32_t)in.data[i + 1] << 8 : 0;
        v |= n > 2 ? (uint32_t)in.data[i + 2] : 0;
        *to++ = (uint8_t)alphabet[v >> 18];
        *to++ = (uint8_t)alphabet[v >> 12 & 63];
        *to++ = (uint8_t)(n > 1 ? alphabet[v >> 6 & 63] : '=');
        *to++ = (uint8_t)(n > 2 ? alphabet[v & 63] : '=');
    }
    buf_advance(out, size);
}

/* -1 when c is not of the alphabet. */
static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int b64_decode(struct slice in, struct buf *out)
{
    size_t len = in.len;
    uint32_t bits = 0;
    int n_bits = 0;

    /* Padding is only right when it fills the last group of four. */
    if (len % 4 == 0) {
        for (int i = 0; i < 2 && len > 0 && in.data[len - 1] == '='; i++) {
            len--;
        }
    }
    if (len % 4 == 1) {
        return E_INVAL;
    }
    for (size_t i = 0; i < len; i++) {
        if (sextet(in.data[i]) < 0) {
            return E_INVAL;
        }
    }
    uint8_t *to = buf_reserve(out, len / 4 * 3 + 3);
    size_t size = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 6 | (uint32_t)sextet(in.data[i]);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            to[size++] = (uint8_t)(bits >> n_bits);
        }
    }
    buf_advance(out, size);
    return 0;
}
