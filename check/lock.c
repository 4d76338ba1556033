/* Fencing, change by change.
 *
 * The log is walked beside a model. Each change of a protected key is traced to its operation: by
 * the revision it was answered with, or, when its answer was lost, by trying it on the state. That
 * operation must be a txn whose compares held and of which one named the writer's token: the
 * create revision of a lock key that was there. Then tokens may only grow from change to change. */
#include "check/lock.h"

#include <inttypes.h>

#include "check/internal.h"
#include "check/model.h"
#include "lib/base/alloc.h"

enum { TRIES_MAX = 4000000 };

struct locks {
    const struct history *h;
    const struct check_log *log;
    const struct check_lock *lock;
    struct check_verdict *fenced, *exclusive;
    struct check_model m;
    struct u64map made; /* by revision: the answered operation that made it */
    uint32_t *unknown;  /* writes of unknown outcome */
    size_t n_unknown, unknown_cap;
    uint64_t tries;
    int64_t token; /* of the last change */
    const struct check_op *holder;
};

static bool has_write(const struct check_part *parts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].kind != CHECK_RANGE) {
            return true;
        }
    }
    return false;
}

static void note_ops(struct locks *k)
{
    for (uint32_t i = 0; i < k->h->n; i++) {
        struct check_op *op = &k->h->ops[i];
        size_t n;
        const struct check_part *parts = check_op_parts(op, &n);
        bool changed = false;
        for (size_t j = 0; j < n && op->outcome == CHECK_OK && !op->malformed; j++) {
            changed = changed || parts[j].kind == CHECK_PUT ||
                      (parts[j].kind == CHECK_DELETE && parts[j].count > 0);
        }
        if (changed) {
            u64map_put(&k->made, (uint64_t)op->revision, op);
        } else if (op->outcome == CHECK_UNKNOWN && parts != NULL &&
                   (op->kind != CHECK_TXN ? has_write(parts, (uint32_t)n)
                                          : has_write(op->txn->then_parts, op->txn->n_then) ||
                                                has_write(op->txn->else_parts, op->txn->n_else))) {
            k->unknown =
                mem_grow(k->unknown, &k->unknown_cap, k->n_unknown + 1, sizeof *k->unknown);
            k->unknown[k->n_unknown++] = i;
        }
    }
}

/* On the state before. */
static const struct check_op *find_maker(struct locks *k, const struct check_rev *rev)
{
    const struct check_op *op = u64map_get(&k->made, (uint64_t)rev->revision);
    for (size_t i = 0; op == NULL && i < k->n_unknown && k->tries < TRIES_MAX; i++) {
        const struct check_op *unknown = &k->h->ops[k->unknown[i]];
        k->tries++;
        k->m.undoing = true;
        bool same = check_model_op(&k->m, unknown, rev->revision, false, NULL) &&
                    check_model_same(&k->m, rev);
        check_model_rollback(&k->m, 0);
        k->m.undoing = false;
        op = same ? unknown : NULL;
    }
    return op;
}

/* The compare that fences, NULL: none, or it did not have to hold. */
static const struct check_pcompare *find_fence(struct locks *k, const struct check_op *op)
{
    if (op->kind != CHECK_TXN) {
        return NULL;
    }
    const struct check_pcompare *fence = NULL;
    for (uint32_t i = 0; i < op->txn->n_compares; i++) {
        const struct check_pcompare *c = &op->txn->compares[i];
        if (!check_model_compare(&k->m, c)) {
            return NULL; /* the else branch */
        }
        if (c->target == CHECK_CREATE && c->relation == CHECK_EQUAL && c->number > 0 &&
            c->range_end == CHECK_EMPTY &&
            slice_starts(check_pool_get(k->log->pool, c->key), k->lock->lock_prefix)) {
            fence = c;
        }
    }
    return fence;
}

/* --- saying ----------------------------------------------------------------------------------- */

