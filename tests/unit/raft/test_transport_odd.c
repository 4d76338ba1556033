/* The transport beside programs that do not keep to the protocol: whatever they say, it ends their
 * connection, tells whoever waits, and serves all others. */
#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"
#include "raft/peer_frame.h"
#include "raft/transport.h"
#include "raft/transport_link.h"
#include "tests/unit/raft/test.h"

enum { CLUSTER = 7, SELF = 2, OTHER = 1, CONNS_MAX = 80 };

/* What a server says to a hello: answers' codes, or what is none. */
enum { SAY_GARBAGE = 100, SAY_TOO_MUCH };
struct script {
    size_t n;
    int says[2];
};

/* One raw connection: what it hears, and whether the transport has ended it. */
struct raw {
    struct stage *s;
    struct conn *conn;
    struct buf in;
    bool closed;
};

struct stage {
    struct loop *loop;
    struct transport *t;
    char address[64];
    struct listener *listener;           /* a server that answers every hello with `script` */
    struct script script;
    struct raw raws[CONNS_MAX];
    size_t n_raws;
    unsigned ups, downs, frames, chunks, broken, knocks;
    uint64_t knock_id;
    bool refuse_stream, close_in_broken, remove_in_chunk;
    bool done, closed;
    int status;
};

static void put_frame(struct buf *out, struct slice payload)
{
    uint8_t head[PEER_FRAME_HEAD_BYTES];
    peer_frame_head(head, payload, slice_make(NULL, 0));
    buf_append(out, head, sizeof head);
    buf_append_slice(out, payload);
}

static void put_answer(struct buf *out, enum peer_code code)
{
    autobuf b = BUF_INIT;
    peer_answer_encode(code, peer_code_text(code), &b);
    put_frame(out, buf_slice(&b));
}

static void put_said(struct buf *out, int what)
{
    if (what == SAY_GARBAGE) {
        put_frame(out, slice_str("\377\377 no answer"));
    } else if (what == SAY_TOO_MUCH) {
        buf_put_u32(out, 1 << 30);
        buf_put_u32(out, 0);
    } else {
        put_answer(out, (enum peer_code)what);
    }
}

static void raw_read(void *arg, struct slice bytes)
{
    struct raw *r = arg;
    bool first = r->in.len == 0;
    buf_append_slice(&r->in, bytes);
    for (size_t i = 0; first && i < r->s->script.n; i++) {
        autobuf b = BUF_INIT;
        put_said(&b, r->s->script.says[i]);
        conn_write(r->conn, buf_slice(&b));
    }
}

static void raw_close(void *arg, int status)
{
    (void)status;
    ((struct raw *)arg)->closed = true;
}

static const struct conn_events RAW_EVENTS = { .on_read = raw_read, .on_close = raw_close };

static struct raw *raw_new(struct stage *s)
{
    assert_true(s->n_raws < CONNS_MAX);
    struct raw *r = &s->raws[s->n_raws++];
    r->s = s;
    return r;
}

static void on_raw_accept(void *arg, struct conn *c)
{
    struct raw *r = raw_new(arg);
    r->conn = c;
    conn_set_events(c, &RAW_EVENTS, r);
}

static void on_raw_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    struct raw *r = arg;
    (void)err;
    assert_int_equal(status, 0);
    r->conn = c;
    conn_set_events(c, &RAW_EVENTS, r);
}

static struct raw *raw_connect(struct stage *s)
{
    struct raw *r = raw_new(s);
    conn_connect(s->loop, s->address, 5000, on_raw_connected, r);
    for (int i = 0; i < 2000 && r->conn == NULL; i++) {
        run_for(s->loop, 1);
    }
    assert_non_null(r->conn);
    return r;
}

static void wait_closed(struct raw *r)
{
    run_until(r->s->loop, &r->closed);
}

static void put_hello(struct buf *out, struct peer_hello h)
{
    autobuf b = BUF_INIT;
    h.version = PEER_VERSION;
    h.cluster_id = CLUSTER;
    peer_hello_encode(&h, &b);
    put_frame(out, buf_slice(&b));
}

