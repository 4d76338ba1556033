/* Fuzzes a server session with arbitrary bytes: the input is fed in pieces of a size its first byte
 * chooses, after the client's preface when the second byte says so. Each request is answered as the
 * server would: one message back for each message that came, then the status. Whatever happens,
 * every opened stream is closed exactly once and the queue counter returns to zero. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/h2.h"

struct call {
    struct h2_stream stream;
    struct grpc_reader reader;
    bool responded, ended;
};

struct world {
    size_t open;
    size_t sent;
};

static struct h2_stream *on_open(void *arg)
{
    struct world *w = arg;
    if (w->open >= 64) {
        return NULL;
    }
    struct call *c = mem_zalloc(sizeof *c);
    h2_stream_init(&c->stream);
    grpc_reader_init(&c->reader, 10000);
    w->open++;
    return &c->stream;
}

static struct call *call_of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct call, stream);
}

static void on_header(void *arg, struct h2_stream *s, struct slice name, struct slice value)
{
    (void)arg;
    (void)s;
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < name.len; i++) {
        sink ^= name.data[i];
    }
    for (size_t i = 0; i < value.len; i++) {
        sink ^= value.data[i];
    }
    (void)sink;
    uint64_t ms;
    (void)grpc_timeout_parse(value, &ms);
}

static void on_headers_end(void *arg, struct h2_stream *s)
{
    static const struct h2_header h = { { (const uint8_t *)":status", 7 },
                                        { (const uint8_t *)"200", 3 } };
    (void)arg;
    struct call *c = call_of(s);
    if (!c->responded) {
        c->responded = true;
        h2_respond(s, &h, 1, false);
    }
}

static bool on_message(void *arg, struct slice payload)
{
    struct call *c = arg;
    struct value *v = value_alloc(GRPC_PREFIX_BYTES + payload.len);
    grpc_prefix(v->data, payload.len);
    if (payload.len > 0) {
        memcpy(v->data + GRPC_PREFIX_BYTES, payload.data, payload.len);
    }
    h2_queue_value(&c->stream, v);
    return true;
}

static void finish(struct call *c)
{
    struct h2_stream *s = &c->stream;
    if (!c->ended) {
        c->ended = true;
        s->trailers[0] = (struct h2_header){ { (const uint8_t *)"grpc-status", 11 },
                                             { (const uint8_t *)"0", 1 } };
        s->n_trailers = 1;
        h2_end(s);
    }
}

static void on_data(void *arg, struct h2_stream *s, struct slice bytes)
{
    (void)arg;
    struct call *c = call_of(s);
    size_t len;
    if (!c->ended && grpc_reader_feed(&c->reader, bytes, on_message, c, &len) != 0) {
        finish(c);
    }
}

static void on_remote_end(void *arg, struct h2_stream *s)
{
    (void)arg;
    finish(call_of(s));
}

static void on_close(void *arg, struct h2_stream *s, uint32_t code)
{
    (void)code;
    struct world *w = arg;
    struct call *c = call_of(s);
    INVARIANT(w->open > 0);
    w->open--;
    grpc_reader_fini(&c->reader);
    mem_free(c);
}

static void sink_bytes(void *arg, struct slice bytes)
{
    struct world *w = arg;
    w->sent += bytes.len;
}

static void sink_value(void *arg, struct value *v, size_t from, size_t len)
{
    INVARIANT(from <= v->len && len <= v->len - from);
    sink_bytes(arg, slice_make(v->data + from, len));
}

static bool sink_full(void *arg)
{
    (void)arg;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct h2_events events = {
        .open = on_open,
        .header = on_header,
        .headers_end = on_headers_end,
        .data = on_data,
        .remote_end = on_remote_end,
        .close = on_close,
    };
    struct world w = { 0 };
    struct h2_options o = { .server = true, .streams_max = 100, .header_bytes_max = 16384,
                            .stream_window = 65535, .conn_window = 1 << 20 };
    struct h2_sink sink = { sink_bytes, sink_value, sink_full, &w };
    if (size < 2) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    struct h2 *h2 = h2_new(&o, &events, &w);
    int rv = 0;
    if ((data[1] & 1) != 0) {
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
        rv = h2_feed(h2, slice_make(preface, sizeof preface - 1), 0);
    }
    for (size_t at = 2; at < size && rv == 0; at += step) {
        size_t n = size - at < step ? size - at : step;
        rv = h2_feed(h2, slice_make(data + at, n), at);
        if (h2_pull(h2, &sink) != 0) {
            break;
        }
    }
    h2_close_all(h2, H2_CANCEL);
    INVARIANT(w.open == 0);
    INVARIANT(h2_queued(h2) == 0);
    h2_free(h2);
    return 0;
}
