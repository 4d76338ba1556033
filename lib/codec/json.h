/* JSON documents over jansson: bounded reading with positions in messages, writing into a buf, and
 * paths. The tree is jansson's json_t: its own calls (json_object_get, json_array_foreach,
 * json_deep_copy, json_equal, json_incref, ...) are used directly; objects keep the order of their
 * keys. Allocation inside jansson is lib/base/alloc.h's, so constructors never return NULL for want
 * of memory (json_string still returns NULL for text that is not UTF-8).
 *
 * Threads: a tree has one owner. */
#ifndef BARQUE_CODEC_JSON_H
#define BARQUE_CODEC_JSON_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* One JSON value of any type, at most LIMIT_DOC_BYTES long and LIMIT_DOC_DEPTH deep, no key twice
 * in one object, no NUL in a string. E_TOOBIG or E_INVAL with "line:column: what". The caller owns
 * the result (json_decref, or `json_auto_t *doc`). */
int json_parse(struct slice text, json_t **ret, struct err *err);

/* Appends without a final newline. Pretty is indented by four, as `kubectl -o json` does. */
void json_write(const json_t *doc, struct buf *out);
void json_write_pretty(const json_t *doc, struct buf *out);

/* Paths are keys with dots between; a number indexes an array: "spec.containers.0.image". A key
 * that holds a dot itself cannot be named this way: use json_object_get. json_path_get borrows,
 * NULL when absent or when `root` is NULL. The typed ones answer `fallback` when the value is
 * absent, null or of another type. */
json_t *json_path_get(const json_t *root, const char *path);
const char *json_path_str(const json_t *root, const char *path, const char *fallback);
int64_t json_path_int(const json_t *root, const char *path, int64_t fallback);
bool json_path_bool(const json_t *root, const char *path, bool fallback);
/* Takes `value`; makes the objects on the way. E_INVAL (value is released) when something on the
 * way is neither an object nor an array that has the element. */
int json_path_set_new(json_t *root, const char *path, json_t *value);
/* E_NOTFOUND when absent. */
int json_path_del(json_t *root, const char *path);

#endif
