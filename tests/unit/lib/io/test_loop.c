/* The loop: ready calls, end-of-turn hooks, and when loop_run ends. */
#include "fixture.h"

/* A step writes its letter into the trace, then does what `then` says. */
struct step {
    struct ready ready;
    struct turn_hook hook;
    char letter;
    struct trace *trace;
    void (*then)(struct step *self);
    struct step *other;
    int left;
};

struct trace {
    struct loop *loop;
    char text[64];
    size_t n;
    struct step steps[4];
};

static void mark(struct step *s)
{
    struct trace *t = s->trace;

    if (t->n + 1 < sizeof t->text) {
        t->text[t->n++] = s->letter;
    }
    if (s->then != NULL) {
        s->then(s);
    }
}

static void on_ready(struct ready *r)
{
    mark(CONTAINER_OF(r, struct step, ready));
}

static void on_hook(struct turn_hook *h)
{
    mark(CONTAINER_OF(h, struct step, hook));
}

static int setup(void **state)
{
    struct trace *t = mem_zalloc(sizeof *t);

    t->loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(t->steps); i++) {
        struct step *s = &t->steps[i];
        s->letter = (char)('a' + i);
        s->trace = t;
        s->other = &t->steps[(i + 1) % ARRAY_LEN(t->steps)];
        ready_init(&s->ready, on_ready);
        turn_hook_init(&s->hook, on_hook);
    }
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct trace *t = *state;

    loop_free(t->loop);
    mem_free(t);
    return 0;
}

static void ready_runs_later_in_order_and_once(void **state)
{
    struct trace *t = *state;

    loop_ready(t->loop, &t->steps[1].ready);
    loop_ready(t->loop, &t->steps[0].ready);
    loop_ready(t->loop, &t->steps[1].ready);
    assert_string_equal(t->text, "");
    loop_run(t->loop);
    assert_string_equal(t->text, "ba");
}

static void cancelled_ready_and_hook_do_not_run(void **state)
{
    struct trace *t = *state;

    loop_ready(t->loop, &t->steps[0].ready);
    loop_at_turn_end(t->loop, &t->steps[1].hook);
    loop_ready(t->loop, &t->steps[2].ready);
    ready_cancel(&t->steps[0].ready);
    ready_cancel(&t->steps[0].ready);
    turn_hook_cancel(&t->steps[1].hook);
    loop_run(t->loop);
    assert_string_equal(t->text, "c");
}

static void hooks_run_after_ready_in_the_order_armed(void **state)
{
    struct trace *t = *state;

    loop_at_turn_end(t->loop, &t->steps[3].hook);
    loop_at_turn_end(t->loop, &t->steps[1].hook);
    loop_at_turn_end(t->loop, &t->steps[3].hook);
    loop_ready(t->loop, &t->steps[0].ready);
    loop_run(t->loop);
    assert_string_equal(t->text, "adb");
}

static void ready_other(struct step *s)
{
    loop_ready(s->trace->loop, &s->other->ready);
}

static void arm_other(struct step *s)
{
    loop_at_turn_end(s->trace->loop, &s->other->hook);
}

static void ready_from_ready_waits_for_the_next_turn(void **state)
{
    struct trace *t = *state;

    t->steps[0].then = ready_other; /* a makes b ready */
    loop_ready(t->loop, &t->steps[0].ready);
    loop_at_turn_end(t->loop, &t->steps[2].hook);
    loop_run(t->loop);
    assert_string_equal(t->text, "acb");
}

static void ready_from_a_hook_runs_before_the_next_hook(void **state)
{
    struct trace *t = *state;

    t->steps[0].then = ready_other;
    loop_at_turn_end(t->loop, &t->steps[0].hook);
    loop_at_turn_end(t->loop, &t->steps[2].hook);
    loop_run(t->loop);
    assert_string_equal(t->text, "abc");
}

static void rearm_self(struct step *s)
{
    if (s->left-- > 0) {
        loop_at_turn_end(s->trace->loop, &s->hook);
    }
}

static void hook_armed_again_runs_once_a_turn(void **state)
{
    struct trace *t = *state;

    t->steps[0].then = rearm_self; /* turns: "a b", "a b" because b follows a's turn, "a" */
    t->steps[0].left = 2;
    loop_at_turn_end(t->loop, &t->steps[0].hook);
    loop_at_turn_end(t->loop, &t->steps[1].hook);
    loop_run(t->loop);
    assert_string_equal(t->text, "abaa");
}

