/* What clients ask and are told, seen where the client library calls lib/rpc (linked with --wrap).
 *
 *     rpc_call_unary -> judge_call ... done -> judge_return
 *     rpc_stream_send(create) -> check_watch_asked ... message -> check_watch_events, ...
 *     rpc_stream_send(keepalive) -> judge_call ... message -> judge_return
 *
 * A stream that ends, in whatever way, has lost what was under way on it. When the machine's life
 * ends nothing is answered any more: the calls' outcomes stay unknown, the watches end. */
#include "tests/sim/world_streams.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/rpc/channel_int.h"

/* A unary call under way. */
struct wire_call {
    struct list link;
    struct wire *wire;
    const struct node *node;
    uint64_t key;
    uint32_t op;
    void (*done)(void *arg, const struct rpc_result *result);
    void *arg;
};

struct wire_keepalive {
    struct list link;
    int64_t lease;
    uint32_t op;
};

struct rpc_request *
__real_rpc_call_unary(struct rpc_channel *ch, const char *path, const ProtobufCMessage *msg,
                      const ProtobufCMessageDescriptor *response, uint64_t timeout_ms,
                      void (*done)(void *arg, const struct rpc_result *result), void *arg);
struct rpc_request *
__wrap_rpc_call_unary(struct rpc_channel *ch, const char *path, const ProtobufCMessage *msg,
                      const ProtobufCMessageDescriptor *response, uint64_t timeout_ms,
                      void (*done)(void *arg, const struct rpc_result *result), void *arg);
void __real_rpc_request_cancel(struct rpc_request *r);
void __wrap_rpc_request_cancel(struct rpc_request *r);
struct rpc_stream *__real_rpc_stream_open(struct rpc_channel *ch, const char *path,
                                          const ProtobufCMessageDescriptor *response,
                                          const struct rpc_stream_events *events, void *arg);
struct rpc_stream *__wrap_rpc_stream_open(struct rpc_channel *ch, const char *path,
                                          const ProtobufCMessageDescriptor *response,
                                          const struct rpc_stream_events *events, void *arg);
void __real_rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *msg);
void __wrap_rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *msg);
void __real_rpc_stream_cancel(struct rpc_stream *s);
void __wrap_rpc_stream_cancel(struct rpc_stream *s);

struct wire *wire_new(struct sim *s)
{
    struct wire *w = mem_zalloc(sizeof *w);
    w->sim = s;
    list_init(&w->calls);
    list_init(&w->streams);
    list_init(&w->watches);
    u64map_init(&w->call_of);
    u64map_init(&w->stream_of);
    return w;
}

/* NULL outside a world, and in the checks' own code. */
static struct wire *current(void)
{
    const struct sim *s = sim_current();
    return s != NULL && s->world != NULL && s->running != NULL ? s->world->wire : NULL;
}

static unsigned member_of(const struct rpc_channel *ch)
{
    static const char NETWORK[] = "10.0.0.";
    bool ours = strncmp(ch->address, NETWORK, sizeof NETWORK - 1) == 0;
    return ours ? (unsigned)strtoul(ch->address + sizeof NETWORK - 1, NULL, 10) : 0;
}

/* --- unary calls ------------------------------------------------------------------------------ */

static void call_free(struct wire_call *c)
{
    u64map_remove(&c->wire->call_of, c->key);
    list_remove(&c->link);
    mem_free(c);
}

static void on_done(void *arg, const struct rpc_result *result)
{
    struct wire_call *c = arg;
    void (*done)(void *, const struct rpc_result *) = c->done;
    void *done_arg = c->arg;
    judge_return(c->wire->sim->world->judge, c->op, result->err, result->never_sent, result->msg);
    call_free(c);
    done(done_arg, result);
}

struct rpc_request *
__wrap_rpc_call_unary(struct rpc_channel *ch, const char *path, const ProtobufCMessage *msg,
                      const ProtobufCMessageDescriptor *response, uint64_t timeout_ms,
                      void (*done)(void *arg, const struct rpc_result *result), void *arg)
{
    struct wire *w = current();
    if (w == NULL) {
        return __real_rpc_call_unary(ch, path, msg, response, timeout_ms, done, arg);
    }
    struct wire_call *c = mem_zalloc(sizeof *c);
    c->wire = w;
    c->node = w->sim->running;
    c->done = done;
    c->arg = arg;
    c->op = judge_call(w->sim->world->judge, c->node, member_of(ch), msg);
    list_init(&c->link);
    list_push_back(&w->calls, &c->link);
    struct rpc_request *r = __real_rpc_call_unary(ch, path, msg, response, timeout_ms, on_done, c);
    c->key = (uint64_t)(uintptr_t)r;
    u64map_put(&w->call_of, c->key, c);
    return r;
}

void __wrap_rpc_request_cancel(struct rpc_request *r)
{
    struct wire *w = current();
    struct wire_call *c = w != NULL ? u64map_get(&w->call_of, (uint64_t)(uintptr_t)r) : NULL;
    if (c != NULL) {
        call_free(c);
    }
    __real_rpc_request_cancel(r);
}

