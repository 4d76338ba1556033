/* Printing for the differential tests, and the store's side of it. */
#include "tests/unit/store/model_print.h"

#include <inttypes.h>

#include "tests/unit/store/model.h"

void print_bytes(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] > 32 && s.data[i] < 127) {
            buf_append_char(out, (char)s.data[i]);
        } else {
            buf_printf(out, "\\%02x", s.data[i]);
        }
    }
    buf_append_char(out, ' ');
}

void print_kv(struct buf *out, const struct kv_view *kv)
{
    buf_printf(out, "<c%" PRId64 " m%" PRId64 " v%" PRId64 " l%" PRId64 " ", kv->create_revision,
               kv->mod_revision, kv->version, kv->lease);
    print_bytes(out, kv->key);
    print_bytes(out, kv->value);
    buf_append_str(out, "> ");
}

void print_event(struct buf *out, const struct kv_view *kv)
{
    buf_printf(out, "%s %d ", kv->tombstone ? "DELETE" : "PUT", kv->sub);
    print_kv(out, kv);
}

void print_range_head(struct buf *out, int64_t count, bool more)
{
    buf_printf(out, "range %" PRId64 "%s ", count, more ? " more" : "");
}

void print_op(struct buf *out, enum op_type type)
{
    buf_append_str(out, type == OP_PUT ? "put " : "delete ");
}

void print_grant(struct buf *out, int64_t id, int64_t ttl_s)
{
    buf_printf(out, "grant %" PRId64 " %" PRId64 " ", id, ttl_s);
}

void print_lease(struct buf *out, const struct lease_info *l)
{
    buf_printf(out, "\nlease %" PRId64 " ttl %" PRId64 " left %" PRId64 ": ", l->id, l->ttl_s,
               l->remaining_ttl_s);
}

void print_status(struct buf *out, int status, int64_t revision)
{
    buf_printf(out, "%s at %" PRId64 ": ", err_name(status), revision);
}

/* --- the store's side ------------------------------------------------------------------------- */

static void print_record(struct buf *out, const struct record *r)
{
    struct kv_view kv;
    record_view(r, &kv);
    print_kv(out, &kv);
}

static void print_range(struct buf *out, const struct range_result *r)
{
    print_range_head(out, r->count, r->more);
    for (size_t i = 0; i < r->n; i++) {
        print_record(out, r->kvs[i]);
    }
}

static void print_txn(struct buf *out, const struct txn_result *t);

static void print_op_result(struct buf *out, const struct op_result *op)
{
    switch (op->type) {
    case OP_RANGE:
        print_range(out, &op->range);
        break;
    case OP_PUT:
        print_op(out, OP_PUT);
        if (op->prev != NULL) {
            print_record(out, op->prev);
        }
        break;
    case OP_DELETE:
        print_op(out, OP_DELETE);
        buf_printf(out, "%" PRId64 " ", op->n_deleted);
        for (int64_t i = 0; op->deleted != NULL && i < op->n_deleted; i++) {
            print_record(out, op->deleted[i]);
        }
        break;
    case OP_TXN:
        print_txn(out, op->txn);
        break;
    case OP_NONE:
        break;
    }
}

static void print_txn(struct buf *out, const struct txn_result *t)
{
    buf_printf(out, "txn %s { ", t->succeeded ? "then" : "else");
    for (size_t i = 0; i < t->n_ops; i++) {
        print_op_result(out, &t->ops[i]);
    }
    buf_printf(out, "} ");
}

static void on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct buf *out = arg;
    (void)revision;
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        print_event(out, &kv);
    }
}

void store_apply_text(struct store *s, uint64_t index, const struct command *c, struct buf *out)
{
    autobuf events = BUF_INIT;
    struct store_result r;
    store_result_init(&r);
    store_set_on_events(s, on_events, &events);
    store_apply(s, index, c, &r);
    store_set_on_events(s, NULL, NULL);
    print_status(out, r.status, r.revision);
    if (r.status == 0 && c->type == COMMAND_TXN) {
        print_txn(out, &r.txn);
    } else if (r.status == 0 && c->type == COMMAND_LEASE_GRANT) {
        print_grant(out, r.lease_id, r.lease_ttl_s);
    } else if (r.status == 0) {
        print_op_result(out, &r.op);
    }
    buf_append_slice(out, buf_slice(&events));
    store_result_fini(&r);
}

void store_range_text(struct store *s, const struct range_request *r, struct buf *out)
{
    struct arena arena;
    struct range_result result = { 0 };
    arena_init(&arena);
    int rv = store_range(s, r, &arena, &result);
    if (rv != 0) {
        buf_printf(out, "%s", err_name(rv));
    } else {
        print_range(out, &result);
    }
    range_result_unref(&result);
    arena_fini(&arena);
}

static void print_history(struct store *s, struct arena *arena, struct buf *out)
{
    int64_t next = store_compact_revision(s) > 0 ? store_compact_revision(s) : 1;
    while (next <= store_revision(s)) {
        struct record **records;
        size_t n;
        if (store_history(s, next, 7, arena, &records, &n, &next) != 0) {
            buf_append_str(out, "history failed");
            return;
        }
        on_events(out, 0, records, n);
    }
}

void store_state_text(struct store *s, struct buf *out)
{
    struct arena arena;
    arena_init(&arena);
    buf_printf(out, "rev %" PRId64 " compact %" PRId64 "\n", store_revision(s),
               store_compact_revision(s));
    print_history(s, &arena, out);
    struct range_request all = { .key = slice_make("", 1), .range_end = slice_make("", 1) };
    struct range_result result = { 0 };
    store_range(s, &all, &arena, &result);
    buf_printf(out, "\nlive %" PRId64 ": ", store_live_keys(s));
    for (size_t i = 0; i < result.n; i++) {
        print_record(out, result.kvs[i]);
    }
    range_result_unref(&result);
    struct lease_info *leases;
    size_t n = store_leases(s, &arena, &leases);
    for (size_t i = 0; i < n; i++) {
        print_lease(out, &leases[i]);
        struct slice *keys;
        size_t n_keys = store_lease_keys(s, leases[i].id, &arena, &keys);
        for (size_t k = 0; k < n_keys; k++) {
            print_bytes(out, keys[k]);
        }
    }
    arena_fini(&arena);
}
