/* Allocation: aborts on failure, so callers never check; nothing may be allocated from an unchecked
 * length (base/limits.h holds every bound). mem_set_fail_after lets tests fail the Nth allocation.
 *
 * Threads: any (malloc's). */
#ifndef BARQUE_BASE_ALLOC_H
#define BARQUE_BASE_ALLOC_H

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *data, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
void mem_free(void *p); /* NULL is fine */

/* Tests: the n-th allocation from now (1 = the next) fails and so ends the process; 0 = off. */
void mem_set_fail_after(long n);

/* Grows an array so that it holds at least `need` elements of `elem` bytes; doubles. Returns the
 * (moved) array and updates *cap:
 *     v->items = mem_grow(v->items, &v->cap, v->n + 1, sizeof *v->items); */
void *mem_grow(void *items, size_t *cap, size_t need, size_t elem) __attribute__((returns_nonnull));

/* Locals: `autofree char *s = ...;` frees at scope end; `return TAKE(s);` hands it over. */
static inline void mem_autofree_(void *pp)
{
    mem_free(*(void **)pp);
}
#define autofree __attribute__((cleanup(mem_autofree_)))
#define TAKE(p)                   \
    ({                            \
        __typeof__(p) take_ = (p); \
        (p) = NULL;               \
        take_;                    \
    })

#endif
