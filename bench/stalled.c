/* Watchers that stop reading: `clients` streams, each watching a key of its own, are paused as soon
 * as they are made; then `keys` puts happen; then the streams read again until each has had every
 * event of its key. What the servers' memory does meanwhile is what is asked (see stalled.sh).
 *
 *   open all --created--> paused; put, put, ... --all acknowledged--> settle --> read --> all seen
 *
 * The key space is fixed, however many watch it, so that a run with one watcher costs the servers
 * the same history and is the base line of a run with a thousand. A server may end a stream that
 * takes nothing for long; then, as any client does, the watch is made again behind the last
 * revision it saw. Each key is only ever put, so versions tell: the next event's is one more, else
 * one was lost or came twice. Latency is from reading again to the event. */
#include "bench/engine.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum {
    KEYS = 1000,
    PUT_TIMEOUT_MS = 30000,
    SETTLE_MS = 1000,
    GIVE_UP_MS = 30000, /* without an event */
    BATCH_MAX = 128,    /* of --batch */
    KEY_LENGTH = 17,    /* "bench-stalled/000" */
};

struct stalled_watcher {
    struct bench *b;
    struct rpc_stream *stream; /* NULL: ended */
    size_t index;
    int64_t version;  /* of the last event */
    int64_t revision; /* the last one it knows of */
    bool created;
};

struct stalled {
    struct bench *b;
    struct stalled_watcher *watchers;
    size_t n, n_created;
    uint64_t sent, acked; /* puts */
    size_t under_way;     /* txns */
    uint64_t expected, seen;
    uint64_t read_us; /* when reading began again; 0: not yet */
    uint64_t seen_before;
    struct timer settle, give_up;
};

static void key_of(char *ret, uint64_t index)
{
    (void)snprintf(ret, KEY_LENGTH + 1, "bench-stalled/%03u", (unsigned)(index % KEYS));
}

/* --- watching --------------------------------------------------------------------------------- */

static void watch_open(struct stalled_watcher *w);

static void on_event(struct stalled_watcher *w, const Mvccpb__Event *e)
{
    struct stalled *l = w->b->state;
    if (e->kv == NULL || e->kv->mod_revision <= w->revision ||
        (w->version != 0 && e->kv->version != w->version + 1)) {
        bench_error(w->b, "an event is lost, came twice, or is out of order");
        return;
    }
    w->version = e->kv->version;
    w->revision = e->kv->mod_revision;
    l->seen++;
    bench_count(w->b, l->read_us, 1);
}

static void put_all(struct stalled *l);

static void on_created(struct stalled_watcher *w, int64_t revision)
{
    struct stalled *l = w->b->state;
    w->created = true;
    w->revision = revision;
    rpc_stream_pause(w->stream, true);
    if (++l->n_created == l->n) {
        bench_go(w->b);
        put_all(l);
    }
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct stalled_watcher *w = arg;
    struct stalled *l = w->b->state;
    const Etcdserverpb__WatchResponse *m = (const void *)msg;
    if (m->canceled) {
        bench_error(w->b, m->cancel_reason);
    } else if (m->created && !w->created) {
        on_created(w, m->header != NULL ? m->header->revision : 0);
    }
    for (size_t i = 0; i < m->n_events; i++) {
        on_event(w, m->events[i]);
    }
    if (l->read_us != 0 && l->seen >= l->expected) {
        bench_finish(w->b);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct stalled_watcher *w = arg;
    struct stalled *l = w->b->state;
    w->stream = NULL;
    if (w->b->phase == PHASE_PREPARE) {
        bench_fail(w->b, result->err != 0 ? result->err : E_CLOSED, result->text);
    } else if (w->b->phase == PHASE_MEASURE && l->read_us != 0) {
        watch_open(w);
    }
}

static void watch_open(struct stalled_watcher *w)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    char key[KEY_LENGTH + 1];
    key_of(key, w->index);
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = (ProtobufCBinaryData){ KEY_LENGTH, (uint8_t *)key };
    create.start_revision = w->created ? w->revision + 1 : 0;
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    m.create_request = &create;
    /* The first connection is the puts', if there are more. */
    size_t n = w->b->n_channels;
    struct rpc_channel *ch = w->b->channels[n > 1 ? 1 + w->index % (n - 1) : 0];
    w->stream = rpc_stream_open(ch, "/etcdserverpb.Watch/Watch",
                                &etcdserverpb__watch_response__descriptor, &events, w);
    rpc_stream_send(w->stream, &m.base);
}

