/* The output queue of a conn: chunks in sending order, each bytes plus who owns them.
 *
 * Copied bytes are packed into blocks of 16 KiB from a pool of the loop, so a turn's many small
 * frames become one vector and an idle conn holds no memory. A long value or a taken buffer
 * becomes a chunk of its own and is never copied; below COPY_BELOW a copy costs less than a
 * vector and a reference.
 *
 * Bytes are appended only behind the last chunk's end, so a chunk that libuv is sending can
 * still grow: what is in flight is counted in bytes, not in chunks. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"

enum {
    BLOCK_BYTES = 16 * 1024 - 32,
    POOL_BLOCKS_MAX = 64,
    COPY_BELOW = 512,
    KEEP_CHUNKS = 64, /* a longer array is given back when the queue is empty */
};

struct out_block {
    struct out_block *next; /* in the pool */
    size_t used;
    uint8_t bytes[BLOCK_BYTES];
};

static struct out_block *block_take(struct out_pool *pool)
{
    struct out_block *b = pool->free;
    if (b != NULL) {
        pool->free = b->next;
        pool->n--;
    } else {
        b = mem_alloc(sizeof *b);
    }
    b->next = NULL;
    b->used = 0;
    return b;
}

static void block_give(struct out_pool *pool, struct out_block *b)
{
    if (pool->n >= POOL_BLOCKS_MAX) {
        mem_free(b);
        return;
    }
    b->next = pool->free;
    pool->free = b;
    pool->n++;
}

void out_pool_fini(struct out_pool *pool)
{
    while (pool->free != NULL) {
        struct out_block *b = pool->free;
        pool->free = b->next;
        mem_free(b);
    }
    pool->n = 0;
}

static void chunk_release(struct out_chunk *chunk, struct out_pool *pool)
{
    switch (chunk->kind) {
    case OUT_BLOCK:
        block_give(pool, chunk->owner);
        break;
    case OUT_VALUE:
        value_unref(chunk->owner);
        break;
    case OUT_HEAP:
        mem_free(chunk->owner);
        break;
    }
}

static struct out_chunk *push(struct outq *q)
{
    if (q->head + q->n == q->cap && q->head >= q->cap / 2 && q->head > 0) {
        memmove(q->chunks, q->chunks + q->head, q->n * sizeof *q->chunks);
        q->head = 0;
    }
    if (q->head + q->n == q->cap) {
        q->chunks = mem_grow(q->chunks, &q->cap, q->head + q->n + 1, sizeof *q->chunks);
    }
    return &q->chunks[q->head + q->n++];
}

static void push_owned(struct outq *q, enum out_kind kind, void *owner, struct slice bytes)
{
    *push(q) = (struct out_chunk){ bytes.data, bytes.len, owner, kind };
    q->bytes += bytes.len;
}

/* Copies as much as the last chunk's block has room for; returns how much. */
static size_t fill_last(struct outq *q, struct slice bytes)
{
    if (q->n == 0) {
        return 0;
    }
    struct out_chunk *last = &q->chunks[q->head + q->n - 1];
    if (last->kind != OUT_BLOCK) {
        return 0;
    }
    struct out_block *b = last->owner;
    size_t room = BLOCK_BYTES - b->used;
    size_t n = bytes.len < room ? bytes.len : room;
    if (n != 0) {
        memcpy(b->bytes + b->used, bytes.data, n);
    }
    b->used += n;
    last->len += n;
    q->bytes += n;
    return n;
}

void outq_copy(struct outq *q, struct out_pool *pool, struct slice bytes)
{
    size_t done = fill_last(q, bytes);
    struct slice rest = slice_make(bytes.data + done, bytes.len - done);

    if (rest.len == 0) {
        return;
    }
    if (rest.len > BLOCK_BYTES) {
        void *copy = mem_dup(rest.data, rest.len);
        push_owned(q, OUT_HEAP, copy, slice_make(copy, rest.len));
        return;
    }
    struct out_block *b = block_take(pool);
    push_owned(q, OUT_BLOCK, b, slice_make(b->bytes, 0));
    done = fill_last(q, rest);
    INVARIANT(done == rest.len);
}

void outq_value(struct outq *q, struct out_pool *pool, struct value *v, size_t from, size_t len)
{
    if (len < COPY_BELOW) {
        outq_copy(q, pool, slice_make(v->data + from, len));
    } else {
        push_owned(q, OUT_VALUE, value_ref(v), slice_make(v->data + from, len));
    }
}

void outq_buf(struct outq *q, struct out_pool *pool, struct buf *b)
{
    if (b->len < COPY_BELOW) {
        outq_copy(q, pool, buf_slice(b));
        buf_fini(b);
    } else {
        push_owned(q, OUT_HEAP, b->data, buf_slice(b));
        *b = (struct buf)BUF_INIT;
    }
}

unsigned outq_vectors(const struct outq *q, uv_buf_t *vectors, unsigned max, size_t max_bytes,
                      size_t *ret_bytes)
{
    unsigned n = 0;
    size_t bytes = 0;

    for (; n < max && n < q->n && bytes < max_bytes; n++) {
        const struct out_chunk *chunk = &q->chunks[q->head + n];
        size_t len = chunk->len < max_bytes - bytes ? chunk->len : max_bytes - bytes;
        vectors[n].base = (char *)(uintptr_t)chunk->data; /* libuv only reads it */
        vectors[n].len = len;
        bytes += len;
    }
    *ret_bytes = bytes;
    return n;
}

void outq_consume(struct outq *q, struct out_pool *pool, size_t n)
{
    PRE(n <= q->bytes);
    q->bytes -= n;
    while (n > 0) {
        struct out_chunk *chunk = &q->chunks[q->head];
        size_t part = n < chunk->len ? n : chunk->len;
        chunk->data += part;
        chunk->len -= part;
        n -= part;
        if (chunk->len == 0) {
            chunk_release(chunk, pool);
            q->head++;
            q->n--;
        }
    }
    if (q->n == 0) {
        q->head = 0;
        if (q->cap > KEEP_CHUNKS) {
            mem_free(TAKE(q->chunks));
            q->cap = 0;
        }
    }
}

void outq_fini(struct outq *q, struct out_pool *pool)
{
    for (size_t i = 0; i < q->n; i++) {
        chunk_release(&q->chunks[q->head + i], pool);
    }
    mem_free(q->chunks);
    *q = (struct outq){ 0 };
}
