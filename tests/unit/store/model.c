/* The naive model: every version ever written in one array, in order of writing. A read at a
 * revision scans it from the end. A txn runs on the array itself; its compares look at the
 * part that was there when it began, and a failure cuts the array back. */
#include "tests/unit/store/model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "store/key_range.h"
#include "tests/unit/store/model_print.h"

struct version {
    struct kv_view kv; /* owns key and value */
};

struct model_lease {
    int64_t id, ttl_s, remaining_ttl_s;
};

struct model {
    struct version *versions;
    size_t n, cap;
    struct model_lease *leases;
    size_t n_leases, leases_cap;
    int64_t revision, compact_revision, quota_bytes;
    size_t frozen; /* versions before the command in work */
};

struct model *model_new(int64_t quota_bytes)
{
    struct model *m = mem_zalloc(sizeof *m);
    m->revision = 1;
    m->quota_bytes = quota_bytes;
    return m;
}

static void version_drop(struct version *v)
{
    mem_free((void *)(uintptr_t)v->kv.key.data);
    mem_free((void *)(uintptr_t)v->kv.value.data);
}

static void versions_cut(struct model *m, size_t n)
{
    while (m->n > n) {
        version_drop(&m->versions[--m->n]);
    }
}

void model_free(struct model *m)
{
    versions_cut(m, 0);
    mem_free(m->versions);
    mem_free(m->leases);
    mem_free(m);
}

int64_t model_revision(const struct model *m)
{
    return m->revision;
}

