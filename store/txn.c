/* Txn: compare, then one of two branches, all in one revision.
 *
 * Three passes, so that a txn fails as a whole or not at all. First every compare of every
 * level that will be reached is evaluated on the state before any write, which fixes the path.
 * Then the operations on that path are checked against the same state (leases exist, ignored
 * values have something to keep, revisions are readable). Then they run in order; reads see
 * the writes before them. */
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "store/internal.h"

/* --- compares --------------------------------------------------------------------------------- */

static bool holds(int result, int c)
{
    switch (result) {
    case COMPARE_EQUAL:
        return c == 0;
    case COMPARE_GREATER:
        return c > 0;
    case COMPARE_LESS:
        return c < 0;
    case COMPARE_NOT_EQUAL:
        return c != 0;
    default:
        return true; /* as etcd treats a result it does not know */
    }
}

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* `r` is NULL for a missing key: it has no value, and every number of it is zero. */
static bool compare_record(const struct compare *c, const struct record *r)
{
    switch (c->target) {
    case COMPARE_VALUE:
        return r != NULL && holds(c->result, slice_cmp(record_value(r), c->value));
    case COMPARE_VERSION:
        return holds(c->result, compare_numbers(r != NULL ? r->version : 0, c->number));
    case COMPARE_CREATE:
        return holds(c->result, compare_numbers(r != NULL ? r->create_revision : 0, c->number));
    case COMPARE_MOD:
        return holds(c->result, compare_numbers(r != NULL ? r->mod_revision : 0, c->number));
    case COMPARE_LEASE:
        return holds(c->result, compare_numbers(r != NULL ? r->lease : 0, c->number));
    default:
        return holds(c->result, 0);
    }
}

/* An empty range compares as one missing key. */
static bool compare_holds(const struct store *s, const struct compare *c)
{
    struct key_range range = key_range_make(c->key, c->range_end);
    if (range.single) {
        const struct record *head = tree_get(&s->tree, c->key);
        return compare_record(c, head != NULL && !head->tombstone ? head : NULL);
    }
    bool any = false;
    struct tree_cursor cursor;
    struct record *r;
    tree_seek(&s->tree, range.lo, &cursor);
    while ((r = tree_next_live(&cursor)) != NULL && !key_range_past(&range, record_key(r))) {
        any = true;
        if (!compare_record(c, r)) {
            return false;
        }
    }
    return any || compare_record(c, NULL);
}

static bool txn_compare(const struct store *s, const struct txn_request *t)
{
    for (size_t i = 0; i < t->n_compare; i++) {
        if (!compare_holds(s, &t->compare[i])) {
            return false;
        }
    }
    return true;
}

static const struct op *branch_of(const struct txn_request *t, bool succeeded)
{
    return succeeded ? t->success : t->failure;
}

/* Lays out the results of the path that will be taken. */
static void txn_choose(const struct store *s, const struct txn_request *t, struct arena *arena,
                       struct txn_result *out)
{
    out->succeeded = txn_compare(s, t);
    const struct op *ops = branch_of(t, out->succeeded);
    out->n_ops = out->succeeded ? t->n_success : t->n_failure;
    out->ops = arena_zalloc(arena, (out->n_ops + 1) * sizeof *out->ops);
    for (size_t i = 0; i < out->n_ops; i++) {
        out->ops[i].type = ops[i].type;
        if (ops[i].type == OP_TXN) {
            out->ops[i].txn = arena_zalloc(arena, sizeof *out->ops[i].txn);
            txn_choose(s, ops[i].txn, arena, out->ops[i].txn);
        }
    }
}

/* --- checks ----------------------------------------------------------------------------------- */

static int txn_check_path(const struct store *s, const struct txn_request *t,
                          const struct txn_result *path)
{
    const struct op *ops = branch_of(t, path->succeeded);
    for (size_t i = 0; i < path->n_ops; i++) {
        int rv = 0;
        if (ops[i].type == OP_PUT) {
            rv = write_check_put(s, &ops[i].put);
        } else if (ops[i].type == OP_RANGE) {
            rv = range_check_revision(s, ops[i].range.revision, s->revision);
        } else if (ops[i].type == OP_TXN) {
            rv = txn_check_path(s, ops[i].txn, path->ops[i].txn);
        }
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static bool ops_have_put(const struct op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].type == OP_PUT || (ops[i].type == OP_TXN && txn_has_put(ops[i].txn))) {
            return true;
        }
    }
    return false;
}

bool txn_has_put(const struct txn_request *t)
{
    return ops_have_put(t->success, t->n_success) || ops_have_put(t->failure, t->n_failure);
}

/* --- running ---------------------------------------------------------------------------------- */

static void txn_run(struct store *s, const struct txn_request *t, struct arena *arena,
                    struct txn_result *path)
{
    const struct op *ops = branch_of(t, path->succeeded);
    for (size_t i = 0; i < path->n_ops; i++) {
        struct op_result *out = &path->ops[i];
        int rv = 0;
        switch (ops[i].type) {
        case OP_RANGE:
            rv = range_run(s, &ops[i].range, write_latest(s), arena, &out->range);
            break;
        case OP_PUT:
            write_put(s, &ops[i].put, out);
            break;
        case OP_DELETE:
            write_delete(s, &ops[i].del, arena, out);
            break;
        case OP_TXN:
            txn_run(s, ops[i].txn, arena, out->txn);
            break;
        case OP_NONE:
            break;
        }
        INVARIANT(rv == 0); /* checked before anything ran */
        out->revision = write_latest(s);
    }
}

int txn_apply(struct store *s, const struct txn_request *t, struct arena *arena,
              struct txn_result *ret_result)
{
    struct txn_result path = { 0 };
    txn_choose(s, t, arena, &path);
    int rv = BUG(BUG_STORE_TXN_UNCHECKED) ? 0 : txn_check_path(s, t, &path);
    if (rv == 0) {
        txn_run(s, t, arena, &path);
        *ret_result = path;
    }
    return rv;
}

int store_txn_read(struct store *s, const struct txn_request *t, struct store_result *ret_result)
{
    PRE(txn_is_readonly(t));
    int rv = txn_apply(s, t, &ret_result->arena, &ret_result->txn);
    ret_result->status = rv;
    ret_result->revision = s->revision;
    return rv;
}
