/* Streams: echo, half close, back-pressure, cancelling, pausing. */
#include "fixture.h"

#include <string.h>

#include "lib/base/limits.h"

static void a_stream_echoes_in_order_and_ends_with_half_close(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    for (char c = 'a'; c <= 'z'; c++) {
        char text[2] = { c, '\0' };
        struct echo m = echo_text(text);
        rpc_stream_send(o.stream, &m.base);
    }
    fixture_wait_count(&f, &o.messages, 26);
    assert_true(o.opened);
    assert_string_equal(buf_str(&o.data), "abcdefghijklmnopqrstuvwxyz");
    assert_false(o.done);
    rpc_stream_half_close(o.stream);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    assert_int_equal(f.half_closes, 1);
    assert_int_equal(f.n_closed, 0);
    outcome_fini(&o);
    fixture_close(&f);
}

static void the_server_queue_stays_bounded_while_the_reader_pauses(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    f.flood_left = 16 * 1000 * 1000;
    open_stream(&o, "/t.Echo/Flood");
    struct echo m = echo_text("go");
    rpc_stream_send(o.stream, &m.base);
    rpc_stream_pause(o.stream, true);
    fixture_run_ms(&f, 100);
    size_t sent = f.flood_sent;
    assert_int_equal(o.messages, 0);
    assert_true(sent > 500 * 1000);
    assert_true(sent < 4 * 1000 * 1000); /* windows and queues, not the source */
    assert_true(f.flood_queued_max <= LIMIT_STREAM_QUEUE_BYTES + 2 * f.flood_piece);
    fixture_run_ms(&f, 50);
    assert_int_equal(f.flood_sent, sent);

    rpc_stream_pause(o.stream, false);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.messages, 1600);
    outcome_fini(&o);
    fixture_close(&f);
}

/* One alone may have a full queue; sixty together may not. */
static void many_stalled_streams_share_what_a_server_queues(void **state)
{
    (void)state;
    enum { STREAMS = 60 };
    struct fixture f;
    struct outcome o[STREAMS];
    fixture_open(&f);
    f.flood_left = 140 * 1000 * 1000;
    struct echo m = echo_text("go");
    for (size_t i = 0; i < STREAMS; i++) {
        outcome_init(&o[i], &f);
        open_stream(&o[i], "/t.Echo/Flood");
        rpc_stream_send(o[i].stream, &m.base);
        rpc_stream_pause(o[i].stream, true);
    }
    size_t sent;
    do {
        sent = f.flood_sent;
        fixture_run_ms(&f, 100);
    } while (f.flood_sent != sent || sent == 0);
    size_t piece = LIMIT_STREAM_SCARCE_BYTES + 2 * f.flood_piece;
    assert_true(rpc_server_queued(f.server) <= LIMIT_SERVER_QUEUE_BYTES + STREAMS * piece);
    assert_true(f.flood_left > 0);

    size_t messages = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        rpc_stream_pause(o[i].stream, false);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        fixture_wait(&f, &o[i].done);
        assert_int_equal(o[i].err, 0);
        messages += o[i].messages;
        outcome_fini(&o[i]);
    }
    assert_int_equal(messages, 14000);
    assert_int_equal(rpc_server_queued(f.server), 0);
    fixture_close(&f);
}

static void messages_read_while_paused_come_in_order_and_before_the_end(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    rpc_stream_pause(o.stream, true);
    for (char c = 'a'; c <= 'e'; c++) {
        char text[2] = { c, '\0' };
        struct echo m = echo_text(text);
        rpc_stream_send(o.stream, &m.base);
    }
    rpc_stream_half_close(o.stream);
    fixture_run_ms(&f, 50);
    assert_int_equal(f.half_closes, 1);
    assert_int_equal(o.messages, 0);
    assert_false(o.done);
    rpc_stream_pause(o.stream, false);
    fixture_wait(&f, &o.done);
    assert_string_equal(buf_str(&o.data), "abcde");
    assert_int_equal(o.err, 0);
    outcome_fini(&o);

    /* Cancelling such a stream is silent and frees it. */
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    rpc_stream_pause(o.stream, true);
    struct echo m = echo_text("x");
    rpc_stream_send(o.stream, &m.base);
    rpc_stream_half_close(o.stream);
    fixture_run_ms(&f, 30);
    rpc_stream_cancel(o.stream);
    fixture_run_ms(&f, 10);
    assert_false(o.done);
    fixture_close(&f);
}

