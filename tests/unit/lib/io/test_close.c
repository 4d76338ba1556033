/* Closing in every state: on_close comes exactly once, later, with the reason. */
#include "fixture.h"

#include <sys/socket.h>

enum { MEGABYTE = 1024 * 1024 };

static void close_is_told_later_and_once_to_both_ends(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    struct conn *c = p.client.conn;
    conn_close(c);
    conn_close(c);
    assert_int_equal(p.client.closes, 0); /* never inside the caller */
    p.server.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.client.closes, 1);
    assert_int_equal(p.client.status, E_CANCELED);
    assert_int_equal(p.server.closes, 1);
    assert_int_equal(p.server.status, 0);
    pair_free(&p);
}

static void writes_after_close_are_refused(void **state)
{
    struct pair p;
    autobuf b = BUF_INIT;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    struct conn *c = p.client.conn;
    struct value *v = value_new("value", 5);
    conn_write(c, slice_str("never sent"));
    conn_close(c);
    buf_append_str(&b, "buffer");
    conn_write(c, slice_str("copy"));
    conn_write_value(c, v, 0, 5);
    conn_write_buf(c, &b);
    assert_null(b.data); /* taken all the same */
    assert_int_equal(v->refs, 1);
    assert_int_equal(conn_queued(c), 0);
    conn_close_after_flush(c, 1000);
    conn_pause_read(c, true);
    p.server.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.server.received, 0);
    value_unref(v);
    pair_free(&p);
}

static void close_with_a_blocked_write_frees_what_was_queued(void **state)
{
    struct pair p;
    struct value *v = value_alloc(12 * MEGABYTE);

    (void)state;
    memset(v->data, 'v', v->len);
    pair_open(&p, loop_new(), "127.0.0.1:0");
    conn_pause_read(p.server.conn, true);
    conn_write_value(p.client.conn, v, 0, v->len);
    conn_write_value(p.client.conn, v, 0, v->len);
    for (int i = 0; i < 10; i++) {
        uv_run(&p.loop->uv, UV_RUN_NOWAIT); /* the socket is full now, libuv waits for it */
    }
    assert_true(p.client.conn->in_flight > 0);
    conn_close(p.client.conn);
    p.client.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.client.closes, 1);
    assert_int_equal(v->refs, 1);
    value_unref(v);
    pair_free(&p);
}

static void a_reset_by_the_peer_is_told_as_closed(void **state)
{
    struct pair p;
    struct linger now = { .l_onoff = 1, .l_linger = 0 }; /* close sends RST */
    uv_os_fd_t fd;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    uv_fileno(&p.client.conn->u.handle, &fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conn_close(p.client.conn);
    p.server.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.server.closes, 1);
    assert_int_equal(p.server.status, E_CLOSED);
    pair_free(&p);
}

static void a_write_to_a_reset_socket_closes_with_the_error(void **state)
{
    struct pair p;
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    uv_os_fd_t fd;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    conn_pause_read(p.server.conn, true); /* only the write can notice */
    uv_fileno(&p.client.conn->u.handle, &fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    p.client.stop_on_close = true;
    conn_close(p.client.conn);
    run_to_stop(p.loop);
    conn_write(p.server.conn, slice_str("into the void"));
    p.server.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.server.closes, 1);
    assert_int_equal(p.server.status, E_CLOSED);
    pair_free(&p);
}

static void close_in_read(void *arg, struct slice bytes)
{
    struct end *e = arg;

    e->received += bytes.len;
    conn_close(e->conn);
    conn_close(e->conn);
}

static void closed_in_read(void *arg, int status)
{
    struct end *e = arg;

    e->closes++;
    e->status = status;
    e->conn = NULL;
    loop_stop(e->loop);
}

struct reader {
    struct end end;
    struct loop *loop;
};

static void accept_reader(void *arg, struct conn *c)
{
    static const struct conn_events events = { close_in_read, NULL, closed_in_read };
    struct reader *r = arg;

    r->end.loop = r->loop;
    r->end.conn = c;
    conn_set_events(c, &events, &r->end);
}

static void connected(void *arg, int status, struct conn *c, const struct err *err)
{
    struct end *e = arg;

    (void)err;
    assert_int_equal(status, 0);
    end_attach(e, e->loop, c);
    conn_write(c, slice_str("hello"));
}

