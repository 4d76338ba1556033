/* Leases with a key on each: kept alive for a while, then revoked or left to run out. A key that
 * went before its lease could end, or stays long after, is what the checkers look for. */
#include <stdio.h>

#include "chaos/load.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { HOLDERS = 4, TTL_MIN_S = 2, TTL_MAX_S = 4, KEEP_MAX = 6, PAUSE_MS = 100 };

enum holder_step { HOLDER_GRANT, HOLDER_PUT, HOLDER_KEEP, HOLDER_REVOKE };

struct holder {
    struct loads *loads;
    uint32_t number;
    size_t member;
    struct timer pause;
    enum holder_step step;
    int64_t lease, ttl_s;
    uint32_t keeps_left, rounds;
};

struct load_lease {
    struct holder holders[HOLDERS];
};

static void again(struct holder *h, uint64_t ms)
{
    timer_start(&h->pause, ms > 0 ? ms : 1);
}

static void start_over(struct holder *h)
{
    h->step = HOLDER_GRANT;
    again(h, rng_range(&h->loads->rng, PAUSE_MS, 5 * PAUSE_MS));
}

static void go_on(struct holder *h, const struct check_response *r)
{
    struct rng *rng = &h->loads->rng;
    uint64_t third_ms = (uint64_t)h->ttl_s * 1000 / 3;
    switch (h->step) {
    case HOLDER_GRANT:
        h->lease = r->lease;
        h->keeps_left = (uint32_t)rng_range(rng, 0, KEEP_MAX);
        h->step = HOLDER_PUT;
        again(h, 0);
        break;
    case HOLDER_KEEP:
        if (r->ttl_s <= 0) { /* it is gone */
            start_over(h);
            break;
        }
        h->keeps_left--;
        /* fallthrough */
    case HOLDER_PUT:
        h->step = HOLDER_KEEP;
        if (h->keeps_left > 0) {
            again(h, rng_range(rng, third_ms / 2, third_ms * 2));
        } else if (rng_chance(rng, 0.3)) {
            h->step = HOLDER_REVOKE;
            again(h, rng_range(rng, 0, third_ms));
        } else {
            start_over(h);
        }
        break;
    default:
        start_over(h);
        break;
    }
}

static void on_done(void *arg, enum check_outcome outcome, int error,
                    const struct check_response *r)
{
    struct holder *h = arg;
    (void)error;
    if (outcome == CHECK_OK) {
        go_on(h, r);
        return;
    }
    h->member = (h->member + 1) % h->loads->target->n_members;
    if (h->step == HOLDER_KEEP && outcome != CHECK_FAILED) {
        again(h, PAUSE_MS); /* the same again, elsewhere */
    } else {
        start_over(h);
    }
}

static void next(struct timer *t)
{
    struct holder *h = CONTAINER_OF(t, struct holder, pause);
    struct loads *l = h->loads;
    char key[96], value[48];
    struct check_request r = { 0 };
    if (!l->running) {
        return;
    }
    switch (h->step) {
    case HOLDER_GRANT:
        h->ttl_s = (int64_t)rng_range(&l->rng, TTL_MIN_S, TTL_MAX_S);
        r = (struct check_request){ .kind = CHECK_GRANT, .ttl_s = h->ttl_s };
        break;
    case HOLDER_PUT:
        r.kind = CHECK_PUT;
        r.ask = (struct check_ask){
            .kind = CHECK_PUT,
            .key = loads_key(l, key, "lease/%u/%u", h->number, ++h->rounds),
            .value = loads_value(l, h->number, value),
            .lease = h->lease,
        };
        break;
    case HOLDER_KEEP:
        r = (struct check_request){ .kind = CHECK_KEEPALIVE, .lease = h->lease };
        break;
    default:
        r = (struct check_request){ .kind = CHECK_REVOKE, .lease = h->lease };
        break;
    }
    if (!ops_call(l->ops, h->number, h->member, &r, on_done, h)) {
        again(h, PAUSE_MS);
    }
}

void load_lease_start(struct loads *l)
{
    l->lease = mem_zalloc(sizeof *l->lease);
    for (size_t i = 0; i < HOLDERS; i++) {
        struct holder *h = &l->lease->holders[i];
        h->loads = l;
        h->number = l->n_clients++;
        h->member = i % l->target->n_members;
        timer_init(l->loop, &h->pause, next);
        start_over(h);
    }
}

void load_lease_free(struct loads *l)
{
    for (size_t i = 0; l->lease != NULL && i < HOLDERS; i++) {
        timer_stop(&l->lease->holders[i].pause);
    }
    mem_free(l->lease);
    l->lease = NULL;
}
