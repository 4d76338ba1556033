/* The replay: each revision is made, then everything that was told at it is held against the
 * state.
 *
 *     items   by revision: what was answered there
 *     order   one scan: real time
 *     replay  for r in (base, last]:
 *                 make r: by the write answered with it; as the log says; or by search
 *                 hold reads at r against the state
 *             a mismatch ends it, or takes back the search's last decision
 *     match   logged revisions without an answer to writes without an outcome
 *
 * So a counterexample is the first in the order of revisions, and what stands before it is right.
 */
#include "check/lin.h"

#include <inttypes.h>

#include "check/internal.h"
#include "check/lin_state.h"
#include "lib/base/alloc.h"

/* --- failing ---------------------------------------------------------------------------------- */

/* The text of a mismatch at this revision; NULL when one of a later revision is known (of another
 * try), which tells people more. */
static struct buf *fail_at(struct lin *l, int64_t revision)
{
    if (revision < l->fail_revision) {
        return NULL;
    }
    l->fail_revision = revision;
    buf_reset(&l->fail);
    return &l->fail;
}

static bool fail_op(struct lin *l, int64_t revision, uint32_t op, const struct buf *why)
{
    struct buf *out = fail_at(l, revision);
    if (out != NULL) {
        history_print(l->h, op, out);
        buf_printf(out, "\nagainst the state at revision %" PRId64 ": ", revision);
        buf_append_slice(out, buf_slice(why));
    }
    return false;
}

/* --- making a revision ------------------------------------------------------------------------ */

static bool differs_from_log(struct lin *l, uint32_t op, const struct check_rev *rev)
{
    struct buf *out = fail_at(l, rev->revision);
    if (out != NULL) {
        buf_append_str(out, "an acknowledged write is not in the log:\n");
        history_print(l->h, op, out);
        buf_append_str(out, "\nthe log has ");
        check_print_rev(l->h->pool, rev, out);
    }
    return false;
}

static bool make_answered(struct lin *l, int64_t r, size_t at, const struct check_rev *rev)
{
    uint32_t op = l->items[at].op;
    autobuf why = BUF_INIT;
    if (at + 1 < l->n_items && l->items[at + 1].order == l->items[at].order) {
        struct buf *out = fail_at(l, r);
        if (out != NULL) {
            buf_append_str(out, "two writes were answered with one revision:\n");
            history_print(l->h, op, out);
            buf_append_char(out, '\n');
            history_print(l->h, l->items[at + 1].op, out);
        }
        return false;
    }
    if (!check_model_op(&l->m, &l->h->ops[op], r, true, &why)) {
        return fail_op(l, r, op, &why);
    }
    return rev == NULL || check_model_same(&l->m, rev) || differs_from_log(l, op, rev);
}

static bool make_logged(struct lin *l, const struct check_rev *rev, size_t at)
{
    autobuf why = BUF_INIT;
    bool ends = check_model_ends_leases(&l->m, rev);
    if (!ends && !lin_add_orphan(l, rev, l->deadline[at])) {
        struct buf *out = fail_at(l, rev->revision);
        if (out != NULL) {
            buf_append_str(out, "nothing that was asked for can have made the log's ");
            check_print_rev(l->h->pool, rev, out);
        }
        return false;
    }
    if (!check_model_rev(&l->m, rev, &why)) {
        struct buf *out = fail_at(l, rev->revision);
        if (out != NULL) {
            buf_append_slice(out, buf_slice(&why));
        }
        return false;
    }
    return true;
}

