/* Who may do what.
 *
 * The permissions of all roles of a user add up: touching and overlapping ranges become one span,
 * [a, c) and [c, e) allow [b, d). Spans are made once per user and auth revision, so a check is a
 * binary search, and a put by a user with a thousand permissions costs as much as any.
 *
 * A single key is the span from it to the key right after it, which is the same bytes and a zero
 * (auth.c keeps that byte behind each key). */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "store/internal.h"

struct span {
    struct slice lo, hi; /* borrowed from the roles, as long as the revision lasts */
    bool unbounded;
};

struct auth_spans {
    uint64_t revision;
    struct span *of[2]; /* to read, to write */
    size_t n[2], cap[2];
};

static void spans_clear(struct auth_spans *s)
{
    for (size_t i = 0; i < 2; i++) {
        mem_free(s->of[i]);
    }
    *s = (struct auth_spans){ 0 };
}

void auth_spans_free(struct auth_spans *s)
{
    if (s != NULL) {
        spans_clear(s);
        mem_free(s);
    }
}

static bool is_open(struct slice range_end)
{
    return range_end.len == 1 && range_end.data[0] == 0;
}

static struct span span_of(const struct auth_permission *p)
{
    struct span s = { .lo = p->key, .hi = p->range_end, .unbounded = is_open(p->range_end) };
    if (p->range_end.len == 0) {
        s.hi = slice_make(p->key.data, p->key.len + 1);
    }
    return s;
}

static void spans_add(struct auth_spans *s, const struct auth_permission *p)
{
    for (size_t i = 0; i < 2; i++) {
        bool gives = p->access == ACCESS_READ_WRITE || (size_t)p->access == i;
        if (gives) {
            s->of[i] = mem_grow(s->of[i], &s->cap[i], s->n[i] + 1, sizeof *s->of[i]);
            s->of[i][s->n[i]++] = span_of(p);
        }
    }
}

static int compare_spans(const void *a, const void *b)
{
    return slice_cmp(((const struct span *)a)->lo, ((const struct span *)b)->lo);
}

static size_t merge(struct span *spans, size_t n)
{
    size_t out = 0;
    if (n > 1) {
        qsort(spans, n, sizeof *spans, compare_spans);
    }
    for (size_t i = 0; i < n; i++) {
        struct span *last = out > 0 ? &spans[out - 1] : NULL;
        if (last == NULL || (!last->unbounded && slice_cmp(last->hi, spans[i].lo) < 0)) {
            spans[out++] = spans[i];
        } else if (spans[i].unbounded) {
            last->unbounded = true;
        } else if (!last->unbounded && slice_cmp(last->hi, spans[i].hi) < 0) {
            last->hi = spans[i].hi;
        }
    }
    return out;
}

/* As of this revision. */
static const struct auth_spans *spans_of(const struct auth *a, struct auth_user *u)
{
    if (u->spans == NULL) {
        u->spans = mem_zalloc(sizeof *u->spans);
    }
    struct auth_spans *s = u->spans;
    if (s->revision == a->revision) {
        return s;
    }
    spans_clear(s);
    s->revision = a->revision;
    for (size_t i = 0; i < u->roles.n; i++) {
        const struct auth_role *r = auth_role(a, *u->roles.names[i]);
        for (size_t k = 0; r != NULL && k < r->n; k++) {
            spans_add(s, &r->permissions[k]);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        s->n[i] = merge(s->of[i], s->n[i]);
    }
    return s;
}

/* Does one span hold all of it? Spans do not touch, so one must. */
static bool covers(const struct span *spans, size_t n, struct slice key, struct slice range_end)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (slice_cmp(spans[mid].lo, key) <= 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == 0) {
        return false;
    }
    const struct span *s = &spans[lo - 1];
    if (s->unbounded) {
        return true;
    }
    return slice_cmp(key, s->hi) < 0 && !is_open(range_end) &&
           (range_end.len == 0 || slice_cmp(range_end, s->hi) <= 0);
}

static const struct slice ROOT = { (const uint8_t *)"root", 4 };

int auth_may_range(const struct auth *a, const struct auth_who *who, struct slice key,
                   struct slice range_end, enum auth_access access)
{
    if (!a->enabled || who->kind == WHO_SYSTEM) {
        return 0;
    }
    if (who->kind == WHO_NOBODY) {
        return E_USER_EMPTY;
    }
    if (who->revision < a->revision && !BUG(BUG_AUTH_OLD_TAKEN)) {
        return E_AUTH_OLD;
    }
    struct auth_user *u = auth_user(a, who->user);
    if (u == NULL) {
        return E_PERM;
    }
    if (auth_user_has(u, ROOT)) {
        return 0;
    }
    const struct auth_spans *s = spans_of(a, u);
    return covers(s->of[access], s->n[access], key, range_end) ? 0 : E_PERM;
}