static struct peer_hello hello(enum peer_kind kind, uint64_t from, const char *address)
{
    struct peer_hello h = { .kind = kind, .from = from, .to = SELF, .stream_id = 42 };
    str_copy(h.address, sizeof h.address, address);
    return h;
}

static struct raw *say_hello(struct stage *s, struct peer_hello h)
{
    autobuf b = BUF_INIT;
    struct raw *r = raw_connect(s);
    put_hello(&b, h);
    conn_write(r->conn, buf_slice(&b));
    return r;
}

/* The code of the transport's first answer. */
static enum peer_code answer_of(struct raw *r)
{
    struct slice payload, in;
    struct peer_answer a;
    for (int i = 0; i < 2000 && r->in.len == 0; i++) {
        run_for(r->s->loop, 1);
    }
    in = buf_slice(&r->in);
    assert_int_equal(peer_frame_next(&in, PEER_HELLO_MAX_BYTES, &payload), 1);
    assert_int_equal(peer_answer_decode(payload, &a), 0);
    return a.code;
}

static void on_frame(void *arg, uint64_t from, struct slice payload)
{
    (void)from, (void)payload;
    ((struct stage *)arg)->frames++;
}

static int on_stream(void *arg, uint64_t from, uint64_t id, struct slice bytes, bool last)
{
    struct stage *s = arg;
    (void)id, (void)bytes, (void)last;
    s->chunks++;
    if (s->remove_in_chunk) {
        s->remove_in_chunk = false;
        transport_peer_remove(s->t, from);
    }
    return s->refuse_stream ? E_INVAL : 0;
}

static void on_closed(void *arg)
{
    ((struct stage *)arg)->closed = true;
}

static void on_stream_broken(void *arg, uint64_t from, uint64_t id)
{
    struct stage *s = arg;
    (void)from, (void)id;
    s->broken++;
    if (s->close_in_broken) {
        transport_close(s->t, on_closed, s);
    }
}

static void on_peer(void *arg, uint64_t id, bool up)
{
    struct stage *s = arg;
    (void)id;
    *(up ? &s->ups : &s->downs) += 1;
}

static void on_knock(void *arg, uint64_t knock_id, const struct knock *knock)
{
    struct stage *s = arg;
    (void)knock;
    s->knocks++;
    s->knock_id = knock_id;
}

static void stage_open(struct stage *s, bool knocks)
{
    *s = (struct stage){ .loop = loop_new() };
    struct transport_options o = { .loop = s->loop, .cluster_id = CLUSTER, .member_id = SELF,
                                   .listen_address = "127.0.0.1:0", .on_frame = on_frame,
                                   .on_stream = on_stream, .on_stream_broken = on_stream_broken,
                                   .on_peer = on_peer, .on_knock = knocks ? on_knock : NULL,
                                   .arg = s };
    assert_int_equal(transport_open(&o, &s->t, NULL), 0);
    str_copy(s->address, sizeof s->address, transport_listen_address(s->t));
    assert_int_equal(listener_open(s->loop, "127.0.0.1:0", on_raw_accept, s, &s->listener, NULL),
                     0);
}

static void stage_close(struct stage *s)
{
    listener_close(s->listener);
    if (!s->close_in_broken) {
        transport_close(s->t, on_closed, s);
    }
    run_until(s->loop, &s->closed);
    for (size_t i = 0; i < s->n_raws; i++) {
        if (s->raws[i].conn != NULL && !s->raws[i].closed) {
            conn_close(s->raws[i].conn);
            wait_closed(&s->raws[i]);
        }
        buf_fini(&s->raws[i].in);
    }
    loop_free(s->loop);
}

static void on_done(void *arg, int status)
{
    ((struct stage *)arg)->done = true;
    ((struct stage *)arg)->status = status;
}

static void on_knocked(void *arg, int status, struct slice answer)
{
    (void)answer;
    on_done(arg, status);
}

static int next_chunk(void *arg, struct buf *out)
{
    (void)arg;
    buf_append_str(out, "some of it");
    return 0;
}

static int next_endless(void *arg, struct buf *out)
{
    (void)arg;
    memset(buf_reserve(out, 4096), 'x', 4096);
    buf_advance(out, 4096);
    return 1;
}

