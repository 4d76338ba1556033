/* Structs to compact JSON, straight into a buf (no tree in between: every write of every
 * controller passes here). Keys come in the table's order and maps sorted, so equal structs give
 * equal bytes: the template's hash and the check "does this update change anything" rest on it. */
#include "api/walk.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* --- scalars ---------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at s; 0 when it is none (overlong, surrogate, cut). */
static size_t utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0; /* also the end of the string */
        }
    }
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

static void write_escape(unsigned char c, struct buf *out)
{
    static const char names[][3] = { ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",
                                     ['\f'] = "\\f", ['\r'] = "\\r" };
    if (c == '"' || c == '\\') {
        buf_append_char(out, '\\');
        buf_append_char(out, (char)c);
    } else if (c < ARRAY_LEN(names) && names[c][0] != 0) {
        buf_append_str(out, names[c]);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

void json_write_string(const char *s, struct buf *out)
{
    buf_append_char(out, '"');
    while (*s != 0) {
        size_t run = 0; /* bytes that are written as they are */
        size_t len = 1;
        while (s[run] != 0) {
            unsigned char c = (unsigned char)s[run];
            len = utf8_len((const unsigned char *)s + run);
            if (c < 0x20 || c == '"' || c == '\\' || len == 0) {
                break;
            }
            run += len;
        }
        buf_append(out, s, run);
        s += run;
        if (*s == 0) {
            break;
        }
        if (len == 0) {
            buf_append_str(out, "\xef\xbf\xbd");
        } else {
            write_escape((unsigned char)*s, out);
        }
        s++;
    }
    buf_append_char(out, '"');
}

static bool write_integer(const struct field *f, const void *base, int64_t v, struct buf *out)
{
    bool present = f->aux != FIELD_NO_AUX ? field_is_set(f, base)
                                          : v != 0 || (f->flags & FIELD_ALWAYS) != 0;
    if (present) {
        buf_printf(out, "%lld", (long long)v);
    }
    return present;
}

static bool write_int_or_percent(const struct int_or_percent *v, struct buf *out)
{
    if (v->set) {
        buf_printf(out, v->percent ? "\"%d%%\"" : "%d", v->value);
    }
    return v->set;
}

/* --- maps and lists --------------------------------------------------------------------------- */

static int compare_pairs(const void *a, const void *b)
{
    const struct string_pair *const *pa = a, *const *pb = b;
    return strcmp((*pa)->key, (*pb)->key);
}

static bool write_string_map(const struct string_map *m, struct buf *out)
{
    if (m->n == 0) {
        return false;
    }
    autofree const struct string_pair **sorted = mem_alloc(m->n * sizeof(struct string_pair *));
    for (size_t i = 0; i < m->n; i++) {
        sorted[i] = &m->items[i];
    }
    qsort(sorted, m->n, sizeof(struct string_pair *), compare_pairs);
    for (size_t i = 0; i < m->n; i++) {
        buf_append_char(out, i == 0 ? '{' : ',');
        json_write_string(sorted[i]->key, out);
        buf_append_char(out, ':');
        json_write_string(sorted[i]->value != NULL ? sorted[i]->value : "", out);
    }
    buf_append_char(out, '}');
    return true;
}

static bool write_string_list(const struct field *f, const void *base, struct buf *out)
{
    size_t n = *field_count(f, base);
    char **items = *(char ***)field_at(f, base);
    for (size_t i = 0; i < n; i++) {
        buf_append_char(out, i == 0 ? '[' : ',');
        json_write_string(items[i] != NULL ? items[i] : "", out);
    }
    if (n != 0) {
        buf_append_char(out, ']');
    }
    return n != 0;
}

static bool write_list(const struct field *f, const void *base, bool revision, struct buf *out)
{
    size_t n = *field_count(f, base);
    const char *items = *(char **)field_at(f, base);
    for (size_t i = 0; i < n; i++) {
        buf_append_char(out, i == 0 ? '[' : ',');
        (void)struct_write(f->schema, items + i * f->schema->size, revision, out);
    }
    if (n != 0) {
        buf_append_char(out, ']');
    }
    return n != 0;
}

static void cut(struct buf *out, size_t len)
{
    out->len = len;
    if (out->data != NULL) {
        out->data[len] = 0;
    }
}

/* An object that came out empty is left out, unless its flag says that it is there. */
static bool write_object(const struct field *f, const void *base, bool revision, struct buf *out)
{
    size_t start = out->len;
    if (!field_is_set(f, base)) {
        return false;
    }
    bool any = struct_write(f->schema, field_at(f, base), revision, out);
    if (!any && f->aux == FIELD_NO_AUX) {
        cut(out, start);
        return false;
    }
    return true;
}

/* --- fields and structs ----------------------------------------------------------------------- */

bool field_write(const struct field *f, const void *base, bool revision, struct buf *out)
{
    const void *at = field_at(f, base);
    switch (f->type) {
    case FIELD_STRING:
        if (*(char *const *)at != NULL) {
            json_write_string(*(char *const *)at, out);
        }
        return *(char *const *)at != NULL;
    case FIELD_BOOL:
        if (!*(const bool *)at && (f->flags & FIELD_ALWAYS) == 0) {
            return false;
        }
        buf_append_str(out, *(const bool *)at ? "true" : "false");
        return true;
    case FIELD_INT32:
        return write_integer(f, base, *(const int32_t *)at, out);
    case FIELD_INT64:
        return write_integer(f, base, *(const int64_t *)at, out);
    case FIELD_REVISION:
        if (!revision || *(const int64_t *)at == 0) {
            return false;
        }
        buf_printf(out, "\"%lld\"", (long long)*(const int64_t *)at);
        return true;
    case FIELD_INT_OR_PERCENT:
        return write_int_or_percent(at, out);
    case FIELD_STRING_MAP:
    case FIELD_QUANTITY_MAP:
        return write_string_map(at, out);
    case FIELD_STRING_LIST:
        return write_string_list(f, base, out);
    case FIELD_OBJECT:
        return write_object(f, base, revision, out);
    case FIELD_LIST:
        return write_list(f, base, revision, out);
    case FIELD_KEPT:
    case FIELD_ABSENT:
    case FIELD_DROPPED:
        return false;
    }
    UNREACHABLE();
}

static void write_comma(struct buf *out)
{
    if (out->len != 0 && out->data[out->len - 1] != '{') {
        buf_append_char(out, ',');
    }
}

void struct_write_fields(const struct schema *schema, const void *base, bool revision,
                         struct buf *out)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct field *f = &schema->fields[i];
        size_t start = out->len;
        write_comma(out);
        buf_append_char(out, '"');
        buf_append_str(out, f->name);
        buf_append(out, "\":", 2);
        if (!field_write(f, base, revision, out)) {
            cut(out, start);
        }
    }
    char **other = schema_other(schema, base);
    size_t len = other != NULL && *other != NULL ? strlen(*other) : 0;
    if (len > 2) { /* "{...}" without its braces */
        write_comma(out);
        buf_append(out, *other + 1, len - 2);
    }
}

bool struct_write(const struct schema *schema, const void *base, bool revision, struct buf *out)
{
    buf_append_char(out, '{');
    size_t start = out->len;
    struct_write_fields(schema, base, revision, out);
    bool any = out->len != start;
    buf_append_char(out, '}');
    return any;
}
