/* Watch fan-out: `clients` watchers of one prefix, and puts whose value carries the time they were
 * sent.
 *
 * The loop is closed over the watchers: at most `putters` puts are under way until every watcher
 * has seen them, so what is measured is delivery, not the length of a backlog. Each watcher
 * checks that revisions only grow; at the end events that never came count as errors. */
#include "bench/engine.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { PUT_TIMEOUT_MS = 10000, WATCH_KEYS = 1000 };

struct watcher {
    struct bench *b;
    struct rpc_stream *stream;
    int64_t revision; /* of the last event */
    bool created;
};

struct watch_load {
    struct bench *b;
    struct watcher *watchers;
    size_t n, n_created;
    uint64_t sent, acked, failed; /* puts */
    uint64_t events;              /* received by all watchers */
    uint8_t *value;
    size_t value_bytes;
    struct timer pause; /* after a failed put */
    bool catching_up; /* holds the drain until the last event */
};

static void put_done(void *arg, const struct rpc_result *result)
{
    struct bench *b = arg;
    struct watch_load *l = b->state;
    if (result->err == 0) {
        l->acked++;
    } else {
        l->failed++;
        bench_error(b, result->text);
        if (bench_running(b)) {
            timer_start(&l->pause, ERROR_PAUSE_MS);
        }
    }
    bench_end(b);
}

static void put(struct bench *b)
{
    struct watch_load *l = b->state;
    char key[32];
    int len = snprintf(key, sizeof key, "bench-watch/%03u", (unsigned)(l->sent % WATCH_KEYS));
    uint64_t now = loop_now_us(b->loop);
    memcpy(l->value, &now, sizeof now);
    Etcdserverpb__PutRequest m = ETCDSERVERPB__PUT_REQUEST__INIT;
    m.key = (ProtobufCBinaryData){ (size_t)len, (uint8_t *)key };
    m.value = (ProtobufCBinaryData){ l->value_bytes, l->value };
    bench_begin(b);
    rpc_call_unary(bench_channel(b, l->sent), "/etcdserverpb.KV/Put", &m.base,
                   &etcdserverpb__put_response__descriptor, PUT_TIMEOUT_MS, put_done, b);
    l->sent++;
}

static void pump(struct bench *b)
{
    struct watch_load *l = b->state;
    while (bench_running(b) && l->sent - l->failed < l->events / l->n + b->o->putters) {
        put(b);
    }
    if (l->catching_up && l->events >= (l->sent - l->failed) * l->n) {
        l->catching_up = false;
        bench_end(b);
    }
}

static void on_pause(struct timer *t)
{
    pump(CONTAINER_OF(t, struct watch_load, pause)->b);
}

static void on_event(struct watcher *w, const Mvccpb__Event *e)
{
    struct watch_load *l = w->b->state;
    uint64_t started;
    if (e->kv == NULL || e->kv->value.len < sizeof started || e->kv->mod_revision <= w->revision) {
        bench_error(w->b, "an event is malformed or out of order");
        return;
    }
    memcpy(&started, e->kv->value.data, sizeof started);
    w->revision = e->kv->mod_revision;
    l->events++;
    bench_count(w->b, started, 1);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct watcher *w = arg;
    struct watch_load *l = w->b->state;
    const Etcdserverpb__WatchResponse *m = (const void *)msg;
    for (size_t i = 0; i < m->n_events; i++) {
        on_event(w, m->events[i]);
    }
    if (m->created && !w->created) {
        w->created = true;
        if (++l->n_created == l->n) {
            bench_go(w->b);
        }
    }
    if (m->canceled) {
        bench_error(w->b, m->cancel_reason);
    }
    pump(w->b);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct watcher *w = arg;
    w->stream = NULL;
    if (w->b->phase == PHASE_PREPARE) {
        bench_fail(w->b, result->err != 0 ? result->err : E_CLOSED, result->text);
    } else {
        bench_error(w->b, result->text);
    }
}

void watch_load_start(struct bench *b)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct watch_load *l = mem_zalloc(sizeof *l);
    b->state = l;
    l->b = b;
    timer_init(b->loop, &l->pause, on_pause);
    l->n = (size_t)b->o->clients;
    l->watchers = mem_zalloc(l->n * sizeof *l->watchers);
    l->value_bytes = b->o->value_bytes < sizeof(uint64_t) ? sizeof(uint64_t) : b->o->value_bytes;
    l->value = mem_zalloc(l->value_bytes);
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = (ProtobufCBinaryData){ 12, (uint8_t *)"bench-watch/" };
    create.range_end = (ProtobufCBinaryData){ 12, (uint8_t *)"bench-watch0" };
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    m.create_request = &create;
    for (size_t i = 0; i < l->n; i++) {
        struct watcher *w = &l->watchers[i];
        w->b = b;
        w->stream = rpc_stream_open(bench_channel(b, i), "/etcdserverpb.Watch/Watch",
                                    &etcdserverpb__watch_response__descriptor, &events, w);
        rpc_stream_send(w->stream, &m.base);
    }
}

void watch_load_stop(struct bench *b)
{
    struct watch_load *l = b->state;
    bench_begin(b);
    l->catching_up = true;
    pump(b);
}

void watch_load_free(struct bench *b)
{
    struct watch_load *l = b->state;
    if (l == NULL) {
        return;
    }
    uint64_t expected = l->acked * l->n;
    if (l->events < expected) {
        b->result.errors += expected - l->events;
        snprintf(b->result.last_error, sizeof b->result.last_error,
                 "%" PRIu64 " events of acknowledged puts never came", expected - l->events);
    }
    mem_free(l->value);
    mem_free(l->watchers);
    mem_free(l);
}
