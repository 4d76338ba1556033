/* The echo server and the helpers that drive it. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/metric.h"
#include "lib/base/str.h"

/* --- the message, as protoc-c would write it -------------------------------------------------- */

static const ProtobufCFieldDescriptor echo_fields[] = {
    { .name = "data", .id = 1, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_BYTES,
      .offset = offsetof(struct echo, data) },
    { .name = "n", .id = 2, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_INT64,
      .offset = offsetof(struct echo, n) },
    { .name = "child", .id = 3, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_MESSAGE,
      .offset = offsetof(struct echo, child), .descriptor = &echo_descriptor },
    { .name = "many", .id = 4, .label = PROTOBUF_C_LABEL_REPEATED,
      .type = PROTOBUF_C_TYPE_MESSAGE, .quantifier_offset = offsetof(struct echo, n_many),
      .offset = offsetof(struct echo, many), .descriptor = &echo_descriptor },
};
static const unsigned echo_by_name[] = { 2, 0, 3, 1 };
static const ProtobufCIntRange echo_ranges[] = { { 1, 0 }, { 0, 4 } };

static void echo_message_init(ProtobufCMessage *m)
{
    static const struct echo empty = ECHO_INIT;
    memcpy(m, &empty, sizeof empty);
}

const ProtobufCMessageDescriptor echo_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "t.Echo",
    .short_name = "Echo",
    .c_name = "Echo",
    .package_name = "t",
    .sizeof_message = sizeof(struct echo),
    .n_fields = 4,
    .fields = echo_fields,
    .fields_sorted_by_name = echo_by_name,
    .n_field_ranges = 1,
    .field_ranges = echo_ranges,
    .message_init = echo_message_init,
};

struct echo echo_text(const char *text)
{
    struct echo e = ECHO_INIT;
    e.data.data = (uint8_t *)(uintptr_t)text;
    e.data.len = strlen(text);
    return e;
}

/* --- handlers --------------------------------------------------------------------------------- */

static void on_unary(struct rpc_call *call, ProtobufCMessage *msg)
{
    const struct echo *in = (const struct echo *)msg;
    struct echo out = ECHO_INIT;
    out.data = in->data;
    if (in->n > 0) { /* an answer of n bytes */
        out.data.len = (size_t)in->n;
        out.data.data = arena_alloc(rpc_call_arena(call), out.data.len);
        memset(out.data.data, 'x', out.data.len);
    }
    const char *meta = rpc_call_metadata(call, "hasleader");
    out.n = meta != NULL ? (int64_t)strlen(meta) : 0;
    rpc_reply(call, &out.base);
}

static void on_reply_buf(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct buf b = BUF_INIT;
    size_t n = protobuf_c_message_get_packed_size(msg);
    protobuf_c_message_pack(msg, buf_reserve(&b, n));
    buf_advance(&b, n);
    rpc_reply_buf(call, &b);
}

static void on_fail(struct rpc_call *call, ProtobufCMessage *msg)
{
    const struct echo *in = (const struct echo *)msg;
    if (in->n != 0) {
        rpc_fail_err(call, (int)in->n);
    } else {
        rpc_fail(call, GRPC_ABORTED, "100% of \xc3\xa4\n");
    }
}

static void on_park(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct fixture *f = rpc_call_arg(call);
    f->parked = call;
    f->n_parked++;
    loop_stop(f->loop);
}

static void on_park_closed(struct rpc_call *call)
{
    struct fixture *f = rpc_call_arg(call);
    f->n_closed++;
    f->parked = NULL;
    rpc_fail(call, GRPC_CANCELED, "too late"); /* a no-op on the wire; ends the call */
    loop_stop(f->loop);
}

static void on_bidi(struct rpc_call *call, ProtobufCMessage *msg)
{
    rpc_send(call, msg);
}

static void on_bidi_half_close(struct rpc_call *call)
{
    struct fixture *f = rpc_call_arg(call);
    f->half_closes++;
    rpc_finish(call, GRPC_OK, "");
}

