/* protobuf-c over arenas; the check of hostile nesting; packing with the gRPC prefix. */
#include "lib/rpc/pb.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/rpc/grpc_frame.h"

static void *arena_pb_alloc(void *arg, size_t size)
{
    return arena_alloc(arg, size);
}

static void arena_pb_free(void *arg, void *p)
{
    (void)arg;
    (void)p;
}

/* --- the walk --------------------------------------------------------------------------------- */

struct walk {
    const uint8_t *at;
    const uint8_t *end;
};

/* What a message may still hold. */
struct budget {
    size_t submessages;
    size_t fields;
};

static bool walk_varint(struct walk *w, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (w->at == w->end) {
            return false;
        }
        uint8_t b = *w->at++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool walk_skip(struct walk *w, uint64_t n)
{
    if (n > (uint64_t)(w->end - w->at)) {
        return false;
    }
    w->at += n;
    return true;
}

/* Recursion is bounded by PB_DEPTH_MAX. */
static int walk_message(const ProtobufCMessageDescriptor *d, struct walk w, int depth,
                        struct budget *left)
{
    if (depth > PB_DEPTH_MAX) {
        return E_TOOBIG;
    }
    while (w.at < w.end) {
        uint64_t tag, len;
        /* A field has a number, and it fits 29 bits: protobuf-c takes 0 for one that it does not
         * know, and packs what it then cannot unpack. */
        if (!walk_varint(&w, &tag) || tag >> 3 == 0 || tag >> 32 != 0) {
            return E_PROTO;
        }
        if (left->fields-- == 0) {
            return E_TOOBIG;
        }
        bool ok = true;
        switch (tag & 7) {
        case 0:
            ok = walk_varint(&w, &len);
            break;
        case 1:
            ok = walk_skip(&w, 8);
            break;
        case 5:
            ok = walk_skip(&w, 4);
            break;
        case 2: {
            ok = walk_varint(&w, &len) && len <= (uint64_t)(w.end - w.at);
            if (!ok) {
                break;
            }
            const ProtobufCFieldDescriptor *f =
                protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
            if (f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE) {
                if (left->submessages-- == 0) {
                    return E_TOOBIG;
                }
                int rv = walk_message(f->descriptor, (struct walk){ w.at, w.at + len }, depth + 1,
                                      left);
                if (rv != 0) {
                    return rv;
                }
            }
            w.at += len;
            break;
        }
        default:
            ok = false;
        }
        if (!ok) {
            return E_PROTO;
        }
    }
    return 0;
}

int pb_check(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
             size_t submessages_max)
{
    struct budget left = { submessages_max, SIZE_MAX };
    if (submessages_max <= SIZE_MAX / PB_FIELDS_PER_SUBMESSAGE) {
        left.fields = submessages_max * PB_FIELDS_PER_SUBMESSAGE;
    }
    if (bytes.len == 0) {
        return 0;
    }
    return walk_message(descriptor, (struct walk){ bytes.data, bytes.data + bytes.len }, 1, &left);
}

ProtobufCMessage *pb_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                            struct arena *arena, size_t submessages_max)
{
    if (pb_check(descriptor, bytes, submessages_max) != 0) {
        return NULL;
    }
    ProtobufCAllocator allocator = { arena_pb_alloc, arena_pb_free, arena };
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
}

/* --- packing ---------------------------------------------------------------------------------- */

struct piece_buffer {
    ProtobufCBuffer base;
    struct value *v; /* being filled */
    size_t at;
    size_t left; /* bytes of the message not yet in a piece */
    void (*piece)(void *arg, struct value *v);
    void *arg;
};

static void piece_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    struct piece_buffer *b = CONTAINER_OF(base, struct piece_buffer, base);
    while (len > 0) {
        INVARIANT(b->v != NULL);
        size_t n = b->v->len - b->at < len ? b->v->len - b->at : len;
        memcpy(b->v->data + b->at, data, n);
        b->at += n;
        data += n;
        len -= n;
        if (b->at == b->v->len) {
            b->left -= b->v->len;
            b->piece(b->arg, b->v);
            size_t next = b->left < PB_PIECE_BYTES ? b->left : PB_PIECE_BYTES;
            b->v = next > 0 ? value_alloc(next) : NULL;
            b->at = 0;
        }
    }
}

void pb_pack_framed(const ProtobufCMessage *msg, void (*piece)(void *arg, struct value *v),
                    void *arg)
{
    size_t size = protobuf_c_message_get_packed_size(msg);
    PRE(size <= LIMIT_CLIENT_RECV_BYTES);
    size_t total = size + GRPC_PREFIX_BYTES;
    if (total <= PB_PIECE_BYTES) {
        struct value *v = value_alloc(total);
        grpc_prefix(v->data, size);
        protobuf_c_message_pack(msg, v->data + GRPC_PREFIX_BYTES);
        piece(arg, v);
        return;
    }
    uint8_t prefix[GRPC_PREFIX_BYTES];
    grpc_prefix(prefix, size);
    struct piece_buffer b = {
        .base = { piece_append },
        .v = value_alloc(PB_PIECE_BYTES),
        .left = total,
        .piece = piece,
        .arg = arg,
    };
    piece_append(&b.base, sizeof prefix, prefix);
    protobuf_c_message_pack_to_buffer(msg, &b.base);
    INVARIANT(b.v == NULL);
}