static void a_paused_ended_stream_is_told_when_the_channel_goes(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    rpc_stream_pause(o.stream, true);
    struct echo m = echo_text("x");
    rpc_stream_send(o.stream, &m.base);
    rpc_stream_half_close(o.stream);
    fixture_run_ms(&f, 30);
    assert_false(o.done);
    rpc_channel_free(f.channel);
    f.channel = NULL;
    fixture_wait(&f, &o.done);
    assert_int_equal(o.messages, 1);
    outcome_fini(&o);
    fixture_close(&f);
}

static void one_slow_stream_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome slow, quick;
    fixture_open(&f);
    outcome_init(&slow, &f);
    outcome_init(&quick, &f);
    f.flood_left = 64 * 1000 * 1000;
    open_stream(&slow, "/t.Echo/Flood");
    struct echo m = echo_text("go");
    rpc_stream_send(slow.stream, &m.base);
    rpc_stream_pause(slow.stream, true);
    fixture_run_ms(&f, 50);
    struct echo e = echo_text("quick");
    call_echo(&quick, "/t.Echo/Unary", &e, 2000);
    fixture_wait(&f, &quick.done);
    assert_int_equal(quick.err, 0);
    rpc_stream_cancel(slow.stream);
    fixture_wait_count(&f, &f.n_closed, 1);
    outcome_fini(&quick);
    fixture_close(&f);
}

static void a_cancelled_stream_is_closed_at_the_server(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    struct echo m = echo_text("x");
    rpc_stream_send(o.stream, &m.base);
    fixture_wait_count(&f, &o.messages, 1);
    rpc_stream_cancel(o.stream);
    fixture_wait_count(&f, &f.n_closed, 1);
    assert_false(o.done);
    assert_int_equal(rpc_server_calls(f.server), 0);
    outcome_fini(&o);
    fixture_close(&f);
}

static void metadata_reaches_the_handler(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    /* A stream is used for a unary method: on the wire they are the same. */
    open_stream(&o, "/t.Echo/Unary");
    rpc_stream_metadata(o.stream, "hasleader", "true");
    struct echo m = echo_text("x");
    rpc_stream_send(o.stream, &m.base);
    rpc_stream_half_close(o.stream);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.messages, 1);
    outcome_fini(&o);
    fixture_close(&f);
}

static void two_messages_in_a_unary_call_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    for (int n = 0; n <= 2; n += 2) {
        outcome_init(&o, &f);
        open_stream(&o, "/t.Echo/Unary");
        struct echo m = echo_text("x");
        for (int i = 0; i < n; i++) {
            rpc_stream_send(o.stream, &m.base);
        }
        rpc_stream_half_close(o.stream);
        fixture_wait(&f, &o.done);
        assert_int_equal(o.grpc_code, GRPC_INTERNAL);
        assert_int_equal(o.messages, 0);
        outcome_fini(&o);
    }
    fixture_close(&f);
}

static void a_hundred_streams_share_one_connection(void **state)
{
    (void)state;
    enum { STREAMS = 100, MESSAGES = 20 };
    struct fixture f;
    static struct outcome o[STREAMS];
    fixture_open(&f);
    for (int i = 0; i < STREAMS; i++) {
        outcome_init(&o[i], &f);
        open_stream(&o[i], "/t.Echo/Bidi");
        for (int k = 0; k < MESSAGES; k++) {
            struct echo m = echo_text("m");
            rpc_stream_send(o[i].stream, &m.base);
        }
        rpc_stream_half_close(o[i].stream);
    }
    for (int i = 0; i < STREAMS; i++) {
        fixture_wait(&f, &o[i].done);
        assert_int_equal(o[i].err, 0);
        assert_int_equal(o[i].messages, MESSAGES);
        outcome_fini(&o[i]);
    }
    assert_int_equal(rpc_server_conns(f.server), 1);
    fixture_close(&f);
}

int test_stream_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_echoes_in_order_and_ends_with_half_close),
        cmocka_unit_test(the_server_queue_stays_bounded_while_the_reader_pauses),
        cmocka_unit_test(many_stalled_streams_share_what_a_server_queues),
        cmocka_unit_test(messages_read_while_paused_come_in_order_and_before_the_end),
        cmocka_unit_test(a_paused_ended_stream_is_told_when_the_channel_goes),
        cmocka_unit_test(one_slow_stream_does_not_hold_up_the_others),
        cmocka_unit_test(a_cancelled_stream_is_closed_at_the_server),
        cmocka_unit_test(metadata_reaches_the_handler),
        cmocka_unit_test(two_messages_in_a_unary_call_are_refused),
        cmocka_unit_test(a_hundred_streams_share_one_connection),
    };
    return cmocka_run_group_tests_name("rpc streams", tests, NULL, NULL);
}
