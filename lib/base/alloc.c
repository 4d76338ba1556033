/* Allocation over malloc: a program that cannot hold its state must not continue with half of it,
 * so without memory the process ends, with a message that is written without allocating.
 *
 * A member ends later than that. It keeps a reserve: one block it never touches. When malloc fails
 * the block is given back and malloc is asked again: what is under way comes to its end, what is
 * new is refused (mem_is_low), and the block is taken again as soon as there is room (mem_recover).
 * Only when the reserve is spent, too, the process ends. */
#include "lib/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/log.h"

/* Allocations left until the one that fails; 0 = the hook is off. Test-only state. */
static long fail_after;

/* Of the process, as malloc is: any thread may spend it. */
static void *reserve;
static size_t reserve_bytes;
static bool low;

void mem_exhausted(size_t size)
{
    char text[64];
    log_flush(200);
    int n = snprintf(text, sizeof text, "barque: out of memory (%zu bytes wanted)\n", size);
    if (n > 0) {
        (void)log_last_words(text, (size_t)n);
    }
    _exit(MEM_EXIT_STATUS);
}

/* --- the reserve ------------------------------------------------------------------------------ */

void mem_reserve(size_t bytes)
{
    reserve_bytes = bytes;
    free(__atomic_exchange_n(&reserve, NULL, __ATOMIC_ACQ_REL));
    __atomic_store_n(&low, bytes != 0, __ATOMIC_RELEASE);
    (void)mem_recover();
}

bool mem_is_low(void)
{
    return __builtin_expect(__atomic_load_n(&low, __ATOMIC_ACQUIRE), false);
}

bool mem_recover(void)
{
    if (!mem_is_low()) {
        return true;
    }
    void *block = malloc(reserve_bytes);
    if (block == NULL) {
        return false;
    }
    __atomic_store_n(&low, false, __ATOMIC_RELEASE);
    free(__atomic_exchange_n(&reserve, block, __ATOMIC_ACQ_REL));
    return true;
}

bool mem_has_room(size_t bytes)
{
    if (mem_is_low()) {
        return false;
    }
    void *volatile p = malloc(bytes != 0 ? bytes : 1); /* else clang leaves it out and says yes */
    free(p);
    return p != NULL;
}

/* True: the reserve was given back, malloc may be asked again. */
static bool reserve_spend(void)
{
    void *block = __atomic_exchange_n(&reserve, NULL, __ATOMIC_ACQ_REL);
    if (block == NULL) {
        return false;
    }
    __atomic_store_n(&low, true, __ATOMIC_RELEASE);
    free(block);
    return true;
}

/* --- allocation ------------------------------------------------------------------------------- */

void mem_set_fail_after(long n)
{
    __atomic_store_n(&fail_after, n, __ATOMIC_RELAXED);
}

static bool hook_fails(void)
{
    return __builtin_expect(__atomic_load_n(&fail_after, __ATOMIC_RELAXED) != 0, 0) &&
           __atomic_sub_fetch(&fail_after, 1, __ATOMIC_RELAXED) == 0;
}

void *mem_alloc(size_t size)
{
    size = size != 0 ? size : 1;
    void *p = hook_fails() ? NULL : malloc(size);
    if (p == NULL && reserve_spend()) {
        p = malloc(size);
    }
    if (p == NULL) {
        mem_exhausted(size);
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    size = size != 0 ? size : 1;
    void *p = hook_fails() ? NULL : calloc(1, size);
    if (p == NULL && reserve_spend()) {
        p = calloc(1, size);
    }
    if (p == NULL) {
        mem_exhausted(size);
    }
    return p;
}

void *mem_calloc(size_t n, size_t size)
{
    size_t bytes;
    INVARIANT(!__builtin_mul_overflow(n, size, &bytes));
    return mem_zalloc(bytes);
}

void *mem_realloc(void *p, size_t size)
{
    size = size != 0 ? size : 1;
    void *q = hook_fails() ? NULL : realloc(p, size);
    if (q == NULL && reserve_spend()) {
        q = realloc(p, size);
    }
    if (q == NULL) {
        mem_exhausted(size);
    }
    return q;
}

void *mem_dup(const void *data, size_t size)
{
    void *p = mem_alloc(size);
    if (size != 0) {
        memcpy(p, data, size);
    }
    return p;
}

char *mem_strdup(const char *s)
{
    PRE(s != NULL);
    return mem_dup(s, strlen(s) + 1);
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0);
    char *s = mem_alloc((size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void mem_free(void *p)
{
    free(p);
}

void *mem_grow(void *items, size_t *cap, size_t need, size_t elem)
{
    PRE(elem != 0);
    if (items != NULL && need <= *cap) {
        return items;
    }
    size_t n = *cap < 8 ? 8 : *cap;
    while (n < need) {
        INVARIANT(n <= SIZE_MAX / 2);
        n *= 2;
    }
    INVARIANT(n <= SIZE_MAX / elem);
    items = mem_realloc(items, n * elem);
    *cap = n;
    return items;
}