int64_t model_compact_revision(const struct model *m)
{
    return m->compact_revision;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The newest version of the key among the first n with mod <= revision, tombstone or not. */
static const struct kv_view *newest(const struct model *m, struct slice key, int64_t revision,
                                    size_t n)
{
    for (size_t i = n; i-- > 0;) {
        const struct kv_view *kv = &m->versions[i].kv;
        if (kv->mod_revision <= revision && slice_eq(kv->key, key)) {
            return kv;
        }
    }
    return NULL;
}

static const struct kv_view *lookup(const struct model *m, struct slice key, int64_t revision,
                                    size_t n)
{
    const struct kv_view *kv = newest(m, key, revision, n);
    return kv == NULL || kv->tombstone ? NULL : kv;
}

/* Live keys of the range at a revision, sorted by key. Caller frees. */
static const struct kv_view **collect(const struct model *m, struct slice key,
                                      struct slice range_end, int64_t revision, size_t n,
                                      size_t *ret_n)
{
    struct key_range range = key_range_make(key, range_end);
    const struct kv_view **found = NULL;
    size_t n_found = 0, cap = 0;
    for (size_t i = 0; i < n; i++) {
        const struct kv_view *kv = &m->versions[i].kv;
        if (!key_range_has(&range, kv->key)) {
            continue;
        }
        size_t at = 0;
        while (at < n_found && slice_cmp(found[at]->key, kv->key) < 0) {
            at++;
        }
        if (at < n_found && slice_eq(found[at]->key, kv->key)) {
            continue;
        }
        found = mem_grow(found, &cap, n_found + 1, sizeof *found);
        memmove(&found[at + 1], &found[at], (n_found - at) * sizeof *found);
        found[at] = kv;
        n_found++;
    }
    size_t live = 0;
    for (size_t i = 0; i < n_found; i++) {
        const struct kv_view *kv = lookup(m, found[i]->key, revision, n);
        if (kv != NULL) {
            found[live++] = kv;
        }
    }
    *ret_n = live;
    return found;
}

static bool excluded(const struct range_request *r, const struct kv_view *kv)
{
    if (r->max_mod_revision != 0 && kv->mod_revision > r->max_mod_revision) {
        return true;
    }
    if (r->min_mod_revision != 0 && kv->mod_revision < r->min_mod_revision) {
        return true;
    }
    if (r->max_create_revision != 0 && kv->create_revision > r->max_create_revision) {
        return true;
    }
    return r->min_create_revision != 0 && kv->create_revision < r->min_create_revision;
}

static bool has_filters(const struct range_request *r)
{
    return r->max_mod_revision != 0 || r->min_mod_revision != 0 || r->max_create_revision != 0 ||
           r->min_create_revision != 0;
}

static bool sorts_before(const struct range_request *r, const struct kv_view *a,
                         const struct kv_view *b)
{
    int64_t c = 0;
    switch (r->sort_target) {
    case SORT_VERSION:
        c = a->version - b->version;
        break;
    case SORT_CREATE:
        c = a->create_revision - b->create_revision;
        break;
    case SORT_MOD:
        c = a->mod_revision - b->mod_revision;
        break;
    case SORT_VALUE:
        c = slice_cmp(a->value, b->value);
        break;
    default:
        c = slice_cmp(a->key, b->key);
        break;
    }
    return r->sort_order == SORT_DESCEND ? c > 0 : c < 0;
}

static int model_range_at(const struct model *m, const struct range_request *r, size_t n,
                          int64_t latest, struct buf *out)
{
    if (r->revision > latest) {
        return E_FUTURE_REV;
    }
    int64_t at = r->revision > 0 ? r->revision : latest;
    if (r->revision > 0 && at < m->compact_revision) {
        return E_COMPACTED;
    }
    size_t total, kept = 0;
    const struct kv_view **kvs = collect(m, r->key, r->range_end, at, n, &total);
    for (size_t i = 0; i < total && !r->count_only; i++) {
        if (!excluded(r, kvs[i])) {
            kvs[kept++] = kvs[i];
        }
    }
    if (r->sort_order == SORT_NONE && r->limit > 0 && !has_filters(r) && kept > (size_t)r->limit) {
        kept = (size_t)r->limit + 1; /* an order that is not named: the first keys, sorted */
    }
    for (size_t i = 1; i < kept; i++) { /* stable insertion sort: ties stay in key order */
        const struct kv_view *kv = kvs[i];
        size_t j = i;
        for (; j > 0 && sorts_before(r, kv, kvs[j - 1]); j--) {
            kvs[j] = kvs[j - 1];
        }
        kvs[j] = kv;
    }
    size_t shown = r->limit > 0 && (size_t)r->limit < kept ? (size_t)r->limit : kept;
    print_range_head(out, (int64_t)total, kept > shown);
    for (size_t i = 0; i < shown; i++) {
        print_kv(out, kvs[i]);
    }
    mem_free(kvs);
    return 0;
}

void model_range(const struct model *m, const struct range_request *r, struct buf *out)
{
    int rv = model_range_at(m, r, m->n, m->revision, out);
    if (rv != 0) {
        buf_printf(out, "%s", err_name(rv));
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct slice copy(struct slice s)
{
    return slice_make(mem_dup(s.len != 0 ? (const void *)s.data : "", s.len + (s.len == 0)), s.len);
}

static void append(struct model *m, struct kv_view kv)
{
    kv.key = copy(kv.key);
    kv.value = copy(kv.value);
    kv.mod_revision = m->revision + 1;
    kv.sub = (int32_t)(m->n - m->frozen);
    m->versions = mem_grow(m->versions, &m->cap, m->n + 1, sizeof *m->versions);
    m->versions[m->n++].kv = kv;
}

static struct model_lease *find_lease(const struct model *m, int64_t id)
{
    for (size_t i = 0; i < m->n_leases; i++) {
        if (m->leases[i].id == id) {
            return &m->leases[i];
        }
    }
    return NULL;
}

static bool over_quota(const struct model *m)
{
    size_t n;
    const struct kv_view **kvs =
        collect(m, slice_make("", 0), slice_make("", 1), m->revision, m->n, &n);
    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += (int64_t)(kvs[i]->key.len + kvs[i]->value.len) + 64;
    }
    mem_free(kvs);
    return m->quota_bytes > 0 && bytes > m->quota_bytes;
}

static int model_put(struct model *m, const struct put_request *p, struct buf *out)
{
    const struct kv_view *old = lookup(m, p->key, INT64_MAX, m->n);
    if ((p->ignore_value || p->ignore_lease) && lookup(m, p->key, INT64_MAX, m->frozen) == NULL) {
        return E_KEY_NOT_FOUND;
    }
    if (p->lease != 0 && find_lease(m, p->lease) == NULL) {
        return E_LEASE_NOT_FOUND;
    }
    print_op(out, OP_PUT);
    if (p->prev_kv && old != NULL) {
        print_kv(out, old);
    }
    struct kv_view kv = { .key = p->key, .value = p->value, .lease = p->lease };
    kv.version = old != NULL ? old->version + 1 : 1;
    kv.create_revision = old != NULL ? old->create_revision : m->revision + 1;
    if (p->ignore_value && old != NULL) {
        kv.value = old->value;
    }
    if (p->ignore_lease && old != NULL) {
        kv.lease = old->lease;
    }
    append(m, kv);
    return 0;
}

static void model_delete(struct model *m, const struct delete_request *d, struct buf *out)
{
    size_t n;
    const struct kv_view **kvs = collect(m, d->key, d->range_end, INT64_MAX, m->n, &n);
    print_op(out, OP_DELETE);
    buf_printf(out, "%zu ", n);
    struct slice *keys = mem_alloc((n + 1) * sizeof *keys);
    for (size_t i = 0; i < n; i++) {
        if (d->prev_kv) {
            print_kv(out, kvs[i]);
        }
        keys[i] = copy(kvs[i]->key);
    }
    for (size_t i = 0; i < n; i++) {
        append(m, (struct kv_view){ .key = keys[i], .tombstone = true });
        mem_free((void *)(uintptr_t)keys[i].data);
    }
    mem_free(keys);
    mem_free(kvs);
}

static bool meets(int result, int64_t c)
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
        return true;
    }
}

