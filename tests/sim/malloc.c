/* malloc for the simulator: a run is one thread and lives for a second, and a sixth of its time
 * went into a heap that is made for many threads and for years.
 *
 * Blocks of up to 32 KiB come from size classes (every 16 bytes at first, then four to a doubling):
 * a free list each, and where that is empty the next block of a span of 64 KiB, all of one class.
 * Spans lie in one reserved range, so that an address tells whose it is: what is larger, aligned
 * in a special way or allocated when the range is full is glibc's. Nothing is given back.
 *
 * Not in sanitized builds, which bring a malloc that sees more (sim.mk). */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/assert.h"

enum {
    SPAN_SHIFT = 16,
    SPANS = 1 << 16,
    STEP_SHIFT = 4,        /* 16 bytes */
    EVEN_MAX = 1024,       /* up to here each step is a class */
    EVEN_CLASSES = EVEN_MAX >> STEP_SHIFT,
    BLOCK_MAX = 32 * 1024, /* five doublings more */
    CLASSES = EVEN_CLASSES + 5 * 4,
};

/* glibc's own, under the names that stay. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

struct block {
    struct block *next;
};

static struct {
    uint8_t *spans;            /* NULL: not reserved yet */
    size_t n_spans;
    uint8_t class_of[SPANS];
    struct block *freed[CLASSES];
    uint8_t *fresh[CLASSES];   /* what is left of its newest span */
    size_t fresh_n[CLASSES];   /* blocks */
} heap;

/* 1..16 -> 0, 17..32 -> 1, ...; above 1024: 1280, 1536, 1792, 2048, 2560, ... */
static unsigned class_for(size_t size)
{
    if (size <= EVEN_MAX) {
        return (unsigned)((size + (size == 0) - 1) >> STEP_SHIFT);
    }
    unsigned doubling = 63 - (unsigned)__builtin_clzl(size - 1); /* 10: 1025..2048 */
    unsigned quarter = (unsigned)((size - 1) >> (doubling - 2)) & 3;
    return EVEN_CLASSES + (doubling - 10) * 4 + quarter;
}

static size_t class_bytes(unsigned c)
{
    if (c < EVEN_CLASSES) {
        return (size_t)(c + 1) << STEP_SHIFT;
    }
    return (size_t)(5 + (c - EVEN_CLASSES) % 4) << (8 + (c - EVEN_CLASSES) / 4);
}

static bool is_ours(const void *p)
{
    return (size_t)((const uint8_t *)p - heap.spans) < heap.n_spans << SPAN_SHIFT;
}

static unsigned class_of(const void *p)
{
    return heap.class_of[(size_t)((const uint8_t *)p - heap.spans) >> SPAN_SHIFT];
}

static bool span_take(unsigned c)
{
    if (heap.spans == NULL) {
        void *range = mmap(NULL, (size_t)SPANS << SPAN_SHIFT, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        heap.n_spans = range != MAP_FAILED ? 0 : SPANS;
        heap.spans = range != MAP_FAILED ? range : NULL;
    }
    if (heap.spans == NULL || heap.n_spans == SPANS) {
        return false;
    }
    heap.fresh[c] = heap.spans + (heap.n_spans << SPAN_SHIFT);
    heap.fresh_n[c] = ((size_t)1 << SPAN_SHIFT) / class_bytes(c);
    heap.class_of[heap.n_spans++] = (uint8_t)c;
    return true;
}

/* As malloc, under a name that the compiler knows nothing of: out of malloc and memset it makes
 * calloc. */
static void *take(size_t size)
{
    if (size > BLOCK_MAX) {
        return __libc_malloc(size);
    }
    unsigned c = class_for(size);
    struct block *b = heap.freed[c];
    if (b != NULL) {
        heap.freed[c] = b->next;
        return b;
    }
    if (heap.fresh_n[c] == 0 && !span_take(c)) {
        return __libc_malloc(size);
    }
    void *p = heap.fresh[c];
    heap.fresh[c] += class_bytes(c);
    heap.fresh_n[c]--;
    return p;
}

void *malloc(size_t size)
{
    return take(size);
}

void free(void *p)
{
    if (!is_ours(p)) {
        __libc_free(p);
        return;
    }
    struct block *b = p;
    unsigned c = class_of(p);
    INVARIANT(b != heap.freed[c]); /* freed twice */
    b->next = heap.freed[c];
    heap.freed[c] = b;
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > BLOCK_MAX) {
        return __libc_calloc(n, size);
    }
    void *p = take(bytes);
    return p != NULL ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *p, size_t size)
{
    if (p != NULL && !is_ours(p)) {
        return __libc_realloc(p, size);
    }
    size_t had = p != NULL ? class_bytes(class_of(p)) : 0;
    if (p != NULL && size <= BLOCK_MAX && class_for(size) == class_of(p)) {
        return p;
    }
    void *moved = take(size);
    if (moved != NULL && p != NULL) {
        memcpy(moved, p, had < size ? had : size);
        free(p);
    }
    return moved;
}
