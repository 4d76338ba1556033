/* Keepalives: each client grants a lease, opens a stream and keeps one keepalive under way on it.
 * The leases are left to expire. */
#include "bench/engine.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { TTL_SECONDS = 60, GRANT_TIMEOUT_MS = 10000 };

struct keeper {
    struct bench *b;
    struct rpc_channel *ch;
    struct rpc_stream *stream;
    int64_t lease;
    uint64_t started_us;
    bool under_way;
    struct timer pause; /* before another stream */
};

struct lease_load {
    struct keeper *keepers;
    size_t n, n_granted;
};

static void keep_alive(struct keeper *k)
{
    Etcdserverpb__LeaseKeepAliveRequest m = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    m.id = k->lease;
    bench_begin(k->b);
    k->under_way = true;
    k->started_us = loop_now_us(k->b->loop);
    rpc_stream_send(k->stream, &m.base);
}

static void keep_alive_ended(struct keeper *k)
{
    if (k->under_way) {
        k->under_way = false;
        bench_end(k->b);
    }
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct keeper *k = arg;
    const Etcdserverpb__LeaseKeepAliveResponse *m = (const void *)msg;
    if (m->id == k->lease && m->ttl > 0) {
        bench_count(k->b, k->started_us, 1);
    } else {
        bench_error(k->b, "a keepalive was answered with another lease or TTL 0");
    }
    keep_alive_ended(k);
    if (bench_running(k->b)) {
        keep_alive(k);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct keeper *k = arg;
    k->stream = NULL;
    bench_error(k->b, result->text);
    if (bench_running(k->b)) {
        timer_start(&k->pause, ERROR_PAUSE_MS);
    }
    keep_alive_ended(k);
}

static void open_stream(struct timer *t)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct keeper *k = CONTAINER_OF(t, struct keeper, pause);
    if (bench_running(k->b)) {
        k->stream = rpc_stream_open(k->ch, "/etcdserverpb.Lease/LeaseKeepAlive",
                                    &etcdserverpb__lease_keep_alive_response__descriptor, &events,
                                    k);
        keep_alive(k);
    }
}

static void begin(struct bench *b)
{
    struct lease_load *l = b->state;
    bench_go(b);
    for (size_t i = 0; i < l->n; i++) {
        open_stream(&l->keepers[i].pause);
    }
}

static void granted(void *arg, const struct rpc_result *result)
{
    struct keeper *k = arg;
    struct bench *b = k->b;
    struct lease_load *l = b->state;
    if (b->phase != PHASE_PREPARE) {
        return;
    }
    if (result->err != 0) {
        bench_fail(b, result->err, result->text);
        return;
    }
    k->lease = ((const Etcdserverpb__LeaseGrantResponse *)(const void *)result->msg)->id;
    if (++l->n_granted == l->n) {
        begin(b);
    }
}

void lease_load_start(struct bench *b)
{
    struct lease_load *l = mem_zalloc(sizeof *l);
    b->state = l;
    l->n = (size_t)b->o->clients;
    l->keepers = mem_zalloc(l->n * sizeof *l->keepers);
    Etcdserverpb__LeaseGrantRequest m = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    m.ttl = TTL_SECONDS + (int64_t)(b->o->seconds + b->o->warmup_seconds);
    for (size_t i = 0; i < l->n; i++) {
        struct keeper *k = &l->keepers[i];
        k->b = b;
        k->ch = bench_channel(b, i);
        timer_init(b->loop, &k->pause, open_stream);
        rpc_call_unary(k->ch, "/etcdserverpb.Lease/LeaseGrant", &m.base,
                       &etcdserverpb__lease_grant_response__descriptor, GRANT_TIMEOUT_MS, granted,
                       k);
    }
}

void lease_load_free(struct bench *b)
{
    struct lease_load *l = b->state;
    if (l != NULL) {
        mem_free(l->keepers);
        mem_free(l);
    }
}
