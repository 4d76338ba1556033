/* Correct histories by seed: clients one after the other, each operation at one moment between its
 * call and its return; some answers lost, some operations later than their loss, some never. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "tests/unit/check/naive.h"

void nv_options_init(struct nv_options *o)
{
    *o = (struct nv_options){ .ops = 120,
                              .clients = 5,
                              .keys = NV_KEYS,
                              .unknown_percent = 6,
                              .lease_percent = 6,
                              .compact_percent = 2,
                              .serializable_percent = 15,
                              .lose = -1,
                              .twice = -1,
                              .swap_a = -1,
                              .swap_b = -1,
                              .phantom = -1 };
}

struct gen {
    struct nv_run *run;
    struct rng rng;
    int next_value;
    int64_t compacted;
    struct {
        int64_t id;
        bool alive;
    } leases[64];
    int n_leases;
};

static int pick(struct gen *g, int lo, int hi)
{
    return (int)rng_range(&g->rng, (uint64_t)lo, (uint64_t)hi);
}

static bool percent(struct gen *g, int p)
{
    return pick(g, 0, 99) < p;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void pick_span(struct gen *g, int *ret_lo, int *ret_hi)
{
    int keys = g->run->o.keys;
    *ret_lo = pick(g, 0, keys - 1);
    *ret_hi = percent(g, 60) ? *ret_lo + 1 : pick(g, *ret_lo + 1, keys);
}

static struct nv_ask gen_put(struct gen *g)
{
    struct nv_ask a = { .kind = CHECK_PUT,
                        .lo = pick(g, 0, g->run->o.keys - 1),
                        .value = g->next_value++,
                        .prev = percent(g, 40) };
    a.hi = a.lo + 1;
    bool there = g->run->store.states[g->run->store.revision].kv[a.lo].version != 0;
    a.keep_value = there && percent(g, 5);
    if (g->n_leases > 0 && percent(g, 30)) {
        int l = pick(g, 0, g->n_leases - 1);
        a.lease = g->leases[l].alive ? g->leases[l].id : 0;
    }
    return a;
}

static struct nv_ask gen_range(struct gen *g)
{
    struct nv_ask a = { .kind = CHECK_RANGE };
    pick_span(g, &a.lo, &a.hi);
    a.limit = percent(g, 20) ? pick(g, 1, 3) : 0;
    a.keys_only = percent(g, 10);
    a.count_only = percent(g, 10);
    int64_t rev = g->run->store.revision;
    if (percent(g, 15) && rev >= 2) {
        a.revision = pick(g, rev > 12 ? (int)rev - 10 : 1, (int)rev);
    }
    return a;
}

static struct nv_ask gen_delete(struct gen *g)
{
    struct nv_ask a = { .kind = CHECK_DELETE, .prev = percent(g, 40) };
    pick_span(g, &a.lo, &a.hi);
    a.hi = percent(g, 70) ? a.lo + 1 : a.hi;
    return a;
}

static void gen_compare(struct gen *g, struct nv_compare *c)
{
    const struct nv_state *st = &g->run->store.states[g->run->store.revision];
    pick_span(g, &c->lo, &c->hi);
    c->target = (enum check_target)pick(g, 0, 4);
    c->relation = (enum check_relation)pick(g, 0, 3);
    const struct nv_kv *kv = &st->kv[c->lo];
    bool as_is = percent(g, 70);
    c->value = as_is ? kv->value : pick(g, 0, g->next_value);
    int64_t numbers[] = { kv->version, kv->create, kv->mod, 0, kv->lease };
    c->number = as_is ? numbers[c->target] : pick(g, 0, 5);
}

/* A branch: at most one write a key, as the API demands. */
static int gen_branch(struct gen *g, struct nv_ask *asks)
{
    int n = pick(g, 0, NV_ASKS);
    bool written[NV_KEYS] = { false };
    for (int i = 0; i < n; i++) {
        int dice = pick(g, 0, 9);
        asks[i] = dice < 4 ? gen_put(g) : dice < 6 ? gen_delete(g) : gen_range(g);
        bool clash = false;
        for (int k = asks[i].lo; k < asks[i].hi && asks[i].kind != CHECK_RANGE; k++) {
            clash = clash || written[k];
        }
        if (clash) {
            asks[i] = gen_range(g);
        }
        for (int k = asks[i].lo; k < asks[i].hi && asks[i].kind != CHECK_RANGE; k++) {
            written[k] = true;
        }
    }
    return n;
}

