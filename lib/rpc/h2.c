/* HTTP/2 sessions. nghttp2 does framing, HPACK, flow control and the stream states; here are the
 * output queues, the flood counters and the shape of events.
 *
 * nghttp2's checks of HTTP header rules are off: gRPC clients send :authority values that they
 * refuse ("http://host:port", "#initially=[...]"). The call layer checks what it uses. */
#include "lib/rpc/h2.h"

#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "lib/rpc/h2_int.h"

enum {
    FLOOD_WINDOW_MS = 1000,
    RESET_BURST = 20000, /* nghttp2's own limit of resets; FLOOD_RST is reached first */
    RESET_RATE = 10000,
    HEADERS_MAX = 32,
};

/* How many of each kind in FLOOD_WINDOW_MS end in GOAWAY. */
static const uint32_t flood_max[FLOOD_KINDS] = {
    [FLOOD_PING] = 200,       [FLOOD_SETTINGS] = 50, [FLOOD_RST] = 15000,
    [FLOOD_EMPTY_DATA] = 200, [FLOOD_OTHER] = 1000,
};

/* --- streams ---------------------------------------------------------------------------------- */

void h2_stream_init(struct h2_stream *s)
{
    *s = (struct h2_stream){ .id = 0 };
    list_init(&s->link);
    list_init(&s->chunks);
}

static void stream_attach(struct h2 *h2, struct h2_stream *s, int32_t id)
{
    s->h2 = h2;
    s->id = id;
    h2_count_queued(h2, s->queued, 0);
    list_push_back(&h2->streams, &s->link);
}

static void stream_close(struct h2 *h2, struct h2_stream *s, uint32_t code)
{
    h2_count_queued(h2, 0, s->queued);
    list_remove(&s->link);
    s->h2 = NULL;
    h2_stream_fini(s);
    h2->events->close(h2->arg, s, code);
}

void h2_respond(struct h2_stream *s, const struct h2_header *headers, size_t n, bool end)
{
    if (s->h2 == NULL) {
        return;
    }
    PRE(n <= HEADERS_MAX);
    nghttp2_nv nv[HEADERS_MAX];
    nghttp2_data_provider provider = { .source = { .ptr = NULL }, .read_callback = h2_read_data };
    h2_headers_to_nv(headers, n, nv);
    if (end) {
        s->ended = true;
    }
    nghttp2_submit_response(s->h2->session, s->id, nv, n, end ? NULL : &provider);
}

int h2_request(struct h2 *h2, struct h2_stream *s, const struct h2_header *headers, size_t n)
{
    PRE(n <= HEADERS_MAX);
    nghttp2_nv nv[HEADERS_MAX];
    nghttp2_data_provider provider = { .source = { .ptr = NULL }, .read_callback = h2_read_data };
    h2_headers_to_nv(headers, n, nv);
    if (nghttp2_session_check_request_allowed(h2->session) == 0) {
        return E_UNAVAILABLE;
    }
    int32_t id = nghttp2_submit_request(h2->session, NULL, nv, n, &provider, s);
    if (id < 0) {
        return E_UNAVAILABLE;
    }
    stream_attach(h2, s, id);
    return 0;
}

