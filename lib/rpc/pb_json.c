/* Reading and writing walk the same descriptor tables that protobuf-c packs by: where a field lies
 * in its struct, what it is, and which quantifier tells that it is there.
 *
 * What is read is bounded three ways: nesting by the JSON cursor, items by the caller, and bytes by
 * the text, since nothing that is read becomes longer than it was written. */
#include "lib/rpc/pb_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/codec/b64.h"
#include "lib/codec/json_cursor.h"

struct reader {
    struct json_cursor c;
    struct arena *arena;
    size_t items_left;
    struct buf text; /* of the string being read */
};

static int wrong(struct reader *r, const char *what)
{
    r->c.what = what;
    return E_INVAL;
}

/* --- the members of a struct ------------------------------------------------------------------ */

static void *member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (char *)(uintptr_t)m + f->offset;
}

static void *quantifier(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (char *)(uintptr_t)m + f->quantifier_offset;
}

static bool is_oneof(const ProtobufCFieldDescriptor *f)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Of one element; bytes are two words, everything else is a number or a pointer. */
static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return sizeof(int64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(int32_t);
    }
}

/* --- reading: values -------------------------------------------------------------------------- */

static int read_message(struct reader *r, const ProtobufCMessageDescriptor *d,
                        ProtobufCMessage **ret);

/* A string into r->text. */
static int read_text(struct reader *r)
{
    buf_reset(&r->text);
    return json_read_string(&r->c, &r->text);
}

/* The digits of a number that may stand in quotes, NUL-terminated in r->text. */
static int read_digits(struct reader *r)
{
    if (json_read_peek(&r->c) == '"') {
        return read_text(r);
    }
    struct slice digits;
    int rv = json_read_number(&r->c, &digits);
    buf_reset(&r->text);
    if (rv == 0) {
        buf_append_slice(&r->text, digits);
    }
    return rv;
}

/* Whole numbers only, as etcd reads them: no point, no exponent, no sign but a minus. */
static bool is_whole(struct buf *text, bool is_signed)
{
    const char *p = buf_str(text);
    p += is_signed && *p == '-';
    return *p != '\0' && strspn(p, "0123456789") == text->len - (size_t)(p - buf_str(text));
}

static int read_signed(struct reader *r, int64_t min, int64_t max, int64_t *ret)
{
    int rv = read_digits(r);
    if (rv != 0) {
        return rv;
    }
    if (!is_whole(&r->text, true)) {
        return wrong(r, "a whole number is wanted");
    }
    errno = 0;
    long long v = strtoll(buf_str(&r->text), NULL, 10);
    if (errno != 0 || v < min || v > max) {
        return wrong(r, "a number out of range");
    }
    *ret = v;
    return 0;
}

static int read_unsigned(struct reader *r, uint64_t max, uint64_t *ret)
{
    int rv = read_digits(r);
    if (rv != 0) {
        return rv;
    }
    if (!is_whole(&r->text, false)) {
        return wrong(r, "a whole number that is not negative is wanted");
    }
    errno = 0;
    unsigned long long v = strtoull(buf_str(&r->text), NULL, 10);
    if (errno != 0 || v > max) {
        return wrong(r, "a number out of range");
    }
    *ret = v;
    return 0;
}

static int read_int32(struct reader *r, void *to)
{
    int64_t v;
    int rv = read_signed(r, INT32_MIN, INT32_MAX, &v);
    if (rv == 0) {
        *(int32_t *)to = (int32_t)v;
    }
    return rv;
}

static int read_uint32(struct reader *r, void *to)
{
    uint64_t v;
    int rv = read_unsigned(r, UINT32_MAX, &v);
    if (rv == 0) {
        *(uint32_t *)to = (uint32_t)v;
    }
    return rv;
}

static int read_enum(struct reader *r, const ProtobufCEnumDescriptor *d, void *to)
{
    if (json_read_peek(&r->c) != '"') {
        return read_int32(r, to);
    }
    int rv = read_text(r);
    if (rv != 0) {
        return rv;
    }
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value_by_name(d, buf_str(&r->text));
    if (v == NULL || strlen(v->name) != r->text.len) {
        return wrong(r, "no such value of this enum");
    }
    *(int32_t *)to = v->value;
    return 0;
}

