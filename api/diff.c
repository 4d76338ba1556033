/* What differs between two objects, as lines for people:
 *
 *     spec.replicas: 3 -> 6
 *     spec.template.spec.containers[0].image: (none) -> web:2
 *     metadata.labels[tier]: front -> (none) */
#include "api/walk.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum { VALUE_MAX = 200 }; /* characters of a value that are shown */

/* Plain text where that is clear, else as JSON: empty, with a line break, over-long. */
static void write_value(const char *text, struct buf *out)
{
    if (text == NULL) {
        buf_append_str(out, "(none)");
        return;
    }
    size_t len = strlen(text);
    autobuf json = BUF_INIT;
    if (len == 0 || text[strcspn(text, "\n\r\t")] != 0) {
        json_write_string(text, &json);
        text = buf_str(&json);
        len = json.len;
    }
    if (len <= VALUE_MAX) {
        buf_append_str(out, text);
        return;
    }
    len = VALUE_MAX;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
        len--; /* never inside a character */
    }
    buf_append(out, text, len);
    buf_append_str(out, "...");
}

static void write_line(const char *path, const char *a, const char *b, struct buf *out)
{
    buf_printf(out, "%s: ", path);
    write_value(a, out);
    buf_append_str(out, " -> ");
    write_value(b, out);
    buf_append_char(out, '\n');
}

static void diff_maps(const struct string_map *a, const struct string_map *b, const char *path,
                      struct buf *out)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *other = string_map_get(b, a->items[i].key);
        if (!str_eq(a->items[i].value, other)) {
            autofree char *at = mem_printf("%s[%s]", path, a->items[i].key);
            write_line(at, a->items[i].value, other, out);
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        if (string_map_get(a, b->items[i].key) == NULL) {
            autofree char *at = mem_printf("%s[%s]", path, b->items[i].key);
            write_line(at, NULL, b->items[i].value, out);
        }
    }
}

static void diff_lists(const struct field *f, const void *a, const void *b, const char *path,
                       struct buf *out)
{
    size_t na = *field_count(f, a), nb = *field_count(f, b), size = f->schema->size;
    const char *ia = *(char **)field_at(f, a), *ib = *(char **)field_at(f, b);
    for (size_t i = 0; i < na || i < nb; i++) {
        autofree char *at = mem_printf("%s[%zu]", path, i);
        if (i < na && i < nb) {
            struct_diff(f->schema, ia + i * size, ib + i * size, at, out);
            continue;
        }
        autobuf text = BUF_INIT;
        (void)struct_write(f->schema, i < na ? ia + i * size : ib + i * size, false, &text);
        write_line(at, i < na ? buf_str(&text) : NULL, i < na ? NULL : buf_str(&text), out);
    }
}

static void diff_string_lists(const struct field *f, const void *a, const void *b,
                              const char *path, struct buf *out)
{
    size_t na = *field_count(f, a), nb = *field_count(f, b);
    char **ia = *(char ***)field_at(f, a), **ib = *(char ***)field_at(f, b);
    for (size_t i = 0; i < na || i < nb; i++) {
        const char *va = i < na ? ia[i] : NULL, *vb = i < nb ? ib[i] : NULL;
        if (!str_eq(va, vb)) {
            autofree char *at = mem_printf("%s[%zu]", path, i);
            write_line(at, va, vb, out);
        }
    }
}

static void diff_scalars(const struct field *f, const void *a, const void *b, const char *path,
                         struct buf *out)
{
    autobuf ta = BUF_INIT, tb = BUF_INIT;
    const char *va = NULL, *vb = NULL;
    if (f->type == FIELD_STRING) {
        va = *(char **)field_at(f, a);
        vb = *(char **)field_at(f, b);
    } else {
        va = field_write(f, a, false, &ta) ? buf_str(&ta) : NULL;
        vb = field_write(f, b, false, &tb) ? buf_str(&tb) : NULL;
    }
    if (!str_eq(va, vb)) {
        write_line(path, va, vb, out);
    }
}

static void diff_other_keys(json_t *a, json_t *b, bool added_only, const char *path,
                            struct buf *out)
{
    const char *key;
    json_t *v;
    json_object_foreach (added_only ? b : a, key, v) {
        json_t *va = json_object_get(a, key), *vb = json_object_get(b, key);
        if ((added_only && va != NULL) || (va != NULL && vb != NULL && json_equal(va, vb))) {
            continue;
        }
        autobuf ta = BUF_INIT, tb = BUF_INIT;
        if (va != NULL) {
            json_write(va, &ta);
        }
        if (vb != NULL) {
            json_write(vb, &tb);
        }
        autofree char *at = mem_printf("%s%s%s", path, path[0] != 0 ? "." : "", key);
        write_line(at, va != NULL ? buf_str(&ta) : NULL, vb != NULL ? buf_str(&tb) : NULL, out);
    }
}

static void diff_other(const char *a, const char *b, const char *path, struct buf *out)
{
    json_auto_t *ja = NULL, *jb = NULL;
    if (str_eq(a, b) || json_parse(slice_str(a != NULL ? a : "{}"), &ja, NULL) != 0 ||
        json_parse(slice_str(b != NULL ? b : "{}"), &jb, NULL) != 0) {
        return;
    }
    diff_other_keys(ja, jb, false, path, out);
    diff_other_keys(ja, jb, true, path, out);
}

/* Both there: field by field; else the one that is there as a whole. */
static void diff_objects(const struct field *f, const void *a, const void *b, const char *path,
                         struct buf *out)
{
    if (field_is_set(f, a) && field_is_set(f, b)) {
        struct_diff(f->schema, field_at(f, a), field_at(f, b), path, out);
    } else {
        diff_scalars(f, a, b, path, out);
    }
}

void struct_diff(const struct schema *schema, const void *a, const void *b, const char *path,
                 struct buf *out)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct field *f = &schema->fields[i];
        autofree char *at = mem_printf("%s%s%s", path, path[0] != 0 ? "." : "", f->name);
        switch (f->type) {
        case FIELD_STRING_MAP:
        case FIELD_QUANTITY_MAP:
            diff_maps(field_at(f, a), field_at(f, b), at, out);
            break;
        case FIELD_LIST:
            diff_lists(f, a, b, at, out);
            break;
        case FIELD_STRING_LIST:
            diff_string_lists(f, a, b, at, out);
            break;
        case FIELD_OBJECT:
            diff_objects(f, a, b, at, out);
            break;
        case FIELD_REVISION:
        case FIELD_KEPT:
        case FIELD_ABSENT:
        case FIELD_DROPPED:
            break;
        default:
            diff_scalars(f, a, b, at, out);
            break;
        }
    }
    char **other = schema_other(schema, a);
    if (other != NULL) {
        diff_other(*other, *schema_other(schema, b), path, out);
    }
}