static bool meets_kv(const struct compare *c, const struct kv_view *kv)
{
    static const struct kv_view missing;
    if (c->target == COMPARE_VALUE) {
        return kv != NULL && meets(c->result, slice_cmp(kv->value, c->value));
    }
    const struct kv_view *k = kv != NULL ? kv : &missing;
    const int64_t numbers[] = {
        [COMPARE_VERSION] = k->version,   [COMPARE_CREATE] = k->create_revision,
        [COMPARE_MOD] = k->mod_revision, [COMPARE_LEASE] = k->lease,
    };
    bool known = c->target >= 0 && c->target <= COMPARE_LEASE;
    int64_t a = known ? numbers[c->target] : 0, b = known ? c->number : 0;
    return meets(c->result, a < b ? -1 : a > b);
}

static bool meets_all(const struct model *m, const struct txn_request *t)
{
    bool all = true;
    for (size_t i = 0; i < t->n_compare && all; i++) {
        const struct compare *c = &t->compare[i];
        size_t n;
        const struct kv_view **kvs =
            collect(m, c->key, c->range_end, INT64_MAX, m->frozen, &n);
        for (size_t k = 0; k < n && all; k++) {
            all = meets_kv(c, kvs[k]);
        }
        if (n == 0) {
            all = meets_kv(c, NULL);
        }
        mem_free(kvs);
    }
    return all;
}

static int model_txn(struct model *m, const struct txn_request *t, struct buf *out)
{
    bool yes = meets_all(m, t);
    const struct op *ops = yes ? t->success : t->failure;
    size_t n = yes ? t->n_success : t->n_failure;
    buf_printf(out, "txn %s { ", yes ? "then" : "else");
    for (size_t i = 0; i < n; i++) {
        int rv = 0;
        if (ops[i].type == OP_PUT) {
            rv = model_put(m, &ops[i].put, out);
        } else if (ops[i].type == OP_DELETE) {
            model_delete(m, &ops[i].del, out);
        } else if (ops[i].type == OP_RANGE && ops[i].range.revision > m->revision) {
            rv = E_FUTURE_REV;
        } else if (ops[i].type == OP_RANGE) {
            rv = model_range_at(m, &ops[i].range, m->n, m->revision + (m->n > m->frozen), out);
        } else if (ops[i].type == OP_TXN) {
            rv = model_txn(m, ops[i].txn, out);
        }
        if (rv != 0) {
            return rv;
        }
    }
    buf_printf(out, "} ");
    return 0;
}

