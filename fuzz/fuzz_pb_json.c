/* Every message of every service as JSON: the first byte chooses it. The rest is taken twice:
 *
 *   as JSON: what is read is written and read back, and both times packs to the same bytes;
 *   as protobuf bytes: what unpacks is written as JSON, is read back, and packs to the same bytes.
 *
 * Memory is bounded by what came. */
#include <stdlib.h>

#include "fuzz/messages.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/codec/json_cursor.h"
#include "lib/rpc/pb.h"
#include "lib/rpc/pb_json.h"

enum { ITEMS_MAX = 500, ITEM_BYTES = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    protobuf_c_message_pack(m, buf_reserve(out, n));
    buf_advance(out, n);
}

/* Texts that JSON cannot carry (not UTF-8) are the one thing that may change on the way. */
static bool same_through_json(const ProtobufCMessage *m, struct arena *arena)
{
    autobuf json = BUF_INIT, first = BUF_INIT, second = BUF_INIT;
    ProtobufCMessage *again = NULL;
    struct err err = ERR_INIT;
    pb_json_write(m, &json);
    struct json_frame frame = { 0 };
    INVARIANT(json_frame_next(&frame, buf_slice(&json)) == (int64_t)json.len);
    if (pb_json_read(m->descriptor, buf_slice(&json), arena, SIZE_MAX, &again, &err) != 0) {
        INVARIANT(err.code == E_TOOBIG); /* messages may be deeper than documents */
        return true;
    }
    pack(m, &first);
    pack(again, &second);
    return slice_eq(buf_slice(&first), buf_slice(&second));
}

static void drop_unknown(ProtobufCMessage *m)
{
    m->n_unknown_fields = 0; /* JSON has no place for them */
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        char *at = (char *)m + f->offset;
        char *q = (char *)m + f->quantifier_offset;
        if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            for (size_t k = 0; k < *(size_t *)(void *)q; k++) {
                drop_unknown((*(ProtobufCMessage ***)(void *)at)[k]);
            }
        } else if (((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                    *(uint32_t *)(void *)q == f->id) &&
                   *(ProtobufCMessage **)(void *)at != NULL) {
            drop_unknown(*(ProtobufCMessage **)(void *)at);
        }
    }
}

static bool all_utf8(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_len(s.data + i, s.data + s.len);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *d = message_choose(data[0]);
    struct slice bytes = slice_make(data + 1, size - 1);
    struct arena arena;
    struct err err = ERR_INIT;
    ProtobufCMessage *m = NULL;
    arena_init(&arena);
    int rv = pb_json_read(d, bytes, &arena, ITEMS_MAX, &m, &err);
    INVARIANT(arena.used_bytes <= 4096 + 16 * size + ITEMS_MAX * ITEM_BYTES);
    if (rv == 0) {
        INVARIANT(same_through_json(m, &arena)); /* what was read is UTF-8 */
    } else {
        INVARIANT(err.code == rv && err.msg[0] != '\0');
    }
    m = pb_unpack(d, bytes, &arena, ITEMS_MAX);
    if (m != NULL) {
        drop_unknown(m);
        bool same = same_through_json(m, &arena);
        INVARIANT(same || !all_utf8(bytes));
    }
    arena_fini(&arena);
    return 0;
}
