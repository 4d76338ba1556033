/* Leases against the clock.
 *
 *     send s1   answer        send s2    answer         true end     seen
 *       |---------|             |----------|                |          |
 *       '---- TTL ---->         '------- TTL ------->|  not before     |
 *                                          '------- TTL ------->'- slack ->| not after
 *
 * A renewal happened between its request and its answer, so it holds at least from the former and
 * at most from the latter. The true end is at or before the moment it was seen: what was seen too
 * early was too early; what was seen too late was too late only where somebody looked all the
 * time, so a keepalive that finds nothing says nothing about "late". */
#include "check/lease.h"

#include <inttypes.h>
#include <stdlib.h>

#include "check/internal.h"
#include "check/model.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"

enum { UNANSWERED_US = 10000000 };

struct lease {
    int64_t id, ttl_us;    /* the longest that was answered; 0 = none was */
    int64_t granted_us;    /* the answered grant's return; INT64_MAX: none */
    int64_t not_before;    /* the end is not before this; 0 = nothing was promised */
    uint32_t promise;      /* the operation that promised it */
    int64_t renewed;       /* the last moment of an answered renewal */
    int64_t maybe_renewed; /* the same of one of unknown outcome, at the latest */
    int64_t revoke_us;     /* the first revoke's call, INT64_MAX: none */
    int64_t revoked_us;    /* the first answered revoke's return, INT64_MAX: none */
    int64_t gone_us;       /* seen to be gone by anybody, INT64_MAX: never */
    int64_t ended_us;      /* seen to end by who looked all the time, INT64_MAX: never */
};

struct leases {
    const struct history *h;
    const struct check_log *log;
    const struct check_lease_facts *facts;
    struct check_verdict *early, *late;
    struct arena arena;
    struct u64map by_id;
    int64_t *leaders;                /* sorted */
    struct u64map deletes;           /* by revision: the answered operation that deleted there */
    const struct check_op **unknown; /* those of unknown outcome that may have deleted */
    size_t n_unknown, unknown_cap;
};

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct lease *lease_of(struct leases *ls, int64_t id)
{
    struct lease *l = u64map_get(&ls->by_id, (uint64_t)id);
    if (l == NULL) {
        l = arena_zalloc(&ls->arena, sizeof *l);
        l->id = id;
        l->granted_us = l->revoke_us = l->revoked_us = l->gone_us = l->ended_us = INT64_MAX;
        u64map_put(&ls->by_id, (uint64_t)id, l);
    }
    return l;
}

/* --- what was promised ------------------------------------------------------------------------ */

static int64_t ttl_us_of(const struct check_op *op)
{
    return op->ttl_s > INT64_MAX / 4000000 ? INT64_MAX / 4 : op->ttl_s * 1000000;
}

static void note_renewal(struct lease *l, const struct check_op *op, uint32_t id)
{
    int64_t ttl_us = ttl_us_of(op);
    l->ttl_us = max_of(l->ttl_us, ttl_us);
    l->renewed = max_of(l->renewed, op->return_us);
    if (op->call_us + ttl_us > l->not_before) {
        l->not_before = op->call_us + ttl_us;
        l->promise = id;
    }
}

static void note_op(struct leases *ls, uint32_t id)
{
    const struct check_op *op = &ls->h->ops[id];
    if (op->kind < CHECK_GRANT || op->lease == 0 || op->outcome == CHECK_FAILED) {
        return;
    }
    struct lease *l = lease_of(ls, op->lease);
    bool ok = op->outcome == CHECK_OK;
    if (op->kind == CHECK_REVOKE) {
        l->revoke_us = min_of(l->revoke_us, op->call_us);
        l->revoked_us = ok ? min_of(l->revoked_us, op->return_us) : l->revoked_us;
    } else if (!ok) {
        int64_t wait = ls->facts->unanswered_us != 0 ? ls->facts->unanswered_us : UNANSWERED_US;
        l->maybe_renewed = max_of(l->maybe_renewed, op->call_us + wait);
    } else if (op->ttl_s > 0) {
        note_renewal(l, op, id);
        l->granted_us =
            op->kind == CHECK_GRANT ? min_of(l->granted_us, op->return_us) : l->granted_us;
    }
}

/* --- what was seen ---------------------------------------------------------------------------- */

