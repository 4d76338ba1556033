/* The agent's brain: what to do next, and what to say, for what is wanted and observed. */
#include "tests/unit/kubelet/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/meta.h"

enum { NOW = 1000000000 };

struct bench {
    struct arena arena;
    struct node_item *item;
    struct attempt attempts[8];
    char ids[8][16];
    struct pod_input in;
    struct pod_output out;
};

static void open_bench(struct bench *b, const char *spec, bool stop)
{
    memset(b, 0, sizeof *b);
    arena_init(&b->arena);
    b->item = spec != NULL ? make_item(spec, stop) : NULL;
    b->in = (struct pod_input){ .desired = b->item, .observed = b->attempts, .now_ms = NOW,
                                .host_ip = "10.0.0.1" };
}

static struct attempt *add(struct bench *b, const char *container, int32_t n,
                           enum attempt_state state)
{
    struct attempt *a = &b->attempts[b->in.n_observed];
    snprintf(b->ids[b->in.n_observed], sizeof b->ids[0], "u1/%s/%d", container, (int)n);
    *a = (struct attempt){ .id = b->ids[b->in.n_observed++], .pod_uid = "u1",
                           .container = container, .attempt = n, .grace_s = 5, .state = state,
                           .started_ms = NOW - 5000, .finished_ms = NOW - 4000 };
    return a;
}

static void status_free(struct pod_status *status)
{
    struct pod *scratch = object_pod(object_new(&kind_pod));
    scratch->status = *status;
    object_free(&scratch->object);
    *status = (struct pod_status){ 0 };
}

static void decide(struct bench *b)
{
    status_free(&b->out.status);
    pod_actions(&b->in, &b->arena, &b->out);
}

static void close_bench(struct bench *b)
{
    status_free(&b->out.status);
    if (b->item != NULL) {
        object_free(&b->item->object);
    }
    arena_fini(&b->arena);
}

static size_t count(const struct bench *b, enum pod_action_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < b->out.n_actions; i++) {
        n += b->out.actions[i].type == type;
    }
    return n;
}

static const char ONE[] = "'containers':[{'name':'c'}],'terminationGracePeriodSeconds':5";
static const char TWO[] = "'containers':[{'name':'c'},{'name':'d'}]";

static void a_new_pod_starts_each_container_once(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, TWO, false);
    decide(&b);
    assert_int_equal(count(&b, ACTION_START), 2);
    assert_string_equal(b.out.actions[0].container->name, "c");
    assert_int_equal(b.out.actions[0].attempt, 0);
    assert_string_equal(b.out.status.phase, "Pending");
    assert_null(condition_find(&b.out.status.conditions, "Ready"));
    add(&b, "c", 0, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.n_actions, 1);
    assert_string_equal(b.out.actions[0].container->name, "d");
    close_bench(&b);
}

static void a_running_pod_is_left_alone_and_ready(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, TWO, false);
    add(&b, "c", 0, ATTEMPT_RUNNING);
    add(&b, "d", 3, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.n_actions, 0);
    assert_string_equal(b.out.status.phase, "Running");
    assert_true(condition_is_true(&b.out.status.conditions, "Ready"));
    assert_string_equal(b.out.status.pod_ip, "10.0.0.1");
    assert_int_equal(b.out.status.container_statuses[1].restart_count, 3);
    assert_true(b.out.status.container_statuses[1].ready);
    close_bench(&b);
}

static void the_same_observation_gives_the_same_status_later(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, false);
    add(&b, "c", 0, ATTEMPT_RUNNING);
    decide(&b);
    struct pod *first = object_pod(object_new(&kind_pod));
    struct pod *second = object_pod(object_new(&kind_pod));
    first->status = b.out.status;
    b.out.status = (struct pod_status){ 0 };
    b.in.now_ms += 60000;
    decide(&b);
    second->status = b.out.status;
    b.out.status = (struct pod_status){ 0 };
    assert_true(object_equal(&first->object, &second->object));
    object_free(&first->object);
    object_free(&second->object);
    close_bench(&b);
}

struct policy_row {
    const char *policy;
    int32_t exit_code, signal;
    bool restarts;
    const char *phase;
};

static const struct policy_row policies[] = {
    { "Always", 0, 0, true, "Running" },     { "Always", 1, 0, true, "Running" },
    { "OnFailure", 0, 0, false, "Succeeded" }, { "OnFailure", 1, 0, true, "Running" },
    { "OnFailure", 0, 9, true, "Running" },  { "Never", 0, 0, false, "Succeeded" },
    { "Never", 1, 0, false, "Failed" },      { "Never", 0, 15, false, "Failed" },
};