static int next_fails(void *arg, struct buf *out)
{
    (void)arg, (void)out;
    return E_IO;
}

static struct raw *welcomed(struct stage *s, struct peer_hello h)
{
    struct raw *r = say_hello(s, h);
    assert_int_equal(answer_of(r), PEER_WELCOME);
    return r;
}

/* --- servers that answer wrongly -------------------------------------------------------------- */

static const struct {
    struct script script;
    int knock; /* what a knock ends with */
} SCRIPTS[] = {
    { { 1, { SAY_GARBAGE } }, E_PROTO },
    { { 1, { PEER_ALIVE } }, E_MISMATCH },
    { { 1, { PEER_REFUSED_UNKNOWN } }, E_MISMATCH },
    { { 1, { SAY_TOO_MUCH } }, E_TOOBIG },
    { { 2, { PEER_WELCOME, PEER_WELCOME } }, 0 },
};
static const struct script WELCOME = { 1, { PEER_WELCOME } };

static void who_answers_wrongly_is_cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SCRIPTS); i++) {
        struct stage s;
        stage_open(&s, true);
        s.script = SCRIPTS[i].script;
        transport_peer_set(s.t, OTHER, listener_address(s.listener));
        for (int k = 0; k < 2000 && s.n_raws == 0; k++) {
            run_for(s.loop, 1);
        }
        wait_closed(&s.raws[0]);
        assert_int_equal(s.ups, s.downs);
        transport_stream_start(s.t, OTHER, 1, next_chunk, on_done, &s);
        run_until(s.loop, &s.done);
        assert_int_not_equal(s.status, 0);
        s.done = false;
        struct knock knock = { .cluster_id = CLUSTER };
        transport_knock_start(s.loop, listener_address(s.listener), &knock, 5000, on_knocked, &s);
        run_until(s.loop, &s.done);
        assert_int_equal(s.status, SCRIPTS[i].knock);
        stage_close(&s);
    }
}

static void a_stream_ends_with_what_ended_it(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, true);
    s.script = WELCOME;
    transport_peer_set(s.t, OTHER, listener_address(s.listener));
    transport_stream_start(s.t, OTHER, 1, next_fails, on_done, &s);
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_IO);
    s.done = false;
    struct transport_stream *stream =
        transport_stream_start(s.t, OTHER, 1, next_endless, on_done, &s);
    transport_stream_cancel(stream);
    transport_stream_cancel(stream); /* once is enough */
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_CANCELED);
    s.done = false;
    transport_stream_start(s.t, OTHER, 1, next_endless, on_done, &s);
    run_for(s.loop, 20);
    transport_peer_remove(s.t, 77); /* whose it is not */
    run_for(s.loop, 5);
    assert_false(s.done);
    transport_peer_remove(s.t, OTHER);
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_NOTFOUND);
    assert_false(transport_peer_up(s.t, OTHER));
    stage_close(&s);
}

/* --- clients that say it wrongly -------------------------------------------------------------- */

static void a_hello_that_names_nobody_is_refused(void **state)
{
    static const struct {
        enum peer_kind kind;
        uint64_t from, to;
        const char *address;
    } HELLOS[] = {
        { PEER_KIND_FRAMES, 0, SELF, "127.0.0.1:1" },
        { PEER_KIND_FRAMES, 5, SELF, "" }, /* nobody could answer it */
        { PEER_KIND_KNOCK, 5, 0, "127.0.0.1:1" },
    };
    (void)state;
    struct stage s;
    stage_open(&s, true);
    for (size_t i = 0; i < ARRAY_LEN(HELLOS); i++) {
        struct peer_hello h = hello(HELLOS[i].kind, HELLOS[i].from, HELLOS[i].address);
        h.to = HELLOS[i].to;
        struct raw *r = say_hello(&s, h);
        wait_closed(r);
        assert_int_equal(answer_of(r), PEER_REFUSED_UNKNOWN);
    }
    assert_int_equal(s.knocks, 0);
    stage_close(&s);
    stage_open(&s, false); /* one that takes no knocks */
    struct peer_hello h = hello(PEER_KIND_KNOCK, 0, "127.0.0.1:1");
    h.to = 0;
    struct raw *r = say_hello(&s, h);
    wait_closed(r);
    assert_int_equal(answer_of(r), PEER_REFUSED_UNKNOWN);
    stage_close(&s);
}

