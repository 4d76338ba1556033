/* Inside the server: what server.c (life), server_conn.c (bytes), call.c (a call's way in) and
 * call_reply.c (its way out) share. */
#ifndef BARQUE_RPC_SERVER_INT_H
#define BARQUE_RPC_SERVER_INT_H

#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/codec/json_cursor.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "lib/rpc/access.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/h2.h"
#include "lib/rpc/http1.h"
#include "lib/rpc/server.h"

enum {
    CALL_POOL_MAX = 1024,
    CONN_HIGH_WATER = 512 * 1024, /* bytes for the socket; behind it streams take turns */
    SWEEP_MS = 5000,
    SNIFF_TIMEOUT_MS = 10000, /* a new connection must say which protocol it speaks */
    HTTP1_IDLE_MS = 90000,
    KEEPALIVE_LEAST_MS = 10, /* between two looks */
    STALL_SWEEPS = 12, /* a reader that takes nothing for a minute */
    CLOSE_LINGER_MS = 1000,
};

struct method_entry {
    const struct rpc_method *method;
    struct metric *started;
    struct metric *handled[GRPC_UNAUTHENTICATED + 1]; /* made when first needed */
};

struct route_table {
    const struct http_route *routes;
    size_t n;
    enum rpc_serves where;
};

struct port {
    struct rpc_server *server;
    struct listener *listener;
    enum rpc_serves what;
};

struct rpc_server {
    struct loop *loop;
    struct metrics *metrics;
    int (*admit)(struct rpc_call *call);
    struct metric *received, *sent; /* bytes of messages; NULL without metrics */
    void *arg;
    size_t max_recv_bytes;
    uint32_t streams_max;
    uint64_t keepalive_interval_ms, keepalive_timeout_ms; /* both or none */
    struct timer keepalive;
    struct http_access access;

    struct map methods; /* path -> struct method_entry */
    struct map gateway; /* path -> const struct rpc_gateway_route */
    struct route_table *routes;
    size_t n_routes, routes_cap;
    struct port **ports;
    size_t n_ports, ports_cap;

    struct list conns; /* struct server_conn.link */
    size_t n_conns;
    size_t queued;  /* bytes, on all streams of all conns */
    size_t n_calls; /* allocated: open, or not yet finished by their handler */
    struct list dirty; /* conns with something to send */
    struct turn_hook flush;
    struct heap deadlines;
    struct timer deadline_timer;
    struct timer sweep;
    struct rpc_call *free_calls;
    size_t n_free;
    struct arena scratch; /* a stream's message while its handler looks at it */

    bool stopping;
    bool stopped_due; /* stopped() is still to be called */
    bool freed;       /* rpc_server_free was called: memory goes with the last conn and call */
    struct timer grace;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct ready finale; /* stopped() and the last free, outside of everything */
};

enum conn_mode { MODE_SNIFF, MODE_H2, MODE_HTTP1 };

/* The gateway's call of an HTTP/1 connection: one at a time. */
struct exchange {
    struct rpc_call *call; /* NULL: none */
    const struct rpc_gateway_route *route;
    struct json_frame frame; /* a stream's next request */
    struct buf answer;       /* of a unary call, until its status */
    bool keep;               /* the connection stays after the answer */
    bool chunked;            /* a stream's answer: not for HTTP/1.0 */
    bool began;              /* its head was written */
    bool asked_all;          /* the handler knows that the request is over */
};

/* Outlives its connection when the handler is slower. */
struct http_reply {
    struct server_conn *sc; /* NULL: nobody is there any more */
    bool keep, head;
};

struct server_conn {
    struct rpc_server *server;
    struct conn *conn;
    struct list link;
    struct list dirty;
    struct list calls;   /* struct rpc_call.link */
    struct list blocked; /* calls whose handler waits for `writable` */
    enum rpc_serves serves;
    enum conn_mode mode;
    struct buf sniff;
    struct h2 *h2;
    struct http1 http1;
    struct buf headers; /* of any answer to the HTTP/1 request under way */
    struct exchange exchange;
    struct http_reply *reply; /* of the plain request under way; NULL: none */
    size_t swept_queued; /* HTTP/1: bytes for the socket at the last sweep */
    unsigned stalls;     /* sweeps in a row that found as many */
    size_t partial_bytes; /* half-received requests */
    uint64_t last_read_ms;
    uint64_t pinged_ms; /* 0: no ping of ours is to be answered */
    bool broken; /* say what is left to say, then close */
};