static void restart_policy_and_phase_are_as_the_table_says(void **state)
{
    char spec[100];
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        const struct policy_row *r = &policies[i];
        struct bench b;
        snprintf(spec, sizeof spec, "'containers':[{'name':'c'}],'restartPolicy':'%s'", r->policy);
        open_bench(&b, spec, false);
        struct attempt *a = add(&b, "c", 0, ATTEMPT_EXITED);
        a->exit_code = r->exit_code;
        a->signal = r->signal;
        decide(&b);
        if (count(&b, ACTION_START) != r->restarts) {
            fail_msg("row %zu: %s after %d/%d", i, r->policy, r->exit_code, r->signal);
        }
        assert_string_equal(b.out.status.phase, r->phase);
        assert_false(condition_is_true(&b.out.status.conditions, "Ready"));
        if (r->restarts) {
            assert_int_equal(b.out.actions[0].attempt, 1);
            assert_string_equal(b.out.status.container_statuses[0].state.waiting.reason,
                                "CrashLoopBackOff");
        } else {
            assert_int_equal(b.out.status.container_statuses[0].state.terminated.exit_code,
                             r->signal != 0 ? 128 + r->signal : r->exit_code);
        }
        close_bench(&b);
    }
}

/* A crash loop in which every attempt lives `life_ms`: the waits between attempts. */
static void crash_loop(int64_t life_ms, int n, int64_t *ret_waits)
{
    int64_t now = NOW, started = NOW - life_ms, finished = NOW, prev_finished = 0;
    for (int32_t k = 0; k < n; k++) {
        struct bench b;
        open_bench(&b, ONE, false);
        if (k > 0) {
            add(&b, "c", k - 1, ATTEMPT_EXITED)->finished_ms = prev_finished;
        }
        struct attempt *a = add(&b, "c", k, ATTEMPT_EXITED);
        a->started_ms = started;
        a->finished_ms = finished;
        b.in.now_ms = now;
        decide(&b);
        while (count(&b, ACTION_START) == 0) {
            assert_true(b.out.wake_ms > b.in.now_ms);
            b.in.now_ms = b.out.wake_ms;
            decide(&b);
        }
        ret_waits[k] = b.in.now_ms - finished;
        prev_finished = finished;
        started = b.in.now_ms;
        now = finished = started + life_ms;
        close_bench(&b);
    }
}

static void crash_loops_back_off_from_one_second_to_five_minutes(void **state)
{
    int64_t waits[12];
    static const int64_t want[12] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300 };
    (void)state;
    crash_loop(10, 12, waits);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(waits[i], want[i] * 1000);
    }
}

static void ten_good_minutes_are_forgiven(void **state)
{
    int64_t waits[4];
    (void)state;
    crash_loop(600000, 4, waits);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waits[i], 0);
    }
    /* The one after a long run begins with a second again, whatever its number. */
    struct bench b;
    open_bench(&b, ONE, false);
    struct attempt *prev = add(&b, "c", 40, ATTEMPT_EXITED);
    prev->started_ms = NOW - 700000;
    prev->finished_ms = NOW - 5000;
    add(&b, "c", 41, ATTEMPT_EXITED)->finished_ms = NOW - 1;
    decide(&b);
    assert_int_equal(b.out.wake_ms, NOW + 999);
    close_bench(&b);
}

static void an_absent_agent_is_not_taken_for_back_off(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, false);
    add(&b, "c", 0, ATTEMPT_EXITED)->finished_ms = NOW - 3600000;
    struct attempt *a = add(&b, "c", 1, ATTEMPT_EXITED);
    a->started_ms = NOW - 10;
    a->finished_ms = NOW;
    decide(&b);
    assert_int_equal(b.out.wake_ms, NOW + 2000); /* the second in a row, not the hundredth */
    close_bench(&b);
}

static void a_clock_set_back_does_not_delay_a_restart(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, false);
    struct attempt *a = add(&b, "c", 0, ATTEMPT_EXITED);
    a->started_ms = NOW + 3500000;
    a->finished_ms = NOW + 3600000;
    decide(&b);
    assert_int_equal(count(&b, ACTION_START), 1);
    a->started_ms = NOW - 10; /* but what ended while we were looking waits like any other */
    a->finished_ms = NOW + 5;
    decide(&b);
    assert_int_equal(count(&b, ACTION_START), 0);
    assert_int_equal(b.out.wake_ms, NOW + 1005);
    close_bench(&b);
}

static void only_the_last_two_attempts_are_kept(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, false);
    for (int32_t k = 3; k <= 6; k++) {
        add(&b, "c", k, k == 6 ? ATTEMPT_RUNNING : ATTEMPT_EXITED);
    }
    decide(&b);
    assert_int_equal(count(&b, ACTION_REMOVE), 2);
    assert_string_equal(b.out.actions[0].id, "u1/c/3");
    assert_string_equal(b.out.actions[1].id, "u1/c/4");
    assert_true(b.out.status.container_statuses[0].last_state.terminated.set);
    close_bench(&b);
}

