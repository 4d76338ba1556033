/* gRPC server and plain HTTP/1.1 on one port (the first bytes tell), over lib/io connections.
 *
 * One life of a call: bytes -> h2 session (nghttp2, no I/O inside) -> headers name the method
 * (exact match in the table) -> each message is unpacked into the call's arena -> method->message
 * -> the handler answers now or later with rpc_reply / rpc_send... / rpc_finish -> frames are
 * gathered and written once at the end of the turn.
 *
 * Ownership: a call lives until BOTH the handler has finished it (rpc_reply, rpc_fail or
 * rpc_finish, exactly once, also after `closed`) and its stream is gone. After `closed` was called,
 * sending is a no-op. Messages are valid until the call is finished (unary) or until `message`
 * returns (streams: the arena of the message is reset; copy what must stay).
 * Bad frames, oversized messages (LIMIT_GRPC_RECV_BYTES: status 8), unknown methods (12), bad
 * protobuf (13) are answered here. Floods (PING, SETTINGS, RST, empty frames) end in GOAWAY.
 * Threads: loop. */
#ifndef BARQUE_RPC_SERVER_H
#define BARQUE_RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/metric.h"
#include "lib/base/value.h"
#include "lib/io/loop.h"
#include "lib/rpc/status.h"

struct rpc_server;
struct rpc_call;

enum rpc_kind { RPC_UNARY, RPC_STREAM /* server or both sides stream */ };

struct rpc_method {
    const char *path; /* "/etcdserverpb.KV/Range" */
    enum rpc_kind kind;
    const ProtobufCMessageDescriptor *request;
    /* One request message. Unary: exactly once. */
    void (*message)(struct rpc_call *call, ProtobufCMessage *msg);
    /* Streams: the call began (before any message); set rpc_call_set_data here. May be NULL. */
    void (*start)(struct rpc_call *call);
    /* Streams: the client will send no more. May be NULL (then: rpc_finish OK). */
    void (*half_close)(struct rpc_call *call);
    /* Streams: room again after rpc_writable was false. May be NULL. */
    void (*writable)(struct rpc_call *call);
    /* The client cancelled, the deadline passed, or the connection ended. May be NULL. */
    void (*closed)(struct rpc_call *call);
};

struct http_request {
    const char *method, *path, *query; /* query without '?', "" when none */
    struct slice body;
};
struct http_response {
    int status;               /* 200 */
    const char *content_type; /* static */
    struct buf body;          /* taken */
};
struct http_reply; /* to a request that is not answered at once */
struct http_route {
    const char *method, *path;
    void (*handler)(void *arg, const struct http_request *request, struct http_response *response);
    /* Instead of handler, where an answer takes time: http_reply_send ends it, exactly once, also
     * when the client has gone meanwhile. The request is valid until then, or until begin returns.
     * The connection's next request waits. */
    void (*begin)(void *arg, const struct http_request *request, struct http_reply *reply);
};
/* Takes the reply and response->body. */
void http_reply_send(struct http_reply *reply, struct http_response *response);

/* A method as a JSON endpoint: POST path. The call is the same as over gRPC; streams answer
 * {"result":{...}} lines in chunks, and their body is one JSON object or several. Static. */
struct rpc_gateway_route {
    const char *path;   /* "/v3/kv/range" */
    const char *method; /* "/etcdserverpb.KV/Range"; an unknown one answers UNIMPLEMENTED */
    const ProtobufCMessageDescriptor *response;
    bool stays; /* a stream that goes on when the request's body is over */
};

/* What a port serves. */
enum rpc_serves {
    RPC_SERVES_GRPC = 1,
    RPC_SERVES_HTTP = 2,   /* with the gateway */
    RPC_SERVES_PROBES = 4, /* a few routes: for those who only look */
    RPC_SERVES_ALL = RPC_SERVES_GRPC | RPC_SERVES_HTTP,
};

struct rpc_server_options {
    struct loop *loop;
    size_t max_recv_bytes;    /* default LIMIT_GRPC_RECV_BYTES */
    uint64_t streams_max;     /* open calls of a connection; default, and at most:
                               * LIMIT_STREAMS_PER_CONN */
    /* A client of gRPC that said nothing for so long is pinged, and cut off when it does not answer
     * in time; either 0: never. */
    uint64_t keepalive_interval_ms, keepalive_timeout_ms;
    struct metrics *metrics;  /* may be NULL: grpc_server_* counters */
    void *arg;                /* rpc_call_arg of every call, and of http handlers */
    /* May a call begin? Asked when its headers are complete; otherwise the E_ code it fails with.
     * NULL: all may. */
    int (*admit)(struct rpc_call *call);
};