static void gen_lease_op(struct gen *g, struct nv_op *op)
{
    int dice = pick(g, 0, 2);
    if (g->n_leases == 0 || (dice == 0 && g->n_leases < 60)) {
        op->kind = CHECK_GRANT;
        op->number = 1000 + g->n_leases;
        op->ttl_s = 5;
    } else {
        op->kind = dice == 1 ? CHECK_REVOKE : CHECK_KEEPALIVE;
        op->number = g->leases[pick(g, 0, g->n_leases - 1)].id;
    }
}

static void gen_request(struct gen *g, struct nv_op *op)
{
    const struct nv_options *o = &g->run->o;
    int dice = pick(g, 0, 99);
    op->n_asks[0] = 1;
    if (percent(g, o->lease_percent)) {
        op->n_asks[0] = 0;
        gen_lease_op(g, op);
    } else if (percent(g, o->compact_percent) && g->run->store.revision > 3) {
        op->n_asks[0] = 0;
        op->kind = CHECK_COMPACT;
        op->number = pick(g, 2, (int)g->run->store.revision);
    } else if (dice < 35) {
        op->asks[0][0] = gen_put(g);
        op->kind = CHECK_PUT;
    } else if (dice < 70) {
        op->asks[0][0] = gen_range(g);
        op->asks[0][0].serializable = percent(g, o->serializable_percent);
        op->kind = CHECK_RANGE;
    } else if (dice < 80) {
        op->asks[0][0] = gen_delete(g);
        op->kind = CHECK_DELETE;
    } else {
        op->kind = CHECK_TXN;
        op->n_compares = pick(g, 0, NV_COMPARES);
        for (int i = 0; i < op->n_compares; i++) {
            gen_compare(g, &op->compares[i]);
        }
        op->n_asks[0] = gen_branch(g, op->asks[0]);
        op->n_asks[1] = gen_branch(g, op->asks[1]);
    }
}

/* --- what happens ----------------------------------------------------------------------------- */

static void end_lease(struct gen *g, int64_t id, int64_t at)
{
    struct nv_store *s = &g->run->store;
    struct nv_state st = s->states[s->revision];
    struct nv_rev rev = { .at = at, .maker = -1 };
    for (int k = 0; k < NV_KEYS; k++) {
        if (st.kv[k].version != 0 && st.kv[k].lease == id) {
            st.kv[k] = (struct nv_kv){ 0 };
            rev.events[rev.n].kv = (struct nv_kv){ .key = k, .mod = s->revision + 1 };
            rev.events[rev.n++].deleted = true;
        }
    }
    if (rev.n > 0) {
        nv_commit(s, &st, &rev);
    }
    for (int i = 0; i < g->n_leases; i++) {
        g->leases[i].alive = g->leases[i].alive && g->leases[i].id != id;
    }
}

/* Whoever lost the answer does not learn of a refusal either. */
static void refuse(struct nv_op *op, int error)
{
    if (op->outcome == CHECK_OK) {
        op->outcome = CHECK_FAILED;
        op->error = error;
    }
}

static void happen_lease(struct gen *g, struct nv_op *op)
{
    bool alive = false;
    for (int i = 0; i < g->n_leases; i++) {
        alive = alive || (g->leases[i].id == op->number && g->leases[i].alive);
    }
    if (op->kind == CHECK_GRANT) {
        g->leases[g->n_leases].id = op->number;
        g->leases[g->n_leases++].alive = true;
    } else if (op->kind == CHECK_REVOKE) {
        if (alive) {
            end_lease(g, op->number, op->at);
        } else {
            refuse(op, E_LEASE_NOT_FOUND);
        }
    } else {
        op->ttl_s = alive ? 5 : 0;
    }
    op->revision = g->run->store.revision;
}

/* A refusal, or false. */
static bool refused(struct gen *g, struct nv_op *op)
{
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < op->n_asks[side]; i++) {
            int64_t r = op->asks[side][i].revision;
            if (r > 0 && r < g->compacted) {
                refuse(op, E_COMPACTED);
                return true;
            }
        }
    }
    if (op->kind == CHECK_COMPACT && op->number <= g->compacted) {
        refuse(op, E_COMPACTED);
        return true;
    }
    return false;
}

