/* JSON to structs. One reader serves stored JSON (lenient: a newer writer's fields are passed
 * over) and manifests (strict). It never stops at the first problem: a wrong field is reported and
 * left absent, and reading goes on, so that people see all their mistakes at once.
 *
 * Where the reader stands is a chain of frames on the stack; the path's text is made only for a
 * problem. */
#include "api/walk.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

struct frame {
    const struct frame *up;
    const char *name; /* NULL: an element of a list; "": the document */
    size_t index;
    bool is_key;      /* of a map: "labels[app]" */
};

/* --- problems --------------------------------------------------------------------------------- */

static void write_path(const struct frame *at, struct buf *out)
{
    if (at->up != NULL) {
        write_path(at->up, out);
    }
    if (at->name == NULL) {
        buf_printf(out, "[%zu]", at->index);
    } else if (at->is_key) {
        buf_printf(out, "[%s]", at->name);
    } else {
        buf_printf(out, "%s%s", out->len != 0 && at->name[0] != 0 ? "." : "", at->name);
    }
}

static const struct yaml_node *key_node(const struct yaml_node *mapping, const char *key)
{
    for (size_t i = 0; mapping->type == YAML_MAPPING && i < mapping->n; i++) {
        if (strcmp(mapping->keys[i]->text, key) == 0) {
            return mapping->keys[i];
        }
    }
    return mapping;
}

/* Reports at the value of `at`, or at its key when `key` is not NULL. */
static void __attribute__((format(printf, 4, 5))) report(const struct struct_reader *r,
                                                         const struct frame *at, const char *key,
                                                         const char *fmt, ...)
{
    autobuf path = BUF_INIT;
    char message[512];
    va_list args;
    unsigned line = 0, column = 0;

    write_path(at, &path);
    if (r->root != NULL) {
        const struct yaml_node *node = yaml_locate(r->root, buf_str(&path));
        if (key != NULL) {
            node = key_node(node, key);
        }
        line = node->line;
        column = node->column;
    }
    if (key != NULL) {
        buf_printf(&path, "%s%s", path.len != 0 ? "." : "", key);
    }
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    problem_add(r->problems, buf_str(&path), line, column, "%s", message);
}

/* "the number 3", "a list": what stands there instead. */
static const char *describe(const json_t *v, char *ret_text, size_t size)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "a mapping";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        (void)snprintf(ret_text, size, "the string \"%.40s\"", json_string_value(v));
        return ret_text;
    case JSON_INTEGER:
        (void)snprintf(ret_text, size, "the number %lld", (long long)json_integer_value(v));
        return ret_text;
    case JSON_REAL:
        (void)snprintf(ret_text, size, "the number %.15g", json_real_value(v));
        return ret_text;
    case JSON_TRUE:
        return "the boolean true";
    case JSON_FALSE:
        return "the boolean false";
    case JSON_NULL:
        return "null";
    }
    return "?";
}

static void wrong_type(const struct struct_reader *r, const struct frame *at, const char *wanted,
                       const json_t *v)
{
    char text[80];
    bool quotes = strcmp(wanted, "a string") == 0 && !json_is_object(v) && !json_is_array(v);
    report(r, at, NULL, "expected %s, got %s%s", wanted, describe(v, text, sizeof text),
           quotes ? " (put it in quotes)" : "");
}

static void unknown_field(const struct struct_reader *r, const struct frame *at,
                          const struct schema *schema, const char *key)
{
    const char *names[128];
    PRE(schema->n <= ARRAY_LEN(names));
    for (size_t i = 0; i < schema->n; i++) {
        names[i] = schema->fields[i].name;
    }
    const char *nearest = str_nearest(key, names, schema->n);
    if (nearest != NULL) {
        report(r, at, key, "unknown field \"%.80s\" (did you mean \"%s\"?)", key, nearest);
    } else {
        report(r, at, key, "unknown field \"%.80s\" of %s", key, schema->name);
    }
}

/* --- scalars ---------------------------------------------------------------------------------- */

static void read_string(const struct struct_reader *r, const struct frame *at, const json_t *v,
                        char **ret)
{
    if (!json_is_string(v)) {
        wrong_type(r, at, "a string", v);
        return;
    }
    mem_free(*ret);
    *ret = mem_strdup(json_string_value(v));
}

static bool read_integer(const struct struct_reader *r, const struct frame *at, const json_t *v,
                         int64_t min, int64_t max, int64_t *ret)
{
    if (!json_is_integer(v)) {
        wrong_type(r, at, "an integer", v);
        return false;
    }
    int64_t n = json_integer_value(v);
    if (n < min || n > max) {
        report(r, at, NULL, "%lld is out of range", (long long)n);
        return false;
    }
    *ret = n;
    return true;
}

