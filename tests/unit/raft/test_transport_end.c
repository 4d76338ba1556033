/* What a transport owes when it is full, when it is closed, and when it is closed from within. */
#include "pair.h"

#include "lib/base/limits.h"

/* In one turn: nothing is sent before its end, so what is over the bound has nowhere to go. */
static void a_full_queue_drops_and_counts(void **state)
{
    enum { FIT = LIMIT_PEER_QUEUE_BYTES / LIMIT_PEER_FRAME_BYTES - 1, SENT = FIT + 4 };
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    for (unsigned i = 0; i < SENT; i++) {
        autobuf b = BUF_INIT;
        memset(buf_reserve(&b, LIMIT_PEER_FRAME_BYTES), 'x', LIMIT_PEER_FRAME_BYTES);
        buf_advance(&b, LIMIT_PEER_FRAME_BYTES);
        transport_send(w.a.t, B, &b);
    }
    uint64_t dropped = transport_dropped(w.a.t);
    assert_true(dropped > 0 && dropped <= SENT - FIT);
    pair_wait(&w, &w.b.frames, SENT - (unsigned)dropped);
    assert_int_equal(w.a.downs, 0);
    pair_close(&w);
}

static void a_stream_to_nobody_is_answered_before_the_transport_is_closed(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    transport_peer_remove(w.a.t, B);
    run_for(w.loop, 20); /* no link is left */
    pair_stream(&w);
    transport_close(TAKE(w.a.t), NULL, NULL);
    w.a.closed = true;
    assert_false(w.done);
    run_until(w.loop, &w.done);
    assert_int_equal(w.done_status, E_NOTFOUND);
    pair_close(&w);
}

static void a_stream_that_runs_is_canceled_by_closing(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    pair_stream(&w);
    transport_close(TAKE(w.a.t), NULL, NULL);
    w.a.closed = true;
    run_until(w.loop, &w.done);
    assert_int_equal(w.done_status, E_CANCELED);
    pair_close(&w);
}

static void a_stream_of_an_abandoned_transport_hears_nothing(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    pair_stream(&w);
    transport_abandon(TAKE(w.a.t));
    w.a.closed = true;
    run_for(w.loop, 50);
    assert_false(w.done);
    pair_close(&w);
}

static void a_stream_does_not_end_with_somebody_elses_removal(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    transport_peer_set(w.a.t, 3, "127.0.0.1:1");
    pair_stream(&w);
    transport_peer_remove(w.a.t, 3);
    run_until(w.loop, &w.done);
    assert_int_equal(w.done_status, 0);
    assert_int_equal(w.b.chunks, CHUNKS);
    pair_close(&w);
}

static void a_receiver_may_close_within_a_chunk(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, NULL, true);
    w.close_in_chunk = true;
    pair_stream(&w);
    run_until(w.loop, &w.b.closed);
    run_until(w.loop, &w.done);
    assert_int_not_equal(w.done_status, 0);
    assert_int_equal(w.b.chunks, 1);
    pair_close(&w);
}

int test_transport_end_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_drops_and_counts),
        cmocka_unit_test(a_stream_to_nobody_is_answered_before_the_transport_is_closed),
        cmocka_unit_test(a_stream_that_runs_is_canceled_by_closing),
        cmocka_unit_test(a_stream_of_an_abandoned_transport_hears_nothing),
        cmocka_unit_test(a_stream_does_not_end_with_somebody_elses_removal),
        cmocka_unit_test(a_receiver_may_close_within_a_chunk),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/transport_end", tests, NULL, NULL);
}