static int read_bool(struct reader *r, void *to)
{
    bool yes = json_read_peek(&r->c) == 't';
    *(protobuf_c_boolean *)to = yes;
    return json_read_literal(&r->c, yes ? "true" : "false");
}

static int read_string(struct reader *r, void *to)
{
    int rv = read_text(r);
    if (rv != 0) {
        return rv;
    }
    if (r->text.len != strlen(buf_str(&r->text))) {
        return wrong(r, "a NUL in a text");
    }
    *(char **)to = arena_strndup(r->arena, buf_str(&r->text), r->text.len);
    return 0;
}

/* Both alphabets, also mixed. */
static int read_bytes(struct reader *r, void *to)
{
    autobuf bytes = BUF_INIT;
    int rv = read_text(r);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < r->text.len; i++) {
        uint8_t b = r->text.data[i];
        r->text.data[i] = b == '-' ? '+' : b == '_' ? '/' : b;
    }
    if (b64_decode(buf_slice(&r->text), &bytes) != 0) {
        return wrong(r, "not base64");
    }
    struct slice copy = arena_dup_slice(r->arena, buf_slice(&bytes));
    *(ProtobufCBinaryData *)to = (ProtobufCBinaryData){ copy.len, (uint8_t *)(uintptr_t)copy.data };
    return 0;
}

/* One value of the field's type, to where such a value lies. */
static int read_value(struct reader *r, const ProtobufCFieldDescriptor *f, void *to)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(r, INT64_MIN, INT64_MAX, to);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(r, UINT64_MAX, to);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_int32(r, to);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_uint32(r, to);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, f->descriptor, to);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, to);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(r, to);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, to);
    case PROTOBUF_C_TYPE_MESSAGE:
        if (r->items_left-- == 0) {
            r->items_left = 0;
            r->c.what = "too many items";
            return E_TOOBIG;
        }
        return read_message(r, f->descriptor, to);
    default:
        return wrong(r, "fractions are not in this API");
    }
}

/* --- reading: fields -------------------------------------------------------------------------- */

/* The list grows by doubling in the arena: at most twice what it needs in the end. */
static int read_list(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    size_t elem = size_of(f->type);
    size_t n = 0, cap = 0;
    char *items = NULL;
    bool first = true;
    int rv = json_read_enter(&r->c, '[');
    while (rv == 0 && (rv = json_read_more(&r->c, &first, ']')) > 0) {
        if (r->items_left == 0) {
            r->c.what = "too many items";
            return E_TOOBIG;
        }
        r->items_left -= f->type != PROTOBUF_C_TYPE_MESSAGE; /* which counts itself */
        if (n == cap) {
            size_t more = cap == 0 ? 4 : 2 * cap;
            char *moved = arena_alloc(r->arena, more * elem);
            if (n > 0) {
                memcpy(moved, items, n * elem);
            }
            items = moved;
            cap = more;
        }
        rv = read_value(r, f, items + n * elem);
        n++;
    }
    if (rv == 0) {
        *(size_t *)quantifier(m, f) = n;
        *(void **)member(m, f) = items;
    }
    return rv;
}

static int read_field(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    if (json_read_peek(&r->c) == 'n') {
        return json_read_literal(&r->c, "null");
    }
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        return read_list(r, f, m);
    }
    /* A failed read may leave half a value: the message is not used then. */
    int rv = read_value(r, f, member(m, f));
    if (rv == 0 && is_oneof(f)) {
        *(uint32_t *)quantifier(m, f) = f->id;
    }
    return rv;
}

/* "sortOrder" is sort_order. */
static bool is_camel_of(const char *key, const char *name)
{
    for (; *name != '\0'; name++, key++) {
        if (*name == '_') {
            name++;
            if (*key != (*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name)) {
                return false;
            }
        } else if (*key != *name) {
            return false;
        }
        if (*name == '\0') {
            return false;
        }
    }
    return *key == '\0';
}

/* NULL when there is none. */
static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *d,
                                                struct buf *key)
{
    const char *name = buf_str(key);
    if (strlen(name) != key->len) {
        return NULL;
    }
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(d, name);
    for (unsigned i = 0; f == NULL && i < d->n_fields; i++) {
        f = is_camel_of(name, d->fields[i].name) ? &d->fields[i] : NULL;
    }
    return f;
}

