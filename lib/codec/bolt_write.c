/* Writing a bbolt file front to back.
 *
 *   pages 0, 1   heads     2   an empty freelist
 *   3...         for each bucket: its leaves in key order, then the branches above them, level by
 *                level up to one page, its root
 *   last         the leaf that lists the buckets
 *
 * A `span` is one page-to-be (with the pages that overflow it): where its items begin, how many
 * there are. Leaves are cut by the sizes of items; a branch's items are the spans of the level
 * below, whose first keys are asked for again when the branch is written. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/codec/bolt.h"
#include "lib/codec/bolt_format.h"

enum { PAGES_BEFORE = 3, LEVELS_MAX = 16 };

struct span {
    size_t first;
    uint32_t n;
    uint32_t overflow;
    uint64_t page;
};

struct level {
    struct span *spans;
    size_t n, cap;
};

struct plan {
    struct bolt_bucket bucket;
    struct level levels[LEVELS_MAX]; /* 0: leaves */
    size_t n_levels;
};

struct bolt_writer {
    struct plan *plans;   /* of the buckets, then that of the list of buckets */
    size_t n;             /* buckets */
    uint64_t pages;
    /* what comes next */
    bool heads_told;
    size_t plan, level, span;
};

/* --- the plan --------------------------------------------------------------------------------- */

static void span_close(struct bolt_writer *w, struct span *s, size_t bytes)
{
    s->overflow = (uint32_t)((bytes - 1) / BOLT_PAGE_BYTES);
    s->page = w->pages;
    w->pages += 1 + (uint64_t)s->overflow;
}

static struct span *span_open(struct level *l, size_t first)
{
    l->spans = mem_grow(l->spans, &l->cap, l->n + 1, sizeof *l->spans);
    l->spans[l->n] = (struct span){ .first = first };
    return &l->spans[l->n++];
}

/* The first item of a span of any level. */
static size_t first_item(const struct plan *p, size_t level, size_t span)
{
    for (; level > 0; level--) {
        span = p->levels[level].spans[span].first;
    }
    return p->levels[0].spans[span].first;
}

/* Cuts the items of a level into spans, as many as fit a page, at least one each. */
static void plan_level(struct bolt_writer *w, struct plan *p, size_t level)
{
    size_t n = level == 0 ? p->bucket.n : p->levels[level - 1].n;
    struct level *l = &p->levels[level];
    size_t bytes = BOLT_PAGE_HEAD;
    struct span *s = span_open(l, 0);
    for (size_t i = 0; i < n; i++) {
        size_t key = 0, value = 0;
        p->bucket.size(p->bucket.arg, level == 0 ? i : first_item(p, level - 1, i), &key, &value);
        size_t more = BOLT_ELEMENT + key + (level == 0 ? value : 0);
        if (s->n > 0 && bytes + more > BOLT_PAGE_BYTES) {
            span_close(w, s, bytes);
            s = span_open(l, i);
            bytes = BOLT_PAGE_HEAD;
        }
        bytes += more;
        s->n++;
    }
    span_close(w, s, bytes);
}

static void plan_bucket(struct bolt_writer *w, struct plan *p)
{
    plan_level(w, p, 0);
    p->n_levels = 1;
    while (p->levels[p->n_levels - 1].n > 1) {
        INVARIANT(p->n_levels < LEVELS_MAX);
        plan_level(w, p, p->n_levels);
        p->n_levels++;
    }
}

static const struct span *plan_root(const struct plan *p)
{
    return &p->levels[p->n_levels - 1].spans[0];
}

/* --- the list of buckets, itself a bucket --- */

static void list_size(void *arg, size_t i, size_t *ret_key, size_t *ret_value)
{
    const struct bolt_writer *w = arg;
    *ret_key = strlen(w->plans[i].bucket.name);
    *ret_value = BOLT_BUCKET_HEAD;
}

static void list_key(void *arg, size_t i, struct buf *out)
{
    const struct bolt_writer *w = arg;
    buf_append_str(out, w->plans[i].bucket.name);
}

static void list_value(void *arg, size_t i, struct buf *out)
{
    const struct bolt_writer *w = arg;
    uint8_t head[BOLT_BUCKET_HEAD] = { 0 };
    bolt_put(head, plan_root(&w->plans[i])->page, 8);
    buf_append(out, head, sizeof head);
}

struct bolt_writer *bolt_writer_new(const struct bolt_bucket *buckets, size_t n)
{
    struct bolt_writer *w = mem_zalloc(sizeof *w);
    w->n = n;
    w->pages = PAGES_BEFORE;
    w->plans = mem_calloc(n + 1, sizeof *w->plans);
    for (size_t i = 0; i < n; i++) {
        PRE(i == 0 || strcmp(buckets[i - 1].name, buckets[i].name) < 0);
        w->plans[i].bucket = buckets[i];
        plan_bucket(w, &w->plans[i]);
    }
    w->plans[n].bucket = (struct bolt_bucket){ .n = n, .size = list_size, .key = list_key,
                                               .value = list_value, .arg = w };
    plan_bucket(w, &w->plans[n]);
    return w;
}

uint64_t bolt_writer_size(const struct bolt_writer *w)
{
    return w->pages * BOLT_PAGE_BYTES;
}

/* --- the bytes -------------------------------------------------------------------------------- */

