/* A call's way out: replies, statuses, streams' messages, deadlines, back-pressure.
 *
 * A unary reply is HEADERS, DATA and trailing HEADERS, submitted together and written at the end of
 * the turn; an error without a message is one HEADERS frame ("trailers-only"). Whoever ends the
 * call first wins: handler, deadline, client or stop; what comes later is a no-op on the wire. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/pb.h"
#include "lib/rpc/server_int.h"

#define SLICE_LIT(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct h2_header response_headers[] = {
    { SLICE_LIT(":status"), SLICE_LIT("200") },
    { SLICE_LIT("content-type"), SLICE_LIT("application/grpc") },
};

/* --- status ----------------------------------------------------------------------------------- */

/* Fills stream.trailers; their memory is the call's. */
static void set_trailers(struct rpc_call *call, enum grpc_code code, const char *text)
{
    struct h2_stream *s = &call->stream;
    int n = 0;
    if (code >= 10) {
        call->status_text[n++] = '1';
    }
    call->status_text[n++] = (char)('0' + (int)code % 10);
    s->trailers[0] = (struct h2_header){ SLICE_LIT("grpc-status"),
                                         { (const uint8_t *)call->status_text, (size_t)n } };
    s->n_trailers = 1;
    if (text[0] != '\0') {
        autobuf encoded = BUF_INIT;
        grpc_percent_encode(&encoded, text);
        s->trailers[1] = (struct h2_header){ SLICE_LIT("grpc-message"),
                                             arena_dup_slice(&call->arena, buf_slice(&encoded)) };
        s->n_trailers = 2;
    }
}

static void ended(struct rpc_call *call, enum grpc_code code)
{
    call->ended = true;
    heap_remove(&call->server->deadlines, &call->deadline);
    list_remove(&call->blocked);
    if (call->method != NULL) {
        method_count_handled(call->server, call->method, code);
    }
    server_conn_dirty(call->sc);
}

/* The status goes to the wire (the first time only). */
static void send_status(struct rpc_call *call, enum grpc_code code, const char *text)
{
    if (!call->ended) {
        call->wire->status(call, code, text);
        ended(call, code);
    }
}

/* What a message could not be sent for. */
static void send_failure(struct rpc_call *call, int err_code)
{
    const char *text;
    enum grpc_code code = status_from_err(err_code, &text);
    send_status(call, code, text);
}

static void finished(struct rpc_call *call)
{
    PRE(!call->finished);
    call->finished = true;
    call_release(call);
}

void call_abort(struct rpc_call *call, enum grpc_code code, const char *text)
{
    send_status(call, code, text);
    call_tell_closed(call);
}

void call_http_error(struct rpc_call *call, const char *http_status)
{
    struct h2_header h = { SLICE_LIT(":status"), slice_str(http_status) };
    call->responded = true;
    h2_respond(&call->stream, &h, 1, true);
    call->method = NULL;
    ended(call, GRPC_UNKNOWN);
}

/* --- as gRPC ---------------------------------------------------------------------------------- */

static void begin_response(struct rpc_call *call)
{
    if (!call->responded) {
        call->responded = true;
        h2_respond(&call->stream, response_headers, ARRAY_LEN(response_headers), false);
    }
}

static void count_sent(struct rpc_call *call, size_t bytes)
{
    if (call->server->sent != NULL) {
        metric_add(call->server->sent, (double)bytes);
    }
}

static void queue_piece(void *arg, struct value *v)
{
    struct rpc_call *call = arg;
    count_sent(call, v->len);
    h2_queue_value(&call->stream, v);
}

static int grpc_message(struct rpc_call *call, const ProtobufCMessage *msg)
{
    begin_response(call);
    pb_pack_framed(msg, queue_piece, call);
    return 0;
}

