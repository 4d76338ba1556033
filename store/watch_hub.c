/* The watch hub: two sets of watchers and the moves between them.
 *
 *                     no room (on_events said false)
 *            +--------------------------------------------+
 *            |                                            v
 *        [synced]                          [lagging: ready <-> blocked]   <- add, from the past
 *            ^                                            |
 *            +--------------------------------------------+
 *                      its cursor has passed the head
 *
 * Synced watchers hang on their range, ranges on the interval tree. Publishing a revision
 * takes two passes: first all records are held against the tree and each hit is noted at its
 * watcher; then every watcher that was hit is called once with all of its records. Since
 * callbacks run only in the second pass, they may add and cancel at will; a cancelled
 * watcher's memory is kept until the pass is over.
 *
 * Lagging watchers have nothing queued: each has a revision, and is fed from the store's
 * history, a piece at a time in turn. A blocked one is left alone until watcher_ready. Those that
 * lag at about the same place share a piece, which is held against the tree once for all of them:
 * a thousand watchers of a key each, cut off together, do not read all history a thousand times. */
#include "store/watch_hub.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "store/interval.h"
#include "store/record.h"

enum { PIECE_RECORDS = 256, TOGETHER_FROM = 3, NO_HIT = -1 };

/* All watchers of one range. */
struct watch_range {
    struct interval interval;
    struct list synced;
    struct list together; /* those that a piece of history is being held against */
    size_t n; /* watchers of any state */
    uint8_t bytes[];
};

enum watcher_state { SYNCED, READY, BLOCKED, CANCELLED };

struct watcher {
    struct watch_hub *hub;
    struct watch_range *range;
    struct list link; /* in range->synced, hub->ready, hub->blocked or hub->dead */
    struct list all;
    struct list beside; /* in range->together */
    enum watcher_state state;
    int64_t next; /* lagging: the first revision not told; synced: told nothing below this */
    bool no_put, no_delete;
    const struct watch_hub_events *events;
    void *arg;
    ptrdiff_t first_hit, last_hit; /* in hub->hits, while a revision is published */
};

struct hit {
    struct record *record;
    ptrdiff_t next;
};

struct watch_hub {
    struct store *store;
    struct watch_hub_events events;
    struct interval_tree ranges;
    struct list all, ready, blocked, dead;
    size_t n, n_lagging;
    int64_t revision; /* the newest one published */
    bool calling;     /* callbacks are running */
    struct arena arena;
    /* Of the revision being published. */
    struct hit *hits;
    size_t n_hits, hits_cap;
    struct watcher **hurt; /* watchers with hits, in order of their first */
    size_t n_hurt, hurt_cap;
    struct record **batch;
    size_t batch_cap;
    struct watcher **group; /* that shares a piece of history */
    size_t n_group, group_cap;
};

struct watch_hub *watch_hub_new(struct store *s, const struct watch_hub_events *events)
{
    struct watch_hub *h = mem_zalloc(sizeof *h);
    h->store = s;
    h->events = *events;
    h->revision = store_revision(s);
    interval_tree_init(&h->ranges);
    list_init(&h->all);
    list_init(&h->ready);
    list_init(&h->blocked);
    list_init(&h->dead);
    arena_init(&h->arena);
    return h;
}

void watch_hub_free(struct watch_hub *h)
{
    if (h == NULL) {
        return;
    }
    PRE(h->n == 0);
    arena_fini(&h->arena);
    mem_free(h->hits);
    mem_free(h->hurt);
    mem_free(h->batch);
    mem_free(h->group);
    mem_free(h);
}

/* --- ranges ----------------------------------------------------------------------------------- */

/* Copies the bounds; a single key k is the range [k, k + "\0"). */
static struct watch_range *range_new(struct slice key, struct slice range_end)
{
    bool single = range_end.len == 0;
    struct slice end = single ? key : range_end;
    struct watch_range *r = mem_zalloc(sizeof *r + key.len + end.len + 1);
    if (key.len > 0) {
        memcpy(r->bytes, key.data, key.len);
    }
    if (end.len > 0) {
        memcpy(r->bytes + key.len, end.data, end.len); /* the byte after is zero */
    }
    r->interval.lo = slice_make(r->bytes, key.len);
    r->interval.hi = slice_make(r->bytes + key.len, end.len + single);
    r->interval.unbounded = range_end.len == 1 && range_end.data[0] == 0;
    list_init(&r->synced);
    list_init(&r->together);
    return r;
}

