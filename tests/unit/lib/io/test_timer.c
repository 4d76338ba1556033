/* Timers: order, restart and stop from inside callbacks. */
#include "fixture.h"

struct item {
    struct timer timer;
    struct timers *all;
    char letter;
    void (*then)(struct item *self);
    struct item *other;
    int left;
};

struct timers {
    struct loop *loop;
    char text[32];
    size_t n;
    struct item items[4];
};

static void on_timer(struct timer *t)
{
    struct item *it = CONTAINER_OF(t, struct item, timer);

    assert_false(timer_active(t));
    if (it->all->n + 1 < sizeof it->all->text) {
        it->all->text[it->all->n++] = it->letter;
    }
    if (it->then != NULL) {
        it->then(it);
    }
}

static int setup(void **state)
{
    struct timers *a = mem_zalloc(sizeof *a);

    a->loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(a->items); i++) {
        struct item *it = &a->items[i];
        it->all = a;
        it->letter = (char)('a' + i);
        it->other = &a->items[(i + 1) % ARRAY_LEN(a->items)];
        timer_init(a->loop, &it->timer, on_timer);
    }
    *state = a;
    return 0;
}

static int teardown(void **state)
{
    struct timers *a = *state;

    loop_free(a->loop);
    mem_free(a);
    return 0;
}

static void timers_fire_by_due_then_by_start_order(void **state)
{
    struct timers *a = *state;
    uint64_t now = loop_now_ms(a->loop);

    timer_start_at(&a->items[0].timer, now + 3);
    timer_start_at(&a->items[1].timer, now + 1);
    timer_start_at(&a->items[2].timer, now + 3);
    timer_start_at(&a->items[3].timer, now + 2);
    timer_start_at(&a->items[0].timer, now + 3); /* a restart is a new start: behind c */
    assert_true(timer_active(&a->items[0].timer));
    loop_run(a->loop);
    assert_string_equal(a->text, "bdca");
    assert_true(loop_now_ms(a->loop) >= now + 3);
}

static void past_due_times_fire_in_their_order(void **state)
{
    struct timers *a = *state;

    timer_start_at(&a->items[0].timer, 7);
    timer_start_at(&a->items[1].timer, 5);
    timer_start(&a->items[2].timer, 0);
    loop_run(a->loop);
    assert_string_equal(a->text, "bac");
}

static void restart_self(struct item *it)
{
    if (it->left-- > 0) {
        timer_start(&it->timer, 0);
    }
}

static void restart_in_its_callback_fires_in_a_later_pass(void **state)
{
    struct timers *a = *state;

    a->items[0].then = restart_self;
    a->items[0].left = 2;
    timer_start_at(&a->items[0].timer, 1);
    timer_start_at(&a->items[1].timer, 2); /* collected with a's first firing */
    loop_run(a->loop);
    assert_string_equal(a->text, "abaa");
}

static void stop_other(struct item *it)
{
    timer_stop(&it->other->timer);
    assert_false(timer_active(&it->other->timer));
}

static void stopping_a_due_timer_in_a_callback_holds(void **state)
{
    struct timers *a = *state;

    a->items[0].then = stop_other; /* b, which is due in the same pass */
    timer_start_at(&a->items[0].timer, 1);
    timer_start_at(&a->items[1].timer, 2);
    timer_start_at(&a->items[2].timer, 3);
    loop_run(a->loop);
    assert_string_equal(a->text, "ac");
}

static void restart_other(struct item *it)
{
    timer_start(&it->other->timer, 1);
}

static void restarting_a_due_timer_in_a_callback_fires_it_once(void **state)
{
    struct timers *a = *state;

    a->items[0].then = restart_other;
    timer_start_at(&a->items[0].timer, 1);
    timer_start_at(&a->items[1].timer, 2);
    timer_start_at(&a->items[2].timer, 3);
    loop_run(a->loop);
    assert_string_equal(a->text, "acb");
}

static void stopped_timers_do_not_hold_the_loop(void **state)
{
    struct timers *a = *state;
    struct timer *heap = mem_alloc(sizeof *heap);

    timer_init(a->loop, heap, on_timer);
    timer_start(heap, 3600 * 1000);
    timer_start(&a->items[0].timer, 1);
    timer_stop(heap);
    timer_stop(heap);
    mem_free(heap); /* the memory is ours again at once */
    uint64_t before = loop_now_ms(a->loop);
    loop_run(a->loop);
    assert_string_equal(a->text, "a");
    assert_true(loop_now_ms(a->loop) < before + 60000);
}

static void earlier_timer_started_later_fires_first(void **state)
{
    struct timers *a = *state;

    timer_start(&a->items[0].timer, 30);
    timer_start(&a->items[1].timer, 5);
    timer_start(&a->items[2].timer, 10);
    timer_stop(&a->items[1].timer); /* the armed one goes: c is still in time */
    loop_run(a->loop);
    assert_string_equal(a->text, "ca");
}

static void a_delay_counts_from_now_also_before_the_first_run(void **state)
{
    struct timers *a = *state;
    uint64_t start = loop_now_us(a->loop);

    while (loop_now_us(a->loop) < start + 5000) { /* the loop's cached time grows old */
    }
    uint64_t from = loop_now_us(a->loop);
    timer_start(&a->items[0].timer, 10);
    loop_run(a->loop);
    assert_true(loop_now_us(a->loop) - from >= 9000); /* milliseconds are cut, not rounded */
}

#define timer_case(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int test_timer_run(void)
{
    const struct CMUnitTest tests[] = {
        timer_case(timers_fire_by_due_then_by_start_order),
        timer_case(past_due_times_fire_in_their_order),
        timer_case(restart_in_its_callback_fires_in_a_later_pass),
        timer_case(stopping_a_due_timer_in_a_callback_holds),
        timer_case(restarting_a_due_timer_in_a_callback_fires_it_once),
        timer_case(stopped_timers_do_not_hold_the_loop),
        timer_case(earlier_timer_started_later_fires_first),
        timer_case(a_delay_counts_from_now_also_before_the_first_run),
    };
    return cmocka_run_group_tests_name("io/timer", tests, NULL, NULL);
}
