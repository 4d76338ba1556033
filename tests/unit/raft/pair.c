/* See pair.h. */
#include "pair.h"

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/io/fault.h"

enum { CLUSTER = 7 };

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void on_frame(void *arg, uint64_t from, struct slice payload)
{
    struct end *e = arg;
    uint64_t number = 0;
    (void)from;
    memcpy(&number, payload.data, sizeof number);
    e->in_order = e->in_order && number > e->last_number;
    e->last_number = number;
    e->first_ms = e->frames++ == 0 ? loop_now_ms(e->pair->loop) : e->first_ms;
}

static int on_stream(void *arg, uint64_t from, uint64_t id, struct slice bytes, bool last)
{
    struct end *e = arg;
    (void)bytes;
    (void)last;
    assert_true(from == A && id == STREAM);
    e->chunks++;
    if (e->pair->close_in_chunk) {
        e->pair->close_in_chunk = false;
        transport_close(TAKE(e->t), on_closed, &e->closed);
        return E_INVAL;
    }
    return 0;
}

static void on_stream_broken(void *arg, uint64_t from, uint64_t id)
{
    struct end *e = arg;
    (void)from;
    (void)id;
    e->broken++;
}

static void on_peer(void *arg, uint64_t id, bool up)
{
    struct end *e = arg;
    (void)id;
    *(up ? &e->ups : &e->downs) += 1;
}

static const char *peer_name(void *arg, uint64_t id)
{
    (void)arg;
    return id == A ? "a" : id == B ? "b" : NULL;
}

static void end_open(struct pair *w, struct end *e, uint64_t id, bool knows_names)
{
    struct transport_options o = {
        .loop = w->loop, .cluster_id = CLUSTER, .member_id = id, .name = id == A ? "a" : "b",
        .listen_address = "127.0.0.1:0", .on_frame = on_frame, .on_stream = on_stream,
        .on_stream_broken = on_stream_broken, .on_peer = on_peer, .arg = e,
        .peer_name = knows_names ? peer_name : NULL,
    };
    e->pair = w;
    assert_int_equal(transport_open(&o, &e->t, NULL), 0);
    str_copy(e->address, sizeof e->address, transport_listen_address(e->t));
    e->in_order = true;
}

void pair_rule(struct pair *w, const char *text)
{
    autofree char *applied = mem_printf("%s.applied", w->rules);
    assert_int_equal(fs_write_file_atomic(NULL, w->rules, slice_str(text), NULL), 0);
    for (int i = 0; i < 1000; i++) {
        autobuf got = BUF_INIT;
        if (fs_read_file(NULL, applied, 4096, &got, NULL) == 0 &&
            slice_eq(buf_slice(&got), slice_str(text))) {
            return;
        }
        run_for(w->loop, 5);
    }
    fail_msg("rules are not in force: %s", text);
}

void pair_open(struct pair *w, const char *rules, bool knows_names)
{
    *w = (struct pair){ .dir = temp_dir_new(), .loop = loop_new() };
    w->rules = mem_printf("%s/rules", w->dir);
    if (rules != NULL) {
        assert_int_equal(fs_write_file_atomic(NULL, w->rules, slice_str(rules), NULL), 0);
        assert_int_equal(faults_start(w->loop, w->rules, "me", NULL), 0);
    }
    end_open(w, &w->a, A, knows_names);
    end_open(w, &w->b, B, knows_names);
    transport_peer_set(w->a.t, B, w->b.address);
    transport_peer_set(w->b.t, A, w->a.address);
}

void pair_open_up(struct pair *w, const char *rules, bool knows_names)
{
    pair_open(w, rules != NULL ? "" : NULL, knows_names);
    run_until_some(w->loop, &w->a.ups);
    run_until_some(w->loop, &w->b.ups);
    if (rules != NULL) {
        pair_rule(w, rules);
    }
}

void pair_close(struct pair *w)
{
    if (w->a.t != NULL) {
        transport_close(TAKE(w->a.t), on_closed, &w->a.closed);
    }
    if (w->b.t != NULL) {
        transport_close(TAKE(w->b.t), on_closed, &w->b.closed);
    }
    run_until(w->loop, &w->a.closed);
    run_until(w->loop, &w->b.closed);
    loop_free(w->loop);
    temp_dir_free(w->dir);
    mem_free(w->rules);
}

void pair_send(struct pair *w, uint64_t number)
{
    autobuf b = BUF_INIT;
    buf_append(&b, &number, sizeof number);
    transport_send(w->a.t, B, &b);
    assert_int_equal(b.len, 0);
}

static int next_chunk(void *arg, struct buf *out)
{
    struct pair *w = arg;
    buf_reserve(out, CHUNK_BYTES);
    buf_advance(out, CHUNK_BYTES);
    return ++w->pulled < CHUNKS;
}

static void on_done(void *arg, int status)
{
    struct pair *w = arg;
    assert_false(w->done);
    w->done = true;
    w->done_status = status;
}

struct transport_stream *pair_stream(struct pair *w)
{
    return transport_stream_start(w->a.t, B, STREAM, next_chunk, on_done, w);
}

void pair_wait(struct pair *w, const unsigned *count, unsigned at_least)
{
    for (int i = 0; i < 10000 && *count < at_least; i++) {
        run_for(w->loop, 1);
    }
    assert_true(*count >= at_least);
}
