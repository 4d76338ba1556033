/* store_apply: one switch, the sole writer.
 *
 * A command either fails as a whole, before anything was written, or makes at most one
 * revision. Writes go into the tree at once, as records of revision + 1 with rising sub;
 * store_commit then publishes the revision: records enter the log, the digest takes them in,
 * watchers are told.
 *
 * The digest is a chain over (index, command type, status, and the records made), so two
 * members with equal digests at an index have applied equal commands with equal outcomes.
 * Nothing physical goes in: not memory, not how far compaction has got, not whether the state
 * came from a snapshot. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "store/internal.h"

static void digest_u64(struct store *s, uint64_t v)
{
    s->digest = hash_u64(s->digest ^ v) + 0x9e3779b97f4a7c15u;
}

static void digest_record(struct store *s, const struct record *r)
{
    struct slice key = record_key(r), value = record_value(r);
    digest_u64(s, hash_bytes(key.data, key.len));
    digest_u64(s, hash_bytes(value.data, value.len));
    digest_u64(s, (uint64_t)r->mod_revision);
    digest_u64(s, (uint64_t)r->create_revision);
    digest_u64(s, (uint64_t)r->version);
    digest_u64(s, (uint64_t)r->lease);
    digest_u64(s, (uint64_t)r->sub << 1 | r->tombstone);
}

/* --- one write -------------------------------------------------------------------------------- */

int64_t record_live_bytes(const struct record *r)
{
    return r->tombstone ? 0 : (int64_t)r->key_len + r->value_len + LIVE_OVERHEAD_BYTES;
}

int64_t write_latest(const struct store *s)
{
    return s->revision + (s->n_events > 0);
}

/* Makes v the newest version of its key. */
static void write_record(struct store *s, struct kv_view *v, struct record *head)
{
    v->mod_revision = s->revision + 1;
    v->sub = (int32_t)s->n_events;
    struct record *r = record_new(v, record_ref(head), s->compact_revision);
    s->size_bytes += record_bytes(r);
    s->live_bytes += record_live_bytes(r) - (head != NULL ? record_live_bytes(head) : 0);
    tree_put(&s->tree, r);
    s->events = mem_grow(s->events, &s->events_cap, s->n_events + 1, sizeof *s->events);
    s->events[s->n_events++] = record_ref(r);
}

static struct record *live_head(const struct store *s, struct slice key)
{
    struct record *head = tree_get(&s->tree, key);
    return head != NULL && !head->tombstone ? head : NULL;
}

int write_check_put(const struct store *s, const struct put_request *p)
{
    if ((p->ignore_value || p->ignore_lease) && live_head(s, p->key) == NULL) {
        return E_KEY_NOT_FOUND;
    }
    if (p->lease != 0 && lease_find(&s->leases, p->lease) == NULL) {
        return E_LEASE_NOT_FOUND;
    }
    return 0;
}

void write_put(struct store *s, const struct put_request *p, struct op_result *ret_result)
{
    struct record *head = tree_get(&s->tree, p->key);
    const struct record *live = head != NULL && !head->tombstone ? head : NULL;
    if (BUG(BUG_STORE_VERSION_KEPT) && head != NULL && head->tombstone) {
        live = head->prev;
    }
    struct kv_view v = {
        .key = p->key,
        .value = p->value,
        .lease = p->lease,
        .create_revision = live != NULL ? live->create_revision : s->revision + 1,
        .version = live != NULL ? live->version + 1 : 1,
    };
    if (live != NULL && p->ignore_value) {
        v.value = record_value(live);
    }
    if (live != NULL && p->ignore_lease) {
        v.lease = live->lease;
    }
    int64_t old_lease = live != NULL ? live->lease : 0;
    if (p->prev_kv && live != NULL) {
        ret_result->prev = record_ref(head);
    }
    write_record(s, &v, head);
    if (BUG(BUG_STORE_LEASE_KEPT)) {
        lease_attach(&s->leases, v.lease, p->key);
    } else if (old_lease != v.lease) {
        lease_detach(&s->leases, old_lease, p->key);
        lease_attach(&s->leases, v.lease, p->key);
    }
}

void write_tombstone(struct store *s, struct record *head)
{
    struct kv_view v = { .key = record_key(head), .tombstone = true };
    lease_detach(&s->leases, head->lease, v.key);
    write_record(s, &v, head);
}

