/* Revisions that nobody tells of: not the log, and no answer.
 *
 * Revisions have no gaps, so something happened there: a write of unknown outcome, or a lease
 * ended. What was read later with this mod_revision often says which one; where it does not, each
 * in turn is tried and the replay goes on, until an answer contradicts it: then the last decision
 * is taken back (the model keeps a journal) and the next candidate tried. The steps are bounded:
 * rather undecided than for ever. */
#include <inttypes.h>
#include <stdlib.h>

#include "check/internal.h"
#include "check/lin_state.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

/* --- which ------------------------------------------------------------------------------------ */

static void add_hole(struct lin *l, int64_t revision)
{
    l->holes = mem_grow(l->holes, &l->holes_cap, l->n_holes + 1, sizeof *l->holes);
    l->holes[l->n_holes++] = (struct lin_hole){ .revision = revision };
}

static struct lin_hole *hole_at(const struct lin *l, int64_t revision)
{
    size_t lo = 0, hi = l->n_holes;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->holes[mid].revision < revision) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < l->n_holes && l->holes[lo].revision == revision ? &l->holes[lo] : NULL;
}

static uint64_t leased_in(const struct check_part *parts, size_t n)
{
    uint64_t leased = 0;
    for (size_t i = 0; i < n; i++) {
        leased += parts[i].kind == CHECK_PUT && parts[i].lease != 0;
    }
    return leased;
}

/* How many revisions can have been made that nobody was answered with, at most. */
static uint64_t silent_max(const struct lin *l)
{
    uint64_t max = l->n_unknown;
    for (size_t i = 0; i < l->h->n; i++) {
        const struct check_op *op = &l->h->ops[i];
        if (op->kind == CHECK_PUT) {
            max += leased_in(op->part, 1);
        } else if (op->kind == CHECK_TXN) {
            max += leased_in(op->txn->then_parts, op->txn->n_then);
            max += leased_in(op->txn->else_parts, op->txn->n_else);
        }
    }
    for (size_t i = 0; l->log != NULL && i < l->log->n; i++) {
        for (uint32_t j = 0; j < l->log->revs[i].n; j++) {
            max += l->log->revs[i].events[j].kv.lease != 0;
        }
    }
    for (size_t i = 0; l->log != NULL && i < l->log->n_base; i++) {
        max += l->log->base[i].lease != 0;
    }
    return max;
}

/* Walks what is known in ascending order; a hole is what lies between. False: too many. */
static bool walk(struct lin *l, uint64_t max)
{
    int64_t at = l->base;
    size_t item = 0, rev = l->log != NULL ? check_log_seek(l->log, l->base + 1) : 0;
    while (at < l->last) {
        while (item < l->n_items &&
               (l->items[item].part != LIN_WRITE || lin_revision_of(&l->items[item]) <= at)) {
            item++;
        }
        while (l->log != NULL && rev < l->log->n && l->log->revs[rev].revision <= at) {
            rev++;
        }
        int64_t next = l->last + 1;
        if (item < l->n_items && lin_revision_of(&l->items[item]) < next) {
            next = lin_revision_of(&l->items[item]);
        }
        if (l->log != NULL && rev < l->log->n && l->log->revs[rev].revision < next) {
            next = l->log->revs[rev].revision;
        }
        if ((uint64_t)(next - at - 1) > max - l->n_holes) {
            add_hole(l, at + 1);
            return false;
        }
        while (++at < next && at <= l->last) {
            add_hole(l, at);
        }
    }
    return true;
}

/* --- what is known of them -------------------------------------------------------------------- */

static void note_seen(struct lin *l, const struct check_part *p)
{
    int64_t first = l->holes[0].revision, last = l->holes[l->n_holes - 1].revision;
    for (uint32_t i = 0; i < p->n_kvs && (p->flags & CHECK_F_KEYS_ONLY) == 0; i++) {
        const struct check_pkv *kv = &p->kvs[i];
        if (kv->mod_revision < first || kv->mod_revision > last) {
            continue;
        }
        struct lin_hole *hole = hole_at(l, kv->mod_revision);
        bool known = hole == NULL;
        for (size_t j = 0; !known && j < hole->n_seen; j++) {
            known = check_pkv_equal(&hole->seen[j], kv);
        }
        if (!known) {
            hole->seen = mem_grow(hole->seen, &hole->cap, hole->n_seen + 1, sizeof *hole->seen);
            hole->seen[hole->n_seen++] = *kv;
        }
    }
}

static void note_all_seen(struct lin *l)
{
    for (size_t i = 0; i < l->h->n; i++) {
        size_t n = 0;
        const struct check_op *op = &l->h->ops[i];
        const struct check_part *parts = op->outcome == CHECK_OK ? check_op_parts(op, &n) : NULL;
        for (size_t j = 0; j < n; j++) {
            note_seen(l, &parts[j]);
        }
    }
}

/* A value that only one unknown write can have put belongs to that write. */
static void reserve(struct lin *l)
{
    for (size_t i = 0; i < l->n_holes && !l->keeps; i++) {
        struct lin_hole *hole = &l->holes[i];
        for (size_t j = 0; j < hole->n_seen && hole->reserved == 0; j++) {
            uint32_t c = l->claims_of[hole->seen[j].value];
            if (c == 0 || l->claims[c - 1].next != 0 || l->used[l->claims[c - 1].op] != LIN_FREE) {
                continue;
            }
            hole->reserved = l->claims[c - 1].op + 1;
            l->used[hole->reserved - 1] = LIN_RESERVED;
        }
    }
}

