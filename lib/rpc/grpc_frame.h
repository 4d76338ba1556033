/* The small parts of gRPC's wire form: message frames, timeouts, percent-encoded texts.
 *
 * A message is  1 byte compressed flag (0) | 4 bytes length, big-endian | length bytes.  Messages
 * do not follow DATA frames: they are put together again here. A message that lies whole in the
 * bytes given is passed on without a copy; otherwise memory grows with the bytes that came, never
 * with the length announced. */
#ifndef BARQUE_RPC_GRPC_FRAME_H
#define BARQUE_RPC_GRPC_FRAME_H

#include "lib/base/buf.h"

enum { GRPC_PREFIX_BYTES = 5 };

struct grpc_reader {
    struct buf part; /* an incomplete message with its prefix */
    size_t max_bytes;
};

void grpc_reader_init(struct grpc_reader *r, size_t max_bytes);
void grpc_reader_fini(struct grpc_reader *r);

/* Feeds bytes; `message` is called for each whole message and returns false to stop (the rest is
 * dropped). 0; E_TOOBIG (announced length over the limit, *ret_len set); E_UNSUPPORTED (compressed
 * flag set); E_CANCELED (stopped). After an error the reader must not be fed again. */
int grpc_reader_feed(struct grpc_reader *r, struct slice bytes,
                     bool (*message)(void *arg, struct slice payload), void *arg, size_t *ret_len);
/* True when no half message waits: a stream may end only there. */
static inline bool grpc_reader_clean(const struct grpc_reader *r)
{
    return r->part.len == 0;
}

void grpc_prefix(uint8_t *to, size_t len);

/* "100m" -> ms, rounded up; units H M S m u n; at most 8 digits. E_INVAL otherwise. */
int grpc_timeout_parse(struct slice text, uint64_t *ret_ms);
/* The other way, never shorter (but 99999999 hours are the most); at least 16 bytes. */
void grpc_timeout_format(uint64_t ms, char *ret_text);

/* grpc-message: bytes outside 0x20..0x7e and '%' are written as %XX. */
void grpc_percent_encode(struct buf *out, const char *text);
/* Lenient: a broken %XX stays as it is. Control bytes become '?' . */
void grpc_percent_decode(struct buf *out, struct slice text);

#endif