/* --- reading again ---------------------------------------------------------------------------- */

static void on_settled(struct timer *t)
{
    struct stalled *l = CONTAINER_OF(t, struct stalled, settle);
    l->read_us = loop_now_us(l->b->loop);
    timer_start(&l->give_up, GIVE_UP_MS);
    for (size_t i = 0; i < l->n; i++) {
        if (l->watchers[i].stream != NULL) {
            rpc_stream_pause(l->watchers[i].stream, false);
        } else {
            watch_open(&l->watchers[i]);
        }
    }
}

static void on_give_up(struct timer *t)
{
    struct stalled *l = CONTAINER_OF(t, struct stalled, give_up);
    if (l->seen != l->seen_before) {
        l->seen_before = l->seen;
        timer_start(&l->give_up, GIVE_UP_MS);
        return;
    }
    bench_finish(l->b); /* stalled_free counts what is missing */
}

/* --- putting ---------------------------------------------------------------------------------- */

static void put_done(void *arg, const struct rpc_result *result)
{
    struct bench *b = arg;
    struct stalled *l = b->state;
    l->under_way--;
    bench_end(b);
    if (b->phase == PHASE_DONE) { /* another has failed */
        return;
    }
    if (result->err != 0) { /* it may have happened or not: nothing can be counted any more */
        bench_fail(b, result->err, result->text);
        return;
    }
    put_all(l);
}

static void put_some(struct stalled *l, size_t n)
{
    struct bench *b = l->b;
    char keys[BATCH_MAX][KEY_LENGTH + 1];
    Etcdserverpb__PutRequest puts[BATCH_MAX];
    Etcdserverpb__RequestOp ops[BATCH_MAX], *refs[BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        key_of(keys[i], l->sent++);
        bench_put_op(b, &ops[i], &puts[i],
                     (ProtobufCBinaryData){ KEY_LENGTH, (uint8_t *)keys[i] });
        refs[i] = &ops[i];
    }
    Etcdserverpb__TxnRequest m = ETCDSERVERPB__TXN_REQUEST__INIT;
    m.success = refs;
    m.n_success = n;
    l->under_way++;
    bench_begin(b);
    rpc_call_unary(b->channels[0], "/etcdserverpb.KV/Txn", &m.base,
                   &etcdserverpb__txn_response__descriptor, PUT_TIMEOUT_MS, put_done, b);
}

static void put_all(struct stalled *l)
{
    const struct bench_options *o = l->b->o;
    while (l->under_way < o->putters && l->sent < o->keys) {
        uint64_t left = o->keys - l->sent;
        put_some(l, (size_t)(left < o->batch ? left : o->batch));
    }
    if (l->under_way == 0) {
        timer_start(&l->settle, SETTLE_MS);
    }
}

/* --- a load ----------------------------------------------------------------------------------- */

void stalled_start(struct bench *b)
{
    struct stalled *l = mem_zalloc(sizeof *l);
    b->state = l;
    l->b = b;
    l->n = (size_t)b->o->clients;
    l->watchers = mem_zalloc(l->n * sizeof *l->watchers);
    timer_init(b->loop, &l->settle, on_settled);
    timer_init(b->loop, &l->give_up, on_give_up);
    for (size_t i = 0; i < l->n; i++) {
        uint64_t key = i % KEYS;
        l->expected += b->o->keys / KEYS + (key < b->o->keys % KEYS);
        l->watchers[i] = (struct stalled_watcher){ .b = b, .index = i };
        watch_open(&l->watchers[i]);
    }
}

void stalled_free(struct bench *b)
{
    struct stalled *l = b->state;
    if (l == NULL) {
        return;
    }
    bench_expected(b, l->seen, l->expected);
    mem_free(l->watchers);
    mem_free(l);
}