static void closing_inside_on_read_is_safe(void **state)
{
    struct loop *loop = loop_new();
    struct reader r = { .loop = loop };
    struct end client = { .loop = loop };
    struct listener *l;

    (void)state;
    assert_int_equal(listener_open(loop, "127.0.0.1:0", accept_reader, &r, &l, NULL), 0);
    conn_connect(loop, listener_address(l), 5000, connected, &client);
    run_to_stop(loop);
    listener_close(l);
    loop_run(loop);
    assert_int_equal(r.end.received, 5);
    assert_int_equal(r.end.closes, 1);
    assert_int_equal(client.closes, 1);
    buf_fini(&client.in);
    loop_free(loop);
}

static void close_in_drain(void *arg)
{
    struct end *e = arg;

    e->drains++;
    conn_write(e->conn, slice_str("more"));
    conn_close(e->conn);
}

static void drain_accept(void *arg, struct conn *c)
{
    static const struct conn_events events = { close_in_read, close_in_drain, closed_in_read };
    struct reader *r = arg;

    r->end.loop = r->loop;
    r->end.conn = c;
    conn_set_events(c, &events, &r->end);
    conn_set_high_water(c, 10);
    conn_write(c, slice_str("enough to be congested"));
    assert_true(conn_congested(c));
}

static void drain_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    struct end *e = arg;

    (void)err;
    assert_int_equal(status, 0);
    end_attach(e, e->loop, c);
}

static void closing_inside_on_drain_is_safe(void **state)
{
    struct loop *loop = loop_new();
    struct reader r = { .loop = loop };
    struct end client = { .loop = loop };
    struct listener *l;

    (void)state;
    assert_int_equal(listener_open(loop, "127.0.0.1:0", drain_accept, &r, &l, NULL), 0);
    conn_connect(loop, listener_address(l), 5000, drain_connected, &client);
    run_to_stop(loop);
    listener_close(l);
    loop_run(loop);
    assert_int_equal(r.end.drains, 1);
    assert_int_equal(r.end.closes, 1);
    assert_int_equal(client.received, strlen("enough to be congested"));
    assert_int_equal(client.closes, 1);
    buf_fini(&client.in);
    loop_free(loop);
}

static void close_after_flush_sends_everything_first(void **state)
{
    struct pair p;
    size_t total = 10 * MEGABYTE;
    autofree char *bytes = mem_zalloc(total);

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    conn_write(p.server.conn, slice_str("unread by the closing end")); /* must not cause a reset */
    conn_write(p.client.conn, slice_make(bytes, total));
    conn_close_after_flush(p.client.conn, 10000);
    conn_write(p.client.conn, slice_str("refused"));
    p.server.count_only = true;
    p.client.stop_on_close = true;
    run_to_stop(p.loop);
    assert_int_equal(p.server.received, total);
    assert_int_equal(p.server.closes, 1);
    assert_int_equal(p.server.status, 0);
    assert_int_equal(p.client.closes, 1);
    assert_int_equal(p.client.status, E_CANCELED);
    pair_free(&p);
}

static void close_after_flush_gives_up_after_its_linger(void **state)
{
    struct pair p;
    size_t total = 24 * MEGABYTE;
    autofree char *bytes = mem_zalloc(total);

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    conn_pause_read(p.server.conn, true); /* a peer that takes nothing */
    conn_write(p.client.conn, slice_make(bytes, total));
    conn_close_after_flush(p.client.conn, 30);
    p.client.stop_on_close = true;
    uint64_t start = loop_now_ms(p.loop);
    run_to_stop(p.loop);
    assert_true(loop_now_ms(p.loop) >= start + 29);
    assert_int_equal(p.client.closes, 1);
    assert_int_equal(p.client.status, E_CANCELED);
    pair_free(&p);
}

static void a_conn_without_events_closes_silently(void **state)
{
    struct loop *loop = loop_new();
    struct conn *c = conn_new(loop, CONN_TCP);

    (void)state;
    conn_close(c);
    loop_run(loop);
    assert_int_equal(loop->n_conns, 0);
    loop_free(loop);
}

int test_close_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(close_is_told_later_and_once_to_both_ends),
        io_test(writes_after_close_are_refused),
        io_test(close_with_a_blocked_write_frees_what_was_queued),
        io_test(a_reset_by_the_peer_is_told_as_closed),
        io_test(a_write_to_a_reset_socket_closes_with_the_error),
        io_test(closing_inside_on_read_is_safe),
        io_test(closing_inside_on_drain_is_safe),
        io_test(close_after_flush_sends_everything_first),
        io_test(close_after_flush_gives_up_after_its_linger),
        io_test(a_conn_without_events_closes_silently),
    };
    return cmocka_run_group_tests_name("io/close", tests, NULL, NULL);
}
