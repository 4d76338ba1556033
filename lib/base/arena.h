/* Memory of one request or one reconcile pass: many small allocations, one free.
 * Chunks double from 1 KiB to 64 KiB; an allocation over 16 KiB gets a block of its own.
 * Alignment 16. One owner; not thread-safe. */
#ifndef BARQUE_BASE_ARENA_H
#define BARQUE_BASE_ARENA_H

#include "lib/base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    uint8_t *at;
    uint8_t *end;
    size_t used_bytes; /* handed out since init or reset */
    size_t next_size;
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* keeps one chunk for reuse */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_dup(struct arena *a, const void *data, size_t len);
struct slice arena_dup_slice(struct arena *a, struct slice s);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
