/* The revision log as a list of fixed blocks; record i sits at head + i. Each block carries a
 * bitmap of the births and deaths among its records. */
#include "store/revlog.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { BLOCK = 4096, WORDS = BLOCK / 64 };

struct revlog_block {
    struct record *records[BLOCK];
    uint64_t vital[WORDS];
};

void revlog_init(struct revlog *l)
{
    *l = (struct revlog){ 0 };
}

void revlog_fini(struct revlog *l)
{
    for (size_t i = 0; i < l->n; i++) {
        record_unref(revlog_at(l, i));
    }
    for (size_t i = 0; i < l->n_blocks; i++) {
        mem_free(l->blocks[i]);
    }
    mem_free(l->blocks);
    revlog_init(l);
}

struct record *revlog_at(const struct revlog *l, size_t i)
{
    PRE(i < l->n);
    size_t at = l->head + i;
    return l->blocks[at / BLOCK]->records[at % BLOCK];
}

void revlog_push(struct revlog *l, struct record *r)
{
    if (l->n > 0) {
        const struct record *last = revlog_at(l, l->n - 1);
        PRE(last->mod_revision < r->mod_revision ||
            (last->mod_revision == r->mod_revision && last->sub < r->sub));
    }
    size_t at = l->head + l->n;
    if (at / BLOCK == l->n_blocks) {
        l->blocks = mem_grow(l->blocks, &l->cap, l->n_blocks + 1, sizeof *l->blocks);
        l->blocks[l->n_blocks++] = mem_zalloc(sizeof **l->blocks);
    }
    struct revlog_block *b = l->blocks[at / BLOCK];
    b->records[at % BLOCK] = r;
    if (r->tombstone || record_is_birth(r)) {
        b->vital[at % BLOCK / 64] |= (uint64_t)1 << (at % 64);
    }
    l->n++;
}

struct record *revlog_pop(struct revlog *l)
{
    struct record *r = revlog_at(l, 0);
    l->n--;
    l->head++;
    if (l->head == BLOCK) {
        mem_free(l->blocks[0]);
        l->n_blocks--;
        memmove(&l->blocks[0], &l->blocks[1], l->n_blocks * sizeof l->blocks[0]);
        l->head = 0;
    }
    return r;
}

size_t revlog_find(const struct revlog *l, int64_t revision)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (revlog_at(l, mid)->mod_revision < revision) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* The vital bits of the word that position `at` lies in, from `at` on. */
static uint64_t vital_from(const struct revlog *l, size_t at)
{
    return l->blocks[at / BLOCK]->vital[at % BLOCK / 64] & ~(uint64_t)0 << (at % 64);
}

size_t revlog_vital_count(const struct revlog *l, size_t i)
{
    size_t count = 0, end = l->head + l->n;
    for (size_t at = l->head + i; at < end; at = (at / 64 + 1) * 64) {
        count += (size_t)__builtin_popcountll(vital_from(l, at));
    }
    return count;
}

size_t revlog_vital_next(const struct revlog *l, size_t i)
{
    size_t end = l->head + l->n;
    for (size_t at = l->head + i; at < end; at = (at / 64 + 1) * 64) {
        uint64_t bits = vital_from(l, at);
        if (bits != 0) {
            return at / 64 * 64 + (size_t)__builtin_ctzll(bits) - l->head;
        }
    }
    return l->n;
}