static void say(struct locks *k, struct check_verdict *v, const struct check_rev *rev,
                const struct check_op *op, const char *what)
{
    struct buf *out = check_violated(v);
    if (out == NULL) {
        return;
    }
    buf_append_str(out, what);
    buf_append_char(out, '\n');
    check_print_rev(k->log->pool, rev, out);
    if (op != NULL) {
        buf_append_str(out, "\nby ");
        history_print(k->h, (uint32_t)(op - k->h->ops), out);
    }
    if (v == k->exclusive && k->holder != NULL) {
        buf_printf(out, "\nthe change before it had token %" PRId64 ", by ", k->token);
        history_print(k->h, (uint32_t)(k->holder - k->h->ops), out);
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

/* The waiters' queue: is this key the one of the smallest create revision? */
static bool owns(struct locks *k, const struct check_pkv *kv)
{
    for (uint32_t r = check_model_next(&k->m, 0); r < k->m.n; r = check_model_next(&k->m, r + 1)) {
        const struct check_pkv *other = &k->m.kvs[r];
        if (other->create_revision < kv->create_revision &&
            slice_starts(check_pool_get(k->log->pool, other->key), k->lock->lock_prefix)) {
            return false;
        }
    }
    return true;
}

static void judge(struct locks *k, const struct check_rev *rev)
{
    k->fenced->checked++;
    k->exclusive->checked++;
    const struct check_op *op = find_maker(k, rev);
    if (op == NULL && k->tries >= TRIES_MAX) {
        check_undecided(k->fenced, "gave up looking for the maker of revision %" PRId64,
                        rev->revision);
        return;
    }
    if (op == NULL) {
        say(k, k->fenced, rev, NULL, "nothing recorded made this change of protected data");
        return;
    }
    const struct check_pcompare *fence = find_fence(k, op);
    const struct check_pkv *held = fence != NULL ? check_model_get(&k->m, fence->key) : NULL;
    if (held == NULL || held->create_revision != fence->number) {
        say(k, k->fenced, rev, op, "protected data was changed without a fencing token that held");
        return;
    }
    if (fence->number < k->token) {
        say(k, k->exclusive, rev, op, "a former holder changed protected data");
    } else if (k->lock->queue && !owns(k, held)) {
        say(k, k->exclusive, rev, op, "a waiter that did not own the lock changed protected data");
    }
    if (fence->number >= k->token) {
        k->token = fence->number;
        k->holder = op;
    }
}

static bool is_protected(const struct locks *k, const struct check_rev *rev)
{
    for (uint32_t i = 0; i < rev->n; i++) {
        if (slice_starts(check_pool_get(k->log->pool, rev->events[i].kv.key),
                         k->lock->data_prefix)) {
            return true;
        }
    }
    return false;
}

static void check_lock(struct locks *k)
{
    k->token = 0;
    k->holder = NULL;
    check_model_init(&k->m, k->log->pool, k->h, k->log);
    for (size_t i = 0; i < k->log->n; i++) {
        if (is_protected(k, &k->log->revs[i])) {
            judge(k, &k->log->revs[i]);
        }
        if (!check_model_rev(&k->m, &k->log->revs[i], NULL)) {
            check_undecided(k->fenced, "revision %" PRId64 " of the log is impossible",
                            k->log->revs[i].revision);
            break;
        }
    }
    check_model_fini(&k->m);
}

int check_locks(const struct history *h, const struct check_log *log,
                const struct check_lock *locks, size_t n, struct check_report *report)
{
    struct locks k = { .h = h, .log = log };
    k.fenced = check_report_verdict(
        report, "lock fenced", "protected data changes only under a token that holds", "changes");
    k.exclusive = check_report_verdict(report, "lock exclusive",
                                       "once a later holder wrote, no earlier one does", "changes");
    u64map_init(&k.made);
    note_ops(&k);
    for (size_t i = 0; i < n; i++) {
        k.lock = &locks[i];
        check_lock(&k);
    }
    if (h->dropped != 0 || log->dropped != 0) {
        check_undecided(k.fenced, "no room for %" PRIu64 " operations", h->dropped + log->dropped);
    }
    u64map_fini(&k.made);
    mem_free(k.unknown);
    enum check_result worst =
        k.fenced->result > k.exclusive->result ? k.fenced->result : k.exclusive->result;
    return check_result_code(worst);
}
