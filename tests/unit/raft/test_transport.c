/* The peer transport over real sockets on 127.0.0.1. Waiting is always for
 * a condition with a deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"
#include "raft/peer_frame.h"
#include "raft/transport.h"

int test_transport_run(void);

enum { CLUSTER = 7, STREAM_TOTAL = 20 * 1024 * 1024, WAIT_MS = 10000 };

/* One member's end and what it saw. */
struct end {
    struct transport *t;
    char address[64];
    unsigned frames;
    uint64_t last_number;
    bool in_order;
    uint64_t stream_bytes;
    uint64_t stream_hash;
    unsigned stream_ends, stream_broken;
    unsigned refuse_stream_after, offers;
    bool busy; /* now and then not ready for a chunk */
    unsigned ups, downs;
};

struct world {
    struct loop *loop;
    struct end a, b;
    struct timer poll;
    bool (*until)(struct world *w);
    uint64_t deadline_ms;
    bool reached;
    uint64_t source_left;
    uint64_t source_hash;
    unsigned source_pulled, done_calls;
    int done_status;
    unsigned closed;
    unsigned numbers_sent;
    struct conn *raw;
    struct buf raw_in;
    bool raw_closed;
};

static uint64_t mix(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ s.data[i]) * 0x100000001b3u;
    }
    return h;
}

static void on_frame(void *arg, uint64_t from, struct slice payload)
{
    struct end *e = arg;
    uint64_t number = UINT64_MAX;
    (void)from;
    memcpy(&number, payload.data, payload.len < sizeof number ? payload.len : sizeof number);
    e->in_order = e->in_order && number > e->last_number;
    e->last_number = number;
    e->frames++;
}

static int on_stream(void *arg, uint64_t from, uint64_t stream_id, struct slice bytes, bool last)
{
    struct end *e = arg;
    assert_true(from == 1 && stream_id == 42);
    if (e->busy && e->offers++ % 8 == 0) {
        return E_NOTREADY;
    }
    e->stream_bytes += bytes.len;
    e->stream_hash = mix(e->stream_hash, bytes);
    e->stream_ends += last;
    return e->refuse_stream_after != 0 && e->stream_bytes >= e->refuse_stream_after ? E_INVAL : 0;
}

static void on_stream_broken(void *arg, uint64_t from, uint64_t stream_id)
{
    struct end *e = arg;
    (void)from;
    (void)stream_id;
    e->stream_broken++;
}

static void on_peer(void *arg, uint64_t id, bool up)
{
    struct end *e = arg;
    (void)id;
    *(up ? &e->ups : &e->downs) += 1;
}

static void on_poll(struct timer *self)
{
    struct world *w = CONTAINER_OF(self, struct world, poll);
    w->reached = w->until(w);
    if (w->reached || loop_now_ms(w->loop) >= w->deadline_ms) {
        loop_stop(w->loop);
        return;
    }
    timer_start(&w->poll, 1);
}

static void world_wait(struct world *w, bool (*until)(struct world *w))
{
    w->until = until;
    w->reached = false;
    w->deadline_ms = loop_now_ms(w->loop) + WAIT_MS;
    timer_start(&w->poll, 0);
    loop_run(w->loop);
    assert_true(w->reached);
}

static void end_open(struct world *w, struct end *e, uint64_t id, uint64_t cluster)
{
    struct transport_options o = {
        .loop = w->loop,
        .cluster_id = cluster,
        .member_id = id,
        .name = "test",
        .listen_address = "127.0.0.1:0",
        .on_frame = on_frame,
        .on_stream = on_stream,
        .on_stream_broken = on_stream_broken,
        .on_peer = on_peer,
        .arg = e,
    };
    struct err err = ERR_INIT;
    assert_int_equal(transport_open(&o, &e->t, &err), 0);
    str_copy(e->address, sizeof e->address, transport_listen_address(e->t));
    e->in_order = true;
}

static void world_open(struct world *w, uint64_t b_cluster)
{
    memset(w, 0, sizeof *w);
    w->loop = loop_new();
    timer_init(w->loop, &w->poll, on_poll);
    end_open(w, &w->a, 1, CLUSTER);
    end_open(w, &w->b, 2, b_cluster);
}

static void on_closed(void *arg)
{
    struct world *w = arg;
    w->closed++;
}

static bool all_closed(struct world *w)
{
    return w->closed == 2;
}

static void world_close(struct world *w)
{
    transport_close(w->a.t, on_closed, w);
    transport_close(w->b.t, on_closed, w);
    world_wait(w, all_closed);
    buf_fini(&w->raw_in);
    loop_free(w->loop);
}

