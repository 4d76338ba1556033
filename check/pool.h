/* The memory of one judged run: every byte string once, everything in one arena with a bound.
 *
 * Histories, logs and watches of one run share a pool. A string is stored once and named by a
 * 32-bit id; equal bytes have equal ids, so the checkers compare ids where a naive one compares
 * bytes, and a million answers that repeat a thousand values cost a thousand values.
 *
 * Over `bytes_max` nothing more is taken: recorders count what they drop, and verdicts that rest
 * on completeness become undecided. Nothing is freed before check_pool_fini, which frees all.
 * One owner; not thread-safe. Pure. */
#ifndef BARQUE_CHECK_POOL_H
#define BARQUE_CHECK_POOL_H

#include "lib/base/arena.h"

/* Id 0 is the empty string. */
#define CHECK_EMPTY 0u

struct check_pool {
    struct arena arena;
    struct slice *strings;   /* by id; borrowed from the arena */
    uint64_t *hashes;        /* by id */
    uint32_t *table;         /* open addressing: id + 1, 0 = free */
    size_t n, cap, hashes_cap, table_size;
    size_t bytes_max;
};

/* bytes_max 0: CHECK_POOL_BYTES. */
#define CHECK_POOL_BYTES ((size_t)4 << 30)
void check_pool_init(struct check_pool *p, size_t bytes_max);
void check_pool_fini(struct check_pool *p);
/* True when `more` bytes would go over the bound. */
bool check_pool_full(const struct check_pool *p, size_t more);
size_t check_pool_bytes(const struct check_pool *p);

/* Copies the bytes unless they are known. */
uint32_t check_pool_add(struct check_pool *p, struct slice bytes);
/* UINT32_MAX when the bytes were never added. */
uint32_t check_pool_find(const struct check_pool *p, struct slice bytes);
struct slice check_pool_get(const struct check_pool *p, uint32_t id);

#endif