static struct watch_range *range_get(struct watch_hub *h, const struct watch_options *o)
{
    struct watch_range *r = range_new(o->key, o->range_end);
    struct interval *found = interval_find(&h->ranges, &r->interval);
    if (found != NULL) {
        mem_free(r);
        r = CONTAINER_OF(found, struct watch_range, interval);
    } else {
        interval_insert(&h->ranges, &r->interval);
    }
    r->n++;
    return r;
}

static void range_put(struct watch_hub *h, struct watch_range *r)
{
    if (--r->n == 0) {
        interval_remove(&h->ranges, &r->interval);
        mem_free(r);
    }
}

static bool range_has(const struct watch_range *r, struct slice key)
{
    const struct interval *i = &r->interval;
    return slice_cmp(i->lo, key) <= 0 && (i->unbounded || slice_cmp(key, i->hi) < 0);
}

/* --- watchers --------------------------------------------------------------------------------- */

static bool lagging(const struct watcher *w)
{
    return w->state == READY || w->state == BLOCKED;
}

static void watcher_move(struct watcher *w, enum watcher_state state)
{
    struct watch_hub *h = w->hub;
    h->n_lagging -= lagging(w);
    w->state = state;
    h->n_lagging += lagging(w);
    struct list *const homes[] = {
        [SYNCED] = &w->range->synced,
        [READY] = &h->ready,
        [BLOCKED] = &h->blocked,
        [CANCELLED] = &h->dead,
    };
    list_remove(&w->link);
    list_push_back(homes[state], &w->link);
}

struct watcher *watch_hub_add(struct watch_hub *h, const struct watch_options *options)
{
    struct watcher *w = mem_zalloc(sizeof *w);
    w->hub = h;
    w->range = range_get(h, options);
    w->no_put = options->no_put;
    w->no_delete = options->no_delete;
    w->arg = options->arg;
    w->events = options->events != NULL ? options->events : &h->events;
    w->first_hit = NO_HIT;
    w->next = options->start_revision != 0 ? options->start_revision : h->revision + 1;
    if (BUG(BUG_WATCH_START_LATE) && options->start_revision != 0) {
        w->next++;
    }
    list_init(&w->link);
    list_init(&w->beside);
    list_push_back(&h->all, &w->all);
    h->n++;
    watcher_move(w, w->next > h->revision ? SYNCED : READY);
    return w;
}

static void bury_dead(struct watch_hub *h)
{
    struct list *l;
    while (!h->calling && (l = list_pop_front(&h->dead)) != NULL) {
        mem_free(LIST_ENTRY(l, struct watcher, link));
    }
}

void watch_hub_cancel(struct watch_hub *h, struct watcher *w)
{
    PRE(w->hub == h);
    PRE(w->state != CANCELLED);
    watcher_move(w, CANCELLED);
    list_remove(&w->all);
    range_put(h, TAKE(w->range));
    h->n--;
    bury_dead(h);
}

void watcher_ready(struct watcher *w)
{
    if (w->state == BLOCKED) {
        watcher_move(w, READY);
    }
}

bool watcher_synced(const struct watcher *w)
{
    return w->state == SYNCED;
}

int64_t watcher_next_revision(const struct watcher *w)
{
    if (w->state != SYNCED) {
        return w->next;
    }
    if (w->first_hit != NO_HIT) {
        return w->hub->revision; /* it is about to be told */
    }
    return w->next > w->hub->revision ? w->next : w->hub->revision + 1;
}

static bool wants(const struct watcher *w, const struct record *r)
{
    return r->tombstone ? !w->no_delete : !w->no_put;
}

/* --- publishing ------------------------------------------------------------------------------- */

struct stab {
    struct watch_hub *hub;
    struct record *record;
};

static void note_hit(struct watch_hub *h, struct watcher *w, struct record *r)
{
    h->hits = mem_grow(h->hits, &h->hits_cap, h->n_hits + 1, sizeof *h->hits);
    h->hits[h->n_hits] = (struct hit){ r, NO_HIT };
    if (w->first_hit == NO_HIT) {
        w->first_hit = (ptrdiff_t)h->n_hits;
        h->hurt = mem_grow(h->hurt, &h->hurt_cap, h->n_hurt + 1, sizeof *h->hurt);
        h->hurt[h->n_hurt++] = w;
    } else {
        h->hits[w->last_hit].next = (ptrdiff_t)h->n_hits;
    }
    w->last_hit = (ptrdiff_t)h->n_hits++;
}