static bool both_up(struct world *w)
{
    return transport_peer_up(w->a.t, 2) && transport_peer_up(w->b.t, 1);
}

static void world_join(struct world *w)
{
    transport_peer_set(w->a.t, 2, w->b.address);
    transport_peer_set(w->b.t, 1, w->a.address);
    world_wait(w, both_up);
}

static void send_number(struct transport *t, uint64_t to, uint64_t number)
{
    autobuf b = BUF_INIT;
    buf_append(&b, &number, sizeof number);
    transport_send(t, to, &b);
    assert_int_equal(b.len, 0);
}

/* --- frames ----------------------------------------------------------------------------------- */

static bool thousand_arrived(struct world *w)
{
    return w->b.frames == 1000 && w->a.frames == 1;
}

static void frames_arrive_whole_and_in_order(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    for (uint64_t i = 1; i <= 1000; i++) {
        send_number(w.a.t, 2, i);
    }
    send_number(w.b.t, 1, 1);
    world_wait(&w, thousand_arrived);
    assert_true(w.b.in_order);
    assert_int_equal(transport_dropped(w.a.t), 0);
    world_close(&w);
}

static bool one_frame(struct world *w)
{
    return w->b.frames == 1;
}

static void the_longest_frame_arrives(void **state)
{
    struct world w;
    autobuf b = BUF_INIT;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    memset(buf_reserve(&b, LIMIT_PEER_FRAME_BYTES), 'x', LIMIT_PEER_FRAME_BYTES);
    buf_advance(&b, LIMIT_PEER_FRAME_BYTES);
    transport_send(w.a.t, 2, &b);
    world_wait(&w, one_frame);
    world_close(&w);
}

static void frames_to_unknown_and_unreached_peers_are_dropped_and_counted(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    send_number(w.a.t, 2, 1);
    transport_peer_set(w.a.t, 2, w.b.address);
    send_number(w.a.t, 2, 2); /* not up yet */
    assert_int_equal(transport_dropped(w.a.t), 2);
    world_close(&w);
}

static bool each_heard_one(struct world *w)
{
    return w->a.frames == 1 && w->b.frames == 1;
}

static void a_member_that_was_not_set_introduces_itself(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    transport_peer_set(w.a.t, 2, w.b.address);
    world_wait(&w, both_up); /* b connects back to the address of a's hello */
    send_number(w.a.t, 2, 1);
    send_number(w.b.t, 1, 1);
    world_wait(&w, each_heard_one);
    world_close(&w);
}

static bool a_down_then_up(struct world *w)
{
    return w->a.downs == 1 && w->a.ups == 2 && both_up(w);
}

static void a_restarted_peer_is_reconnected(void **state)
{
    struct world w;
    char address[64];
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    str_copy(address, sizeof address, w.b.address);
    transport_close(w.b.t, NULL, NULL);
    struct transport_options o = {
        .loop = w.loop, .cluster_id = CLUSTER, .member_id = 2, .name = "again",
        .listen_address = address, .on_frame = on_frame, .on_stream = on_stream,
        .on_stream_broken = on_stream_broken, .on_peer = on_peer, .arg = &w.b,
    };
    struct err err = ERR_INIT;
    assert_int_equal(transport_open(&o, &w.b.t, &err), 0);
    transport_peer_set(w.b.t, 1, w.a.address);
    world_wait(&w, a_down_then_up);
    send_number(w.a.t, 2, 1);
    world_wait(&w, one_frame);
    world_close(&w);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void raw_read(void *arg, struct slice bytes)
{
    struct world *w = arg;
    buf_append_slice(&w->raw_in, bytes);
}

static void raw_close(void *arg, int status)
{
    struct world *w = arg;
    (void)status;
    w->raw_closed = true;
}

static void raw_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    static const struct conn_events EVENTS = { .on_read = raw_read, .on_close = raw_close };
    struct world *w = arg;
    (void)err;
    assert_int_equal(status, 0);
    w->raw = c;
    conn_set_events(c, &EVENTS, w);
}

static bool raw_is_open(struct world *w)
{
    return w->raw != NULL;
}

static bool raw_is_closed(struct world *w)
{
    return w->raw_closed;
}

static void raw_frame(struct buf *out, struct slice payload)
{
    uint8_t head[PEER_FRAME_HEAD_BYTES];
    peer_frame_head(head, payload, slice_make(NULL, 0));
    buf_append(out, head, sizeof head);
    buf_append_slice(out, payload);
}

static void raw_hello(struct buf *out, struct peer_hello hello)
{
    autobuf payload = BUF_INIT;
    str_copy(hello.name, sizeof hello.name, "raw");
    str_copy(hello.address, sizeof hello.address, "127.0.0.1:1");
    peer_hello_encode(&hello, &payload);
    raw_frame(out, buf_slice(&payload));
}