static size_t page_open(struct buf *out, uint64_t page, enum bolt_kind kind, uint32_t count,
                        uint32_t overflow)
{
    size_t at = out->len;
    uint8_t *p = buf_reserve(out, BOLT_PAGE_HEAD);
    bolt_put(p, page, 8);
    bolt_put(p + 8, kind, 2);
    bolt_put(p + 10, count, 2);
    bolt_put(p + 12, overflow, 4);
    buf_advance(out, BOLT_PAGE_HEAD);
    return at;
}

static void pad_to(struct buf *out, size_t len)
{
    INVARIANT(out->len <= len);
    size_t more = len - out->len;
    memset(buf_reserve(out, more), 0, more);
    buf_advance(out, more);
}

static void tell_heads(const struct bolt_writer *w, struct buf *out)
{
    for (uint64_t i = 0; i < 2; i++) {
        size_t at = page_open(out, i, BOLT_META, 0, 0);
        uint8_t meta[BOLT_META_BYTES] = { 0 };
        bolt_put(meta, BOLT_MAGIC, 4);
        bolt_put(meta + 4, BOLT_VERSION, 4);
        bolt_put(meta + 8, BOLT_PAGE_BYTES, 4);
        bolt_put(meta + 16, plan_root(&w->plans[w->n])->page, 8);
        bolt_put(meta + 32, 2, 8); /* the freelist's page */
        bolt_put(meta + 40, w->pages, 8);
        bolt_put(meta + 48, i, 8);
        bolt_put(meta + BOLT_META_SUMMED, bolt_checksum(meta, BOLT_META_SUMMED), 8);
        buf_append(out, meta, sizeof meta);
        pad_to(out, at + BOLT_PAGE_BYTES);
    }
    size_t at = page_open(out, 2, BOLT_FREELIST, 0, 0);
    pad_to(out, at + BOLT_PAGE_BYTES);
}

static void tell_leaf(const struct plan *p, const struct span *s, struct buf *out)
{
    const struct bolt_bucket *b = &p->bucket;
    uint32_t flags = b->size == list_size ? BOLT_ELEMENT_BUCKET : 0;
    size_t at = (size_t)s->n * BOLT_ELEMENT; /* of the next key, from the first element on */
    for (size_t i = 0; i < s->n; i++) {
        size_t key = 0, value = 0;
        b->size(b->arg, s->first + i, &key, &value);
        uint8_t *e = buf_reserve(out, BOLT_ELEMENT);
        bolt_put(e, flags, 4);
        bolt_put(e + 4, at - i * BOLT_ELEMENT, 4);
        bolt_put(e + 8, key, 4);
        bolt_put(e + 12, value, 4);
        buf_advance(out, BOLT_ELEMENT);
        at += key + value;
    }
    for (size_t i = 0; i < s->n; i++) {
        b->key(b->arg, s->first + i, out);
        b->value(b->arg, s->first + i, out);
    }
}

static void tell_branch(const struct plan *p, size_t level, const struct span *s, struct buf *out)
{
    const struct bolt_bucket *b = &p->bucket;
    const struct level *below = &p->levels[level - 1];
    size_t at = (size_t)s->n * BOLT_ELEMENT;
    for (size_t i = 0; i < s->n; i++) {
        size_t key = 0, value = 0;
        b->size(b->arg, first_item(p, level - 1, s->first + i), &key, &value);
        uint8_t *e = buf_reserve(out, BOLT_ELEMENT);
        bolt_put(e, at - i * BOLT_ELEMENT, 4);
        bolt_put(e + 4, key, 4);
        bolt_put(e + 8, below->spans[s->first + i].page, 8);
        buf_advance(out, BOLT_ELEMENT);
        at += key;
    }
    for (size_t i = 0; i < s->n; i++) {
        b->key(b->arg, first_item(p, level - 1, s->first + i), out);
    }
}

/* Steps to the next span; plan n is the last one of the file. */
static void advance(struct bolt_writer *w)
{
    const struct plan *p = &w->plans[w->plan];
    if (++w->span < p->levels[w->level].n) {
        return;
    }
    w->span = 0;
    if (++w->level < p->n_levels) {
        return;
    }
    w->level = 0;
    w->plan++;
}

int bolt_writer_next(struct bolt_writer *w, size_t bytes, struct buf *out)
{
    size_t start = out->len;
    if (!w->heads_told) {
        tell_heads(w, out);
        w->heads_told = true;
    }
    while (w->plan <= w->n && out->len - start < bytes) {
        const struct plan *p = &w->plans[w->plan];
        const struct span *s = &p->levels[w->level].spans[w->span];
        size_t at = page_open(out, s->page, w->level == 0 ? BOLT_LEAF : BOLT_BRANCH, s->n,
                              s->overflow);
        if (w->level == 0) {
            tell_leaf(p, s, out);
        } else {
            tell_branch(p, w->level, s, out);
        }
        pad_to(out, at + (size_t)BOLT_PAGE_BYTES * (1 + (size_t)s->overflow));
        advance(w);
    }
    return w->plan <= w->n ? 1 : 0;
}

void bolt_writer_free(struct bolt_writer *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i <= w->n; i++) {
        for (size_t k = 0; k < w->plans[i].n_levels; k++) {
            mem_free(w->plans[i].levels[k].spans);
        }
    }
    mem_free(w->plans);
    mem_free(w);
}