static void what_is_no_hello_is_not_answered(void **state)
{
    (void)state;
    struct stage s;
    autobuf b = BUF_INIT;
    stage_open(&s, true);
    struct raw *r = raw_connect(&s);
    put_frame(&b, slice_str("a frame, and no hello"));
    conn_write(r->conn, buf_slice(&b));
    wait_closed(r);
    assert_int_equal(r->in.len, 0);
    stage_close(&s);
}

static void a_peers_newer_connection_replaces_its_older_one(void **state)
{
    (void)state;
    struct stage s;
    autobuf b = BUF_INIT;
    stage_open(&s, true);
    struct raw *older = welcomed(&s, hello(PEER_KIND_FRAMES, OTHER, "127.0.0.1:1"));
    struct raw *newer = welcomed(&s, hello(PEER_KIND_FRAMES, OTHER, "127.0.0.1:1"));
    wait_closed(older);
    put_frame(&b, slice_str("frame"));
    conn_write(newer->conn, buf_slice(&b));
    run_until_some(s.loop, &s.frames);
    assert_int_equal(s.frames, 1);
    stage_close(&s);
}

/* It was never set, and its own address leads nowhere. */
static void who_introduced_itself_and_left_is_forgotten(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, true);
    s.script = WELCOME;
    struct raw *r = welcomed(&s, hello(PEER_KIND_FRAMES, OTHER, listener_address(s.listener)));
    run_until_some(s.loop, &s.ups);
    assert_true(transport_peer_up(s.t, OTHER));
    conn_close(r->conn);
    wait_closed(r);
    run_for(s.loop, 20);
    conn_close(s.raws[1].conn); /* and the way to it ends, too */
    wait_closed(&s.raws[1]);
    run_until_some(s.loop, &s.downs);
    assert_int_equal(s.downs, 1);
    run_for(s.loop, 200); /* longer than the first retry would take */
    assert_int_equal(s.n_raws, 2);
    stage_close(&s);
}

static void a_chunk_that_is_none_ends_its_stream(void **state)
{
    (void)state;
    struct stage s;
    autobuf b = BUF_INIT;
    stage_open(&s, true);
    struct raw *r = welcomed(&s, hello(PEER_KIND_STREAM, OTHER, "127.0.0.1:1"));
    put_frame(&b, slice_make("\0good", 5));
    put_frame(&b, slice_make("\2bad", 4));
    conn_write(r->conn, buf_slice(&b));
    wait_closed(r);
    assert_int_equal(s.chunks, 1);
    assert_int_equal(s.broken, 1);
    stage_close(&s);
}

static void a_sender_that_is_removed_meanwhile_ends_its_stream(void **state)
{
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        struct stage s;
        autobuf b = BUF_INIT;
        stage_open(&s, true);
        struct raw *frames = welcomed(&s, hello(PEER_KIND_FRAMES, OTHER, "127.0.0.1:1"));
        struct raw *r = welcomed(&s, hello(PEER_KIND_STREAM, OTHER, "127.0.0.1:1"));
        s.remove_in_chunk = inside != 0;
        put_frame(&b, slice_make("\0good", 5));
        conn_write(r->conn, buf_slice(&b));
        run_until_some(s.loop, &s.chunks);
        if (!inside) {
            s.close_in_broken = true; /* what is told may close all */
            transport_peer_remove(s.t, OTHER);
        }
        wait_closed(frames);
        wait_closed(r);
        assert_int_equal(s.broken, 1);
        stage_close(&s);
    }
}

static void a_knock_is_one_question(void **state)
{
    (void)state;
    struct stage s;
    autobuf b = BUF_INIT;
    stage_open(&s, true);
    struct peer_hello h = hello(PEER_KIND_KNOCK, 0, "127.0.0.1:1");
    h.to = 0;
    struct raw *r = say_hello(&s, h);
    assert_int_equal(answer_of(r), PEER_WELCOME);
    put_hello(&b, h);
    conn_write(r->conn, buf_slice(&b));
    wait_closed(r);
    assert_int_equal(s.knocks, 1);
    struct buf late = BUF_INIT; /* who asked has gone: the answer is nobody's */
    buf_append_str(&late, "late");
    transport_knock_answer(s.t, s.knock_id, &late);
    assert_int_equal(late.len, 0);
    buf_fini(&late);
    stage_close(&s);
}