/* --- keepalives ------------------------------------------------------------------------------- */

static void keepalive_request(struct wire_stream *s, const ProtobufCMessage *msg)
{
    struct wire_keepalive *k = mem_zalloc(sizeof *k);
    const void *m = msg;
    k->lease = ((const Etcdserverpb__LeaseKeepAliveRequest *)m)->id;
    k->op = judge_call(s->wire->sim->world->judge, s->node, s->member, msg);
    list_init(&k->link);
    list_push_back(&s->keepalives, &k->link);
}

static void keepalive_response(struct wire_stream *s, const ProtobufCMessage *msg)
{
    const void *m = msg;
    int64_t lease = ((const Etcdserverpb__LeaseKeepAliveResponse *)m)->id;
    LIST_FOREACH(it, &s->keepalives)
    {
        struct wire_keepalive *k = LIST_ENTRY(it, struct wire_keepalive, link);
        if (k->lease == lease) {
            judge_return(s->wire->sim->world->judge, k->op, 0, false, msg);
            list_remove(&k->link);
            mem_free(k);
            return;
        }
    }
    sim_violation(s->wire->sim, "ANSWER TO NOTHING: keepalive of lease %llx",
                  (unsigned long long)lease);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void stream_free(struct wire_stream *s)
{
    struct list *it;
    streams_watches_lost(s);
    while ((it = list_pop_front(&s->keepalives)) != NULL) {
        mem_free(LIST_ENTRY(it, struct wire_keepalive, link));
    }
    u64map_remove(&s->wire->stream_of, (uint64_t)(uintptr_t)s->stream);
    list_remove(&s->link);
    mem_free(s);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct wire_stream *s = arg;
    const void *m = msg;
    if (msg->descriptor == &etcdserverpb__watch_response__descriptor) {
        streams_watch_response(s, m);
    } else if (msg->descriptor == &etcdserverpb__lease_keep_alive_response__descriptor) {
        keepalive_response(s, msg);
    }
    s->events->message(s->arg, msg);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct wire_stream *s = arg;
    const struct rpc_stream_events *events = s->events;
    void *events_arg = s->arg;
    stream_free(s);
    events->closed(events_arg, result);
}

static void on_opened(void *arg)
{
    struct wire_stream *s = arg;
    if (s->events->opened != NULL) {
        s->events->opened(s->arg);
    }
}

struct rpc_stream *__wrap_rpc_stream_open(struct rpc_channel *ch, const char *path,
                                          const ProtobufCMessageDescriptor *response,
                                          const struct rpc_stream_events *events, void *arg)
{
    static const struct rpc_stream_events OURS = { on_message, on_closed, on_opened };
    struct wire *w = current();
    if (w == NULL) {
        return __real_rpc_stream_open(ch, path, response, events, arg);
    }
    struct wire_stream *s = mem_zalloc(sizeof *s);
    s->wire = w;
    s->node = w->sim->running;
    s->member = member_of(ch);
    s->events = events;
    s->arg = arg;
    list_init(&s->keepalives);
    list_init(&s->link);
    list_push_back(&w->streams, &s->link);
    s->stream = __real_rpc_stream_open(ch, path, response, &OURS, s);
    u64map_put(&w->stream_of, (uint64_t)(uintptr_t)s->stream, s);
    return s->stream;
}

static struct wire_stream *stream_find(struct rpc_stream *stream)
{
    struct wire *w = current();
    return w != NULL ? u64map_get(&w->stream_of, (uint64_t)(uintptr_t)stream) : NULL;
}

void __wrap_rpc_stream_send(struct rpc_stream *stream, const ProtobufCMessage *msg)
{
    struct wire_stream *s = stream_find(stream);
    const void *m = msg;
    if (s != NULL && msg->descriptor == &etcdserverpb__watch_request__descriptor) {
        streams_watch_request(s, m);
    } else if (s != NULL &&
               msg->descriptor == &etcdserverpb__lease_keep_alive_request__descriptor) {
        keepalive_request(s, msg);
    }
    __real_rpc_stream_send(stream, msg);
}

void __wrap_rpc_stream_cancel(struct rpc_stream *stream)
{
    struct wire_stream *s = stream_find(stream);
    if (s != NULL) {
        stream_free(s);
    }
    __real_rpc_stream_cancel(stream);
}

/* --- the end ---------------------------------------------------------------------------------- */

void wire_gone(struct wire *w, const struct node *n)
{
    LIST_FOREACH_SAFE(it, &w->calls)
    {
        struct wire_call *c = LIST_ENTRY(it, struct wire_call, link);
        if (n == NULL || c->node == n) {
            call_free(c);
        }
    }
    streams_watches_gone(w, n);
    LIST_FOREACH_SAFE(it, &w->streams)
    {
        struct wire_stream *s = LIST_ENTRY(it, struct wire_stream, link);
        if (n == NULL || s->node == n) {
            stream_free(s);
        }
    }
}

void wire_free(struct wire *w)
{
    if (w != NULL) {
        wire_gone(w, NULL);
        u64map_fini(&w->call_of);
        u64map_fini(&w->stream_of);
        mem_free(w);
    }
}
