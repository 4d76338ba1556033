/* Raw HTTP/2 bytes against the server: odd but legal, malformed, hostile. */
#include "fixture.h"

#include <string.h>

#include "lib/base/limits.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { DATA = 0, HEADERS = 1, PRIORITY = 2, RST = 3, SETTINGS = 4, PING = 6 };
enum { WINDOW_UPDATE = 8, CONTINUATION = 9 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static void begin(struct buf *out)
{
    buf_append(out, preface, sizeof preface - 1);
    raw_frame(out, SETTINGS, 0, 0, NULL, 0);
}

/* A literal header without indexing. */
static void put_header(struct buf *b, const char *name, const char *value)
{
    assert_true(strlen(name) < 127 && strlen(value) < 127);
    buf_put_u8(b, 0);
    buf_put_u8(b, (uint8_t)strlen(name));
    buf_append_str(b, name);
    buf_put_u8(b, (uint8_t)strlen(value));
    buf_append_str(b, value);
}

static void put_request(struct buf *b, const char *authority, const char *path, const char *type)
{
    put_header(b, ":method", "POST");
    put_header(b, ":scheme", "http");
    put_header(b, ":path", path);
    put_header(b, ":authority", authority);
    put_header(b, "content-type", type);
    put_header(b, "te", "trailers");
}

/* Sends `out` and waits until the text is somewhere in the answer. */
static void expect_text(struct fixture *f, struct buf *out, const char *want)
{
    struct raw r;
    raw_open(&r, f);
    raw_write(&r, out->data, out->len);
    for (int i = 0; r.in.len == 0 || memmem(r.in.data, r.in.len, want, strlen(want)) == NULL; i++) {
        assert_true(i < 2000 && !r.closed);
        fixture_run_ms(f, 2);
    }
    raw_close(&r);
}

static void expect_goaway(struct fixture *f, struct buf *out, uint32_t code)
{
    struct raw r;
    raw_open(&r, f);
    raw_write(&r, out->data, out->len);
    fixture_wait(f, &r.closed);
    assert_true(raw_saw_goaway(&r, code));
    raw_close(&r);
}

static void odd_authorities_are_accepted(void **state)
{
    (void)state;
    static const char *const odd[] = { "http://127.0.0.1:2379", "#initially=[127.0.0.1:2379]",
                                       "etcd-endpoints://0xc0000/127.0.0.1:2379", "" };
    struct fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        autobuf block = BUF_INIT;
        autobuf out = BUF_INIT;
        put_request(&block, odd[i], "/t.Echo/Unary", "application/grpc+proto");
        begin(&out);
        raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
        raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\6\x0a\4oddx", 11);
        expect_text(&f, &out, "oddx");
    }
    fixture_close(&f);
}

static void a_get_is_405_and_a_foreign_content_type_415(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Unary", "application/json");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    while (!raw_saw_rst(&r, 1)) { /* answered before the end of the request: NO_ERROR */
        fixture_run_ms(&f, 2);
        assert_false(r.closed);
    }
    raw_close(&r);
    fixture_close(&f);
}

static void a_compressed_message_is_unimplemented(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\1\0\0\0\1x", 6);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_run_ms(&f, 20);
    assert_false(r.closed);
    assert_int_equal(f.n_parked, 0);
    assert_int_equal(rpc_server_calls(f.server), 0);
    raw_close(&r);
    fixture_close(&f);
}

static void a_request_that_ends_inside_a_message_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\7x", 6);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_run_ms(&f, 20);
    assert_int_equal(f.n_parked, 0);
    assert_int_equal(rpc_server_calls(f.server), 0);
    raw_close(&r);
    fixture_close(&f);
}

static void a_header_list_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf out = BUF_INIT;
    begin(&out);
    autobuf block = BUF_INIT;
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    char value[120];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t n = 0; n < 14 * 1024; n += sizeof value) {
        put_header(&block, "x", value);
    }
    assert_true(block.len < 16384);
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_run_ms(&f, 20);
    assert_int_equal(f.n_parked, 0);
    assert_int_equal(rpc_server_calls(f.server), 0);
    raw_close(&r);
    fixture_close(&f);
}

