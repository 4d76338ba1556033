/* JSON over jansson. jansson's own depth limit is 2048, so a scan over the text refuses deeper
 * nesting than ours before anything is built; everything else is left to jansson and its messages.
 *
 * jansson writes every real with one precision. 15 digits read best (0.1 stays 0.1) and 17 lose
 * nothing, so a document is written with 15 unless one of its reals needs more. */
#include "lib/codec/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

enum { PATH_KEY_MAX = 256, INDENT_COLUMNS = 4 };

/* Before main, because jansson keeps the two pointers in unguarded globals. */
__attribute__((constructor)) static void use_our_allocator(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
}

/* --- reading --- */

/* Refuses nesting over LIMIT_DOC_DEPTH. Brackets in strings do not count. */
static int check_depth(struct slice text, struct err *err)
{
    int depth = 0;
    unsigned line = 1;
    size_t line_start = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\n') {
            line++;
            line_start = i + 1;
        }
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if ((c == '{' || c == '[') && ++depth > LIMIT_DOC_DEPTH) {
            return err_set(err, E_TOOBIG, "%u:%zu: nested deeper than %d levels", line,
                           i - line_start + 1, LIMIT_DOC_DEPTH);
        }
    }
    return 0;
}

int json_parse(struct slice text, json_t **ret, struct err *err)
{
    json_error_t je;

    if (text.len > LIMIT_DOC_BYTES) {
        return err_set(err, E_TOOBIG, "1:1: the document has %zu bytes, more than %d", text.len,
                       LIMIT_DOC_BYTES);
    }
    int rv = check_depth(text, err);
    if (rv != 0) {
        return rv;
    }
    const char *bytes = text.len != 0 ? (const char *)text.data : "";
    json_t *doc = json_loadb(bytes, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (doc == NULL) {
        return err_set(err, E_INVAL, "%d:%d: %s", je.line > 0 ? je.line : 1,
                       je.column > 0 ? je.column : 1, je.text);
    }
    *ret = doc;
    return 0;
}

/* --- writing --- */

static bool needs_17_digits(const json_t *v)
{
    if (json_typeof(v) == JSON_REAL) {
        char text[40];
        (void)snprintf(text, sizeof text, "%.15g", json_real_value(v));
        return strtod(text, NULL) != json_real_value(v);
    }
    size_t i;
    json_t *item;
    json_array_foreach (v, i, item) {
        if (needs_17_digits(item)) {
            return true;
        }
    }
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        if (needs_17_digits(json_object_iter_value(it))) {
            return true;
        }
    }
    return false;
}

static int append(const char *bytes, size_t len, void *out)
{
    buf_append(out, bytes, len);
    return 0;
}

static void dump(const json_t *doc, struct buf *out, size_t layout)
{
    PRE(doc != NULL);
    size_t precision = JSON_REAL_PRECISION(needs_17_digits(doc) ? 17 : 15);
    int rv = json_dump_callback(doc, append, out, layout | precision | JSON_ENCODE_ANY);
    /* Only a cycle or text built with a _nocheck call that is not UTF-8 can fail here. */
    INVARIANT(rv == 0);
}

void json_write(const json_t *doc, struct buf *out)
{
    dump(doc, out, JSON_COMPACT);
}

void json_write_pretty(const json_t *doc, struct buf *out)
{
    dump(doc, out, JSON_INDENT(INDENT_COLUMNS));
}

/* --- paths --- */

/* Copies the next key of a path; returns what is behind its dot, NULL after the last one. */
static const char *next_key(const char *path, char *ret_key)
{
    size_t len = strcspn(path, ".");
    PRE(len < PATH_KEY_MAX);
    memcpy(ret_key, path, len);
    ret_key[len] = 0;
    return path[len] == '.' ? path + len + 1 : NULL;
}

static json_t *child_of(const json_t *parent, const char *key)
{
    uint64_t i;
    if (json_typeof(parent) == JSON_ARRAY) {
        return str_parse_u64(key, SIZE_MAX, &i) == 0 ? json_array_get(parent, i) : NULL;
    }
    return json_object_get(parent, key);
}

/* The value that holds the path's last key, which is copied out. */
static json_t *parent_of(const json_t *root, const char *path, char *ret_key)
{
    json_t *at = (json_t *)(uintptr_t)root;
    for (path = next_key(path, ret_key); path != NULL && at != NULL;) {
        at = child_of(at, ret_key);
        path = next_key(path, ret_key);
    }
    return at;
}

json_t *json_path_get(const json_t *root, const char *path)
{
    char key[PATH_KEY_MAX];
    json_t *parent = parent_of(root, path, key);
    return parent != NULL ? child_of(parent, key) : NULL;
}

const char *json_path_str(const json_t *root, const char *path, const char *fallback)
{
    json_t *v = json_path_get(root, path);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t json_path_int(const json_t *root, const char *path, int64_t fallback)
{
    json_t *v = json_path_get(root, path);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_path_bool(const json_t *root, const char *path, bool fallback)
{
    json_t *v = json_path_get(root, path);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

int json_path_set_new(json_t *root, const char *path, json_t *value)
{
    char key[PATH_KEY_MAX];
    uint64_t i;
    json_t *at = root;

    for (path = next_key(path, key); path != NULL; path = next_key(path, key)) {
        json_t *child = child_of(at, key);
        if (child == NULL && json_is_object(at)) {
            child = json_object();
            (void)json_object_set_new(at, key, child);
        }
        at = child;
    }
    int rv = -1;
    if (json_is_array(at) && str_parse_u64(key, SIZE_MAX, &i) == 0) {
        rv = json_array_set_new(at, i, value);
    } else if (json_is_object(at)) {
        rv = json_object_set_new(at, key, value);
    } else {
        json_decref(value);
    }
    return rv == 0 ? 0 : E_INVAL;
}

int json_path_del(json_t *root, const char *path)
{
    char key[PATH_KEY_MAX];
    uint64_t i;
    json_t *parent = parent_of(root, path, key);

    if (parent == NULL || child_of(parent, key) == NULL) {
        return E_NOTFOUND;
    }
    if (json_typeof(parent) == JSON_ARRAY) {
        (void)str_parse_u64(key, SIZE_MAX, &i);
        (void)json_array_remove(parent, i);
    } else {
        (void)json_object_del(parent, key);
    }
    return 0;
}
