/* Recording: requests and answers become packed records in the pool.
 *
 * An operation of n parts costs 64 + 64 n bytes, and 40 for each key-value of its answer. Bytes
 * become ids, so an answer that repeats a value costs nothing for it. A full pool stops whole
 * operations, never halves of them: the call is refused, or the answer is forgotten, which leaves
 * an operation of unknown outcome; both are counted. */
#include "check/history.h"

#include "check/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

void history_init(struct history *h, struct check_pool *pool)
{
    *h = (struct history){ .pool = pool };
}

void history_fini(struct history *h)
{
    mem_free(h->ops);
    *h = (struct history){ 0 };
}

/* --- the call --------------------------------------------------------------------------------- */

static uint8_t pack_flags(const struct check_ask *a)
{
    unsigned flags = 0;
    flags |= a->prev_kv ? CHECK_F_PREV_KV : 0;
    flags |= a->ignore_value ? CHECK_F_IGNORE_VALUE : 0;
    flags |= a->ignore_lease ? CHECK_F_IGNORE_LEASE : 0;
    flags |= a->keys_only ? CHECK_F_KEYS_ONLY : 0;
    flags |= a->count_only ? CHECK_F_COUNT_ONLY : 0;
    flags |= a->serializable ? CHECK_F_SERIALIZABLE : 0;
    return (uint8_t)flags;
}

static struct check_part pack_part(struct check_pool *p, const struct check_ask *a)
{
    PRE(a->kind == CHECK_PUT || a->kind == CHECK_RANGE || a->kind == CHECK_DELETE);
    return (struct check_part){
        .kind = (uint8_t)a->kind,
        .flags = pack_flags(a),
        .key = check_pool_add(p, a->key),
        .range_end = check_pool_add(p, a->range_end),
        .value = check_pool_add(p, a->value),
        .lease = a->lease,
        .revision = a->revision,
        .limit = a->limit,
    };
}

static struct check_part *pack_parts(struct check_pool *p, const struct check_ask *asks, size_t n)
{
    struct check_part *parts = arena_alloc(&p->arena, (n + 1) * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        parts[i] = pack_part(p, &asks[i]);
    }
    return parts;
}

static struct check_ptxn *pack_txn(struct check_pool *p, const struct check_request *r)
{
    struct check_ptxn *t = arena_alloc(&p->arena, sizeof *t);
    t->compares = arena_alloc(&p->arena, (r->n_compares + 1) * sizeof *t->compares);
    for (size_t i = 0; i < r->n_compares; i++) {
        const struct check_compare *c = &r->compares[i];
        t->compares[i] = (struct check_pcompare){
            .target = (uint8_t)c->target,
            .relation = (uint8_t)c->relation,
            .key = check_pool_add(p, c->key),
            .range_end = check_pool_add(p, c->range_end),
            .value = check_pool_add(p, c->value),
            .number = c->number,
        };
    }
    t->n_compares = (uint32_t)r->n_compares;
    t->n_then = (uint32_t)r->n_then;
    t->n_else = (uint32_t)r->n_else;
    t->then_parts = pack_parts(p, r->then_asks, r->n_then);
    t->else_parts = pack_parts(p, r->else_asks, r->n_else);
    return t;
}

static size_t ask_bytes(const struct check_ask *asks, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += sizeof(struct check_part) + asks[i].key.len + asks[i].range_end.len +
                 asks[i].value.len;
    }
    return bytes;
}

static size_t request_bytes(const struct check_request *r)
{
    size_t bytes = 1024 + ask_bytes(&r->ask, 1) + ask_bytes(r->then_asks, r->n_then) +
                   ask_bytes(r->else_asks, r->n_else);
    for (size_t i = 0; i < r->n_compares; i++) {
        bytes += sizeof(struct check_pcompare) + r->compares[i].key.len +
                 r->compares[i].range_end.len + r->compares[i].value.len;
    }
    return bytes;
}