bool lin_find_holes(struct lin *l)
{
    uint64_t max = silent_max(l);
    bool few = walk(l, max);
    if (l->n_holes == 0) {
        return true;
    }
    if (l->lenient) {
        check_undecided(l->v,
                        "revision %" PRId64 ": nothing recorded made it, and no log tells of "
                        "it",
                        l->holes[0].revision);
        l->last = l->holes[0].revision - 1;
        l->n_holes = 0;
        return true;
    }
    if (!few) {
        check_violatedf(l->v,
                        "revision %" PRId64 " up to %" PRId64 " are more revisions than all "
                        "writes and leases together can have made; nobody was answered with the "
                        "first",
                        l->holes[l->n_holes - 1].revision, l->last);
        return false;
    }
    note_all_seen(l);
    reserve(l);
    return true;
}

/* --- trying ----------------------------------------------------------------------------------- */

/* Did the changes just made include all that was seen of this revision? */
static bool as_seen(const struct lin *l, const struct lin_hole *hole)
{
    for (size_t i = 0; i < hole->n_seen; i++) {
        bool found = false;
        for (size_t j = 0; j < l->m.n_events && !found; j++) {
            found = !l->m.events[j].deleted && check_pkv_equal(&hole->seen[i], &l->m.events[j].kv);
        }
        if (!found) {
            return false;
        }
    }
    return l->m.n_events != 0;
}

static bool try_write(struct lin *l, const struct lin_hole *hole, uint32_t op)
{
    uint8_t state = l->used[op];
    if (state == LIN_USED || (state == LIN_RESERVED) != (hole->reserved == op + 1) ||
        (hole->reserved != 0 && hole->reserved != op + 1)) {
        return false;
    }
    size_t mark = l->m.n_undo;
    l->steps++;
    if (check_model_op(&l->m, &l->h->ops[op], hole->revision, false, NULL) && as_seen(l, hole)) {
        l->used[op] = LIN_USED;
        return true;
    }
    check_model_rollback(&l->m, mark);
    return false;
}

static bool try_lease(struct lin *l, const struct lin_hole *hole, size_t index)
{
    const struct check_model_lease *lease = l->m.leases.entries[index].value;
    if (hole->n_seen != 0 || lease->live == 0) {
        return false;
    }
    l->steps++;
    check_model_end_lease(&l->m, lease->id, hole->revision);
    return true;
}

static void note_batch(struct lin *l, const struct lin_hole *hole)
{
    size_t live = 0;
    for (size_t i = 0; i < l->m.leases.used && hole->n_seen == 0; i++) {
        live += ((const struct check_model_lease *)l->m.leases.entries[i].value)->live != 0;
    }
    l->batch = l->batch || live > 1;
}

static struct lin_choice *choice_for(struct lin *l, const struct lin_hole *hole, size_t at)
{
    if (l->n_choices == 0 || l->choices[l->n_choices - 1].revision != hole->revision) {
        l->m.undoing = true;
        l->choices = mem_grow(l->choices, &l->choices_cap, l->n_choices + 1, sizeof *l->choices);
        l->choices[l->n_choices++] = (struct lin_choice){
            .revision = hole->revision, .at = at, .undo = l->m.n_undo, .n_orphans = l->n_orphans
        };
        note_batch(l, hole);
    }
    return &l->choices[l->n_choices - 1];
}

bool lin_fill_hole(struct lin *l, int64_t revision, size_t at)
{
    const struct lin_hole *hole = hole_at(l, revision);
    INVARIANT(hole != NULL);
    struct lin_choice *c = choice_for(l, hole, at);
    while (c->candidate < l->n_unknown && l->steps < LIN_STEPS_MAX) {
        uint32_t op = l->unknown[c->candidate++];
        if (l->h->ops[op].call_us > l->deadline[at]) {
            c->candidate = l->n_unknown; /* so are all later ones */
        } else if (try_write(l, hole, op)) {
            c->op = op + 1;
            return true;
        }
    }
    while (c->candidate - l->n_unknown < l->m.leases.used && l->steps < LIN_STEPS_MAX) {
        if (try_lease(l, hole, c->candidate++ - l->n_unknown)) {
            return true;
        }
    }
    l->n_choices--;
    return false;
}

bool lin_back(struct lin *l, int64_t *ret_revision, size_t *ret_at)
{
    if (l->n_choices == 0 || l->steps >= LIN_STEPS_MAX) {
        return false;
    }
    struct lin_choice *c = &l->choices[l->n_choices - 1];
    check_model_rollback(&l->m, c->undo);
    if (c->op != 0) {
        const struct lin_hole *hole = hole_at(l, c->revision);
        l->used[c->op - 1] = hole->reserved == c->op ? LIN_RESERVED : LIN_FREE;
        c->op = 0;
    }
    while (l->n_orphans > c->n_orphans) {
        uint32_t forced = l->orphans[--l->n_orphans].match;
        if (forced != UINT32_MAX) {
            l->used[forced] = LIN_FREE;
        }
    }
    *ret_revision = c->revision;
    *ret_at = c->at;
    return true;
}