static void visit_range(void *arg, struct interval *i)
{
    const struct stab *s = arg;
    const struct watch_range *r = CONTAINER_OF(i, struct watch_range, interval);
    LIST_FOREACH(l, &r->synced) {
        struct watcher *w = LIST_ENTRY(l, struct watcher, link);
        bool begun = w->next <= s->hub->revision || BUG(BUG_WATCH_FUTURE_EARLY);
        if (begun && wants(w, s->record)) {
            note_hit(s->hub, w, s->record);
        }
    }
}

static void tell_hits(struct watch_hub *h, struct watcher *w)
{
    size_t n = 0;
    for (ptrdiff_t i = w->first_hit; i != NO_HIT; i = h->hits[i].next) {
        h->batch = mem_grow(h->batch, &h->batch_cap, n + 1, sizeof(struct record *));
        h->batch[n++] = h->hits[i].record;
    }
    int64_t revision = h->revision;
    bool taken = w->events->on_events(w->arg, revision, h->batch, n);
    w->first_hit = NO_HIT;
    if (!taken && w->state == SYNCED && !BUG(BUG_WATCH_SLOW_DROPPED)) {
        w->next = revision;
        watcher_move(w, BLOCKED);
    }
}

void watch_hub_publish(struct watch_hub *h, int64_t revision, struct record *const *records,
                       size_t n)
{
    PRE(!h->calling);
    PRE(revision == h->revision + 1);
    h->revision = revision;
    h->n_hits = h->n_hurt = 0;
    for (size_t i = 0; i < n; i++) {
        struct stab s = { h, records[i] };
        interval_stab(&h->ranges, record_key(records[i]), visit_range, &s);
    }
    h->calling = true;
    for (size_t i = 0; i < h->n_hurt; i++) {
        if (h->hurt[i]->state != CANCELLED) {
            tell_hits(h, h->hurt[i]);
        }
    }
    h->calling = false;
    bury_dead(h);
}

/* --- catching up ------------------------------------------------------------------------------ */

/* Tells what the watcher wants of one revision. False when it has no room. */
static bool tell_revision(struct watch_hub *h, struct watcher *w, struct record *const *records,
                          size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (wants(w, records[i]) && range_has(w->range, record_key(records[i]))) {
            h->batch = mem_grow(h->batch, &h->batch_cap, kept + 1, sizeof(struct record *));
            h->batch[kept++] = records[i];
        }
    }
    return kept == 0 || w->events->on_events(w->arg, records[0]->mod_revision, h->batch, kept);
}

/* Whole revisions, until the piece ends, room ends or the watcher is cancelled. */
static void tell_piece(struct watch_hub *h, struct watcher *w, struct record *const *records,
                       size_t n, int64_t next)
{
    for (size_t at = 0, end; at < n && w->state == READY; at = end) {
        int64_t revision = records[at]->mod_revision;
        for (end = at; end < n && records[end]->mod_revision == revision; end++) {
        }
        w->next = revision;
        bool taken = tell_revision(h, w, records + at, end - at) || BUG(BUG_WATCH_BLOCKED_SKIPPED);
        if (w->state == READY && !taken) {
            watcher_move(w, BLOCKED);
        } else if (w->state == READY) {
            w->next = revision + 1;
        }
    }
    if (w->state == READY) {
        w->next = next;
        watcher_move(w, next > h->revision ? SYNCED : READY); /* READY again: to the end */
    }
}

/* All that are ready and lag somewhere in this piece. */
static void gather_group(struct watch_hub *h, int64_t from, int64_t next)
{
    h->n_group = 0;
    LIST_FOREACH(l, &h->ready)
    {
        struct watcher *w = LIST_ENTRY(l, struct watcher, link);
        if (w->next >= from && w->next < next) {
            h->group = mem_grow(h->group, &h->group_cap, h->n_group + 1, sizeof *h->group);
            h->group[h->n_group++] = w;
        }
    }
}

static void visit_together(void *arg, struct interval *i)
{
    const struct stab *s = arg;
    const struct watch_range *r = CONTAINER_OF(i, struct watch_range, interval);
    LIST_FOREACH(l, &r->together)
    {
        struct watcher *w = LIST_ENTRY(l, struct watcher, beside);
        if (w->next <= s->record->mod_revision && wants(w, s->record)) {
            note_hit(s->hub, w, s->record);
        }
    }
}

/* Notes what each of the group wants of the piece. Ends early, before a revision, when there is
 * enough to tell for one step; returns the first revision that was not looked at. */
