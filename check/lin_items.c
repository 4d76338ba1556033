/* Operations by revision, and the one scan that holds their order against the clock.
 *
 * Each answered operation stands at its header's revision: a write makes it, a read sees it. Sorted
 * so, two operations break real time when one stands before the other although it was called after
 * the other had returned; so the scan keeps the latest call so far and looks at each return. Reads
 * of one revision have no order among themselves. A serializable read may stand too early, so its
 * call says nothing; its return does: it must not have seen what was not yet asked for. */
#include <inttypes.h>

#include "check/internal.h"
#include "check/lin_state.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

static bool parts_serializable(const struct check_part *parts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].kind != CHECK_RANGE || (parts[i].flags & CHECK_F_SERIALIZABLE) == 0) {
            return false;
        }
    }
    return true;
}

/* As etcd decides it: a txn is when every part of both branches is. Keepalives are answered by any
 * member with the revision it happens to have. */
bool lin_serializable(const struct check_op *op)
{
    switch (op->kind) {
    case CHECK_RANGE:
        return (op->part->flags & CHECK_F_SERIALIZABLE) != 0;
    case CHECK_TXN:
        return parts_serializable(op->txn->then_parts, op->txn->n_then) &&
               parts_serializable(op->txn->else_parts, op->txn->n_else);
    default:
        return op->kind == CHECK_KEEPALIVE;
    }
}

/* By what it was told: did it change anything? */
bool lin_wrote(const struct check_op *op)
{
    size_t n;
    const struct check_part *parts = check_op_parts(op, &n);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind == CHECK_PUT || (parts[i].kind == CHECK_DELETE && parts[i].count > 0)) {
            return true;
        }
    }
    return false;
}

void lin_add(struct lin *l, int64_t revision, uint32_t op, int32_t part)
{
    l->items = mem_grow(l->items, &l->items_cap, l->n_items + 1, sizeof *l->items);
    l->items[l->n_items++] = (struct lin_item){
        .order = 2 * (uint64_t)revision + (part != LIN_WRITE), .op = op, .part = part
    };
}

static bool tell(struct lin *l, uint32_t op, const char *what)
{
    struct buf *out = check_violated(l->v);
    if (out != NULL) {
        buf_append_str(out, what);
        buf_append_char(out, '\n');
        history_print(l->h, op, out);
    }
    return false;
}

void lin_tell_pair(struct lin *l, const char *what, uint32_t a, uint32_t b)
{
    struct buf *out = check_violated(l->v);
    if (out != NULL) {
        buf_append_str(out, what);
        buf_append_char(out, '\n');
        history_print(l->h, a, out);
        buf_append_char(out, '\n');
        history_print(l->h, b, out);
    }
}

/* Ranges that asked for a revision are held against that one. */
static bool add_old_reads(struct lin *l, uint32_t id, const struct check_op *op)
{
    size_t n;
    const struct check_part *parts = check_op_parts(op, &n);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind != CHECK_RANGE || parts[i].revision <= 0) {
            continue;
        }
        if (parts[i].revision > op->revision - (lin_wrote(op) ? 1 : 0)) {
            return tell(l, id, "a revision that was still to come was read");
        }
        if (parts[i].revision < l->base) {
            l->skipped++;
        } else {
            lin_add(l, parts[i].revision, id, (int32_t)i);
        }
    }
    return true;
}

static bool add_op(struct lin *l, uint32_t id)
{
    const struct check_op *op = &l->h->ops[id];
    bool lease_op = op->kind >= CHECK_GRANT;
    if (op->malformed) {
        return tell(l, id, "the answer does not have one part for each that was asked");
    }
    if (lease_op && op->revision == 0) {
        return true; /* not recorded */
    }
    if (op->revision < 1 || op->revision > INT64_MAX / 4) {
        return tell(l, id, "no revision has this number");
    }
    if (op->revision == 1 && lin_wrote(op)) {
        return tell(l, id, "revision 1 is that of the empty store: no write makes it");
    }
    if (op->revision < l->base || (op->revision == l->base && lin_wrote(op))) {
        l->skipped++;
        return true;
    }
    if (op->kind == CHECK_COMPACT && op->lease > op->revision) {
        return tell(l, id, "a revision that was still to come was compacted");
    }
    lin_add(l, op->revision, id, lin_wrote(op) ? LIN_WRITE : LIN_READ);
    return add_old_reads(l, id, op);
}

