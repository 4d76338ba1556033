/* The lease clock: never early, at most a tick late, each once. */
#include "lib/base/alloc.h"
#include "lib/base/rng.h"
#include "store/lease_clock.h"
#include "tests/unit/store/tests.h"

static size_t expired(struct lease_clock *c, uint64_t now_ms)
{
    int64_t ids[64];
    return lease_clock_expired(c, now_ms, ids, 64);
}

static void a_lease_runs_out_after_its_ttl_and_not_before(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(1050);
    lease_clock_set(c, 7, 2, 1050);
    assert_int_equal(expired(c, 3049), 0);
    assert_int_equal(lease_clock_remaining_ms(c, 7, 3049), 1);
    assert_int_equal(expired(c, 3149), 1);
    assert_int_equal(expired(c, 9999), 0);
    lease_clock_free(c);
}

static void a_renewal_restarts_the_ttl(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(0);
    int64_t ttl = 0;
    lease_clock_set(c, 7, 10, 0);
    assert_true(lease_clock_renew(c, 7, 9000, &ttl));
    assert_int_equal(ttl, 10);
    assert_int_equal(expired(c, 18900), 0);
    assert_int_equal(expired(c, 19000), 1);
    lease_clock_free(c);
}

static void an_unknown_or_handed_out_lease_cannot_be_renewed(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(0);
    int64_t ttl;
    assert_false(lease_clock_renew(c, 7, 0, &ttl));
    assert_int_equal(lease_clock_remaining_ms(c, 7, 0), -1);
    lease_clock_set(c, 7, 1, 0);
    assert_int_equal(expired(c, 1000), 1);
    assert_false(lease_clock_renew(c, 7, 1000, &ttl));
    assert_int_equal(lease_clock_count(c), 1);
    lease_clock_set(c, 7, 1, 1000); /* the revoke failed: again */
    assert_int_equal(expired(c, 2000), 1);
    lease_clock_remove(c, 7);
    assert_int_equal(lease_clock_count(c), 0);
    lease_clock_free(c);
}

static void a_removed_lease_never_runs_out(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(0);
    lease_clock_set(c, 1, 1, 0);
    lease_clock_set(c, 2, 1, 0);
    lease_clock_remove(c, 1);
    lease_clock_remove(c, 99);
    int64_t ids[4];
    assert_int_equal(lease_clock_expired(c, 5000, ids, 4), 1);
    assert_int_equal(ids[0], 2);
    lease_clock_free(c);
}

static void expiries_come_in_batches_of_max(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(0);
    for (int64_t id = 1; id <= 10; id++) {
        lease_clock_set(c, id, 1, 0);
    }
    int64_t ids[4];
    assert_int_equal(lease_clock_expired(c, 1000, ids, 4), 4);
    assert_int_equal(lease_clock_expired(c, 1000, ids, 4), 4);
    assert_int_equal(lease_clock_expired(c, 1000, ids, 4), 2);
    assert_int_equal(lease_clock_expired(c, 1000, ids, 4), 0);
    lease_clock_free(c);
}

static void a_checkpointed_lease_has_less_left_but_renews_in_full(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(0);
    int64_t ttl = 0;
    lease_clock_set_remaining(c, 1, 60, 5, 0);
    lease_clock_set_remaining(c, 2, 60, 5, 0);
    assert_true(lease_clock_renew(c, 1, 0, &ttl));
    assert_int_equal(ttl, 60);
    assert_int_equal(expired(c, 5000), 1);
    assert_int_equal(expired(c, 59900), 0);
    assert_int_equal(expired(c, 60000), 1);
    lease_clock_free(c);
}

static void the_longest_ttl_is_still_there_after_a_century(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(123);
    lease_clock_set(c, 1, INT64_C(9000000000), 123);
    lease_clock_set(c, 2, INT64_C(3000000000), 123);
    assert_int_equal(expired(c, UINT64_C(2900000000000)), 0);
    assert_int_equal(expired(c, UINT64_C(3000000000300)), 1);
    assert_int_equal(expired(c, UINT64_C(9000000000000)), 0);
    assert_int_equal(expired(c, UINT64_C(9000000000300)), 1);
    lease_clock_free(c);
}

enum { LEASES = 300 };

struct shadow {
    uint64_t deadline[LEASES];
    int64_t ttl[LEASES];
    bool known[LEASES], out[LEASES];
};

static void change(struct lease_clock *c, struct shadow *s, struct rng *rng, uint64_t now)
{
    unsigned i = (unsigned)rng_range(rng, 0, LEASES - 1);
    int64_t ttl = (int64_t)(rng_chance(rng, 0.1) ? rng_range(rng, 1, 300000)
                                                 : rng_range(rng, 1, 120));
    unsigned kind = (unsigned)rng_range(rng, 0, 9);
    int64_t got = 0;
    if (kind < 4) {
        lease_clock_set(c, i + 1, ttl, now);
        s->ttl[i] = ttl;
        s->deadline[i] = now + (uint64_t)ttl * 1000;
        s->known[i] = true;
        s->out[i] = false;
    } else if (kind < 9) {
        assert_int_equal(lease_clock_renew(c, i + 1, now, &got), s->known[i] && !s->out[i]);
        if (s->known[i] && !s->out[i]) {
            assert_int_equal(got, s->ttl[i]);
            s->deadline[i] = now + (uint64_t)s->ttl[i] * 1000;
        }
    } else {
        lease_clock_remove(c, i + 1);
        s->known[i] = false;
    }
}

static void random_leases_are_never_early_and_at_most_a_tick_late(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 21);
    uint64_t now = 987654;
    struct lease_clock *c = lease_clock_new(now);
    struct shadow s = { { 0 }, { 0 }, { 0 }, { 0 } };
    for (unsigned step = 0; step < 20000; step++) {
        now += rng_chance(&rng, 0.02) ? rng_range(&rng, 0, 4000000) : rng_range(&rng, 0, 700);
        change(c, &s, &rng, now);
        int64_t ids[LEASES];
        size_t n = lease_clock_expired(c, now, ids, LEASES);
        for (size_t k = 0; k < n; k++) {
            size_t i = (size_t)ids[k] - 1;
            assert_true(s.known[i] && !s.out[i]);
            assert_true(s.deadline[i] <= now);
            s.out[i] = true;
        }
        for (unsigned i = 0; i < LEASES; i++) {
            assert_false(s.known[i] && !s.out[i] && s.deadline[i] + 100 <= now);
        }
    }
    lease_clock_free(c);
}

int test_lease_clock_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_runs_out_after_its_ttl_and_not_before),
        cmocka_unit_test(a_renewal_restarts_the_ttl),
        cmocka_unit_test(an_unknown_or_handed_out_lease_cannot_be_renewed),
        cmocka_unit_test(a_removed_lease_never_runs_out),
        cmocka_unit_test(expiries_come_in_batches_of_max),
        cmocka_unit_test(a_checkpointed_lease_has_less_left_but_renews_in_full),
        cmocka_unit_test(the_longest_ttl_is_still_there_after_a_century),
        cmocka_unit_test(random_leases_are_never_early_and_at_most_a_tick_late),
    };
    return cmocka_run_group_tests_name("lease clock", tests, NULL, NULL);
}
