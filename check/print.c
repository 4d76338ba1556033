/* Operations as people read them, for counterexamples. One line an operation; long values and long
 * lists of key-values are cut, with the number of what was left out. */
#include <inttypes.h>

#include "check/history.h"
#include "check/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum {
    BYTES_MAX = 48,
    KVS_MAX = 8
};

void check_print_time(int64_t us, struct buf *out)
{
    if (us == INT64_MAX) {
        buf_append_str(out, "never");
        return;
    }
    buf_printf(out, "%" PRId64 ".%06" PRId64 " s", us / 1000000, us % 1000000);
}

void check_print_bytes(const struct check_pool *pool, uint32_t id, struct buf *out)
{
    autofree char *text = str_quote(check_pool_get(pool, id), BYTES_MAX);
    buf_append_str(out, text);
}

void check_print_kv(const struct check_pool *pool, const struct check_pkv *kv, struct buf *out)
{
    check_print_bytes(pool, kv->key, out);
    buf_append_str(out, " = \"");
    check_print_bytes(pool, kv->value, out);
    buf_printf(out, "\" (create %" PRId64 " mod %" PRId64 " version %" PRId64, kv->create_revision,
               kv->mod_revision, kv->version);
    if (kv->lease != 0) {
        buf_printf(out, " lease %" PRIx64, (uint64_t)kv->lease);
    }
    buf_append_char(out, ')');
}

static void print_kvs(const struct check_pool *pool, const struct check_part *p, struct buf *out)
{
    for (uint32_t i = 0; i < p->n_kvs && i < KVS_MAX; i++) {
        buf_append_str(out, i == 0 ? "" : ", ");
        check_print_kv(pool, &p->kvs[i], out);
    }
    if (p->n_kvs > KVS_MAX) {
        buf_printf(out, ", ... %u more", p->n_kvs - KVS_MAX);
    }
}

static void print_span(const struct check_pool *pool, uint32_t key, uint32_t end, struct buf *out)
{
    check_print_bytes(pool, key, out);
    if (end != CHECK_EMPTY) {
        buf_append_str(out, "..");
        check_print_bytes(pool, end, out);
    }
}

static void print_ask(const struct check_pool *pool, const struct check_part *p, struct buf *out)
{
    static const char *const names[] = { "put ", "range ", "delete " };
    buf_append_str(out, names[p->kind]);
    print_span(pool, p->key, p->range_end, out);
    if (p->kind == CHECK_PUT) {
        buf_append_str(out, " = \"");
        check_print_bytes(pool, p->value, out);
        buf_append_char(out, '"');
    }
    if (p->lease != 0) {
        buf_printf(out, " lease %" PRIx64, (uint64_t)p->lease);
    }
    if (p->revision != 0) {
        buf_printf(out, " at revision %" PRId64, p->revision);
    }
    if (p->limit != 0) {
        buf_printf(out, " limit %" PRId64, p->limit);
    }
    static const char *const flags[] = { " prev_kv", " ignore_value", " ignore_lease",
                                         " keys_only", " count_only", " serializable" };
    for (unsigned i = 0; i < 6; i++) {
        buf_append_str(out, (p->flags & (1u << i)) != 0 ? flags[i] : "");
    }
}

static void print_answer(const struct check_pool *pool, const struct check_part *p, struct buf *out)
{
    if (p->kind == CHECK_RANGE) {
        buf_printf(out, " {count %" PRId64 "%s: ", p->count,
                   (p->flags & CHECK_F_MORE) != 0 ? " more" : "");
        print_kvs(pool, p, out);
        buf_append_char(out, '}');
    } else {
        if (p->kind == CHECK_DELETE) {
            buf_printf(out, " {deleted %" PRId64 "}", p->count);
        }
        if (p->n_kvs != 0) {
            buf_append_str(out, " {prev ");
            print_kvs(pool, p, out);
            buf_append_char(out, '}');
        }
    }
}

static void print_compare(const struct check_pool *pool, const struct check_pcompare *c,
                          struct buf *out)
{
    static const char *const targets[] = { "version", "create", "mod", "value", "lease" };
    static const char *const relations[] = { "=", ">", "<", "!=" };
    print_span(pool, c->key, c->range_end, out);
    buf_printf(out, " %s %s ", targets[c->target], relations[c->relation]);
    if (c->target == CHECK_VALUE) {
        buf_append_char(out, '"');
        check_print_bytes(pool, c->value, out);
        buf_append_char(out, '"');
    } else {
        buf_printf(out, "%" PRId64, c->number);
    }
}

static void print_parts(const struct check_pool *pool, const struct check_part *parts, uint32_t n,
                        bool answered, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        buf_append_str(out, i == 0 ? "" : "; ");
        print_ask(pool, &parts[i], out);
        if (answered) {
            print_answer(pool, &parts[i], out);
        }
    }
}

static void print_txn(const struct check_pool *pool, const struct check_op *op, struct buf *out)
{
    const struct check_ptxn *t = op->txn;
    bool ok = op->outcome == CHECK_OK;
    buf_append_str(out, "txn if ");
    for (uint32_t i = 0; i < t->n_compares; i++) {
        buf_append_str(out, i == 0 ? "" : " and ");
        print_compare(pool, &t->compares[i], out);
    }
    buf_append_str(out, " then [");
    print_parts(pool, t->then_parts, t->n_then, ok && op->succeeded, out);
    buf_append_str(out, "] else [");
    print_parts(pool, t->else_parts, t->n_else, ok && !op->succeeded, out);
    buf_append_char(out, ']');
    if (ok) {
        buf_append_str(out, op->succeeded ? " -> then" : " -> else");
    }
}

static void print_what(const struct check_pool *pool, const struct check_op *op, struct buf *out)
{
    static const char *const lease_names[] = { "lease grant", "lease revoke", "lease keepalive" };
    switch (op->kind) {
    case CHECK_PUT:
    case CHECK_RANGE:
    case CHECK_DELETE:
        print_ask(pool, op->part, out);
        if (op->outcome == CHECK_OK) {
            print_answer(pool, op->part, out);
        }
        break;
    case CHECK_TXN:
        print_txn(pool, op, out);
        break;
    case CHECK_COMPACT:
        buf_printf(out, "compact %" PRId64, op->lease);
        break;
    default:
        buf_printf(out, "%s %" PRIx64 " ttl %" PRId64 " s", lease_names[op->kind - CHECK_GRANT],
                   (uint64_t)op->lease, op->ttl_s);
        break;
    }
}

void history_print(const struct history *h, uint32_t id, struct buf *out)
{
    const struct check_op *op = &h->ops[id];
    buf_printf(out, "#%u client %u member %u [", id, op->client, op->member);
    check_print_time(op->call_us, out);
    buf_append_str(out, ", ");
    check_print_time(op->return_us, out);
    buf_append_str(out, "] ");
    print_what(h->pool, op, out);
    if (op->outcome == CHECK_OK) {
        buf_printf(out, " -> revision %" PRId64 "%s", op->revision,
                   op->malformed ? " (malformed answer)" : "");
    } else if (op->outcome == CHECK_FAILED) {
        buf_printf(out, " -> failed%s%s", op->error != 0 ? ": " : "",
                   op->error != 0 ? err_text(op->error) : "");
    } else {
        buf_append_str(out, " -> unknown");
    }
}