/* Kubernetes writes it as a string; a number is taken too. */
static void read_revision(const struct struct_reader *r, const struct frame *at, const json_t *v,
                          int64_t *ret)
{
    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
    } else if (!json_is_string(v)) {
        wrong_type(r, at, "a string", v);
    } else if (json_string_length(v) != 0 && str_parse_i64(json_string_value(v), ret) != 0) {
        report(r, at, NULL, "\"%.40s\" is not a revision", json_string_value(v));
    }
}

static void read_int_or_percent(const struct struct_reader *r, const struct frame *at,
                                const json_t *v, struct int_or_percent *ret)
{
    int64_t n = 0;
    if (json_is_integer(v)) {
        if (read_integer(r, at, v, INT32_MIN, INT32_MAX, &n)) {
            *ret = (struct int_or_percent){ true, false, (int32_t)n };
        }
        return;
    }
    const char *text = json_is_string(v) ? json_string_value(v) : NULL;
    char digits[16];
    size_t len = text != NULL ? strlen(text) : 0;
    if (len < 2 || len > sizeof digits || text[len - 1] != '%') {
        wrong_type(r, at, "an integer or a percentage like \"25%\"", v);
        return;
    }
    memcpy(digits, text, len - 1);
    digits[len - 1] = 0;
    if (str_parse_i64(digits, &n) != 0 || n < INT32_MIN || n > INT32_MAX) {
        wrong_type(r, at, "an integer or a percentage like \"25%\"", v);
        return;
    }
    *ret = (struct int_or_percent){ true, true, (int32_t)n };
}

/* --- maps and lists --------------------------------------------------------------------------- */

/* Checks over an object may be quadratic in the items of one list, so these are bounded. */
static bool fits(const struct struct_reader *r, const struct frame *at, size_t n)
{
    if (n > LIMIT_OBJECT_ITEMS) {
        report(r, at, NULL, "%zu items; at most %d", n, LIMIT_OBJECT_ITEMS);
    }
    return n <= LIMIT_OBJECT_ITEMS;
}

static void read_string_map(const struct struct_reader *r, const struct frame *at, const json_t *v,
                            const struct field *f, struct string_map *ret)
{
    bool numbers = f->type == FIELD_QUANTITY_MAP;
    const char *key;
    json_t *item;
    char text[48];

    if (!json_is_object(v)) {
        wrong_type(r, at, "a mapping of strings", v);
        return;
    }
    size_t cap = json_object_size(v);
    if (cap == 0 || !fits(r, at, cap)) {
        return;
    }
    mem_free(ret->items);
    *ret = (struct string_map){ mem_zalloc(cap * sizeof *ret->items), 0 };
    json_object_foreach ((json_t *)(uintptr_t)v, key, item) {
        struct frame here = { at, key, 0, true };
        const char *value = json_string_value(item);
        if (numbers && json_is_number(item)) {
            (void)snprintf(text, sizeof text, "%.15g", json_number_value(item));
            if (json_is_integer(item)) {
                (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(item));
            }
            value = text;
        } else if (json_is_null(item)) {
            value = "";
        }
        if (value == NULL) {
            if ((f->flags & FIELD_LOOSE) == 0) {
                wrong_type(r, &here, numbers ? "a quantity" : "a string", item);
            }
            continue;
        }
        ret->items[ret->n].key = mem_strdup(key);
        ret->items[ret->n++].value = mem_strdup(value);
    }
}

static void read_string_list(const struct struct_reader *r, const struct frame *at,
                             const json_t *v, const struct field *f, void *base)
{
    if (!json_is_array(v)) {
        wrong_type(r, at, "a list of strings", v);
        return;
    }
    size_t n = json_array_size(v);
    if (n == 0 || !fits(r, at, n)) {
        return;
    }
    char **items = mem_zalloc(n * sizeof *items);
    size_t *count = field_count(f, base);
    for (size_t i = 0; i < n; i++) {
        struct frame here = { at, NULL, i, false };
        read_string(r, &here, json_array_get(v, i), &items[*count]);
        *count += items[*count] != NULL;
    }
    *(char ***)field_at(f, base) = items;
}

static void read_struct(const struct struct_reader *r, const struct frame *at,
                        const struct schema *schema, const json_t *json, void *base);