/* How a call's answer leaves: as gRPC frames or as JSON. */
struct call_wire {
    /* One message; returns 0, or E_NOMEM: then the call is to end. */
    int (*message)(struct rpc_call *call, const ProtobufCMessage *msg);
    /* One message that is packed already, in parts: values are referenced, not taken. */
    int (*parts)(struct rpc_call *call, struct slice head, struct value *const *shared, size_t n);
    /* The same in one piece, taken. */
    int (*packed)(struct rpc_call *call, struct buf *message);
    /* The end, after the messages. */
    void (*status)(struct rpc_call *call, enum grpc_code code, const char *text);
    /* Bytes that the reader has not taken. */
    size_t (*queued)(const struct rpc_call *call);
};

struct metadata {
    struct metadata *next;
    const char *name, *value;
};

struct rpc_call {
    struct h2_stream stream;
    struct server_conn *sc; /* NULL when the stream is gone */
    struct list link;
    struct rpc_server *server;
    const struct call_wire *wire;
    struct method_entry *method; /* NULL: unknown path */
    void *data;
    struct arena arena;
    struct grpc_reader reader;
    ProtobufCMessage *msg; /* unary: waits for the end of the request */
    size_t msg_bytes;      /* of it, while it waits; part of sc->partial_bytes */
    struct heap_item deadline;
    uint64_t deadline_ms;
    struct list blocked;
    struct metadata *metadata;
    struct rpc_call *next_free;
    const char *unknown_path;
    size_t header_bytes;
    char status_text[3]; /* the digits of grpc-status */

    /* request headers */
    bool is_post, is_grpc, bad_timeout, bad_encoding;
    bool began;  /* headers are complete */
    /* who still needs it */
    bool in_handler; /* method->message/start was called: the handler has to finish */
    bool finished;   /* the handler is done with it */
    bool gone;       /* the stream is closed */
    bool ended;      /* the status was sent, or never will be: sending is a no-op */
    bool closed_told;
    bool responded; /* response headers were submitted */
};

/* server_conn.c */
void server_conn_new(struct rpc_server *s, struct conn *c, enum rpc_serves what);
void server_conn_dirty(struct server_conn *sc);
void server_conn_flush(struct server_conn *sc);
void server_conn_sweep(struct server_conn *sc);
/* Pings who is silent, cuts off who stays so. */
void server_conn_keepalive(struct server_conn *sc, uint64_t now_ms);
void server_conn_shutdown(struct server_conn *sc);
extern const struct h2_events server_h2_events;

/* call.c */
struct rpc_call *call_new(struct server_conn *sc);
void call_release(struct rpc_call *call); /* frees when nobody needs it */
void call_header(struct rpc_call *call, struct slice name, struct slice value);
void call_headers_end(struct rpc_call *call);
/* The checks that do not depend on how the call came: a method, a deadline, memory. False: it has
 * been answered. */
bool call_accept(struct rpc_call *call);
/* The call is accepted: counters, its deadline, and a stream's handler begins. */
void call_go(struct rpc_call *call);
/* The whole of a unary request; one of a stream's, in the scratch arena. */
void call_unary(struct rpc_call *call, ProtobufCMessage *msg);
/* A stream's client will send no more. */
void call_half_close(struct rpc_call *call);
void call_data(struct rpc_call *call, struct slice bytes);
void call_remote_end(struct rpc_call *call);
void call_stream_gone(struct rpc_call *call);
void call_tell_closed(struct rpc_call *call);
void call_pool_fini(struct rpc_server *s);

/* call_reply.c */
/* The status goes out and no handler is called any more; calls `closed` when one is at work. */
void call_abort(struct rpc_call *call, enum grpc_code code, const char *text);
extern const struct call_wire grpc_wire;
void call_http_error(struct rpc_call *call, const char *http_status);
void call_deadlines_run(struct rpc_server *s);
void calls_wake_writable(struct server_conn *sc);

/* gateway.c */
/* NULL: no such path. */
const struct rpc_gateway_route *gateway_find(const struct rpc_server *s, const char *path);
bool gateway_is_stream(struct rpc_server *s, const struct rpc_gateway_route *route);
/* The call begins as sc->exchange. The head is complete; a unary request's body, too. */
void gateway_begin(struct server_conn *sc, const struct rpc_gateway_route *route,
                   const struct http1_request *req);
/* What can be done for the call under way. False: it waits. The exchange is over when its call is
 * NULL again. */
bool gateway_step(struct server_conn *sc);
/* The connection has ended. */
void gateway_abort(struct server_conn *sc);
/* An answer {"error":...} without a call. */
void gateway_refuse(struct server_conn *sc, enum grpc_code code, const char *text, bool keep);

/* server.c */
void server_check_stopped(struct rpc_server *s);
/* method.c */
struct method_entry *method_find(struct rpc_server *s, struct slice path);
void method_count_started(struct method_entry *m);
void method_count_handled(struct rpc_server *s, struct method_entry *m, enum grpc_code code);
void methods_fini(struct rpc_server *s);

#endif
