/* Connecting: every end is told once, later, with a message that names the address. */
#include "fixture.h"

#include <unistd.h>

struct outcome {
    struct loop *loop;
    int calls;
    int status;
    struct err err;
    struct conn *conn;
};

static void on_done(void *arg, int status, struct conn *c, const struct err *err)
{
    struct outcome *o = arg;

    o->calls++;
    o->status = status;
    o->err = *err;
    o->conn = c;
    loop_stop(o->loop);
}

static struct outcome connect_to(struct loop *loop, const char *address, uint64_t timeout_ms)
{
    struct outcome o = { .loop = loop };

    conn_connect(loop, address, timeout_ms, on_done, &o);
    assert_int_equal(o.calls, 0);
    run_to_stop(loop);
    assert_int_equal(o.calls, 1);
    return o;
}

/* A bound socket that nobody listens on: its port refuses, and nobody else gets it meanwhile. */
static int closed_port(uint16_t *ret_port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void a_refused_connection_names_the_address(void **state)
{
    struct loop *loop = loop_new();
    uint16_t port;
    int fd = closed_port(&port);
    autofree char *address = mem_printf("127.0.0.1:%u", port);
    struct outcome o = connect_to(loop, address, 5000);

    (void)state;
    assert_int_equal(o.status, E_UNAVAILABLE);
    assert_null(o.conn);
    assert_non_null(strstr(o.err.msg, address));
    assert_non_null(strstr(o.err.msg, "refused"));
    close(fd);
    loop_free(loop);
}

static void an_absent_unix_socket_is_unavailable(void **state)
{
    struct loop *loop = loop_new();
    struct outcome o = connect_to(loop, "unix:/nonexistent/socket", 5000);

    (void)state;
    assert_int_equal(o.status, E_UNAVAILABLE);
    assert_non_null(strstr(o.err.msg, "unix:/nonexistent/socket"));
    loop_free(loop);
}

static void a_bad_address_is_told_later_too(void **state)
{
    struct loop *loop = loop_new();
    struct outcome o = connect_to(loop, "127.0.0.1", 5000);

    (void)state;
    assert_int_equal(o.status, E_INVAL);
    assert_non_null(strstr(o.err.msg, "no port"));
    loop_free(loop);
}

/* A listener whose backlog is full answers no further connection. */
static int full_backlog(uint16_t *ret_port, int *clients, int n)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    int fd = closed_port(ret_port);

    assert_int_equal(listen(fd, 0), 0);
    in.sin_port = htons(*ret_port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < n; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(clients[i], (struct sockaddr *)&in, sizeof in);
    }
    return fd;
}

static void no_answer_ends_at_the_timeout(void **state)
{
    enum { CLIENTS = 8 };
    struct loop *loop = loop_new();
    int clients[CLIENTS];
    uint16_t port;
    int fd = full_backlog(&port, clients, CLIENTS);
    autofree char *address = mem_printf("127.0.0.1:%u", port);
    uint64_t start = loop_now_ms(loop);
    struct outcome o = connect_to(loop, address, 50);

    (void)state;
    assert_int_equal(o.status, E_TIMEOUT);
    assert_true(loop_now_ms(loop) >= start + 50);
    assert_non_null(strstr(o.err.msg, address));
    assert_non_null(strstr(o.err.msg, "50 ms"));
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    close(fd);
    loop_run(loop);
    assert_int_equal(loop->n_conns, 0);
    loop_free(loop);
}

static void cancel_is_told_later_and_once(void **state)
{
    static const char *const addresses[] = { "127.0.0.1:1", "a-name.invalid:1", "unix:/nonexistent",
                                             "not an address" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct loop *loop = loop_new();
        struct outcome o = { .loop = loop };
        struct connect *r = conn_connect(loop, addresses[i], 5000, on_done, &o);
        connect_cancel(r);
        connect_cancel(r);
        assert_int_equal(o.calls, 0);
        run_to_stop(loop);
        assert_int_equal(o.calls, 1);
        assert_int_equal(o.status, E_CANCELED);
        assert_non_null(strstr(o.err.msg, addresses[i]));
        assert_null(o.conn);
        loop_free(loop); /* with the look-up still on its way, perhaps */
    }
}

static void a_cancel_without_another_turn_is_told_by_loop_free(void **state)
{
    struct loop *loop = loop_new();
    struct outcome o = { .loop = loop };

    (void)state;
    connect_cancel(conn_connect(loop, "127.0.0.1:1", 5000, on_done, &o));
    loop_free(loop);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.status, E_CANCELED);
}

static void an_unknown_name_is_unavailable(void **state)
{
    struct loop *loop = loop_new();
    struct outcome o = connect_to(loop, "no-such-host.invalid:80", 15000);

    (void)state;
    assert_int_equal(o.status, E_UNAVAILABLE);
    assert_non_null(strstr(o.err.msg, "no-such-host.invalid:80"));
    assert_non_null(strstr(o.err.msg, "host name not found"));
    loop_free(loop);
}

static void keep(void *arg, struct conn *c)
{
    *(struct conn **)arg = c;
}

static void localhost_falls_back_to_ipv6(void **state)
{
    struct loop *loop = loop_new();
    struct conn *server = NULL;
    struct listener *l;

    (void)state;
    if (listener_open(loop, "[::1]:0", keep, &server, &l, NULL) != 0) {
        loop_free(loop);
        skip(); /* a machine without IPv6 */
    }
    autofree char *address = mem_printf("localhost%s", strrchr(listener_address(l), ':'));
    struct outcome o = connect_to(loop, address, 5000);
    if (o.status == 0) { /* else: someone holds the IPv4 port of that number */
        assert_memory_equal(conn_peer_name(o.conn), "[::1]:", 6);
        conn_close(o.conn);
    }
    listener_close(l);
    if (server != NULL) {
        conn_close(server);
    }
    loop_run(loop);
    loop_free(loop);
}

int test_connect_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(a_refused_connection_names_the_address),
        io_test(an_absent_unix_socket_is_unavailable),
        io_test(a_bad_address_is_told_later_too),
        io_test(no_answer_ends_at_the_timeout),
        io_test(cancel_is_told_later_and_once),
        io_test(a_cancel_without_another_turn_is_told_by_loop_free),
        io_test(an_unknown_name_is_unavailable),
        io_test(localhost_falls_back_to_ipv6),
    };
    return cmocka_run_group_tests_name("io/connect", tests, NULL, NULL);
}
