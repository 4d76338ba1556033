/* Random lives: calls, streams, pauses, cancels, deadlines, lost connections, a server that stops
 * and comes back. Whatever the order, each call ends exactly once (never after its cancel), and
 * nothing is left. */
#include "fixture.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"

enum { SLOTS = 24, STEPS = 1500 };

struct slot {
    struct world *w;
    struct rpc_request *request;
    struct rpc_stream *stream;
    bool open, half_closed;
};

struct world {
    struct fixture f;
    struct rng rng;
    struct slot slots[SLOTS];
    size_t begun, ended, cancelled, good, messages;
};

static void slot_end(struct slot *s, const struct rpc_result *result)
{
    assert_true(s->open);
    s->open = false;
    s->w->ended++;
    s->w->good += result->err == 0;
    if (result->err == 0) {
        assert_int_equal(result->grpc_code, GRPC_OK);
    }
}

static void on_done(void *arg, const struct rpc_result *result)
{
    slot_end(arg, result);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct slot *s = arg;
    (void)msg;
    assert_true(s->open);
    s->w->messages++;
    if (rng_chance(&s->w->rng, 0.02)) {
        s->open = false;
        s->w->cancelled++;
        rpc_stream_cancel(s->stream);
    }
}

static const struct rpc_stream_events events = { on_message, on_done, NULL };

static void begin(struct world *w, struct slot *s)
{
    static const char *const unary[] = { "/t.Echo/Unary", "/t.Echo/ReplyBuf", "/t.Echo/Park",
                                         "/t.Echo/Nope", "/t.Echo/Fail" };
    static const char *const streams[] = { "/t.Echo/Bidi", "/t.Echo/Flood" };
    struct echo m = echo_text("random");
    *s = (struct slot){ .w = w, .open = true };
    w->begun++;
    w->f.flood_left = 300000;
    if (rng_chance(&w->rng, 0.5)) {
        bool big = rng_chance(&w->rng, 0.1);
        m.n = big ? (int64_t)rng_range(&w->rng, 1, 3000000) : 0;
        uint64_t which = rng_range(&w->rng, 0, 4);
        uint64_t timeout_ms = which == 2 || rng_chance(&w->rng, 0.3) ? 20 : 0;
        m.n = which == 4 ? 0 : m.n;
        s->request = rpc_call_unary(w->f.channel, unary[which], &m.base, &echo_descriptor,
                                    timeout_ms, on_done, s);
    } else {
        s->stream = rpc_stream_open(w->f.channel, streams[rng_range(&w->rng, 0, 1)],
                                    &echo_descriptor, &events, s);
        rpc_stream_send(s->stream, &m.base);
    }
}

static void cancel(struct slot *s)
{
    s->open = false;
    s->w->cancelled++;
    if (s->stream != NULL) {
        rpc_stream_cancel(s->stream);
    } else {
        rpc_request_cancel(s->request);
    }
}

static void use(struct world *w, struct slot *s)
{
    uint64_t dice = rng_range(&w->rng, 0, 9);
    struct echo m = echo_text("more");
    if (dice == 0) {
        cancel(s);
    } else if (s->stream == NULL) {
        return;
    } else if (dice <= 4 && !s->half_closed) {
        rpc_stream_send(s->stream, &m.base);
    } else if (dice == 5) {
        s->half_closed = true;
        rpc_stream_half_close(s->stream);
    } else {
        rpc_stream_pause(s->stream, dice >= 8);
    }
}

static void on_stopped(void *arg)
{
    bool *stopped = arg;
    *stopped = true;
}

static void restart_server(struct world *w)
{
    bool stopped = false;
    fixture_server_stop(&w->f, rng_range(&w->rng, 0, 20), on_stopped, &stopped);
    while (!stopped) {
        fixture_run_ms(&w->f, 1);
    }
    fixture_server_start(&w->f);
}

static void replace_channel(struct world *w)
{
    rpc_channel_free(w->f.channel);
    w->f.channel = NULL;
    bool all = false;
    while (!all) {
        fixture_run_ms(&w->f, 1);
        all = true;
        for (int i = 0; i < SLOTS; i++) {
            all = all && !w->slots[i].open;
        }
    }
    w->f.channel = fixture_channel(&w->f, w->f.address);
}

static void run_seed(uint64_t seed)
{
    struct world *w = mem_zalloc(sizeof *w);
    rng_init(&w->rng, seed);
    fixture_open(&w->f);
    for (int step = 0; step < STEPS; step++) {
        struct slot *s = &w->slots[rng_range(&w->rng, 0, SLOTS - 1)];
        if (s->open) {
            use(w, s);
        } else {
            begin(w, s);
        }
        if (rng_chance(&w->rng, 0.1)) {
            fixture_run_ms(&w->f, rng_range(&w->rng, 0, 2));
        }
        if (rng_chance(&w->rng, 0.005)) {
            restart_server(w);
        }
        if (rng_chance(&w->rng, 0.003)) {
            replace_channel(w);
        }
    }
    replace_channel(w);
    assert_int_equal(w->begun, w->ended + w->cancelled);
    assert_true(w->good > 10);
    assert_true(w->messages > 100);
    fixture_close(&w->f);
    mem_free(w);
}

static void random_lives_end_exactly_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run_seed(seed);
    }
}

int test_random_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives_end_exactly_once),
    };
    return cmocka_run_group_tests_name("rpc random", tests, NULL, NULL);
}