/* "No such lease", told after the grant had been answered: it is over. */
static void note_gone(struct leases *ls, const struct check_op *op)
{
    int64_t id = 0;
    bool found_nothing = op->outcome == CHECK_FAILED && op->error == E_LEASE_NOT_FOUND;
    if (op->kind == CHECK_PUT && found_nothing) {
        id = op->part->lease;
    } else if ((op->kind == CHECK_REVOKE && found_nothing) ||
               (op->kind == CHECK_KEEPALIVE &&
                (found_nothing || (op->outcome == CHECK_OK && op->ttl_s == 0)))) {
        id = op->lease;
    }
    struct lease *l = id != 0 ? u64map_get(&ls->by_id, (uint64_t)id) : NULL;
    if (l != NULL && l->granted_us <= op->call_us) {
        l->gone_us = min_of(l->gone_us, op->return_us);
    }
}

static void note_end(struct leases *ls, int64_t id, int64_t at_us)
{
    struct lease *l = u64map_get(&ls->by_id, (uint64_t)id);
    if (l != NULL) {
        l->ended_us = min_of(l->ended_us, at_us);
        l->gone_us = min_of(l->gone_us, at_us);
    }
}

static bool part_deletes(struct check_model *m, const struct check_part *parts, uint32_t n,
                         const struct check_rev *rev)
{
    uint32_t lo, hi;
    for (uint32_t i = 0; i < n; i++) {
        check_model_span(m, parts[i].key, parts[i].range_end, &lo, &hi);
        uint32_t rank = m->ranks[rev->events[0].kv.key];
        if (parts[i].kind == CHECK_DELETE && rank >= lo && rank < hi) {
            return true;
        }
    }
    return false;
}

static bool op_deletes(struct check_model *m, const struct check_op *op,
                       const struct check_rev *rev)
{
    if (op->kind == CHECK_DELETE) {
        return part_deletes(m, op->part, 1, rev);
    }
    return part_deletes(m, op->txn->then_parts, op->txn->n_then, rev) ||
           part_deletes(m, op->txn->else_parts, op->txn->n_else, rev);
}

/* Operations that may have deleted something: of known revision, and of unknown outcome. */
static void note_deletes(struct leases *ls)
{
    for (size_t i = 0; i < ls->h->n; i++) {
        struct check_op *op = &ls->h->ops[i];
        if (op->kind != CHECK_DELETE && op->kind != CHECK_TXN) {
            continue;
        }
        size_t n;
        const struct check_part *parts = check_op_parts(op, &n);
        bool deleted = false;
        for (size_t j = 0; j < n; j++) {
            deleted = deleted || (parts[j].kind == CHECK_DELETE && parts[j].count > 0);
        }
        if (op->outcome == CHECK_OK && deleted) {
            u64map_put(&ls->deletes, (uint64_t)op->revision, op);
        } else if (op->outcome == CHECK_UNKNOWN) {
            ls->unknown =
                mem_grow(ls->unknown, &ls->unknown_cap, ls->n_unknown + 1, sizeof *ls->unknown);
            ls->unknown[ls->n_unknown++] = op;
        }
    }
}

/* Can a recorded delete have made it? */
static bool may_be_delete(struct leases *ls, struct check_model *m, const struct check_rev *rev)
{
    if (u64map_get(&ls->deletes, (uint64_t)rev->revision) != NULL) {
        return true;
    }
    for (size_t i = 0; i < ls->n_unknown; i++) {
        if (op_deletes(m, ls->unknown[i], rev)) {
            return true;
        }
    }
    return false;
}

static void note_logged_ends(struct leases *ls)
{
    struct check_model m;
    check_model_init(&m, ls->log->pool, ls->h, ls->log);
    for (size_t i = 0; i < ls->log->n; i++) {
        const struct check_rev *rev = &ls->log->revs[i];
        if (rev->at_us > 0 && check_model_ends_leases(&m, rev) && !may_be_delete(ls, &m, rev)) {
            for (uint32_t j = 0; j < rev->n; j++) {
                note_end(ls, check_model_get(&m, rev->events[j].kv.key)->lease, rev->at_us);
            }
        }
        if (!check_model_rev(&m, rev, NULL)) {
            break; /* an impossible log: "linearizable" says so */
        }
    }
    check_model_fini(&m);
}

/* --- judging ---------------------------------------------------------------------------------- */

static void judge_early(struct leases *ls, const struct lease *l)
{
    if (l->not_before == 0) {
        return;
    }
    ls->early->checked++;
    if (l->gone_us >= l->not_before || l->revoke_us <= l->gone_us) {
        return;
    }
    struct buf *out = check_violated(ls->early);
    if (out != NULL) {
        buf_printf(out, "lease %" PRIx64 " was gone at ", (uint64_t)l->id);
        check_print_time(l->gone_us, out);
        buf_append_str(out, ", but was promised until ");
        check_print_time(l->not_before, out);
        buf_append_str(out, " by\n");
        history_print(ls->h, l->promise, out);
    }
}

