/* A growable run of bytes, also used as a string builder. One owner; not thread-safe.
 * `data` is always NUL-terminated past len once anything was written (buf_str). */
#ifndef BARQUE_BASE_BUF_H
#define BARQUE_BASE_BUF_H

#include "lib/base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_init(struct buf *b);
void buf_fini(struct buf *b);  /* frees and leaves an empty buf */
void buf_reset(struct buf *b); /* len = 0, keeps memory */
/* Room for `more` bytes after len; returns where they go. Call buf_advance for what was written. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_advance(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *s);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes (memmove). */
void buf_consume(struct buf *b, size_t n);
/* Big-endian integers, for frames and files. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
struct slice buf_slice(const struct buf *b);
/* NUL-terminated view, never NULL. Valid until the next change. */
const char *buf_str(struct buf *b);
/* Gives the bytes (NUL-terminated, mem_free) to the caller and empties b. */
char *buf_take(struct buf *b);

static inline void buf_autofini_(struct buf *b)
{
    buf_fini(b);
}
#define autobuf __attribute__((cleanup(buf_autofini_))) struct buf

#endif