/* `at`: the first item of this revision or a later one. */
static bool make(struct lin *l, int64_t r, size_t at)
{
    const struct check_rev *rev = l->log != NULL ? check_log_find(l->log, r) : NULL;
    bool answered = at < l->n_items && l->items[at].order == 2 * (uint64_t)r;
    bool made = answered      ? make_answered(l, r, at, rev)
                : rev != NULL ? make_logged(l, rev, at)
                              : lin_fill_hole(l, r, at);
    l->m.revision = r;
    if (!made && !answered && rev == NULL) {
        struct buf *out = fail_at(l, r);
        if (out != NULL) {
            buf_printf(out, "nothing that was asked for can have made revision %" PRId64, r);
        }
    }
    return made;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool read_matches(struct lin *l, const struct check_op *op, int64_t r, struct buf *why)
{
    if (op->kind == CHECK_REVOKE) {
        uint32_t left = check_model_lease_keys(&l->m, op->lease);
        if (left != 0) {
            buf_printf(why, "revoked, but it still has %u keys", left);
        }
        return left == 0;
    }
    if (op->kind > CHECK_TXN) {
        return true;
    }
    /* Told to have changed nothing, and what it told of deletes agrees: so it did change nothing.
     */
    return check_model_op(&l->m, op, r, true, why);
}

static bool look(struct lin *l, const struct lin_item *it, int64_t r)
{
    const struct check_op *op = &l->h->ops[it->op];
    autobuf why = BUF_INIT;
    bool right;
    if (it->part == LIN_READ) {
        right = read_matches(l, op, r, &why);
    } else if (it->part == LIN_ABSENT) {
        right = lin_was_absent(l, it, &why);
    } else {
        size_t n;
        right = check_model_read(&l->m, &check_op_parts(op, &n)[it->part], &why);
    }
    return right || fail_op(l, r, it->op, &why);
}

/* *at passes all items of this revision. */
static bool look_all(struct lin *l, int64_t r, size_t *at)
{
    uint64_t order = 2 * (uint64_t)r + 1;
    for (; *at < l->n_items && l->items[*at].order <= order; (*at)++) {
        if (l->items[*at].part == LIN_WRITE) {
            continue;
        }
        l->steps += l->n_choices != 0;
        if (!look(l, &l->items[*at], r)) {
            return false;
        }
    }
    return true;
}

static bool replay(struct lin *l)
{
    size_t at = 0;
    int64_t r = l->base;
    bool right = look_all(l, r, &at);
    while (right && r < l->last) {
        size_t from = at;
        r++;
        while (!make(l, r, from) || !look_all(l, r, &at)) {
            if (!lin_back(l, &r, &from)) {
                return false;
            }
            at = from;
        }
    }
    return right;
}

/* --- all -------------------------------------------------------------------------------------- */

static void find_last(struct lin *l)
{
    l->last = l->log != NULL ? check_log_last(l->log) : l->base;
    for (size_t i = 0; i < l->n_items; i++) {
        int64_t r = lin_revision_of(&l->items[i]);
        l->last = r > l->last ? r : l->last;
    }
}

static void run(struct lin *l)
{
    lin_note_unknown(l);
    if (!lin_add_items(l)) {
        return;
    }
    find_last(l);
    lin_check_refused(l);
    lin_sort_items(l);
    lin_check_order(l);
    if (!lin_find_holes(l)) {
        return;
    }
    if (replay(l)) {
        lin_match_orphans(l);
    } else if (l->steps >= LIN_STEPS_MAX) {
        check_undecided(l->v,
                        "gave up after %" PRIu64 " steps: revisions without an answer or a "
                        "log have too many explanations",
                        l->steps);
    } else if (l->batch) {
        check_undecided(l->v, "no explanation found, unless several leases ended in one revision "
                              "that no log tells of");
    } else {
        struct buf *out = check_violated(l->v);
        if (out != NULL) {
            buf_append_slice(out, buf_slice(&l->fail));
        }
    }
}

static void lin_fini(struct lin *l)
{
    for (size_t i = 0; i < l->n_holes; i++) {
        mem_free(l->holes[i].seen);
    }
    check_model_fini(&l->m);
    arena_fini(&l->arena);
    u64map_fini(&l->lows);
    mem_free(l->items);
    mem_free(l->deadline);
    mem_free(l->unknown);
    mem_free(l->claims_of);
    mem_free(l->claims);
    mem_free(l->used);
    mem_free(l->orphans);
    mem_free(l->holes);
    mem_free(l->choices);
    buf_fini(&l->fail);
}

int check_linearizable(const struct history *h, const struct check_log *log_or_null,
                       struct check_report *report)
{
    struct lin l = { .h = h, .log = log_or_null };
    l.v = check_report_verdict(report, "linearizable",
                               "every answer is that of one order of all operations, which never "
                               "runs against the clock",
                               "operations");
    l.v->checked += h->n;
    bool dropped = h->dropped != 0 || (l.log != NULL && l.log->dropped != 0);
    l.lenient = h->others_write || dropped;
    l.base = l.log != NULL ? l.log->base_revision : 1;
    arena_init(&l.arena);
    u64map_init(&l.lows);
    check_model_init(&l.m, h->pool, h, l.log);
    run(&l);
    if (dropped) {
        check_undecided(l.v, "no room for %" PRIu64 " operations", h->dropped);
    }
    if (l.skipped != 0) {
        check_undecided(l.v, "%" PRIu64 " answers are of revisions before the log begins",
                        l.skipped);
    }
    lin_fini(&l);
    return check_result_code(l.v->result);
}