static void stopping_is_term_then_kill_after_the_grace_then_stopped(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, true);
    struct attempt *a = add(&b, "c", 0, ATTEMPT_RUNNING);
    decide(&b);
    assert_true(b.out.stopping);
    assert_false(b.out.stopped);
    assert_int_equal(b.out.actions[0].signal, SIGTERM);
    assert_int_equal(b.out.wake_ms, NOW + 5000);
    assert_false(condition_is_true(&b.out.status.conditions, "Ready"));
    b.in.stop_since_ms = NOW; /* no second TERM */
    b.in.now_ms = NOW + 4999;
    decide(&b);
    assert_int_equal(b.out.n_actions, 0);
    b.in.now_ms = NOW + 5000;
    decide(&b);
    assert_int_equal(b.out.actions[0].signal, SIGKILL);
    assert_true(b.out.kill_sent);
    b.in.killed = true;
    decide(&b);
    assert_int_equal(b.out.n_actions, 0);
    assert_false(b.out.stopped);
    a->state = ATTEMPT_EXITED;
    a->signal = SIGKILL;
    decide(&b);
    assert_true(b.out.stopped);
    assert_false(b.out.gone); /* still in view */
    assert_int_equal(b.out.n_actions, 0);
    assert_string_equal(b.out.status.phase, "Failed");
    close_bench(&b);
}

static void a_pod_told_to_stop_before_it_started_never_starts(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, ONE, true);
    decide(&b);
    assert_int_equal(b.out.n_actions, 0);
    assert_true(b.out.stopped);
    close_bench(&b);
}

static void without_grace_it_is_killed_at_once(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, "'containers':[{'name':'c'}],'terminationGracePeriodSeconds':0", true);
    add(&b, "c", 0, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.n_actions, 1);
    assert_int_equal(b.out.actions[0].signal, SIGKILL);
    close_bench(&b);
}

static void a_huge_grace_does_not_overflow(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, "'containers':[{'name':'c'}],"
                   "'terminationGracePeriodSeconds':9223372036854775807", true);
    add(&b, "c", 0, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.actions[0].signal, SIGTERM);
    assert_true(b.out.wake_ms > NOW);
    close_bench(&b);
}

static void a_pod_out_of_view_is_stopped_with_its_own_grace_and_removed(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, NULL, false);
    add(&b, "c", 0, ATTEMPT_EXITED);
    struct attempt *a = add(&b, "c", 1, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.n_actions, 1);
    assert_int_equal(b.out.actions[0].signal, SIGTERM);
    assert_int_equal(b.out.wake_ms, NOW + 5000);
    assert_false(b.out.gone);
    a->state = ATTEMPT_EXITED;
    b.in.stop_since_ms = NOW;
    decide(&b);
    assert_int_equal(count(&b, ACTION_REMOVE), 2);
    assert_true(b.out.gone);
    assert_true(b.out.stopped);
    close_bench(&b);
}

static void one_container_of_two_that_ended_for_good_leaves_the_pod_running(void **state)
{
    struct bench b;
    (void)state;
    open_bench(&b, "'containers':[{'name':'c'},{'name':'d'}],'restartPolicy':'Never'", false);
    add(&b, "c", 0, ATTEMPT_EXITED);
    add(&b, "d", 0, ATTEMPT_RUNNING);
    decide(&b);
    assert_int_equal(b.out.n_actions, 0);
    assert_string_equal(b.out.status.phase, "Running");
    assert_false(condition_is_true(&b.out.status.conditions, "Ready"));
    close_bench(&b);
}

int test_pod_actions_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_pod_starts_each_container_once),
        cmocka_unit_test(a_running_pod_is_left_alone_and_ready),
        cmocka_unit_test(the_same_observation_gives_the_same_status_later),
        cmocka_unit_test(restart_policy_and_phase_are_as_the_table_says),
        cmocka_unit_test(crash_loops_back_off_from_one_second_to_five_minutes),
        cmocka_unit_test(ten_good_minutes_are_forgiven),
        cmocka_unit_test(an_absent_agent_is_not_taken_for_back_off),
        cmocka_unit_test(a_clock_set_back_does_not_delay_a_restart),
        cmocka_unit_test(only_the_last_two_attempts_are_kept),
        cmocka_unit_test(stopping_is_term_then_kill_after_the_grace_then_stopped),
        cmocka_unit_test(a_pod_told_to_stop_before_it_started_never_starts),
        cmocka_unit_test(without_grace_it_is_killed_at_once),
        cmocka_unit_test(a_huge_grace_does_not_overflow),
        cmocka_unit_test(a_pod_out_of_view_is_stopped_with_its_own_grace_and_removed),
        cmocka_unit_test(one_container_of_two_that_ended_for_good_leaves_the_pod_running),
    };
    return cmocka_run_group_tests_name("pod_actions", tests, NULL, NULL);
}
