/* Refusals and compactions: answers without a revision.
 *
 * A refused operation was judged at some moment between its call and its return. What had returned
 * before its call bounds the revision of that moment from below, what was called after its return
 * from above; a refusal is wrong when no revision between the two justifies it. Compactions and
 * leases are not in the log, so for them only certain knowledge counts: what was answered before,
 * what was never even asked for. */
#include <inttypes.h>
#include <stdlib.h>

#include "check/internal.h"
#include "check/lin_state.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"

/* By time of return, with the greatest revision so far. */
struct reached {
    int64_t at_us, revision;
};

struct refused {
    struct lin *l;
    struct reached *state, *compacted; /* what was returned; what compaction was answered */
    size_t n_state, n_compacted;
    int64_t *asked_compacts; /* prefix maximum over the compactions, by call */
    int64_t *compact_calls;
    size_t n_asked;
    int64_t *ceiling; /* by op: what this and later ones saw first, at most; lazily */
};

static int compare_reached(const void *a, const void *b)
{
    const struct reached *x = a, *y = b;
    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
}

static void settle(struct reached *r, size_t n)
{
    if (n > 0) {
        qsort(r, n, sizeof *r, compare_reached);
    }
    for (size_t i = 1; i < n; i++) {
        r[i].revision = r[i].revision > r[i - 1].revision ? r[i].revision : r[i - 1].revision;
    }
}

/* The greatest revision that had returned before `at_us`; 0 = none. */
static int64_t reached_before(const struct reached *r, size_t n, int64_t at_us)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r[mid].at_us < at_us) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo > 0 ? r[lo - 1].revision : 0;
}

static bool counts(const struct check_op *op)
{
    return op->outcome == CHECK_OK && op->revision > 0 && !lin_serializable(op);
}

static void refused_init(struct refused *r, struct lin *l)
{
    size_t n = l->h->n;
    *r = (struct refused){ .l = l };
    r->state = mem_alloc((n + 1) * sizeof *r->state);
    r->ceiling = mem_alloc((n + 1) * sizeof *r->ceiling);
    r->ceiling[n] = l->last;
    for (size_t i = n; i-- > 0;) {
        const struct check_op *op = &l->h->ops[i];
        int64_t before = counts(op) ? op->revision - lin_wrote(op) : INT64_MAX;
        r->ceiling[i] = before < r->ceiling[i + 1] ? before : r->ceiling[i + 1];
    }
    for (size_t i = 0; i < n; i++) {
        if (counts(&l->h->ops[i])) {
            r->state[r->n_state++] =
                (struct reached){ l->h->ops[i].return_us, l->h->ops[i].revision };
        }
    }
    settle(r->state, r->n_state);
}

static void compacts_init(struct refused *r)
{
    const struct history *h = r->l->h;
    r->compacted = mem_alloc((r->n_asked + 1) * sizeof *r->compacted);
    r->asked_compacts = mem_alloc((r->n_asked + 1) * sizeof *r->asked_compacts);
    r->compact_calls = mem_alloc((r->n_asked + 1) * sizeof *r->compact_calls);
    r->n_asked = 0;
    int64_t most = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct check_op *op = &h->ops[i];
        if (op->kind != CHECK_COMPACT || op->outcome == CHECK_FAILED) {
            continue;
        }
        most = op->lease > most ? op->lease : most;
        r->asked_compacts[r->n_asked] = most;
        r->compact_calls[r->n_asked++] = op->call_us;
        if (op->outcome == CHECK_OK) {
            r->compacted[r->n_compacted++] = (struct reached){ op->return_us, op->lease };
        }
    }
    settle(r->compacted, r->n_compacted);
}

static void refused_fini(struct refused *r)
{
    mem_free(r->state);
    mem_free(r->ceiling);
    mem_free(r->compacted);
    mem_free(r->asked_compacts);
    mem_free(r->compact_calls);
}

/* The greatest revision that anyone asked to compact before `at_us`. */
static int64_t asked_before(const struct refused *r, int64_t at_us)
{
    size_t lo = 0, hi = r->n_asked;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->compact_calls[mid] <= at_us) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo > 0 ? r->asked_compacts[lo - 1] : 0;
}

static void tell(struct lin *l, uint32_t id, const char *fmt, int64_t a)
{
    struct buf *out = check_violated(l->v);
    if (out != NULL) {
        history_print(l->h, id, out);
        buf_append_char(out, '\n');
        buf_append_str(out, fmt);
        buf_printf(out, " %" PRId64, a);
    }
}