static bool puts_anything(const struct op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].type == OP_PUT) {
            return true;
        }
        if (ops[i].type == OP_TXN && (puts_anything(ops[i].txn->success, ops[i].txn->n_success) ||
                                      puts_anything(ops[i].txn->failure, ops[i].txn->n_failure))) {
            return true;
        }
    }
    return false;
}

/* --- leases and compaction -------------------------------------------------------------------- */

static int model_grant(struct model *m, int64_t id, int64_t ttl, struct buf *out)
{
    if (over_quota(m)) {
        return E_NOSPACE;
    }
    if (id == 0) {
        return E_LEASE_NOT_FOUND;
    }
    if (ttl > 9000000000) {
        return E_LEASE_TTL_TOO_LARGE;
    }
    if (find_lease(m, id) != NULL) {
        return E_LEASE_EXIST;
    }
    ttl = ttl < 1 ? 1 : ttl;
    m->leases = mem_grow(m->leases, &m->leases_cap, m->n_leases + 1, sizeof *m->leases);
    m->leases[m->n_leases++] = (struct model_lease){ id, ttl, ttl };
    print_grant(out, id, ttl);
    return 0;
}

static int model_revoke(struct model *m, const struct command *c)
{
    if (c->lease_revoke.n == 1 && find_lease(m, c->lease_revoke.ids[0]) == NULL) {
        return E_LEASE_NOT_FOUND;
    }
    size_t n;
    const struct kv_view **kvs =
        collect(m, slice_make("", 0), slice_make("", 1), INT64_MAX, m->n, &n);
    struct slice *keys = mem_alloc((n + 1) * sizeof *keys);
    size_t n_keys = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < c->lease_revoke.n; k++) {
            if (kvs[i]->lease != 0 && kvs[i]->lease == c->lease_revoke.ids[k]) {
                keys[n_keys++] = copy(kvs[i]->key);
                break;
            }
        }
    }
    for (size_t i = 0; i < n_keys; i++) {
        append(m, (struct kv_view){ .key = keys[i], .tombstone = true });
        mem_free((void *)(uintptr_t)keys[i].data);
    }
    for (size_t k = 0; k < c->lease_revoke.n; k++) {
        struct model_lease *l = find_lease(m, c->lease_revoke.ids[k]);
        if (l != NULL) {
            *l = m->leases[--m->n_leases];
        }
    }
    mem_free(keys);
    mem_free(kvs);
    return 0;
}

/* Drops what can never be read again. */
static int model_compact(struct model *m, int64_t revision)
{
    if (revision <= m->compact_revision) {
        return E_COMPACTED;
    }
    if (revision > m->revision) {
        return E_FUTURE_REV;
    }
    m->compact_revision = revision;
    bool *keep = mem_alloc(m->n + 1);
    for (size_t i = 0; i < m->n; i++) {
        const struct kv_view *kv = &m->versions[i].kv;
        keep[i] = kv->mod_revision >= revision || lookup(m, kv->key, revision, m->n) == kv;
    }
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (keep[i]) {
            m->versions[n++] = m->versions[i];
        } else {
            version_drop(&m->versions[i]);
        }
    }
    m->n = n;
    mem_free(keep);
    return 0;
}