static void happen(struct gen *g, struct nv_op *op, long index)
{
    struct nv_store *s = &g->run->store;
    struct nv_state st;
    struct nv_rev rev;
    if (op->kind == CHECK_COMPACT) {
        g->compacted = op->number;
        op->revision = s->revision;
    } else if (op->kind > CHECK_COMPACT) {
        happen_lease(g, op);
    } else if (op->kind == CHECK_RANGE && op->asks[0][0].serializable) {
        int64_t oldest = s->revision > 6 ? s->revision - 5 : 1;
        int64_t r = pick(g, (int)oldest, (int)s->revision);
        struct nv_ask *a = &op->asks[0][0];
        a->revision = a->revision > r ? 0 : a->revision;
        nv_range(&s->states[a->revision > 0 ? a->revision : r], a, &op->answers[0]);
        op->revision = r;
    } else {
        nv_run(s, op, &st, &rev);
        rev.maker = (int)index;
        if (rev.n > 0 && index != g->run->o.lose) {
            nv_commit(s, &st, &rev);
        }
    }
}

static void phantom(struct gen *g, int64_t at)
{
    struct nv_op op = { .kind = CHECK_PUT, .n_asks = { 1, 0 }, .at = at };
    struct nv_state st;
    struct nv_rev rev;
    op.asks[0][0] = (struct nv_ask){ .kind = CHECK_PUT,
                                     .lo = pick(g, 0, g->run->o.keys - 1),
                                     .value = g->next_value++ };
    op.asks[0][0].hi = op.asks[0][0].lo + 1;
    nv_run(&g->run->store, &op, &st, &rev);
    rev.maker = -1;
    nv_commit(&g->run->store, &st, &rev);
}

/* --- when ------------------------------------------------------------------------------------- */

static int by_at(const void *a, const void *b, void *arg)
{
    const struct nv_op *ops = arg;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return ops[x].at != ops[y].at ? (ops[x].at < ops[y].at ? -1 : 1) : x < y ? -1 : x > y;
}

static int by_call(const void *a, const void *b)
{
    const struct nv_op *x = a, *y = b;
    return x->call != y->call ? (x->call < y->call ? -1 : 1) : x->client - y->client;
}

static void gen_times(struct gen *g)
{
    int64_t free_at[64] = { 0 };
    struct nv_run *run = g->run;
    for (size_t i = 0; i < run->n; i++) {
        struct nv_op *op = &run->ops[i];
        op->client = pick(g, 0, run->o.clients - 1);
        op->call = free_at[op->client] + pick(g, 1, 30);
        op->at = op->call + pick(g, 0, 40);
        op->ret = op->at + pick(g, 0, 40);
        op->outcome = CHECK_OK;
        free_at[op->client] = op->ret;
        if (percent(g, run->o.unknown_percent)) {
            op->outcome = CHECK_UNKNOWN;
            op->at = percent(g, 40) ? -1 : op->at + (percent(g, 50) ? pick(g, 0, 400) : 0);
        }
    }
    qsort(run->ops, run->n, sizeof *run->ops, by_call);
}

void nv_generate(struct nv_run *run, const struct nv_options *o, uint64_t seed)
{
    *run = (struct nv_run){ .o = *o, .n = o->ops };
    struct gen g = { .run = run, .next_value = 1 };
    rng_init(&g.rng, seed);
    nv_store_init(&run->store);
    run->ops = mem_zalloc((run->n + 1) * sizeof *run->ops);
    gen_times(&g);
    size_t *order = mem_alloc((run->n + 1) * sizeof *order);
    for (size_t i = 0; i < run->n; i++) {
        order[i] = i;
    }
    qsort_r(order, run->n, sizeof *order, by_at, run->ops);
    for (size_t i = 0; i < run->n; i++) { /* two change places, and all else with them */
        bool a = (long)order[i] == o->swap_a, b = (long)order[i] == o->swap_b;
        order[i] = a ? (size_t)o->swap_b : b ? (size_t)o->swap_a : order[i];
    }
    for (size_t i = 0; i < run->n; i++) {
        struct nv_op *op = &run->ops[order[i]];
        if (g.n_leases > 0 && percent(&g, 3)) {
            end_lease(&g, g.leases[pick(&g, 0, g.n_leases - 1)].id, op->at);
        }
        if ((long)order[i] == o->phantom) {
            phantom(&g, op->at);
        }
        gen_request(&g, op);
        if (op->outcome == CHECK_UNKNOWN && o->no_lone_deletes && op->kind == CHECK_DELETE) {
            op->asks[0][0] = gen_range(&g);
            op->kind = CHECK_RANGE;
        }
        if (op->at < 0 || refused(&g, op)) {
            continue;
        }
        happen(&g, op, (long)order[i]);
        if ((long)order[i] == o->twice) {
            happen(&g, op, (long)order[i]);
        }
    }
    run->n_leases = g.n_leases;
    mem_free(order);
}

void nv_run_fini(struct nv_run *run)
{
    mem_free(run->ops);
    nv_store_fini(&run->store);
}