/* Recursion is bounded by the cursor's depth. */
static int read_message(struct reader *r, const ProtobufCMessageDescriptor *d,
                        ProtobufCMessage **ret)
{
    ProtobufCMessage *m = arena_zalloc(r->arena, d->sizeof_message);
    bool first = true;
    d->message_init(m);
    int rv = json_read_enter(&r->c, '{');
    while (rv == 0 && (rv = json_read_more(&r->c, &first, '}')) > 0) {
        buf_reset(&r->text);
        rv = json_read_key(&r->c, &r->text);
        if (rv == 0) {
            const ProtobufCFieldDescriptor *f = field_of(d, &r->text);
            rv = f != NULL ? read_field(r, f, m) : json_read_skip(&r->c);
        }
    }
    if (rv == 0) {
        *ret = m;
    }
    return rv;
}

int pb_json_read(const ProtobufCMessageDescriptor *descriptor, struct slice text,
                 struct arena *arena, size_t items_max, ProtobufCMessage **ret_message,
                 struct err *err)
{
    struct reader r = { .arena = arena, .items_left = items_max };
    int rv;
    json_cursor_init(&r.c, text);
    if (json_read_peek(&r.c) == '\0' && r.c.at == r.c.end) {
        ProtobufCMessage *m = arena_zalloc(arena, descriptor->sizeof_message);
        descriptor->message_init(m);
        *ret_message = m;
        return 0;
    }
    rv = read_message(&r, descriptor, ret_message);
    if (rv == 0) {
        rv = json_read_end(&r.c);
    }
    buf_fini(&r.text);
    return rv == 0 ? 0 : err_set(err, rv, "JSON, byte %zu: %s", (size_t)(r.c.at - text.data),
                                 r.c.what);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_enum(const ProtobufCEnumDescriptor *d, int32_t number, struct buf *out)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, number);
    if (v != NULL) {
        buf_printf(out, "\"%s\"", v->name);
    } else {
        buf_printf(out, "%" PRId32, number);
    }
}

static void write_bytes(const ProtobufCBinaryData *b, struct buf *out)
{
    buf_append_char(out, '"');
    b64_encode(slice_make(b->data, b->len), out);
    buf_append_char(out, '"');
}

static void write_value(const ProtobufCFieldDescriptor *f, const void *at, struct buf *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_printf(out, "\"%" PRId64 "\"", *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_printf(out, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_printf(out, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(f->descriptor, *(const int32_t *)at, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_append_str(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_quote(slice_str(*(char *const *)at), out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(at, out);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        pb_json_write(*(ProtobufCMessage *const *)at, out);
        break;
    default: /* fractions are not in this API */
        UNREACHABLE();
    }
}

static void write_list(const ProtobufCFieldDescriptor *f, const char *items, size_t n,
                       struct buf *out)
{
    size_t elem = size_of(f->type);
    for (size_t i = 0; i < n; i++) {
        buf_append_char(out, i == 0 ? '[' : ',');
        write_value(f, items + i * elem, out);
    }
    buf_append_char(out, ']');
}

/* Whether a singular field has something to say. */
static bool is_set(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
    static const char zeros[sizeof(int64_t)];
    const void *at = member(m, f);
    if (is_oneof(f) && *(const uint32_t *)quantifier(m, f) != f->id) {
        return false;
    }
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at != NULL;
    case PROTOBUF_C_TYPE_STRING:
        return *(char *const *)at != NULL && (is_oneof(f) || **(char *const *)at != '\0');
    case PROTOBUF_C_TYPE_BYTES:
        return is_oneof(f) || ((const ProtobufCBinaryData *)at)->len > 0;
    default:
        return is_oneof(f) || memcmp(at, zeros, size_of(f->type)) != 0;
    }
}

/* Recursion is as deep as the message, which the walk of pb.h has bounded or our code has made. */
void pb_json_write(const ProtobufCMessage *message, struct buf *out)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    char before = '{';
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
        size_t n = list ? *(const size_t *)quantifier(message, f) : 0;
        if (list ? n == 0 : !is_set(f, message)) {
            continue;
        }
        buf_printf(out, "%c\"%s\":", before, f->name);
        before = ',';
        if (list) {
            write_list(f, *(char *const *)member(message, f), n, out);
        } else {
            write_value(f, member(message, f), out);
        }
    }
    buf_append_str(out, before == '{' ? "{}" : "}");
}
