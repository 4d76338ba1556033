/* YAML documents over libyaml: a tree whose every node and key knows its line and column, so that
 * a wrong field can be pointed at; and writing in the style of `kubectl -o yaml`. JSON text is
 * YAML too and parses here, with the same positions.
 *
 * What a plain scalar means follows YAML 1.2's core schema, with Kubernetes' octal numbers (0644):
 * null ~ true false 12 -3 0x1f 0o17 0644 1.5 1e3. Quoted and block scalars are strings. Anchors,
 * aliases, merge keys (<<) and tags other than !!str !!map !!seq are refused; so are keys that are
 * not scalars and keys that come twice.
 *
 * Everything lives in the caller's arena. Not thread-safe by itself. */
#ifndef BARQUE_CODEC_YAML_H
#define BARQUE_CODEC_YAML_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/codec/json.h"

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_type type;
    bool plain;               /* a scalar without quotes: yaml_resolve gives it a meaning */
    uint32_t line;            /* both count from 1 */
    uint32_t column;
    const char *text;         /* scalar: NUL-terminated, holds no other NUL */
    size_t len;
    size_t n;                 /* items of a sequence, pairs of a mapping */
    struct yaml_node **keys;  /* mapping only; all scalars */
    struct yaml_node **items; /* items, or the values that belong to keys */
};

struct yaml_stream {
    struct yaml_node **docs; /* empty documents are left out */
    size_t n;
};

/* Parses a stream of documents ("---" between): at most LIMIT_DOC_BYTES, LIMIT_DOC_DEPTH and
 * LIMIT_YAML_NODES. E_TOOBIG or E_INVAL, with "line:column: what". */
int yaml_parse(struct slice text, struct arena *arena, struct yaml_stream *ret, struct err *err);

/* The value of a key; NULL when absent or when `node` is no mapping. */
struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);
/* The node that a field path names ("spec.containers[0].env[1].name", "metadata.labels[a.b/c]");
 * where the path leaves the tree, the deepest node on it. For positions in messages. Never NULL. */
const struct yaml_node *yaml_locate(const struct yaml_node *root, const char *path);
/* err_set with the node's "line:column: " in front. */
int yaml_err(struct err *err, int code, const struct yaml_node *node, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

enum yaml_kind {
    YAML_STR,
    YAML_NULL,
    YAML_BOOL,
    YAML_INT,
    YAML_FLOAT,
    YAML_RANGE, /* a number that neither an int64 nor a finite double can hold */
};

struct yaml_value {
    enum yaml_kind kind;
    bool boolean;
    int64_t integer;
    double real;
};

/* What a scalar means. PRE: a scalar. */
struct yaml_value yaml_resolve(const struct yaml_node *scalar);
/* The same for plain text. */
struct yaml_value yaml_resolve_text(const char *text);

/* The tree as JSON. E_INVAL for numbers that JSON cannot hold. The caller owns the result. */
int yaml_to_json(const struct yaml_node *node, json_t **ret, struct err *err);

/* Appends `doc` in block style with a final newline and no "---". What it writes reads back equal,
 * also by YAML 1.1 readers (which take `yes` for a truth). */
void yaml_write(const json_t *doc, struct buf *out);

/* Whether a string would change its meaning when written without quotes. */
bool yaml_needs_quotes(const char *text);

#endif
