/* What may be proposed: the checks a request must pass before it becomes a command.
 *
 * Most are one line. The one with thought in it is the txn's: inside one branch no key may be
 * put twice, and no key may be put that the branch also deletes, because the outcome would
 * hang on an order that clients do not see. Branches of a nested txn exclude each other, so
 * both may put the same key. As in etcd, deletes of one nested txn are held against puts of
 * later siblings and of the parent, and deletes of a level against every put in and below it. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "store/command.h"
#include "store/key_range.h"

int range_check(const struct range_request *r)
{
    if (r->key.len == 0) {
        return E_EMPTY_KEY;
    }
    bool order = r->sort_order >= SORT_NONE && r->sort_order <= SORT_DESCEND;
    bool target = r->sort_target >= SORT_KEY && r->sort_target <= SORT_VALUE;
    return order && target ? 0 : E_INVALID_SORT;
}

int put_check(const struct put_request *p)
{
    if (p->key.len == 0) {
        return E_EMPTY_KEY;
    }
    if (p->ignore_value && p->value.len != 0) {
        return E_VALUE_PROVIDED;
    }
    return p->ignore_lease && p->lease != 0 ? E_LEASE_PROVIDED : 0;
}

int delete_check(const struct delete_request *d)
{
    return d->key.len == 0 ? E_EMPTY_KEY : 0;
}

/* --- shape of a txn --------------------------------------------------------------------------- */

struct shape {
    size_t items; /* compares and ops of all levels */
};

static int shape_check(const struct txn_request *t, size_t max_ops, int depth, struct shape *sh);

static int op_check(const struct op *op, size_t max_ops, int depth, struct shape *sh)
{
    switch (op->type) {
    case OP_RANGE:
        return range_check(&op->range);
    case OP_PUT:
        return put_check(&op->put);
    case OP_DELETE:
        return delete_check(&op->del);
    case OP_TXN:
        return shape_check(op->txn, max_ops, depth + 1, sh);
    case OP_NONE:
        break;
    }
    return E_KEY_NOT_FOUND;
}

