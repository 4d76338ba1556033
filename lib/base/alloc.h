/* Allocation: never fails for its caller, so callers never check; without memory the process ends
 * with MEM_EXIT_STATUS. Nothing may be allocated from an unchecked length (base/limits.h holds
 * every bound). mem_set_fail_after lets tests fail the Nth allocation.
 *
 * Libraries that take an allocator are given this one (libraft, nghttp2, libuv, jansson), so that
 * none of them ever sees a malloc that failed.
 *
 * Threads: any (malloc's). */
#ifndef BARQUE_BASE_ALLOC_H
#define BARQUE_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

enum { MEM_EXIT_STATUS = 7 }; /* out of memory, the reserve is spent */

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *data, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
void mem_free(void *p); /* NULL is fine */

/* Ends the process as an allocation without memory does. */
void mem_exhausted(size_t size) __attribute__((noreturn, cold));

/* Keeps so much in reserve from now on (0: nothing, as at start). While it is spent memory is low:
 * whoever starts something new asks first, and refuses with E_NOMEM. mem_recover takes the reserve
 * again; call it now and then (loop thread), true when memory is not low. */
void mem_reserve(size_t bytes);
bool mem_is_low(void);
bool mem_recover(void);
/* Could this much be had now, without the reserve? Asked before something large is made. */
bool mem_has_room(size_t bytes);

/* Tests: the n-th allocation from now (1 = the next) fails once, as malloc does; 0 = off. */
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
