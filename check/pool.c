/* Byte strings by id: an open-addressing table over an arena. Strings are never removed, so a slot
 * is an id and nothing more; the hash is kept beside the string, for growth and for a cheap no. */
#include "check/pool.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/map.h"

enum { TABLE_MIN = 1024 };

void check_pool_init(struct check_pool *p, size_t bytes_max)
{
    *p = (struct check_pool){ .bytes_max = bytes_max != 0 ? bytes_max : CHECK_POOL_BYTES };
    arena_init(&p->arena);
    p->table_size = TABLE_MIN;
    p->table = mem_zalloc(p->table_size * sizeof *p->table);
    uint32_t empty = check_pool_add(p, slice_make(NULL, 0));
    INVARIANT(empty == CHECK_EMPTY);
}

void check_pool_fini(struct check_pool *p)
{
    arena_fini(&p->arena);
    mem_free(p->strings);
    mem_free(p->hashes);
    mem_free(p->table);
    *p = (struct check_pool){ 0 };
}

size_t check_pool_bytes(const struct check_pool *p)
{
    return p->arena.used_bytes + p->cap * sizeof *p->strings + p->hashes_cap * sizeof *p->hashes +
           p->table_size * sizeof *p->table;
}

bool check_pool_full(const struct check_pool *p, size_t more)
{
    return p->n >= UINT32_MAX - 2 || check_pool_bytes(p) + more > p->bytes_max;
}

/* The slot of these bytes, or the free one where they belong. */
static size_t pool_slot(const struct check_pool *p, struct slice bytes, uint64_t hash)
{
    size_t at = (size_t)hash & (p->table_size - 1);
    while (p->table[at] != 0) {
        uint32_t id = p->table[at] - 1;
        if (p->hashes[id] == hash && slice_eq(p->strings[id], bytes)) {
            break;
        }
        at = (at + 1) & (p->table_size - 1);
    }
    return at;
}

static void pool_rehash(struct check_pool *p)
{
    mem_free(p->table);
    p->table_size *= 2;
    p->table = mem_zalloc(p->table_size * sizeof *p->table);
    for (size_t id = 0; id < p->n; id++) {
        size_t at = (size_t)p->hashes[id] & (p->table_size - 1);
        while (p->table[at] != 0) {
            at = (at + 1) & (p->table_size - 1);
        }
        p->table[at] = (uint32_t)id + 1;
    }
}

uint32_t check_pool_add(struct check_pool *p, struct slice bytes)
{
    uint64_t hash = hash_bytes(bytes.data, bytes.len);
    size_t at = pool_slot(p, bytes, hash);
    if (p->table[at] != 0) {
        return p->table[at] - 1;
    }
    INVARIANT(p->n < UINT32_MAX - 1);
    uint32_t id = (uint32_t)p->n;
    p->strings = mem_grow(p->strings, &p->cap, p->n + 1, sizeof *p->strings);
    p->hashes = mem_grow(p->hashes, &p->hashes_cap, p->n + 1, sizeof *p->hashes);
    p->strings[id] = bytes.len != 0 ? arena_dup_slice(&p->arena, bytes) : bytes;
    p->hashes[id] = hash;
    p->table[at] = id + 1;
    p->n++;
    if (p->n * 2 > p->table_size) {
        pool_rehash(p);
    }
    return id;
}

uint32_t check_pool_find(const struct check_pool *p, struct slice bytes)
{
    size_t at = pool_slot(p, bytes, hash_bytes(bytes.data, bytes.len));
    return p->table[at] != 0 ? p->table[at] - 1 : UINT32_MAX;
}

struct slice check_pool_get(const struct check_pool *p, uint32_t id)
{
    PRE(id < p->n);
    return p->strings[id];
}
