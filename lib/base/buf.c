/* A growable run of bytes. The capacity doubles and always has room for one NUL past len, so that
 * any buf can be read as a string without a copy. */
#include "lib/base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

void buf_init(struct buf *b)
{
    *b = (struct buf)BUF_INIT;
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    buf_init(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL) {
        b->data[0] = 0;
    }
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
    INVARIANT(more < SIZE_MAX / 2 - b->len);
    size_t need = b->len + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap * 2;
        if (cap < need) {
            cap = need;
        }
        b->data = mem_realloc(b->data, cap);
        b->cap = cap;
        b->data[b->len] = 0;
    }
    return b->data + b->len;
}

void buf_advance(struct buf *b, size_t n)
{
    PRE(n == 0 || n < b->cap - b->len);
    b->len += n;
    if (b->data != NULL) {
        b->data[b->len] = 0;
    }
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    uint8_t *at = buf_reserve(b, len);
    if (len != 0) {
        memcpy(at, data, len);
    }
    buf_advance(b, len);
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.len);
}

void buf_append_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *at = (char *)buf_reserve(b, 64);
    size_t room = b->cap - b->len;
    int n = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0);
    if ((size_t)n >= room) {
        at = (char *)buf_reserve(b, (size_t)n);
        va_start(ap, fmt);
        (void)vsnprintf(at, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    buf_advance(b, (size_t)n);
}

void buf_consume(struct buf *b, size_t n)
{
    PRE(n <= b->len);
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_append(b, &v, 1);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    v = htobe32(v);
    buf_append(b, &v, sizeof v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    v = htobe64(v);
    buf_append(b, &v, sizeof v);
}

struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->data, b->len);
}

const char *buf_str(struct buf *b)
{
    (void)buf_reserve(b, 0);
    return (const char *)b->data;
}

char *buf_take(struct buf *b)
{
    (void)buf_reserve(b, 0);
    char *s = (char *)b->data;
    buf_init(b);
    return s;
}
