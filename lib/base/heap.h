/* Intrusive binary min-heap: items embed `struct heap_item`; order by key, then by insertion, so
 * equal keys come out first-in first-out on every run. One owner; not thread-safe. */
#ifndef BARQUE_BASE_HEAP_H
#define BARQUE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_NONE ((size_t)-1)

struct heap_item {
    uint64_t key;
    uint64_t seq;
    size_t pos; /* HEAP_NONE when not in a heap: call heap_item_init once */
};

struct heap {
    struct heap_item **items;
    size_t n;
    size_t cap;
    uint64_t seq;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* items are the caller's */
void heap_item_init(struct heap_item *it);
static inline bool heap_item_queued(const struct heap_item *it)
{
    return it->pos != HEAP_NONE;
}
void heap_push(struct heap *h, struct heap_item *it, uint64_t key); /* PRE: not queued */
void heap_update(struct heap *h, struct heap_item *it, uint64_t key); /* push or move */
void heap_remove(struct heap *h, struct heap_item *it);              /* fine when not queued */
struct heap_item *heap_peek(const struct heap *h);                   /* NULL when empty */
struct heap_item *heap_pop(struct heap *h);

#endif
