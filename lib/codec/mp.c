/* msgpack: writing through msgpack-c's packer, reading by a cursor of our own, because msgpack-c's
 * unpacker builds a tree (it allocates by what the bytes claim) and this must not.
 *
 * Every read first checks that its bytes are there; a claimed count is refused when even one-byte
 * elements would not fit into what is left: a short message cannot make a decoder reserve much. */
#include "lib/codec/mp.h"

#include <msgpack/pack.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"

enum { SKIP_DEPTH_MAX = 64 };

/* The first bytes of msgpack's types, as its specification lists them. */
enum {
    MP_FIXMAP = 0x80,
    MP_FIXARRAY = 0x90,
    MP_FIXSTR = 0xa0,
    MP_NIL = 0xc0,
    MP_FALSE = 0xc2,
    MP_TRUE = 0xc3,
    MP_BIN8 = 0xc4,
    MP_EXT8 = 0xc7,
    MP_FLOAT32 = 0xca,
    MP_FLOAT64 = 0xcb,
    MP_UINT8 = 0xcc,
    MP_UINT64 = 0xcf,
    MP_INT8 = 0xd0,
    MP_INT64 = 0xd3,
    MP_FIXEXT1 = 0xd4,
    MP_FIXEXT16 = 0xd8,
    MP_STR8 = 0xd9,
    MP_STR32 = 0xdb,
    MP_ARRAY16 = 0xdc,
    MP_ARRAY32 = 0xdd,
    MP_MAP16 = 0xde,
    MP_MAP32 = 0xdf,
    MP_NEGFIX = 0xe0,
};

/* --- writing --- */

/* The packer's callers know each length when they are compiled, and this is part of them: a number
 * is a store and not a call. */
static inline int write_buf(void *data, const char *bytes, size_t len)
{
    struct buf *b = data;
    if (len < b->cap - b->len) {
        memcpy(b->data + b->len, bytes, len);
        b->len += len;
        b->data[b->len] = 0;
    } else {
        buf_append(b, bytes, len);
    }
    return 0;
}

static msgpack_packer packer_of(struct buf *b)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, b, write_buf);
    return pk;
}

void mp_put_array(struct buf *b, uint32_t n)
{
    msgpack_packer pk = packer_of(b);
    msgpack_pack_array(&pk, n);
}

void mp_put_map(struct buf *b, uint32_t n)
{
    msgpack_packer pk = packer_of(b);
    msgpack_pack_map(&pk, n);
}

void mp_put_u64(struct buf *b, uint64_t v)
{
    msgpack_packer pk = packer_of(b);
    msgpack_pack_uint64(&pk, v);
}

void mp_put_i64(struct buf *b, int64_t v)
{
    msgpack_packer pk = packer_of(b);
    msgpack_pack_int64(&pk, v);
}

void mp_put_bool(struct buf *b, bool v)
{
    msgpack_packer pk = packer_of(b);
    if (v) {
        msgpack_pack_true(&pk);
    } else {
        msgpack_pack_false(&pk);
    }
}

void mp_put_nil(struct buf *b)
{
    msgpack_packer pk = packer_of(b);
    msgpack_pack_nil(&pk);
}

void mp_put_bin(struct buf *b, struct slice s)
{
    PRE(s.len <= UINT32_MAX);
    msgpack_packer pk = packer_of(b);
    msgpack_pack_bin(&pk, s.len);
    buf_append_slice(b, s);
}

void mp_put_str(struct buf *b, const char *s)
{
    size_t len = strlen(s);
    PRE(len <= UINT32_MAX);
    msgpack_packer pk = packer_of(b);
    msgpack_pack_str(&pk, len);
    buf_append(b, s, len);
}

/* --- reading --- */

void mp_reader_init(struct mp_reader *r, struct slice bytes)
{
    const uint8_t *end = bytes.len != 0 ? bytes.data + bytes.len : bytes.data;
    *r = (struct mp_reader){ .at = bytes.data, .end = end };
}

int mp_reader_error(const struct mp_reader *r)
{
    return r->error;
}