static void floods_end_in_goaway(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf pings = BUF_INIT;
    begin(&pings);
    for (int i = 0; i < 300; i++) {
        raw_frame(&pings, PING, 0, 0, "12345678", 8);
    }
    expect_goaway(&f, &pings, 11);

    autobuf settings = BUF_INIT;
    begin(&settings);
    for (int i = 0; i < 100; i++) {
        raw_frame(&settings, SETTINGS, 0, 0, NULL, 0);
    }
    expect_goaway(&f, &settings, 11);

    autobuf empty = BUF_INIT;
    autobuf block = BUF_INIT;
    begin(&empty);
    put_request(&block, "a", "/t.Echo/Bidi", "application/grpc");
    raw_frame(&empty, HEADERS, END_HEADERS, 1, block.data, block.len);
    for (int i = 0; i < 300; i++) {
        raw_frame(&empty, DATA, 0, 1, NULL, 0);
    }
    expect_goaway(&f, &empty, 11);

    autobuf priorities = BUF_INIT;
    begin(&priorities);
    for (int i = 0; i < 1500; i++) {
        raw_frame(&priorities, PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
    }
    expect_goaway(&f, &priorities, 11);
    fixture_close(&f);
}

/* grpc-go measures the path with a ping whenever data arrives and none is under way: over a quick
 * link that is thousands a second. */
static void a_ping_for_every_answer_is_no_flood(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf out = BUF_INIT;
    autobuf block = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Unary", "application/grpc");
    struct raw r;
    raw_open(&r, &f);
    for (uint32_t i = 0; i < 600; i++) {
        raw_frame(&out, HEADERS, END_HEADERS, 2 * i + 1, block.data, block.len);
        raw_frame(&out, DATA, END_STREAM, 2 * i + 1, "\0\0\0\0\0", 5);
        raw_write(&r, out.data, out.len);
        fixture_wait_count(&f, &r.in.len, r.in.len + 1);
        buf_reset(&out);
        raw_frame(&out, PING, 0, 0, "12345678", 8);
        raw_write(&r, out.data, out.len);
        fixture_wait_count(&f, &r.in.len, r.in.len + 17);
        buf_reset(&out);
    }
    assert_false(r.closed);
    raw_close(&r);
    fixture_close(&f);
}

static void a_continuation_flood_closes_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf out = BUF_INIT;
    autobuf block = BUF_INIT;
    begin(&out);
    put_header(&block, ":method", "POST");
    raw_frame(&out, HEADERS, 0, 1, block.data, block.len);
    for (int i = 0; i < 1000; i++) {
        raw_frame(&out, CONTINUATION, 0, 1, "\0\1x\1y", 5);
    }
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_wait(&f, &r.closed);
    raw_close(&r);
    fixture_close(&f);
}

static void malformed_frames_close_the_connection(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, flags;
        uint32_t stream;
        const char *payload;
        size_t len;
    } bad[] = {
        { SETTINGS, 0, 0, "xxxxx", 5 },           /* not a multiple of six */
        { SETTINGS, 0, 1, NULL, 0 },              /* on a stream */
        { PING, 0, 0, "1234", 4 },                /* not eight bytes */
        { DATA, 0, 0, "x", 1 },                   /* on stream zero */
        { HEADERS, END_HEADERS, 2, "\x82", 1 },   /* an even stream */
        { HEADERS, END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff\xff", 7 }, /* broken HPACK */
        { CONTINUATION, 0, 1, "x", 1 },           /* of nothing */
    };
    struct fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        autobuf out = BUF_INIT;
        begin(&out);
        raw_frame(&out, bad[i].type, bad[i].flags, bad[i].stream, bad[i].payload, bad[i].len);
        struct raw r;
        raw_open(&r, &f);
        raw_write(&r, out.data, out.len);
        fixture_wait(&f, &r.closed);
        raw_close(&r);
    }
    /* A broken preface, and one that comes byte by byte. */
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nxxxxxxxxx", 33);
    fixture_wait(&f, &r.closed);
    raw_close(&r);
    raw_open(&r, &f);
    autobuf out = BUF_INIT;
    begin(&out);
    for (size_t i = 0; i < out.len; i++) {
        raw_write(&r, out.data + i, 1);
        fixture_run_ms(&f, 1);
    }
    assert_false(r.closed);
    assert_true(r.in.len > 9);
    raw_close(&r);
    fixture_close(&f);
}

static void a_reset_closes_the_call(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_wait_count(&f, &f.n_parked, 1);
    buf_reset(&out);
    raw_frame(&out, RST, 0, 1, "\0\0\0\x08", 4);
    raw_write(&r, out.data, out.len);
    fixture_wait_count(&f, &f.n_closed, 1);
    raw_close(&r);
    fixture_close(&f);
}

static void a_vanished_connection_closes_its_calls(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_wait_count(&f, &f.n_parked, 1);
    raw_close(&r);
    fixture_wait_count(&f, &f.n_closed, 1);
    fixture_run_ms(&f, 2);
    assert_int_equal(rpc_server_conns(f.server), 0);
    fixture_close(&f);
}