/* Connects to b, sends the bytes, and waits until b has closed the connection. */
static void raw_say(struct world *w, struct slice bytes)
{
    w->raw = NULL;
    w->raw_closed = false;
    buf_reset(&w->raw_in);
    conn_connect(w->loop, w->b.address, WAIT_MS, raw_connected, w);
    world_wait(w, raw_is_open);
    conn_write(w->raw, bytes);
    world_wait(w, raw_is_closed);
    w->raw = NULL;
}

static void assert_refused(struct world *w, struct peer_hello hello, enum peer_code code)
{
    autobuf out = BUF_INIT;
    struct peer_answer answer;
    struct slice payload;
    raw_hello(&out, hello);
    raw_say(w, buf_slice(&out));
    struct slice in = buf_slice(&w->raw_in);
    assert_int_equal(peer_frame_next(&in, PEER_HELLO_MAX_BYTES, &payload), 1);
    assert_int_equal(peer_answer_decode(payload, &answer), 0);
    assert_int_equal(answer.code, code);
    assert_string_equal(answer.text, peer_code_text(code));
}

static void a_refusal_names_its_reason(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    transport_peer_set(w.b.t, 1, w.a.address);
    transport_peer_set(w.b.t, 9, w.a.address);
    transport_peer_remove(w.b.t, 9);
    struct peer_hello good = { .version = PEER_VERSION, .cluster_id = CLUSTER, .from = 1, .to = 2 };
    struct peer_hello h = good;
    h.version = PEER_VERSION + 1;
    assert_refused(&w, h, PEER_REFUSED_VERSION);
    h = good;
    h.cluster_id = CLUSTER + 1;
    assert_refused(&w, h, PEER_REFUSED_CLUSTER);
    h = good;
    h.from = 9;
    assert_refused(&w, h, PEER_REFUSED_REMOVED);
    h = good;
    h.to = 3;
    assert_refused(&w, h, PEER_REFUSED_TARGET);
    h = good;
    h.from = 2; /* itself */
    assert_refused(&w, h, PEER_REFUSED_UNKNOWN);
    world_close(&w);
}

static void members_of_different_clusters_never_come_up(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER + 1);
    transport_peer_set(w.a.t, 2, w.b.address);
    transport_peer_set(w.b.t, 1, w.a.address);
    struct peer_hello h = { .version = PEER_VERSION, .cluster_id = CLUSTER, .from = 1, .to = 2 };
    for (int i = 0; i < 5; i++) { /* meanwhile their own attempts are refused too */
        assert_refused(&w, h, PEER_REFUSED_CLUSTER);
    }
    assert_int_equal(w.a.ups + w.b.ups, 0);
    world_close(&w);
}

static void a_member_that_was_removed_is_not_introduced(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    transport_peer_remove(w.b.t, 1);
    transport_peer_set(w.a.t, 2, w.b.address);
    struct peer_hello h = { .version = PEER_VERSION, .cluster_id = CLUSTER, .from = 1, .to = 2 };
    for (int i = 0; i < 5; i++) { /* meanwhile a's own attempts are refused too */
        assert_refused(&w, h, PEER_REFUSED_REMOVED);
    }
    assert_int_equal(w.a.ups + w.b.ups, 0);
    world_close(&w);
}

static bool b_hears_three(struct world *w)
{
    return w->b.frames == 3;
}

static void garbage_and_oversize_frames_close_their_connection_only(void **state)
{
    static const char GARBAGE[] = "GET / HTTP/1.1\r\nhost: nobody\r\n\r\n";
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    transport_peer_set(w.b.t, 3, "127.0.0.1:1");
    raw_say(&w, slice_str(GARBAGE));
    assert_int_equal(w.raw_in.len, 0);
    struct peer_hello h = { .version = PEER_VERSION, .cluster_id = CLUSTER, .from = 3, .to = 2 };
    autobuf out = BUF_INIT;
    raw_hello(&out, h);
    buf_put_u32(&out, LIMIT_PEER_FRAME_BYTES + 1); /* a head that promises too much */
    buf_put_u32(&out, 0);
    raw_say(&w, buf_slice(&out));
    buf_reset(&out);
    raw_hello(&out, h);
    raw_frame(&out, slice_str("good"));
    raw_frame(&out, slice_str("damaged"));
    out.data[out.len - 1] ^= 1;
    raw_say(&w, buf_slice(&out));
    assert_int_equal(w.b.frames, 1); /* "good", and nothing of the damaged one */
    send_number(w.a.t, 2, 1);
    send_number(w.a.t, 2, 2);
    world_wait(&w, b_hears_three);
    assert_int_equal(w.a.downs + w.b.downs, 0);
    world_close(&w);
}

