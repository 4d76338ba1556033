/* What operations mean, said once: etcd's rules for put, range, delete and txn, and the answers
 * they must give. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "check/internal.h"
#include "check/model.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* --- saying what differs ---------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool differs(struct buf *why, const char *fmt, ...)
{
    if (why != NULL) {
        char text[256];
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        buf_append_str(why, text);
    }
    return false;
}

static void say_kv(const struct check_model *m, const struct check_pkv *kv, struct buf *why)
{
    if (why == NULL) {
        return;
    }
    if (kv == NULL || kv->version == 0) {
        buf_append_str(why, "nothing");
    } else {
        check_print_kv(m->pool, kv, why);
    }
}

static bool kv_differs(const struct check_model *m, const char *what, const struct check_pkv *told,
                       const struct check_pkv *is, struct buf *why)
{
    differs(why, "%s: told ", what);
    say_kv(m, told, why);
    differs(why, ", but it is ");
    say_kv(m, is, why);
    return false;
}

/* --- changes ---------------------------------------------------------------------------------- */

static void change(struct check_model *m, uint32_t rank, const struct check_pevent *e)
{
    m->events = mem_grow(m->events, &m->events_cap, m->n_events + 1, sizeof *m->events);
    m->events[m->n_events++] = *e;
    struct check_pkv kv = e->kv;
    kv.version = e->deleted ? 0 : kv.version;
    check_model_set(m, rank, &kv, e->kv.mod_revision);
}

static void change_delete(struct check_model *m, uint32_t rank, int64_t revision)
{
    struct check_pevent e = { .kv = { .key = m->keys[rank], .mod_revision = revision },
                              .deleted = true };
    change(m, rank, &e);
}

/* prev_kvs of a put or delete: `n` keys from rank lo on. */
static bool prev_matches(const struct check_model *m, const struct check_part *p, uint32_t lo,
                         uint32_t n, struct buf *why)
{
    uint32_t want = (p->flags & CHECK_F_PREV_KV) != 0 ? n : 0;
    if (p->n_kvs != want) {
        return differs(why, "told %u prev_kvs, but there are %u to tell", p->n_kvs, want);
    }
    for (uint32_t i = 0; i < want; i++, lo++) {
        lo = check_model_next(m, lo);
        if (!check_pkv_equal(&p->kvs[i], &m->kvs[lo])) {
            return kv_differs(m, "prev_kv", &p->kvs[i], &m->kvs[lo], why);
        }
    }
    return true;
}

static bool run_put(struct check_model *m, const struct check_part *p, int64_t revision,
                    bool answered, struct buf *why)
{
    uint32_t rank = m->ranks[p->key];
    INVARIANT(rank != CHECK_NO_RANK); /* every key that is put was noted */
    const struct check_pkv *old = &m->kvs[rank];
    bool keeps = (p->flags & (CHECK_F_IGNORE_VALUE | CHECK_F_IGNORE_LEASE)) != 0;
    if (keeps && old->version == 0) {
        return differs(why, "nothing is there whose value or lease could be kept");
    }
    if (answered && !prev_matches(m, p, rank, old->version != 0, why)) {
        return false;
    }
    struct check_pevent e = {
        .kv = { .key = p->key,
                .value = (p->flags & CHECK_F_IGNORE_VALUE) != 0 ? old->value : p->value,
                .create_revision = old->version != 0 ? old->create_revision : revision,
                .mod_revision = revision,
                .version = old->version + 1,
                .lease = (p->flags & CHECK_F_IGNORE_LEASE) != 0 ? old->lease : p->lease }
    };
    change(m, rank, &e);
    return true;
}

static bool run_delete(struct check_model *m, const struct check_part *p, int64_t revision,
                       bool answered, struct buf *why)
{
    uint32_t lo, hi;
    check_model_span(m, p->key, p->range_end, &lo, &hi);
    uint32_t n = check_model_count(m, lo, hi);
    if (answered && p->count != n) {
        return differs(why, "told %" PRId64 " deleted, but %u are there", p->count, n);
    }
    if (answered && !prev_matches(m, p, lo, n, why)) {
        return false;
    }
    for (uint32_t r = check_model_next(m, lo); r < hi; r = check_model_next(m, r + 1)) {
        change_delete(m, r, revision);
    }
    return true;
}

