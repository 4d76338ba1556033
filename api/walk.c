/* Free, copy and compare structs by their schema. Inline rows (offset 0) walk the same struct
 * again with the inner rows, so each member is visited exactly once. */
#include "api/walk.h"

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

/* --- free ------------------------------------------------------------------------------------- */

static void string_map_fini(struct string_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        mem_free(m->items[i].key);
        mem_free(m->items[i].value);
    }
    mem_free(m->items);
    *m = (struct string_map){ NULL, 0 };
}

static void string_list_fini(char ***items, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        mem_free((*items)[i]);
    }
    mem_free(*items);
    *items = NULL;
    *n = 0;
}

static void list_fini(const struct field *f, void *base)
{
    char **items = field_at(f, base);
    size_t *n = field_count(f, base);
    for (size_t i = 0; i < *n; i++) {
        struct_fini(f->schema, *items + i * f->schema->size);
    }
    mem_free(*items);
    *items = NULL;
    *n = 0;
}

static void field_fini(const struct field *f, void *base)
{
    void *at = field_at(f, base);
    switch (f->type) {
    case FIELD_STRING:
        mem_free(*(char **)at);
        *(char **)at = NULL;
        return;
    case FIELD_STRING_MAP:
    case FIELD_QUANTITY_MAP:
        string_map_fini(at);
        return;
    case FIELD_STRING_LIST:
        string_list_fini(at, field_count(f, base));
        return;
    case FIELD_OBJECT:
        struct_fini(f->schema, at);
        if (f->aux != FIELD_NO_AUX) {
            *(bool *)((char *)base + f->aux) = false;
        }
        return;
    case FIELD_LIST:
        list_fini(f, base);
        return;
    case FIELD_BOOL:
        *(bool *)at = false;
        return;
    case FIELD_INT32:
        *(int32_t *)at = 0;
        break;
    case FIELD_INT64:
    case FIELD_REVISION:
        *(int64_t *)at = 0;
        break;
    case FIELD_INT_OR_PERCENT:
        *(struct int_or_percent *)at = (struct int_or_percent){ false, false, 0 };
        return;
    case FIELD_KEPT:
    case FIELD_ABSENT:
    case FIELD_DROPPED:
        return;
    }
    if (f->aux != FIELD_NO_AUX) {
        *(bool *)((char *)base + f->aux) = false;
    }
}

void struct_fini(const struct schema *schema, void *base)
{
    for (size_t i = 0; i < schema->n; i++) {
        field_fini(&schema->fields[i], base);
    }
    char **other = schema_other(schema, base);
    if (other != NULL) {
        mem_free(*other);
        *other = NULL;
    }
}

/* --- copy ------------------------------------------------------------------------------------- */

static char *dup_or_null(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

void string_map_copy(struct string_map *to, const struct string_map *from)
{
    struct string_map copy = { NULL, 0 };
    PRE(to != from);
    if (from->n != 0) {
        copy.items = mem_zalloc(from->n * sizeof *copy.items);
        copy.n = from->n;
    }
    for (size_t i = 0; i < from->n; i++) {
        copy.items[i].key = dup_or_null(from->items[i].key);
        copy.items[i].value = dup_or_null(from->items[i].value);
    }
    string_map_fini(to);
    *to = copy;
}

static void string_list_copy(const struct field *f, void *to, const void *from)
{
    size_t n = *field_count(f, from);
    char **items = *(char ***)field_at(f, from);
    if (n == 0) {
        return;
    }
    char **copy = mem_zalloc(n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i] = dup_or_null(items[i]);
    }
    *(char ***)field_at(f, to) = copy;
    *field_count(f, to) = n;
}

static void list_copy(const struct field *f, void *to, const void *from)
{
    size_t n = *field_count(f, from);
    const char *items = *(char **)field_at(f, from);
    if (n == 0) {
        return;
    }
    char *copy = mem_zalloc(n * f->schema->size);
    for (size_t i = 0; i < n; i++) {
        struct_copy(f->schema, copy + i * f->schema->size, items + i * f->schema->size);
    }
    *(char **)field_at(f, to) = copy;
    *field_count(f, to) = n;
}

static void flag_copy(const struct field *f, void *to, const void *from)
{
    if (f->aux != FIELD_NO_AUX) {
        *(bool *)((char *)to + f->aux) = *(const bool *)((const char *)from + f->aux);
    }
}