uint32_t history_call(struct history *h, uint32_t client, uint32_t member, int64_t now_us,
                      const struct check_request *request)
{
    PRE(h->n == 0 || now_us >= h->ops[h->n - 1].call_us);
    struct check_pool *p = h->pool;
    size_t own = (h->cap > h->n ? h->cap : 2 * h->cap + 1) * sizeof *h->ops;
    if (h->n >= CHECK_NO_OP || check_pool_full(p, own + request_bytes(request))) {
        h->dropped++;
        return CHECK_NO_OP;
    }
    h->ops = mem_grow(h->ops, &h->cap, h->n + 1, sizeof *h->ops);
    struct check_op *op = &h->ops[h->n];
    *op = (struct check_op){
        .call_us = now_us,
        .return_us = INT64_MAX,
        .client = client,
        .member = member,
        .kind = (uint8_t)request->kind,
        .outcome = CHECK_UNKNOWN,
        .lease = request->kind == CHECK_COMPACT ? request->revision : request->lease,
        .ttl_s = request->ttl_s,
    };
    if (request->kind == CHECK_TXN) {
        op->txn = pack_txn(p, request);
    } else if (request->kind <= CHECK_DELETE) {
        PRE(request->ask.kind == request->kind);
        op->part = pack_parts(p, &request->ask, 1);
    }
    return (uint32_t)h->n++;
}

/* --- the return ------------------------------------------------------------------------------- */

struct check_pkv check_pack_kv(struct check_pool *p, const struct check_kv *kv)
{
    return (struct check_pkv){
        .key = check_pool_add(p, kv->key),
        .value = check_pool_add(p, kv->value),
        .create_revision = kv->create_revision,
        .mod_revision = kv->mod_revision,
        .version = kv->version,
        .lease = kv->lease,
    };
}

static void pack_answer(struct check_pool *p, const struct check_answer *a, struct check_part *part)
{
    part->n_kvs = (uint32_t)a->n_kvs;
    part->kvs = a->n_kvs != 0 ? arena_alloc(&p->arena, a->n_kvs * sizeof *part->kvs) : NULL;
    for (size_t i = 0; i < a->n_kvs; i++) {
        part->kvs[i] = check_pack_kv(p, &a->kvs[i]);
    }
    part->count = part->kind == CHECK_DELETE ? a->deleted : a->count;
    if (a->more) {
        part->flags |= CHECK_F_MORE;
    }
}

static size_t response_bytes(const struct check_response *r)
{
    size_t bytes = 1024;
    for (size_t i = 0; i < r->n_answers; i++) {
        const struct check_answer *a = &r->answers[i];
        for (size_t j = 0; j < a->n_kvs; j++) {
            bytes += sizeof(struct check_pkv) + a->kvs[j].key.len + a->kvs[j].value.len;
        }
    }
    return bytes;
}

struct check_part *check_op_parts(const struct check_op *op, size_t *ret_n)
{
    *ret_n = 0;
    if (op->kind <= CHECK_DELETE) {
        *ret_n = 1;
        return op->part;
    }
    if (op->kind != CHECK_TXN) {
        return NULL;
    }
    *ret_n = op->succeeded ? op->txn->n_then : op->txn->n_else;
    return op->succeeded ? op->txn->then_parts : op->txn->else_parts;
}

void history_return(struct history *h, uint32_t id, int64_t now_us, enum check_outcome outcome,
                    int error, const struct check_response *response)
{
    if (id == CHECK_NO_OP) {
        return;
    }
    PRE(id < h->n);
    struct check_op *op = &h->ops[id];
    PRE(op->return_us == INT64_MAX && now_us >= op->call_us);
    op->error = (int16_t)error;
    if (outcome == CHECK_OK && (response == NULL ||
                                check_pool_full(h->pool, response_bytes(response)))) {
        h->dropped += response != NULL;
        outcome = CHECK_UNKNOWN;
    }
    op->outcome = (uint8_t)outcome;
    if (outcome == CHECK_UNKNOWN) {
        return; /* it may happen at any later time: for the order it never returned */
    }
    op->return_us = now_us;
    if (outcome == CHECK_FAILED) {
        return;
    }
    op->revision = response->revision;
    op->succeeded = response->succeeded;
    if (op->kind == CHECK_GRANT || op->kind == CHECK_KEEPALIVE) {
        op->lease = op->kind == CHECK_GRANT ? response->lease : op->lease;
        op->ttl_s = response->ttl_s;
    }
    size_t n;
    struct check_part *parts = check_op_parts(op, &n);
    op->malformed = response->n_answers != n;
    for (size_t i = 0; i < n && !op->malformed; i++) {
        pack_answer(h->pool, &response->answers[i], &parts[i]);
    }
}
