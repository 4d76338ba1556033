/* Buckets made of arrays, and all that a reader finds in a file: for the tests and the fuzzer. */
#ifndef BARQUE_TESTS_UNIT_CODEC_BOLT_ITEMS_H
#define BARQUE_TESTS_UNIT_CODEC_BOLT_ITEMS_H

#include "lib/base/alloc.h"
#include "lib/codec/bolt.h"

struct bolt_item {
    struct slice key, value;
};

struct bolt_items {
    struct bolt_item *items;
    size_t n, cap;
};

static inline void bolt_items_add(struct bolt_items *l, struct slice key, struct slice value)
{
    l->items = mem_grow(l->items, &l->cap, l->n + 1, sizeof *l->items);
    l->items[l->n++] = (struct bolt_item){ key, value };
}

static inline void bolt_items_size(void *arg, size_t i, size_t *ret_key, size_t *ret_value)
{
    const struct bolt_items *l = arg;
    *ret_key = l->items[i].key.len;
    *ret_value = l->items[i].value.len;
}

static inline void bolt_items_key(void *arg, size_t i, struct buf *out)
{
    const struct bolt_items *l = arg;
    buf_append_slice(out, l->items[i].key);
}

static inline void bolt_items_value(void *arg, size_t i, struct buf *out)
{
    const struct bolt_items *l = arg;
    buf_append_slice(out, l->items[i].value);
}

static inline struct bolt_bucket bolt_items_bucket(const char *name, struct bolt_items *l)
{
    return (struct bolt_bucket){ .name = name, .n = l->n, .size = bolt_items_size,
                                 .key = bolt_items_key, .value = bolt_items_value, .arg = l };
}

/* The file of these buckets, written `step` bytes at a time. */
static inline void bolt_items_file(const struct bolt_bucket *buckets, size_t n, size_t step,
                                   struct buf *out, uint64_t *ret_told)
{
    struct bolt_writer *w = bolt_writer_new(buckets, n);
    *ret_told = bolt_writer_size(w);
    while (bolt_writer_next(w, step, out) == 1) {
    }
    bolt_writer_free(w);
}

/* Reads a bucket to its end: 0, or what the reader said. */
static inline int bolt_items_read(struct bolt_cursor *c, struct bolt_items *out, struct err *err)
{
    struct slice key, value;
    int rv;
    while ((rv = bolt_next(c, &key, &value, err)) == 1) {
        bolt_items_add(out, key, value);
    }
    return rv;
}

#endif
