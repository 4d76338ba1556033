/* A call's way in: headers, messages, the end of the request; and its memory.
 *
 *   HEADERS -> call_header* -> call_headers_end -> (refused | start)
 *   DATA    -> grpc_reader -> one whole message -> protobuf -> unary: kept | stream: message()
 *   END     -> unary: message() | stream: half_close()
 *   close   -> closed() when the handler is still at work; freed when it is done, too
 *
 * Calls are pooled with their arena, so that a unary call of ordinary size allocates only its
 * reply. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/rpc/pb.h"
#include "lib/rpc/server_int.h"

/* --- memory ----------------------------------------------------------------------------------- */

struct rpc_call *call_new(struct server_conn *sc)
{
    struct rpc_server *s = sc->server;
    struct rpc_call *call = s->free_calls;
    if (call != NULL) {
        s->free_calls = call->next_free;
        s->n_free--;
        struct arena arena = call->arena;
        memset(call, 0, sizeof *call);
        call->arena = arena;
    } else {
        call = mem_zalloc(sizeof *call);
        arena_init(&call->arena);
    }
    h2_stream_init(&call->stream);
    call->sc = sc;
    call->server = s;
    call->wire = &grpc_wire;
    call->deadline_ms = UINT64_MAX;
    grpc_reader_init(&call->reader, s->max_recv_bytes);
    heap_item_init(&call->deadline);
    list_init(&call->blocked);
    list_init(&call->link);
    list_push_back(&sc->calls, &call->link);
    s->n_calls++;
    return call;
}

static void call_delete(struct rpc_call *call)
{
    arena_fini(&call->arena);
    mem_free(call);
}

void call_release(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    if (!call->gone || (call->in_handler && !call->finished)) {
        return;
    }
    INVARIANT(!heap_item_queued(&call->deadline));
    s->n_calls--;
    if (s->n_free < CALL_POOL_MAX) {
        arena_reset(&call->arena);
        call->next_free = s->free_calls;
        s->free_calls = call;
        s->n_free++;
    } else {
        call_delete(call);
    }
    server_check_stopped(s);
}

void call_pool_fini(struct rpc_server *s)
{
    while (s->free_calls != NULL) {
        struct rpc_call *call = s->free_calls;
        s->free_calls = call->next_free;
        call_delete(call);
    }
}

/* --- headers ---------------------------------------------------------------------------------- */

static void on_path(struct rpc_call *call, struct slice value)
{
    call->method = method_find(call->server, value);
    if (call->method == NULL) {
        call->unknown_path = arena_strndup(&call->arena, (const char *)value.data, value.len);
    }
}

static void on_method(struct rpc_call *call, struct slice value)
{
    call->is_post = slice_eq(value, slice_str("POST"));
}

/* "application/grpc", also with "+proto" or parameters. */
static void on_content_type(struct rpc_call *call, struct slice value)
{
    struct slice grpc = slice_str("application/grpc");
    if (!slice_starts(value, grpc)) {
        return;
    }
    struct slice rest = slice_make(value.data + grpc.len, value.len - grpc.len);
    call->is_grpc = rest.len == 0 || rest.data[0] == ';' || slice_starts(rest, slice_str("+proto"));
}

static void on_timeout(struct rpc_call *call, struct slice value)
{
    uint64_t ms;
    if (grpc_timeout_parse(value, &ms) != 0) {
        call->bad_timeout = true;
    } else {
        call->deadline_ms = loop_now_ms(call->server->loop) + ms;
    }
}

static void on_encoding(struct rpc_call *call, struct slice value)
{
    call->bad_encoding = !slice_eq(value, slice_str("identity"));
}

static void on_ignored(struct rpc_call *call, struct slice value)
{
    (void)call;
    (void)value;
}

/* Headers with a meaning of their own; everything else is metadata. */
static const struct {
    const char *name;
    size_t len;
    void (*on)(struct rpc_call *call, struct slice value);
} known_headers[] = {
    { ":path", 5, on_path },
    { ":method", 7, on_method },
    { "content-type", 12, on_content_type },
    { "te", 2, on_ignored },
    { ":scheme", 7, on_ignored },
    { ":authority", 10, on_ignored },
    { "user-agent", 10, on_ignored },
    { "grpc-timeout", 12, on_timeout },
    { "grpc-encoding", 13, on_encoding },
    { "grpc-accept-encoding", 20, on_ignored },
    { "accept-encoding", 15, on_ignored },
};