static int grpc_parts(struct rpc_call *call, struct slice head, struct value *const *shared,
                      size_t n)
{
    size_t len = head.len;
    for (size_t i = 0; i < n; i++) {
        len += shared[i]->len;
    }
    PRE(len <= LIMIT_CLIENT_RECV_BYTES);
    begin_response(call);
    count_sent(call, len);
    uint8_t *first = mem_alloc(GRPC_PREFIX_BYTES + head.len);
    grpc_prefix(first, len);
    if (head.len > 0) {
        memcpy(first + GRPC_PREFIX_BYTES, head.data, head.len);
    }
    h2_queue_owned(&call->stream, first, GRPC_PREFIX_BYTES + head.len);
    for (size_t i = 0; i < n; i++) {
        h2_queue_value(&call->stream, value_ref(shared[i]));
    }
    return 0;
}

static int grpc_packed(struct rpc_call *call, struct buf *message)
{
    uint8_t *prefix = mem_alloc(GRPC_PREFIX_BYTES);
    size_t len = message->len;
    PRE(len <= LIMIT_CLIENT_RECV_BYTES);
    begin_response(call);
    count_sent(call, len);
    grpc_prefix(prefix, len);
    h2_queue_owned(&call->stream, prefix, GRPC_PREFIX_BYTES);
    h2_queue_owned(&call->stream, (uint8_t *)buf_take(message), len);
    return 0;
}

static void grpc_status(struct rpc_call *call, enum grpc_code code, const char *text)
{
    struct h2_stream *s = &call->stream;
    set_trailers(call, code, text);
    if (call->responded) {
        h2_end(s);
        return;
    }
    struct h2_header h[ARRAY_LEN(response_headers) + ARRAY_LEN(s->trailers)];
    memcpy(h, response_headers, sizeof response_headers);
    memcpy(h + ARRAY_LEN(response_headers), s->trailers, s->n_trailers * sizeof *h);
    call->responded = true;
    h2_respond(s, h, ARRAY_LEN(response_headers) + s->n_trailers, true);
}

static size_t grpc_queued(const struct rpc_call *call)
{
    return call->stream.queued;
}

const struct call_wire grpc_wire = {
    grpc_message, grpc_parts, grpc_packed, grpc_status, grpc_queued,
};

/* --- messages --------------------------------------------------------------------------------- */

/* True: the call goes on. */
static bool sent(struct rpc_call *call, int rv)
{
    if (rv != 0) {
        send_failure(call, rv);
        return false;
    }
    server_conn_dirty(call->sc);
    return true;
}

bool rpc_send(struct rpc_call *call, const ProtobufCMessage *msg)
{
    PRE(!call->finished);
    return !call->ended && sent(call, call->wire->message(call, msg));
}

bool rpc_send_parts(struct rpc_call *call, struct slice head, struct value *const *shared, size_t n)
{
    PRE(!call->finished);
    return !call->ended && sent(call, call->wire->parts(call, head, shared, n));
}

/* --- ends ------------------------------------------------------------------------------------- */

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *msg)
{
    if (!call->ended && protobuf_c_message_get_packed_size(msg) > LIMIT_CLIENT_RECV_BYTES) {
        /* Many ranges in one txn can add up to more than a message may be. */
        send_status(call, GRPC_RESOURCE_EXHAUSTED,
                    "barque: the answer is longer than 2 GiB. Next: ask for less, with a limit");
    } else if (!call->ended && sent(call, call->wire->message(call, msg))) {
        send_status(call, GRPC_OK, "");
    }
    finished(call);
}

void rpc_reply_buf(struct rpc_call *call, struct buf *message)
{
    if (!call->ended && sent(call, call->wire->packed(call, message))) {
        send_status(call, GRPC_OK, "");
    }
    buf_fini(message);
    finished(call);
}

void rpc_fail(struct rpc_call *call, enum grpc_code code, const char *text)
{
    PRE(code != GRPC_OK);
    send_status(call, code, text);
    finished(call);
}

