/* A binary heap of pointers; each item knows its position, so that moving or removing any item is
 * O(log n). (key, seq) is a total order, hence pops are the same on every run. */
#include "lib/base/heap.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void heap_fini(struct heap *h)
{
    mem_free(h->items);
    heap_init(h);
}

void heap_item_init(struct heap_item *it)
{
    *it = (struct heap_item){ .pos = HEAP_NONE };
}

static bool before(const struct heap_item *a, const struct heap_item *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, struct heap_item *it, size_t pos)
{
    h->items[pos] = it;
    it->pos = pos;
}

static void sift_up(struct heap *h, struct heap_item *it, size_t pos)
{
    while (pos > 0) {
        size_t parent = (pos - 1) / 2;
        if (!before(it, h->items[parent])) {
            break;
        }
        place(h, h->items[parent], pos);
        pos = parent;
    }
    place(h, it, pos);
}

static void sift_down(struct heap *h, struct heap_item *it, size_t pos)
{
    for (;;) {
        size_t child = 2 * pos + 1;
        if (child >= h->n) {
            break;
        }
        if (child + 1 < h->n && before(h->items[child + 1], h->items[child])) {
            child++;
        }
        if (!before(h->items[child], it)) {
            break;
        }
        place(h, h->items[child], pos);
        pos = child;
    }
    place(h, it, pos);
}

void heap_push(struct heap *h, struct heap_item *it, uint64_t key)
{
    PRE(!heap_item_queued(it));
    h->items = mem_grow(h->items, &h->cap, h->n + 1, sizeof(struct heap_item *));
    it->key = key;
    it->seq = h->seq++;
    h->n++;
    sift_up(h, it, h->n - 1);
}

void heap_remove(struct heap *h, struct heap_item *it)
{
    if (!heap_item_queued(it)) {
        return;
    }
    size_t pos = it->pos;
    INVARIANT(pos < h->n);
    INVARIANT(h->items[pos] == it);
    struct heap_item *last = h->items[--h->n];
    it->pos = HEAP_NONE;
    if (last == it) {
        return;
    }
    if (pos > 0 && before(last, h->items[(pos - 1) / 2])) {
        sift_up(h, last, pos);
    } else {
        sift_down(h, last, pos);
    }
}

void heap_update(struct heap *h, struct heap_item *it, uint64_t key)
{
    heap_remove(h, it);
    heap_push(h, it, key);
}

struct heap_item *heap_peek(const struct heap *h)
{
    return h->n != 0 ? h->items[0] : NULL;
}

struct heap_item *heap_pop(struct heap *h)
{
    struct heap_item *it = heap_peek(h);
    if (it != NULL) {
        heap_remove(h, it);
    }
    return it;
}
