/* The store's answers as text. */
#include "tests/scenario/print.h"

#include <inttypes.h>

static void indent(struct buf *out, int depth)
{
    buf_printf(out, "%*s", 2 + 2 * depth, "");
}

static void print_value(struct buf *out, struct slice value)
{
    if (value.len == 0) {
        buf_append_str(out, "\"\"");
    } else {
        buf_append_slice(out, value);
    }
}

static void print_kv(struct buf *out, const char *what, const struct record *r, int depth,
                     bool keys_only)
{
    struct kv_view kv;
    record_view(r, &kv);
    indent(out, depth);
    buf_append_str(out, what);
    buf_append_slice(out, kv.key);
    if (!keys_only) {
        buf_append_str(out, " = ");
        print_value(out, kv.value);
    }
    buf_printf(out, "  (create %" PRId64 ", mod %" PRId64 ", version %" PRId64, kv.create_revision,
               kv.mod_revision, kv.version);
    if (kv.lease != 0) {
        buf_printf(out, ", lease %" PRId64, kv.lease);
    }
    buf_append_str(out, ")\n");
}

void print_error(struct buf *out, int status)
{
    buf_printf(out, "error %s", err_name(status) + strlen("E_"));
}

void print_range(struct buf *out, const struct range_result *r, int depth, bool keys_only)
{
    for (size_t i = 0; i < r->n; i++) {
        print_kv(out, "", r->kvs[i], depth, keys_only);
    }
    indent(out, depth);
    buf_printf(out, "count %" PRId64 "%s\n", r->count, r->more ? ", more" : "");
}

void print_op(struct buf *out, const struct op_result *op, int depth)
{
    switch (op->type) {
    case OP_RANGE:
        print_range(out, &op->range, depth, false);
        break;
    case OP_PUT:
        indent(out, depth);
        buf_append_str(out, "put\n");
        if (op->prev != NULL) {
            print_kv(out, "was ", op->prev, depth, false);
        }
        break;
    case OP_DELETE:
        indent(out, depth);
        buf_printf(out, "deleted %" PRId64 "\n", op->n_deleted);
        for (int64_t i = 0; op->deleted != NULL && i < op->n_deleted; i++) {
            print_kv(out, "was ", op->deleted[i], depth, false);
        }
        break;
    case OP_TXN:
        print_txn(out, op->txn, depth);
        break;
    case OP_NONE:
        break;
    }
}

void print_txn(struct buf *out, const struct txn_result *t, int depth)
{
    indent(out, depth);
    buf_printf(out, "%s\n", t->succeeded ? "then" : "else");
    for (size_t i = 0; i < t->n_ops; i++) {
        print_op(out, &t->ops[i], depth + 1);
    }
}

void print_event(struct buf *out, const struct record *r, bool with_prev)
{
    struct kv_view kv;
    record_view(r, &kv);
    buf_append_str(out, kv.tombstone ? " delete " : " put ");
    buf_append_slice(out, kv.key);
    if (!kv.tombstone) {
        buf_append_char(out, '=');
        print_value(out, kv.value);
    }
    const struct record *prev = with_prev ? record_prev(r) : NULL;
    if (prev != NULL) {
        record_view(prev, &kv);
        if (!kv.tombstone) {
            buf_append_str(out, " (was ");
            print_value(out, kv.value);
            buf_append_char(out, ')');
        }
    }
}
