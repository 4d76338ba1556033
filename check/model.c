/* The model's state: an array by rank, a Fenwick tree for counts, two levels of bits to find the
 * next live key, the live keys of each lease, and a journal. What an operation means is in
 * model_run.c. */
#include "check/model.h"

#include <stdlib.h>

#include "check/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* --- which keys there are --------------------------------------------------------------------- */

static void note_key(struct check_model *m, uint32_t id)
{
    if (m->ranks[id] == CHECK_NO_RANK) {
        m->keys = mem_grow(m->keys, &m->keys_cap, m->n + 1, sizeof *m->keys);
        m->keys[m->n++] = id;
        m->ranks[id] = 0;
    }
}

static void note_parts(struct check_model *m, const struct check_part *parts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].kind == CHECK_PUT) {
            note_key(m, parts[i].key);
        }
    }
}

static int compare_ids(const void *a, const void *b, void *arg)
{
    const struct check_pool *pool = arg;
    return slice_cmp(check_pool_get(pool, *(const uint32_t *)a),
                     check_pool_get(pool, *(const uint32_t *)b));
}

static void note_all(struct check_model *m, const struct history *h, const struct check_log *log)
{
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        const struct check_op *op = &h->ops[i];
        if (op->kind == CHECK_PUT) {
            note_key(m, op->part->key);
        } else if (op->kind == CHECK_TXN) {
            note_parts(m, op->txn->then_parts, op->txn->n_then);
            note_parts(m, op->txn->else_parts, op->txn->n_else);
        }
    }
    for (size_t i = 0; log != NULL && i < log->n_base; i++) {
        note_key(m, log->base[i].key);
    }
    for (size_t i = 0; log != NULL && i < log->n; i++) {
        for (uint32_t j = 0; j < log->revs[i].n; j++) {
            note_key(m, log->revs[i].events[j].kv.key);
        }
    }
}

static void *filled(size_t n, size_t elem, int byte)
{
    return memset(mem_alloc((n + 1) * elem), byte, (n + 1) * elem);
}

/* --- changing --------------------------------------------------------------------------------- */

static void count_add(struct check_model *m, uint32_t rank, uint32_t delta)
{
    for (size_t i = (size_t)rank + 1; i <= m->n; i += i & -i) {
        m->sums[i] += delta;
    }
}

static void set_live(struct check_model *m, uint32_t rank, bool live)
{
    size_t word = rank / 64;
    if (live) {
        m->live[word] |= 1ull << (rank % 64);
        m->words[word / 64] |= 1ull << (word % 64);
    } else {
        m->live[word] &= ~(1ull << (rank % 64));
        if (m->live[word] == 0) {
            m->words[word / 64] &= ~(1ull << (word % 64));
        }
    }
    count_add(m, rank, live ? 1u : UINT32_MAX);
}

static void lease_add(struct check_model *m, int64_t id, uint32_t delta)
{
    if (id == 0) {
        return;
    }
    struct check_model_lease *l = u64map_get(&m->leases, (uint64_t)id);
    if (l == NULL) {
        l = mem_zalloc(sizeof *l);
        l->id = id;
        u64map_put(&m->leases, (uint64_t)id, l);
    }
    l->live += delta;
}

static void replace(struct check_model *m, uint32_t rank, const struct check_pkv *kv)
{
    struct check_pkv *own = &m->kvs[rank];
    if ((own->version != 0) != (kv->version != 0)) {
        set_live(m, rank, kv->version != 0);
    }
    if (own->lease != kv->lease) {
        lease_add(m, own->lease, UINT32_MAX);
        lease_add(m, kv->lease, 1);
    }
    *own = *kv;
}

void check_model_set(struct check_model *m, uint32_t rank, const struct check_pkv *kv,
                     int64_t revision)
{
    if (m->undoing) {
        m->undo = mem_grow(m->undo, &m->undo_cap, m->n_undo + 1, sizeof *m->undo);
        m->undo[m->n_undo++] = (struct check_undo){ m->kvs[rank], m->absent_until[rank], rank };
    }
    if (m->kvs[rank].version == 0 && kv->version != 0) {
        m->absent_until[rank] = revision - 1;
    }
    replace(m, rank, kv);
}