static void hook_armed_by_another_runs_in_the_same_turn(void **state)
{
    struct trace *t = *state;

    t->steps[0].then = arm_other; /* a arms b */
    t->steps[1].then = ready_other; /* b makes c ready */
    loop_at_turn_end(t->loop, &t->steps[0].hook);
    uint64_t turn = t->loop->turn;
    loop_run(t->loop);
    assert_string_equal(t->text, "abc");
    assert_int_equal(t->steps[0].hook.turn, t->steps[1].hook.turn);
    assert_true(t->steps[0].hook.turn > turn);
}

static void never(struct timer *timer)
{
    (void)timer;
    fail();
}

static void requeue(struct step *s)
{
    if (s->left-- > 0) {
        loop_ready(s->trace->loop, &s->ready);
    } else {
        loop_stop(s->trace->loop);
    }
}

static void pending_ready_does_not_wait_for_a_timer(void **state)
{
    struct trace *t = *state;
    struct timer far;

    timer_init(t->loop, &far, never);
    timer_start(&far, 3600 * 1000); /* would be waited for, if the loop slept even once */
    t->steps[0].then = requeue;
    t->steps[0].left = 1000;
    loop_ready(t->loop, &t->steps[0].ready);
    run_to_stop(t->loop);
    assert_int_equal(t->steps[0].left, -1);
    timer_stop(&far);
}

static void rearm_until_stop(struct step *s)
{
    if (s->left-- > 0) {
        loop_at_turn_end(s->trace->loop, &s->hook);
    } else {
        loop_stop(s->trace->loop);
    }
}

static void pending_hook_does_not_wait_for_a_timer(void **state)
{
    struct trace *t = *state;
    struct timer far;

    timer_init(t->loop, &far, never);
    timer_start(&far, 3600 * 1000);
    t->steps[0].then = rearm_until_stop;
    t->steps[0].left = 1000;
    loop_at_turn_end(t->loop, &t->steps[0].hook);
    run_to_stop(t->loop);
    assert_int_equal(t->steps[0].left, -1);
    timer_stop(&far);
}

struct stopper {
    struct timer timer;
    struct step *step;
};

static void stop_with_work_left(struct timer *timer)
{
    struct stopper *s = CONTAINER_OF(timer, struct stopper, timer);

    loop_ready(timer->loop, &s->step->ready);
    loop_at_turn_end(timer->loop, &s->step->other->hook);
    loop_stop(timer->loop);
}

static void stop_still_ends_the_turn(void **state)
{
    struct trace *t = *state;
    struct stopper s = { .step = &t->steps[0] };
    struct timer far;

    timer_init(t->loop, &far, never);
    timer_start(&far, 3600 * 1000);
    timer_init(t->loop, &s.timer, stop_with_work_left);
    timer_start(&s.timer, 1);
    loop_run(t->loop);
    assert_string_equal(t->text, "ab");
    timer_stop(&far);
}

static void run_returns_at_once_when_nothing_is_left(void **state)
{
    struct trace *t = *state;

    loop_run(t->loop);
    loop_stop(t->loop);
    loop_run(t->loop);
    loop_ready(t->loop, &t->steps[0].ready); /* a stop before does not outlive its run */
    loop_run(t->loop);
    assert_string_equal(t->text, "a");
}

static void clocks_tell_the_same_time(void **state)
{
    struct trace *t = *state;
    uint64_t ms = loop_now_ms(t->loop);
    uint64_t us = loop_now_us(t->loop);

    assert_true(us / 1000 + 20 >= ms);
    assert_true(us / 1000 < ms + 10000);
    assert_true(loop_wall_ms(t->loop) > INT64_C(1600000000000));
}

#define loop_case(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int test_loop_run(void)
{
    const struct CMUnitTest tests[] = {
        loop_case(ready_runs_later_in_order_and_once),
        loop_case(cancelled_ready_and_hook_do_not_run),
        loop_case(hooks_run_after_ready_in_the_order_armed),
        loop_case(ready_from_ready_waits_for_the_next_turn),
        loop_case(ready_from_a_hook_runs_before_the_next_hook),
        loop_case(hook_armed_again_runs_once_a_turn),
        loop_case(hook_armed_by_another_runs_in_the_same_turn),
        loop_case(pending_ready_does_not_wait_for_a_timer),
        loop_case(pending_hook_does_not_wait_for_a_timer),
        loop_case(stop_still_ends_the_turn),
        loop_case(run_returns_at_once_when_nothing_is_left),
        loop_case(clocks_tell_the_same_time),
    };
    return cmocka_run_group_tests_name("io/loop", tests, NULL, NULL);
}
