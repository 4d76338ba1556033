/* Writes the key space in order, `batch` puts in a txn, a few txns at a time: how a big store is
 * loaded quickly. A failed batch is sent again; too many failures end the run. */
#include "bench/engine.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { WRITERS_MAX = 16, BATCH_TIMEOUT_MS = 30000, FAILURES_MAX = 100 };

struct writer {
    struct fill *fill;
    struct rpc_channel *ch;
    uint64_t from, n; /* its batch */
    uint64_t started_us;
    struct timer pause;
};

struct fill {
    struct bench *b;
    void (*done)(struct bench *b);
    uint64_t next; /* the first key nobody writes yet */
    size_t busy;   /* writers with a batch */
    unsigned failures;
    struct writer writers[WRITERS_MAX];
};

static void batch_next(struct writer *w);

static void written(void *arg, const struct rpc_result *result)
{
    struct writer *w = arg;
    struct bench *b = w->fill->b;
    bench_end(b);
    if (b->phase == PHASE_DONE) {
        return;
    }
    if (result->err == 0) {
        bench_count(b, w->started_us, w->n);
        batch_next(w);
        return;
    }
    bench_error(b, result->text);
    if (++w->fill->failures > FAILURES_MAX) {
        bench_fail(b, result->err, result->text);
        return;
    }
    timer_start(&w->pause, ERROR_PAUSE_MS);
}

static void batch_send(struct writer *w)
{
    struct bench *b = w->fill->b;
    size_t n = (size_t)w->n;
    autofree uint8_t *keys = mem_alloc(n * KEY_BYTES);
    autofree Etcdserverpb__PutRequest *puts = mem_alloc(n * sizeof *puts);
    autofree Etcdserverpb__RequestOp *ops = mem_alloc(n * sizeof *ops);
    autofree Etcdserverpb__RequestOp **refs = mem_alloc(n * sizeof *refs);
    for (size_t i = 0; i < n; i++) {
        bench_key(keys + i * KEY_BYTES, w->from + i);
        bench_put_op(b, &ops[i], &puts[i],
                     (ProtobufCBinaryData){ KEY_BYTES, keys + i * KEY_BYTES });
        refs[i] = &ops[i];
    }
    Etcdserverpb__TxnRequest m = ETCDSERVERPB__TXN_REQUEST__INIT;
    m.success = refs;
    m.n_success = n;
    bench_begin(b);
    w->started_us = loop_now_us(b->loop);
    rpc_call_unary(w->ch, "/etcdserverpb.KV/Txn", &m.base,
                   &etcdserverpb__txn_response__descriptor, BATCH_TIMEOUT_MS, written, w);
}

static void on_pause(struct timer *t)
{
    batch_send(CONTAINER_OF(t, struct writer, pause));
}

/* A batch must fit a server's request limit (1.5 MiB) however large the values are. */
static uint64_t batch_size(const struct bench_options *o)
{
    uint64_t fits = 1024 * 1024 / (o->value_bytes + 64);
    fits = fits == 0 ? 1 : fits;
    return o->batch < fits ? o->batch : fits;
}

static void batch_next(struct writer *w)
{
    struct fill *f = w->fill;
    struct bench *b = f->b;
    if (f->next < b->o->keys) {
        uint64_t left = b->o->keys - f->next;
        uint64_t size = batch_size(b->o);
        w->from = f->next;
        w->n = size < left ? size : left;
        f->next += w->n;
        batch_send(w);
        return;
    }
    if (--f->busy == 0) {
        void (*done)(struct bench *) = f->done;
        mem_free(f);
        b->fill = NULL;
        done(b);
    }
}

void fill_start(struct bench *b, void (*done)(struct bench *b))
{
    struct fill *f = mem_zalloc(sizeof *f);
    f->b = b;
    f->done = done;
    b->fill = f;
    f->busy = b->o->clients < WRITERS_MAX ? (size_t)b->o->clients : WRITERS_MAX;
    /* Every writer is set up before the first may find nothing left to do. */
    size_t writers = f->busy;
    for (size_t i = 0; i < writers; i++) {
        f->writers[i] = (struct writer){ .fill = f, .ch = bench_channel(b, i) };
        timer_init(b->loop, &f->writers[i].pause, on_pause);
    }
    for (size_t i = 0; i < writers; i++) {
        batch_next(&f->writers[i]);
    }
}

void fill_load_start(struct bench *b)
{
    bench_go(b);
    fill_start(b, bench_finish);
}