/* --- each refusal ----------------------------------------------------------------------------- */

/* The newest and the oldest revision that any part of the operation names; 0 = none. */
static void named_revisions(const struct check_op *op, int64_t *ret_newest, int64_t *ret_oldest)
{
    const struct check_part *parts[2] = { op->kind == CHECK_RANGE ? op->part : NULL, NULL };
    uint32_t n[2] = { op->kind == CHECK_RANGE, 0 };
    if (op->kind == CHECK_TXN) {
        parts[0] = op->txn->then_parts;
        parts[1] = op->txn->else_parts;
        n[0] = op->txn->n_then;
        n[1] = op->txn->n_else;
    }
    *ret_newest = *ret_oldest = op->kind == CHECK_COMPACT ? op->lease : 0;
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < n[side]; i++) {
            int64_t at = parts[side][i].kind == CHECK_RANGE ? parts[side][i].revision : 0;
            *ret_newest = at > *ret_newest ? at : *ret_newest;
            *ret_oldest = at > 0 && (*ret_oldest == 0 || at < *ret_oldest) ? at : *ret_oldest;
        }
    }
}

static void refused_revision(struct refused *r, uint32_t id, const struct check_op *op)
{
    int64_t newest, oldest;
    named_revisions(op, &newest, &oldest);
    if (op->error == E_FUTURE_REV && !lin_serializable(op)) {
        int64_t known = reached_before(r->state, r->n_state, op->call_us);
        if (newest <= known) {
            tell(r->l, id,
                 "a revision was refused as still to come after one had been told:", known);
        }
    }
    if (op->error == E_COMPACTED && !r->l->lenient && r->l->base <= 1) {
        int64_t asked = asked_before(r, op->return_us);
        bool can = op->kind == CHECK_COMPACT ? oldest <= asked : oldest != 0 && oldest < asked;
        if (!can) {
            tell(r->l, id, "refused as compacted, but the most that anyone asked to compact was",
                 asked);
        }
    }
}

static bool keeps_something(const struct check_op *op)
{
    return op->kind == CHECK_PUT &&
           (op->part->flags & (CHECK_F_IGNORE_VALUE | CHECK_F_IGNORE_LEASE)) != 0;
}

/* Becomes an item of the replay, at the upper end of its window. */
static void refused_key(struct refused *r, uint32_t id, const struct check_op *op)
{
    struct lin *l = r->l;
    size_t lo = id, hi = l->h->n; /* the first operation called after the return */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->h->ops[mid].call_us <= op->return_us) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    int64_t low = reached_before(r->state, r->n_state, op->call_us);
    int64_t high = r->ceiling[lo];
    low = low < l->base ? l->base : low;
    high = high < low ? low : high;
    u64map_put(&l->lows, id, arena_dup(&l->arena, &low, sizeof low));
    lin_add(l, high, id, LIN_ABSENT);
}

bool lin_was_absent(struct lin *l, const struct lin_item *item, struct buf *why)
{
    const struct check_op *op = &l->h->ops[item->op];
    int64_t low = *(const int64_t *)u64map_get(&l->lows, item->op);
    uint32_t rank = l->m.ranks[op->part->key];
    if (l->m.kvs[rank].version == 0 || l->m.absent_until[rank] >= low) {
        return true;
    }
    if (why != NULL) {
        buf_printf(why,
                   "refused for want of the key, which was there from revision %" PRId64
                   " to %" PRId64,
                   low, lin_revision_of(item));
    }
    return false;
}

/* An answered read of what had been compacted before it was asked. */
static void read_compacted(struct refused *r, uint32_t id, const struct check_op *op)
{
    size_t n;
    const struct check_part *parts = check_op_parts(op, &n);
    int64_t compacted = reached_before(r->compacted, r->n_compacted, op->call_us);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind == CHECK_RANGE && parts[i].revision > 0 &&
            parts[i].revision < compacted) {
            tell(r->l, id, "a revision was read that had been compacted up to", compacted);
        }
    }
}

/* --- leases ----------------------------------------------------------------------------------- */

struct lease_seen {
    int64_t granted_us; /* the first grant's call; INT64_MAX: none */
    int64_t revoke_us;  /* the first revoke's call; INT64_MAX: none */
    int64_t revoked_us; /* the first answered revoke's return; INT64_MAX: none */
    uint32_t grants;
};

