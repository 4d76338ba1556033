#include "tests/unit/store/gen.h"

#include <stdio.h>

/* Drawing requests from a stream of choices. */

unsigned gen_below(struct gen *g, unsigned n)
{
    if (!g->from_bytes) {
        return (unsigned)rng_range(&g->rng, 0, n - 1);
    }
    if (g->bytes.len == 0) {
        return 0;
    }
    unsigned v = g->bytes.data[0];
    g->bytes = slice_make(g->bytes.data + 1, g->bytes.len - 1);
    return v % n;
}

bool gen_done(const struct gen *g)
{
    return g->from_bytes && g->bytes.len == 0;
}

static bool one_in(struct gen *g, unsigned n)
{
    return gen_below(g, n) == 0;
}

struct slice gen_key(struct gen *g)
{
    unsigned k = gen_below(g, g->keys);
    char text[32];
    int n = snprintf(text, sizeof text, "/%c/%s%u", 'a' + (int)(k % 3), k % 5 == 0 ? "x/" : "", k);
    return slice_make(arena_dup(g->arena, text, (size_t)n), (size_t)n);
}

static struct slice gen_end(struct gen *g)
{
    static const char *const ends[] = { "/b", "/c", "/a/x0", "/b/2", "0" };
    switch (gen_below(g, 5)) {
    case 0:
        return slice_make("", 1);
    case 1:
        return slice_str(ends[gen_below(g, 5)]);
    case 2:
        return gen_key(g);
    default:
        return slice_make(NULL, 0);
    }
}

static struct slice gen_start(struct gen *g)
{
    static const char *const starts[] = { "/", "/a", "/b/", "/c", "/b/x" };
    if (one_in(g, 3)) {
        return slice_str(starts[gen_below(g, 5)]);
    }
    return one_in(g, 200) ? slice_make(NULL, 0) : gen_key(g);
}

static struct slice gen_value(struct gen *g)
{
    size_t n = gen_below(g, 12);
    uint8_t *v = arena_alloc(g->arena, n + 1);
    for (size_t i = 0; i < n; i++) {
        v[i] = (uint8_t)('a' + gen_below(g, 6));
    }
    return slice_make(v, n);
}

static int64_t gen_lease(struct gen *g)
{
    return one_in(g, 3) ? (int64_t)gen_below(g, 6) : 0;
}

static int64_t gen_revision(struct gen *g)
{
    switch (gen_below(g, 8)) {
    case 0:
        return g->compact_revision + (int64_t)gen_below(g, 3) - 1;
    case 1:
        return g->revision + (int64_t)gen_below(g, 4) - 1;
    case 2:
    case 3: {
        unsigned span = (unsigned)(g->revision - g->compact_revision) + 1;
        return g->compact_revision + (int64_t)gen_below(g, span);
    }
    default:
        return 0;
    }
}

static int64_t gen_bound(struct gen *g)
{
    return one_in(g, 6) ? g->revision - (int64_t)gen_below(g, 40) : 0;
}

void gen_range(struct gen *g, struct range_request *ret_range)
{
    *ret_range = (struct range_request){
        .key = gen_start(g),
        .range_end = gen_end(g),
        .limit = one_in(g, 2) ? (int64_t)gen_below(g, 6) : 0,
        .revision = gen_revision(g),
        .sort_order = one_in(g, 2) ? (int)gen_below(g, 3) : 0,
        .sort_target = one_in(g, 3) ? (int)gen_below(g, 5) : 0,
        .count_only = one_in(g, 8),
        .keys_only = one_in(g, 8),
        .min_mod_revision = gen_bound(g),
        .max_mod_revision = gen_bound(g),
        .min_create_revision = gen_bound(g),
        .max_create_revision = gen_bound(g),
    };
    if (range_check(ret_range) != 0) {
        ret_range->key = slice_str("/");
    }
}

static void gen_put(struct gen *g, struct put_request *p)
{
    *p = (struct put_request){ .key = gen_key(g), .prev_kv = one_in(g, 3) };
    if (one_in(g, 8)) {
        p->ignore_value = true;
    } else {
        p->value = gen_value(g);
    }
    if (one_in(g, 8)) {
        p->ignore_lease = true;
    } else {
        p->lease = gen_lease(g);
    }
}

static void gen_delete(struct gen *g, struct delete_request *d)
{
    *d = (struct delete_request){ .key = gen_key(g), .prev_kv = one_in(g, 3) };
    if (one_in(g, 6)) {
        d->range_end = gen_end(g);
    }
}