void call_header(struct rpc_call *call, struct slice name, struct slice value)
{
    enum { ENTRY_OVERHEAD = 32 }; /* RFC 9113 §6.5.2 */
    if (call->began || call->header_bytes > LIMIT_HEADER_BYTES) {
        return; /* trailers of a request mean nothing; an over-long list is refused at its end */
    }
    call->header_bytes += name.len + value.len + ENTRY_OVERHEAD;
    for (size_t i = 0; i < ARRAY_LEN(known_headers); i++) {
        if (name.len == known_headers[i].len &&
            memcmp(name.data, known_headers[i].name, name.len) == 0) {
            known_headers[i].on(call, value);
            return;
        }
    }
    struct metadata *m = arena_alloc(&call->arena, sizeof *m);
    m->name = arena_strndup(&call->arena, (const char *)name.data, name.len);
    m->value = arena_strndup(&call->arena, (const char *)value.data, value.len);
    m->next = call->metadata;
    call->metadata = m;
}

static void refuse_unknown(struct rpc_call *call)
{
    const char *path = call->unknown_path != NULL ? call->unknown_path : "";
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        call_abort(call, GRPC_UNIMPLEMENTED,
                   arena_printf(&call->arena, "malformed method name: \"%.200s\"", path));
        return;
    }
    call_abort(call, GRPC_UNIMPLEMENTED,
               arena_printf(&call->arena, "unknown method %.100s for service %.*s", slash + 1,
                            (int)(slash - path - 1 < 100 ? slash - path - 1 : 100), path + 1));
}

static void abort_err(struct rpc_call *call, int err_code)
{
    const char *text;
    enum grpc_code code = status_from_err(err_code, &text);
    call_abort(call, code, text);
}

bool call_accept(struct rpc_call *call)
{
    if (call->method == NULL) {
        refuse_unknown(call);
    } else if (call->bad_timeout) {
        call_abort(call, GRPC_INTERNAL, "malformed grpc-timeout");
    } else if (mem_is_low()) {
        abort_err(call, E_NOMEM);
    } else if (call->server->admit != NULL) {
        int rv = call->server->admit(call);
        if (rv != 0) {
            abort_err(call, rv);
        }
    }
    return !call->ended;
}

/* True when the call may go on to its handler. */
static bool accept_grpc(struct rpc_call *call)
{
    if (call->header_bytes > LIMIT_HEADER_BYTES) {
        call_abort(call, GRPC_RESOURCE_EXHAUSTED, "header list is too large");
    } else if (!call->is_post) {
        call_http_error(call, "405");
    } else if (!call->is_grpc) {
        call_http_error(call, "415");
    } else if (!call_accept(call)) {
        return false;
    } else if (call->bad_encoding) {
        call_abort(call, GRPC_UNIMPLEMENTED, "grpc: compressed messages are not supported");
    } else if (h2_queued(call->sc->h2) > LIMIT_CONN_REPLY_BYTES) {
        call_abort(call, GRPC_RESOURCE_EXHAUSTED, "too many unread replies on this connection");
    }
    return !call->ended;
}

static void deadline_start(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    heap_push(&s->deadlines, &call->deadline, call->deadline_ms);
    if (heap_peek(&s->deadlines) == &call->deadline) {
        timer_start_at(&s->deadline_timer, call->deadline_ms);
    }
}

void call_headers_end(struct rpc_call *call)
{
    if (call->began) {
        return;
    }
    call->began = true;
    if (accept_grpc(call)) {
        call_go(call);
    }
}

void call_go(struct rpc_call *call)
{
    method_count_started(call->method);
    if (call->deadline_ms != UINT64_MAX) {
        deadline_start(call);
    }
    const struct rpc_method *m = call->method->method;
    if (m->kind == RPC_STREAM) {
        call->in_handler = true;
        if (m->start != NULL) {
            m->start(call);
        }
    }
}

/* --- messages --------------------------------------------------------------------------------- */

static void refuse_message(struct rpc_call *call, int rv, size_t len)
{
    switch (rv) {
    case E_TOOBIG:
        call_abort(call, GRPC_RESOURCE_EXHAUSTED,
                   arena_printf(&call->arena,
                                "grpc: received message larger than max (%zu vs. %zu)", len,
                                call->server->max_recv_bytes));
        break;
    case E_UNSUPPORTED:
        call_abort(call, GRPC_UNIMPLEMENTED, "grpc: compressed messages are not supported");
        break;
    default:
        break; /* E_CANCELED: the call has ended meanwhile */
    }
}

