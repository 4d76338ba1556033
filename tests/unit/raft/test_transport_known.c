/* A member that listens on all addresses, or behind a translation of addresses, is known by another
 * one than it listens on: that is the one in its hello. */
#include "pair.h"

#include "lib/io/conn.h"

struct known {
    struct loop *loop;
    struct conn *arrived;
};

static void on_read(void *arg, struct slice bytes)
{
    (void)arg;
    (void)bytes;
}

static void on_close(void *arg, int status)
{
    struct known *k = arg;
    (void)status;
    k->arrived = NULL;
}

static void on_accept(void *arg, struct conn *c)
{
    static const struct conn_events events = { on_read, NULL, on_close };
    struct known *k = arg;
    if (k->arrived != NULL) {
        conn_close(c);
        return;
    }
    k->arrived = c;
    conn_set_events(c, &events, k);
    loop_stop(k->loop);
}

static void no_frame(void *arg, uint64_t from, struct slice payload)
{
    (void)arg;
    (void)from;
    (void)payload;
}

static int no_stream(void *arg, uint64_t from, uint64_t stream_id, struct slice bytes, bool last)
{
    (void)arg;
    (void)from;
    (void)stream_id;
    (void)bytes;
    (void)last;
    return 0;
}

static struct transport *open_at(struct loop *loop, uint64_t id, const char *listen,
                                 const char *address)
{
    struct transport_options o = { .loop = loop, .cluster_id = 7, .member_id = id, .name = "known",
                                   .listen_address = listen, .address = address,
                                   .on_frame = no_frame, .on_stream = no_stream };
    struct transport *t = NULL;
    assert_int_equal(transport_open(&o, &t, NULL), 0);
    return t;
}

static void on_overdue(struct timer *t)
{
    (void)t;
    fail_msg("nobody came to the address of the hello");
}

/* B was never told of A; A's hello leads it to where A is known, which is this test's listener. */
static void who_introduces_itself_is_sent_to_where_it_is_known(void **state)
{
    (void)state;
    struct known k = { .loop = loop_new() };
    struct listener *listener;
    struct timer overdue;
    assert_int_equal(listener_open(k.loop, "127.0.0.1:0", on_accept, &k, &listener, NULL), 0);
    struct transport *a = open_at(k.loop, 1, "0.0.0.0:0", listener_address(listener));
    struct transport *b = open_at(k.loop, 2, "127.0.0.1:0", NULL);
    timer_init(k.loop, &overdue, on_overdue);
    timer_start(&overdue, 20000);
    transport_peer_set(a, 2, transport_listen_address(b));
    loop_run(k.loop);
    assert_non_null(k.arrived);
    timer_stop(&overdue);
    transport_close(a, NULL, NULL);
    transport_close(b, NULL, NULL);
    listener_close(listener);
    if (k.arrived != NULL) {
        conn_close(k.arrived);
    }
    loop_run(k.loop);
    loop_free(k.loop);
}

int test_transport_known_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_introduces_itself_is_sent_to_where_it_is_known),
    };
    return cmocka_run_group_tests_name("raft/transport_known", tests, NULL, NULL);
}