static struct lease_seen *lease_of(struct lin *l, struct u64map *leases, int64_t id)
{
    struct lease_seen *s = u64map_get(leases, (uint64_t)id);
    if (s == NULL) {
        s = arena_alloc(&l->arena, sizeof *s);
        *s = (struct lease_seen){ INT64_MAX, INT64_MAX, INT64_MAX, 0 };
        u64map_put(leases, (uint64_t)id, s);
    }
    return s;
}

static void note_lease(struct lin *l, struct u64map *leases, const struct check_op *op)
{
    if (op->outcome == CHECK_FAILED || op->lease == 0) {
        return;
    }
    struct lease_seen *s = lease_of(l, leases, op->lease);
    if (op->kind == CHECK_GRANT) {
        s->grants++;
        s->granted_us = op->call_us < s->granted_us ? op->call_us : s->granted_us;
    } else if (op->kind == CHECK_REVOKE) {
        s->revoke_us = op->call_us < s->revoke_us ? op->call_us : s->revoke_us;
        if (op->outcome == CHECK_OK && op->return_us < s->revoked_us) {
            s->revoked_us = op->return_us;
        }
    }
}

/* Puts on a lease that cannot exist yet, or not any more. */
static void check_attach(struct lin *l, struct u64map *leases, uint32_t id,
                         const struct check_op *op)
{
    size_t n;
    const struct check_part *parts = check_op_parts(op, &n);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind != CHECK_PUT || parts[i].lease == 0) {
            continue;
        }
        const struct lease_seen *s = lease_of(l, leases, parts[i].lease);
        if (s->granted_us >= op->return_us) {
            tell(l, id, "a key was put on a lease that nobody had asked for yet:", parts[i].lease);
        } else if (s->grants == 1 && s->revoked_us < op->call_us) {
            tell(l, id, "a key was put on a lease after it had been revoked:", parts[i].lease);
        }
    }
}

static void check_lease_exists(struct lin *l, struct u64map *leases, uint32_t id,
                               const struct check_op *op)
{
    if (op->error == E_LEASE_EXIST && op->lease != 0 &&
        lease_of(l, leases, op->lease)->granted_us > op->return_us) {
        tell(l, id, "a lease was refused as existing that nobody else had asked for:", op->lease);
    }
}

static void check_lease_ops(struct lin *l)
{
    struct u64map leases;
    u64map_init(&leases);
    for (size_t i = 0; i < l->h->n; i++) {
        if (l->h->ops[i].kind >= CHECK_GRANT) {
            note_lease(l, &leases, &l->h->ops[i]);
        }
    }
    for (uint32_t i = 0; i < l->h->n && !l->lenient && l->base <= 1; i++) {
        const struct check_op *op = &l->h->ops[i];
        if (op->outcome == CHECK_OK && (op->kind == CHECK_PUT || op->kind == CHECK_TXN)) {
            check_attach(l, &leases, i, op);
        } else if (op->outcome == CHECK_FAILED && op->kind == CHECK_GRANT) {
            check_lease_exists(l, &leases, i, op);
        }
    }
    u64map_fini(&leases);
}

void lin_check_refused(struct lin *l)
{
    struct refused r = { 0 };
    bool any = false;
    uint32_t compacts = 0;
    for (size_t i = 0; i < l->h->n; i++) {
        const struct check_op *op = &l->h->ops[i];
        any = any || (op->outcome == CHECK_FAILED && op->error != 0);
        compacts += op->kind == CHECK_COMPACT;
    }
    if (any || compacts != 0) {
        refused_init(&r, l);
        r.n_asked = compacts;
        compacts_init(&r);
        for (uint32_t i = 0; i < l->h->n; i++) {
            const struct check_op *op = &l->h->ops[i];
            if (op->outcome == CHECK_OK && compacts != 0 && !lin_serializable(op)) {
                read_compacted(&r, i, op);
            } else if (op->outcome == CHECK_FAILED && op->error == E_KEY_NOT_FOUND &&
                       keeps_something(op)) {
                refused_key(&r, i, op);
            } else if (op->outcome == CHECK_FAILED) {
                refused_revision(&r, i, op);
            }
        }
        refused_fini(&r);
    }
    check_lease_ops(l);
}
