/* Channels: refused, silent, dying and stopping servers. */
#include "fixture.h"

#include <string.h>

#include <nghttp2/nghttp2.h>

#include "lib/base/str.h"
#include "lib/rpc/channel_int.h"
#include "lib/rpc/h2_int.h"

static void a_refused_connection_fails_the_call_as_never_sent(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    rpc_channel_free(f.channel);
    f.channel = fixture_channel(&f, "127.0.0.1:1");
    struct echo m = echo_text("x");
    for (int i = 0; i < 3; i++) { /* also while the back-off runs */
        outcome_init(&o, &f);
        call_echo(&o, "/t.Echo/Unary", &m, 2000);
        assert_false(o.done);
        fixture_wait(&f, &o.done);
        assert_int_equal(o.err, E_UNAVAILABLE);
        assert_int_equal(o.grpc_code, GRPC_UNAVAILABLE);
        assert_true(o.never_sent);
        assert_true(o.text[0] != '\0');
        assert_int_equal(rpc_channel_get_state(f.channel), CHANNEL_DOWN);
    }
    fixture_close(&f);
}

static void after_the_back_off_the_channel_connects_again(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    char address[64];
    str_copy(address, sizeof address, f.address);
    rpc_server_stop(f.server, 0, NULL, NULL);
    rpc_server_free(f.server);
    f.server = NULL;
    fixture_run_ms(&f, 5);
    struct echo m = echo_text("x");
    outcome_init(&o, &f);
    call_echo(&o, "/t.Echo/Unary", &m, 2000);
    fixture_wait(&f, &o.done);
    assert_true(o.never_sent);

    struct err err = ERR_INIT;
    struct rpc_server_options so = { .loop = f.loop, .arg = &f };
    f.server = rpc_server_new(&so);
    assert_int_equal(rpc_server_listen(f.server, address, RPC_SERVES_ALL, &err), 0);
    fixture_run_ms(&f, 60);
    outcome_init(&o, &f);
    call_echo(&o, "/t.Echo/Unary", &m, 2000);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.grpc_code, GRPC_UNIMPLEMENTED); /* without methods, but it answers */
    fixture_close(&f);
}

struct silent {
    struct fixture *f;
    struct listener *listener;
    struct conn *conn;
    bool greets; /* sends SETTINGS once */
    struct slice answer; /* sent as it is to the first request; then the connection closes */
    size_t accepted, closed;
    size_t bytes;
};

static void silent_read(void *arg, struct slice bytes)
{
    struct silent *s = arg;
    if (s->greets && s->bytes == 0) {
        autobuf out = BUF_INIT;
        static const uint8_t no_priorities[] = { 0, 9, 0, 0, 0, 1 };
        raw_frame(&out, 4, 0, 0, no_priorities, sizeof no_priorities);
        conn_write_buf(s->conn, &out);
    }
    bool asked = memmem(bytes.data, bytes.len, "/t.Echo/", 8) != NULL || s->bytes > 0;
    s->bytes += bytes.len;
    if (s->answer.len > 0 && asked) {
        conn_write(s->conn, s->answer);
        conn_close_after_flush(s->conn, 1000);
        s->answer = slice_make(NULL, 0);
    }
}

static void silent_close(void *arg, int status)
{
    (void)status;
    struct silent *s = arg;
    s->closed++;
    s->conn = NULL;
    loop_stop(s->f->loop);
}

static void silent_accept(void *arg, struct conn *c)
{
    static const struct conn_events events = { silent_read, NULL, silent_close };
    struct silent *s = arg;
    s->conn = c;
    s->accepted++;
    conn_set_events(c, &events, s);
}

static void silent_open(struct silent *s, struct fixture *f, bool greets)
{
    struct err err = ERR_INIT;
    memset(s, 0, sizeof *s);
    s->f = f;
    s->greets = greets;
    int rv = listener_open(f->loop, "127.0.0.1:0", silent_accept, s, &s->listener, &err);
    assert_int_equal(rv, 0);
    rpc_channel_free(f->channel);
    f->channel = fixture_channel_quick(f, listener_address(s->listener));
}

static void a_listener_that_never_speaks_fails_the_call_as_never_sent(void **state)
{
    (void)state;
    struct fixture f;
    struct silent s;
    struct outcome o;
    fixture_open(&f);
    silent_open(&s, &f, false);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, E_UNAVAILABLE);
    assert_true(o.never_sent);
    assert_int_equal(s.accepted, 1);
    fixture_wait_count(&f, &s.closed, 1);
    listener_close(s.listener);
    fixture_close(&f);
}

