/* Clients that put, get, delete, list and txn on a few keys, so that they meet each other.
 *
 * Each client has one operation under way. It stays with one member until that one fails it, then
 * it turns to the next: every member serves every client, also those that are cut off or behind.
 * What was read is remembered, so that compares hold about as often as not. */
#include <stdio.h>

#include "chaos/load.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { KV_CLIENTS = 10, FAIL_PAUSE_MS = 50, BACK_REVISIONS = 40 };

struct kv_client {
    struct loads *loads;
    uint32_t number;
    size_t member;
    struct timer pause;
    int64_t seen_mod[LOAD_KEYS]; /* as last read or written */
    int64_t seen_revision;
    size_t key;  /* of the operation under way */
    bool single; /* it names that key alone */
};

struct load_kv {
    struct kv_client clients[KV_CLIENTS];
};

static void rest(struct kv_client *c, uint64_t at_least_ms)
{
    struct loads *l = c->loads;
    uint64_t mean_ms = 1000ull * KV_CLIENTS / (l->rate > 0 ? l->rate : 1);
    uint64_t ms = rng_range(&l->rng, 0, 2 * mean_ms);
    timer_start(&c->pause, ms > at_least_ms ? ms : at_least_ms);
}

static void learn(struct kv_client *c, const struct check_response *r)
{
    c->seen_revision = r->revision > c->seen_revision ? r->revision : c->seen_revision;
    if (!c->single) {
        return;
    }
    const struct check_answer *last = r->n_answers > 0 ? &r->answers[r->n_answers - 1] : NULL;
    c->seen_mod[c->key] = last != NULL && last->n_kvs == 1 ? last->kvs[0].mod_revision : 0;
}

static void on_done(void *arg, enum check_outcome outcome, int error,
                    const struct check_response *response)
{
    struct kv_client *c = arg;
    (void)error;
    if (outcome == CHECK_OK) {
        learn(c, response);
        rest(c, 0);
    } else {
        c->member = (c->member + 1) % c->loads->target->n_members;
        rest(c, FAIL_PAUSE_MS);
    }
}

/* --- the operations --------------------------------------------------------------------------- */

struct words {
    char key[96], end[96], value[48];
};

static struct check_request put(struct kv_client *c, struct words *w)
{
    struct check_request r = { .kind = CHECK_PUT };
    r.ask = (struct check_ask){
        .kind = CHECK_PUT,
        .key = loads_key(c->loads, w->key, "kv/%02zu", c->key),
        .value = loads_value(c->loads, c->number, w->value),
        .prev_kv = rng_chance(&c->loads->rng, 0.3),
    };
    return r;
}

static struct check_request get(struct kv_client *c, struct words *w)
{
    struct rng *rng = &c->loads->rng;
    struct check_request r = { .kind = CHECK_RANGE };
    r.ask = (struct check_ask){
        .kind = CHECK_RANGE,
        .key = loads_key(c->loads, w->key, "kv/%02zu", c->key),
        .serializable = rng_chance(rng, 0.2),
    };
    if (c->seen_revision > c->loads->start_revision + BACK_REVISIONS && rng_chance(rng, 0.1)) {
        r.ask.revision = c->seen_revision - (int64_t)rng_range(rng, 0, BACK_REVISIONS);
    }
    c->single = r.ask.revision == 0;
    return r;
}

static struct check_request list(struct kv_client *c, struct words *w)
{
    struct rng *rng = &c->loads->rng;
    struct check_request r = { .kind = CHECK_RANGE };
    r.ask = (struct check_ask){
        .kind = CHECK_RANGE,
        .key = loads_key(c->loads, w->key, "kv/"),
        .range_end = loads_key(c->loads, w->end, "kv0"),
        .limit = rng_chance(rng, 0.5) ? 0 : (int64_t)rng_range(rng, 1, 8),
        .keys_only = rng_chance(rng, 0.1),
        .count_only = rng_chance(rng, 0.1),
    };
    return r;
}

static struct check_request delete_(struct kv_client *c, struct words *w)
{
    struct check_request r = { .kind = CHECK_DELETE };
    r.ask = (struct check_ask){
        .kind = CHECK_DELETE,
        .key = loads_key(c->loads, w->key, "kv/%02zu", c->key),
        .prev_kv = rng_chance(&c->loads->rng, 0.5),
    };
    return r;
}

static void send(struct kv_client *c, const struct check_request *r)
{
    if (!ops_call(c->loads->ops, c->number, c->member, r, on_done, c)) {
        rest(c, FAIL_PAUSE_MS);
    }
}

/* If the key is as it was seen, write or delete it; else read it. */
static void send_txn(struct kv_client *c, struct words *w)
{
    struct rng *rng = &c->loads->rng;
    struct slice key = loads_key(c->loads, w->key, "kv/%02zu", c->key);
    struct check_compare compare = {
        .target = CHECK_MOD, .relation = CHECK_EQUAL, .key = key, .number = c->seen_mod[c->key]
    };
    if (rng_chance(rng, 0.2)) {
        compare = (struct check_compare){ .target = CHECK_VERSION,
                                          .relation = CHECK_GREATER,
                                          .key = key,
                                          .number = (int64_t)rng_range(rng, 0, 3) };
    }
    struct check_ask read = { .kind = CHECK_RANGE, .key = key };
    struct check_ask then_asks[2] = {
        { .kind = CHECK_PUT, .key = key, .value = loads_value(c->loads, c->number, w->value) },
        read,
    };
    if (rng_chance(rng, 0.2)) {
        then_asks[0] = (struct check_ask){ .kind = CHECK_DELETE, .key = key, .prev_kv = true };
    }
    struct check_request r = { .kind = CHECK_TXN,
                               .compares = &compare,
                               .n_compares = 1,
                               .then_asks = then_asks,
                               .n_then = 2,
                               .else_asks = &read,
                               .n_else = 1 };
    send(c, &r);
}

static void next(struct kv_client *c)
{
    struct loads *l = c->loads;
    struct words w;
    if (!l->running) {
        return;
    }
    c->key = (size_t)rng_range(&l->rng, 0, LOAD_KEYS - 1);
    c->single = true;
    uint64_t dice = rng_range(&l->rng, 0, 99);
    if (dice >= 78) {
        send_txn(c, &w);
        return;
    }
    c->single = false;
    struct check_request r = dice < 35   ? put(c, &w)
                             : dice < 62 ? get(c, &w)
                             : dice < 70 ? list(c, &w)
                                         : delete_(c, &w);
    send(c, &r);
}

static void on_pause(struct timer *t)
{
    next(CONTAINER_OF(t, struct kv_client, pause));
}

void load_kv_start(struct loads *l)
{
    l->kv = mem_zalloc(sizeof *l->kv);
    for (size_t i = 0; i < KV_CLIENTS; i++) {
        struct kv_client *c = &l->kv->clients[i];
        c->loads = l;
        c->number = l->n_clients++;
        c->member = i % l->target->n_members;
        timer_init(l->loop, &c->pause, on_pause);
        rest(c, 0);
    }
}

void load_kv_free(struct loads *l)
{
    for (size_t i = 0; l->kv != NULL && i < KV_CLIENTS; i++) {
        timer_stop(&l->kv->clients[i].pause);
    }
    mem_free(l->kv);
    l->kv = NULL;
}
