/* Revisions of the log that nobody was answered with, and the writes whose fate nobody was told.
 *
 * The log says what changed, so a write of unknown outcome is tried on the state before: either it
 * would have made just these changes, or it did not make this revision. A value leads to its
 * writers at once; deletes are looked through. Usually one write is left. Where several are, a
 * matching gives each revision one of its own (augmenting paths), so a wrong first guess is mended.
 *
 * Time needs no search: a write called after something of this or a later revision had returned
 * is no candidate, and the later a revision, the more candidates. */
#include <inttypes.h>

#include "check/internal.h"
#include "check/lin_state.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* --- writes of unknown outcome ---------------------------------------------------------------- */

static void add_claims(struct lin *l, uint32_t op, const struct check_part *parts, uint32_t n,
                       bool *ret_writes)
{
    for (uint32_t i = 0; i < n; i++) {
        *ret_writes = *ret_writes || parts[i].kind != CHECK_RANGE;
        if (parts[i].kind == CHECK_PUT && (parts[i].flags & CHECK_F_IGNORE_VALUE) != 0) {
            l->keeps = true;
            continue;
        }
        if (parts[i].kind != CHECK_PUT) {
            continue;
        }
        uint32_t *head = &l->claims_of[parts[i].value];
        if (*head != 0 && l->claims[*head - 1].op == op) {
            continue;
        }
        l->claims = mem_grow(l->claims, &l->claims_cap, l->n_claims + 1, sizeof *l->claims);
        l->claims[l->n_claims++] = (struct lin_claim){ op, *head };
        *head = (uint32_t)l->n_claims;
    }
}

void lin_note_unknown(struct lin *l)
{
    size_t strings = l->h->pool->n;
    l->claims_of = mem_zalloc((strings + 1) * sizeof *l->claims_of);
    l->used = mem_zalloc(l->h->n + 1);
    for (uint32_t i = 0; i < l->h->n; i++) {
        const struct check_op *op = &l->h->ops[i];
        bool writes = false;
        if (op->outcome != CHECK_UNKNOWN) {
            continue;
        }
        if (op->kind <= CHECK_DELETE) {
            add_claims(l, i, op->part, 1, &writes);
        } else if (op->kind == CHECK_TXN) {
            add_claims(l, i, op->txn->then_parts, op->txn->n_then, &writes);
            add_claims(l, i, op->txn->else_parts, op->txn->n_else, &writes);
        }
        if (writes) {
            l->unknown =
                mem_grow(l->unknown, &l->unknown_cap, l->n_unknown + 1, sizeof *l->unknown);
            l->unknown[l->n_unknown++] = i;
        }
    }
}

/* --- candidates ------------------------------------------------------------------------------- */

bool lin_explains(struct lin *l, uint32_t op, const struct check_rev *rev)
{
    struct check_model *m = &l->m;
    size_t mark = m->n_undo;
    bool was = m->undoing;
    m->undoing = true;
    bool same =
        check_model_op(m, &l->h->ops[op], rev->revision, false, NULL) && check_model_same(m, rev);
    check_model_rollback(m, mark);
    m->undoing = was;
    l->steps++;
    return same;
}

static bool part_covers(struct lin *l, const struct check_part *p, uint32_t key)
{
    uint32_t lo, hi, rank = l->m.ranks[key];
    check_model_span(&l->m, p->key, p->range_end, &lo, &hi);
    return p->kind != CHECK_RANGE && rank >= lo && rank < hi;
}