static void a_server_that_falls_silent_is_found_by_ping(void **state)
{
    (void)state;
    struct fixture f;
    struct silent s;
    struct outcome o, stream;
    fixture_open(&f);
    silent_open(&s, &f, true);
    outcome_init(&o, &f);
    outcome_init(&stream, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    open_stream(&stream, "/t.Echo/Bidi");
    fixture_wait(&f, &o.done);
    fixture_wait(&f, &stream.done);
    assert_int_equal(o.err, E_UNAVAILABLE);
    assert_non_null(strstr(o.text, "does not answer pings"));
    assert_false(o.never_sent); /* it may have been executed */
    assert_false(stream.never_sent);
    assert_int_equal(rpc_channel_get_state(f.channel), CHANNEL_DOWN);
    fixture_wait_count(&f, &s.closed, 1);
    listener_close(s.listener);
    fixture_close(&f);
}

/* The code is there, its text is not: nobody knows which error it was. */
static void trailers_that_are_cut_off_are_no_answer(void **state)
{
    /* HEADERS of 80 bytes with END_STREAM and END_HEADERS, of which ":status: 200" and
     * "grpc-status: 11" have come. */
    static const uint8_t cut[] = "\x00\x00\x50\x01\x05\x00\x00\x00\x01\x88\x00\x0bgrpc-status\x02"
                                 "11";
    (void)state;
    struct fixture f;
    struct silent s;
    struct outcome o;
    fixture_open(&f);
    silent_open(&s, &f, true);
    s.answer = slice_make(cut, sizeof cut - 1);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, E_UNAVAILABLE);
    assert_non_null(strstr(o.text, "lost"));
    assert_false(o.never_sent);
    listener_close(s.listener);
    fixture_close(&f);
}

static void pings_keep_an_idle_stream_alive(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    rpc_channel_free(f.channel);
    f.channel = fixture_channel_quick(&f, f.address);
    outcome_init(&o, &f);
    open_stream(&o, "/t.Echo/Bidi");
    fixture_run_ms(&f, 300); /* ten pings, three time-outs */
    assert_false(o.done);
    struct echo m = echo_text("still here");
    rpc_stream_send(o.stream, &m.base);
    fixture_wait_count(&f, &o.messages, 1);
    rpc_stream_cancel(o.stream);
    outcome_fini(&o);
    fixture_close(&f);
}

static void stopping_lets_unary_calls_finish_and_closes_streams(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome call, stream, after;
    fixture_open(&f);
    outcome_init(&call, &f);
    outcome_init(&stream, &f);
    outcome_init(&after, &f);
    struct echo m = echo_text("x");
    call_echo(&call, "/t.Echo/Park", &m, 0);
    open_stream(&stream, "/t.Echo/Bidi");
    fixture_wait_count(&f, &f.n_parked, 1);
    rpc_server_stop(f.server, 5000, NULL, NULL);
    fixture_wait(&f, &stream.done);
    assert_int_equal(stream.err, E_STOPPED);
    assert_string_equal(stream.text, "etcdserver: server stopped");
    assert_false(call.done);
    call_echo(&after, "/t.Echo/Unary", &m, 1000);
    fixture_wait(&f, &after.done);
    assert_true(after.never_sent);
    struct echo answer = echo_text("in time");
    rpc_reply(f.parked, &answer.base);
    fixture_wait(&f, &call.done);
    assert_int_equal(call.err, 0);
    assert_string_equal(buf_str(&call.data), "in time");
    outcome_fini(&call);
    fixture_run_ms(&f, 30);
    assert_int_equal(rpc_server_conns(f.server), 0);
    rpc_server_free(f.server);
    f.server = NULL;
    fixture_close(&f);
}

static void the_grace_period_ends_parked_calls(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Park", &m, 0);
    fixture_wait_count(&f, &f.n_parked, 1);
    rpc_server_stop(f.server, 30, NULL, NULL);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, E_UNAVAILABLE);
    assert_false(o.never_sent);
    assert_int_equal(f.n_closed, 1);
    fixture_run_ms(&f, 5);
    assert_int_equal(rpc_server_calls(f.server), 0);
    rpc_server_free(f.server);
    f.server = NULL;
    fixture_close(&f);
}