static void on_stream_closed(struct rpc_call *call)
{
    struct fixture *f = rpc_call_arg(call);
    f->n_closed++;
    rpc_finish(call, GRPC_CANCELED, "");
    loop_stop(f->loop);
}

/* Sends flood_left bytes in shared pieces as fast as rpc_writable allows. */
static void flood_more(struct rpc_call *call)
{
    struct fixture *f = rpc_call_arg(call);
    /* data = the piece: field 1, length-delimited */
    while (f->flood_left > 0 && rpc_writable(call)) {
        struct value *v = value_alloc(f->flood_piece);
        memset(v->data, 'f', v->len);
        uint8_t head[8] = { 0x0a };
        size_t n = 1;
        size_t len = v->len;
        for (; len >= 0x80; len >>= 7) {
            head[n++] = (uint8_t)(len | 0x80);
        }
        head[n++] = (uint8_t)len;
        rpc_send_parts(call, slice_make(head, n), &v, 1);
        value_unref(v);
        f->flood_left -= f->flood_piece;
        f->flood_sent += f->flood_piece;
        if (rpc_call_queued(call) > f->flood_queued_max) {
            f->flood_queued_max = rpc_call_queued(call);
        }
    }
    if (f->flood_left == 0 && !rpc_call_closed(call)) {
        rpc_finish(call, GRPC_OK, "");
    }
}

static void on_flood(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    flood_more(call);
}

/* An answer of over 2 GiB; only its length is looked at. */
static void on_huge(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct echo m = echo_text("x");
    m.data.len = (size_t)INT32_MAX + 1;
    rpc_reply(call, &m.base);
}

static void no_half_close(struct rpc_call *call)
{
    (void)call;
}

#define M(p, k, ...) { .path = "/t.Echo/" p, .kind = k, .request = &echo_descriptor, __VA_ARGS__ }
static const struct rpc_method methods[] = {
    M("Unary", RPC_UNARY, .message = on_unary),
    M("ReplyBuf", RPC_UNARY, .message = on_reply_buf),
    M("Fail", RPC_UNARY, .message = on_fail),
    M("Huge", RPC_UNARY, .message = on_huge),
    M("Park", RPC_UNARY, .message = on_park, .closed = on_park_closed),
    M("Bidi", RPC_STREAM, .message = on_bidi, .half_close = on_bidi_half_close,
      .closed = on_stream_closed),
    M("Flood", RPC_STREAM, .message = on_flood, .writable = flood_more,
      .half_close = no_half_close, .closed = on_stream_closed),
};

static void on_health(void *arg, const struct http_request *req, struct http_response *res)
{
    (void)arg;
    buf_printf(&res->body, "%s %s %s %zu", req->method, req->path, req->query, req->body.len);
}

/* Answered when the test says so, or at once from within. */
static void on_later(void *arg, const struct http_request *req, struct http_reply *reply)
{
    struct fixture *f = arg;
    f->n_replies++;
    f->reply = reply;
    loop_stop(f->loop);
    if (strcmp(req->query, "now") == 0) {
        fixture_answer(f, "at once");
    }
}

void fixture_answer(struct fixture *f, const char *text)
{
    struct http_response r = { 200, "text/plain", BUF_INIT };
    struct http_reply *reply = f->reply;
    f->reply = NULL;
    buf_append_str(&r.body, text);
    http_reply_send(reply, &r);
}

static const struct http_route routes[] = {
    { "GET", "/health", on_health, NULL },
    { "POST", "/v3/kv/put", on_health, NULL },
    { "GET", "/later", NULL, on_later },
};

/* --- life ------------------------------------------------------------------------------------- */

static void on_guard(struct timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, guard);
    f->overdue = true;
    loop_stop(f->loop);
}