bool check_model_read(struct check_model *m, const struct check_part *p, struct buf *why)
{
    uint32_t lo, hi;
    check_model_span(m, p->key, p->range_end, &lo, &hi);
    uint32_t count = check_model_count(m, lo, hi);
    if (p->count != count) {
        return differs(why, "told count %" PRId64 ", but %u are there", p->count, count);
    }
    bool none = (p->flags & CHECK_F_COUNT_ONLY) != 0;
    bool cut = !none && p->limit > 0 && p->limit < count;
    uint32_t want = none ? 0 : cut ? (uint32_t)p->limit : count;
    if (cut != ((p->flags & CHECK_F_MORE) != 0)) {
        return differs(why, "more is told %s", cut ? "false, but there are more" : "true");
    }
    if (p->n_kvs != want) {
        return differs(why, "told %u kvs of %u", p->n_kvs, want);
    }
    for (uint32_t i = 0; i < want; i++, lo++) {
        lo = check_model_next(m, lo);
        struct check_pkv is = m->kvs[lo];
        is.value = (p->flags & CHECK_F_KEYS_ONLY) != 0 ? CHECK_EMPTY : is.value;
        if (!check_pkv_equal(&p->kvs[i], &is)) {
            return kv_differs(m, "kv", &p->kvs[i], &is, why);
        }
    }
    return true;
}

/* --- txns ------------------------------------------------------------------------------------- */

static bool holds(uint8_t relation, int c)
{
    switch (relation) {
    case CHECK_EQUAL:
        return c == 0;
    case CHECK_GREATER:
        return c > 0;
    case CHECK_LESS:
        return c < 0;
    default:
        return c != 0;
    }
}

/* A missing key has no value, and every number of it is zero. */
static bool compare_kv(const struct check_model *m, const struct check_pcompare *c,
                       const struct check_pkv *kv)
{
    if (c->target == CHECK_VALUE) {
        return kv->version != 0 && holds(c->relation, slice_cmp(check_pool_get(m->pool, kv->value),
                                                                check_pool_get(m->pool, c->value)));
    }
    int64_t n = 0;
    if (kv->version != 0) {
        n = c->target == CHECK_VERSION  ? kv->version
            : c->target == CHECK_CREATE ? kv->create_revision
            : c->target == CHECK_MOD    ? kv->mod_revision
                                        : kv->lease;
    }
    return holds(c->relation, n < c->number ? -1 : n > c->number);
}

bool check_model_compare(struct check_model *m, const struct check_pcompare *c)
{
    static const struct check_pkv missing;
    uint32_t lo, hi;
    check_model_span(m, c->key, c->range_end, &lo, &hi);
    uint32_t r = check_model_next(m, lo);
    if (r >= hi) {
        return compare_kv(m, c, &missing); /* an empty range compares as one missing key */
    }
    for (; r < hi; r = check_model_next(m, r + 1)) {
        if (!compare_kv(m, c, &m->kvs[r])) {
            return false;
        }
    }
    return true;
}

static bool run_part(struct check_model *m, const struct check_part *p, int64_t revision,
                     bool answered, struct buf *why)
{
    switch (p->kind) {
    case CHECK_PUT:
        return run_put(m, p, revision, answered, why);
    case CHECK_DELETE:
        return run_delete(m, p, revision, answered, why);
    default:
        if (!answered) {
            return p->revision < revision; /* of a txn that makes `revision` */
        }
        return p->revision > 0 || check_model_read(m, p, why);
    }
}

