/* One loop with a server of echo methods and, in most tests, a channel to it over 127.0.0.1.
 * The message is { bytes data = 1; int64 n = 2; Echo child = 3; repeated Echo many = 4 }. */
#ifndef TEST_RPC_FIXTURE_H
#define TEST_RPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "lib/rpc/server.h"

struct echo {
    ProtobufCMessage base;
    ProtobufCBinaryData data;
    int64_t n;
    struct echo *child;
    size_t n_many;
    struct echo **many;
};
extern const ProtobufCMessageDescriptor echo_descriptor;
#define ECHO_INIT { .base = PROTOBUF_C_MESSAGE_INIT(&echo_descriptor) }
struct echo echo_text(const char *text);

struct fixture {
    struct loop *loop;
    struct rpc_server *server;
    struct rpc_channel *channel;
    char address[64];
    struct timer guard;
    bool overdue;
    bool stopped;
    /* what the server's handlers saw */
    struct rpc_call *parked; /* of /t.Echo/Park */
    size_t n_parked, n_closed;
    size_t flood_left, flood_sent, flood_queued_max, flood_piece;
    size_t half_closes;
    struct http_reply *reply; /* of /later, to be answered by the test */
    size_t n_replies;
    struct metrics *metrics;
};

/* What a unary call or stream ended with. */
struct outcome {
    struct fixture *f;
    bool done;
    int err, grpc_code;
    bool never_sent;
    char text[256];
    struct buf data; /* of the message(s) */
    size_t messages;
    bool opened;
    struct rpc_stream *stream;
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* Answers /later. */
void fixture_answer(struct fixture *f, const char *text);
/* Another server at the same address. */
void fixture_server_start(struct fixture *f);
void fixture_server_stop(struct fixture *f, uint64_t grace_ms, void (*stopped)(void *arg),
                         void *arg);
struct rpc_channel *fixture_channel(struct fixture *f, const char *address);
/* One that finds a silent server soon. */
struct rpc_channel *fixture_channel_quick(struct fixture *f, const char *address);
/* Runs the loop until *flag, or fails the test after 10 s. */
void fixture_wait(struct fixture *f, const bool *flag);
void fixture_wait_count(struct fixture *f, const size_t *count, size_t least);
/* Runs the loop for ms. */
void fixture_run_ms(struct fixture *f, uint64_t ms);

void outcome_init(struct outcome *o, struct fixture *f);
void outcome_fini(struct outcome *o);
void outcome_done(void *arg, const struct rpc_result *result);
struct rpc_request *call_echo(struct outcome *o, const char *path, const struct echo *msg,
                              uint64_t timeout_ms);
void open_stream(struct outcome *o, const char *path);

/* A client that speaks raw bytes. */
struct raw {
    struct fixture *f;
    struct conn *conn;
    struct buf in;
    bool connected, closed;
};
void raw_open(struct raw *r, struct fixture *f);
void raw_open_at(struct raw *r, struct fixture *f, const char *address);
void raw_close(struct raw *r);
void raw_write(struct raw *r, const void *bytes, size_t len);
void raw_frame(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
               size_t len);
/* True when a frame of this type (and, if code >= 0, whose last 4 payload bytes before any debug
 * data are the code) is in the bytes received. */
bool raw_saw_goaway(const struct raw *r, uint32_t code);
bool raw_saw_rst(const struct raw *r, uint32_t stream);

int test_status_run(void);
int test_frame_run(void);
int test_http1_run(void);
int test_unary_run(void);
int test_stream_run(void);
int test_raw_run(void);
int test_keepalive_run(void);
int test_access_run(void);
int test_channel_run(void);
int test_reentry_run(void);
int test_random_run(void);

#endif