void fixture_server_start(struct fixture *f)
{
    struct err err = ERR_INIT;
    struct rpc_server_options o = { .loop = f->loop, .arg = f, .metrics = f->metrics };
    f->server = rpc_server_new(&o);
    rpc_server_methods(f->server, methods, ARRAY_LEN(methods));
    rpc_server_http(f->server, routes, ARRAY_LEN(routes), RPC_SERVES_HTTP);
    assert_int_equal(rpc_server_listen(f->server, f->address, RPC_SERVES_ALL, &err), 0);
}

void fixture_server_stop(struct fixture *f, uint64_t grace_ms, void (*stopped)(void *arg),
                         void *arg)
{
    rpc_server_stop(f->server, grace_ms, stopped, arg);
    rpc_server_free(f->server);
    f->server = NULL;
}

void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->loop = loop_new();
    f->flood_piece = 10000;
    f->metrics = metrics_new();
    timer_init(f->loop, &f->guard, on_guard);
    str_copy(f->address, sizeof f->address, "127.0.0.1:0");
    fixture_server_start(f);
    str_copy(f->address, sizeof f->address, rpc_server_address(f->server, 0));
    f->channel = fixture_channel(f, f->address);
}

struct rpc_channel *fixture_channel(struct fixture *f, const char *address)
{
    /* Patient: a busy machine is no dead server. */
    struct rpc_channel_options o = {
        .loop = f->loop, .address = address, .ping_ms = 50, .ping_timeout_ms = 5000, .seed = 7,
        .connect_timeout_ms = 5000,
    };
    return rpc_channel_new(&o);
}

struct rpc_channel *fixture_channel_quick(struct fixture *f, const char *address)
{
    struct rpc_channel_options o = {
        .loop = f->loop, .address = address, .ping_ms = 30, .ping_timeout_ms = 100, .seed = 7,
        .connect_timeout_ms = 300,
    };
    return rpc_channel_new(&o);
}

static void on_stopped(void *arg)
{
    struct fixture *f = arg;
    f->stopped = true;
    loop_stop(f->loop);
}

void fixture_close(struct fixture *f)
{
    rpc_channel_free(f->channel);
    if (f->server != NULL) {
        rpc_server_stop(f->server, 200, on_stopped, f);
        fixture_wait(f, &f->stopped);
        assert_int_equal(rpc_server_calls(f->server), 0);
        rpc_server_free(f->server);
    }
    fixture_run_ms(f, 5);
    loop_free(f->loop);
    metrics_free(f->metrics);
}

void fixture_wait(struct fixture *f, const bool *flag)
{
    f->overdue = false;
    timer_start(&f->guard, 10000);
    while (!*flag && !f->overdue) {
        loop_run(f->loop);
    }
    timer_stop(&f->guard);
    assert_false(f->overdue);
}

void fixture_wait_count(struct fixture *f, const size_t *count, size_t least)
{
    f->overdue = false;
    timer_start(&f->guard, 20000);
    while (*count < least && !f->overdue) {
        loop_run(f->loop);
    }
    timer_stop(&f->guard);
    assert_false(f->overdue);
}

void fixture_run_ms(struct fixture *f, uint64_t ms)
{
    f->overdue = false;
    timer_start(&f->guard, ms);
    while (!f->overdue) {
        loop_run(f->loop);
    }
}

/* --- outcomes --------------------------------------------------------------------------------- */

void outcome_init(struct outcome *o, struct fixture *f)
{
    memset(o, 0, sizeof *o);
    o->f = f;
}

void outcome_fini(struct outcome *o)
{
    buf_fini(&o->data);
}

void outcome_done(void *arg, const struct rpc_result *result)
{
    struct outcome *o = arg;
    assert_false(o->done);
    o->done = true;
    o->err = result->err;
    o->grpc_code = result->grpc_code;
    o->never_sent = result->never_sent;
    str_copy(o->text, sizeof o->text, result->text);
    if (result->msg != NULL) {
        const struct echo *e = (const struct echo *)result->msg;
        buf_append(&o->data, e->data.data, e->data.len);
    }
    loop_stop(o->f->loop);
}

