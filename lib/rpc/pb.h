/* protobuf-c with our memory: unpack into an arena (one reset frees all), pack into shared values.
 * Before unpacking, the wire bytes are walked once with the descriptor, so that a hostile message
 * can neither exhaust the stack (nesting) nor multiply itself in memory (many tiny submessages, or
 * fields: each takes some 80 bytes while it is unpacked, two on the wire). */
#ifndef BARQUE_RPC_PB_H
#define BARQUE_RPC_PB_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/arena.h"
#include "lib/base/value.h"

enum {
    PB_DEPTH_MAX = 64,
    PB_SERVER_SUBMESSAGES_MAX = 32768, /* in one request: a txn has 128 operations */
    PB_FIELDS_PER_SUBMESSAGE = 8,      /* fields in all, known or not: so many times as many */
};

/* NULL when the bytes are malformed, too deep, or hold more than submessages_max submessages or
 * PB_FIELDS_PER_SUBMESSAGE times as many fields. */
ProtobufCMessage *pb_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                            struct arena *arena, size_t submessages_max);
/* The walk alone: 0, E_PROTO (malformed), E_TOOBIG (depth or count). */
int pb_check(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
             size_t submessages_max);

/* Packs with the 5-byte gRPC prefix, in pieces of at most PB_PIECE_BYTES (values are bounded); each
 * piece is handed over. A message of ordinary size is exactly one piece. */
enum { PB_PIECE_BYTES = 1024 * 1024 };
void pb_pack_framed(const ProtobufCMessage *msg, void (*piece)(void *arg, struct value *v),
                    void *arg);

#endif
