/* The in-memory log: a ring of entries, slot = index modulo capacity, so an index is found in one
 * step and both ends move without a copy. Example: capacity 8, first 6, last 9 uses the slots 6 7 0
 * 1. */
#include "raft/log.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { RING_MIN = 256 };

static struct entry *slot(const struct entry_log *l, uint64_t index)
{
    return &l->ring[index & (l->cap - 1)];
}

static void drop(struct entry_log *l, uint64_t index)
{
    struct entry *e = slot(l, index);
    l->bytes -= e->data->len;
    value_unref(e->data);
    e->data = NULL;
}

void entry_log_init(struct entry_log *l, uint64_t first)
{
    PRE(first > 0);
    *l = (struct entry_log){ .first = first, .last = first - 1 };
}

void entry_log_fini(struct entry_log *l)
{
    for (uint64_t i = l->first; i <= l->last; i++) {
        drop(l, i);
    }
    mem_free(l->ring);
    *l = (struct entry_log){ .first = 1 };
}

void entry_log_reset(struct entry_log *l, uint64_t first)
{
    entry_log_fini(l);
    entry_log_init(l, first);
}

static void grow(struct entry_log *l)
{
    size_t cap = l->cap == 0 ? RING_MIN : l->cap * 2;
    struct entry *ring = mem_zalloc(cap * sizeof *ring);
    for (uint64_t i = l->first; i <= l->last; i++) {
        ring[i & (cap - 1)] = *slot(l, i);
    }
    mem_free(l->ring);
    l->ring = ring;
    l->cap = cap;
}

void entry_log_append(struct entry_log *l, uint64_t term, uint32_t type, struct value *data)
{
    PRE(data != NULL);
    if (l->last + 1 - l->first == l->cap) {
        grow(l);
    }
    l->last++;
    *slot(l, l->last) = (struct entry){ term, type, data };
    l->bytes += data->len;
}

void entry_log_truncate(struct entry_log *l, uint64_t index)
{
    PRE(index >= l->first);
    PRE(index <= l->last + 1);
    while (l->last >= index) {
        drop(l, l->last--);
    }
}

void entry_log_compact(struct entry_log *l, uint64_t index)
{
    while (l->first <= index && l->first <= l->last) {
        drop(l, l->first++);
    }
}

const struct entry *entry_log_get(const struct entry_log *l, uint64_t index)
{
    return index >= l->first && index <= l->last ? slot(l, index) : NULL;
}
