/* gRPC client: one HTTP/2 connection to one endpoint, many calls on it.
 *
 * A channel connects by itself at the first call, reconnects with back-off (50 ms..1 s), pings
 * while calls are open (every ping_ms, dead after ping_timeout_ms without an answer: every call
 * fails with E_UNAVAILABLE). It never retries a call: that is client/'s decision. During the
 * back-off (CHANNEL_DOWN) calls fail at once, never_sent, so that the caller can turn to another
 * endpoint; after it the channel is IDLE again. A link counts as READY when the server's SETTINGS
 * came. Callbacks never run inside the submitting call; each call's `done` / `closed` comes exactly
 * once, then its memory is gone. Threads: loop. */
#ifndef BARQUE_RPC_CHANNEL_H
#define BARQUE_RPC_CHANNEL_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/err.h"
#include "lib/io/loop.h"
#include "lib/rpc/status.h"

struct rpc_channel;
struct rpc_request; /* a unary call in flight */
struct rpc_stream;

enum rpc_channel_state { CHANNEL_IDLE, CHANNEL_CONNECTING, CHANNEL_READY, CHANNEL_DOWN };

struct rpc_channel_options {
    struct loop *loop;
    const char *address;        /* as in conn_connect */
    const char *authority;      /* NULL = address */
    uint64_t connect_timeout_ms; /* default 1000 */
    uint64_t ping_ms;           /* default 500 while calls are open */
    uint64_t ping_timeout_ms;   /* default 1000 */
    uint32_t stream_window;     /* bytes a stream takes ahead of its reader; default 1 MiB */
    uint64_t seed;
    /* May be NULL. */
    void (*on_state)(void *arg, enum rpc_channel_state state, const struct err *why);
    void *arg;
};

struct rpc_channel *rpc_channel_new(const struct rpc_channel_options *options);
/* Every open call ends with E_CANCELED (done is still called, later), then the memory goes. */
void rpc_channel_free(struct rpc_channel *ch);
enum rpc_channel_state rpc_channel_get_state(const struct rpc_channel *ch);
void rpc_channel_connect(struct rpc_channel *ch); /* without waiting for a call */
/* Goes along with every call and stream that is sent from now on, beside their own metadata; NULL:
 * no more. One name a channel; the value is of visible characters only. Copied. */
void rpc_channel_metadata(struct rpc_channel *ch, const char *name, const char *value);
/* When bytes last arrived on the connection that new calls use (loop_now_ms); 0: there is none. */
uint64_t rpc_channel_read_ms(const struct rpc_channel *ch);

struct rpc_result {
    int err;                 /* 0 or an E_ code (status_to_err) */
    int grpc_code;           /* 0..16; transport failures: 14 */
    const char *text;        /* grpc-message, decoded; "" when none */
    bool never_sent;         /* certainly did not reach the server: safe to send again */
    ProtobufCMessage *msg;   /* when err is 0; valid during the callback */
};

/* Packs msg at once. timeout_ms 0 = none (sent as grpc-timeout and kept here). */
struct rpc_request *rpc_call_unary(struct rpc_channel *ch, const char *path,
                                   const ProtobufCMessage *msg,
                                   const ProtobufCMessageDescriptor *response, uint64_t timeout_ms,
                                   void (*done)(void *arg, const struct rpc_result *result),
                                   void *arg);
/* Right after rpc_call_unary; at most 8. The value is of visible characters only. */
void rpc_request_metadata(struct rpc_request *r, const char *name, const char *value);
void rpc_request_cancel(struct rpc_request *r); /* done will not be called */

struct rpc_stream_events {
    /* msg valid during the call. */
    void (*message)(void *arg, const ProtobufCMessage *msg);
    /* The end; the last call. */
    void (*closed)(void *arg, const struct rpc_result *result);
    /* The connection is up and the stream's headers were sent. May be NULL. */
    void (*opened)(void *arg);
};
struct rpc_stream *rpc_stream_open(struct rpc_channel *ch, const char *path,
                                   const ProtobufCMessageDescriptor *response,
                                   const struct rpc_stream_events *events, void *arg);
/* Right after rpc_stream_open; as rpc_request_metadata. */
void rpc_stream_metadata(struct rpc_stream *s, const char *name, const char *value);
void rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *msg);
size_t rpc_stream_queued(const struct rpc_stream *s);
void rpc_stream_half_close(struct rpc_stream *s);
void rpc_stream_cancel(struct rpc_stream *s); /* closed will not be called */
/* Reading pauses (HTTP/2 window): back-pressure to the server. */
void rpc_stream_pause(struct rpc_stream *s, bool pause);

#endif