/* The peer goes on asking on an open stream and, with its window closed, reads no answer. */
static bool answers_pile_up(const struct rpc_call *call)
{
    return h2_queued(call->sc->h2) > LIMIT_CONN_REPLY_BYTES &&
           call->stream.queued > LIMIT_STREAM_ASK_BYTES;
}

/* The request is whole, or nobody waits for its end any more. */
static void msg_uncount(struct rpc_call *call)
{
    call->sc->partial_bytes -= call->msg_bytes;
    call->msg_bytes = 0;
}

static bool on_message(void *arg, struct slice payload)
{
    struct rpc_call *call = arg;
    const struct rpc_method *m = call->method->method;
    bool unary = m->kind == RPC_UNARY;
    if (call->server->received != NULL) {
        metric_add(call->server->received, (double)payload.len);
    }
    if (unary && call->msg != NULL) {
        call_abort(call, GRPC_INTERNAL, "grpc: more than one request message in a unary call");
        return false;
    }
    struct arena *arena = unary ? &call->arena : &call->server->scratch;
    ProtobufCMessage *msg = pb_unpack(m->request, payload, arena, PB_SERVER_SUBMESSAGES_MAX);
    if (msg == NULL) {
        call_abort(call, GRPC_INTERNAL, "grpc: error unmarshalling request");
    } else if (unary) {
        call->msg = msg;
        call->msg_bytes = arena->used_bytes; /* what it became, not what it was on the wire */
        call->sc->partial_bytes += call->msg_bytes;
    } else if (answers_pile_up(call)) {
        call_abort(call, GRPC_UNAVAILABLE, "too many unread answers on this connection");
    } else {
        m->message(call, msg);
    }
    if (!unary) {
        arena_reset(arena);
    }
    return !call->ended;
}

void call_data(struct rpc_call *call, struct slice bytes)
{
    struct server_conn *sc = call->sc;
    if (call->ended || !call->began) {
        return;
    }
    size_t len = 0;
    size_t before = call->reader.part.len;
    int rv = grpc_reader_feed(&call->reader, bytes, on_message, call, &len);
    if (rv != 0) {
        grpc_reader_fini(&call->reader);
        refuse_message(call, rv, len);
    }
    sc->partial_bytes += call->reader.part.len - before;
    if (sc->partial_bytes > LIMIT_CONN_PARTIAL_BYTES) {
        sc->partial_bytes -= call->reader.part.len;
        grpc_reader_fini(&call->reader);
        call_abort(call, GRPC_RESOURCE_EXHAUSTED, "too many unfinished requests");
    }
}

void call_remote_end(struct rpc_call *call)
{
    if (call->ended || !call->began) {
        return;
    }
    const struct rpc_method *m = call->method->method;
    if (!grpc_reader_clean(&call->reader)) {
        call_abort(call, GRPC_INTERNAL, "grpc: the request ends inside a message");
    } else if (m->kind == RPC_UNARY) {
        if (call->msg == NULL) {
            call_abort(call, GRPC_INTERNAL, "grpc: no request message");
            return;
        }
        msg_uncount(call);
        call_unary(call, call->msg);
    } else {
        call_half_close(call);
    }
}

void call_unary(struct rpc_call *call, ProtobufCMessage *msg)
{
    if (mem_is_low()) {
        abort_err(call, E_NOMEM);
        return;
    }
    call->in_handler = true;
    call->method->method->message(call, msg);
}

void call_half_close(struct rpc_call *call)
{
    const struct rpc_method *m = call->method->method;
    if (m->half_close != NULL) {
        m->half_close(call);
    } else if (!call->finished) {
        rpc_finish(call, GRPC_OK, "");
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void call_tell_closed(struct rpc_call *call)
{
    if (!call->in_handler || call->finished || call->closed_told) {
        return;
    }
    call->closed_told = true;
    const struct rpc_method *m = call->method->method;
    if (m->closed != NULL) {
        m->closed(call);
    } else if (m->kind == RPC_STREAM) {
        call->finished = true; /* nobody else would */
    }
}

void call_stream_gone(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    if (!call->ended) {
        call->ended = true;
        if (call->began && call->method != NULL) {
            method_count_handled(s, call->method, GRPC_CANCELED);
        }
    }
    heap_remove(&s->deadlines, &call->deadline);
    list_remove(&call->blocked);
    call->sc->partial_bytes -= call->reader.part.len;
    msg_uncount(call);
    grpc_reader_fini(&call->reader);
    call_tell_closed(call);
    list_remove(&call->link);
    call->sc = NULL;
    call->gone = true;
    call_release(call);
}
