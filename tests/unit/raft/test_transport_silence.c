/* A path that takes bytes and gives none back: the peer is cut off and connected anew, since TCP
 * itself would wait for minutes. The far end is a listener that welcomes and then says nothing; or,
 * of a stream, that it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "raft/peer_frame.h"
#include "raft/transport.h"
#include "tests/unit/raft/test.h"

enum { SEND_EVERY_MS = 50, DEADLINE_MS = 10000 };

struct mute {
    struct loop *loop;
    struct listener *listener;
    struct conn *conns[4];
    unsigned accepted, closed;
    struct transport *t;
    unsigned ups, downs;
    struct timer beat;
    uint64_t started_ms, down_ms, deadline_ms;
    bool done;
    unsigned chunks; /* of the stream that is sent, and what became of it */
    bool told_alive;
    int stream_status;
};

static void say(struct mute *m, enum peer_code code)
{
    autobuf answer = BUF_INIT;
    uint8_t head[PEER_FRAME_HEAD_BYTES];
    peer_answer_encode(code, "", &answer);
    peer_frame_head(head, buf_slice(&answer), slice_make(NULL, 0));
    conn_write(m->conns[m->accepted - 1], slice_make(head, sizeof head));
    conn_write(m->conns[m->accepted - 1], buf_slice(&answer));
}

static const char LAST[] = "the end";

static void mute_on_read(void *arg, struct slice bytes)
{
    struct mute *m = arg;
    struct slice payload, all = bytes;
    struct peer_hello hello;
    if (peer_frame_next(&bytes, PEER_HELLO_MAX_BYTES, &payload) == 1 &&
        peer_hello_decode(payload, &hello) == 0) {
        say(m, PEER_WELCOME);
    } else if (m->chunks > 0) {
        size_t n = sizeof LAST - 1;
        bool last = all.len >= n && memcmp(all.data + all.len - n, LAST, n) == 0;
        m->told_alive = true;
        say(m, PEER_ALIVE);
        if (last) {
            say(m, PEER_RECEIVED);
        }
    } /* heartbeats: swallowed */
}

static void mute_on_close(void *arg, int status)
{
    struct mute *m = arg;
    (void)status;
    m->closed++;
}

static void mute_on_accept(void *arg, struct conn *conn)
{
    static const struct conn_events EVENTS = { .on_read = mute_on_read, .on_close = mute_on_close };
    struct mute *m = arg;
    assert_in_range(m->accepted, 0, 3);
    m->conns[m->accepted++] = conn;
    conn_set_events(conn, &EVENTS, m);
}

static void on_frame(void *arg, uint64_t from, struct slice payload)
{
    (void)arg;
    (void)from;
    (void)payload;
}

static int on_stream(void *arg, uint64_t from, uint64_t id, struct slice bytes, bool last)
{
    (void)arg;
    (void)from;
    (void)id;
    (void)bytes;
    (void)last;
    return 0;
}

static void on_stream_broken(void *arg, uint64_t from, uint64_t id)
{
    (void)arg;
    (void)from;
    (void)id;
}

static void on_peer(void *arg, uint64_t id, bool up)
{
    struct mute *m = arg;
    (void)id;
    *(up ? &m->ups : &m->downs) += 1;
    if (!up && m->down_ms == 0) {
        m->down_ms = loop_now_ms(m->loop);
    }
}

static void on_beat(struct timer *self)
{
    struct mute *m = CONTAINER_OF(self, struct mute, beat);
    if (m->ups == 1 && m->started_ms == 0) {
        m->started_ms = loop_now_ms(m->loop);
    }
    autobuf b = BUF_INIT;
    buf_append_str(&b, "heartbeat");
    transport_send(m->t, 2, &b);
    if (m->ups == 2 || loop_now_ms(m->loop) > m->deadline_ms) {
        loop_stop(m->loop);
        return;
    }
    timer_start(&m->beat, SEND_EVERY_MS);
}

static void on_closed(void *arg)
{
    struct mute *m = arg;
    m->done = true;
    loop_stop(m->loop);
}

/* The far end, and a transport that knows it as peer 2. */
static void mute_open(struct mute *m)
{
    struct err err = ERR_INIT;
    *m = (struct mute){ .loop = loop_new(), .stream_status = 1 };
    struct transport_options o = {
        .loop = m->loop, .cluster_id = 7, .member_id = 1, .name = "a",
        .listen_address = "127.0.0.1:0", .on_frame = on_frame, .on_stream = on_stream,
        .on_stream_broken = on_stream_broken, .on_peer = on_peer, .arg = m,
    };
    int rv = listener_open(m->loop, "127.0.0.1:0", mute_on_accept, m, &m->listener, &err);
    assert_int_equal(rv, 0);
    assert_int_equal(transport_open(&o, &m->t, &err), 0);
    transport_peer_set(m->t, 2, listener_address(m->listener));
}

static void mute_end(struct mute *m)
{
    listener_close(m->listener);
    transport_close(m->t, on_closed, m);
    while (!m->done || m->closed < m->accepted) {
        run_for(m->loop, 5);
    }
    loop_free(m->loop);
}

static void a_peer_that_answers_nothing_is_cut_off_and_connected_anew(void **state)
{
    struct mute m;
    (void)state;
    mute_open(&m);
    timer_init(m.loop, &m.beat, on_beat);
    timer_start(&m.beat, 0);
    m.deadline_ms = loop_now_ms(m.loop) + DEADLINE_MS;
    loop_run(m.loop);
    assert_int_equal(m.ups, 2);
    assert_int_equal(m.downs, 1);
    assert_in_range(m.down_ms - m.started_ms, 2500, 5000);
    timer_stop(&m.beat);
    mute_end(&m);
}

static int next_chunk(void *arg, struct buf *out)
{
    struct mute *m = arg;
    m->chunks++;
    buf_append_str(out, m->chunks < 3 ? "chunk" : LAST);
    return m->chunks < 3;
}

static void on_stream_done(void *arg, int status)
{
    struct mute *m = arg;
    m->stream_status = status;
    loop_stop(m->loop);
}

/* As every half second of one that takes longer. */
static void a_stream_that_is_said_to_arrive_goes_on(void **state)
{
    struct mute m;
    (void)state;
    mute_open(&m);
    for (int ms = 0; ms < DEADLINE_MS && m.ups == 0; ms += 5) {
        run_for(m.loop, 5);
    }
    assert_int_equal(m.ups, 1); /* the next connection is the stream's */
    transport_stream_start(m.t, 2, 42, next_chunk, on_stream_done, &m);
    loop_run(m.loop);
    assert_int_equal(m.stream_status, 0);
    assert_int_equal(m.chunks, 3);
    assert_true(m.told_alive);
    mute_end(&m);
}

int test_transport_silence_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_answers_nothing_is_cut_off_and_connected_anew),
        cmocka_unit_test(a_stream_that_is_said_to_arrive_goes_on),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/transport_silence", tests, NULL, NULL);
}
