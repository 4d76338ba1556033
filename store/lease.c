/* The lease table. Keys of a lease are a hash set: attach and detach are O(1) on the write
 * path, and the rare revoke sorts. */
#include "store/lease.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

void lease_table_init(struct lease_table *t)
{
    u64map_init(&t->by_id);
}

static void lease_free(struct lease *l)
{
    map_fini(&l->keys);
    mem_free(l);
}

void lease_table_fini(struct lease_table *t)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&t->by_id, &at)) != NULL) {
        lease_free(e->value);
    }
    u64map_fini(&t->by_id);
}

struct lease *lease_find(const struct lease_table *t, int64_t id)
{
    return u64map_get(&t->by_id, (uint64_t)id);
}

struct lease *lease_add(struct lease_table *t, int64_t id, int64_t ttl_s)
{
    PRE(id != 0);
    PRE(lease_find(t, id) == NULL);
    struct lease *l = mem_zalloc(sizeof *l);
    l->id = id;
    l->ttl_s = ttl_s;
    l->remaining_ttl_s = ttl_s;
    map_init(&l->keys);
    u64map_put(&t->by_id, (uint64_t)id, l);
    return l;
}

void lease_drop(struct lease_table *t, struct lease *l)
{
    u64map_remove(&t->by_id, (uint64_t)l->id);
    lease_free(l);
}

void lease_attach(struct lease_table *t, int64_t id, struct slice key)
{
    struct lease *l = id != 0 ? lease_find(t, id) : NULL;
    if (l != NULL) {
        map_put(&l->keys, key, l);
    }
}

void lease_detach(struct lease_table *t, int64_t id, struct slice key)
{
    struct lease *l = id != 0 ? lease_find(t, id) : NULL;
    if (l != NULL) {
        map_remove(&l->keys, key);
    }
}

static int compare_slices(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

size_t lease_keys(const struct lease *l, struct arena *arena, struct slice **ret_keys)
{
    struct slice *keys = arena_alloc(arena, (l->keys.n + 1) * sizeof *keys);
    size_t n = 0, at = 0;
    struct map_entry *e;
    while ((e = map_next(&l->keys, &at)) != NULL) {
        keys[n++] = e->key;
    }
    qsort(keys, n, sizeof *keys, compare_slices);
    *ret_keys = keys;
    return n;
}

static int compare_infos(const void *a, const void *b)
{
    const struct lease_info *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

size_t lease_list(const struct lease_table *t, struct arena *arena, struct lease_info **ret_leases)
{
    struct lease_info *infos = arena_alloc(arena, (t->by_id.n + 1) * sizeof *infos);
    size_t n = 0, at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&t->by_id, &at)) != NULL) {
        const struct lease *l = e->value;
        infos[n++] = (struct lease_info){ l->id, l->ttl_s, l->remaining_ttl_s };
    }
    qsort(infos, n, sizeof *infos, compare_infos);
    *ret_leases = infos;
    return n;
}

void lease_checkpoint(struct lease *l, int64_t remaining_ttl_s)
{
    bool full = remaining_ttl_s <= 0 || remaining_ttl_s > l->ttl_s;
    l->remaining_ttl_s = full ? l->ttl_s : remaining_ttl_s;
}