/* Until when it can have lived, without slack: each new leader renews it. */
static int64_t not_after(const struct leases *ls, const struct lease *l)
{
    int64_t until = max_of(l->renewed, l->maybe_renewed) + l->ttl_us;
    for (size_t i = 0; i < ls->facts->n_leaders; i++) {
        if (ls->leaders[i] <= until + ls->facts->slack_us) {
            until = max_of(until, ls->leaders[i] + l->ttl_us);
        }
    }
    return until + ls->facts->slack_us;
}

static void judge_late(struct leases *ls, const struct lease *l)
{
    int64_t limit = l->revoked_us == INT64_MAX ? not_after(ls, l) : INT64_MAX;
    bool never = l->gone_us == INT64_MAX;
    if (l->ttl_us == 0 || limit == INT64_MAX || (never && ls->facts->end_us == 0)) {
        return;
    }
    ls->late->checked++;
    if (never ? ls->facts->end_us <= limit : l->ended_us == INT64_MAX || l->ended_us <= limit) {
        return;
    }
    struct buf *out = check_violated(ls->late);
    if (out != NULL) {
        buf_printf(out, "lease %" PRIx64 " of %" PRId64 " s, last renewed at ", (uint64_t)l->id,
                   l->ttl_us / 1000000);
        check_print_time(max_of(l->renewed, l->maybe_renewed), out);
        buf_append_str(out, " at the latest, had to end by ");
        check_print_time(limit, out);
        buf_append_str(out, ", but ended at ");
        check_print_time(l->ended_us, out);
    }
}

/* A keepalive that finds a lease which had been revoked before it was sent. */
static void judge_revoked(struct leases *ls, uint32_t id)
{
    const struct check_op *op = &ls->h->ops[id];
    if (op->kind != CHECK_KEEPALIVE || op->outcome != CHECK_OK || op->ttl_s <= 0) {
        return;
    }
    const struct lease *l = u64map_get(&ls->by_id, (uint64_t)op->lease);
    if (l != NULL && l->revoked_us < op->call_us) {
        struct buf *out = check_violated(ls->late);
        if (out != NULL) {
            buf_append_str(out, "kept alive after it had been revoked at ");
            check_print_time(l->revoked_us, out);
            buf_append_char(out, '\n');
            history_print(ls->h, id, out);
        }
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void gather(struct leases *ls)
{
    for (uint32_t i = 0; i < ls->h->n; i++) {
        note_op(ls, i);
    }
    for (size_t i = 0; i < ls->h->n; i++) {
        note_gone(ls, &ls->h->ops[i]);
    }
    for (size_t i = 0; i < ls->facts->n_ends; i++) {
        note_end(ls, ls->facts->ends[i].lease, ls->facts->ends[i].seen_us);
    }
    if (ls->log != NULL) {
        note_deletes(ls);
        note_logged_ends(ls);
    }
    size_t n = ls->facts->n_leaders;
    ls->leaders = mem_alloc((n + 1) * sizeof *ls->leaders);
    if (n > 0) {
        memcpy(ls->leaders, ls->facts->leaders_us, n * sizeof *ls->leaders);
        qsort(ls->leaders, n, sizeof *ls->leaders, compare_times);
    }
}

int check_leases(const struct history *h, const struct check_log *log_or_null,
                 const struct check_lease_facts *facts, struct check_report *report)
{
    struct leases ls = { .h = h, .log = log_or_null, .facts = facts };
    ls.early =
        check_report_verdict(report, "lease not early",
                             "no lease ends before what was answered to its holder", "leases");
    ls.late = check_report_verdict(report, "lease not late",
                                   "leases that nobody renews end in time", "leases");
    arena_init(&ls.arena);
    u64map_init(&ls.by_id);
    u64map_init(&ls.deletes);
    gather(&ls);
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&ls.by_id, &at)) != NULL) {
        judge_early(&ls, e->value);
        judge_late(&ls, e->value);
    }
    for (uint32_t i = 0; i < h->n; i++) {
        judge_revoked(&ls, i);
    }
    if (h->dropped != 0) {
        check_undecided(ls.late, "no room for %" PRIu64 " operations", h->dropped);
    }
    u64map_fini(&ls.by_id);
    u64map_fini(&ls.deletes);
    mem_free(ls.unknown);
    arena_fini(&ls.arena);
    mem_free(ls.leaders);
    enum check_result worst =
        ls.early->result > ls.late->result ? ls.early->result : ls.late->result;
    return check_result_code(worst);
}
