/* The JSON gateway: a method's call whose wire is HTTP/1.1 and JSON.
 *
 *   POST /v3/kv/put {...}  -> call_unary -> rpc_reply  -> 200 {...}         | 4xx/5xx {"error":...}
 *   POST /v3/watch  {...}* -> message*   -> rpc_send*  -> 200 {"result":{...}} lines, in chunks
 *
 * The handlers, deadlines, counters and refusals are those of gRPC: only call_wire differs. One
 * call at a time is under way on a connection; what the client sends ahead waits, and a reader that
 * does not read stops the source (rpc_writable) and then the requests of its own stream.
 *
 * Shapes and statuses are grpc-gateway's as etcd 3.5 has it. */
#include <stdio.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/rpc/pb.h"
#include "lib/rpc/pb_json.h"
#include "lib/rpc/server_int.h"

enum { LARGE_BYTES = 1024 * 1024, GROWTH = 4, LONGEST_ROUTE = 128 };

/* --- the table -------------------------------------------------------------------------------- */

void rpc_server_gateway(struct rpc_server *s, const struct rpc_gateway_route *routes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)map_put_str(&s->gateway, routes[i].path, (void *)(uintptr_t)&routes[i]);
    }
}

/* /v3beta/ is what etcd 3.3 called /v3/; 3.4 to 3.6 take it still. */
const struct rpc_gateway_route *gateway_find(const struct rpc_server *s, const char *path)
{
    char now[LONGEST_ROUTE];
    if (str_starts(path, "/v3beta/")) {
        snprintf(now, sizeof now, "/v3/%s", path + strlen("/v3beta/"));
        path = now;
    }
    return map_get_str(&s->gateway, path);
}

static bool is_stream(const struct rpc_call *call)
{
    return call->method != NULL && call->method->method->kind == RPC_STREAM;
}

bool gateway_is_stream(struct rpc_server *s, const struct rpc_gateway_route *route)
{
    const struct method_entry *m = method_find(s, slice_str(route->method));
    return m != NULL && m->method->kind == RPC_STREAM;
}

/* --- answers ---------------------------------------------------------------------------------- */

static int http_status(enum grpc_code code)
{
    static const int statuses[] = {
        [GRPC_OK] = 200,
        [GRPC_CANCELED] = 408,
        [GRPC_UNKNOWN] = 500,
        [GRPC_INVALID_ARGUMENT] = 400,
        [GRPC_DEADLINE_EXCEEDED] = 504,
        [GRPC_NOT_FOUND] = 404,
        [GRPC_ALREADY_EXISTS] = 409,
        [GRPC_PERMISSION_DENIED] = 403,
        [GRPC_RESOURCE_EXHAUSTED] = 429,
        [GRPC_FAILED_PRECONDITION] = 400,
        [GRPC_ABORTED] = 409,
        [GRPC_OUT_OF_RANGE] = 400,
        [GRPC_UNIMPLEMENTED] = 501,
        [GRPC_INTERNAL] = 500,
        [GRPC_UNAVAILABLE] = 503,
        [GRPC_DATA_LOSS] = 500,
        [GRPC_UNAUTHENTICATED] = 401,
    };
    return (size_t)code < ARRAY_LEN(statuses) ? statuses[code] : 500;
}

static void answer(struct server_conn *sc, int status, struct slice body, bool keep)
{
    struct buf out = BUF_INIT;
    http1_write(&out, status, "application/json", buf_slice(&sc->headers), body, keep, false);
    conn_write_buf(sc->conn, &out);
}

/* "error" is for the clients of etcd up to 3.6, "details" for those of later ones. */
void gateway_refuse(struct server_conn *sc, enum grpc_code code, const char *text, bool keep)
{
    autobuf body = BUF_INIT;
    buf_append_str(&body, "{\"error\":");
    json_quote(slice_str(text), &body);
    buf_append_str(&body, ",\"message\":");
    json_quote(slice_str(text), &body);
    buf_printf(&body, ",\"code\":%d,\"details\":[]}", (int)code);
    answer(sc, http_status(code), buf_slice(&body), keep);
}

/* What is left of the request's body is not read: the next request cannot be found. */
static bool keeps(const struct server_conn *sc)
{
    return sc->exchange.keep && http1_body_done(&sc->http1) && !sc->server->stopping;
}

static void write_chunk(struct server_conn *sc, struct slice line)
{
    struct buf out = BUF_INIT;
    if (sc->exchange.chunked) {
        buf_printf(&out, "%zx\r\n", line.len);
    }
    buf_append_slice(&out, line);
    buf_append_str(&out, sc->exchange.chunked ? "\r\n" : "");
    conn_write_buf(sc->conn, &out);
}