static void a_knock_that_is_not_answered_says_why(void **state)
{
    (void)state;
    struct stage s;
    struct knock knock = { .cluster_id = CLUSTER };
    char nobody[64];
    stage_open(&s, true);
    address_pick(s.loop, nobody, sizeof nobody);
    transport_knock_start(s.loop, nobody, &knock, 5000, on_knocked, &s);
    run_until(s.loop, &s.done);
    assert_int_not_equal(s.status, 0);
    s.done = false;
    struct transport_knock *k =
        transport_knock_start(s.loop, s.address, &knock, 5000, on_knocked, &s);
    transport_knock_cancel(k); /* before it is connected */
    transport_knock_cancel(k);
    assert_false(s.done);
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_CANCELED);
    s.done = false;
    transport_knock_start(s.loop, s.address, &knock, 50, on_knocked, &s);
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_TIMEOUT);
    s.done = false;
    s.script = WELCOME;
    transport_knock_start(s.loop, listener_address(s.listener), &knock, 5000, on_knocked, &s);
    size_t server = s.n_raws;
    for (int i = 0; i < 2000 && (s.n_raws == server || s.raws[server].in.len == 0); i++) {
        run_for(s.loop, 1);
    }
    run_for(s.loop, 5);
    conn_close_after_flush(s.raws[server].conn, 1000); /* welcome, and goodbye */
    run_until(s.loop, &s.done);
    assert_int_equal(s.status, E_CLOSED);
    stage_close(&s);
}

static void strangers_are_few(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, true);
    struct raw *last = NULL;
    for (int i = 0; i <= PEER_STRANGERS_MAX; i++) {
        last = raw_connect(&s);
    }
    wait_closed(last);
    assert_false(s.raws[0].closed); /* those that were there stay */
    conn_close(s.raws[0].conn);
    wait_closed(&s.raws[0]);
    run_for(s.loop, 20);
    welcomed(&s, hello(PEER_KIND_FRAMES, OTHER, "127.0.0.1:1"));
    stage_close(&s);
}

static void who_was_configured_takes_the_place_of_who_introduced_itself(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, true);
    welcomed(&s, hello(PEER_KIND_FRAMES, 100, "127.0.0.1:1"));
    for (uint64_t id = 101; id < 100 + LIMIT_PEERS; id++) {
        transport_peer_set(s.t, id, "127.0.0.1:1");
    }
    struct raw *r = say_hello(&s, hello(PEER_KIND_FRAMES, OTHER, "127.0.0.1:1"));
    assert_int_equal(answer_of(r), PEER_REFUSED_UNKNOWN); /* there is no place */
    transport_peer_set(s.t, OTHER, "127.0.0.1:1");
    wait_closed(&s.raws[0]); /* but for who is configured there is one */
    assert_null(u64map_get(&s.t->peers, 100));
    assert_non_null(u64map_get(&s.t->peers, OTHER));
    stage_close(&s);
}

int test_transport_odd_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_answers_wrongly_is_cut_off),
        cmocka_unit_test(a_stream_ends_with_what_ended_it),
        cmocka_unit_test(a_hello_that_names_nobody_is_refused),
        cmocka_unit_test(what_is_no_hello_is_not_answered),
        cmocka_unit_test(a_peers_newer_connection_replaces_its_older_one),
        cmocka_unit_test(who_introduced_itself_and_left_is_forgotten),
        cmocka_unit_test(a_chunk_that_is_none_ends_its_stream),
        cmocka_unit_test(a_sender_that_is_removed_meanwhile_ends_its_stream),
        cmocka_unit_test(a_knock_is_one_question),
        cmocka_unit_test(a_knock_that_is_not_answered_says_why),
        cmocka_unit_test(strangers_are_few),
        cmocka_unit_test(who_was_configured_takes_the_place_of_who_introduced_itself),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/transport_odd", tests, NULL, NULL);
}