void write_delete(struct store *s, const struct delete_request *d, struct arena *arena,
                  struct op_result *ret_result)
{
    struct key_range range = key_range_make(d->key, d->range_end);
    struct record **heads;
    size_t n = range_heads(s, &range, arena, &heads);
    ret_result->n_deleted = (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        if (d->prev_kv) {
            record_ref(heads[i]);
        }
        write_tombstone(s, heads[i]); /* the tombstone keeps its predecessor alive */
    }
    ret_result->deleted = d->prev_kv ? heads : NULL;
}

/* --- commands --------------------------------------------------------------------------------- */

static int apply_put(struct store *s, const struct put_request *p, struct store_result *r)
{
    int rv = put_check(p);
    if (rv == 0 && store_over_quota(s)) {
        rv = E_NOSPACE;
    }
    if (rv == 0 && p->lease != 0 && lease_find(&s->leases, p->lease) == NULL) {
        rv = E_LEASE_NOT_FOUND; /* alone, the lease is asked for first; in a txn, the key */
    }
    if (rv == 0) {
        rv = write_check_put(s, p);
    }
    if (rv == 0) {
        r->op.type = OP_PUT;
        write_put(s, p, &r->op);
    }
    return rv;
}

static int apply_delete(struct store *s, const struct delete_request *d, struct store_result *r)
{
    int rv = delete_check(d);
    if (rv == 0) {
        r->op.type = OP_DELETE;
        write_delete(s, d, &r->arena, &r->op);
    }
    return rv;
}

/* The bound on operations here is the format's, not the member's flag: flags may differ. */
static int apply_txn(struct store *s, const struct txn_request *t, struct store_result *r)
{
    int rv = txn_check(t, LIMIT_COMMAND_ITEMS);
    if (rv == 0 && store_over_quota(s) && txn_has_put(t)) {
        rv = E_NOSPACE;
    }
    return rv != 0 ? rv : txn_apply(s, t, &r->arena, &r->txn);
}

static void tell_lease(struct store *s, const struct lease *l, bool removed)
{
    if (s->on_lease != NULL) {
        struct lease_info info = { l->id, l->ttl_s, l->remaining_ttl_s };
        s->on_lease(s->on_lease_arg, &info, removed);
    }
}

static int apply_grant(struct store *s, const struct command *c, struct store_result *r)
{
    int64_t id = c->lease_grant.id, ttl = c->lease_grant.ttl_s;
    if (store_over_quota(s)) {
        return E_NOSPACE;
    }
    if (id == 0) {
        return E_LEASE_NOT_FOUND;
    }
    if (ttl > LEASE_TTL_MAX_S) {
        return E_LEASE_TTL_TOO_LARGE;
    }
    if (lease_find(&s->leases, id) != NULL) {
        return E_LEASE_EXIST;
    }
    struct lease *l = lease_add(&s->leases, id, ttl > 0 ? ttl : 1);
    r->lease_id = id;
    r->lease_ttl_s = l->ttl_s;
    digest_u64(s, (uint64_t)id);
    digest_u64(s, (uint64_t)l->ttl_s);
    tell_lease(s, l, false);
    return 0;
}

static int compare_heads(const void *a, const void *b)
{
    const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;
    return slice_cmp(record_key(x), record_key(y));
}

/* All keys of all leases of the batch, in key order, in one revision. */
static int apply_revoke(struct store *s, const struct command *c, struct store_result *r)
{
    size_t n_ids = c->lease_revoke.n, n = 0, max = 0;
    const int64_t *ids = c->lease_revoke.ids;
    if (n_ids == 1 && lease_find(&s->leases, ids[0]) == NULL) {
        return E_LEASE_NOT_FOUND;
    }
    for (size_t i = 0; i < n_ids; i++) {
        const struct lease *l = lease_find(&s->leases, ids[i]);
        max += l != NULL ? l->keys.n : 0; /* an id named twice counts twice: room is enough */
    }
    struct record **heads = arena_alloc(&r->arena, (max + 1) * sizeof *heads);
    for (size_t i = 0; i < n_ids; i++) {
        struct lease *l = lease_find(&s->leases, ids[i]);
        if (l == NULL) {
            continue;
        }
        size_t at = 0;
        struct map_entry *e;
        while ((e = map_next(&l->keys, &at)) != NULL) {
            heads[n++] = tree_get(&s->tree, e->key);
        }
        digest_u64(s, (uint64_t)l->id);
        tell_lease(s, l, true);
        lease_drop(&s->leases, l);
    }
    qsort(heads, n, sizeof *heads, compare_heads);
    for (size_t i = 0; i < n && !BUG(BUG_STORE_REVOKE_KEEPS_KEYS); i++) {
        write_tombstone(s, heads[i]);
    }
    r->lease_id = n_ids == 1 ? ids[0] : 0;
    return 0;
}