static void begin_stream(struct server_conn *sc)
{
    struct exchange *x = &sc->exchange;
    if (!x->began) {
        struct buf out = BUF_INIT;
        x->began = true;
        x->keep = x->keep && x->chunked;
        http1_write_head(&out, 200, "application/json", buf_slice(&sc->headers), x->keep,
                         x->chunked);
        conn_write_buf(sc->conn, &out);
    }
}

/* --- the call's wire -------------------------------------------------------------------------- */

/* An answer is held three times while it is made: packed, unpacked, as text. */
static bool has_room(size_t packed_bytes)
{
    return packed_bytes <= LARGE_BYTES || mem_has_room(GROWTH * packed_bytes);
}

static int json_message(struct rpc_call *call, const ProtobufCMessage *msg)
{
    struct exchange *x = &call->sc->exchange;
    if (!has_room(protobuf_c_message_get_packed_size(msg))) {
        return E_NOMEM;
    }
    if (!is_stream(call)) {
        pb_json_write(msg, &x->answer);
        return 0;
    }
    autobuf line = BUF_INIT;
    buf_append_str(&line, "{\"result\":");
    pb_json_write(msg, &line);
    buf_append_str(&line, "}\n");
    begin_stream(call->sc);
    write_chunk(call->sc, buf_slice(&line));
    return 0;
}

/* Our own bytes: they unpack. */
static int json_packed(struct rpc_call *call, struct buf *message)
{
    if (!has_room(message->len)) {
        return E_NOMEM;
    }
    struct arena arena;
    arena_init(&arena);
    const ProtobufCMessage *msg =
        pb_unpack(call->sc->exchange.route->response, buf_slice(message), &arena, SIZE_MAX);
    INVARIANT(msg != NULL);
    int rv = json_message(call, msg);
    arena_fini(&arena);
    return rv;
}

static int json_parts(struct rpc_call *call, struct slice head, struct value *const *shared,
                      size_t n)
{
    autobuf whole = BUF_INIT;
    buf_append_slice(&whole, head);
    for (size_t i = 0; i < n; i++) {
        buf_append_slice(&whole, value_slice(shared[i]));
    }
    return json_packed(call, &whole);
}

/* Behind the last message: a line with the error, if there is one, and the end of the chunks. */
static void end_stream(struct server_conn *sc, enum grpc_code code, const char *text)
{
    begin_stream(sc);
    if (code != GRPC_OK) {
        autobuf line = BUF_INIT;
        int status = http_status(code);
        buf_printf(&line, "{\"error\":{\"grpc_code\":%d,\"http_code\":%d,\"message\":", (int)code,
                   status);
        json_quote(slice_str(text), &line);
        buf_printf(&line, ",\"http_status\":\"%s\"}}\n", http1_reason(status));
        write_chunk(sc, buf_slice(&line));
    }
    if (sc->exchange.chunked) {
        conn_write(sc->conn, slice_str("0\r\n\r\n"));
    }
    sc->exchange.keep = keeps(sc);
}

static void json_status(struct rpc_call *call, enum grpc_code code, const char *text)
{
    struct server_conn *sc = call->sc;
    struct exchange *x = &sc->exchange;
    if (x->began || (is_stream(call) && code == GRPC_OK)) {
        end_stream(sc, code, text);
        return;
    }
    x->keep = keeps(sc);
    if (code == GRPC_OK) {
        answer(sc, 200, buf_slice(&x->answer), x->keep);
    } else {
        gateway_refuse(sc, code, text, x->keep);
    }
}

/* Below the high mark the connection calls nobody when it has drained: then nothing counts. */
static size_t json_queued(const struct rpc_call *call)
{
    return conn_congested(call->sc->conn) ? conn_queued(call->sc->conn) : 0;
}

static const struct call_wire json_wire = {
    json_message, json_parts, json_packed, json_status, json_queued,
};

/* --- requests --------------------------------------------------------------------------------- */

static bool same_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp((const char *)s.data, word, s.len) == 0;
}