static void read_list(const struct struct_reader *r, const struct frame *at, const json_t *v,
                      const struct field *f, void *base)
{
    if (!json_is_array(v)) {
        wrong_type(r, at, "a list", v);
        return;
    }
    size_t n = json_array_size(v);
    if (n == 0 || !fits(r, at, n)) {
        return;
    }
    char *items = mem_zalloc(n * f->schema->size);
    for (size_t i = 0; i < n; i++) {
        struct frame here = { at, NULL, i, false };
        read_struct(r, &here, f->schema, json_array_get(v, i), items + i * f->schema->size);
    }
    *(char **)field_at(f, base) = items;
    *field_count(f, base) = n;
}

/* --- fields and structs ----------------------------------------------------------------------- */

static void read_set_flag(const struct field *f, void *base)
{
    if (f->aux != FIELD_NO_AUX) {
        *(bool *)((char *)base + f->aux) = true;
    }
}

static void read_field(const struct struct_reader *r, const struct frame *at,
                       const struct field *f, const json_t *v, void *base)
{
    void *to = field_at(f, base);
    int64_t n = 0;
    switch (f->type) {
    case FIELD_STRING:
        read_string(r, at, v, to);
        return;
    case FIELD_BOOL:
        if (!json_is_boolean(v)) {
            wrong_type(r, at, "true or false", v);
            return;
        }
        *(bool *)to = json_is_true(v);
        return;
    case FIELD_INT32:
        if (read_integer(r, at, v, INT32_MIN, INT32_MAX, &n)) {
            *(int32_t *)to = (int32_t)n;
            read_set_flag(f, base);
        }
        return;
    case FIELD_INT64:
        if (read_integer(r, at, v, INT64_MIN, INT64_MAX, to)) {
            read_set_flag(f, base);
        }
        return;
    case FIELD_REVISION:
        read_revision(r, at, v, to);
        return;
    case FIELD_INT_OR_PERCENT:
        read_int_or_percent(r, at, v, to);
        return;
    case FIELD_STRING_MAP:
    case FIELD_QUANTITY_MAP:
        read_string_map(r, at, v, f, to);
        return;
    case FIELD_STRING_LIST:
        read_string_list(r, at, v, f, base);
        return;
    case FIELD_OBJECT:
        if (json_is_object(v)) {
            read_set_flag(f, base);
        }
        read_struct(r, at, f->schema, v, to);
        return;
    case FIELD_LIST:
        read_list(r, at, v, f, base);
        return;
    case FIELD_KEPT:
    case FIELD_ABSENT:
    case FIELD_DROPPED:
        return;
    }
}

static bool is_empty(const json_t *v)
{
    return (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* A FIELD_KEPT or FIELD_ABSENT value: into `kept`, or a problem. */
static void keep(const struct struct_reader *r, const struct frame *at, const struct field *f,
                 json_t *v, json_t **kept)
{
    if (f->type == FIELD_ABSENT && is_empty(v)) {
        return;
    }
    if (f->type == FIELD_ABSENT && r->strict) {
        report(r, at, f->name, "absent in this version: it would have no effect");
        return;
    }
    if (*kept == NULL) {
        *kept = json_object();
    }
    (void)json_object_set(*kept, f->name, v);
}

static void read_struct(const struct struct_reader *r, const struct frame *at,
                        const struct schema *schema, const json_t *json, void *base)
{
    const char *key;
    json_t *v;
    json_auto_t *kept = NULL;

    if (!json_is_object(json)) {
        wrong_type(r, at, "a mapping", json);
        return;
    }
    json_object_foreach ((json_t *)(uintptr_t)json, key, v) {
        const struct field *f = schema_field(schema, key);
        struct frame here = { at, key, 0, false };
        bool type_meta = at->up == NULL && (str_eq(key, "apiVersion") || str_eq(key, "kind"));
        if (f == NULL && !type_meta && r->strict) {
            unknown_field(r, at, schema, key);
        } else if (f == NULL || json_is_null(v)) {
            continue;
        } else if (f->type == FIELD_KEPT || f->type == FIELD_ABSENT) {
            keep(r, at, f, v, &kept);
        } else {
            read_field(r, &here, f, v, base);
        }
    }
    char **other = schema_other(schema, base);
    if (kept != NULL && other != NULL) {
        autobuf text = BUF_INIT;
        json_write(kept, &text);
        mem_free(*other);
        *other = buf_take(&text);
    }
}

void struct_read(const struct struct_reader *r, const struct schema *schema, const json_t *json,
                 const char *path, void *base)
{
    struct frame top = { NULL, path, 0, false };
    read_struct(r, &top, schema, json, base);
}