static int apply_checkpoint(struct store *s, const struct command *c)
{
    for (size_t i = 0; i < c->lease_checkpoint.n; i++) {
        const struct lease_checkpoint *item = &c->lease_checkpoint.items[i];
        struct lease *l = lease_find(&s->leases, item->id);
        if (l != NULL) {
            lease_checkpoint(l, item->remaining_ttl_s);
            digest_u64(s, (uint64_t)l->id);
            digest_u64(s, (uint64_t)l->remaining_ttl_s);
        }
    }
    return 0;
}

static int apply_compact(struct store *s, const struct command *c)
{
    int rv = compact_mark(s, c->compact.revision);
    if (rv == 0) {
        digest_u64(s, (uint64_t)c->compact.revision);
    }
    return rv;
}

static int apply_alarm(struct store *s, const struct alarm_change *a, struct store_result *r)
{
    int rv = alarms_apply(&s->alarms, a, &r->alarm_told);
    digest_u64(s, a->member);
    digest_u64(s, (uint64_t)a->type << 2 | (a->active ? 2u : 0) | (a->automatic ? 1u : 0));
    return rv;
}

static void digest_slice(struct store *s, struct slice bytes)
{
    digest_u64(s, hash_bytes(bytes.data, bytes.len));
}

static int apply_auth(struct store *s, const struct auth_change *a)
{
    int rv = auth_apply(&s->auth, a);
    if (rv == 0) {
        digest_u64(s, (uint64_t)a->action);
        digest_u64(s, s->auth.revision);
        digest_slice(s, a->user);
        digest_slice(s, a->role);
        digest_slice(s, a->key);
        digest_slice(s, a->range_end);
        digest_slice(s, a->secret);
        digest_u64(s, (uint64_t)a->number);
    }
    return rv;
}

static int apply_command(struct store *s, const struct command *c, struct store_result *r)
{
    switch (c->type) {
    case COMMAND_PUT:
        return apply_put(s, &c->put, r);
    case COMMAND_DELETE:
        return apply_delete(s, &c->del, r);
    case COMMAND_TXN:
        return apply_txn(s, &c->txn, r);
    case COMMAND_COMPACT:
        return apply_compact(s, c);
    case COMMAND_LEASE_GRANT:
        return apply_grant(s, c, r);
    case COMMAND_LEASE_REVOKE:
        return apply_revoke(s, c, r);
    case COMMAND_LEASE_CHECKPOINT:
        return apply_checkpoint(s, c);
    case COMMAND_ALARM:
        return apply_alarm(s, &c->alarm, r);
    case COMMAND_AUTH:
        return apply_auth(s, &c->auth);
    }
    return E_PROTO;
}

/* Publishes the revision in the making, if there is one. */
static void store_commit(struct store *s)
{
    size_t n = s->n_events;
    if (n == 0) {
        return;
    }
    s->revision++;
    for (size_t i = 0; i < n; i++) {
        digest_record(s, s->events[i]);
        revlog_push(&s->log, s->events[i]);
    }
    s->n_events = 0;
    if (s->on_events != NULL) {
        s->on_events(s->on_events_arg, s->revision, s->events, n);
    }
}

void store_apply(struct store *s, uint64_t index, const struct command *c,
                 struct store_result *ret_result)
{
    PRE(index > s->applied_index);
    INVARIANT(s->n_events == 0);
    s->applied_index = index;
    digest_u64(s, index);
    digest_u64(s, (uint64_t)c->type);
    int rv = alarms_refuse(&s->alarms, c);
    if (rv == 0 && s->auth.enabled) {
        rv = store_may_apply(s, c);
    }
    if (rv == 0) {
        rv = apply_command(s, c, ret_result);
    }
    INVARIANT(rv == 0 || s->n_events == 0);
    digest_u64(s, (uint64_t)(int64_t)rv);
    ret_result->status = rv;
    store_commit(s);
    ret_result->revision = s->revision;
}