static bool run_txn(struct check_model *m, const struct check_op *op, int64_t revision,
                    bool answered, struct buf *why)
{
    const struct check_ptxn *t = op->txn;
    bool branch = true;
    for (uint32_t i = 0; i < t->n_compares && branch; i++) {
        branch = check_model_compare(m, &t->compares[i]);
    }
    if (answered && branch != op->succeeded) {
        return differs(why, "told the %s branch, but the compares %s",
                       op->succeeded ? "then" : "else", branch ? "hold" : "do not hold");
    }
    const struct check_part *parts = branch ? t->then_parts : t->else_parts;
    uint32_t n = branch ? t->n_then : t->n_else;
    for (uint32_t i = 0; i < n; i++) {
        if (!run_part(m, &parts[i], revision, answered, why)) {
            return false;
        }
    }
    return true;
}

bool check_model_op(struct check_model *m, const struct check_op *op, int64_t revision,
                    bool answered, struct buf *why)
{
    m->n_events = 0;
    if (op->kind == CHECK_TXN) {
        return run_txn(m, op, revision, answered, why);
    }
    PRE(op->kind <= CHECK_DELETE);
    return run_part(m, op->part, revision, answered, why);
}

/* --- the log ---------------------------------------------------------------------------------- */

static bool event_possible(const struct check_model *m, const struct check_pevent *e,
                           int64_t revision, struct buf *why)
{
    const struct check_pkv *old = &m->kvs[m->ranks[e->kv.key]];
    if (e->deleted) {
        return old->version != 0 || differs(why, "the log deletes a key that is not there: ");
    }
    int64_t create = old->version != 0 ? old->create_revision : revision;
    if (e->kv.mod_revision != revision || e->kv.version != old->version + 1 ||
        e->kv.create_revision != create) {
        return differs(
            why, "the log goes from version %" PRId64 " of revision %" PRId64 " to another life: ",
            old->version, old->mod_revision);
    }
    return true;
}

bool check_model_rev(struct check_model *m, const struct check_rev *rev, struct buf *why)
{
    m->n_events = 0;
    for (uint32_t i = 0; i < rev->n; i++) {
        const struct check_pevent *e = &rev->events[i];
        if (!event_possible(m, e, rev->revision, why)) {
            if (why != NULL) {
                check_print_event(m->pool, e, why);
            }
            return false;
        }
        if (e->deleted) {
            change_delete(m, m->ranks[e->kv.key], rev->revision);
        } else {
            change(m, m->ranks[e->kv.key], e);
        }
    }
    return true;
}

bool check_model_same(const struct check_model *m, const struct check_rev *rev)
{
    if (m->n_events != rev->n) {
        return false;
    }
    for (uint32_t i = 0; i < rev->n; i++) {
        const struct check_pevent *a = &m->events[i], *b = &rev->events[i];
        if (a->deleted != b->deleted || a->kv.key != b->kv.key ||
            (!a->deleted && !check_pkv_equal(&a->kv, &b->kv))) {
            return false;
        }
    }
    return true;
}

bool check_model_ends_leases(const struct check_model *m, const struct check_rev *rev)
{
    /* Of each lease named here every live key must be here: for each event, the lease's live keys
     * are counted among all events. Quadratic only in the keys of one revision's leases. */
    uint32_t owed = 0;
    int64_t last = 0;
    for (uint32_t i = 0; i < rev->n; i++) {
        const struct check_pkv *kv = check_model_get(m, rev->events[i].kv.key);
        if (!rev->events[i].deleted || kv == NULL || kv->lease == 0) {
            return false;
        }
        bool seen = kv->lease == last;
        for (uint32_t j = 0; j < i && !seen; j++) {
            seen = check_model_get(m, rev->events[j].kv.key)->lease == kv->lease;
        }
        owed += seen ? 0 : check_model_lease_keys(m, kv->lease);
        last = kv->lease;
    }
    return owed == rev->n;
}

void check_model_end_lease(struct check_model *m, int64_t lease, int64_t revision)
{
    m->n_events = 0;
    for (uint32_t r = check_model_next(m, 0); r < m->n; r = check_model_next(m, r + 1)) {
        if (m->kvs[r].lease == lease) {
            change_delete(m, r, revision);
        }
    }
}
