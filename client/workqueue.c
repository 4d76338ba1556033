/* The workqueue: one record a key that is known (in line, delayed, processing or with failures),
 * found through a map; the line is an intrusive list, the delayed ones are in a heap by due time.
 *
 *                add                 get                  done
 *     (unknown) -----> in line  ------------> processing ------> forgotten, unless dirty or failed
 *                        ^  ^                     | add: dirty
 *     delayed -- due ----+  +------- done --------+
 *
 * A key may be processing and delayed at once (the reconcile asked for another look): when it
 * becomes due while processed it turns dirty. A record goes when nothing holds it. */
#include "client/workqueue.h"

#include "client/backoff.h"
#include "lib/base/alloc.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

struct item {
    struct list link;       /* in line, else unlinked */
    struct heap_item delay; /* key: due_ms */
    bool in_line;
    bool processing;
    bool dirty; /* added again while processing */
    uint32_t failures;
    char key[];
};

struct workqueue {
    struct backoff backoff;
    struct rng rng;
    bool spread;
    struct map items; /* key -> struct item */
    struct list line;
    struct heap delayed;
    size_t n_line;
    size_t n_processing;
};

struct workqueue *workqueue_new(const struct workqueue_options *options)
{
    struct workqueue *q = mem_zalloc(sizeof *q);

    q->backoff.base_ms = options->backoff_base_ms != 0 ? options->backoff_base_ms : 50;
    q->backoff.max_ms = options->backoff_max_ms != 0 ? options->backoff_max_ms : 30000;
    q->spread = options->seed != 0;
    rng_init(&q->rng, options->seed);
    map_init(&q->items);
    list_init(&q->line);
    heap_init(&q->delayed);
    return q;
}

struct workqueue *workqueue_free(struct workqueue *q)
{
    size_t at = 0;
    struct map_entry *e;

    if (q == NULL) {
        return NULL;
    }
    while ((e = map_next(&q->items, &at)) != NULL) {
        mem_free(e->value);
    }
    map_fini(&q->items);
    heap_fini(&q->delayed);
    mem_free(q);
    return NULL;
}

static struct item *item_get(struct workqueue *q, const char *key)
{
    struct item *it = map_get_str(&q->items, key);
    size_t len = strlen(key);

    if (it != NULL) {
        return it;
    }
    it = mem_zalloc(sizeof *it + len + 1);
    memcpy(it->key, key, len + 1);
    list_init(&it->link);
    heap_item_init(&it->delay);
    map_put_str(&q->items, key, it);
    return it;
}

/* Forgets the record when nothing holds it any more. */
static void item_release(struct workqueue *q, struct item *it)
{
    if (it->in_line || it->processing || it->failures != 0 || heap_item_queued(&it->delay)) {
        return;
    }
    map_remove(&q->items, slice_str(it->key));
    mem_free(it);
}

static void item_line_up(struct workqueue *q, struct item *it)
{
    if (it->processing) {
        it->dirty = true;
        return;
    }
    if (it->in_line) {
        return;
    }
    it->in_line = true;
    list_push_back(&q->line, &it->link);
    q->n_line++;
}

void workqueue_add(struct workqueue *q, const char *key)
{
    struct item *it = item_get(q, key);

    heap_remove(&q->delayed, &it->delay);
    item_line_up(q, it);
}

void workqueue_add_at(struct workqueue *q, const char *key, uint64_t due_ms)
{
    struct item *it = item_get(q, key);

    if (it->in_line || it->dirty) {
        return;
    }
    if (heap_item_queued(&it->delay) && it->delay.key <= due_ms) {
        return;
    }
    heap_update(&q->delayed, &it->delay, due_ms);
}

void workqueue_add_rate_limited(struct workqueue *q, const char *key, uint64_t now_ms)
{
    struct item *it = item_get(q, key);

    if (it->failures < UINT32_MAX) {
        it->failures++;
    }
    workqueue_add_at(q, key,
                     now_ms + backoff_delay_ms(&q->backoff, it->failures,
                                               q->spread ? &q->rng : NULL));
}

void workqueue_forget(struct workqueue *q, const char *key)
{
    struct item *it = map_get_str(&q->items, key);

    if (it != NULL) {
        it->failures = 0;
        item_release(q, it);
    }
}

uint32_t workqueue_failures(const struct workqueue *q, const char *key)
{
    const struct item *it = map_get_str(&q->items, key);

    return it != NULL ? it->failures : 0;
}

const char *workqueue_get(struct workqueue *q, uint64_t now_ms)
{
    struct heap_item *due;
    struct list *l;
    struct item *it;

    while ((due = heap_peek(&q->delayed)) != NULL && due->key <= now_ms) {
        heap_pop(&q->delayed);
        item_line_up(q, CONTAINER_OF(due, struct item, delay));
    }
    l = list_pop_front(&q->line);
    if (l == NULL) {
        return NULL;
    }
    it = LIST_ENTRY(l, struct item, link);
    INVARIANT(it->in_line);
    INVARIANT(!it->processing);
    it->in_line = false;
    it->processing = true;
    q->n_line--;
    q->n_processing++;
    return it->key;
}

void workqueue_done(struct workqueue *q, const char *key)
{
    struct item *it = map_get_str(&q->items, key);

    PRE(it != NULL);
    PRE(it->processing);
    it->processing = false;
    q->n_processing--;
    if (it->dirty) {
        it->dirty = false;
        item_line_up(q, it);
        return;
    }
    item_release(q, it);
}

size_t workqueue_len(const struct workqueue *q)
{
    return q->n_line;
}

size_t workqueue_delayed(const struct workqueue *q)
{
    return q->delayed.n;
}

size_t workqueue_processing(const struct workqueue *q)
{
    return q->n_processing;
}

uint64_t workqueue_next_due_ms(const struct workqueue *q)
{
    const struct heap_item *due = heap_peek(&q->delayed);

    if (!list_empty(&q->line)) {
        return 0;
    }
    return due != NULL ? due->key : UINT64_MAX;
}

void workqueue_clear(struct workqueue *q)
{
    size_t at = 0;
    struct map_entry *e;

    while ((e = map_next(&q->items, &at)) != NULL) {
        struct item *it = e->value;

        list_remove(&it->link);
        heap_remove(&q->delayed, &it->delay);
        it->in_line = false;
        it->dirty = false;
        it->failures = 0;
        item_release(q, it);
    }
    q->n_line = 0;
}
