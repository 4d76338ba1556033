/* libraft's memory is ours: no step of the core ever sees an allocation that failed. */
#include <raft.h>
#include <stdlib.h>

#include "lib/base/alloc.h"

static void *heap_malloc(void *arg, size_t size)
{
    (void)arg;
    return mem_alloc(size);
}

static void heap_free(void *arg, void *p)
{
    (void)arg;
    mem_free(p);
}

static void *heap_calloc(void *arg, size_t n, size_t size)
{
    (void)arg;
    return mem_calloc(n, size);
}

static void *heap_realloc(void *arg, void *p, size_t size)
{
    (void)arg;
    return mem_realloc(p, size);
}

/* Not used by the core: only by the disk part of libraft, which is not ours. */
static void *heap_aligned_alloc(void *arg, size_t alignment, size_t size)
{
    (void)arg;
    void *p = aligned_alloc(alignment, size);
    if (p == NULL) {
        mem_exhausted(size);
    }
    return p;
}

static void heap_aligned_free(void *arg, size_t alignment, void *p)
{
    (void)arg;
    (void)alignment;
    mem_free(p);
}

/* Before main, because libraft keeps the pointer in an unguarded global. */
__attribute__((constructor)) static void use_our_allocator(void)
{
    static struct raft_heap heap = {
        .malloc = heap_malloc,
        .free = heap_free,
        .calloc = heap_calloc,
        .realloc = heap_realloc,
        .aligned_alloc = heap_aligned_alloc,
        .aligned_free = heap_aligned_free,
    };
    raft_heap_set(&heap);
}
