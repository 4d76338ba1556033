/* The comparison of answers. What may differ is one table: by message and field, and how far. All
 * else is compared: presence of messages, order of repeated fields, unknown fields. */
#include "tests/differential/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum freedom {
    SAME,
    BOTH_OR_NONE, /* names and times of its own: zero in both or in none */
    WITHIN_ONE,   /* what a clock says */
    ANY_ORDER,    /* repeated, in no order that etcd promises */
    NEWER,        /* than that etcd: zero there */
};

static const struct {
    const char *message, *field;
    enum freedom freedom;
} freedoms[] = {
    { "etcdserverpb.ResponseHeader", "cluster_id", BOTH_OR_NONE },
    { "etcdserverpb.ResponseHeader", "member_id", BOTH_OR_NONE },
    { "etcdserverpb.ResponseHeader", "raft_term", BOTH_OR_NONE },
    { "etcdserverpb.LeaseTimeToLiveResponse", "TTL", WITHIN_ONE },
    { "etcdserverpb.LeaseTimeToLiveResponse", "keys", ANY_ORDER }, /* of a Go map there */
    { "etcdserverpb.LeaseLeasesResponse", "leases", ANY_ORDER },   /* of expiry there */
    { "etcdserverpb.HashKVResponse", "hash_revision", NEWER },     /* of 3.6 */
};

static enum freedom freedom_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    for (size_t i = 0; i < sizeof freedoms / sizeof freedoms[0]; i++) {
        if (strcmp(freedoms[i].message, m->descriptor->name) == 0 &&
            strcmp(freedoms[i].field, f->name) == 0) {
            return freedoms[i].freedom;
        }
    }
    return SAME;
}

/* --- a message seen through its descriptor ---------------------------------------------------- */

static size_t value_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(int64_t);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default: /* int32, uint32, enum, bool: etcd's API has no others */
        return sizeof(int32_t);
    }
}

static const char *member_at(const ProtobufCMessage *m, size_t offset)
{
    return (const char *)m + offset;
}

/* How many values the field has: a single scalar has always one. */
static size_t value_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        return *(const size_t *)(const void *)member_at(m, f->quantifier_offset);
    }
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)(const void *)member_at(m, f->quantifier_offset) != f->id) {
        return 0;
    }
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(void *const *)(const void *)member_at(m, f->offset) != NULL;
    }
    return 1;
}

static const void *value_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
    const char *at = member_at(m, f->offset);
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        at = *(const char *const *)(const void *)at + i * value_size(f);
    }
    return at;
}

static ProtobufCMessage *message_in(const void *value)
{
    return *(ProtobufCMessage *const *)value;
}

static int64_t number_in(const ProtobufCFieldDescriptor *f, const void *value)
{
    return value_size(f) == 8 ? *(const int64_t *)value : *(const int32_t *)value;
}

static struct slice bytes_in(const ProtobufCFieldDescriptor *f, const void *value)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)value;
        return slice_str(text != NULL ? text : "");
    }
    const ProtobufCBinaryData *b = value;
    return slice_make(b->data, b->len);
}

static bool has_bytes(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_BYTES || f->type == PROTOBUF_C_TYPE_STRING;
}

/* --- printing --------------------------------------------------------------------------------- */

static bool is_zero(const ProtobufCFieldDescriptor *f, const void *value)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_MESSAGE ||
        (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return false; /* that it is there says something */
    }
    return has_bytes(f) ? bytes_in(f, value).len == 0 : number_in(f, value) == 0;
}

static void print_bytes(struct slice s, struct buf *out)
{
    char *text = str_quote(s, 60);
    buf_append_str(out, text);
    mem_free(text);
    if (s.len > 60) {
        buf_printf(out, "(%zu bytes)", s.len);
    }
}

static void print_value(const ProtobufCFieldDescriptor *f, const void *value, struct buf *out)
{
    buf_printf(out, "%s%s:", out->len > 0 && out->data[out->len - 1] != '{' ? " " : "", f->name);
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        buf_append_char(out, '{');
        fields_print(message_in(value), out);
        buf_append_char(out, '}');
    } else if (has_bytes(f)) {
        print_bytes(bytes_in(f, value), out);
    } else {
        int64_t n = number_in(f, value);
        const ProtobufCEnumValue *e = NULL;
        if (f->type == PROTOBUF_C_TYPE_ENUM) {
            e = protobuf_c_enum_descriptor_get_value(f->descriptor, (int)n);
        }
        e != NULL ? buf_append_str(out, e->name) : buf_printf(out, "%" PRId64, n);
    }
}