static int ops_check(const struct op *ops, size_t n, size_t max_ops, int depth, struct shape *sh)
{
    for (size_t i = 0; i < n; i++) {
        int rv = op_check(&ops[i], max_ops, depth, sh);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* A nested txn has what its parent leaves over. */
static int shape_check(const struct txn_request *t, size_t max_ops, int depth, struct shape *sh)
{
    size_t n = t->n_compare;
    n = t->n_success > n ? t->n_success : n;
    n = t->n_failure > n ? t->n_failure : n;
    sh->items += t->n_compare + t->n_success + t->n_failure;
    if (n > max_ops || depth > LIMIT_TXN_DEPTH || sh->items > LIMIT_COMMAND_ITEMS) {
        return E_TOO_MANY_OPS;
    }
    for (size_t i = 0; i < t->n_compare; i++) {
        if (t->compare[i].key.len == 0) {
            return E_EMPTY_KEY;
        }
    }
    int rv = ops_check(t->success, t->n_success, max_ops - n, depth, sh);
    return rv != 0 ? rv : ops_check(t->failure, t->n_failure, max_ops - n, depth, sh);
}

/* --- effects of a branch ---------------------------------------------------------------------- */

/* Groups order what may conflict. At one level: its own deletes are group 0, nested txn i is
 * group i + 1, its own puts come after all of those. A put conflicts with a put of the same
 * key in another group (or twice at this level), and with a delete of a lower group. */
struct put_key {
    struct slice key;
    size_t group;
};

struct delete_keys {
    struct key_range range;
    size_t group;
};

struct effects {
    struct put_key *puts;
    struct delete_keys *deletes;
    size_t n_puts, puts_cap, n_deletes, deletes_cap;
};

static void effects_fini(struct effects *e)
{
    mem_free(e->puts);
    mem_free(e->deletes);
    *e = (struct effects){ 0 };
}

static void effects_put(struct effects *e, struct slice key, size_t group)
{
    e->puts = mem_grow(e->puts, &e->puts_cap, e->n_puts + 1, sizeof *e->puts);
    e->puts[e->n_puts++] = (struct put_key){ key, group };
}

static void effects_delete(struct effects *e, struct key_range range, size_t group)
{
    e->deletes = mem_grow(e->deletes, &e->deletes_cap, e->n_deletes + 1, sizeof *e->deletes);
    e->deletes[e->n_deletes++] = (struct delete_keys){ range, group };
}

static void effects_merge(struct effects *e, const struct effects *nested, size_t group)
{
    for (size_t i = 0; i < nested->n_puts; i++) {
        effects_put(e, nested->puts[i].key, group);
    }
    for (size_t i = 0; i < nested->n_deletes; i++) {
        effects_delete(e, nested->deletes[i].range, group);
    }
}

static int compare_puts(const void *a, const void *b)
{
    return slice_cmp(((const struct put_key *)a)->key, ((const struct put_key *)b)->key);
}

static bool puts_conflict(struct effects *e)
{
    if (e->n_puts > 1) {
        qsort(e->puts, e->n_puts, sizeof *e->puts, compare_puts);
    }
    size_t n = 0;
    for (size_t i = 0; i < e->n_puts; i++) {
        if (n > 0 && slice_eq(e->puts[n - 1].key, e->puts[i].key)) {
            if (e->puts[n - 1].group != e->puts[i].group) {
                return true;
            }
            continue; /* then and else of one nested txn: one key */
        }
        e->puts[n++] = e->puts[i];
    }
    e->n_puts = n;
    return false;
}

/* First put at or after `key`; puts are sorted. */
static size_t puts_find(const struct effects *e, struct slice key)
{
    size_t lo = 0, hi = e->n_puts;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (slice_cmp(e->puts[mid].key, key) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Many wide deletes over many puts cost their product: a txn that needs more steps is refused,
 * so that no request holds up the loop. */
static int deletes_check(const struct effects *e)
{
    size_t steps = 0;
    for (size_t i = 0; i < e->n_deletes; i++) {
        const struct delete_keys *d = &e->deletes[i];
        for (size_t j = puts_find(e, d->range.lo);
             j < e->n_puts && !key_range_past(&d->range, e->puts[j].key); j++) {
            if (d->group < e->puts[j].group) {
                return E_DUPLICATE_KEY;
            }
            if (++steps > LIMIT_TXN_CHECK_STEPS) {
                return E_TOO_MANY_OPS;
            }
        }
    }
    return 0;
}

static int effects_collect(const struct op *ops, size_t n, struct effects *e);

static int effects_nested(const struct txn_request *t, struct effects *e, size_t group)
{
    struct effects nested = { 0 };
    int rv = effects_collect(t->success, t->n_success, &nested);
    effects_merge(e, &nested, group);
    effects_fini(&nested);
    if (rv == 0) {
        rv = effects_collect(t->failure, t->n_failure, &nested);
        effects_merge(e, &nested, group);
        effects_fini(&nested);
    }
    return rv;
}

static int effects_collect(const struct op *ops, size_t n, struct effects *e)
{
    if (n == 1 && ops[0].type == OP_PUT) {
        effects_put(e, ops[0].put.key, 0);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int rv = 0;
        if (ops[i].type == OP_PUT) {
            effects_put(e, ops[i].put.key, n + 1 + i);
        } else if (ops[i].type == OP_DELETE) {
            effects_delete(e, key_range_make(ops[i].del.key, ops[i].del.range_end), 0);
        } else if (ops[i].type == OP_TXN) {
            rv = effects_nested(ops[i].txn, e, i + 1);
        }
        if (rv != 0) {
            return rv;
        }
    }
    return puts_conflict(e) ? E_DUPLICATE_KEY : deletes_check(e);
}

/* One operation that is no txn cannot conflict: the shape of nearly every txn. */
static int branch_check(const struct op *ops, size_t n)
{
    if (n == 0 || (n == 1 && ops[0].type != OP_TXN)) {
        return 0;
    }
    struct effects e = { 0 };
    int rv = effects_collect(ops, n, &e);
    effects_fini(&e);
    return rv;
}

int txn_check(const struct txn_request *t, size_t max_ops)
{
    struct shape sh = { 0 };
    int rv = shape_check(t, max_ops, 1, &sh);
    if (rv == 0) {
        rv = branch_check(t->success, t->n_success);
    }
    return rv != 0 ? rv : branch_check(t->failure, t->n_failure);
}

static bool ops_readonly(const struct op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].type == OP_PUT || ops[i].type == OP_DELETE ||
            (ops[i].type == OP_TXN && !txn_is_readonly(ops[i].txn))) {
            return false;
        }
    }
    return true;
}

bool txn_is_readonly(const struct txn_request *t)
{
    return ops_readonly(t->success, t->n_success) && ops_readonly(t->failure, t->n_failure);
}
