/* Both maps are the same machine: a dense array of entries in insertion order, and a table of
 * 1-based entry numbers that is probed linearly. A removed entry stays as a hole (value NULL) that
 * its table slot still points at, so that probing walks over it; when entries with holes fill 3/4
 * of the table, everything is rebuilt without holes, at a size that leaves it at most 3/8 full. */
#include "lib/base/map.h"

#include <endian.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { TABLE_MIN = 16 };

static const uint64_t secret[4] = { 0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u, 0x8cb92ba72f3d8dd7u,
                                    0xe7037ed1a0b428dbu };

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint64_t load_tail(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

uint64_t hash_bytes(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t left = len;
    uint64_t h = secret[0] ^ len;
    for (; left > 16; p += 16, left -= 16) {
        h = mix(load64(p) ^ secret[1], load64(p + 8) ^ h);
    }
    uint64_t a = left >= 8 ? load64(p) : load_tail(p, left);
    uint64_t b = left > 8 ? load_tail(p + 8, left - 8) : 0;
    return mix(mix(a ^ secret[2], b ^ h) ^ secret[3], len ^ secret[1]);
}

uint64_t hash_u64(uint64_t v)
{
    return mix(v ^ secret[0], secret[1]);
}

static size_t size_for(size_t n)
{
    size_t size = TABLE_MIN;
    while (size / 8 * 3 < n) {
        size *= 2;
    }
    INVARIANT(size < UINT32_MAX);
    return size;
}

static bool is_full(size_t used, size_t table_size)
{
    return used + 1 > table_size / 4 * 3;
}

/* The first free slot of a table that has no holes left. */
static void table_add(uint32_t *table, size_t size, uint64_t hash, size_t index)
{
    size_t at = hash & (size - 1);
    while (table[at] != 0) {
        at = (at + 1) & (size - 1);
    }
    table[at] = (uint32_t)(index + 1);
}

/* --- bytes -> pointer --- */

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->used; i++) {
        mem_free((void *)(uintptr_t)m->entries[i].key.data);
    }
    mem_free(m->entries);
    mem_free(m->table);
    map_init(m);
}

static struct map_entry *map_find(const struct map *m, struct slice key, uint64_t hash)
{
    if (m->n == 0) {
        return NULL;
    }
    size_t mask = m->table_size - 1;
    for (size_t at = hash & mask; m->table[at] != 0; at = (at + 1) & mask) {
        struct map_entry *e = &m->entries[m->table[at] - 1];
        if (e->hash == hash && e->value != NULL && slice_eq(e->key, key)) {
            return e;
        }
    }
    return NULL;
}

static void map_rebuild(struct map *m)
{
    size_t live = 0;
    m->table_size = size_for(m->n + 1);
    mem_free(m->table);
    m->table = mem_zalloc(m->table_size * sizeof m->table[0]);
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].value == NULL) {
            continue;
        }
        m->entries[live] = m->entries[i];
        table_add(m->table, m->table_size, m->entries[live].hash, live);
        live++;
    }
    INVARIANT(live == m->n);
    m->used = live;
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry *e = m->n != 0 ? map_find(m, key, hash_bytes(key.data, key.len)) : NULL;
    return e != NULL ? e->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    PRE(value != NULL);
    uint64_t hash = hash_bytes(key.data, key.len);
    struct map_entry *e = map_find(m, key, hash);
    if (e != NULL) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (is_full(m->used, m->table_size)) {
        map_rebuild(m);
    }
    m->entries = mem_grow(m->entries, &m->cap, m->used + 1, sizeof m->entries[0]);
    m->entries[m->used] = (struct map_entry){
        .key = slice_make(mem_dup(key.data, key.len), key.len),
        .value = value,
        .hash = hash,
    };
    table_add(m->table, m->table_size, hash, m->used);
    m->used++;
    m->n++;
    return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry *e = map_find(m, key, hash_bytes(key.data, key.len));
    if (e == NULL) {
        return NULL;
    }
    void *value = e->value;
    mem_free((void *)(uintptr_t)e->key.data);
    e->key = slice_make(NULL, 0);
    e->value = NULL;
    m->n--;
    return value;
}

struct map_entry *map_next(const struct map *m, size_t *at)
{
    while (*at < m->used) {
        struct map_entry *e = &m->entries[(*at)++];
        if (e->value != NULL) {
            return e;
        }
    }
    return NULL;
}

/* --- uint64 -> pointer --- */

void u64map_init(struct u64map *m)
{
    *m = (struct u64map){ 0 };
}

void u64map_fini(struct u64map *m)
{
    mem_free(m->entries);
    mem_free(m->table);
    u64map_init(m);
}

static struct u64map_entry *u64map_find(const struct u64map *m, uint64_t key)
{
    if (m->n == 0) {
        return NULL;
    }
    size_t mask = m->table_size - 1;
    for (size_t at = hash_u64(key) & mask; m->table[at] != 0; at = (at + 1) & mask) {
        struct u64map_entry *e = &m->entries[m->table[at] - 1];
        if (e->key == key && e->value != NULL) {
            return e;
        }
    }
    return NULL;
}

static void u64map_rebuild(struct u64map *m)
{
    size_t live = 0;
    m->table_size = size_for(m->n + 1);
    mem_free(m->table);
    m->table = mem_zalloc(m->table_size * sizeof m->table[0]);
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].value == NULL) {
            continue;
        }
        m->entries[live] = m->entries[i];
        table_add(m->table, m->table_size, hash_u64(m->entries[live].key), live);
        live++;
    }
    INVARIANT(live == m->n);
    m->used = live;
}

void *u64map_get(const struct u64map *m, uint64_t key)
{
    struct u64map_entry *e = u64map_find(m, key);
    return e != NULL ? e->value : NULL;
}

void *u64map_put(struct u64map *m, uint64_t key, void *value)
{
    PRE(value != NULL);
    struct u64map_entry *e = u64map_find(m, key);
    if (e != NULL) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (is_full(m->used, m->table_size)) {
        u64map_rebuild(m);
    }
    m->entries = mem_grow(m->entries, &m->cap, m->used + 1, sizeof m->entries[0]);
    m->entries[m->used] = (struct u64map_entry){ .key = key, .value = value };
    table_add(m->table, m->table_size, hash_u64(key), m->used);
    m->used++;
    m->n++;
    return NULL;
}

void *u64map_remove(struct u64map *m, uint64_t key)
{
    struct u64map_entry *e = u64map_find(m, key);
    if (e == NULL) {
        return NULL;
    }
    void *value = e->value;
    e->value = NULL;
    m->n--;
    return value;
}

struct u64map_entry *u64map_next(const struct u64map *m, size_t *at)
{
    while (*at < m->used) {
        struct u64map_entry *e = &m->entries[(*at)++];
        if (e->value != NULL) {
            return e;
        }
    }
    return NULL;
}
