/* Range: what a client sees of [key, range_end) at one revision.
 *
 * Two roads. At the newest revision the tree knows everything: count is two ranks, a limited
 * read stops after limit keys. At an older revision each head travels back to its version
 * then; the total is the current total corrected by the keys born and deleted since, when
 * those are fewer than the keys of the range, and a full scan otherwise. So the second page of
 * a list of a million keys costs little more than the first.
 *
 * Order of work as in etcd: filter, sort, cut to the limit; but without a named order and without
 * filters, limit + 1 keys are taken first, in key order. Count ignores filters and limit. */
#include <stdlib.h>

#include "lib/base/assert.h"
#include "store/internal.h"

enum { PREFETCH = 8 };

int range_check_revision(const struct store *s, int64_t revision, int64_t latest)
{
    if (revision <= 0) {
        return 0;
    }
    if (revision > latest) {
        return E_FUTURE_REV;
    }
    return revision < s->compact_revision ? E_COMPACTED : 0;
}

size_t range_heads(struct store *s, const struct key_range *range, struct arena *arena,
                   struct record ***ret_records)
{
    size_t max = (size_t)tree_count(&s->tree, range), n = 0;
    struct record **records = arena_alloc(arena, (max + 1) * sizeof *records);
    *ret_records = records;
    if (max == 0) {
        return 0;
    }
    if (range->single) {
        records[0] = tree_get(&s->tree, range->lo);
        return 1;
    }
    struct tree_cursor c;
    tree_seek(&s->tree, range->lo, &c);
    while (n < max) {
        records[n++] = tree_next_live(&c);
    }
    return n;
}

/* --- how many --------------------------------------------------------------------------------- */

static int vital_sign(const struct key_range *range, const struct record *r)
{
    if (!key_range_has(range, record_key(r))) {
        return 0;
    }
    return record_is_birth(r) - (int)r->tombstone;
}

/* The total at an older revision: the current one without what was born and with what died
 * since. */
static int64_t count_by_changes(const struct store *s, const struct key_range *range, size_t from)
{
    int64_t count = tree_count(&s->tree, range);
    for (size_t i = revlog_vital_next(&s->log, from); i < s->log.n;
         i = revlog_vital_next(&s->log, i + 1)) {
        count -= vital_sign(range, revlog_at(&s->log, i));
    }
    for (size_t i = 0; i < s->n_events; i++) { /* the revision in the making */
        count -= vital_sign(range, s->events[i]);
    }
    return count;
}

static int64_t count_by_scan(const struct store *s, const struct key_range *range, int64_t revision)
{
    int64_t count = 0;
    struct tree_cursor c;
    struct record *head;
    tree_seek(&s->tree, range->lo, &c);
    while ((head = tree_next(&c)) != NULL && !key_range_past(range, record_key(head))) {
        count += record_live_at(head, revision) != NULL;
    }
    return count;
}

static int64_t count_at(const struct store *s, const struct key_range *range, int64_t revision)
{
    if (range->single) {
        return record_live_at(tree_get(&s->tree, range->lo), revision) != NULL;
    }
    size_t from = revlog_find(&s->log, revision + 1);
    if ((int64_t)revlog_vital_count(&s->log, from) <= tree_count(&s->tree, range) + 64) {
        return count_by_changes(s, range, from);
    }
    return count_by_scan(s, range, revision);
}

/* --- which ------------------------------------------------------------------------------------ */

struct gather {
    struct record **items; /* room for max */
    size_t n, max;
};

static bool filtered_out(const struct range_request *r, const struct record *k)
{
    return (r->max_mod_revision != 0 && k->mod_revision > r->max_mod_revision) ||
           (r->min_mod_revision != 0 && k->mod_revision < r->min_mod_revision) ||
           (r->max_create_revision != 0 && k->create_revision > r->max_create_revision) ||
           (r->min_create_revision != 0 && k->create_revision < r->min_create_revision);
}

static void gather_add(struct gather *g, const struct range_request *r, struct record *k)
{
    if (k == NULL || filtered_out(r, k)) {
        return;
    }
    g->items[g->n++] = k;
}

/* The newest state has exactly `count` live keys here, so the end needs no looking at keys. */
static void gather_newest(struct store *s, const struct range_request *r,
                          const struct key_range *range, int64_t count, struct gather *g)
{
    struct tree_cursor c;
    tree_seek(&s->tree, range->lo, &c);
    for (int64_t i = 0; i < count && g->n < g->max; i++) {
        gather_add(g, r, tree_next_live(&c));
    }
}