/* The windows are wide open, but nobody reads the socket: the source must stop all the same. */
static void a_reader_that_does_not_read_its_socket_stops_the_source(void **state)
{
    (void)state;
    enum { TOTAL = 40 * 1000 * 1000 };
    struct fixture f;
    fixture_open(&f);
    f.flood_left = TOTAL;
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    buf_append(&out, preface, sizeof preface - 1);
    raw_frame(&out, SETTINGS, 0, 0, "\0\4\x40\0\0\0", 6);
    raw_frame(&out, WINDOW_UPDATE, 0, 0, "\x40\0\0\0", 4);
    put_request(&block, "a", "/t.Echo/Flood", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    raw_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
    struct raw r;
    raw_open(&r, &f);
    conn_pause_read(r.conn, true);
    raw_write(&r, out.data, out.len);
    fixture_run_ms(&f, 100);
    size_t sent = f.flood_sent;
    assert_true(sent > 100 * 1000);
    assert_true(sent < 25 * 1000 * 1000); /* the kernel's buffers, ours, not the source */
    assert_true(f.flood_queued_max <= LIMIT_STREAM_QUEUE_BYTES + 2 * f.flood_piece);
    fixture_run_ms(&f, 30);
    assert_int_equal(f.flood_sent, sent);
    conn_pause_read(r.conn, false);
    fixture_wait_count(&f, &r.in.len, TOTAL);
    assert_int_equal(f.flood_sent, TOTAL);
    raw_close(&r);
    fixture_close(&f);
}

/* A message of 60,000 bytes in frames that need no window beyond the first. */
static void put_message(struct buf *out, uint32_t stream)
{
    enum { FRAMES = 4, FRAME = 15000, BODY = FRAMES * FRAME - 5 - 4 };
    static uint8_t bytes[FRAMES * FRAME];
    memcpy(bytes, "\0\0\0\0\0\x0a", 6);
    bytes[3] = (uint8_t)((BODY + 4) >> 8);
    bytes[4] = (uint8_t)((BODY + 4) & 0xff);
    bytes[6] = (uint8_t)(BODY | 0x80);
    bytes[7] = (uint8_t)(BODY >> 7 | 0x80);
    bytes[8] = BODY >> 14;
    for (size_t i = 0; i < FRAMES; i++) {
        raw_frame(out, DATA, 0, stream, bytes + i * FRAME, FRAME);
    }
}

/* Whole messages whose requests do not end are held, so they count like half messages. */
static void requests_that_never_end_hold_a_bounded_amount(void **state)
{
    (void)state;
    enum { N = LIMIT_CONN_PARTIAL_BYTES / 60000 + 100 };
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    begin(&out);
    put_request(&block, "a", "/t.Echo/Park", "application/grpc");
    for (uint32_t i = 0; i < N; i++) {
        raw_frame(&out, HEADERS, END_HEADERS, 2 * i + 1, block.data, block.len);
        put_message(&out, 2 * i + 1);
    }
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    for (int i = 0; !raw_saw_rst(&r, 2 * N - 1); i++) { /* refused: stop sending */
        assert_true(i < 500 && !r.closed);
        fixture_run_ms(&f, 5);
    }
    assert_false(raw_saw_rst(&r, 1));
    assert_true(rpc_server_calls(f.server) < N - 50);
    assert_int_equal(f.n_parked, 0);
    raw_close(&r);
    fixture_close(&f);
}

/* The window is shut and the questions go on: the answers may not pile up for ever. */
static void a_stream_that_asks_and_reads_no_answer_is_ended(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    autobuf block = BUF_INIT;
    autobuf out = BUF_INIT;
    buf_append(&out, preface, sizeof preface - 1);
    raw_frame(&out, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    put_request(&block, "a", "/t.Echo/Bidi", "application/grpc");
    raw_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    struct raw r;
    raw_open(&r, &f);
    raw_write(&r, out.data, out.len);
    fixture_run_ms(&f, 5);
    buf_reset(&out);
    raw_frame(&out, SETTINGS, ACK, 0, NULL, 0);
    raw_write(&r, out.data, out.len);
    size_t sent = 0;
    while (f.n_closed == 0) {
        enum { BURST = 7 }; /* less than half of the stream's window */
        assert_true(sent < LIMIT_CONN_REPLY_BYTES + 20 * BURST * 60000 && !r.closed);
        buf_reset(&out);
        for (int i = 0; i < BURST; i++) {
            put_message(&out, 1);
        }
        raw_write(&r, out.data, out.len);
        sent += out.len;
        fixture_run_ms(&f, 3);
    }
    assert_true(sent > LIMIT_CONN_REPLY_BYTES);
    raw_close(&r);
    fixture_close(&f);
}

int test_raw_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_authorities_are_accepted),
        cmocka_unit_test(a_get_is_405_and_a_foreign_content_type_415),
        cmocka_unit_test(a_compressed_message_is_unimplemented),
        cmocka_unit_test(a_request_that_ends_inside_a_message_is_refused),
        cmocka_unit_test(a_header_list_over_the_limit_is_refused),
        cmocka_unit_test(floods_end_in_goaway),
        cmocka_unit_test(a_ping_for_every_answer_is_no_flood),
        cmocka_unit_test(a_continuation_flood_closes_the_connection),
        cmocka_unit_test(malformed_frames_close_the_connection),
        cmocka_unit_test(a_reset_closes_the_call),
        cmocka_unit_test(a_vanished_connection_closes_its_calls),
        cmocka_unit_test(a_reader_that_does_not_read_its_socket_stops_the_source),
        cmocka_unit_test(requests_that_never_end_hold_a_bounded_amount),
        cmocka_unit_test(a_stream_that_asks_and_reads_no_answer_is_ended),
    };
    return cmocka_run_group_tests_name("rpc raw", tests, NULL, NULL);
}
