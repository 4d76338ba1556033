/* msgpack, bounded. Writing appends to a buf (msgpack-c's packer underneath); reading is a cursor
 * over borrowed bytes that never reads past the end and never allocates.
 *
 * Reading is sticky: after the first error every call returns zero values and mp_reader_error()
 * says E_TRUNCATED, E_PROTO (another type) or E_TOOBIG, so that a decoder checks once at its end.
 * Records are arrays with a fixed leading version; a reader skips elements it does not know. */
#ifndef BARQUE_CODEC_MP_H
#define BARQUE_CODEC_MP_H

#include "lib/base/buf.h"

void mp_put_array(struct buf *b, uint32_t n);
void mp_put_map(struct buf *b, uint32_t n);
void mp_put_u64(struct buf *b, uint64_t v);
void mp_put_i64(struct buf *b, int64_t v);
void mp_put_bool(struct buf *b, bool v);
void mp_put_nil(struct buf *b);
void mp_put_bin(struct buf *b, struct slice s);
void mp_put_str(struct buf *b, const char *s);

struct mp_reader {
    const uint8_t *at;
    const uint8_t *end;
    int error;
};

void mp_reader_init(struct mp_reader *r, struct slice bytes);
int mp_reader_error(const struct mp_reader *r);
/* Error unless everything was read. */
int mp_reader_finish(struct mp_reader *r);
/* Number of elements; error when over max. */
uint32_t mp_get_array(struct mp_reader *r, uint32_t max);
uint32_t mp_get_map(struct mp_reader *r, uint32_t max);
uint64_t mp_get_u64(struct mp_reader *r);
int64_t mp_get_i64(struct mp_reader *r);
bool mp_get_bool(struct mp_reader *r);
/* Borrowed bytes of a bin or str; error when longer than max. */
struct slice mp_get_bin(struct mp_reader *r, size_t max);
/* True (and consumed) when the next element is nil. */
bool mp_get_nil(struct mp_reader *r);
/* Skips one element of any type, at most 64 deep. */
void mp_skip(struct mp_reader *r);

#endif
