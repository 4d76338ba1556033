/* What a callback may do: cancel itself and others, start new calls, free the channel. */
#include "fixture.h"

#include <string.h>

struct actor {
    struct fixture *f;
    struct rpc_request *other;
    struct rpc_stream *stream;
    struct outcome *next;
    size_t done, messages, closed;
    bool free_channel, cancel_self;
};

static void on_done(void *arg, const struct rpc_result *result)
{
    struct actor *a = arg;
    assert_int_equal(result->err, 0);
    a->done++;
    if (a->other != NULL) {
        rpc_request_cancel(a->other);
        a->other = NULL;
    }
    if (a->next != NULL) {
        struct echo m = echo_text("next");
        call_echo(a->next, "/t.Echo/Unary", &m, 0);
        assert_false(a->next->done); /* never inside the submitting call */
    }
    if (a->free_channel) {
        rpc_channel_free(a->f->channel);
        a->f->channel = NULL;
    }
    loop_stop(a->f->loop);
}

static void a_callback_may_cancel_another_call_and_start_one(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome parked, next;
    fixture_open(&f);
    outcome_init(&parked, &f);
    outcome_init(&next, &f);
    struct actor a = { .f = &f, .next = &next };
    struct echo m = echo_text("x");
    a.other = call_echo(&parked, "/t.Echo/Park", &m, 0);
    fixture_wait_count(&f, &f.n_parked, 1);
    rpc_call_unary(f.channel, "/t.Echo/Unary", &m.base, &echo_descriptor, 0, on_done, &a);
    fixture_wait(&f, &next.done);
    assert_string_equal(buf_str(&next.data), "next");
    fixture_wait_count(&f, &f.n_closed, 1);
    assert_false(parked.done);
    outcome_fini(&next);
    fixture_close(&f);
}

static void a_callback_may_free_the_channel(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome parked;
    fixture_open(&f);
    outcome_init(&parked, &f);
    struct actor a = { .f = &f, .free_channel = true };
    struct echo m = echo_text("x");
    call_echo(&parked, "/t.Echo/Park", &m, 0);
    rpc_call_unary(f.channel, "/t.Echo/Unary", &m.base, &echo_descriptor, 0, on_done, &a);
    fixture_wait(&f, &parked.done);
    assert_int_equal(a.done, 1);
    assert_int_equal(parked.err, E_CANCELED);
    fixture_close(&f);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    (void)msg;
    struct actor *a = arg;
    a->messages++;
    if (a->cancel_self) {
        rpc_stream_cancel(a->stream);
        a->stream = NULL;
    }
    loop_stop(a->f->loop);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    (void)result;
    struct actor *a = arg;
    a->closed++;
    loop_stop(a->f->loop);
}

static void open_actor(struct actor *a)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    a->stream = rpc_stream_open(a->f->channel, "/t.Echo/Bidi", &echo_descriptor, &events, a);
    for (int i = 0; i < 3; i++) {
        struct echo m = echo_text("x");
        rpc_stream_send(a->stream, &m.base);
    }
}

static void a_stream_may_cancel_itself_in_its_message(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct actor a = { .f = &f, .cancel_self = true };
    open_actor(&a);
    fixture_wait_count(&f, &f.n_closed, 1);
    assert_int_equal(a.messages, 1);
    assert_int_equal(a.closed, 0);
    fixture_close(&f);
}

static void a_stream_may_cancel_itself_among_held_messages(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    for (int ended = 0; ended < 2; ended++) {
        struct actor a = { .f = &f, .cancel_self = true };
        open_actor(&a);
        rpc_stream_pause(a.stream, true);
        if (ended) {
            rpc_stream_half_close(a.stream);
        }
        fixture_run_ms(&f, 20);
        assert_int_equal(a.messages, 0);
        rpc_stream_pause(a.stream, false);
        fixture_wait_count(&f, &a.messages, 1);
        fixture_run_ms(&f, 10);
        assert_int_equal(a.messages, 1);
        assert_int_equal(a.closed, 0);
        assert_int_equal(rpc_server_calls(f.server), 0);
    }
    fixture_close(&f);
}

int test_reentry_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_may_cancel_another_call_and_start_one),
        cmocka_unit_test(a_callback_may_free_the_channel),
        cmocka_unit_test(a_stream_may_cancel_itself_in_its_message),
        cmocka_unit_test(a_stream_may_cancel_itself_among_held_messages),
    };
    return cmocka_run_group_tests_name("rpc reentry", tests, NULL, NULL);
}
