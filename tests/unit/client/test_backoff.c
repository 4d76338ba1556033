/* Back-off: doubling, bounds, spreading. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include "client/backoff.h"

static void the_ceiling_doubles_up_to_the_maximum(void **state)
{
    static const uint64_t want[] = { 0, 50, 100, 200, 400, 800, 1000, 1000 };
    struct backoff b = { 50, 1000 };

    (void)state;
    for (uint32_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(backoff_ceiling_ms(&b, i), want[i]);
    }
    assert_int_equal(backoff_ceiling_ms(&b, UINT32_MAX), 1000);
}

static void the_wait_lies_between_half_and_all_of_the_ceiling_and_is_spread(void **state)
{
    struct backoff b = { 100, 1000 };
    struct rng rng;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 1000; i++) {
        uint64_t ms = backoff_delay_ms(&b, 2, &rng);

        assert_in_range(ms, 100, 200);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    assert_true(low < 110);
    assert_true(high > 190);
    assert_int_equal(backoff_delay_ms(&b, 2, NULL), 200);
}

int test_backoff_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_doubles_up_to_the_maximum),
        cmocka_unit_test(the_wait_lies_between_half_and_all_of_the_ceiling_and_is_spread),
    };

    return cmocka_run_group_tests_name("client/backoff", tests, NULL, NULL);
}
