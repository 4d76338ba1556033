/* An arena is a chain of blocks, newest first. Small requests are cut from the chunk at the head; a
 * large one gets its own block that is linked behind the head, so the chunk in use stays in use. */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* Chunk sizes with their header: the first is the largest that malloc keeps in its thread cache. */
enum { ALIGN = 16, CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024, LARGE = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes after this header; 0 for a block of one large allocation */
    _Alignas(ALIGN) uint8_t data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){ .next_size = CHUNK_MIN };
}

void arena_fini(struct arena *a)
{
    struct arena_block *b = a->blocks;
    while (b != NULL) {
        struct arena_block *next = b->next;
        mem_free(b);
        b = next;
    }
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;
    struct arena_block *b = a->blocks;
    while (b != NULL) {
        struct arena_block *next = b->next;
        if (keep == NULL && b->size != 0) {
            keep = b; /* the newest chunk is the largest */
        } else {
            mem_free(b);
        }
        b = next;
    }
    a->blocks = keep;
    a->used_bytes = 0;
    a->at = a->end = NULL;
    if (keep != NULL) {
        keep->next = NULL;
        a->at = keep->data;
        a->end = keep->data + keep->size;
    }
}

static void *alloc_large(struct arena *a, size_t size)
{
    struct arena_block *b = mem_alloc(sizeof *b + size);
    b->size = 0;
    if (a->blocks == NULL) {
        b->next = NULL;
        a->blocks = b;
    } else {
        b->next = a->blocks->next;
        a->blocks->next = b;
    }
    return b->data;
}

static void add_chunk(struct arena *a, size_t size)
{
    while (a->next_size - sizeof(struct arena_block) < size) {
        a->next_size *= 2;
    }
    struct arena_block *b = mem_alloc(a->next_size);
    b->size = a->next_size - sizeof *b;
    b->next = a->blocks;
    a->blocks = b;
    a->at = b->data;
    a->end = b->data + b->size;
    if (a->next_size < CHUNK_MAX) {
        a->next_size *= 2;
    }
}

void *arena_alloc(struct arena *a, size_t size)
{
    PRE(size < SIZE_MAX / 2);
    if (size == 0) {
        size = 1;
    }
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    a->used_bytes += size;
    if (size > LARGE) {
        return alloc_large(a, size);
    }
    if ((size_t)(a->end - a->at) < size) {
        add_chunk(a, size);
    }
    void *p = a->at;
    a->at += size;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

void *arena_dup(struct arena *a, const void *data, size_t len)
{
    void *p = arena_alloc(a, len);
    if (len != 0) {
        memcpy(p, data, len);
    }
    return p;
}

struct slice arena_dup_slice(struct arena *a, struct slice s)
{
    return slice_make(arena_dup(a, s.data, s.len), s.len);
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s) + 1);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = arena_alloc(a, len + 1);
    memcpy(p, s, len);
    p[len] = 0;
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0);
    char *s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}
