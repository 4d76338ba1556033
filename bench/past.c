/* Catching up: `keys` puts, each a revision of its own, then `clients` watchers of them all from
 * the first one on, as an informer that comes back asks for what it has missed.
 *
 *   put, put, ... --all acknowledged--> bench_go: watch from the first one --all seen--> the end
 *
 * Latency is from the watch's request to the event, so the last of them is how long it takes to be
 * up to date. Each event must be of a later revision than the one before; those that do not come
 * are counted as errors. */
#include "bench/engine.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { KEYS = 1000, PUT_TIMEOUT_MS = 30000, GIVE_UP_MS = 30000 /* without an event */ };

struct past_watcher {
    struct bench *b;
    int64_t revision; /* of the last event */
};

struct past {
    struct bench *b;
    struct past_watcher *watchers;
    uint64_t sent; /* puts */
    size_t under_way;
    int64_t first; /* revision of theirs; 0: none yet */
    uint64_t asked_us;
    uint64_t expected, seen, seen_before;
    struct timer give_up;
};

/* --- watching --------------------------------------------------------------------------------- */

static void on_event(struct past_watcher *w, const Mvccpb__Event *e)
{
    struct past *l = w->b->state;
    if (e->kv == NULL || e->kv->mod_revision <= w->revision) {
        bench_error(w->b, "an event came twice, or is out of order");
        return;
    }
    w->revision = e->kv->mod_revision;
    l->seen++;
    bench_count(w->b, l->asked_us, 1);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct past_watcher *w = arg;
    struct past *l = w->b->state;
    const Etcdserverpb__WatchResponse *m = (const void *)msg;
    if (m->canceled) {
        bench_error(w->b, m->cancel_reason);
    }
    for (size_t i = 0; i < m->n_events; i++) {
        on_event(w, m->events[i]);
    }
    if (l->seen >= l->expected) {
        bench_finish(w->b);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct past_watcher *w = arg;
    if (w->b->phase == PHASE_MEASURE) {
        bench_fail(w->b, result->err != 0 ? result->err : E_CLOSED, result->text);
    }
}

static void watch_all(struct past *l)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct bench *b = l->b;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = (ProtobufCBinaryData){ 11, (uint8_t *)"bench-past/" };
    create.range_end = (ProtobufCBinaryData){ 11, (uint8_t *)"bench-past0" };
    create.start_revision = l->first;
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    m.create_request = &create;
    bench_go(b);
    l->asked_us = loop_now_us(b->loop);
    timer_start(&l->give_up, GIVE_UP_MS);
    for (size_t i = 0; i < b->o->clients; i++) {
        l->watchers[i] = (struct past_watcher){ .b = b };
        struct rpc_stream *stream =
            rpc_stream_open(bench_channel(b, i), "/etcdserverpb.Watch/Watch",
                            &etcdserverpb__watch_response__descriptor, &events, &l->watchers[i]);
        rpc_stream_send(stream, &m.base);
    }
}

static void on_give_up(struct timer *t)
{
    struct past *l = CONTAINER_OF(t, struct past, give_up);
    if (l->seen != l->seen_before) {
        l->seen_before = l->seen;
        timer_start(&l->give_up, GIVE_UP_MS);
        return;
    }
    bench_finish(l->b); /* past_free counts what is missing */
}

/* --- the past --------------------------------------------------------------------------------- */

static void put_some(struct past *l);

static void put_done(void *arg, const struct rpc_result *result)
{
    struct bench *b = arg;
    struct past *l = b->state;
    l->under_way--;
    bench_end(b);
    if (b->phase == PHASE_DONE) { /* another has failed */
        return;
    }
    if (result->err != 0) { /* it may have happened or not: nothing can be counted any more */
        bench_fail(b, result->err, result->text);
        return;
    }
    const Etcdserverpb__PutResponse *m = (const void *)result->msg;
    int64_t revision = m->header != NULL ? m->header->revision : 0;
    l->first = l->first == 0 || revision < l->first ? revision : l->first;
    put_some(l);
}

static void put_some(struct past *l)
{
    struct bench *b = l->b;
    while (l->under_way < b->o->putters && l->sent < b->o->keys) {
        char key[32];
        int len = snprintf(key, sizeof key, "bench-past/%03u", (unsigned)(l->sent % KEYS));
        Etcdserverpb__PutRequest m = ETCDSERVERPB__PUT_REQUEST__INIT;
        m.key = (ProtobufCBinaryData){ (size_t)len, (uint8_t *)key };
        m.value = bench_value(b);
        bench_begin(b);
        rpc_call_unary(bench_channel(b, l->sent), "/etcdserverpb.KV/Put", &m.base,
                       &etcdserverpb__put_response__descriptor, PUT_TIMEOUT_MS, put_done, b);
        l->under_way++;
        l->sent++;
    }
    if (l->under_way == 0) {
        watch_all(l);
    }
}

/* --- a load ----------------------------------------------------------------------------------- */

void past_start(struct bench *b)
{
    struct past *l = mem_zalloc(sizeof *l);
    b->state = l;
    l->b = b;
    l->expected = b->o->keys * b->o->clients;
    l->watchers = mem_zalloc((size_t)b->o->clients * sizeof *l->watchers);
    timer_init(b->loop, &l->give_up, on_give_up);
    put_some(l);
}

void past_free(struct bench *b)
{
    struct past *l = b->state;
    if (l == NULL) {
        return;
    }
    bench_expected(b, l->seen, l->expected);
    mem_free(l->watchers);
    mem_free(l);
}
