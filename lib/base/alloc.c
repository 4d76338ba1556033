/* Allocation over malloc that ends the process when there is no memory: a program that cannot hold
 * its state must not continue with half of it. The message is written without allocating. */
#include "lib/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/assert.h"

/* Allocations left until the one that fails; 0 = the hook is off. Test-only state. */
static long fail_after;

static void __attribute__((noreturn, cold)) out_of_memory(size_t size)
{
    char text[64];
    int n = snprintf(text, sizeof text, "barque: out of memory (%zu bytes wanted)\n", size);
    if (n > 0) {
        (void)!write(STDERR_FILENO, text, (size_t)n);
    }
    abort();
}

void mem_set_fail_after(long n)
{
    __atomic_store_n(&fail_after, n, __ATOMIC_RELAXED);
}

static void check_hook(size_t size)
{
    if (__builtin_expect(__atomic_load_n(&fail_after, __ATOMIC_RELAXED) != 0, 0) &&
        __atomic_sub_fetch(&fail_after, 1, __ATOMIC_RELAXED) == 0) {
        out_of_memory(size);
    }
}

void *mem_alloc(size_t size)
{
    check_hook(size);
    void *p = malloc(size != 0 ? size : 1);
    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    check_hook(size);
    void *p = calloc(1, size != 0 ? size : 1);
    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *mem_realloc(void *p, size_t size)
{
    check_hook(size);
    void *q = realloc(p, size != 0 ? size : 1);
    if (q == NULL) {
        out_of_memory(size);
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
