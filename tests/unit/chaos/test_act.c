/* What is told to members that misbehave: the rules of each fault are valid, hit whom they should
 * and nobody else. Percentiles of latencies are within what their buckets promise. */
#include "tests/unit/chaos/tests.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos/nemesis.h"
#include "chaos/ops.h"
#include "lib/base/str.h"
#include "lib/io/fault_rules.h"

struct scene {
    struct target target;
    struct plan plan;
    struct plan_step step;
    struct injury injury;
    struct nemesis nemesis;
};

/* The victim is m2; the far end of a cut link is m3. */
static void scene_init(struct scene *s, enum fault_kind kind, int64_t amount)
{
    memset(s, 0, sizeof *s);
    s->target.n_members = 3;
    for (size_t i = 0; i < 3; i++) {
        snprintf(s->target.members[i].name, TARGET_NAME_BYTES, "m%zu", i + 1);
    }
    s->step = (struct plan_step){ .kind = kind, .amount = amount };
    s->injury = (struct injury){ .nemesis = &s->nemesis,
                                 .step = &s->step,
                                 .members = 2,
                                 .node = -1,
                                 .other = 2,
                                 .state = INJURY_HURT };
    s->plan.options.seed = 77;
    s->nemesis.o.target = &s->target;
    s->nemesis.o.plan = &s->plan;
    s->nemesis.injuries = &s->injury;
    s->nemesis.n = 1;
}

/* The rules as the shim of `member` reads them. */
static struct fault_rules rules_of(struct scene *s, size_t member)
{
    struct fault_rules rules = FAULT_RULES_INIT;
    struct err err = ERR_INIT;
    autobuf text = BUF_INIT;
    nemesis_rules(&s->nemesis, member, &text);
    assert_int_equal(fault_rules_parse(buf_slice(&text), &rules, &err), 0);
    assert_int_equal(rules.seed, 77);
    return rules;
}

static const struct fault_link *link_of(const struct fault_rules *r, const char *from,
                                        const char *to)
{
    return fault_rules_link(r, (struct fault_name){ from, NULL }, (struct fault_name){ to, NULL });
}

static void a_partition_cuts_the_victim_both_ways_and_nobody_else(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, FAULT_PARTITION, 0);
    struct fault_rules r = rules_of(&s, 0);
    assert_true(link_of(&r, "m2", "m1")->cut && link_of(&r, "m3", "m2")->cut);
    assert_null(link_of(&r, "m1", "m3"));
    fault_rules_fini(&r);
}

static void a_partial_partition_cuts_one_link(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, FAULT_PARTIAL, 0);
    struct fault_rules r = rules_of(&s, 1);
    assert_true(link_of(&r, "m2", "m3")->cut && link_of(&r, "m3", "m2")->cut);
    assert_null(link_of(&r, "m2", "m1"));
    fault_rules_fini(&r);
}

static void one_way_loses_one_direction_only(void **state)
{
    struct scene s;
    (void)state;
    for (int64_t heard = 0; heard < 2; heard++) {
        scene_init(&s, FAULT_ONE_WAY, heard);
        struct fault_rules r = rules_of(&s, 0);
        const struct fault_link *out = link_of(&r, "m2", "m1"), *in = link_of(&r, "m1", "m2");
        assert_true((out != NULL) == (heard == 1) && (in != NULL) == (heard == 0));
        assert_true((out != NULL ? out : in)->drop == 1);
        fault_rules_fini(&r);
    }
}

static void disks_and_clocks_are_the_victims_own(void **state)
{
    static const enum fault_kind kinds[] = { FAULT_SLOW_DISK, FAULT_FULL_DISK, FAULT_CLOCK,
                                             FAULT_TORN };
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (size_t m = 0; m < 3; m++) {
            scene_init(&s, kinds[i], kinds[i] == FAULT_CLOCK ? -30 : 300);
            struct fault_rules r = rules_of(&s, m);
            bool hit = m == 1;
            assert_int_equal(r.disk.sync_ms.max, hit && kinds[i] == FAULT_SLOW_DISK ? 300 : 0);
            assert_int_equal(r.disk.full, hit && kinds[i] == FAULT_FULL_DISK);
            assert_int_equal(r.disk.track_unsynced, hit && kinds[i] == FAULT_TORN);
            assert_int_equal(r.wall_ms, hit && kinds[i] == FAULT_CLOCK ? -30000 : 0);
            fault_rules_fini(&r);
        }
    }
}

static void every_amount_of_every_fault_is_a_valid_rule(void **state)
{
    struct scene s;
    (void)state;
    for (size_t kind = 0; kind < FAULTS_N; kind++) {
        const struct fault *f = &faults[kind];
        int64_t span = f->amount_max - f->amount_min;
        for (int64_t k = 0; k <= 20; k++) {
            scene_init(&s, (enum fault_kind)kind, f->amount_min + span * k / 20);
            struct fault_rules r = rules_of(&s, 1);
            fault_rules_fini(&r);
        }
    }
}