/* Cheaply: has it anything to do with this key? */
static bool touches(struct lin *l, const struct check_op *op, uint32_t key)
{
    if (op->kind <= CHECK_DELETE) {
        return part_covers(l, op->part, key);
    }
    const struct check_ptxn *t = op->txn;
    for (uint32_t i = 0; i < t->n_then; i++) {
        if (part_covers(l, &t->then_parts[i], key)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < t->n_else; i++) {
        if (part_covers(l, &t->else_parts[i], key)) {
            return true;
        }
    }
    return false;
}

/* A put of the revision whose value says which write it was; NULL: only deletes, or values that
 * may have been kept. */
static const struct check_pevent *telling(struct lin *l, const struct check_rev *rev)
{
    for (uint32_t i = 0; i < rev->n; i++) {
        const struct check_pevent *e = &rev->events[i];
        const struct check_pkv *old = check_model_get(&l->m, e->kv.key);
        bool kept = old != NULL && old->value == e->kv.value;
        if (!e->deleted && !kept) {
            return e;
        }
    }
    return NULL;
}

struct gather {
    uint32_t *ops;
    size_t n, cap;
};

static void try_op(struct lin *l, uint32_t op, const struct check_rev *rev, int64_t deadline,
                   struct gather *g)
{
    if (l->used[op] == LIN_FREE && l->h->ops[op].call_us <= deadline && lin_explains(l, op, rev)) {
        g->ops = mem_grow(g->ops, &g->cap, g->n + 1, sizeof *g->ops);
        g->ops[g->n++] = op;
    }
}

bool lin_add_orphan(struct lin *l, const struct check_rev *rev, int64_t deadline)
{
    struct gather g = { 0 };
    const struct check_pevent *e = telling(l, rev);
    if (e != NULL) {
        for (uint32_t c = l->claims_of[e->kv.value]; c != 0; c = l->claims[c - 1].next) {
            try_op(l, l->claims[c - 1].op, rev, deadline, &g);
        }
    }
    /* Deletes, and puts that keep the value, bear no mark. */
    for (size_t i = 0; e == NULL && i < l->n_unknown && l->steps < LIN_STEPS_MAX; i++) {
        const struct check_op *op = &l->h->ops[l->unknown[i]];
        if (op->call_us > deadline) {
            break;
        }
        l->steps++;
        if (touches(l, op, rev->events[0].kv.key)) {
            try_op(l, l->unknown[i], rev, deadline, &g);
        }
    }
    if (g.n != 0) {
        l->orphans = mem_grow(l->orphans, &l->orphans_cap, l->n_orphans + 1, sizeof *l->orphans);
        l->orphans[l->n_orphans++] = (struct lin_orphan){
            .revision = rev->revision,
            .ops = arena_dup(&l->arena, g.ops, g.n * sizeof *g.ops),
            .n = (uint32_t)g.n,
            .match = g.n == 1 ? g.ops[0] : UINT32_MAX,
        };
        if (g.n == 1) {
            l->used[g.ops[0]] = LIN_USED; /* not for a hole, nor for a later revision */
        }
    }
    mem_free(g.ops);
    return g.n != 0 || l->lenient || l->steps >= LIN_STEPS_MAX;
}

/* --- matching --------------------------------------------------------------------------------- */

struct matching {
    struct lin *l;
    uint32_t *owner; /* by op: orphan + 1 */
    uint32_t *seen;  /* by op: the round it was looked at in */
    uint32_t *queue; /* orphans */
    uint32_t *via;   /* by op: the orphan it was reached from */
};

/* Gives `op` to the orphan that reached it, takes that one's former op to the next, and so on. */
static void hand_over(struct matching *mt, uint32_t op)
{
    for (;;) {
        uint32_t orphan = mt->via[op];
        struct lin_orphan *o = &mt->l->orphans[orphan];
        uint32_t former = o->match;
        mt->owner[op] = orphan + 1;
        o->match = op;
        if (former == UINT32_MAX) {
            return;
        }
        op = former;
    }
}

static bool augment(struct matching *mt, uint32_t first, uint32_t round)
{
    size_t head = 0, tail = 0;
    mt->queue[tail++] = first;
    while (head < tail) {
        uint32_t at = mt->queue[head++];
        const struct lin_orphan *o = &mt->l->orphans[at];
        for (uint32_t i = 0; i < o->n; i++) {
            uint32_t op = o->ops[i];
            if (mt->seen[op] == round || mt->l->used[op]) {
                continue;
            }
            mt->seen[op] = round;
            mt->via[op] = at;
            mt->l->steps++;
            if (mt->owner[op] == 0) {
                hand_over(mt, op);
                return true;
            }
            mt->queue[tail++] = mt->owner[op] - 1;
        }
    }
    return false;
}

static void tell_phantom(struct lin *l, const struct lin_orphan *o)
{
    if (l->n_choices != 0) {
        check_undecided(l->v, "revisions past the log's end were explained by writes that the log "
                              "needs, too");
        return;
    }
    struct buf *out = check_violated(l->v);
    if (out == NULL) {
        return;
    }
    buf_append_str(out, "one write did more than it can have done: the log has ");
    check_print_rev(l->h->pool, check_log_find(l->log, o->revision), out);
    for (uint32_t i = 0; i < o->n && i < 4; i++) {
        buf_append_str(out, "\nwhich only this can have made, and that made another revision: ");
        history_print(l->h, o->ops[i], out);
    }
}

void lin_match_orphans(struct lin *l)
{
    if (l->n_orphans == 0 || l->lenient) {
        return;
    }
    struct matching mt = { .l = l };
    mt.owner = mem_zalloc((l->h->n + 1) * sizeof *mt.owner);
    mt.seen = mem_zalloc((l->h->n + 1) * sizeof *mt.seen);
    mt.via = mem_zalloc((l->h->n + 1) * sizeof *mt.via);
    mt.queue = mem_zalloc((l->n_orphans + 1) * sizeof *mt.queue);
    for (uint32_t i = 0; i < l->n_orphans && l->steps < LIN_STEPS_MAX; i++) {
        if (l->orphans[i].match == UINT32_MAX && !augment(&mt, i, i + 1)) {
            tell_phantom(l, &l->orphans[i]);
            break;
        }
    }
    if (l->steps >= LIN_STEPS_MAX) {
        check_undecided(l->v, "gave up matching %zu revisions with %zu writes of unknown outcome",
                        l->n_orphans, l->n_unknown);
    }
    mem_free(mt.owner);
    mem_free(mt.seen);
    mem_free(mt.via);
    mem_free(mt.queue);
}
