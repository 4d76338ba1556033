/* Closed loops of unary calls: each caller has one call open and makes the next when it is
 * answered. After an error a caller rests ERROR_PAUSE_MS, so that a dead server is not hammered. */
#include "bench/engine.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { CALL_TIMEOUT_MS = 10000 };

struct caller {
    struct bench *b;
    struct rpc_channel *ch;
    uint64_t started_us;
    struct timer pause;
};

struct unary {
    struct caller *callers;
    size_t n;
};

static void done(void *arg, const struct rpc_result *result)
{
    struct caller *c = arg;
    struct bench *b = c->b;
    if (result->err == 0) {
        bench_count(b, c->started_us, 1);
        if (bench_running(b)) {
            b->load->issue(c);
        }
    } else {
        bench_error(b, result->text);
        if (bench_running(b)) {
            timer_start(&c->pause, ERROR_PAUSE_MS);
        }
    }
    bench_end(b);
}

static void on_pause(struct timer *t)
{
    struct caller *c = CONTAINER_OF(t, struct caller, pause);
    if (bench_running(c->b)) {
        c->b->load->issue(c);
    }
}

static void call(struct caller *c, const char *path, const ProtobufCMessage *msg,
                 const ProtobufCMessageDescriptor *response)
{
    bench_begin(c->b);
    c->started_us = loop_now_us(c->b->loop);
    rpc_call_unary(c->ch, path, msg, response, CALL_TIMEOUT_MS, done, c);
}

static uint64_t random_index(struct bench *b)
{
    return rng_u64(&b->rng) % b->o->keys;
}

void unary_put(struct caller *c)
{
    uint8_t key[KEY_BYTES];
    bench_key(key, random_index(c->b));
    Etcdserverpb__PutRequest m = ETCDSERVERPB__PUT_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ sizeof key, key };
    m.value = bench_value(c->b);
    call(c, "/etcdserverpb.KV/Put", &m.base, &etcdserverpb__put_response__descriptor);
}

static void get(struct caller *c, bool serializable)
{
    uint8_t key[KEY_BYTES];
    bench_key(key, random_index(c->b));
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ sizeof key, key };
    m.serializable = serializable;
    call(c, "/etcdserverpb.KV/Range", &m.base, &etcdserverpb__range_response__descriptor);
}

void unary_get(struct caller *c)
{
    get(c, false);
}

void unary_get_serializable(struct caller *c)
{
    get(c, true);
}

void unary_txn(struct caller *c)
{
    uint8_t key[KEY_BYTES];
    bench_key(key, random_index(c->b));
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = (ProtobufCBinaryData){ sizeof key, key };
    put.value = bench_value(c->b);
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op.request_put = &put;
    Etcdserverpb__RequestOp *ops[] = { &op };
    Etcdserverpb__TxnRequest m = ETCDSERVERPB__TXN_REQUEST__INIT;
    m.success = ops;
    m.n_success = 1;
    call(c, "/etcdserverpb.KV/Txn", &m.base, &etcdserverpb__txn_response__descriptor);
}

void unary_list(struct caller *c)
{
    uint8_t from[KEY_BYTES], to[KEY_BYTES];
    uint64_t last = c->b->o->keys > c->b->o->limit ? c->b->o->keys - c->b->o->limit : 0;
    bench_key(from, rng_u64(&c->b->rng) % (last + 1));
    bench_key(to, c->b->o->keys);
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ sizeof from, from };
    m.range_end = (ProtobufCBinaryData){ sizeof to, to };
    m.limit = (int64_t)c->b->o->limit;
    m.serializable = true;
    call(c, "/etcdserverpb.KV/Range", &m.base, &etcdserverpb__range_response__descriptor);
}

void unary_start(struct bench *b)
{
    struct unary *u = mem_zalloc(sizeof *u);
    u->n = b->o->clients;
    u->callers = mem_zalloc(u->n * sizeof *u->callers);
    b->state = u;
    bench_go(b);
    for (size_t i = 0; i < u->n; i++) {
        struct caller *c = &u->callers[i];
        c->b = b;
        c->ch = bench_channel(b, i);
        timer_init(b->loop, &c->pause, on_pause);
        b->load->issue(c);
    }
}

void unary_free(struct bench *b)
{
    struct unary *u = b->state;
    if (u != NULL) {
        mem_free(u->callers);
        mem_free(u);
    }
}
