/* One connection of the server. The first bytes tell the protocol: the HTTP/2 preface ("PRI * ...")
 * or an HTTP/1 request line. From then on bytes are fed to an h2 session or to http1's parser.
 *
 * An HTTP/1 request is answered at once, or later (struct http_reply), or is a call of the JSON
 * gateway (gateway.c).
 *
 * Back-pressure: frames go to the conn until it is congested (CONN_HIGH_WATER), then they stay in
 * the streams' queues, where rpc_writable sees them; reading stops too, until the conn has drained.
 * Ways to fail: bytes that are neither protocol, a broken session, a flood, an over-long head: the
 * last words are sent (GOAWAY, an HTTP status) and the connection closes. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/h2_conn.h"
#include "lib/rpc/server_int.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum {
    SNIFF_BYTES = 4, /* "PRI " decides: no HTTP/1 method begins so */
    STREAM_WINDOW = 1024 * 1024,
    CONN_WINDOW = 16 * 1024 * 1024,
    WAKE_ROUNDS = 4,
};

static void conn_break(struct server_conn *sc)
{
    sc->broken = true;
    server_conn_dirty(sc);
}

void server_conn_dirty(struct server_conn *sc)
{
    if (list_empty(&sc->dirty)) {
        list_push_back(&sc->server->dirty, &sc->dirty);
        loop_at_turn_end(sc->server->loop, &sc->server->flush);
    }
}

/* --- HTTP/2 events: each belongs to a call ---------------------------------------------------- */

static struct rpc_call *call_of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct rpc_call, stream);
}

static struct h2_stream *ev_open(void *arg)
{
    struct server_conn *sc = arg;
    return sc->server->stopping ? NULL : &call_new(sc)->stream;
}

static void ev_header(void *arg, struct h2_stream *s, struct slice name, struct slice value)
{
    (void)arg;
    call_header(call_of(s), name, value);
}

static void ev_headers_end(void *arg, struct h2_stream *s)
{
    (void)arg;
    call_headers_end(call_of(s));
}

static void ev_data(void *arg, struct h2_stream *s, struct slice bytes)
{
    (void)arg;
    call_data(call_of(s), bytes);
}

static void ev_remote_end(void *arg, struct h2_stream *s)
{
    (void)arg;
    call_remote_end(call_of(s));
}

static void ev_close(void *arg, struct h2_stream *s, uint32_t code)
{
    (void)arg;
    (void)code;
    call_stream_gone(call_of(s));
}

const struct h2_events server_h2_events = {
    .open = ev_open,
    .header = ev_header,
    .headers_end = ev_headers_end,
    .data = ev_data,
    .remote_end = ev_remote_end,
    .close = ev_close,
};

/* --- output ----------------------------------------------------------------------------------- */

static void flush_h2(struct server_conn *sc)
{
    for (int round = 0; round < WAKE_ROUNDS; round++) {
        if (h2_pull_into_conn(sc->h2, sc->conn) != 0) {
            sc->broken = true;
            break;
        }
        list_remove(&sc->dirty);
        calls_wake_writable(sc);
        if (list_empty(&sc->dirty)) {
            break;
        }
    }
    if (sc->broken || h2_flooded(sc->h2) || h2_done(sc->h2)) {
        conn_close_after_flush(sc->conn, CLOSE_LINGER_MS);
    } else {
        conn_pause_read(sc->conn, conn_congested(sc->conn));
    }
}

/* --- HTTP/1 ----------------------------------------------------------------------------------- */

static const struct http_route *route_find(const struct server_conn *sc, const char *method,
                                           const char *path, bool *ret_path_known)
{
    const struct rpc_server *s = sc->server;
    *ret_path_known = false;
    for (size_t i = 0; i < s->n_routes; i++) {
        size_t n = (s->routes[i].where & sc->serves) != 0 ? s->routes[i].n : 0;
        for (size_t j = 0; j < n; j++) {
            const struct http_route *r = &s->routes[i].routes[j];
            if (strcmp(r->path, path) == 0) {
                *ret_path_known = true;
                if (strcmp(r->method, method) == 0) {
                    return r;
                }
            }
        }
    }
    return NULL;
}

static void http1_answer(struct server_conn *sc, int status, const char *type, struct slice body,
                         bool keep_alive, bool head_only)
{
    struct buf out = BUF_INIT;
    http1_write(&out, status, type, buf_slice(&sc->headers), body, keep_alive, head_only);
    conn_write_buf(sc->conn, &out);
    if (!keep_alive) {
        conn_break(sc);
    }
}