static void gather_old(struct store *s, const struct range_request *r,
                       const struct key_range *range, int64_t revision, struct gather *g)
{
    struct tree_cursor c;
    tree_seek(&s->tree, range->lo, &c);
    while (g->n < g->max) {
        struct record *head = tree_next(&c);
        if (head == NULL || key_range_past(range, record_key(head))) {
            return;
        }
        gather_add(g, r, record_live_at(head, revision));
    }
}

/* --- in which order --------------------------------------------------------------------------- */

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_by(const struct record *a, const struct record *b, int target)
{
    switch (target) {
    case SORT_VERSION:
        return compare_numbers(a->version, b->version);
    case SORT_CREATE:
        return compare_numbers(a->create_revision, b->create_revision);
    case SORT_MOD:
        return compare_numbers(a->mod_revision, b->mod_revision);
    case SORT_VALUE:
        return slice_cmp(record_value(a), record_value(b));
    default:
        return slice_cmp(record_key(a), record_key(b));
    }
}

static int compare_kvs(const void *pa, const void *pb, void *arg)
{
    const struct range_request *r = arg;
    const struct record *a = *(struct record *const *)pa, *b = *(struct record *const *)pb;
    int c = compare_by(a, b, r->sort_target);
    if (c == 0) {
        return slice_cmp(record_key(a), record_key(b)); /* ties: key order, for every direction */
    }
    return r->sort_order == SORT_DESCEND ? -c : c;
}

static bool wants_sort(const struct range_request *r)
{
    return r->sort_target != SORT_KEY || r->sort_order == SORT_DESCEND;
}

/* In key order the first keys are known at once. As in etcd, an order by something else that is not
 * named (SORT_NONE) sorts those. */
static bool cuts_first(const struct range_request *r)
{
    return r->sort_order == SORT_NONE || !wants_sort(r);
}

static bool wants_filter(const struct range_request *r)
{
    return r->min_mod_revision != 0 || r->max_mod_revision != 0 || r->min_create_revision != 0 ||
           r->max_create_revision != 0;
}

/* Gathers, sorts, cuts; the count is known. A revision of INT64_MAX is the newest state. Taking
 * references touches records that are cold: the next ones are called for ahead. */
static void range_fill(struct store *s, const struct range_request *r,
                       const struct key_range *range, int64_t revision, struct arena *arena,
                       struct range_result *out)
{
    size_t limit = r->limit > 0 ? (size_t)r->limit : SIZE_MAX - 1;
    struct gather g = { .n = 0, .max = (size_t)out->count };
    if (cuts_first(r) && !wants_filter(r) && limit < g.max) {
        g.max = limit + 1;
    }
    g.items = arena_alloc(arena, g.max * sizeof *g.items);
    if (range->single) {
        gather_add(&g, r, record_live_at(tree_get(&s->tree, range->lo), revision));
    } else if (revision == INT64_MAX) {
        gather_newest(s, r, range, out->count, &g);
    } else {
        gather_old(s, r, range, revision, &g);
    }
    if (wants_sort(r) && g.n > 1) {
        qsort_r(g.items, g.n, sizeof *g.items, compare_kvs, (void *)(uintptr_t)r);
    }
    out->kvs = g.items;
    out->more = g.n > limit;
    out->n = out->more ? limit : g.n;
    for (size_t i = 0; i < out->n; i++) {
        if (i + PREFETCH < out->n) {
            __builtin_prefetch(out->kvs[i + PREFETCH], 1);
        }
        record_ref(out->kvs[i]);
    }
}

int range_run(struct store *s, const struct range_request *r, int64_t latest, struct arena *arena,
              struct range_result *ret_result)
{
    int rv = range_check_revision(s, r->revision, latest);
    if (rv != 0) {
        return rv;
    }
    bool newest = r->revision <= 0 || r->revision == latest;
    struct key_range range = key_range_make(r->key, r->range_end);
    *ret_result = (struct range_result){ 0 };
    ret_result->count = newest ? tree_count(&s->tree, &range) : count_at(s, &range, r->revision);
    if (!r->count_only && ret_result->count > 0) {
        range_fill(s, r, &range, newest ? INT64_MAX : r->revision, arena, ret_result);
    }
    return 0;
}

int store_range(struct store *s, const struct range_request *r, struct arena *arena,
                struct range_result *ret_result)
{
    return range_run(s, r, s->revision, arena, ret_result);
}

void range_result_unref(struct range_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        record_unref(r->kvs[i]);
    }
    *r = (struct range_result){ 0 };
}
