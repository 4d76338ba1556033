/* The log: revisions in an array, events in the pool. */
#include "check/log.h"

#include <inttypes.h>

#include "check/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"

void check_log_init(struct check_log *l, struct check_pool *pool)
{
    *l = (struct check_log){ .pool = pool, .base_revision = 1 };
}

void check_log_fini(struct check_log *l)
{
    mem_free(l->revs);
    *l = (struct check_log){ 0 };
}

void check_log_base(struct check_log *l, int64_t revision, const struct check_kv *kvs, size_t n)
{
    PRE(l->n == 0 && l->n_base == 0 && revision >= 1);
    l->base_revision = revision;
    l->base = arena_alloc(&l->pool->arena, (n + 1) * sizeof *l->base);
    for (size_t i = 0; i < n; i++) {
        l->base[i] = check_pack_kv(l->pool, &kvs[i]);
    }
    l->n_base = n;
}

int64_t check_log_last(const struct check_log *l)
{
    return l->n != 0 ? l->revs[l->n - 1].revision : l->base_revision;
}

int check_log_add(struct check_log *l, int64_t revision, int64_t at_us,
                  const struct check_event *events, size_t n)
{
    size_t bytes = 2 * (l->cap + 1) * sizeof *l->revs;
    for (size_t i = 0; i < n; i++) {
        if (events[i].kv.mod_revision != revision) {
            return E_INVAL;
        }
        bytes += sizeof(struct check_pevent) + events[i].kv.key.len + events[i].kv.value.len;
    }
    if (n == 0) {
        return E_INVAL;
    }
    if (revision <= check_log_last(l)) {
        return E_EXIST;
    }
    if (check_pool_full(l->pool, bytes)) {
        l->dropped++;
        return E_FULL;
    }
    l->revs = mem_grow(l->revs, &l->cap, l->n + 1, sizeof *l->revs);
    struct check_rev *r = &l->revs[l->n++];
    *r = (struct check_rev){ .revision = revision, .at_us = at_us, .n = (uint32_t)n };
    r->events = arena_alloc(&l->pool->arena, n * sizeof *r->events);
    for (size_t i = 0; i < n; i++) {
        r->events[i].kv = check_pack_kv(l->pool, &events[i].kv);
        r->events[i].deleted = events[i].deleted;
    }
    return 0;
}

/* The first of revs at or after `revision`. */
size_t check_log_seek(const struct check_log *l, int64_t revision)
{
    if (l->n == 0 || revision <= l->revs[0].revision) {
        return 0;
    }
    uint64_t guess = (uint64_t)(revision - l->revs[0].revision);
    if (guess < l->n && l->revs[guess].revision == revision) {
        return (size_t)guess;
    }
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->revs[mid].revision < revision) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct check_rev *check_log_find(const struct check_log *l, int64_t revision)
{
    size_t at = check_log_seek(l, revision);
    return at < l->n && l->revs[at].revision == revision ? &l->revs[at] : NULL;
}

/* --- several logs ----------------------------------------------------------------------------- */

bool check_pkv_equal(const struct check_pkv *a, const struct check_pkv *b)
{
    return a->key == b->key && a->value == b->value && a->mod_revision == b->mod_revision &&
           a->create_revision == b->create_revision && a->version == b->version &&
           a->lease == b->lease;
}

static bool events_equal(const struct check_pevent *a, const struct check_pevent *b)
{
    if (a->deleted || b->deleted) {
        return a->deleted == b->deleted && a->kv.key == b->kv.key;
    }
    return check_pkv_equal(&a->kv, &b->kv);
}

void check_print_event(const struct check_pool *pool, const struct check_pevent *e, struct buf *out)
{
    if (e->deleted) {
        buf_append_str(out, "delete ");
        check_print_bytes(pool, e->kv.key, out);
    } else {
        buf_append_str(out, "put ");
        check_print_kv(pool, &e->kv, out);
    }
}

void check_print_rev(const struct check_pool *pool, const struct check_rev *r, struct buf *out)
{
    buf_printf(out, "revision %" PRId64 ": ", r->revision);
    for (uint32_t i = 0; i < r->n && i < 8; i++) {
        buf_append_str(out, i == 0 ? "" : "; ");
        check_print_event(pool, &r->events[i], out);
    }
    if (r->n > 8) {
        buf_printf(out, "; ... %u more", r->n - 8);
    }
}

static bool revs_equal(const struct check_rev *a, const struct check_rev *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (!events_equal(&a->events[i], &b->events[i])) {
            return false;
        }
    }
    return true;
}

static void check_holes(const struct check_log *l, const char *name, struct check_verdict *v)
{
    int64_t before = l->base_revision;
    for (size_t i = 0; i < l->n; i++) {
        if (l->revs[i].revision != before + 1) {
            check_violatedf(v, "log %s goes from revision %" PRId64 " to %" PRId64, name, before,
                            l->revs[i].revision);
        }
        before = l->revs[i].revision;
    }
    if (l->dropped != 0) {
        check_undecided(v, "log %s has no room for %" PRIu64 " revisions", name, l->dropped);
    }
}

static void compare_logs(const struct check_log *a, const struct check_log *b, const char *name_a,
                         const char *name_b, struct check_verdict *v)
{
    size_t i = check_log_seek(a, b->base_revision + 1);
    size_t j = check_log_seek(b, a->base_revision + 1);
    for (; i < a->n && j < b->n; i++, j++) {
        /* A hole in one is told by check_holes; go on behind it. */
        i = check_log_seek(a, b->revs[j].revision);
        j = i < a->n ? check_log_seek(b, a->revs[i].revision) : j;
        if (i >= a->n || j >= b->n || a->revs[i].revision != b->revs[j].revision) {
            break;
        }
        v->checked++;
        if (!revs_equal(&a->revs[i], &b->revs[j])) {
            struct buf *out = check_violated(v);
            if (out != NULL) {
                buf_printf(out, "%s tells ", name_a);
                check_print_rev(a->pool, &a->revs[i], out);
                buf_printf(out, "\n%s tells ", name_b);
                check_print_rev(b->pool, &b->revs[j], out);
            }
        }
    }
}

int check_logs_agree(const struct check_log *const *logs, const char *const *names, size_t n,
                     struct check_report *report)
{
    struct check_verdict *v = check_report_verdict(
        report, "logs agree", "every member tells the same changes of each revision", "revisions");
    for (size_t i = 0; i < n; i++) {
        check_holes(logs[i], names[i], v);
    }
    /* Against the longest: equal to it is equal to each other where they overlap. */
    size_t longest = 0;
    for (size_t i = 1; i < n; i++) {
        longest = logs[i]->n > logs[longest]->n ? i : longest;
    }
    for (size_t i = 0; i < n; i++) {
        if (i != longest) {
            compare_logs(logs[longest], logs[i], names[longest], names[i], v);
        }
    }
    return check_result_code(v->result);
}