void check_model_rollback(struct check_model *m, size_t mark)
{
    while (m->n_undo > mark) {
        const struct check_undo *u = &m->undo[--m->n_undo];
        replace(m, u->rank, &u->kv);
        m->absent_until[u->rank] = u->absent_until;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void check_model_init(struct check_model *m, const struct check_pool *pool, const struct history *h,
                      const struct check_log *log)
{
    *m = (struct check_model){ .pool = pool };
    u64map_init(&m->leases);
    m->ranks = filled(pool->n, sizeof *m->ranks, 0xff);
    m->bounds = filled(pool->n, sizeof *m->bounds, 0xff);
    note_all(m, h, log);
    if (m->n > 1) {
        qsort_r(m->keys, m->n, sizeof *m->keys, compare_ids, (void *)(uintptr_t)pool);
    }
    for (size_t i = 0; i < m->n; i++) {
        m->ranks[m->keys[i]] = (uint32_t)i;
    }
    m->kvs = filled(m->n, sizeof *m->kvs, 0);
    m->absent_until = filled(m->n, sizeof *m->absent_until, 0);
    m->sums = filled(m->n + 1, sizeof *m->sums, 0);
    m->live = filled(m->n / 64 + 1, sizeof *m->live, 0);
    m->words = filled(m->n / 4096 + 1, sizeof *m->words, 0);
    m->from_key = check_pool_find(pool, slice_make("", 1));
    m->revision = log != NULL ? log->base_revision : 1;
    for (size_t i = 0; log != NULL && i < log->n_base; i++) {
        check_model_set(m, m->ranks[log->base[i].key], &log->base[i], log->base[i].create_revision);
    }
}

void check_model_fini(struct check_model *m)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&m->leases, &at)) != NULL) {
        mem_free(e->value);
    }
    u64map_fini(&m->leases);
    mem_free(m->keys);
    mem_free(m->ranks);
    mem_free(m->bounds);
    mem_free(m->kvs);
    mem_free(m->absent_until);
    mem_free(m->sums);
    mem_free(m->live);
    mem_free(m->words);
    mem_free(m->events);
    mem_free(m->undo);
    *m = (struct check_model){ 0 };
}

/* --- asking ----------------------------------------------------------------------------------- */

const struct check_pkv *check_model_get(const struct check_model *m, uint32_t key)
{
    uint32_t rank = m->ranks[key];
    return rank != CHECK_NO_RANK && m->kvs[rank].version != 0 ? &m->kvs[rank] : NULL;
}

static uint32_t bound_of(struct check_model *m, uint32_t id)
{
    if (m->bounds[id] != CHECK_NO_RANK) {
        return m->bounds[id];
    }
    struct slice bytes = check_pool_get(m->pool, id);
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (slice_cmp(check_pool_get(m->pool, m->keys[mid]), bytes) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    m->bounds[id] = (uint32_t)lo;
    return (uint32_t)lo;
}

void check_model_span(struct check_model *m, uint32_t key, uint32_t range_end, uint32_t *ret_lo,
                      uint32_t *ret_hi)
{
    if (range_end == CHECK_EMPTY) {
        uint32_t rank = m->ranks[key];
        *ret_lo = rank == CHECK_NO_RANK ? 0 : rank;
        *ret_hi = rank == CHECK_NO_RANK ? 0 : rank + 1;
        return;
    }
    *ret_lo = bound_of(m, key);
    *ret_hi = range_end == m->from_key ? (uint32_t)m->n : bound_of(m, range_end);
    *ret_hi = *ret_hi < *ret_lo ? *ret_lo : *ret_hi;
}

uint32_t check_model_next(const struct check_model *m, uint32_t rank)
{
    if (rank >= m->n) {
        return (uint32_t)m->n;
    }
    size_t word = rank / 64;
    uint64_t bits = m->live[word] & (~0ull << (rank % 64));
    if (bits == 0) {
        size_t top = ++word / 64, tops = m->n / 4096 + 1;
        uint64_t full = top < tops ? m->words[top] & (~0ull << (word % 64)) : 0;
        while (full == 0) {
            if (++top >= tops) {
                return (uint32_t)m->n;
            }
            full = m->words[top];
        }
        word = top * 64 + (size_t)__builtin_ctzll(full);
        bits = m->live[word];
    }
    return (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
}

static uint32_t count_below(const struct check_model *m, uint32_t rank)
{
    uint32_t sum = 0;
    for (size_t i = rank; i > 0; i -= i & -i) {
        sum += m->sums[i];
    }
    return sum;
}

uint32_t check_model_count(const struct check_model *m, uint32_t lo, uint32_t hi)
{
    if (hi - lo == 1) {
        return m->kvs[lo].version != 0;
    }
    return count_below(m, hi) - count_below(m, lo);
}

uint32_t check_model_lease_keys(const struct check_model *m, int64_t lease)
{
    const struct check_model_lease *l = u64map_get(&m->leases, (uint64_t)lease);
    return l != NULL ? l->live : 0;
}
