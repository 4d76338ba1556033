/* Compare-and-set counters, and data behind a fenced lock.
 *
 * Counter: read, then "if it is as read, write the next". Lock: a lease, then "if the lock key does
 * not exist, create it with the lease"; its create revision is the fencing token, and each write
 * of the data compares it. A holder sometimes sleeps past its lease: its next write must fail.
 *
 *   IDLE -> granted -> LOCK txn: won -> WRITE, WRITE, ... -> RELEASE (or let the lease run out)
 *                               lost -> IDLE, later */
#include <stdio.h>

#include "chaos/load.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum {
    COUNTER_CLIENTS = 3,
    COUNTERS = 4,
    LOCK_CLIENTS = 3,
    PAUSE_MS = 60,
    LOCK_TTL_S = 2,
    WRITES_MAX = 12,
    SLEEP_MS = 4000,
};

enum lock_step { LOCK_GRANT, LOCK_TAKE, LOCK_WRITE, LOCK_RELEASE };

struct txn_client {
    struct loads *loads;
    uint32_t number;
    size_t member;
    struct timer pause;
    /* counter */
    size_t counter;
    bool read;
    int64_t mod;
    /* lock */
    enum lock_step step;
    int64_t lease, token;
    uint32_t writes_left;
};

struct load_txn {
    struct txn_client counters[COUNTER_CLIENTS], locks[LOCK_CLIENTS];
};

static void again(struct txn_client *c, uint64_t mean_ms)
{
    timer_start(&c->pause, rng_range(&c->loads->rng, 1, 2 * mean_ms));
}

static void elsewhere(struct txn_client *c)
{
    c->member = (c->member + 1) % c->loads->target->n_members;
}

/* --- counters --------------------------------------------------------------------------------- */

static void on_counter(void *arg, enum check_outcome outcome, int error,
                       const struct check_response *r)
{
    struct txn_client *c = arg;
    (void)error;
    if (outcome != CHECK_OK) {
        c->read = false;
        elsewhere(c);
    } else if (!c->read) {
        c->read = true;
        c->mod = r->answers[0].n_kvs > 0 ? r->answers[0].kvs[0].mod_revision : 0;
    } else {
        c->read = false;
    }
    again(c, c->read ? 1 : PAUSE_MS);
}

static void counter_next(struct timer *t)
{
    struct txn_client *c = CONTAINER_OF(t, struct txn_client, pause);
    struct loads *l = c->loads;
    char key[96], value[48];
    if (!l->running) {
        return;
    }
    if (!c->read) {
        c->counter = (size_t)rng_range(&l->rng, 0, COUNTERS - 1);
    }
    struct slice k = loads_key(l, key, "counter/%zu", c->counter);
    struct check_ask read = { .kind = CHECK_RANGE, .key = k };
    struct check_request r = { .kind = CHECK_RANGE, .ask = read };
    struct check_ask write = {
        .kind = CHECK_PUT, .key = k, .value = loads_value(l, c->number, value), .prev_kv = true
    };
    struct check_compare compare = {
        .target = CHECK_MOD, .relation = CHECK_EQUAL, .key = k, .number = c->mod
    };
    if (c->read) {
        r = (struct check_request){ .kind = CHECK_TXN,
                                    .compares = &compare,
                                    .n_compares = 1,
                                    .then_asks = &write,
                                    .n_then = 1,
                                    .else_asks = &read,
                                    .n_else = 1 };
    }
    if (!ops_call(l->ops, c->number, c->member, &r, on_counter, c)) {
        again(c, PAUSE_MS);
    }
}

/* --- lock ------------------------------------------------------------------------------------- */

static void lock_start_over(struct txn_client *c, uint64_t mean_ms)
{
    c->step = LOCK_GRANT;
    again(c, mean_ms);
}