/* --- streams ---------------------------------------------------------------------------------- */

static int source_next(void *arg, struct buf *out)
{
    struct world *w = arg;
    size_t n = w->source_left < LIMIT_SNAPSHOT_CHUNK_BYTES ? (size_t)w->source_left
                                                           : LIMIT_SNAPSHOT_CHUNK_BYTES;
    uint8_t *p = buf_reserve(out, n);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)((w->source_left + i) * 31 >> 3);
    }
    w->source_hash = mix(w->source_hash, slice_make(p, n));
    buf_advance(out, n);
    w->source_left -= n;
    w->source_pulled++;
    return w->source_left > 0;
}

static void source_done(void *arg, int status)
{
    struct world *w = arg;
    w->done_calls++;
    w->done_status = status;
}

static bool stream_done_while_frames_flow(struct world *w)
{
    send_number(w->a.t, 2, ++w->numbers_sent); /* one a millisecond */
    return w->done_calls == 1;
}

static bool all_numbers_arrived(struct world *w)
{
    return w->b.frames == w->numbers_sent;
}

static void a_stream_of_20_mb_passes_while_frames_flow(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    w.b.busy = true;
    w.source_left = STREAM_TOTAL;
    transport_stream_start(w.a.t, 2, 42, source_next, source_done, &w);
    assert_int_equal(w.done_calls + w.source_pulled, 0);
    world_wait(&w, stream_done_while_frames_flow);
    assert_int_equal(w.done_status, 0);
    assert_int_equal(w.b.stream_bytes, STREAM_TOTAL);
    assert_int_equal(w.b.stream_hash, w.source_hash);
    assert_true(w.b.stream_ends == 1 && w.b.stream_broken == 0);
    world_wait(&w, all_numbers_arrived);
    assert_true(w.b.in_order);
    world_close(&w);
}

static bool stream_done(struct world *w)
{
    return w->done_calls == 1;
}

static void a_receiver_that_refuses_a_chunk_ends_the_stream(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    w.source_left = STREAM_TOTAL;
    w.b.refuse_stream_after = 1024 * 1024;
    transport_stream_start(w.a.t, 2, 42, source_next, source_done, &w);
    world_wait(&w, stream_done);
    assert_int_not_equal(w.done_status, 0);
    assert_true(w.source_left > 0);
    assert_int_equal(w.b.stream_ends, 0);
    world_close(&w);
}

static bool stream_done_and_broken(struct world *w)
{
    return w->done_calls == 1 && w->b.stream_broken == 1;
}

static bool stream_began(struct world *w)
{
    return w->b.stream_bytes > 0;
}

static void a_cancelled_stream_is_told_to_both_sides(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    world_join(&w);
    w.source_left = (uint64_t)1 << 40;
    struct transport_stream *s =
        transport_stream_start(w.a.t, 2, 42, source_next, source_done, &w);
    world_wait(&w, stream_began);
    transport_stream_cancel(s);
    assert_int_equal(w.done_calls, 0); /* never inside the call */
    world_wait(&w, stream_done_and_broken);
    assert_int_equal(w.done_status, E_CANCELED);
    world_close(&w);
}

static void a_stream_to_an_unknown_peer_fails_later(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, CLUSTER);
    transport_stream_start(w.a.t, 2, 42, source_next, source_done, &w);
    assert_int_equal(w.done_calls, 0);
    world_wait(&w, stream_done);
    assert_int_equal(w.done_status, E_NOTFOUND);
    world_close(&w);
}

int test_transport_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_and_in_order),
        cmocka_unit_test(the_longest_frame_arrives),
        cmocka_unit_test(frames_to_unknown_and_unreached_peers_are_dropped_and_counted),
        cmocka_unit_test(a_member_that_was_not_set_introduces_itself),
        cmocka_unit_test(a_member_that_was_removed_is_not_introduced),
        cmocka_unit_test(a_restarted_peer_is_reconnected),
        cmocka_unit_test(a_refusal_names_its_reason),
        cmocka_unit_test(members_of_different_clusters_never_come_up),
        cmocka_unit_test(garbage_and_oversize_frames_close_their_connection_only),
        cmocka_unit_test(a_stream_of_20_mb_passes_while_frames_flow),
        cmocka_unit_test(a_receiver_that_refuses_a_chunk_ends_the_stream),
        cmocka_unit_test(a_cancelled_stream_is_told_to_both_sides),
        cmocka_unit_test(a_stream_to_an_unknown_peer_fails_later),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/transport", tests, NULL, NULL);
}