static void gen_compare(struct gen *g, struct compare *c)
{
    *c = (struct compare){
        .result = (int)gen_below(g, 4),
        .target = (int)gen_below(g, 5),
        .key = gen_key(g),
        .number = (int64_t)gen_below(g, 4),
    };
    if (c->target == COMPARE_VALUE) {
        c->value = gen_value(g);
    } else if (c->target == COMPARE_CREATE || c->target == COMPARE_MOD) {
        c->number = one_in(g, 3) ? 0 : g->revision - (int64_t)gen_below(g, 20);
    }
    if (one_in(g, 4)) {
        c->range_end = gen_end(g);
    }
}

static void gen_txn(struct gen *g, struct txn_request *t, int depth);

static struct op *gen_ops(struct gen *g, size_t *ret_n, int depth)
{
    size_t n = gen_below(g, 4);
    struct op *ops = arena_zalloc(g->arena, (n + 1) * sizeof *ops);
    for (size_t i = 0; i < n; i++) {
        unsigned kind = gen_below(g, depth < 3 ? 8 : 7);
        if (kind < 3) {
            ops[i].type = OP_PUT;
            gen_put(g, &ops[i].put);
        } else if (kind < 5) {
            ops[i].type = OP_RANGE;
            gen_range(g, &ops[i].range);
        } else if (kind < 7) {
            ops[i].type = OP_DELETE;
            gen_delete(g, &ops[i].del);
        } else {
            ops[i].type = OP_TXN;
            ops[i].txn = arena_zalloc(g->arena, sizeof *ops[i].txn);
            gen_txn(g, ops[i].txn, depth + 1);
        }
    }
    *ret_n = n;
    return ops;
}

static void gen_txn(struct gen *g, struct txn_request *t, int depth)
{
    t->n_compare = gen_below(g, 3);
    t->compare = arena_zalloc(g->arena, (t->n_compare + 1) * sizeof *t->compare);
    for (size_t i = 0; i < t->n_compare; i++) {
        gen_compare(g, &t->compare[i]);
    }
    t->success = gen_ops(g, &t->n_success, depth);
    t->failure = gen_ops(g, &t->n_failure, depth);
}

static void gen_revoke(struct gen *g, struct command *c)
{
    size_t n = 1 + (one_in(g, 3) ? gen_below(g, 3) : 0);
    c->lease_revoke.ids = arena_alloc(g->arena, n * sizeof(int64_t));
    c->lease_revoke.n = n;
    for (size_t i = 0; i < n; i++) {
        c->lease_revoke.ids[i] = (int64_t)gen_below(g, 6);
    }
}

static void gen_checkpoint(struct gen *g, struct command *c)
{
    size_t n = 1 + gen_below(g, 3);
    c->lease_checkpoint.items = arena_alloc(g->arena, n * sizeof(struct lease_checkpoint));
    c->lease_checkpoint.n = n;
    for (size_t i = 0; i < n; i++) {
        c->lease_checkpoint.items[i].id = (int64_t)gen_below(g, 6);
        c->lease_checkpoint.items[i].remaining_ttl_s = (int64_t)gen_below(g, 90) - 5;
    }
}

void gen_command(struct gen *g, struct command *ret_command)
{
    struct command *c = ret_command;
    *c = (struct command){ 0 };
    unsigned kind = g->txns_only ? 60 : gen_below(g, 100);
    if (kind < 40) {
        c->type = COMMAND_PUT;
        gen_put(g, &c->put);
    } else if (kind < 55) {
        c->type = COMMAND_DELETE;
        gen_delete(g, &c->del);
    } else if (kind < 84) {
        c->type = COMMAND_TXN;
        gen_txn(g, &c->txn, 1);
    } else if (kind < 86) {
        c->type = COMMAND_COMPACT;
        c->compact.revision = g->revision - (int64_t)gen_below(g, 60) + 1;
    } else if (kind < 92) {
        c->type = COMMAND_LEASE_GRANT;
        c->lease_grant.id = (int64_t)gen_below(g, 6);
        c->lease_grant.ttl_s =
            one_in(g, 12) ? INT64_C(9000000001) : (int64_t)gen_below(g, 100);
    } else if (kind < 96) {
        c->type = COMMAND_LEASE_REVOKE;
        gen_revoke(g, c);
    } else {
        c->type = COMMAND_LEASE_CHECKPOINT;
        gen_checkpoint(g, c);
    }
}