struct rpc_server *rpc_server_new(const struct rpc_server_options *options);
/* Tables are static. */
void rpc_server_methods(struct rpc_server *s, const struct rpc_method *methods, size_t n);
/* `where`: which ports have these routes, RPC_SERVES_HTTP or RPC_SERVES_PROBES or both. */
void rpc_server_http(struct rpc_server *s, const struct http_route *routes, size_t n,
                     enum rpc_serves where);
void rpc_server_gateway(struct rpc_server *s, const struct rpc_gateway_route *routes, size_t n);
/* From now on HTTP/1 asks by these rules, and tells browsers so: the hosts that a request may name
 * and the origins that a page may have, commas between; NULL, "" and "*": any. As etcd's
 * --host-whitelist and --cors. Ports for probes only have no rules. */
void rpc_server_access(struct rpc_server *s, const char *hosts, const char *origins);
/* Address as in listener_open. May be called for several addresses. Who speaks there what is not
 * served is cut off. */
int rpc_server_listen(struct rpc_server *s, const char *address, enum rpc_serves what,
                      struct err *err);
/* The address of the k-th listener (port 0 resolved). */
const char *rpc_server_address(const struct rpc_server *s, size_t k);
size_t rpc_server_conns(const struct rpc_server *s);
size_t rpc_server_calls(const struct rpc_server *s);
/* Bytes queued on all streams. */
size_t rpc_server_queued(const struct rpc_server *s);
/* Graceful: stops accepting, sends GOAWAY, waits for open unary calls (at most grace_ms), closes
 * streams (status UNAVAILABLE "etcdserver: server stopped"), then stopped(). */
void rpc_server_stop(struct rpc_server *s, uint64_t grace_ms, void (*stopped)(void *arg),
                     void *arg);
void rpc_server_free(struct rpc_server *s);

/* --- in a handler ----------------------------------------------------------------------------- */
void *rpc_call_arg(const struct rpc_call *call);
void rpc_call_set_data(struct rpc_call *call, void *data);
void *rpc_call_data(const struct rpc_call *call);
struct arena *rpc_call_arena(struct rpc_call *call);
/* Request metadata ("hasleader", "token"); NULL when absent. */
const char *rpc_call_metadata(const struct rpc_call *call, const char *name);
/* From grpc-timeout; UINT64_MAX when none. The server itself ends an overdue call with 4. */
uint64_t rpc_call_deadline_ms(const struct rpc_call *call);
bool rpc_call_closed(const struct rpc_call *call);
struct loop *rpc_call_loop(struct rpc_call *call);
const char *rpc_call_path(const struct rpc_call *call);

/* Unary: one message and OK. Packs at once (msg may be freed after). Finishes the call. */
void rpc_reply(struct rpc_call *call, const ProtobufCMessage *msg);
/* The same for bytes packed by the caller: takes the buffer. */
void rpc_reply_buf(struct rpc_call *call, struct buf *message);
/* Status + text; finishes the call. */
void rpc_fail(struct rpc_call *call, enum grpc_code code, const char *text);
/* rpc_fail through the table of status.h (0 is a bug). */
void rpc_fail_err(struct rpc_call *call, int err_code);
/* Streams: one message; false when the call is closed. */
bool rpc_send(struct rpc_call *call, const ProtobufCMessage *msg);
/* One message made of parts: copied small ones and shared values, so that many watchers share one
 * encoding: the gRPC frame header is put before them. */
bool rpc_send_parts(struct rpc_call *call, struct slice head, struct value *const *shared,
                    size_t n);
/* Below LIMIT_STREAM_QUEUE_BYTES queued on this stream and the connection not congested; while all
 * streams of the server hold LIMIT_SERVER_QUEUE_BYTES, below LIMIT_STREAM_SCARCE_BYTES. False is a
 * promise of `writable`. */
bool rpc_writable(const struct rpc_call *call);
size_t rpc_call_queued(const struct rpc_call *call);
/* Ends a stream with OK or an error; finishes the call. */
void rpc_finish(struct rpc_call *call, enum grpc_code code, const char *text);

#endif
