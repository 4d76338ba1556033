/* Conns: bytes arrive whole and in order, queues are bounded by back-pressure, reading pauses. */
#include "fixture.h"

enum { MEGABYTE = 1024 * 1024 };

static uint8_t pattern(size_t at)
{
    return (uint8_t)((at * 31 + at / 251) & 0xff);
}

static char *pattern_bytes(size_t from, size_t n)
{
    char *bytes = mem_alloc(n);

    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)pattern(from + i);
    }
    return bytes;
}

static void assert_pattern(const struct buf *got, size_t n)
{
    assert_int_equal(got->len, n);
    for (size_t i = 0; i < n; i++) {
        if (got->data[i] != pattern(i)) {
            fail_msg("byte %zu differs", i);
        }
    }
}

static void all_ways_of_writing_keep_the_order(void **state)
{
    static const size_t sizes[] = { 1, 100, 511, 512, 5000, 16352, 40000, 3, 70000, 2 };
    struct pair p;
    size_t at = 0;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    for (size_t round = 0; round < 12; round++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            size_t n = sizes[i];
            autofree char *bytes = pattern_bytes(at, n);
            if ((i + round) % 3 == 0) {
                conn_write(p.client.conn, slice_make(bytes, n));
            } else if ((i + round) % 3 == 1) {
                autobuf b = BUF_INIT;
                buf_append(&b, bytes, n);
                conn_write_buf(p.client.conn, &b);
                assert_int_equal(b.len, 0);
                assert_null(b.data);
            } else {
                struct value *v = value_alloc(n + 20); /* only the middle is sent */
                memcpy(v->data + 9, bytes, n);
                conn_write_value(p.client.conn, v, 9, n);
                value_unref(v);
            }
            at += n;
        }
    }
    conn_write(p.client.conn, slice_make(NULL, 0));
    assert_int_equal(conn_queued(p.client.conn), at);
    p.server.stop_at = at;
    run_to_stop(p.loop);
    assert_int_equal(conn_queued(p.client.conn), 0);
    assert_pattern(&p.server.in, at);
    pair_free(&p);
}

static void a_turn_of_writes_arrives_with_one_read(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    p.server.stop_at = 1; /* the first read stops the loop */
    for (size_t i = 0; i < 1000; i++) {
        conn_write(p.client.conn, slice_str("twenty bytes of text"));
    }
    run_to_stop(p.loop);
    assert_int_equal(p.server.received, 20 * 1000);
    pair_free(&p);
}

/* Echoes what it reads, and reads no more while its own queue is congested. */
static void echo_read(void *arg, struct slice bytes)
{
    struct end *e = arg;

    conn_write(e->conn, bytes);
    e->received += bytes.len;
    if (conn_congested(e->conn)) {
        conn_pause_read(e->conn, true);
    }
    assert_true(conn_queued(e->conn) <= 2 * 1024 * 1024 + 2 * READ_BUFFER_BYTES);
}

static void echo_drain(void *arg)
{
    struct end *e = arg;

    e->drains++;
    assert_false(conn_congested(e->conn));
    conn_pause_read(e->conn, false);
}

static void echo_close(void *arg, int status)
{
    struct end *e = arg;

    e->closes++;
    e->status = status;
    e->conn = NULL;
}

struct source {
    struct end end;
    struct timer resume;
    size_t sent;
    size_t total;
    size_t high;
};

/* Pulled: writes while there is room, goes on with the drain. */
static void source_fill(struct source *s)
{
    while (s->sent < s->total && !conn_congested(s->end.conn)) {
        size_t n = s->total - s->sent < 50000 ? s->total - s->sent : 50000;
        autofree char *bytes = pattern_bytes(s->sent, n);
        conn_write(s->end.conn, slice_make(bytes, n));
        s->sent += n;
        assert_true(conn_queued(s->end.conn) <= s->high + n);
    }
}

static void source_read(void *arg, struct slice bytes)
{
    struct source *s = arg;

    buf_append_slice(&s->end.in, bytes);
    if (s->end.in.len == s->total) {
        loop_stop(s->end.loop);
    }
}

static void source_drain(void *arg)
{
    struct source *s = arg;

    s->end.drains++;
    source_fill(s);
}

static void source_close(void *arg, int status)
{
    struct source *s = arg;

    echo_close(&s->end, status);
}

struct echo_test {
    struct loop *loop;
    struct end server;
    struct source client;
};

static void echo_accept(void *arg, struct conn *c)
{
    static const struct conn_events events = { echo_read, echo_drain, echo_close };
    struct echo_test *t = arg;

    t->server.conn = c;
    conn_set_high_water(c, 100 * 1024);
    conn_set_events(c, &events, &t->server);
}