int auth_may_admin(const struct auth *a, const struct auth_who *who)
{
    if (!a->enabled || who->kind == WHO_SYSTEM) {
        return 0;
    }
    if (who->kind == WHO_NOBODY) {
        return E_USER_EMPTY;
    }
    const struct auth_user *u = auth_user(a, who->user);
    return u != NULL && auth_user_has(u, ROOT) ? 0 : E_PERM;
}

int auth_may_any(const struct auth *a, const struct auth_who *who)
{
    return a->enabled && who->kind == WHO_NOBODY ? E_USER_EMPTY : 0;
}

/* --- commands --------------------------------------------------------------------------------- */

/* All keys of a lease: who revokes it deletes them, and who adds a key to it lets others do so. */
int store_may_lease(const struct store *s, const struct auth_who *who, int64_t id,
                    enum auth_access access)
{
    const struct lease *l = lease_find(&s->leases, id);
    if (l == NULL || auth_may_admin(&s->auth, who) == 0) {
        return 0;
    }
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&l->keys, &at)) != NULL) {
        int rv = auth_may_range(&s->auth, who, e->key, slice_make(NULL, 0), access);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static int may_put(const struct store *s, const struct auth_who *who, const struct put_request *p)
{
    struct slice none = slice_make(NULL, 0);
    int rv = auth_may_range(&s->auth, who, p->key, none, ACCESS_WRITE);
    if (rv == 0 && p->lease != 0) {
        rv = store_may_lease(s, who, p->lease, ACCESS_WRITE);
    }
    if (rv == 0 && p->prev_kv) {
        rv = auth_may_range(&s->auth, who, p->key, none, ACCESS_READ);
    }
    return rv;
}

static int may_delete(const struct store *s, const struct auth_who *who,
                      const struct delete_request *d)
{
    int rv = auth_may_range(&s->auth, who, d->key, d->range_end, ACCESS_WRITE);
    if (rv == 0 && d->prev_kv) {
        rv = auth_may_range(&s->auth, who, d->key, d->range_end, ACCESS_READ);
    }
    return rv;
}

static int may_op(const struct store *s, const struct auth_who *who, const struct op *op)
{
    switch (op->type) {
    case OP_RANGE:
        return auth_may_range(&s->auth, who, op->range.key, op->range.range_end, ACCESS_READ);
    case OP_PUT:
        return may_put(s, who, &op->put);
    case OP_DELETE:
        return may_delete(s, who, &op->del);
    case OP_TXN:
        return store_may_txn(s, who, op->txn);
    case OP_NONE:
        break;
    }
    return 0; /* refused by txn_check */
}

/* Both branches: which one is taken would tell of keys that may not be read. */
int store_may_txn(const struct store *s, const struct auth_who *who, const struct txn_request *t)
{
    int rv = 0;
    for (size_t i = 0; i < t->n_compare && rv == 0; i++) {
        rv = auth_may_range(&s->auth, who, t->compare[i].key, t->compare[i].range_end,
                            ACCESS_READ);
    }
    for (size_t i = 0; i < t->n_success && rv == 0; i++) {
        rv = may_op(s, who, &t->success[i]);
    }
    for (size_t i = 0; i < t->n_failure && rv == 0; i++) {
        rv = may_op(s, who, &t->failure[i]);
    }
    return rv;
}

int store_may_apply(const struct store *s, const struct command *c)
{
    switch (c->type) {
    case COMMAND_PUT:
        return may_put(s, &c->who, &c->put);
    case COMMAND_DELETE:
        return may_delete(s, &c->who, &c->del);
    case COMMAND_TXN:
        return store_may_txn(s, &c->who, &c->txn);
    case COMMAND_LEASE_REVOKE:
        for (size_t i = 0; i < c->lease_revoke.n && !c->lease_revoke.expired; i++) {
            int rv = store_may_lease(s, &c->who, c->lease_revoke.ids[i], ACCESS_WRITE);
            if (rv != 0) {
                return rv;
            }
        }
        return 0;
    case COMMAND_AUTH:
        return auth_may_admin(&s->auth, &c->who);
    default: /* its member has asked for a right already, or does it by itself */
        return 0;
    }
}