static void refuse_method(struct server_conn *sc, const char *text, bool keep, bool head)
{
    http1_answer(sc, 405, "text/plain; charset=utf-8", slice_str(text), keep, head);
}

void http_reply_send(struct http_reply *reply, struct http_response *response)
{
    struct server_conn *sc = reply->sc;
    if (sc != NULL) {
        sc->reply = NULL;
        http1_answer(sc, response->status, response->content_type, buf_slice(&response->body),
                     reply->keep && !sc->server->stopping, reply->head);
        http1_done(&sc->http1);
        server_conn_dirty(sc); /* the next request may be there already */
    }
    buf_fini(&response->body);
    mem_free(reply);
}

/* True when the request has been answered; false when http_reply_send will do or has done all. */
static bool http1_serve(struct server_conn *sc, const struct http1_request *req)
{
    bool path_known;
    bool head = strcmp(req->method, "HEAD") == 0;
    bool keep = req->keep_alive && !sc->server->stopping;
    const char *method = head ? "GET" : req->method;
    const struct http_route *route = route_find(sc, method, req->path, &path_known);
    if (route == NULL && path_known) {
        refuse_method(sc, "method not allowed\n", keep, head);
        return true;
    }
    if (route == NULL) {
        http1_answer(sc, 404, "text/plain; charset=utf-8", slice_str("404 page not found\n"), keep,
                     head);
        return true;
    }
    struct http_request request = { method, req->path, req->query, req->body };
    if (route->begin != NULL) {
        sc->reply = mem_zalloc(sizeof *sc->reply);
        *sc->reply = (struct http_reply){ .sc = sc, .keep = keep, .head = head };
        route->begin(sc->server->arg, &request, sc->reply);
        return false;
    }
    struct http_response response = { .status = 200, .content_type = "text/plain; charset=utf-8" };
    route->handler(sc->server->arg, &request, &response);
    http1_answer(sc, response.status, response.content_type, buf_slice(&response.body), keep, head);
    buf_fini(&response.body);
    return true;
}

/* A request's head is there. A stream begins with it, everything else wants the whole body. Returns
 * what http1_next does. */
static int http1_take_request(struct server_conn *sc, struct http1_request *ret_req,
                              const struct rpc_gateway_route **ret_route)
{
    int status = http1_head(&sc->http1, ret_req);
    if (status != 200) {
        return status;
    }
    const struct rpc_gateway_route *route =
        (sc->serves & RPC_SERVES_HTTP) != 0 ? gateway_find(sc->server, ret_req->path) : NULL;
    *ret_route = route;
    bool stream = route != NULL && strcmp(ret_req->method, "POST") == 0 &&
                  gateway_is_stream(sc->server, route);
    return stream ? 200 : http1_next(&sc->http1, ret_req);
}

/* By the rules of who may ask; or an OPTIONS request, which these answer. */
static bool http1_refused(struct server_conn *sc, const struct http1_request *req)
{
    autobuf body = BUF_INIT;
    if ((sc->serves & RPC_SERVES_HTTP) == 0) {
        return false;
    }
    int status = http_access_check(&sc->server->access, &sc->http1, req, &sc->headers, &body);
    if (status == 0) {
        return false;
    }
    bool keep = req->keep_alive && !sc->server->stopping && http1_body_done(&sc->http1);
    http1_answer(sc, status, "text/plain; charset=utf-8", buf_slice(&body), keep,
                 strcmp(req->method, "HEAD") == 0);
    if (keep) {
        http1_done(&sc->http1);
    }
    return true;
}

/* One request, or what has come of it. False: more bytes are needed, or nothing more is read. */
static bool http1_step(struct server_conn *sc)
{
    struct http1_request req;
    const struct rpc_gateway_route *route = NULL;
    int status = http1_take_request(sc, &req, &route);
    if (status == 100) {
        conn_write(sc->conn, slice_str("HTTP/1.1 100 Continue\r\n\r\n"));
        return false;
    }
    if (status == 0) {
        return false;
    }
    if (status != 200) {
        buf_reset(&sc->headers);
        http1_answer(sc, status, NULL, slice_str(""), false, false);
        return false;
    }
    if (http1_refused(sc, &req)) {
        return true;
    }
    bool post = strcmp(req.method, "POST") == 0;
    if (route != NULL && post) {
        gateway_begin(sc, route, &req);
        return true;
    }
    if (route != NULL) {
        refuse_method(sc, "Method Not Allowed\n", req.keep_alive && !sc->server->stopping,
                      strcmp(req.method, "HEAD") == 0);
    } else if (!http1_serve(sc, &req)) {
        return true;
    }
    http1_done(&sc->http1);
    return true;
}