/* The client starts to read only when its own writing has been blocked: both queues fill up. */
static void client_resume(struct timer *timer)
{
    struct source *s = CONTAINER_OF(timer, struct source, resume);

    if (conn_congested(s->end.conn)) {
        conn_pause_read(s->end.conn, false);
    } else {
        timer_start(timer, 1);
    }
}

static void echo_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    static const struct conn_events events = { source_read, source_drain, source_close };
    struct echo_test *t = arg;

    (void)err;
    assert_int_equal(status, 0);
    t->client.end.conn = c;
    conn_set_high_water(c, t->client.high);
    conn_pause_read(c, true);
    conn_set_events(c, &events, &t->client);
    source_fill(&t->client);
    timer_start(&t->client.resume, 1);
}

static void echo_through(const char *address)
{
    struct echo_test t = { .loop = loop_new() };
    struct listener *l;

    t.server.loop = t.client.end.loop = t.loop;
    t.client.total = 24 * MEGABYTE; /* more than the kernel's buffers hold */
    t.client.high = 256 * 1024;
    timer_init(t.loop, &t.client.resume, client_resume);
    assert_int_equal(listener_open(t.loop, address, echo_accept, &t, &l, NULL), 0);
    conn_connect(t.loop, listener_address(l), 5000, echo_connected, &t);
    run_to_stop(t.loop);
    assert_pattern(&t.client.end.in, t.client.total);
    assert_true(t.client.end.drains > 0);
    assert_true(t.server.drains > 0);
    listener_close(l);
    conn_close(t.client.end.conn);
    loop_run(t.loop);
    assert_int_equal(t.client.end.closes, 1);
    assert_int_equal(t.client.end.status, E_CANCELED);
    assert_int_equal(t.server.closes, 1);
    assert_int_equal(t.server.status, 0);
    buf_fini(&t.client.end.in);
    loop_free(t.loop);
}

static void megabytes_echo_over_tcp_with_back_pressure(void **state)
{
    (void)state;
    echo_through("127.0.0.1:0");
}

static void megabytes_echo_over_a_unix_socket_with_back_pressure(void **state)
{
    autofree char *address = NULL;
    char *dir = temp_dir_new();

    (void)state;
    address = mem_printf("unix:%s/socket", dir);
    echo_through(address);
    assert_false(fs_exists(NULL, address + 5)); /* the listener took its file away */
    temp_dir_free(dir);
}

static void unwritten_bytes_stay_counted_until_the_peer_reads(void **state)
{
    struct pair p;
    size_t total = 16 * MEGABYTE;
    autofree char *bytes = mem_zalloc(total);

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    conn_pause_read(p.server.conn, true);
    conn_set_high_water(p.client.conn, MEGABYTE);
    conn_write(p.client.conn, slice_make(bytes, total));
    assert_true(conn_congested(p.client.conn));
    for (int i = 0; i < 20; i++) { /* some turns: the kernel's buffers fill */
        uv_run(&p.loop->uv, UV_RUN_NOWAIT);
    }
    assert_true(conn_queued(p.client.conn) > MEGABYTE);
    assert_true(conn_queued(p.client.conn) < total);
    assert_int_equal(p.client.drains, 0);
    assert_int_equal(p.server.received, 0);
    p.server.count_only = true;
    p.server.stop_at = total;
    conn_pause_read(p.server.conn, false);
    run_to_stop(p.loop);
    assert_int_equal(p.client.drains, 1);
    assert_int_equal(conn_queued(p.client.conn), 0);
    pair_free(&p);
}

static void names_tell_both_ends(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    assert_string_equal(conn_peer_name(p.client.conn), listener_address(p.listener));
    assert_string_equal(conn_local_name(p.server.conn), listener_address(p.listener));
    assert_string_equal(conn_local_name(p.client.conn), conn_peer_name(p.server.conn));
    assert_memory_equal(conn_local_name(p.client.conn), "127.0.0.1:", 10);
    pair_free(&p);
}

static void output_blocks_are_recycled(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, loop_new(), "127.0.0.1:0");
    size_t blocks = p.loop->out_pool.n;
    for (int i = 0; i < 200; i++) {
        p.server.stop_at = p.server.received + 1000;
        autofree char *bytes = mem_zalloc(1000);
        conn_write(p.client.conn, slice_make(bytes, 1000));
        run_to_stop(p.loop);
    }
    assert_in_range(p.loop->out_pool.n, blocks, blocks + 1);
    pair_free(&p);
}

int test_conn_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(all_ways_of_writing_keep_the_order),
        io_test(a_turn_of_writes_arrives_with_one_read),
        io_test(megabytes_echo_over_tcp_with_back_pressure),
        io_test(megabytes_echo_over_a_unix_socket_with_back_pressure),
        io_test(unwritten_bytes_stay_counted_until_the_peer_reads),
        io_test(names_tell_both_ends),
        io_test(output_blocks_are_recycled),
    };
    return cmocka_run_group_tests_name("io/conn", tests, NULL, NULL);
}