bool lin_add_items(struct lin *l)
{
    for (uint32_t i = 0; i < l->h->n; i++) {
        if (l->h->ops[i].outcome == CHECK_OK && !add_op(l, i)) {
            return false;
        }
    }
    return true;
}

/* --- sorting ---------------------------------------------------------------------------------- */

enum { DIGIT = 11, BUCKETS = 1 << DIGIT };

/* One pass of a radix sort; false when all have the same digit. */
static bool sort_digit(const struct lin_item *from, struct lin_item *to, size_t n, unsigned shift)
{
    size_t at[BUCKETS] = { 0 }, sum = 0;
    for (size_t i = 0; i < n; i++) {
        at[(from[i].order >> shift) & (BUCKETS - 1)]++;
    }
    if (at[(from[0].order >> shift) & (BUCKETS - 1)] == n) {
        return false;
    }
    for (size_t b = 0; b < BUCKETS; b++) {
        size_t here = at[b];
        at[b] = sum;
        sum += here;
    }
    for (size_t i = 0; i < n; i++) {
        to[at[(from[i].order >> shift) & (BUCKETS - 1)]++] = from[i];
    }
    return true;
}

void lin_sort_items(struct lin *l)
{
    size_t n = l->n_items;
    struct lin_item *spare = mem_alloc((n + 1) * sizeof *spare);
    for (unsigned shift = 0; n > 0 && shift < 64; shift += DIGIT) {
        if (sort_digit(l->items, spare, n, shift)) {
            struct lin_item *sorted = spare;
            spare = l->items;
            l->items = sorted;
            l->items_cap = n + 1;
        }
    }
    mem_free(spare);
    mem_free(l->deadline);
    l->deadline = mem_alloc((n + 1) * sizeof *l->deadline);
    l->deadline[n] = INT64_MAX;
    for (size_t i = n; i-- > 0;) {
        const struct lin_item *it = &l->items[i];
        bool stands = it->part == LIN_READ || it->part == LIN_WRITE;
        int64_t returned = stands ? l->h->ops[it->op].return_us : INT64_MAX;
        l->deadline[i] = returned < l->deadline[i + 1] ? returned : l->deadline[i + 1];
    }
}

/* --- the clock -------------------------------------------------------------------------------- */

void lin_check_order(struct lin *l)
{
    int64_t latest = INT64_MIN, latest_here = INT64_MIN;
    uint32_t who = 0, who_here = 0;
    uint64_t revision = 0;
    for (size_t i = 0; i < l->n_items; i++) {
        const struct lin_item *it = &l->items[i];
        const struct check_op *op = &l->h->ops[it->op];
        if (it->part != LIN_READ && it->part != LIN_WRITE) {
            continue;
        }
        if (it->order / 2 != revision) {
            revision = it->order / 2;
            if (latest_here > latest) {
                latest = latest_here;
                who = who_here;
            }
            latest_here = INT64_MIN;
        }
        if (op->return_us < latest) {
            lin_tell_pair(l,
                          "the second was called after the first had returned, yet stands "
                          "before it",
                          it->op, who);
        }
        if (it->part == LIN_WRITE && op->call_us > latest) {
            latest = op->call_us; /* readers of its own revision come after it, too */
            who = it->op;
        } else if (op->call_us > latest_here && !lin_serializable(op)) {
            latest_here = op->call_us;
            who_here = it->op;
        }
    }
}
