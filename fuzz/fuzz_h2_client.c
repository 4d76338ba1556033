/* Fuzzes a client session: three requests are open, the input is what the server answers, in pieces
 * of a size its first byte chooses. Odd bytes in the second one make requests wait for more to
 * send. Every stream is closed exactly once, however the session ends. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/rpc/grpc_frame.h"
#include "lib/rpc/h2.h"

enum { CALLS = 3 };

struct call {
    struct h2_stream stream;
    struct grpc_reader reader;
    bool closed, broken;
    struct buf text;
};

struct world {
    struct h2 *h2;
    size_t sent;
};

static struct call *call_of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct call, stream);
}

static void on_header(void *arg, struct h2_stream *s, struct slice name, struct slice value)
{
    (void)arg;
    struct call *c = call_of(s);
    if (slice_eq(name, slice_str("grpc-message"))) {
        buf_reset(&c->text);
        grpc_percent_decode(&c->text, value);
    }
}

static void on_nothing(void *arg, struct h2_stream *s)
{
    (void)arg;
    (void)s;
}

static bool on_message(void *arg, struct slice payload)
{
    (void)arg;
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < payload.len; i++) {
        sink ^= payload.data[i];
    }
    (void)sink;
    return true;
}

static void on_data(void *arg, struct h2_stream *s, struct slice bytes)
{
    (void)arg;
    struct call *c = call_of(s);
    size_t len;
    if (!c->broken && grpc_reader_feed(&c->reader, bytes, on_message, c, &len) != 0) {
        c->broken = true;
        h2_reset(s, H2_CANCEL);
    }
    h2_consume(s, bytes.len);
}

static void on_close(void *arg, struct h2_stream *s, uint32_t code)
{
    (void)arg;
    (void)code;
    struct call *c = call_of(s);
    INVARIANT(!c->closed);
    c->closed = true;
}

static void on_goaway(void *arg, uint32_t code, struct slice debug)
{
    (void)arg;
    (void)code;
    INVARIANT(debug.len < 1u << 24);
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

static void open_calls(struct world *w, struct call *calls, uint8_t wait)
{
    static const struct h2_header h[] = {
        { { (const uint8_t *)":method", 7 }, { (const uint8_t *)"POST", 4 } },
        { { (const uint8_t *)":path", 5 }, { (const uint8_t *)"/a.B/C", 6 } },
    };
    for (int i = 0; i < CALLS; i++) {
        struct call *c = &calls[i];
        h2_stream_init(&c->stream);
        grpc_reader_init(&c->reader, 10000);
        h2_queue_value(&c->stream, value_new("\0\0\0\0\1x", 6));
        if ((wait >> i & 1) == 0) {
            h2_end(&c->stream);
        }
        INVARIANT(h2_request(w->h2, &c->stream, h, ARRAY_LEN(h)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct h2_events events = {
        .header = on_header,
        .headers_end = on_nothing,
        .data = on_data,
        .remote_end = on_nothing,
        .close = on_close,
        .goaway = on_goaway,
    };
    struct world w = { 0 };
    struct call calls[CALLS] = { 0 };
    struct h2_options o = { .header_bytes_max = 16384, .stream_window = 65535,
                            .conn_window = 1 << 20, .manual_window = true };
    struct h2_sink sink = { sink_bytes, sink_value, sink_full, &w };
    if (size < 2) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    w.h2 = h2_new(&o, &events, &w);
    open_calls(&w, calls, data[1]);
    int rv = h2_pull(w.h2, &sink);
    for (size_t at = 2; at < size && rv == 0; at += step) {
        size_t n = size - at < step ? size - at : step;
        rv = h2_feed(w.h2, slice_make(data + at, n), at);
        if (rv == 0) {
            rv = h2_pull(w.h2, &sink);
        }
    }
    h2_close_all(w.h2, H2_CANCEL);
    for (int i = 0; i < CALLS; i++) {
        INVARIANT(calls[i].closed);
        grpc_reader_fini(&calls[i].reader);
        buf_fini(&calls[i].text);
    }
    INVARIANT(h2_queued(w.h2) == 0);
    h2_free(w.h2);
    return 0;
}