/* The first error stays; at = end makes every later read end at once. */
static void fail(struct mp_reader *r, int code)
{
    if (r->error == 0) {
        r->error = code;
    }
    r->at = r->end;
}

int mp_reader_finish(struct mp_reader *r)
{
    if (r->error == 0 && r->at != r->end) {
        fail(r, E_PROTO);
    }
    return r->error;
}

static size_t left(const struct mp_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* The next type byte, not consumed; false (and failed) at the end. */
static bool peek(struct mp_reader *r, uint8_t *ret_type)
{
    if (r->error != 0) {
        return false;
    }
    if (left(r) == 0) {
        fail(r, E_TRUNCATED);
        return false;
    }
    *ret_type = r->at[0];
    return true;
}

/* Consumes the type byte and a big-endian integer of `width` bytes behind it. */
static uint64_t take_uint(struct mp_reader *r, size_t width)
{
    uint64_t v = 0;
    if (left(r) < 1 + width) {
        fail(r, E_TRUNCATED);
        return 0;
    }
    for (size_t i = 1; i <= width; i++) {
        v = v << 8 | r->at[i];
    }
    r->at += 1 + width;
    return v;
}

/* Any integer: `*ret_negative` says that the result is to be read as an int64_t below zero. */
static uint64_t take_int(struct mp_reader *r, bool *ret_negative)
{
    uint8_t type;
    *ret_negative = false;
    if (!peek(r, &type)) {
        return 0;
    }
    if (type < MP_FIXMAP) {
        r->at++;
        return type;
    }
    if (type >= MP_NEGFIX) {
        r->at++;
        *ret_negative = true;
        return (uint64_t)(int64_t)(int8_t)type;
    }
    if (type >= MP_UINT8 && type <= MP_UINT64) {
        return take_uint(r, (size_t)1 << (type - MP_UINT8));
    }
    if (type >= MP_INT8 && type <= MP_INT64) {
        size_t width = (size_t)1 << (type - MP_INT8);
        unsigned shift = (unsigned)(64 - 8 * width);
        uint64_t v = take_uint(r, width);
        int64_t wide = (int64_t)(v << shift) >> shift;
        *ret_negative = wide < 0;
        return (uint64_t)wide;
    }
    fail(r, E_PROTO);
    return 0;
}

uint64_t mp_get_u64(struct mp_reader *r)
{
    bool negative;
    uint64_t v = take_int(r, &negative);
    if (negative) {
        fail(r, E_PROTO);
        return 0;
    }
    return v;
}

int64_t mp_get_i64(struct mp_reader *r)
{
    bool negative;
    uint64_t v = take_int(r, &negative);
    if (!negative && v > INT64_MAX) {
        fail(r, E_PROTO);
        return 0;
    }
    return (int64_t)v;
}

bool mp_get_bool(struct mp_reader *r)
{
    uint8_t type;
    if (!peek(r, &type)) {
        return false;
    }
    if (type != MP_FALSE && type != MP_TRUE) {
        fail(r, E_PROTO);
        return false;
    }
    r->at++;
    return type == MP_TRUE;
}

bool mp_get_nil(struct mp_reader *r)
{
    if (r->error != 0 || left(r) == 0 || r->at[0] != MP_NIL) {
        return false;
    }
    r->at++;
    return true;
}

/* A container's count; `fix` is the type byte of a short one (a low nibble of count), `wide` that
 * with 16 bits of it, the next one has 32. Each element takes at least `elem` bytes. */
static uint32_t take_count(struct mp_reader *r, uint8_t fix, uint8_t wide, uint32_t max,
                           size_t elem)
{
    uint8_t type;
    uint64_t n;
    if (!peek(r, &type)) {
        return 0;
    }
    if ((type & 0xf0) == fix) {
        r->at++;
        n = type & 0x0f;
    } else if (type == wide) {
        n = take_uint(r, 2);
    } else if (type == wide + 1) {
        n = take_uint(r, 4);
    } else {
        fail(r, E_PROTO);
        return 0;
    }
    if (n > max) {
        fail(r, E_TOOBIG);
        return 0;
    }
    if (n > left(r) / elem) {
        fail(r, E_TRUNCATED);
        return 0;
    }
    return (uint32_t)n;
}

uint32_t mp_get_array(struct mp_reader *r, uint32_t max)
{
    return take_count(r, MP_FIXARRAY, MP_ARRAY16, max, 1);
}

uint32_t mp_get_map(struct mp_reader *r, uint32_t max)
{
    return take_count(r, MP_FIXMAP, MP_MAP16, max, 2);
}

struct slice mp_get_bin(struct mp_reader *r, size_t max)
{
    struct slice none = { NULL, 0 };
    uint8_t type;
    uint64_t len;
    if (!peek(r, &type)) {
        return none;
    }
    if ((type & 0xe0) == MP_FIXSTR) {
        r->at++;
        len = type & 0x1f;
    } else if (type >= MP_BIN8 && type < MP_BIN8 + 3) {
        len = take_uint(r, (size_t)1 << (type - MP_BIN8));
    } else if (type >= MP_STR8 && type <= MP_STR32) {
        len = take_uint(r, (size_t)1 << (type - MP_STR8));
    } else {
        fail(r, E_PROTO);
        return none;
    }
    if (r->error != 0) {
        return none;
    }
    if (len > max) {
        fail(r, E_TOOBIG);
        return none;
    }
    if (len > left(r)) {
        fail(r, E_TRUNCATED);
        return none;
    }
    struct slice s = slice_make(r->at, (size_t)len);
    r->at += len;
    return s;
}

static void skip_bytes(struct mp_reader *r, uint64_t n)
{
    if (n > left(r)) {
        fail(r, E_TRUNCATED);
        return;
    }
    r->at += n;
}

/* Skips a scalar wholly, or a container's head; returns how many elements follow. */
static uint64_t skip_one(struct mp_reader *r)
{
    uint8_t type;
    if (!peek(r, &type)) {
        return 0;
    }
    if ((type & 0xf0) == MP_FIXARRAY || type == MP_ARRAY16 || type == MP_ARRAY32) {
        return mp_get_array(r, UINT32_MAX);
    }
    if ((type & 0xf0) == MP_FIXMAP || type == MP_MAP16 || type == MP_MAP32) {
        return 2 * (uint64_t)mp_get_map(r, UINT32_MAX);
    }
    if (type == MP_NIL || type == MP_FALSE || type == MP_TRUE) {
        skip_bytes(r, 1);
    } else if (type == MP_FLOAT32 || type == MP_FLOAT64) {
        skip_bytes(r, type == MP_FLOAT32 ? 5 : 9);
    } else if (type >= MP_FIXEXT1 && type <= MP_FIXEXT16) {
        skip_bytes(r, 2 + ((uint64_t)1 << (type - MP_FIXEXT1)));
    } else if (type >= MP_EXT8 && type < MP_EXT8 + 3) {
        uint64_t len = take_uint(r, (size_t)1 << (type - MP_EXT8));
        if (r->error == 0) {
            skip_bytes(r, len + 1);
        }
    } else if (type < MP_FIXMAP || type >= MP_NEGFIX || (type >= MP_UINT8 && type <= MP_INT64)) {
        bool negative;
        (void)take_int(r, &negative);
    } else {
        (void)mp_get_bin(r, SIZE_MAX); /* 0xc1, which is no type, fails there */
    }
    return 0;
}

void mp_skip(struct mp_reader *r)
{
    uint64_t open[SKIP_DEPTH_MAX]; /* elements still to come, per level */
    size_t depth = 0;
    uint64_t inside = skip_one(r);

    for (;;) {
        if (inside != 0 && depth == SKIP_DEPTH_MAX) {
            fail(r, E_TOOBIG);
            return;
        }
        if (inside != 0) {
            open[depth++] = inside;
        }
        /* cppcheck-suppress uninitvar ; not below depth */
        while (depth > 0 && open[depth - 1] == 0) {
            depth--;
        }
        if (depth == 0 || r->error != 0) {
            return;
        }
        open[depth - 1]--;
        inside = skip_one(r);
    }
}
