/* From libyaml's events to a tree in an arena. Open collections are a stack of at most
 * LIMIT_DOC_DEPTH frames; the children of all of them lie on one shared stack, and a collection
 * that ends takes its own off the top:
 *
 *     a: [1, 2]        at "]":  children = a 1 2,  frames = { map from 0, sequence from 1 }
 *                      after:   children = a [1, 2],  frames = { map from 0 }
 *
 * Nothing recurses, nothing is sized by what the text claims; the first error ends the parse. */
#include "lib/codec/yaml.h"

#include <stdio.h>
#include <yaml.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/map.h"

/* Up to so many keys are compared pairwise; beyond, by a hash map. */
enum { PAIRWISE_KEYS_MAX = 16 };

struct frame {
    struct yaml_node *node;
    size_t first_child;
};

struct builder {
    struct arena *arena;
    struct err *err;
    struct yaml_node **children;
    size_t children_n;
    size_t children_cap;
    struct yaml_node **docs;
    size_t docs_n;
    size_t docs_cap;
    size_t nodes_n;
    size_t depth;
    struct frame frames[LIMIT_DOC_DEPTH];
};

/* --- errors --- */

int yaml_err(struct err *err, int code, const struct yaml_node *node, const char *fmt, ...)
{
    char text[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(err, code, "%u:%u: %s", node->line, node->column, text);
}

static int mark_err(struct err *err, int code, yaml_mark_t mark, const char *what)
{
    return err_set(err, code, "%zu:%zu: %s", mark.line + 1, mark.column + 1, what);
}

/* libyaml's reader knows only the byte offset of a byte that is wrong. */
static yaml_mark_t mark_of_offset(struct slice text, size_t offset)
{
    yaml_mark_t mark = { .index = offset };
    for (size_t i = 0; i < offset && i < text.len; i++) {
        mark.column++;
        if (text.data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int parser_err(const yaml_parser_t *p, struct slice text, struct err *err)
{
    yaml_mark_t mark = p->problem_mark;
    if (p->error == YAML_READER_ERROR) {
        mark = mark_of_offset(text, p->problem_offset);
    }
    return mark_err(err, E_INVAL, mark, p->problem != NULL ? p->problem : "not YAML");
}

/* --- building --- */

static int add_node(struct builder *b, const yaml_event_t *ev, enum yaml_type type,
                    struct yaml_node **ret)
{
    if (++b->nodes_n > LIMIT_YAML_NODES) {
        return mark_err(b->err, E_TOOBIG, ev->start_mark, "too many values in one stream");
    }
    struct yaml_node *node = arena_zalloc(b->arena, sizeof *node);
    node->type = type;
    node->line = (uint32_t)ev->start_mark.line + 1;
    node->column = (uint32_t)ev->start_mark.column + 1;
    *ret = node;
    return 0;
}

/* Whether the next child of a frame is a key. */
static bool expects_key(const struct builder *b)
{
    if (b->depth == 0) {
        return false;
    }
    const struct frame *f = &b->frames[b->depth - 1];
    return f->node->type == YAML_MAPPING && (b->children_n - f->first_child) % 2 == 0;
}

static void push_child(struct builder *b, struct yaml_node *node)
{
    b->children = mem_grow(b->children, &b->children_cap, b->children_n + 1, sizeof(void *));
    b->children[b->children_n++] = node;
}

static void add_doc(struct builder *b, struct yaml_node *node)
{
    if (node->type == YAML_SCALAR && node->plain && node->len == 0) {
        return;
    }
    b->docs = mem_grow(b->docs, &b->docs_cap, b->docs_n + 1, sizeof(void *));
    b->docs[b->docs_n++] = node;
}

static void place(struct builder *b, struct yaml_node *node)
{
    if (b->depth == 0) {
        add_doc(b, node);
    } else {
        push_child(b, node);
    }
}

/* Only tags that say what is the case anyhow; *ret_string for those that make a scalar a string. */
static int check_tag(struct builder *b, const yaml_event_t *ev, const yaml_char_t *tag,
                     const char *allowed, bool *ret_string)
{
    const char *t = (const char *)tag;
    *ret_string = false;
    if (t == NULL) {
        return 0;
    }
    if (strcmp(t, allowed) != 0 && strcmp(t, "!") != 0) {
        return mark_err(b->err, E_INVAL, ev->start_mark, "tags are not supported");
    }
    *ret_string = true;
    return 0;
}

static int check_anchor(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor)
{
    if (anchor == NULL) {
        return 0;
    }
    return mark_err(b->err, E_INVAL, ev->start_mark, "anchors (&name) are not supported");
}

static int on_scalar(struct builder *b, const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    struct yaml_node *node;
    bool tagged;

    int rv = check_anchor(b, ev, ev->data.scalar.anchor);
    rv = rv != 0 ? rv : check_tag(b, ev, ev->data.scalar.tag, YAML_STR_TAG, &tagged);
    rv = rv != 0 ? rv : add_node(b, ev, YAML_SCALAR, &node);
    if (rv != 0) {
        return rv;
    }
    if (memchr(text, 0, len) != NULL) {
        return mark_err(b->err, E_INVAL, ev->start_mark, "a NUL character in a string");
    }
    node->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tagged;
    node->len = len;
    node->text = arena_strndup(b->arena, text, len);
    if (expects_key(b) && node->plain && strcmp(node->text, "<<") == 0) {
        return yaml_err(b->err, E_INVAL, node, "merge keys (<<) are not supported");
    }
    place(b, node);
    return 0;
}

static int on_start(struct builder *b, const yaml_event_t *ev, enum yaml_type type)
{
    bool is_seq = type == YAML_SEQUENCE;
    const yaml_char_t *anchor =
        is_seq ? ev->data.sequence_start.anchor : ev->data.mapping_start.anchor;
    const yaml_char_t *tag = is_seq ? ev->data.sequence_start.tag : ev->data.mapping_start.tag;
    struct yaml_node *node;
    bool tagged;

    int rv = check_anchor(b, ev, anchor);
    rv = rv != 0 ? rv : check_tag(b, ev, tag, is_seq ? YAML_SEQ_TAG : YAML_MAP_TAG, &tagged);
    if (rv != 0) {
        return rv;
    }
    if (expects_key(b)) {
        return mark_err(b->err, E_INVAL, ev->start_mark, "a key must be a string");
    }
    if (b->depth == LIMIT_DOC_DEPTH) {
        return mark_err(b->err, E_TOOBIG, ev->start_mark, "nested too deeply");
    }
    rv = add_node(b, ev, type, &node);
    if (rv != 0) {
        return rv;
    }
    place(b, node);
    b->frames[b->depth++] = (struct frame){ node, b->children_n };
    return 0;
}

static int duplicate_err(struct builder *b, const struct yaml_node *first,
                         const struct yaml_node *second)
{
    return yaml_err(b->err, E_INVAL, second, "key \"%.64s\" comes twice (first on line %u)",
                    second->text, first->line);
}

static int check_duplicates(struct builder *b, const struct yaml_node *mapping)
{
    struct map seen;
    int rv = 0;

    if (mapping->n <= PAIRWISE_KEYS_MAX) {
        for (size_t i = 1; i < mapping->n; i++) {
            for (size_t j = 0; j < i; j++) {
                if (strcmp(mapping->keys[i]->text, mapping->keys[j]->text) == 0) {
                    return duplicate_err(b, mapping->keys[j], mapping->keys[i]);
                }
            }
        }
        return 0;
    }
    map_init(&seen);
    for (size_t i = 0; i < mapping->n && rv == 0; i++) {
        struct yaml_node *first = map_put_str(&seen, mapping->keys[i]->text, mapping->keys[i]);
        if (first != NULL) {
            rv = duplicate_err(b, first, mapping->keys[i]);
        }
    }
    map_fini(&seen);
    return rv;
}

static int on_end(struct builder *b)
{
    INVARIANT(b->depth > 0);
    struct frame *f = &b->frames[--b->depth];
    struct yaml_node *node = f->node;
    size_t count = b->children_n - f->first_child;
    struct yaml_node **own = b->children != NULL ? b->children + f->first_child : NULL;

    b->children_n = f->first_child;
    if (node->type == YAML_SEQUENCE) {
        node->n = count;
        node->items = arena_dup(b->arena, own, count * sizeof(void *));
        return 0;
    }
    INVARIANT(count % 2 == 0);
    node->n = count / 2;
    node->keys = arena_alloc(b->arena, node->n * sizeof(void *));
    node->items = arena_alloc(b->arena, node->n * sizeof(void *));
    for (size_t i = 0; i < node->n; i++) {
        node->keys[i] = own[2 * i];
        node->items[i] = own[2 * i + 1];
    }
    return check_duplicates(b, node);
}

static int on_event(struct builder *b, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, ev, YAML_SEQUENCE);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, ev, YAML_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(b);
    case YAML_ALIAS_EVENT:
        return mark_err(b->err, E_INVAL, ev->start_mark, "aliases (*name) are not supported");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    UNREACHABLE();
}

static int build(struct builder *b, yaml_parser_t *parser, struct slice text)
{
    bool more = true;
    int rv = 0;
    while (rv == 0 && more) {
        yaml_event_t ev;
        if (!yaml_parser_parse(parser, &ev)) {
            return parser_err(parser, text, b->err);
        }
        rv = on_event(b, &ev);
        more = ev.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&ev);
    }
    return rv;
}

int yaml_parse(struct slice text, struct arena *arena, struct yaml_stream *ret, struct err *err)
{
    struct builder b = { .arena = arena, .err = err };
    yaml_parser_t parser;

    if (text.len > LIMIT_DOC_BYTES) {
        return err_set(err, E_TOOBIG, "1:1: the text has %zu bytes, more than %d", text.len,
                       LIMIT_DOC_BYTES);
    }
    if (!yaml_parser_initialize(&parser)) {
        return err_set(err, E_NOMEM, "1:1: no memory for the parser");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.len != 0 ? text.data : (const uint8_t *)"",
                                 text.len);
    int rv = build(&b, &parser, text);
    if (rv == 0) {
        ret->docs = arena_dup(arena, b.docs, b.docs_n * sizeof(void *));
        ret->n = b.docs_n;
    }
    yaml_parser_delete(&parser);
    mem_free(b.children);
    mem_free(b.docs);
    return rv;
}

/* --- looking things up --- */

static struct yaml_node *get_n(const struct yaml_node *node, const char *key, size_t len)
{
    if (node == NULL || node->type != YAML_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < node->n; i++) {
        if (node->keys[i]->len == len && memcmp(node->keys[i]->text, key, len) == 0) {
            return node->items[i];
        }
    }
    return NULL;
}

struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
    return get_n(node, key, strlen(key));
}

static const struct yaml_node *step(const struct yaml_node *at, const char *name, size_t len)
{
    if (at->type != YAML_SEQUENCE) {
        return get_n(at, name, len);
    }
    size_t i = 0;
    for (size_t k = 0; k < len; k++) {
        if (name[k] < '0' || name[k] > '9' || i >= at->n) {
            return NULL;
        }
        i = i * 10 + (size_t)(name[k] - '0');
    }
    return len != 0 && i < at->n ? at->items[i] : NULL;
}

const struct yaml_node *yaml_locate(const struct yaml_node *root, const char *path)
{
    const struct yaml_node *at = root;
    while (*path != 0) {
        bool bracket = *path == '[';
        path += bracket || *path == '.';
        size_t len = strcspn(path, bracket ? "]" : ".[");
        const struct yaml_node *child = step(at, path, len);
        if (child == NULL) {
            return at;
        }
        at = child;
        path += len;
        path += bracket && *path == ']';
    }
    return at;
}

/* --- as JSON --- */

static int scalar_to_json(const struct yaml_node *node, json_t **ret, struct err *err)
{
    struct yaml_value v = yaml_resolve(node);
    switch (v.kind) {
    case YAML_STR:
        *ret = json_stringn(node->text, node->len);
        return *ret != NULL ? 0 : yaml_err(err, E_INVAL, node, "a string that is not UTF-8");
    case YAML_NULL:
        *ret = json_null();
        return 0;
    case YAML_BOOL:
        *ret = json_boolean(v.boolean);
        return 0;
    case YAML_INT:
        *ret = json_integer(v.integer);
        return 0;
    case YAML_FLOAT:
        *ret = json_real(v.real);
        return 0;
    case YAML_RANGE:
        return yaml_err(err, E_INVAL, node, "the number %.64s is out of range", node->text);
    }
    UNREACHABLE();
}

/* Recurses at most LIMIT_DOC_DEPTH deep: yaml_parse made the tree. */
int yaml_to_json(const struct yaml_node *node, json_t **ret, struct err *err)
{
    if (node->type == YAML_SCALAR) {
        return scalar_to_json(node, ret, err);
    }
    bool is_map = node->type == YAML_MAPPING;
    json_t *doc = is_map ? json_object() : json_array();
    for (size_t i = 0; i < node->n; i++) {
        json_t *item = NULL;
        int rv = yaml_to_json(node->items[i], &item, err);
        if (rv == 0) {
            rv = is_map ? json_object_set_new(doc, node->keys[i]->text, item)
                        : json_array_append_new(doc, item);
            rv = rv == 0 ? 0 : yaml_err(err, E_INVAL, node->items[i], "not a JSON value");
        }
        if (rv != 0) {
            json_decref(doc);
            return rv;
        }
    }
    *ret = doc;
    return 0;
}
