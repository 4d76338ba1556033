/* Random operations against the naive model. */
#include "tests/unit/store/differential.h"
#include "tests/unit/store/tests.h"

static void run_seed(uint64_t seed, size_t steps, unsigned keys, int64_t quota_bytes)
{
    struct arena arena;
    arena_init(&arena);
    struct gen g = { .arena = &arena, .keys = keys };
    rng_init(&g.rng, seed);
    if (!differential_run(&g, steps, quota_bytes)) {
        fail_msg("seed %llu, %u keys", (unsigned long long)seed, keys);
    }
    arena_fini(&arena);
}

static void store_and_model_agree_on_few_keys(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run_seed(seed, 5000, 5, 0);
    }
}

static void store_and_model_agree_on_many_keys(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 106; seed++) {
        run_seed(seed, 6000, 100, 0);
    }
}

static void store_and_model_agree_around_the_quota(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 205; seed++) {
        run_seed(seed, 3000, 30, 900);
    }
}

int test_differential_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_and_model_agree_on_few_keys),
        cmocka_unit_test(store_and_model_agree_on_many_keys),
        cmocka_unit_test(store_and_model_agree_around_the_quota),
    };
    return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
