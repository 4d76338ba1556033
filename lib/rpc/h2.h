/* One HTTP/2 session over nghttp2, fed with bytes and asked for bytes: no socket, no clock, no log.
 * Server and client sides share it; it is the only file that includes nghttp2.
 *
 * Streams are embedded in calls. What a stream has to send is queued as chunks that reference
 * values or own memory; nghttp2 asks for them when the peer's windows allow and they go to the sink
 * without passing through its buffers. A stream's memory must live until `close`, which comes
 * exactly once for each opened stream (h2_close_all gives it to the remaining ones when the
 * connection is gone).
 *
 * Events come from inside h2_feed, h2_pull and h2_close_all only. Inside an event everything may be
 * called except those three and h2_free. Threads: one owner. */
#ifndef BARQUE_RPC_H2_H
#define BARQUE_RPC_H2_H

#include "lib/base/list.h"
#include "lib/base/slice.h"
#include "lib/base/value.h"

struct h2;

enum h2_error { /* RFC 9113 §7 */
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
    H2_INADEQUATE_SECURITY = 12,
};

struct h2_header {
    struct slice name, value; /* must stay valid until the frame is sent or the stream closes */
};

/* Bytes to be sent: of a value (referenced), or owned (mem_free). */
struct h2_chunk {
    struct list link;
    struct value *value;
    uint8_t *owned;
    const uint8_t *data;
    size_t len;
};

struct h2_stream {
    struct h2 *h2; /* NULL before it is opened and after close */
    struct list link;
    int32_t id;
    bool closed;
    bool deferred;     /* nghttp2 waits for h2_resume */
    bool ended;        /* nothing more will be queued */
    bool headers_sent; /* request or response headers left the session */
    bool first_used;
    struct list chunks;
    size_t queued;       /* bytes in chunks */
    uint64_t sent_bytes;  /* grows when the reader takes something */
    uint64_t swept_bytes; /* sent_bytes at the last h2_sweep */
    unsigned stalls;      /* sweeps without progress */
    struct h2_chunk first; /* most calls send one chunk: no allocation for it */
    struct h2_header trailers[2];
    size_t n_trailers; /* 0: the last DATA frame ends the stream */
};

struct h2_events {
    /* Server: a request begins. NULL refuses it. The stream was zeroed or h2_stream_init'ed. */
    struct h2_stream *(*open)(void *arg);
    void (*header)(void *arg, struct h2_stream *s, struct slice name, struct slice value);
    /* A header block (request, response, or trailers) is complete. */
    void (*headers_end)(void *arg, struct h2_stream *s);
    void (*data)(void *arg, struct h2_stream *s, struct slice bytes);
    void (*remote_end)(void *arg, struct h2_stream *s);
    void (*close)(void *arg, struct h2_stream *s, uint32_t code);
    void (*headers_sent)(void *arg, struct h2_stream *s); /* may be NULL */
    void (*goaway)(void *arg, uint32_t code, struct slice debug); /* may be NULL */
    void (*settings)(void *arg);                          /* may be NULL */
    void (*pong)(void *arg);                              /* may be NULL */
};

/* Where h2_pull writes. */
struct h2_sink {
    void (*bytes)(void *arg, struct slice bytes); /* copied */
    void (*value)(void *arg, struct value *v, size_t from, size_t len); /* referenced */
    bool (*full)(void *arg); /* true ends the pull; the rest stays queued */
    void *arg;
};

struct h2_options {
    bool server;
    uint32_t streams_max;       /* server: announced and enforced */
    uint32_t header_bytes_max;  /* announced; the owner counts */
    uint32_t stream_window;
    uint32_t conn_window;
    bool manual_window; /* the owner calls h2_consume for what it has read */
    size_t *queued_total; /* kept up to date with the bytes queued on all streams of all sessions
                           * that were given it; may be NULL */
};

struct h2 *h2_new(const struct h2_options *options, const struct h2_events *events, void *arg);
void h2_free(struct h2 *h2); /* PRE: no stream is left: h2_close_all first */
/* 0 or E_PROTO (the session is broken; a GOAWAY may be waiting to be pulled). */
int h2_feed(struct h2 *h2, struct slice bytes, uint64_t now_ms);
/* Writes what the windows allow. 0 or E_PROTO. */
int h2_pull(struct h2 *h2, const struct h2_sink *sink);
/* Neither side has anything left to say: close the connection. */
bool h2_done(const struct h2 *h2);
/* GOAWAY was decided because of a flood. */
bool h2_flooded(const struct h2 *h2);
/* Bytes queued on all streams. */
size_t h2_queued(const struct h2 *h2);
void h2_close_all(struct h2 *h2, uint32_t code);

void h2_stream_init(struct h2_stream *s);
/* For a stream that was never opened: drops what was queued. */
void h2_stream_fini(struct h2_stream *s);
/* Server: the response headers; end = there is no body (trailers-only). */
void h2_respond(struct h2_stream *s, const struct h2_header *headers, size_t n, bool end);
/* Client: opens the stream; it may hold queued bytes already. 0, or E_UNAVAILABLE when the session
 * takes no more streams. */
int h2_request(struct h2 *h2, struct h2_stream *s, const struct h2_header *headers, size_t n);
void h2_queue_value(struct h2_stream *s, struct value *v); /* takes the reference */
void h2_queue_owned(struct h2_stream *s, uint8_t *data, size_t len); /* takes the memory */
/* After what is queued: the trailers set in s->trailers, then the end. */
void h2_end(struct h2_stream *s);
void h2_reset(struct h2_stream *s, uint32_t code);
void h2_consume(struct h2_stream *s, size_t bytes);      /* stream and connection */
void h2_consume_conn(struct h2 *h2, size_t bytes);       /* connection only */
void h2_consume_stream(struct h2_stream *s, size_t bytes);
void h2_ping(struct h2 *h2);
/* Graceful: no new streams from the peer; open ones go on. */
void h2_shutdown(struct h2 *h2);
void h2_terminate(struct h2 *h2, uint32_t code);
/* Resets streams with output whose reader took nothing for more than stalls_max sweeps in a row. */
void h2_sweep(struct h2 *h2, unsigned stalls_max);
/* The peer announced that it does not use RFC 7540 priorities. */
bool h2_peer_without_priorities(const struct h2 *h2);

#endif