static int64_t note_piece(struct watch_hub *h, struct record *const *records, size_t n,
                          int64_t next, size_t enough)
{
    h->n_hits = h->n_hurt = 0;
    for (size_t i = 0; i < h->n_group; i++) {
        struct watcher *w = h->group[i];
        list_push_back(&w->range->together, &w->beside);
    }
    for (size_t i = 0; i < n; i++) {
        bool begins = i > 0 && records[i - 1]->mod_revision != records[i]->mod_revision;
        if (begins && h->n_hits >= enough) {
            next = records[i]->mod_revision;
            break;
        }
        struct stab s = { h, records[i] };
        interval_stab(&h->ranges, record_key(records[i]), visit_together, &s);
    }
    for (size_t i = 0; i < h->n_group; i++) {
        list_remove(&h->group[i]->beside);
    }
    return next;
}

/* Tells what was noted, a revision at a time, as tell_piece does. */
static void tell_noted(struct watch_hub *h, struct watcher *w, int64_t next)
{
    ptrdiff_t i = w->first_hit;
    w->first_hit = NO_HIT;
    while (i != NO_HIT && w->state == READY) {
        int64_t revision = h->hits[i].record->mod_revision;
        size_t n = 0;
        for (; i != NO_HIT && h->hits[i].record->mod_revision == revision; i = h->hits[i].next) {
            h->batch = mem_grow(h->batch, &h->batch_cap, n + 1, sizeof(struct record *));
            h->batch[n++] = h->hits[i].record;
        }
        w->next = revision;
        bool taken = w->events->on_events(w->arg, revision, h->batch, n) ||
                     BUG(BUG_WATCH_BLOCKED_SKIPPED);
        if (w->state == READY && !taken) {
            watcher_move(w, BLOCKED);
        } else if (w->state == READY) {
            w->next = revision + 1;
        }
    }
    if (w->state == READY) {
        w->next = next > w->next ? next : w->next;
        watcher_move(w, w->next > h->revision ? SYNCED : READY);
    }
}

/* A piece to all of the group; returns how much that was. A watcher that another's callback cancels
 * keeps its memory until the step is over. */
static size_t tell_group(struct watch_hub *h, struct record *const *records, size_t n, int64_t next,
                         size_t enough)
{
    next = note_piece(h, records, n, next, enough);
    for (size_t i = 0; i < h->n_group; i++) {
        tell_noted(h, h->group[i], next);
    }
    return n + h->n_hits;
}

static void drop_compacted(struct watch_hub *h, struct watcher *w)
{
    const struct watch_hub_events *events = w->events;
    void *arg = w->arg;
    if (BUG(BUG_WATCH_COMPACTED_SKIPPED)) {
        w->next = store_compact_revision(h->store) + 1;
        watcher_move(w, w->next > h->revision ? SYNCED : READY);
        return;
    }
    watch_hub_cancel(h, w);
    if (events->on_compacted != NULL) {
        events->on_compacted(arg, store_compact_revision(h->store));
    }
}

bool watch_hub_step(struct watch_hub *h, size_t max_records)
{
    PRE(!h->calling);
    size_t left = max_records;
    h->calling = true;
    while (left > 0 && !list_empty(&h->ready)) {
        struct watcher *w = LIST_ENTRY(list_first(&h->ready), struct watcher, link);
        struct record **records;
        size_t n;
        int64_t next;
        arena_reset(&h->arena);
        size_t piece = left < PIECE_RECORDS ? left : PIECE_RECORDS;
        int rv = store_history(h->store, w->next, piece, &h->arena, &records, &n, &next);
        if (rv != 0) {
            drop_compacted(h, w);
            n = 0;
        } else {
            gather_group(h, w->next, next);
            if (h->n_group >= TOGETHER_FROM) {
                n = tell_group(h, records, n, next, left);
            } else {
                tell_piece(h, w, records, n, next);
            }
        }
        left -= n < left ? n + (n == 0) : left;
    }
    h->calling = false;
    bury_dead(h);
    return !list_empty(&h->ready);
}

void watch_hub_rebase(struct watch_hub *h, struct store *s)
{
    PRE(!h->calling);
    int64_t revision = store_revision(s);
    LIST_FOREACH(l, &h->all) {
        struct watcher *w = LIST_ENTRY(l, struct watcher, all);
        int64_t next = watcher_next_revision(w);
        if (w->state == SYNCED && next <= revision && !BUG(BUG_WATCH_OVER_SNAPSHOT)) {
            w->next = next;
            watcher_move(w, READY);
        }
    }
    h->store = s;
    h->revision = revision;
}

size_t watch_hub_count(const struct watch_hub *h)
{
    return h->n;
}

size_t watch_hub_lagging(const struct watch_hub *h)
{
    return h->n_lagging;
}