static void lock_go_on(struct txn_client *c, const struct check_response *r)
{
    struct rng *rng = &c->loads->rng;
    switch (c->step) {
    case LOCK_GRANT:
        c->lease = r->lease;
        c->step = LOCK_TAKE;
        again(c, 1);
        break;
    case LOCK_TAKE:
        if (!r->succeeded) {
            c->token = 0;
            c->step = LOCK_RELEASE; /* the lease is of no use */
            again(c, 1);
            break;
        }
        c->token = r->revision;
        c->writes_left = (uint32_t)rng_range(rng, 1, WRITES_MAX);
        c->step = LOCK_WRITE;
        again(c, 10);
        break;
    case LOCK_WRITE:
        if (!r->succeeded || rng_chance(rng, 0.05)) {
            lock_start_over(c, PAUSE_MS); /* lost, or forgotten: it runs out by itself */
        } else {
            c->step = --c->writes_left > 0 ? LOCK_WRITE : LOCK_RELEASE;
            again(c, rng_chance(rng, 0.03) ? SLEEP_MS : 15);
        }
        break;
    case LOCK_RELEASE:
        lock_start_over(c, 3 * PAUSE_MS);
        break;
    default:
        UNREACHABLE();
    }
}

static void on_lock(void *arg, enum check_outcome outcome, int error,
                    const struct check_response *r)
{
    struct txn_client *c = arg;
    (void)error;
    if (outcome == CHECK_OK) {
        lock_go_on(c, r);
    } else {
        elsewhere(c);
        lock_start_over(c, 3 * PAUSE_MS);
    }
}

/* "If the lock is (not) there as `token`, do this, else tell what is there." */
static bool lock_txn(struct txn_client *c, struct slice key, int64_t token,
                     const struct check_ask *then_ask)
{
    struct check_compare compare = {
        .target = CHECK_CREATE, .relation = CHECK_EQUAL, .key = key, .number = token
    };
    struct check_ask read = { .kind = CHECK_RANGE, .key = key };
    struct check_request r = { .kind = CHECK_TXN,
                               .compares = &compare,
                               .n_compares = 1,
                               .then_asks = then_ask,
                               .n_then = 1,
                               .else_asks = &read,
                               .n_else = 1 };
    return ops_call(c->loads->ops, c->number, c->member, &r, on_lock, c);
}

static void lock_next(struct timer *t)
{
    struct txn_client *c = CONTAINER_OF(t, struct txn_client, pause);
    struct loads *l = c->loads;
    char key[96], data[96], value[48];
    bool sent = false;
    if (!l->running) {
        return;
    }
    struct slice k = loads_key(l, key, "lock/key");
    struct check_ask ask = { .kind = CHECK_PUT, .value = loads_value(l, c->number, value) };
    struct check_request r = { .kind = CHECK_GRANT, .ttl_s = LOCK_TTL_S };
    switch (c->step) {
    case LOCK_GRANT:
        sent = ops_call(l->ops, c->number, c->member, &r, on_lock, c);
        break;
    case LOCK_TAKE:
        ask.key = k;
        ask.lease = c->lease;
        sent = lock_txn(c, k, 0, &ask);
        break;
    case LOCK_WRITE:
        ask.key = loads_key(l, data, "lockdata/%d", (int)rng_range(&l->rng, 0, 1));
        sent = lock_txn(c, k, c->token, &ask);
        break;
    case LOCK_RELEASE:
        r = (struct check_request){ .kind = CHECK_REVOKE, .lease = c->lease };
        sent = ops_call(l->ops, c->number, c->member, &r, on_lock, c);
        break;
    default:
        UNREACHABLE();
    }
    if (!sent) {
        again(c, PAUSE_MS);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void client_start(struct loads *l, struct txn_client *c, void (*fn)(struct timer *t))
{
    c->loads = l;
    c->number = l->n_clients++;
    c->member = c->number % l->target->n_members;
    timer_init(l->loop, &c->pause, fn);
    again(c, PAUSE_MS);
}

void load_txn_start(struct loads *l)
{
    l->txn = mem_zalloc(sizeof *l->txn);
    for (size_t i = 0; i < COUNTER_CLIENTS; i++) {
        client_start(l, &l->txn->counters[i], counter_next);
    }
    for (size_t i = 0; i < LOCK_CLIENTS; i++) {
        client_start(l, &l->txn->locks[i], lock_next);
    }
}

void load_txn_free(struct loads *l)
{
    for (size_t i = 0; l->txn != NULL && i < COUNTER_CLIENTS; i++) {
        timer_stop(&l->txn->counters[i].pause);
    }
    for (size_t i = 0; l->txn != NULL && i < LOCK_CLIENTS; i++) {
        timer_stop(&l->txn->locks[i].pause);
    }
    mem_free(l->txn);
    l->txn = NULL;
}