void fields_print(const ProtobufCMessage *m, struct buf *out)
{
    if (m == NULL) {
        return;
    }
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        for (size_t k = 0; k < value_count(m, f); k++) {
            if (!is_zero(f, value_at(m, f, k))) {
                print_value(f, value_at(m, f, k), out);
            }
        }
    }
    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        buf_printf(out, " unknown %u:(%zu bytes)", m->unknown_fields[i].tag,
                   m->unknown_fields[i].len);
    }
}

/* --- comparing -------------------------------------------------------------------------------- */

static int compare_bytes(const void *a, const void *b)
{
    const ProtobufCBinaryData *x = a, *y = b;
    return slice_cmp(slice_make(x->data, x->len), slice_make(y->data, y->len));
}

/* By their first field's number: a LeaseStatus has no other. */
static int compare_messages(const void *a, const void *b)
{
    const ProtobufCMessage *x = message_in(a), *y = message_in(b);
    const ProtobufCFieldDescriptor *f = &x->descriptor->fields[0];
    int64_t i = number_in(f, value_at(x, f, 0)), k = number_in(f, value_at(y, f, 0));
    return i < k ? -1 : i > k;
}

static void sort_values(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    size_t n = value_count(m, f);
    if (n > 1) {
        qsort((void *)(uintptr_t)value_at(m, f, 0), n, value_size(f),
              f->type == PROTOBUF_C_TYPE_MESSAGE ? compare_messages : compare_bytes);
    }
}

/* a is Barque's, b etcd's. */
static bool same_value(const ProtobufCFieldDescriptor *f, enum freedom freedom, const void *a,
                       const void *b, struct buf *path)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        return fields_same(message_in(a), message_in(b), path);
    }
    if (has_bytes(f)) {
        return slice_eq(bytes_in(f, a), bytes_in(f, b));
    }
    int64_t x = number_in(f, a), y = number_in(f, b);
    switch (freedom) {
    case BOTH_OR_NONE:
        return (x == 0) == (y == 0);
    case WITHIN_ONE:
        return x == y || (x >= 0 && y >= 0 && llabs(x - y) <= 1);
    case NEWER:
        return x == y || y == 0;
    default:
        return x == y;
    }
}

static bool same_field(ProtobufCMessage *a, ProtobufCMessage *b, const ProtobufCFieldDescriptor *f,
                       struct buf *path)
{
    enum freedom freedom = freedom_of(a, f);
    if (freedom == ANY_ORDER) {
        sort_values(a, f);
        sort_values(b, f);
    }
    size_t before = path->len;
    buf_printf(path, "%s%s", before > 0 ? "." : "", f->name);
    size_t named = path->len, n = value_count(a, f), m = value_count(b, f);
    for (size_t i = 0; i < n && i < m; i++) {
        path->len = named;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            buf_printf(path, "[%zu]", i);
        }
        if (!same_value(f, freedom, value_at(a, f, i), value_at(b, f, i), path)) {
            return false;
        }
    }
    path->len = named;
    if (n != m) {
        buf_printf(path, " (%zu against %zu)", n, m);
        return false;
    }
    path->len = before;
    return true;
}

static bool same_unknown(const ProtobufCMessage *a, const ProtobufCMessage *b, struct buf *path)
{
    for (unsigned i = 0; i < a->n_unknown_fields || i < b->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *x = i < a->n_unknown_fields ? &a->unknown_fields[i]
                                                                        : NULL;
        const ProtobufCMessageUnknownField *y = i < b->n_unknown_fields ? &b->unknown_fields[i]
                                                                        : NULL;
        if (x == NULL || y == NULL || x->tag != y->tag || x->wire_type != y->wire_type ||
            x->len != y->len || memcmp(x->data, y->data, x->len) != 0) {
            buf_printf(path, "%sunknown field %u", path->len > 0 ? "." : "",
                       x != NULL ? x->tag : y->tag);
            return false;
        }
    }
    return true;
}

bool fields_same(ProtobufCMessage *a, ProtobufCMessage *b, struct buf *ret_path)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        if (!same_field(a, b, &a->descriptor->fields[i], ret_path)) {
            return false;
        }
    }
    return same_unknown(a, b, ret_path);
}

ProtobufCMessage *fields_copy(const ProtobufCMessage *m)
{
    autobuf bytes = BUF_INIT;
    size_t n = protobuf_c_message_get_packed_size(m);
    buf_advance(&bytes, protobuf_c_message_pack(m, buf_reserve(&bytes, n + 1)));
    return protobuf_c_message_unpack(m->descriptor, NULL, bytes.len, bytes.data);
}
