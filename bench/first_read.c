/* How long until a starting member serves: a linearizable read is tried, each time on a new
 * connection so that no back-off blurs the figure, until one is answered. The clock starts with
 * this process. */
#include "bench/engine.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { TRY_PAUSE_MS = 2, TRY_TIMEOUT_MS = 2000 };

struct first_read {
    struct bench *b;
    struct rpc_channel *ch;
    uint64_t started_us;
    struct timer again;
};

static void answered(void *arg, const struct rpc_result *result)
{
    struct first_read *r = arg;
    struct bench *b = r->b;
    if (b->phase != PHASE_MEASURE) {
        return;
    }
    rpc_channel_free(r->ch);
    r->ch = NULL;
    if (result->err == 0) {
        bench_count(b, r->started_us, 1);
        bench_finish(b);
    } else if (loop_now_ms(b->loop) >= b->wait_until_ms) {
        bench_error(b, result->text);
        bench_finish(b); /* with no operation: the command fails */
    } else {
        timer_start(&r->again, TRY_PAUSE_MS);
    }
}

static void try_read(struct timer *t)
{
    struct first_read *r = CONTAINER_OF(t, struct first_read, again);
    struct rpc_channel_options options = {
        .loop = r->b->loop,
        .address = r->b->o->endpoints[0],
        .connect_timeout_ms = TRY_TIMEOUT_MS,
    };
    uint8_t key[KEY_BYTES];
    bench_key(key, 0);
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ sizeof key, key };
    r->ch = rpc_channel_new(&options);
    rpc_call_unary(r->ch, "/etcdserverpb.KV/Range", &m.base,
                   &etcdserverpb__range_response__descriptor, TRY_TIMEOUT_MS, answered, r);
}

void first_read_start(struct bench *b)
{
    struct first_read *r = mem_zalloc(sizeof *r);
    b->state = r;
    r->b = b;
    r->started_us = loop_now_us(b->loop);
    timer_init(b->loop, &r->again, try_read);
    bench_go(b);
    timer_start(&r->again, 0);
}

void first_read_free(struct bench *b)
{
    mem_free(b->state);
}