static bool http1_busy(const struct server_conn *sc)
{
    return sc->exchange.call != NULL || sc->reply != NULL;
}

/* While a call is under way nothing is read but its own body, and a little of what comes next. */
static bool reads_enough(const struct server_conn *sc)
{
    return http1_busy(sc) && http1_body_done(&sc->http1) &&
           http1_ahead(&sc->http1) > LIMIT_HTTP1_HEAD_BYTES;
}

static void http1_run(struct server_conn *sc)
{
    while (!sc->broken && !conn_congested(sc->conn)) {
        bool went_on = sc->exchange.call != NULL ? gateway_step(sc)
                                                 : sc->reply == NULL && http1_step(sc);
        if (!went_on) {
            break;
        }
    }
    conn_pause_read(sc->conn, conn_congested(sc->conn) || reads_enough(sc));
}

void server_conn_flush(struct server_conn *sc)
{
    if (sc->mode == MODE_H2) {
        flush_h2(sc);
    } else if (sc->broken) {
        conn_close_after_flush(sc->conn, CLOSE_LINGER_MS);
    } else if (sc->mode == MODE_HTTP1) {
        list_remove(&sc->dirty);
        calls_wake_writable(sc);
        http1_run(sc);
    }
}

/* --- input ------------------------------------------------------------------------------------ */

static void begin_h2(struct server_conn *sc)
{
    struct h2_options o = {
        .server = true,
        .streams_max = sc->server->streams_max,
        .header_bytes_max = LIMIT_HEADER_BYTES,
        .stream_window = STREAM_WINDOW,
        .conn_window = CONN_WINDOW,
        .queued_total = &sc->server->queued,
    };
    sc->mode = MODE_H2;
    sc->h2 = h2_new(&o, &server_h2_events, sc);
}

static void begin_http1(struct server_conn *sc)
{
    sc->mode = MODE_HTTP1;
    http1_init(&sc->http1, sc->server->max_recv_bytes);
}

/* Decides as early as possible; false while the bytes so far could be either. Whoever speaks what
 * this port does not serve is cut off: no answer of ours would be one of its protocol. */
static bool sniff(struct server_conn *sc, struct slice bytes)
{
    size_t n = bytes.len < SNIFF_BYTES ? bytes.len : SNIFF_BYTES;
    bool h2 = memcmp(bytes.data, preface, n) == 0;
    if (h2 && n < SNIFF_BYTES) {
        return false;
    }
    if ((sc->serves & (h2 ? RPC_SERVES_GRPC : RPC_SERVES_HTTP | RPC_SERVES_PROBES)) == 0) {
        sc->broken = true;
        conn_close(sc->conn);
    } else if (h2) {
        begin_h2(sc);
    } else {
        begin_http1(sc);
    }
    return true;
}

static void feed(struct server_conn *sc, struct slice bytes)
{
    if (sc->broken) {
        return;
    }
    if (sc->mode == MODE_HTTP1) {
        http1_feed(&sc->http1, bytes);
        http1_run(sc);
        return;
    }
    if (h2_feed(sc->h2, bytes, sc->last_read_ms) != 0) {
        sc->broken = true;
    }
    server_conn_dirty(sc);
}

static void on_read(void *arg, struct slice bytes)
{
    struct server_conn *sc = arg;
    sc->last_read_ms = loop_now_ms(sc->server->loop);
    if (sc->mode != MODE_SNIFF) {
        feed(sc, bytes);
        return;
    }
    if (sc->sniff.len == 0 && sniff(sc, bytes)) {
        feed(sc, bytes);
        return;
    }
    buf_append_slice(&sc->sniff, bytes);
    if (sniff(sc, buf_slice(&sc->sniff))) {
        feed(sc, buf_slice(&sc->sniff));
        buf_fini(&sc->sniff);
    }
}

static void on_drain(void *arg)
{
    struct server_conn *sc = arg;
    conn_pause_read(sc->conn, false);
    server_conn_dirty(sc);
}

