/* The store as an object: making, freeing, asking it simple things, and the results it gives
 * out. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "store/internal.h"

struct store *store_new(const struct store_options *options)
{
    struct store *s = mem_zalloc(sizeof *s);
    if (options != NULL) {
        s->options = *options;
    }
    if (s->options.max_txn_ops == 0) {
        s->options.max_txn_ops = LIMIT_TXN_OPS;
    }
    s->revision = 1;
    tree_init(&s->tree);
    revlog_init(&s->log);
    lease_table_init(&s->leases);
    auth_init(&s->auth);
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    PRE(s->pins == 0);
    tree_fini(&s->tree);
    revlog_fini(&s->log);
    lease_table_fini(&s->leases);
    auth_fini(&s->auth);
    alarms_fini(&s->alarms);
    mem_free(s->events);
    mem_free(s);
}

void store_set_on_events(struct store *s, store_on_events fn, void *arg)
{
    s->on_events = fn;
    s->on_events_arg = arg;
}

void store_set_on_lease(struct store *s, store_on_lease fn, void *arg)
{
    s->on_lease = fn;
    s->on_lease_arg = arg;
}

int64_t store_revision(const struct store *s)
{
    return s->revision;
}

int64_t store_compact_revision(const struct store *s)
{
    return s->compact_revision;
}

uint64_t store_applied_index(const struct store *s)
{
    return s->applied_index;
}

int64_t store_live_keys(const struct store *s)
{
    return tree_live(&s->tree);
}

int64_t store_size_bytes(const struct store *s)
{
    return s->size_bytes;
}

int64_t store_live_bytes(const struct store *s)
{
    return s->live_bytes;
}

bool store_over_quota(const struct store *s)
{
    return s->options.quota_bytes > 0 && s->live_bytes > s->options.quota_bytes;
}

uint64_t store_digest(const struct store *s)
{
    return s->digest;
}

const struct alarms *store_alarms(const struct store *s)
{
    return &s->alarms;
}

const struct auth *store_auth(const struct store *s)
{
    return &s->auth;
}

/* --- results ---------------------------------------------------------------------------------- */

void store_result_init(struct store_result *r)
{
    *r = (struct store_result){ 0 };
    arena_init(&r->arena);
}

static void txn_result_unref(struct txn_result *t);

static void op_result_unref(struct op_result *op)
{
    range_result_unref(&op->range);
    record_unref(op->prev);
    if (op->deleted != NULL) {
        for (int64_t i = 0; i < op->n_deleted; i++) {
            record_unref(op->deleted[i]);
        }
    }
    if (op->txn != NULL) {
        txn_result_unref(op->txn);
    }
}

static void txn_result_unref(struct txn_result *t)
{
    for (size_t i = 0; i < t->n_ops; i++) {
        op_result_unref(&t->ops[i]);
    }
}

void store_result_fini(struct store_result *r)
{
    op_result_unref(&r->op);
    txn_result_unref(&r->txn);
    arena_fini(&r->arena);
    *r = (struct store_result){ 0 };
}

/* --- leases ----------------------------------------------------------------------------------- */

bool store_lease_get(const struct store *s, int64_t id, struct lease_info *ret_lease)
{
    const struct lease *l = lease_find(&s->leases, id);
    if (l == NULL) {
        return false;
    }
    *ret_lease = (struct lease_info){ l->id, l->ttl_s, l->remaining_ttl_s };
    return true;
}

size_t store_lease_keys(const struct store *s, int64_t id, struct arena *arena,
                        struct slice **ret_keys)
{
    const struct lease *l = lease_find(&s->leases, id);
    *ret_keys = NULL;
    return l != NULL ? lease_keys(l, arena, ret_keys) : 0;
}

size_t store_leases(const struct store *s, struct arena *arena, struct lease_info **ret_leases)
{
    return lease_list(&s->leases, arena, ret_leases);
}

/* --- history ---------------------------------------------------------------------------------- */

int store_history(struct store *s, int64_t from, size_t max, struct arena *arena,
                  struct record ***ret_records, size_t *ret_n, int64_t *ret_next)
{
    if (from <= compact_floor(s->compact_revision)) {
        return E_COMPACTED;
    }
    size_t first = revlog_find(&s->log, from), end = first;
    while (end < s->log.n) {
        const struct record *r = revlog_at(&s->log, end);
        bool starts = end == first || revlog_at(&s->log, end - 1)->mod_revision != r->mod_revision;
        if (starts && end - first >= max) {
            break;
        }
        end++;
    }
    struct record **records = arena_alloc(arena, (end - first + 1) * sizeof *records);
    for (size_t i = first; i < end; i++) {
        records[i - first] = revlog_at(&s->log, i);
    }
    int64_t after = s->revision + 1 > from ? s->revision + 1 : from;
    *ret_next = end < s->log.n ? revlog_at(&s->log, end)->mod_revision : after;
    *ret_records = records;
    *ret_n = end - first;
    return 0;
}