static void field_copy(const struct field *f, void *to, const void *from)
{
    void *at = field_at(f, to);
    const void *src = field_at(f, from);
    switch (f->type) {
    case FIELD_STRING:
        *(char **)at = dup_or_null(*(char *const *)src);
        return;
    case FIELD_BOOL:
        *(bool *)at = *(const bool *)src;
        return;
    case FIELD_INT32:
        *(int32_t *)at = *(const int32_t *)src;
        flag_copy(f, to, from);
        return;
    case FIELD_INT64:
    case FIELD_REVISION:
        *(int64_t *)at = *(const int64_t *)src;
        flag_copy(f, to, from);
        return;
    case FIELD_INT_OR_PERCENT:
        *(struct int_or_percent *)at = *(const struct int_or_percent *)src;
        return;
    case FIELD_STRING_MAP:
    case FIELD_QUANTITY_MAP:
        string_map_copy(at, src);
        return;
    case FIELD_STRING_LIST:
        string_list_copy(f, to, from);
        return;
    case FIELD_OBJECT:
        flag_copy(f, to, from);
        struct_copy(f->schema, at, src);
        return;
    case FIELD_LIST:
        list_copy(f, to, from);
        return;
    case FIELD_KEPT:
    case FIELD_ABSENT:
    case FIELD_DROPPED:
        return;
    }
}

void struct_copy(const struct schema *schema, void *to, const void *from)
{
    for (size_t i = 0; i < schema->n; i++) {
        field_copy(&schema->fields[i], to, from);
    }
    char **other = schema_other(schema, to);
    if (other != NULL) {
        *other = dup_or_null(*schema_other(schema, from));
    }
}

/* --- equal ------------------------------------------------------------------------------------ */

bool string_map_equal(const struct string_map *a, const struct string_map *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        /* The usual case: the same order. */
        const char *other = str_eq(a->items[i].key, b->items[i].key)
                                ? b->items[i].value
                                : string_map_get(b, a->items[i].key);
        if (!str_eq(a->items[i].value, other)) {
            return false;
        }
    }
    return true;
}

static bool list_equal(const struct field *f, const void *a, const void *b)
{
    size_t n = *field_count(f, a);
    if (n != *field_count(f, b)) {
        return false;
    }
    const char *ia = *(char **)field_at(f, a);
    const char *ib = *(char **)field_at(f, b);
    for (size_t i = 0; i < n; i++) {
        bool same = f->type == FIELD_LIST
                        ? struct_equal(f->schema, ia + i * f->schema->size,
                                       ib + i * f->schema->size)
                        : str_eq(((char *const *)(const void *)ia)[i],
                                 ((char *const *)(const void *)ib)[i]);
        if (!same) {
            return false;
        }
    }
    return true;
}

static bool other_equal(const char *a, const char *b)
{
    if (str_eq(a, b)) {
        return true;
    }
    if (a == NULL || b == NULL) {
        return false;
    }
    json_auto_t *ja = NULL, *jb = NULL;
    return json_parse(slice_str(a), &ja, NULL) == 0 && json_parse(slice_str(b), &jb, NULL) == 0 &&
           json_equal(ja, jb);
}

static bool field_equal(const struct field *f, const void *a, const void *b)
{
    const void *va = field_at(f, a), *vb = field_at(f, b);
    switch (f->type) {
    case FIELD_STRING:
        return str_eq(*(char *const *)va, *(char *const *)vb);
    case FIELD_BOOL:
        return *(const bool *)va == *(const bool *)vb;
    case FIELD_INT32:
        return *(const int32_t *)va == *(const int32_t *)vb &&
               field_is_set(f, a) == field_is_set(f, b);
    case FIELD_INT64:
        return *(const int64_t *)va == *(const int64_t *)vb &&
               field_is_set(f, a) == field_is_set(f, b);
    case FIELD_INT_OR_PERCENT: {
        const struct int_or_percent *pa = va, *pb = vb;
        return pa->set == pb->set && pa->percent == pb->percent && pa->value == pb->value;
    }
    case FIELD_STRING_MAP:
    case FIELD_QUANTITY_MAP:
        return string_map_equal(va, vb);
    case FIELD_STRING_LIST:
    case FIELD_LIST:
        return list_equal(f, a, b);
    case FIELD_OBJECT:
        return field_is_set(f, a) == field_is_set(f, b) && struct_equal(f->schema, va, vb);
    case FIELD_REVISION:
    case FIELD_KEPT:
    case FIELD_ABSENT:
    case FIELD_DROPPED:
        return true;
    }
    UNREACHABLE();
}

bool struct_equal(const struct schema *schema, const void *a, const void *b)
{
    for (size_t i = 0; i < schema->n; i++) {
        if (!field_equal(&schema->fields[i], a, b)) {
            return false;
        }
    }
    char **other = schema_other(schema, a);
    return other == NULL || other_equal(*other, *schema_other(schema, b));
}
