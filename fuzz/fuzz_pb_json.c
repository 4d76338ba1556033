/* Every message of every service as JSON: the first byte chooses it. The rest is taken twice:
 *
 *   as JSON: what is read is written and read back, and both times packs to the same bytes;
 *   as protobuf bytes: what unpacks is written as JSON, is read back, and packs to the same bytes;
 *   texts that are not UTF-8 are the one thing that JSON cannot carry.
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

static bool is_utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    while (at < end) {
        size_t n = utf8_len(at, end);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static bool prepare(ProtobufCMessage *m);

/* One element of a field that holds texts or messages. */
static bool prepare_element(const ProtobufCFieldDescriptor *f, void *element)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE ? prepare(element) : is_utf8(element);
}

/* Drops what JSON has no place for: unknown fields. True when JSON can carry all texts as they
 * are. */
static bool prepare(ProtobufCMessage *m)
{
    bool carried = true;
    m->n_unknown_fields = 0;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        void *at = (char *)m + f->offset, *q = (char *)m + f->quantifier_offset;
        if (f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_STRING) {
            continue;
        }
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            for (size_t k = 0; k < *(size_t *)q; k++) {
                carried = prepare_element(f, (*(void ***)at)[k]) && carried;
            }
        } else if (((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 || *(uint32_t *)q == f->id) &&
                   *(void **)at != NULL) {
            carried = prepare_element(f, *(void **)at) && carried;
        }
    }
    return carried;
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
        bool carried = prepare(m);
        bool same = same_through_json(m, &arena);
        INVARIANT(same || !carried);
    }
    arena_fini(&arena);
    return 0;
}
