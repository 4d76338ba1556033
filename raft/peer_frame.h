/* What two members say to each other, as bytes: frames, the hello and its answer. Pure.
 *
 * Integers are big-endian.
 *
 *     frame   u32 length of payload (1..max), u32 crc32c of payload, payload
 *     hello   "BARQPEER", u32 version, u8 kind (enum peer_kind), u64 cluster id,
 *             u64 from, u64 to (a knock: about whom), u64 stream id (frames: 0; a knock: what),
 *             u8 length of name, name, u8 length of address, address (where the sender listens for
 *             peers)
 *     answer  u8 code, u8 length of text, text
 *     chunk   u8 last (0 or 1), bytes                 (the payloads of a snapshot stream)
 *
 * A connection: the connecting side sends a hello; the other side sends one answer and, when that
 * was a refusal, closes. Later answers on the connection are PEER_ALIVE (what was sent has arrived
 * so far) or PEER_RECEIVED (a whole stream was taken). Magic and version keep their place in every
 * version, so that an old member can be told why it is refused. */
#ifndef BARQUE_RAFT_PEER_FRAME_H
#define BARQUE_RAFT_PEER_FRAME_H

#include <stdbool.h>

#include "lib/base/buf.h"

enum {
    PEER_VERSION = 1,
    PEER_FRAME_HEAD_BYTES = 8,
    PEER_HELLO_MAX_BYTES = 512, /* bound of the first frame: nobody buffers more for a stranger */
    PEER_NAME_MAX = 63,
    PEER_ADDRESS_MAX = 127,
    PEER_TEXT_MAX = 127,
};

enum peer_kind {
    PEER_KIND_FRAMES,
    PEER_KIND_STREAM, /* one snapshot */
    PEER_KIND_KNOCK,  /* from nobody (0) to whoever is there (0); one more frame answers it */
};

struct peer_hello {
    uint32_t version;
    enum peer_kind kind;
    uint64_t cluster_id;
    uint64_t from;
    uint64_t to;
    uint64_t stream_id;
    char name[PEER_NAME_MAX + 1];
    char address[PEER_ADDRESS_MAX + 1];
};

enum peer_code {
    PEER_WELCOME,
    PEER_REFUSED_VERSION,
    PEER_REFUSED_CLUSTER,
    PEER_REFUSED_TARGET,
    PEER_REFUSED_REMOVED,
    PEER_REFUSED_UNKNOWN,
    PEER_ALIVE,
    PEER_RECEIVED,
    PEER_CODES
};

struct peer_answer {
    enum peer_code code;
    char text[PEER_TEXT_MAX + 1];
};

/* Writes length and checksum of the payload that is head followed by body. */
void peer_frame_head(uint8_t ret_head[PEER_FRAME_HEAD_BYTES], struct slice head, struct slice body);
/* Takes the first whole frame from the front of *bytes. 1 and its payload; 0: more bytes are
 * needed; E_PROTO an empty frame, E_TOOBIG longer than max, E_CORRUPT the checksum differs. */
int peer_frame_next(struct slice *bytes, size_t max, struct slice *ret_payload);

void peer_hello_encode(const struct peer_hello *hello, struct buf *out);
/* E_PROTO not a hello; E_UNSUPPORTED another version (only ret_hello->version is set). */
int peer_hello_decode(struct slice payload, struct peer_hello *ret_hello);

void peer_answer_encode(enum peer_code code, const char *text, struct buf *out);
/* E_PROTO. */
int peer_answer_decode(struct slice payload, struct peer_answer *ret_answer);
/* "it belongs to another cluster"; static. */
const char *peer_code_text(enum peer_code code);
static inline bool peer_code_refuses(enum peer_code code)
{
    return code >= PEER_REFUSED_VERSION && code <= PEER_REFUSED_UNKNOWN;
}

#endif
