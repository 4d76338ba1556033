/* Plans: never without a quorum, always the same for the same seed, only what is possible. */
#include "tests/unit/chaos/tests.h"

#include "chaos/plan.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"

enum { SEEDS = 4000 };

static uint64_t all_kinds(void)
{
    uint64_t kinds = 0;
    struct err err = ERR_INIT;
    assert_int_equal(faults_parse("all", &kinds, &err), 0);
    return kinds;
}

static struct plan_options options(uint64_t seed, uint64_t seconds, size_t together)
{
    return (struct plan_options){ .seed = seed, .total_ms = seconds * 1000, .kinds = all_kinds(),
                                  .together = together };
}

/* Members gone at each tenth of a second, counted anew from the steps alone. */
static size_t most_gone(const struct plan *p)
{
    size_t most = 0;
    for (uint64_t at = 0; at < p->options.total_ms; at += 100) {
        size_t gone = 0;
        for (size_t i = 0; i < p->n_steps; i++) {
            const struct plan_step *s = &p->steps[i];
            bool on = at >= s->at_ms && at < s->at_ms + s->lasts_ms + PLAN_RECOVER_MS;
            gone += !on ? 0 : faults[s->kind].breaks_quorum ? p->n_members : faults[s->kind].cost;
        }
        most = gone > most ? gone : most;
    }
    return most;
}

static void no_seed_takes_the_quorum(void **state)
{
    (void)state;
    static const size_t sizes[] = { 3, 5, 7 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct plan_shape shape = { .n_members = sizes[seed % 3], .n_nodes = 3 };
        struct plan_options o = options(seed, rng_range(&rng, 12, 300),
                                        (size_t)rng_range(&rng, 1, PLAN_TOGETHER_MAX));
        struct plan p;
        struct err err = ERR_INIT;
        assert_int_equal(plan_make(&o, &shape, &p, &err), 0);
        assert_true(p.n_steps > 0);
        assert_true(most_gone(&p) <= (shape.n_members - 1) / 2);
        plan_free(&p);
    }
}

static void the_same_seed_gives_the_same_plan(void **state)
{
    (void)state;
    struct plan_shape shape = { .n_members = 5, .n_nodes = 3 };
    size_t differing = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct plan_options o = options(seed, 120, 2), other = options(seed + 1, 120, 2);
        struct plan a, b, c;
        assert_int_equal(plan_make(&o, &shape, &a, NULL), 0);
        assert_int_equal(plan_make(&o, &shape, &b, NULL), 0);
        assert_int_equal(plan_make(&other, &shape, &c, NULL), 0);
        autobuf ta = BUF_INIT, tb = BUF_INIT, tc = BUF_INIT;
        plan_print(&a, &ta);
        plan_print(&b, &tb);
        plan_print(&c, &tc);
        assert_string_equal(buf_str(&ta), buf_str(&tb));
        differing += a.n_steps != c.n_steps ||
                     memcmp(a.steps, c.steps, a.n_steps * sizeof *a.steps) != 0;
        plan_free(&a);
        plan_free(&b);
        plan_free(&c);
    }
    assert_int_equal(differing, 200);
}

static void only_what_the_cluster_offers_is_planned(void **state)
{
    (void)state;
    for (size_t need = 0; need < NEEDS_N; need++) {
        struct plan_shape shape = { .n_members = 3, .n_nodes = 3 };
        shape.why_not[need] = "it has none";
        struct plan_options o = options(need + 1, 600, 1);
        struct plan p;
        assert_int_equal(plan_make(&o, &shape, &p, NULL), 0);
        for (size_t i = 0; i < p.n_steps; i++) {
            assert_int_equal(faults[p.steps[i].kind].needs >> need & 1, 0);
        }
        assert_true(p.n_lacks > 0);
        for (size_t i = 0; i < p.n_lacks; i++) {
            assert_string_equal(p.lacks[i].why, "it has none");
        }
        plan_free(&p);
    }
}

static void a_long_run_meets_every_fault(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct plan_shape shape = { .n_members = 3, .n_nodes = 3 };
        struct plan_options o = options(seed, 300, 1);
        struct plan p;
        uint64_t met = 0;
        assert_int_equal(plan_make(&o, &shape, &p, NULL), 0);
        for (size_t i = 0; i < p.n_steps; i++) {
            met |= 1ull << p.steps[i].kind;
        }
        assert_true(met == all_kinds());
        plan_free(&p);
    }
}