static void what_is_healed_leaves_no_rule(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, FAULT_SHATTER, 0);
    s.injury.state = INJURY_HEALED;
    struct fault_rules r = rules_of(&s, 1);
    assert_int_equal(r.n_links, 0);
    fault_rules_fini(&r);
}

/* Packets that `to` drops of those that `from` sends: 100 all, 0 none. */
static int lost(struct scene *s, size_t from, size_t to)
{
    char address[32];
    int percent = 0;
    autobuf text = BUF_INIT;
    nemesis_cuts(&s->nemesis, to, &text);
    snprintf(address, sizeof address, "\nip saddr 10.0.0.%zu ", from + 1);
    const char *rule = strstr(buf_str(&text), address);
    if (rule == NULL) {
        return 0;
    }
    rule += strlen(address);
    if (strncmp(rule, "drop\n", 5) == 0) {
        return 100;
    }
    assert_int_equal(sscanf(rule, "numgen random mod 100 < %d drop", &percent), 1);
    return percent;
}

static void links_from_outside_are_cut_as_the_shim_would(void **state)
{
    static const struct {
        enum fault_kind kind;
        int64_t amount;
        int lost[3][3]; /* [from][to]; the victim is m2, the far end m3 */
    } cases[] = {
        { FAULT_PARTITION, 0, { { 0, 100, 0 }, { 100, 0, 100 }, { 0, 100, 0 } } },
        { FAULT_PARTIAL, 0, { { 0, 0, 0 }, { 0, 0, 100 }, { 0, 100, 0 } } },
        { FAULT_ONE_WAY, 1, { { 0, 0, 0 }, { 100, 0, 100 }, { 0, 0, 0 } } },
        { FAULT_ONE_WAY, 0, { { 0, 100, 0 }, { 0, 0, 0 }, { 0, 100, 0 } } },
        { FAULT_LOSS, 35, { { 0, 35, 0 }, { 35, 0, 35 }, { 0, 35, 0 } } },
        { FAULT_SHATTER, 0, { { 0, 100, 100 }, { 100, 0, 100 }, { 100, 100, 0 } } },
        { FAULT_DELAY, 100, { { 0 } } },
    };
    struct scene s;
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        scene_init(&s, cases[k].kind, cases[k].amount);
        s.target.cuts = true;
        for (size_t m = 0; m < 3; m++) {
            snprintf(s.target.members[m].peer, TARGET_ADDRESS_BYTES, "10.0.0.%zu:2380", m + 1);
        }
        for (size_t from = 0; from < 3; from++) {
            for (size_t to = 0; to < 3; to++) {
                assert_int_equal(lost(&s, from, to), cases[k].lost[from][to]);
            }
        }
        struct fault_rules r = rules_of(&s, 0); /* the shim does what is left */
        assert_int_equal(r.n_links, cases[k].kind == FAULT_DELAY ? 2 : 0);
        fault_rules_fini(&r);
        s.injury.state = INJURY_HEALED;
        assert_int_equal(lost(&s, 1, 2), 0);
    }
}

static void percentiles_are_within_an_eighth(void **state)
{
    struct latency l = { .count = 0 };
    (void)state;
    assert_int_equal(latency_percentile(&l, 50), CHAOS_ABSENT);
    for (uint64_t us = 1; us <= 100000; us++) {
        latency_add(&l, us);
    }
    for (int p = 1; p <= 99; p++) {
        int64_t exact = 1000 * p, got = latency_percentile(&l, p);
        assert_true(got <= exact + 1 && got >= exact - exact / 8 - 1);
    }
    assert_int_equal(l.max_us, 100000);
}

static void a_number_of_somebody_else_is_not_the_member(void **state)
{
    unsigned long long started = 0, none = 0;
    (void)state;
    assert_true(target_pid_is(getpid(), &started));
    assert_int_not_equal(started, 0);
    assert_true(target_pid_is(getpid(), &started));
    started++; /* as if the number had been given to us after its first owner's end */
    assert_false(target_pid_is(getpid(), &started));
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_false(target_pid_is(child, &none)); /* dead, and not waited for */
    assert_int_equal(none, 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(target_pid_is(child, &none));
    assert_false(target_pid_is(1, &none) || target_pid_is(-1, &none));
}

int test_act_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_cuts_the_victim_both_ways_and_nobody_else),
        cmocka_unit_test(a_partial_partition_cuts_one_link),
        cmocka_unit_test(one_way_loses_one_direction_only),
        cmocka_unit_test(disks_and_clocks_are_the_victims_own),
        cmocka_unit_test(every_amount_of_every_fault_is_a_valid_rule),
        cmocka_unit_test(what_is_healed_leaves_no_rule),
        cmocka_unit_test(links_from_outside_are_cut_as_the_shim_would),
        cmocka_unit_test(percentiles_are_within_an_eighth),
        cmocka_unit_test(a_number_of_somebody_else_is_not_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
