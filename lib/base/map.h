/* Hash maps: bytes -> pointer and uint64 -> pointer. Open addressing, doubling at 3/4.
 * Iteration is in insertion order (so that no decision ever depends on a hash): entries live in a
 * dense array; a removed entry leaves a hole that the next growth squeezes out.
 * Keys of a `struct map` are copied. Values are borrowed. One owner; not thread-safe. */
#ifndef BARQUE_BASE_MAP_H
#define BARQUE_BASE_MAP_H

#include "lib/base/slice.h"

struct map_entry {
    struct slice key; /* owned copy */
    void *value;      /* NULL = hole */
    uint64_t hash;
};

struct map {
    struct map_entry *entries;
    uint32_t *table;
    size_t n;      /* live entries */
    size_t used;   /* entries with holes */
    size_t cap;
    size_t table_size;
};

void map_init(struct map *m);
void map_fini(struct map *m); /* values are the caller's */
/* NULL when absent. */
void *map_get(const struct map *m, struct slice key);
/* Sets (value must not be NULL); returns the replaced value or NULL. */
void *map_put(struct map *m, struct slice key, void *value);
/* Returns the removed value or NULL. */
void *map_remove(struct map *m, struct slice key);
static inline void *map_get_str(const struct map *m, const char *key)
{
    return map_get(m, slice_str(key));
}
static inline void *map_put_str(struct map *m, const char *key, void *value)
{
    return map_put(m, slice_str(key), value);
}
/* Iteration: size_t at = 0; struct map_entry *e; while ((e = map_next(m, &at)) != NULL) ...
 * The body may remove the current entry; it may not add. */
struct map_entry *map_next(const struct map *m, size_t *at);

/* The same for 64-bit integer keys. */
struct u64map_entry {
    uint64_t key;
    void *value;
};

struct u64map {
    struct u64map_entry *entries;
    uint32_t *table;
    size_t n;
    size_t used;
    size_t cap;
    size_t table_size;
};

void u64map_init(struct u64map *m);
void u64map_fini(struct u64map *m);
void *u64map_get(const struct u64map *m, uint64_t key);
void *u64map_put(struct u64map *m, uint64_t key, void *value);
void *u64map_remove(struct u64map *m, uint64_t key);
struct u64map_entry *u64map_next(const struct u64map *m, size_t *at);

/* 64-bit hash of bytes (wyhash-like, own text), fixed seed: equal on every machine and run. */
uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_u64(uint64_t v);

#endif