static void there_is_rest_after_each_fault_and_calm_at_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct plan_shape shape = { .n_members = 3, .n_nodes = 3 };
        struct plan_options o = options(seed, 90, 1);
        struct plan p;
        assert_int_equal(plan_make(&o, &shape, &p, NULL), 0);
        uint64_t end = plan_warm_up_ms(o.total_ms);
        for (size_t i = 0; i < p.n_steps; i++) {
            assert_true(p.steps[i].at_ms >= end + (i > 0 ? PLAN_RECOVER_MS : 0));
            end = p.steps[i].at_ms + p.steps[i].lasts_ms;
        }
        assert_true(end + plan_calm_ms(o.total_ms) <= o.total_ms);
        plan_free(&p);
    }
}

/* --- refusals --------------------------------------------------------------------------------- */

static void expect_refusal(struct plan_options o, struct plan_shape shape, const char *part)
{
    struct plan p;
    struct err err = ERR_INIT;
    assert_int_equal(plan_make(&o, &shape, &p, &err), E_INVAL);
    assert_non_null(strstr(err.msg, part));
}

static void breaking_the_quorum_must_be_asked_for(void **state)
{
    (void)state;
    struct plan_shape one = { .n_members = 1 }, three = { .n_members = 3 };
    struct plan_options o = options(1, 60, 1);
    o.kinds = 1ull << FAULT_KILL_ALL;
    expect_refusal(o, three, "--break-quorum");
    o.kinds = 1ull << FAULT_KILL;
    expect_refusal(o, one, "--break-quorum");
    o.break_quorum = true;
    struct plan p;
    assert_int_equal(plan_make(&o, &one, &p, NULL), 0);
    plan_free(&p);
    o.kinds = 1ull << FAULT_KILL_ALL;
    assert_int_equal(plan_make(&o, &three, &p, NULL), 0);
    assert_true(p.n_steps > 0);
    plan_free(&p);
}

static void a_plan_that_takes_the_quorum_is_found_out(void **state)
{
    (void)state;
    struct plan_step steps[] = {
        { .at_ms = 5000, .lasts_ms = 4000, .kind = FAULT_PAUSE, .who = WHO_LEADER },
        { .at_ms = 10999, .lasts_ms = 4000, .kind = FAULT_PARTITION, .who = WHO_FOLLOWER },
    };
    struct plan p = { .n_members = 3, .steps = steps, .n_steps = 2 };
    struct err err = ERR_INIT;
    assert_int_equal(plan_check(&p, &err), E_PERM); /* the paused one is still catching up */
    assert_non_null(strstr(err.msg, "partition a follower"));
    steps[1].at_ms = 11000;
    assert_int_equal(plan_check(&p, &err), 0);
    steps[1].at_ms = 6000;
    p.n_members = 5;
    assert_int_equal(plan_check(&p, &err), 0);
}

static void what_was_named_and_is_not_possible_is_an_error(void **state)
{
    (void)state;
    struct plan_shape shape = { .n_members = 3 };
    shape.why_not[NEED_SHIM] = "no faults file";
    struct plan_options o = options(1, 60, 1);
    o.kinds = 1ull << FAULT_DELAY | 1ull << FAULT_KILL;
    o.kinds_named = true;
    expect_refusal(o, shape, "delay is not possible here: no faults file");
    expect_refusal(options(1, 4, 1), shape, "too short");
}

static void fault_lists_are_read_and_typos_corrected(void **state)
{
    (void)state;
    uint64_t kinds = 0;
    struct err err = ERR_INIT;
    assert_int_equal(faults_parse("kill,one-way", &kinds, &err), 0);
    assert_true(kinds == (1ull << FAULT_KILL | 1ull << FAULT_ONE_WAY));
    assert_int_equal(faults_parse("kil", &kinds, &err), E_INVAL);
    assert_non_null(strstr(err.msg, "did you mean kill?"));
    assert_int_equal(faults_parse("", &kinds, &err), E_INVAL);
    assert_int_equal(faults_parse("all", &kinds, &err), 0);
    assert_int_equal(kinds >> FAULT_KILL_ALL & 1, 0);
    assert_int_equal(faults_parse("all,kill-all", &kinds, &err), 0);
    assert_int_equal(kinds >> FAULT_KILL_ALL & 1, 1);
}

int test_plan_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_seed_takes_the_quorum),
        cmocka_unit_test(the_same_seed_gives_the_same_plan),
        cmocka_unit_test(only_what_the_cluster_offers_is_planned),
        cmocka_unit_test(a_long_run_meets_every_fault),
        cmocka_unit_test(there_is_rest_after_each_fault_and_calm_at_the_end),
        cmocka_unit_test(breaking_the_quorum_must_be_asked_for),
        cmocka_unit_test(a_plan_that_takes_the_quorum_is_found_out),
        cmocka_unit_test(what_was_named_and_is_not_possible_is_an_error),
        cmocka_unit_test(fault_lists_are_read_and_typos_corrected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