void rpc_fail_err(struct rpc_call *call, int err_code)
{
    const char *text;
    enum grpc_code code = status_from_err(err_code, &text);
    rpc_fail(call, code, text);
}

void rpc_finish(struct rpc_call *call, enum grpc_code code, const char *text)
{
    send_status(call, code, text != NULL ? text : "");
    finished(call);
}

void call_deadlines_run(struct rpc_server *s)
{
    uint64_t now_ms = loop_now_ms(s->loop);
    struct heap_item *it;
    while ((it = heap_peek(&s->deadlines)) != NULL && it->key <= now_ms) {
        struct rpc_call *call = CONTAINER_OF(it, struct rpc_call, deadline);
        call_abort(call, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
    }
    if (it != NULL) {
        timer_start_at(&s->deadline_timer, it->key);
    }
}

/* --- back-pressure ---------------------------------------------------------------------------- */

/* A thousand streams that nobody reads must not hold a thousand full queues: when all of them
 * together hold much, each may hold little. A stream that is read never notices, since its queue is
 * empty at the end of most turns. */
static size_t queue_limit(const struct rpc_server *s)
{
    return s->queued < LIMIT_SERVER_QUEUE_BYTES ? LIMIT_STREAM_QUEUE_BYTES
                                                : LIMIT_STREAM_SCARCE_BYTES;
}

bool rpc_writable(const struct rpc_call *call)
{
    if (call->ended) {
        return false;
    }
    bool room = call->wire->queued(call) < queue_limit(call->server) &&
                !conn_congested(call->sc->conn);
    if (!room && list_empty(&call->blocked)) {
        /* Asking is a promise to wait for `writable`. */
        struct rpc_call *c = (struct rpc_call *)(uintptr_t)call;
        list_push_back(&c->sc->blocked, &c->blocked);
    }
    return room;
}

/* Calls each waiting handler whose queue has fallen to half. Their new output makes the conn dirty.
 * */
void calls_wake_writable(struct server_conn *sc)
{
    struct list waiting;
    struct list *l;
    if (list_empty(&sc->blocked) || conn_congested(sc->conn)) {
        return;
    }
    list_init(&waiting);
    list_move_all(&waiting, &sc->blocked);
    while ((l = list_pop_front(&waiting)) != NULL) {
        struct rpc_call *call = LIST_ENTRY(l, struct rpc_call, blocked);
        const struct rpc_method *m = call->method->method;
        if (call->wire->queued(call) > queue_limit(call->server) / 2) {
            list_push_back(&sc->blocked, &call->blocked);
        } else if (m->writable != NULL && !call->finished) {
            m->writable(call);
        }
    }
}

/* --- what a handler may ask ------------------------------------------------------------------- */

void *rpc_call_arg(const struct rpc_call *call)
{
    return call->server->arg;
}

void rpc_call_set_data(struct rpc_call *call, void *data)
{
    call->data = data;
}

void *rpc_call_data(const struct rpc_call *call)
{
    return call->data;
}

struct arena *rpc_call_arena(struct rpc_call *call)
{
    return &call->arena;
}

const char *rpc_call_metadata(const struct rpc_call *call, const char *name)
{
    for (const struct metadata *m = call->metadata; m != NULL; m = m->next) {
        if (strcmp(m->name, name) == 0) {
            return m->value;
        }
    }
    return NULL;
}

uint64_t rpc_call_deadline_ms(const struct rpc_call *call)
{
    return call->deadline_ms;
}

bool rpc_call_closed(const struct rpc_call *call)
{
    return call->ended;
}

struct loop *rpc_call_loop(struct rpc_call *call)
{
    return call->server->loop;
}

const char *rpc_call_path(const struct rpc_call *call)
{
    return call->method->method->path;
}

size_t rpc_call_queued(const struct rpc_call *call)
{
    return call->sc != NULL ? call->wire->queued(call) : 0;
}
