/* Varints, lengths and fixed numbers; see the header. */
#include "lib/codec/pb_wire.h"

#include "lib/base/err.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5, VARINT_MAX_BYTES = 10 };

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_put_u8(out, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_put_u8(out, (uint8_t)v);
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

void pb_wire_put_u64(struct buf *out, uint32_t field, uint64_t v)
{
    if (v != 0) {
        put_varint(out, (uint64_t)field << 3 | WIRE_VARINT);
        put_varint(out, v);
    }
}

void pb_wire_put_bytes(struct buf *out, uint32_t field, struct slice v)
{
    if (v.len != 0) {
        put_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
        put_varint(out, v.len);
        buf_append_slice(out, v);
    }
}

size_t pb_wire_u64_size(uint32_t field, uint64_t v)
{
    return v == 0 ? 0 : varint_size((uint64_t)field << 3) + varint_size(v);
}

size_t pb_wire_bytes_size(uint32_t field, size_t len)
{
    return len == 0 ? 0 : varint_size((uint64_t)field << 3) + varint_size(len) + len;
}

/* --- reading --- */

static bool get_varint(struct pb_wire *w, uint64_t *ret)
{
    uint64_t v = 0;
    for (int i = 0; i < VARINT_MAX_BYTES; i++) {
        if (w->at == w->end) {
            return false;
        }
        uint8_t b = *w->at++;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_fixed(struct pb_wire *w, size_t bytes, uint64_t *ret)
{
    if ((size_t)(w->end - w->at) < bytes) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;) {
        v = v << 8 | w->at[i];
    }
    w->at += bytes;
    *ret = v;
    return true;
}

static bool get_value(struct pb_wire *w, unsigned type, struct pb_wire_field *f)
{
    uint64_t len = 0;
    switch (type) {
    case WIRE_VARINT:
        return get_varint(w, &f->u64);
    case WIRE_FIXED64:
        return get_fixed(w, 8, &f->u64);
    case WIRE_FIXED32:
        return get_fixed(w, 4, &f->u64);
    case WIRE_BYTES:
        if (!get_varint(w, &len) || len > (size_t)(w->end - w->at)) {
            return false;
        }
        f->is_bytes = true;
        f->bytes = slice_make(w->at, (size_t)len);
        w->at += len;
        return true;
    default:
        return false;
    }
}

int pb_wire_next(struct pb_wire *w, struct pb_wire_field *ret_field)
{
    uint64_t tag = 0;
    struct pb_wire_field f = { 0 };
    if (w->at == w->end) {
        return 0;
    }
    if (!get_varint(w, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX ||
        !get_value(w, tag & 7, &f)) {
        return E_PROTO;
    }
    f.number = (uint32_t)(tag >> 3);
    *ret_field = f;
    return 1;
}