/* What of an HTTP header is metadata: "Authorization", "Grpc-Timeout", "Grpc-Metadata-<name>". */
static void take_headers(struct rpc_call *call, const struct http1 *h)
{
    static const char prefix[] = "grpc-metadata-";
    struct slice name, value;
    for (size_t at = 0; http1_header(h, &at, &name, &value);) {
        bool meta = name.len > sizeof prefix - 1 &&
                    strncasecmp((const char *)name.data, prefix, sizeof prefix - 1) == 0;
        if (!meta && !same_word(name, "authorization") && !same_word(name, "grpc-timeout")) {
            continue;
        }
        autobuf lower = BUF_INIT;
        for (size_t i = meta ? sizeof prefix - 1 : 0; i < name.len; i++) {
            uint8_t b = name.data[i];
            buf_append_char(&lower, (char)(b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b));
        }
        call_header(call, buf_slice(&lower), value);
    }
}

static void ask_unary(struct rpc_call *call)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *msg;
    int rv = pb_json_read(call->method->method->request, http1_body(&call->sc->http1), &call->arena,
                          PB_SERVER_SUBMESSAGES_MAX, &msg, &err);
    if (rv != 0) {
        call_abort(call, GRPC_INVALID_ARGUMENT, err.msg);
    } else {
        call_unary(call, msg);
    }
}

void gateway_begin(struct server_conn *sc, const struct rpc_gateway_route *route,
                   const struct http1_request *req)
{
    struct rpc_call *call = call_new(sc);
    sc->exchange = (struct exchange){ .call = call, .route = route, .keep = req->keep_alive,
                                      .chunked = !sc->http1.http10 };
    call->wire = &json_wire;
    call->method = method_find(sc->server, slice_str(route->method));
    call->unknown_path = route->method;
    take_headers(call, &sc->http1);
    call->began = true;
    if (!call_accept(call)) {
        return;
    }
    call_go(call);
    if (!is_stream(call)) {
        ask_unary(call);
    }
}

/* One request of a stream. */
static void ask_stream(struct rpc_call *call, struct slice text)
{
    struct arena *arena = &call->server->scratch;
    struct err err = ERR_INIT;
    ProtobufCMessage *msg;
    const struct rpc_method *m = call->method->method;
    int rv = pb_json_read(m->request, text, arena, PB_SERVER_SUBMESSAGES_MAX, &msg, &err);
    if (rv != 0) {
        call_abort(call, GRPC_INVALID_ARGUMENT, err.msg);
    } else {
        m->message(call, msg);
    }
    arena_reset(arena);
}

static bool only_blanks(struct slice text)
{
    struct json_cursor c;
    json_cursor_init(&c, text);
    return json_read_end(&c) == 0;
}

/* The request's body is over. */
static void asked_all(struct server_conn *sc)
{
    struct exchange *x = &sc->exchange;
    x->asked_all = true;
    if (!only_blanks(http1_body(&sc->http1))) {
        call_abort(x->call, GRPC_INVALID_ARGUMENT, "JSON: the text ends in an object");
    } else if (!x->route->stays) {
        call_half_close(x->call);
    }
}

static bool step_stream(struct server_conn *sc)
{
    struct exchange *x = &sc->exchange;
    struct http1 *h = &sc->http1;
    int status = http1_pull(h);
    if (status == 100) {
        conn_write(sc->conn, slice_str("HTTP/1.1 100 Continue\r\n\r\n"));
    } else if (status != 0) {
        call_abort(x->call, status == 413 ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT,
                   status == 413 ? "a request is too large" : "malformed chunks");
        return true;
    }
    int64_t len = json_frame_next(&x->frame, http1_body(h));
    if (len > 0) {
        x->frame = (struct json_frame){ .seen = 0 };
        ask_stream(x->call, slice_make(http1_body(h).data, (size_t)len));
        http1_take(h, (size_t)len);
        return true;
    }
    if (len < 0) {
        call_abort(x->call, GRPC_INVALID_ARGUMENT, "JSON: an object is wanted");
        return true;
    }
    if (http1_body_done(h) && !x->asked_all) {
        asked_all(sc);
        return true;
    }
    return false;
}

/* --- ends ------------------------------------------------------------------------------------- */

void gateway_abort(struct server_conn *sc)
{
    struct rpc_call *call = TAKE(sc->exchange.call);
    buf_fini(&sc->exchange.answer);
    if (call != NULL) {
        call_stream_gone(call);
    }
}

bool gateway_step(struct server_conn *sc)
{
    struct exchange *x = &sc->exchange;
    if (!x->call->ended) {
        return is_stream(x->call) && step_stream(sc);
    }
    gateway_abort(sc);
    if (x->keep) {
        http1_done(&sc->http1);
    } else {
        sc->broken = true;
        server_conn_dirty(sc);
    }
    return true;
}
