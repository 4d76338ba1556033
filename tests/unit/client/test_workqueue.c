/* The workqueue: each key once, one worker a key, nothing lost, order and back-off. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>

#include "client/workqueue.h"
#include "lib/base/rng.h"

static struct workqueue *queue(void)
{
    struct workqueue_options options = { .backoff_base_ms = 100, .backoff_max_ms = 1000 };

    return workqueue_new(&options);
}

static void assert_next(struct workqueue *q, uint64_t now_ms, const char *want)
{
    const char *key = workqueue_get(q, now_ms);

    if (want == NULL) {
        assert_null(key);
    } else {
        assert_non_null(key);
        assert_string_equal(key, want);
    }
}

static void keys_come_out_in_order_and_once_however_often_they_were_added(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    workqueue_add(q, "b");
    workqueue_add(q, "a");
    assert_int_equal(workqueue_len(q), 2);
    assert_next(q, 0, "a");
    assert_next(q, 0, "b");
    assert_next(q, 0, NULL);
    assert_int_equal(workqueue_processing(q), 2);
    workqueue_free(q);
}

static void a_key_added_while_it_is_processed_comes_again_after_done_and_not_before(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    assert_next(q, 0, "a");
    workqueue_add(q, "a");
    workqueue_add(q, "a");
    assert_next(q, 0, NULL);
    workqueue_done(q, "a");
    assert_next(q, 0, "a");
    workqueue_done(q, "a");
    assert_next(q, 0, NULL);
    workqueue_free(q);
}

static void a_busy_key_goes_behind_those_that_wait(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    assert_next(q, 0, "a");
    workqueue_add(q, "b");
    workqueue_add(q, "a");
    workqueue_done(q, "a");
    assert_next(q, 0, "b");
    assert_next(q, 0, "a");
    workqueue_free(q);
}

static void a_delayed_key_waits_for_its_time_the_earlier_time_wins(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add_at(q, "a", 500);
    workqueue_add_at(q, "a", 900);
    workqueue_add_at(q, "b", 300);
    assert_int_equal(workqueue_next_due_ms(q), 300);
    assert_next(q, 299, NULL);
    assert_next(q, 300, "b");
    assert_int_equal(workqueue_next_due_ms(q), 500);
    assert_next(q, 500, "a");
    assert_next(q, 2000, NULL);
    assert_int_equal(workqueue_next_due_ms(q), UINT64_MAX);
    workqueue_free(q);
}

static void a_plain_add_makes_a_delayed_key_ready_and_the_delay_is_over(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add_at(q, "a", 500);
    workqueue_add(q, "a");
    assert_int_equal(workqueue_next_due_ms(q), 0);
    assert_next(q, 0, "a");
    workqueue_done(q, "a");
    assert_next(q, 1000, NULL);
    workqueue_free(q);
}

static void a_key_that_falls_due_while_it_is_processed_comes_again(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    assert_next(q, 0, "a");
    workqueue_add_at(q, "a", 100);
    assert_next(q, 200, NULL);
    workqueue_done(q, "a");
    assert_next(q, 200, "a");
    workqueue_free(q);
}

static void failures_double_the_wait_until_they_are_forgotten(void **state)
{
    static const uint64_t want[] = { 100, 200, 400, 800, 1000, 1000 };
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    assert_next(q, 0, "a");
    for (uint32_t i = 0; i < 6; i++) {
        workqueue_add_rate_limited(q, "a", 0);
        workqueue_done(q, "a");
        assert_int_equal(workqueue_failures(q, "a"), i + 1);
        assert_int_equal(workqueue_next_due_ms(q), want[i]);
        assert_next(q, want[i] - 1, NULL);
        assert_next(q, want[i], "a");
    }
    workqueue_forget(q, "a");
    workqueue_add_rate_limited(q, "a", 0);
    workqueue_done(q, "a");
    assert_int_equal(workqueue_next_due_ms(q), 100);
    workqueue_free(q);
}

static void clearing_drops_all_but_what_is_processed(void **state)
{
    struct workqueue *q = queue();

    (void)state;
    workqueue_add(q, "a");
    assert_next(q, 0, "a");
    workqueue_add(q, "a");
    workqueue_add(q, "b");
    workqueue_add_at(q, "c", 10);
    workqueue_clear(q);
    assert_int_equal(workqueue_len(q), 0);
    assert_int_equal(workqueue_delayed(q), 0);
    workqueue_done(q, "a");
    assert_next(q, 100, NULL);
    workqueue_add(q, "a");
    assert_next(q, 100, "a");
    workqueue_free(q);
}

/* A model: a set of dirty keys and a set of processing keys. After any sequence of operations
 * every key added after its last get must come out again. */
static void no_add_is_ever_lost_in_a_hundred_thousand_random_steps(void **state)
{
    enum { KEYS = 8 };
    struct workqueue *q = queue();
    bool dirty[KEYS] = { 0 };
    bool processing[KEYS] = { 0 };
    struct rng rng;

    (void)state;
    rng_init(&rng, 42);
    for (int step = 0; step < 100000; step++) {
        uint64_t k = rng_range(&rng, 0, KEYS - 1);
        char key[4];
        const char *got;

        snprintf(key, sizeof key, "%u", (unsigned)k);
        switch (rng_range(&rng, 0, 2)) {
        case 0:
            workqueue_add(q, key);
            dirty[k] = true;
            break;
        case 1:
            got = workqueue_get(q, 0);
            if (got != NULL) {
                k = (uint64_t)(got[0] - '0');
                assert_true(dirty[k]);
                assert_false(processing[k]);
                dirty[k] = false;
                processing[k] = true;
            } else {
                for (size_t i = 0; i < KEYS; i++) {
                    assert_true(!dirty[i] || processing[i]);
                }
            }
            break;
        default:
            if (processing[k]) {
                workqueue_done(q, key);
                processing[k] = false;
            }
        }
    }
    workqueue_free(q);
}

int test_workqueue_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_out_in_order_and_once_however_often_they_were_added),
        cmocka_unit_test(a_key_added_while_it_is_processed_comes_again_after_done_and_not_before),
        cmocka_unit_test(a_busy_key_goes_behind_those_that_wait),
        cmocka_unit_test(a_delayed_key_waits_for_its_time_the_earlier_time_wins),
        cmocka_unit_test(a_plain_add_makes_a_delayed_key_ready_and_the_delay_is_over),
        cmocka_unit_test(a_key_that_falls_due_while_it_is_processed_comes_again),
        cmocka_unit_test(failures_double_the_wait_until_they_are_forgotten),
        cmocka_unit_test(clearing_drops_all_but_what_is_processed),
        cmocka_unit_test(no_add_is_ever_lost_in_a_hundred_thousand_random_steps),
    };

    return cmocka_run_group_tests_name("client/workqueue", tests, NULL, NULL);
}