static void model_checkpoint(struct model *m, const struct command *c)
{
    for (size_t i = 0; i < c->lease_checkpoint.n; i++) {
        struct model_lease *l = find_lease(m, c->lease_checkpoint.items[i].id);
        int64_t left = c->lease_checkpoint.items[i].remaining_ttl_s;
        if (l != NULL) {
            l->remaining_ttl_s = left <= 0 || left > l->ttl_s ? l->ttl_s : left;
        }
    }
}

static int model_command(struct model *m, const struct command *c, struct buf *out)
{
    int rv = 0;
    switch (c->type) {
    case COMMAND_PUT:
        rv = put_check(&c->put);
        rv = rv == 0 && over_quota(m) ? E_NOSPACE : rv;
        rv = rv == 0 && c->put.lease != 0 && find_lease(m, c->put.lease) == NULL
                 ? E_LEASE_NOT_FOUND
                 : rv;
        return rv != 0 ? rv : model_put(m, &c->put, out);
    case COMMAND_DELETE:
        rv = delete_check(&c->del);
        if (rv == 0) {
            model_delete(m, &c->del, out);
        }
        return rv;
    case COMMAND_TXN:
        rv = txn_check(&c->txn, 65536);
        if (rv == 0 && over_quota(m) &&
            (puts_anything(c->txn.success, c->txn.n_success) ||
             puts_anything(c->txn.failure, c->txn.n_failure))) {
            rv = E_NOSPACE;
        }
        return rv != 0 ? rv : model_txn(m, &c->txn, out);
    case COMMAND_COMPACT:
        return model_compact(m, c->compact.revision);
    case COMMAND_LEASE_GRANT:
        return model_grant(m, c->lease_grant.id, c->lease_grant.ttl_s, out);
    case COMMAND_LEASE_REVOKE:
        return model_revoke(m, c);
    case COMMAND_LEASE_CHECKPOINT:
        model_checkpoint(m, c);
        return 0;
    case COMMAND_ALARM: /* not modelled: gen.c makes none, test_alarm.c and test_auth.c have */
    case COMMAND_AUTH:  /* their rules */
        break;
    }
    return E_PROTO;
}

void model_apply(struct model *m, const struct command *c, struct buf *out)
{
    autobuf results = BUF_INIT;
    m->frozen = m->n;
    int rv = model_command(m, c, &results);
    if (rv != 0) {
        versions_cut(m, m->frozen);
        buf_reset(&results);
    } else if (c->type != COMMAND_COMPACT && m->n > m->frozen) {
        m->revision++;
    }
    print_status(out, rv, m->revision);
    buf_append_slice(out, buf_slice(&results));
    for (size_t i = m->frozen; rv == 0 && c->type != COMMAND_COMPACT && i < m->n; i++) {
        print_event(out, &m->versions[i].kv);
    }
}

static int compare_leases(const void *a, const void *b)
{
    const struct model_lease *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

void model_state(const struct model *m, struct buf *out)
{
    buf_printf(out, "rev %" PRId64 " compact %" PRId64 "\n", m->revision, m->compact_revision);
    for (size_t i = 0; i < m->n; i++) {
        if (m->versions[i].kv.mod_revision >= m->compact_revision) {
            print_event(out, &m->versions[i].kv);
        }
    }
    size_t n;
    const struct kv_view **kvs =
        collect(m, slice_make("", 0), slice_make("", 1), m->revision, m->n, &n);
    buf_printf(out, "\nlive %zu: ", n);
    for (size_t i = 0; i < n; i++) {
        print_kv(out, kvs[i]);
    }
    if (m->n_leases > 1) {
        qsort(m->leases, m->n_leases, sizeof *m->leases, compare_leases);
    }
    for (size_t i = 0; i < m->n_leases; i++) {
        const struct model_lease *l = &m->leases[i];
        print_lease(out, &(struct lease_info){ l->id, l->ttl_s, l->remaining_ttl_s });
        for (size_t k = 0; k < n; k++) {
            if (kvs[k]->lease == l->id) {
                print_bytes(out, kvs[k]->key);
            }
        }
    }
    mem_free(kvs);
}
