/* The fault shim at work on links (docs/faults.md): a sends to b under rules. */
#include "pair.h"

#include "lib/base/limits.h"

enum { FRAMES = 50 };

static void send_numbers(struct pair *w)
{
    for (uint64_t i = 1; i <= FRAMES; i++) {
        pair_send(w, i);
    }
}

/* --- frames ----------------------------------------------------------------------------------- */

static void delayed_frames_wait_and_keep_their_order(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b delay_ms=20..40\n", true);
    uint64_t sent_ms = loop_now_ms(w.loop);
    send_numbers(&w);
    pair_wait(&w, &w.b.frames, FRAMES);
    assert_true(w.b.in_order);
    assert_true(w.b.first_ms >= sent_ms + 20);
    assert_int_equal(transport_dropped(w.a.t), 0);
    pair_close(&w);
}

static void what_is_overtaken_arrives_out_of_order_and_once(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b reorder=0.5\n", true);
    send_numbers(&w);
    pair_wait(&w, &w.b.frames, FRAMES);
    run_for(w.loop, 60); /* longer than any may be held */
    assert_int_equal(w.b.frames, FRAMES);
    assert_false(w.b.in_order);
    pair_close(&w);
}

static void each_doubled_frame_arrives_twice(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b duplicate=1\n", true);
    send_numbers(&w);
    pair_wait(&w, &w.b.frames, 2 * FRAMES);
    pair_close(&w);
}

static void dropped_frames_are_counted_and_leave_the_connection_up(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b drop=1\n", true);
    send_numbers(&w);
    assert_int_equal(transport_dropped(w.a.t), FRAMES);
    assert_true(transport_peer_up(w.a.t, B));
    pair_rule(&w, "#\n");
    pair_send(&w, 1000);
    pair_wait(&w, &w.b.frames, 1);
    assert_int_equal(w.b.last_number, 1000); /* it is the first that came */
    assert_int_equal(w.a.downs, 0);
    pair_close(&w);
}

/* Whose name nobody told is known by what it said of itself in its hello. */
static void a_rule_finds_a_peer_by_what_it_calls_itself(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b drop=1\n", false);
    pair_send(&w, 1);
    assert_int_equal(transport_dropped(w.a.t), 1);
    pair_rule(&w, "link me>a drop=1\n");
    pair_send(&w, 2);
    pair_wait(&w, &w.b.frames, 1);
    assert_int_equal(transport_dropped(w.a.t), 1);
    pair_close(&w);
}

static void held_frames_of_a_peer_that_is_removed_are_dropped_when_due(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b delay_ms=30\n", true);
    send_numbers(&w);
    transport_peer_remove(w.a.t, B);
    run_for(w.loop, 60);
    assert_int_equal(transport_dropped(w.a.t), FRAMES);
    assert_int_equal(w.b.frames, 0);
    pair_close(&w);
}

static void no_more_bytes_are_held_than_a_queue_may_have(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b delay_ms=60000\n", true);
    for (size_t i = 0; i < LIMIT_PEER_QUEUE_BYTES / LIMIT_PEER_FRAME_BYTES; i++) {
        autobuf b = BUF_INIT;
        buf_reserve(&b, LIMIT_PEER_FRAME_BYTES);
        buf_advance(&b, LIMIT_PEER_FRAME_BYTES);
        transport_send(w.a.t, B, &b);
    }
    assert_int_equal(transport_dropped(w.a.t), 0);
    pair_send(&w, 1);
    assert_int_equal(transport_dropped(w.a.t), 1);
    pair_close(&w); /* while they are held */
}

/* --- cuts ------------------------------------------------------------------------------------- */

static void a_cut_link_comes_up_soon_after_it_is_mended(void **state)
{
    struct pair w;
    (void)state;
    pair_open(&w, "link me>b cut\n", true);
    pair_send(&w, 1);
    assert_int_equal(transport_dropped(w.a.t), 1); /* nobody is up */
    run_for(w.loop, 600); /* longer than a tick: what was stolen is not said again */
    assert_int_equal(w.a.ups + w.b.ups, 0); /* a's answers to b are lost as well */
    uint64_t mended_ms = loop_now_ms(w.loop);
    pair_rule(&w, "#\n");
    run_until_some(w.loop, &w.a.ups);
    run_until_some(w.loop, &w.b.ups);
    assert_true(loop_now_ms(w.loop) < mended_ms + 3000); /* a hello may wait 5 s */
    pair_send(&w, 1);
    pair_wait(&w, &w.b.frames, 1);
    pair_close(&w);
}

static void a_cut_loses_frames_and_its_silence_is_noticed(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b cut\n", true);
    send_numbers(&w);
    assert_int_equal(transport_dropped(w.a.t), 0); /* stolen on their way */
    pair_wait(&w, &w.a.downs, 1);
    assert_int_equal(w.b.frames, 0);
    pair_close(&w);
}

static void a_dropped_chunk_ends_its_stream(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b drop=1\n", true);
    pair_stream(&w);
    run_until(w.loop, &w.done);
    assert_int_equal(w.done_status, E_CLOSED);
    assert_int_equal(w.b.chunks, 0);
    pair_wait(&w, &w.b.broken, 1);
    pair_close(&w);
}

static void rules_that_lose_nothing_leave_a_stream_whole(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>b delay_ms=5 duplicate=1\n", true);
    pair_stream(&w);
    run_until(w.loop, &w.done);
    assert_int_equal(w.done_status, 0);
    assert_int_equal(w.b.chunks, CHUNKS);
    pair_close(&w);
}

/* The way back is cut: the receiver's answers do not get out, and it must not go on as if. */
static void a_stream_whose_answers_are_cut_does_not_end_well(void **state)
{
    struct pair w;
    (void)state;
    pair_open_up(&w, "link me>a cut\n", true);
    pair_stream(&w);
    run_for(w.loop, 600);
    assert_false(w.done);
    assert_int_equal(w.pulled, 0); /* never welcomed */
    pair_rule(&w, "#\n");
    run_until(w.loop, &w.done);
    assert_int_not_equal(w.done_status, 0);
    pair_close(&w);
}

int test_transport_fault_run(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(delayed_frames_wait_and_keep_their_order),
        cmocka_unit_test(what_is_overtaken_arrives_out_of_order_and_once),
        cmocka_unit_test(each_doubled_frame_arrives_twice),
        cmocka_unit_test(dropped_frames_are_counted_and_leave_the_connection_up),
        cmocka_unit_test(a_rule_finds_a_peer_by_what_it_calls_itself),
        cmocka_unit_test(held_frames_of_a_peer_that_is_removed_are_dropped_when_due),
        cmocka_unit_test(no_more_bytes_are_held_than_a_queue_may_have),
        cmocka_unit_test(a_cut_link_comes_up_soon_after_it_is_mended),
        cmocka_unit_test(a_cut_loses_frames_and_its_silence_is_noticed),
        cmocka_unit_test(a_dropped_chunk_ends_its_stream),
        cmocka_unit_test(rules_that_lose_nothing_leave_a_stream_whole),
        cmocka_unit_test(a_stream_whose_answers_are_cut_does_not_end_well),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/transport_fault", tests, NULL, NULL);
}