static void freeing_a_channel_cancels_its_calls(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome sent, unsent;
    fixture_open(&f);
    outcome_init(&sent, &f);
    outcome_init(&unsent, &f);
    struct echo m = echo_text("x");
    call_echo(&sent, "/t.Echo/Park", &m, 0);
    fixture_wait_count(&f, &f.n_parked, 1);
    call_echo(&unsent, "/t.Echo/Unary", &m, 0);
    rpc_channel_free(f.channel);
    f.channel = NULL;
    assert_false(sent.done);
    fixture_wait(&f, &sent.done);
    fixture_wait(&f, &unsent.done);
    assert_int_equal(sent.err, E_CANCELED);
    assert_int_equal(unsent.err, E_CANCELED);
    assert_true(unsent.never_sent);
    fixture_wait_count(&f, &f.n_closed, 1);
    fixture_close(&f);
}

static void a_channel_may_be_freed_while_it_connects(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    rpc_channel_connect(f.channel);
    fixture_run_ms(&f, 0);
    if (!o.done) {
        rpc_channel_free(f.channel);
        f.channel = NULL;
        fixture_wait(&f, &o.done);
    }
    outcome_fini(&o);
    fixture_close(&f);
}

static void on_state(void *arg, enum rpc_channel_state s, const struct err *why)
{
    (void)why;
    struct buf *b = arg;
    buf_append_char(b, "icrd"[s]);
}

static void states_are_told_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    autobuf states = BUF_INIT;
    fixture_open(&f);
    rpc_channel_free(f.channel);
    struct rpc_channel_options co = { .loop = f.loop, .address = f.address, .seed = 1,
                                      .on_state = on_state, .arg = &states };
    f.channel = rpc_channel_new(&co);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    fixture_wait(&f, &o.done);
    assert_string_equal(buf_str(&states), "cr");
    outcome_fini(&o);
    rpc_server_stop(f.server, 1000, NULL, NULL);
    fixture_run_ms(&f, 20);
    assert_string_equal(buf_str(&states), "cri"); /* GOAWAY, nothing open: idle */
    rpc_server_free(f.server);
    f.server = NULL;
    fixture_close(&f);
}

static void a_connection_without_stream_ids_is_followed_by_another(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o[6], stream;
    fixture_open(&f);
    struct echo m = echo_text("x");
    outcome_init(&stream, &f);
    open_stream(&stream, "/t.Echo/Bidi");
    rpc_stream_send(stream.stream, &m.base);
    fixture_wait_count(&f, &stream.messages, 1);
    assert_int_equal(nghttp2_session_set_next_stream_id(f.channel->link->h2->session, 0x7ffffffb),
                     0);
    for (size_t i = 0; i < 6; i++) {
        outcome_init(&o[i], &f);
        call_echo(&o[i], "/t.Echo/Unary", &m, 0);
    }
    for (size_t i = 0; i < 6; i++) {
        fixture_wait(&f, &o[i].done);
        assert_int_equal(o[i].err, 0);
        outcome_fini(&o[i]);
    }
    assert_int_equal(rpc_server_conns(f.server), 2);
    rpc_stream_send(stream.stream, &m.base); /* the old connection still serves its stream */
    fixture_wait_count(&f, &stream.messages, 2);
    rpc_stream_half_close(stream.stream);
    fixture_wait(&f, &stream.done);
    assert_int_equal(stream.err, 0);
    fixture_run_ms(&f, 30);
    assert_int_equal(rpc_server_conns(f.server), 1);
    outcome_fini(&stream);
    fixture_close(&f);
}

int test_channel_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_fails_the_call_as_never_sent),
        cmocka_unit_test(after_the_back_off_the_channel_connects_again),
        cmocka_unit_test(a_listener_that_never_speaks_fails_the_call_as_never_sent),
        cmocka_unit_test(a_server_that_falls_silent_is_found_by_ping),
        cmocka_unit_test(trailers_that_are_cut_off_are_no_answer),
        cmocka_unit_test(pings_keep_an_idle_stream_alive),
        cmocka_unit_test(stopping_lets_unary_calls_finish_and_closes_streams),
        cmocka_unit_test(the_grace_period_ends_parked_calls),
        cmocka_unit_test(freeing_a_channel_cancels_its_calls),
        cmocka_unit_test(a_channel_may_be_freed_while_it_connects),
        cmocka_unit_test(states_are_told_in_order),
        cmocka_unit_test(a_connection_without_stream_ids_is_followed_by_another),
    };
    return cmocka_run_group_tests_name("rpc channel", tests, NULL, NULL);
}