struct rpc_request *call_echo(struct outcome *o, const char *path, const struct echo *msg,
                              uint64_t timeout_ms)
{
    return rpc_call_unary(o->f->channel, path, &msg->base, &echo_descriptor, timeout_ms,
                          outcome_done, o);
}

static void on_stream_message(void *arg, const ProtobufCMessage *msg)
{
    struct outcome *o = arg;
    const struct echo *e = (const struct echo *)msg;
    o->messages++;
    if (o->data.len < 100000) {
        buf_append(&o->data, e->data.data, e->data.len);
    }
    loop_stop(o->f->loop);
}

static void on_stream_opened(void *arg)
{
    struct outcome *o = arg;
    o->opened = true;
    loop_stop(o->f->loop);
}

void open_stream(struct outcome *o, const char *path)
{
    static const struct rpc_stream_events events = { on_stream_message, outcome_done,
                                                     on_stream_opened };
    o->stream = rpc_stream_open(o->f->channel, path, &echo_descriptor, &events, o);
}

/* --- raw bytes -------------------------------------------------------------------------------- */

static void raw_on_read(void *arg, struct slice bytes)
{
    struct raw *r = arg;
    buf_append_slice(&r->in, bytes);
    loop_stop(r->f->loop);
}

static void raw_on_close(void *arg, int status)
{
    (void)status;
    struct raw *r = arg;
    r->closed = true;
    r->conn = NULL;
    loop_stop(r->f->loop);
}

static void raw_on_connect(void *arg, int status, struct conn *c, const struct err *err)
{
    static const struct conn_events events = { raw_on_read, NULL, raw_on_close };
    (void)err;
    struct raw *r = arg;
    assert_int_equal(status, 0);
    r->conn = c;
    r->connected = true;
    conn_set_events(c, &events, r);
    loop_stop(r->f->loop);
}

void raw_open(struct raw *r, struct fixture *f)
{
    raw_open_at(r, f, f->address);
}

void raw_open_at(struct raw *r, struct fixture *f, const char *address)
{
    memset(r, 0, sizeof *r);
    r->f = f;
    conn_connect(f->loop, address, 1000, raw_on_connect, r);
    fixture_wait(f, &r->connected);
}

void raw_close(struct raw *r)
{
    if (r->conn != NULL) {
        conn_close(r->conn);
        fixture_wait(r->f, &r->closed);
    }
    buf_fini(&r->in);
}

void raw_write(struct raw *r, const void *bytes, size_t len)
{
    conn_write(r->conn, slice_make(bytes, len));
}

void raw_frame(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
               size_t len)
{
    buf_put_u8(out, (uint8_t)(len >> 16));
    buf_put_u8(out, (uint8_t)(len >> 8));
    buf_put_u8(out, (uint8_t)len);
    buf_put_u8(out, type);
    buf_put_u8(out, flags);
    buf_put_u32(out, stream);
    buf_append(out, payload, len);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool raw_saw(const struct raw *r, uint8_t type, uint32_t stream, size_t code_at,
                    int64_t code)
{
    size_t at = 0;
    while (at + 9 <= r->in.len) {
        const uint8_t *p = r->in.data + at;
        size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        if (at + 9 + len > r->in.len) {
            break;
        }
        if (p[3] == type && be32(p + 5) == stream &&
            (code < 0 || (len >= code_at + 4 && be32(p + 9 + code_at) == (uint32_t)code))) {
            return true;
        }
        at += 9 + len;
    }
    return false;
}

bool raw_saw_goaway(const struct raw *r, uint32_t code)
{
    return raw_saw(r, 7, 0, 4, code);
}

bool raw_saw_rst(const struct raw *r, uint32_t stream)
{
    return raw_saw(r, 3, stream, 0, -1);
}