void h2_reset(struct h2_stream *s, uint32_t code)
{
    if (s->h2 != NULL) {
        nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, code);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

/* Servers only: a client chose its server. grpc-go pings after every answer to measure the path,
 * on both sides: one ping for what was sent since the last is not counted at all. */
static void flood_count(struct h2 *h2, enum flood kind)
{
    if (!h2->server) {
        return;
    }
    if (h2->now_ms - h2->flood_start_ms >= FLOOD_WINDOW_MS) {
        h2->flood_start_ms = h2->now_ms;
        memset(h2->flood_seen, 0, sizeof h2->flood_seen);
    }
    if (++h2->flood_seen[kind] > flood_max[kind] && !h2->flooded) {
        h2->flooded = true;
        nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    (void)session;
    struct h2 *h2 = arg;
    switch (hd->type) {
    case NGHTTP2_DATA:
        if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            flood_count(h2, FLOOD_EMPTY_DATA);
        }
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION: /* nghttp2 bounds these */
    case NGHTTP2_WINDOW_UPDATE:
        break;
    case NGHTTP2_PING:
        if (!h2->ping_due) {
            flood_count(h2, FLOOD_PING);
        }
        h2->ping_due = false;
        break;
    case NGHTTP2_SETTINGS:
        flood_count(h2, FLOOD_SETTINGS);
        break;
    case NGHTTP2_RST_STREAM:
        flood_count(h2, FLOOD_RST);
        break;
    default:
        flood_count(h2, FLOOD_OTHER);
    }
    return h2->flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    if (!h2->server || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct h2_stream *s = h2->events->open(h2->arg);
    if (s == NULL) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    stream_attach(h2, s, frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    return 0;
}

static struct slice rcbuf_slice(nghttp2_rcbuf *rc)
{
    nghttp2_vec v = nghttp2_rcbuf_get_buf(rc);
    return slice_make(v.base, v.len);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    (void)flags;
    struct h2 *h2 = arg;
    struct h2_stream *s = h2_stream_of(session, frame->hd.stream_id);
    if (s != NULL) {
        h2->events->header(h2->arg, s, rcbuf_slice(name), rcbuf_slice(value));
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *arg)
{
    (void)flags;
    struct h2 *h2 = arg;
    struct h2_stream *s = h2_stream_of(session, id);
    if (s != NULL) {
        h2->events->data(h2->arg, s, slice_make(data, len));
    }
    return 0;
}

static void stream_frame_recv(struct h2 *h2, struct h2_stream *s, const nghttp2_frame *frame)
{
    if (s == NULL) {
        return;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        h2->events->headers_end(h2->arg, s);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && s->h2 != NULL) {
        h2->events->remote_end(h2->arg, s);
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    const struct h2_events *ev = h2->events;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream_frame_recv(h2, h2_stream_of(session, frame->hd.stream_id), frame);
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && ev->settings != NULL) {
            ev->settings(h2->arg);
        }
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && ev->pong != NULL) {
            ev->pong(h2->arg);
        }
        break;
    case NGHTTP2_GOAWAY:
        if (ev->goaway != NULL) {
            ev->goaway(h2->arg, frame->goaway.error_code,
                       slice_make(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    h2->ping_due |= frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    int32_t id = frame->hd.stream_id;
    struct h2_stream *s = h2_stream_of(session, id);
    if (s != NULL && !s->headers_sent) {
        s->headers_sent = true;
        if (h2->events->headers_sent != NULL) {
            h2->events->headers_sent(h2->arg, s);
        }
    }
    /* Answered before the request's end: tell the peer to stop sending (RFC 9113 §8.1). */
    if (h2->server && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, id) == 0) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* A request that could not be opened (the peer said GOAWAY meanwhile) has no stream in nghttp2, so
 * no close comes from there. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *arg)
{
    (void)error;
    struct h2 *h2 = arg;
    if (h2->server || frame->hd.type != NGHTTP2_HEADERS ||
        h2_stream_of(session, frame->hd.stream_id) != NULL) {
        return 0;
    }
    LIST_FOREACH (it, &h2->streams) {
        struct h2_stream *s = LIST_ENTRY(it, struct h2_stream, link);
        if (s->id == frame->hd.stream_id) {
            stream_close(h2, s, H2_REFUSED_STREAM);
            break;
        }
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2 *h2 = arg;
    struct h2_stream *s = h2_stream_of(session, id);
    if (s != NULL && s->h2 != NULL) {
        nghttp2_session_set_stream_user_data(session, id, NULL);
        stream_close(h2, s, code);
    }
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

/* A session's memory is ours, so nghttp2 never sees an allocation that failed. */
static void *session_malloc(size_t size, void *arg)
{
    (void)arg;
    return mem_alloc(size);
}

static void session_free(void *p, void *arg)
{
    (void)arg;
    mem_free(p);
}

static void *session_calloc(size_t n, size_t size, void *arg)
{
    (void)arg;
    return mem_calloc(n, size);
}

static void *session_realloc(void *p, size_t size, void *arg)
{
    (void)arg;
    return mem_realloc(p, size);
}

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0) {
        mem_exhausted(sizeof cb);
    }
    nghttp2_session_callbacks_set_send_data_callback(cb, h2_send_data);
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    return cb;
}

static void session_open(struct h2 *h2, const struct h2_options *o)
{
    nghttp2_session_callbacks *cb = callbacks_new();
    nghttp2_mem mem = { NULL, session_malloc, session_free, session_calloc, session_realloc };
    nghttp2_option *opt;
    if (nghttp2_option_new(&opt) != 0) {
        mem_exhausted(sizeof opt);
    }
    nghttp2_option_set_no_http_messaging(opt, 1);
    nghttp2_option_set_no_closed_streams(opt, 1);
    nghttp2_option_set_no_auto_window_update(opt, o->manual_window);
    nghttp2_option_set_stream_reset_rate_limit(opt, RESET_BURST, RESET_RATE);
    int rv = o->server ? nghttp2_session_server_new3(&h2->session, cb, h2, opt, &mem)
                       : nghttp2_session_client_new3(&h2->session, cb, h2, opt, &mem);
    PRE(rv == 0);
    nghttp2_option_del(opt);
    nghttp2_session_callbacks_del(cb);
}

struct h2 *h2_new(const struct h2_options *options, const struct h2_events *events, void *arg)
{
    struct h2 *h2 = mem_zalloc(sizeof *h2);
    h2->events = events;
    h2->arg = arg;
    h2->server = options->server;
    h2->queued_total = options->queued_total;
    list_init(&h2->streams);
    session_open(h2, options);
    nghttp2_settings_entry iv[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options->stream_window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options->header_bytes_max },
        /* Without the priority tree of RFC 7540 streams of one urgency are served in turn. */
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
        { options->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
          options->server ? options->streams_max : 0 },
    };
    int rv = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, iv, ARRAY_LEN(iv));
    PRE(rv == 0);
    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)options->conn_window);
    return h2;
}

void h2_free(struct h2 *h2)
{
    if (h2 == NULL) {
        return;
    }
    PRE(list_empty(&h2->streams));
    nghttp2_session_del(h2->session);
    mem_free(h2);
}

int h2_feed(struct h2 *h2, struct slice bytes, uint64_t now_ms)
{
    h2->now_ms = now_ms;
    ssize_t n = nghttp2_session_mem_recv(h2->session, bytes.data, bytes.len);
    return n < 0 ? E_PROTO : 0;
}

bool h2_done(const struct h2 *h2)
{
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

bool h2_flooded(const struct h2 *h2)
{
    return h2->flooded;
}

size_t h2_queued(const struct h2 *h2)
{
    return h2->queued;
}

void h2_close_all(struct h2 *h2, uint32_t code)
{
    while (!list_empty(&h2->streams)) {
        struct h2_stream *s = LIST_ENTRY(list_first(&h2->streams), struct h2_stream, link);
        nghttp2_session_set_stream_user_data(h2->session, s->id, NULL);
        stream_close(h2, s, code);
    }
}

void h2_sweep(struct h2 *h2, unsigned stalls_max)
{
    LIST_FOREACH (it, &h2->streams) {
        struct h2_stream *s = LIST_ENTRY(it, struct h2_stream, link);
        bool stalled = s->queued > 0 && s->sent_bytes == s->swept_bytes;
        s->stalls = stalled ? s->stalls + 1 : 0;
        s->swept_bytes = s->sent_bytes;
        if (s->stalls > stalls_max) {
            h2_reset(s, H2_CANCEL);
        }
    }
}

void h2_consume(struct h2_stream *s, size_t bytes)
{
    nghttp2_session_consume(s->h2->session, s->id, bytes);
}

void h2_consume_conn(struct h2 *h2, size_t bytes)
{
    nghttp2_session_consume_connection(h2->session, bytes);
}

void h2_consume_stream(struct h2_stream *s, size_t bytes)
{
    nghttp2_session_consume_stream(s->h2->session, s->id, bytes);
}

void h2_ping(struct h2 *h2)
{
    nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
}

void h2_shutdown(struct h2 *h2)
{
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

void h2_terminate(struct h2 *h2, uint32_t code)
{
    nghttp2_session_terminate_session(h2->session, code);
}

bool h2_peer_without_priorities(const struct h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session,
                                               NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES) == 1;
}