static void on_close(void *arg, int status)
{
    (void)status;
    struct server_conn *sc = arg;
    struct rpc_server *s = sc->server;
    if (sc->mode == MODE_H2) {
        h2_close_all(sc->h2, H2_CANCEL);
        h2_free(sc->h2);
    } else if (sc->mode == MODE_HTTP1) {
        gateway_abort(sc);
        http1_fini(&sc->http1);
        if (sc->reply != NULL) {
            sc->reply->sc = NULL;
        }
    }
    INVARIANT(list_empty(&sc->blocked));
    buf_fini(&sc->sniff);
    buf_fini(&sc->headers);
    list_remove(&sc->dirty);
    list_remove(&sc->link);
    mem_free(sc);
    s->n_conns--;
    server_check_stopped(s);
}

void server_conn_new(struct rpc_server *s, struct conn *c, enum rpc_serves what)
{
    static const struct conn_events events = { on_read, on_drain, on_close };
    struct server_conn *sc = mem_zalloc(sizeof *sc);
    sc->server = s;
    sc->conn = c;
    sc->serves = what;
    sc->last_read_ms = loop_now_ms(s->loop);
    list_init(&sc->dirty);
    list_init(&sc->calls);
    list_init(&sc->blocked);
    list_push_back(&s->conns, &sc->link);
    s->n_conns++;
    conn_set_high_water(c, CONN_HIGH_WATER);
    conn_set_events(c, &events, sc);
}

/* --- housekeeping ----------------------------------------------------------------------------- */

/* A connection that asks nothing ends after a while; one whose call is under way when its reader
 * takes nothing. */
static void sweep_http1(struct server_conn *sc, uint64_t idle_ms)
{
    size_t queued = conn_queued(sc->conn);
    sc->stalls = queued > 0 && queued == sc->swept_queued ? sc->stalls + 1 : 0;
    sc->swept_queued = queued;
    if (sc->stalls > STALL_SWEEPS || (!http1_busy(sc) && idle_ms > HTTP1_IDLE_MS)) {
        conn_close(sc->conn);
    }
}

void server_conn_sweep(struct server_conn *sc)
{
    uint64_t idle_ms = loop_now_ms(sc->server->loop) - sc->last_read_ms;
    switch (sc->mode) {
    case MODE_SNIFF:
        if (idle_ms > SNIFF_TIMEOUT_MS) {
            conn_close(sc->conn);
        }
        break;
    case MODE_HTTP1:
        sweep_http1(sc, idle_ms);
        break;
    case MODE_H2:
        h2_sweep(sc->h2, STALL_SWEEPS);
        server_conn_dirty(sc);
        break;
    }
}

/* Any byte is an answer. While reading is paused none can be seen: the sweep judges that reader. */
void server_conn_keepalive(struct server_conn *sc, uint64_t now_ms)
{
    if (sc->mode != MODE_H2 || sc->broken || conn_congested(sc->conn)) {
        sc->pinged_ms = 0;
        return;
    }
    if (sc->pinged_ms != 0 && sc->last_read_ms >= sc->pinged_ms) {
        sc->pinged_ms = 0;
    }
    if (sc->pinged_ms != 0) {
        if (now_ms - sc->pinged_ms >= sc->server->keepalive_timeout_ms) {
            conn_close(sc->conn);
        }
    } else if (now_ms - sc->last_read_ms >= sc->server->keepalive_interval_ms) {
        sc->pinged_ms = now_ms;
        h2_ping(sc->h2);
        server_conn_dirty(sc);
    }
}

void server_conn_shutdown(struct server_conn *sc)
{
    if (sc->mode != MODE_H2 && !http1_busy(sc)) {
        conn_break(sc);
        return;
    }
    if (sc->mode == MODE_HTTP1) {
        if (sc->exchange.call != NULL && gateway_is_stream(sc->server, sc->exchange.route)) {
            call_abort(sc->exchange.call, GRPC_UNAVAILABLE, "etcdserver: server stopped");
        }
        return; /* the answer of what is under way closes the connection */
    }
    h2_shutdown(sc->h2);
    LIST_FOREACH_SAFE (it, &sc->calls) {
        struct rpc_call *call = LIST_ENTRY(it, struct rpc_call, link);
        if (call->method != NULL && call->method->method->kind == RPC_STREAM) {
            call_abort(call, GRPC_UNAVAILABLE, "etcdserver: server stopped");
        }
    }
    server_conn_dirty(sc);
}
