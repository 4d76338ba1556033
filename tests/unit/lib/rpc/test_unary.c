/* Unary calls through a real socket. */
#include "fixture.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/metric.h"
#include "lib/base/str.h"

static void a_call_gets_its_answer(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("hello");
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    assert_false(o.done);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    assert_string_equal(buf_str(&o.data), "hello");
    outcome_fini(&o);

    outcome_init(&o, &f);
    call_echo(&o, "/t.Echo/ReplyBuf", &m, 1000);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    assert_string_equal(buf_str(&o.data), "hello");
    outcome_fini(&o);

    autobuf text = BUF_INIT;
    metrics_print(f.metrics, &text);
    assert_non_null(strstr(buf_str(&text),
                           "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Unary\","
                           "grpc_service=\"t.Echo\",grpc_type=\"unary\"} 1"));
    fixture_close(&f);
}

static void empty_messages_are_messages(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = ECHO_INIT;
    call_echo(&o, "/t.Echo/ReplyBuf", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, 0);
    outcome_fini(&o);
    fixture_close(&f);
}

struct many {
    struct fixture *f;
    size_t done, good;
    char bad[128]; /* the first error */
};

static void on_many(void *arg, const struct rpc_result *result)
{
    struct many *m = arg;
    m->done++;
    m->good += result->err == 0;
    if (result->err != 0 && m->bad[0] == '\0') {
        str_copy(m->bad, sizeof m->bad, result->text);
    }
    if (m->done % 1000 == 0) {
        loop_stop(m->f->loop);
    }
}

static void ten_thousand_pipelined_calls_are_all_answered(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct many m = { .f = &f };
    struct echo e = echo_text("pipelined");
    for (int i = 0; i < 10000; i++) {
        rpc_call_unary(f.channel, "/t.Echo/Unary", &e.base, &echo_descriptor, 30000, on_many, &m);
    }
    fixture_wait_count(&f, &m.done, 10000);
    assert_string_equal(m.bad, "");
    assert_int_equal(m.good, 10000);
    fixture_close(&f);
}

static void an_answer_of_four_megabytes_arrives_whole(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    for (int i = 0; i < 3; i++) {
        outcome_init(&o, &f);
        struct echo m = ECHO_INIT;
        m.n = 4 * 1024 * 1024 + i;
        call_echo(&o, "/t.Echo/Unary", &m, 0);
        fixture_wait(&f, &o.done);
        assert_int_equal(o.err, 0);
        assert_int_equal(o.data.len, m.n);
        for (size_t k = 0; k < o.data.len; k++) {
            assert_true(o.data.data[k] == 'x');
        }
        outcome_fini(&o);
    }
    fixture_close(&f);
}

static void errors_carry_code_and_text(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = ECHO_INIT;
    m.n = E_COMPACTED;
    call_echo(&o, "/t.Echo/Fail", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, E_COMPACTED);
    assert_int_equal(o.grpc_code, GRPC_OUT_OF_RANGE);
    assert_string_equal(o.text, "etcdserver: mvcc: required revision has been compacted");
    assert_false(o.never_sent);

    outcome_init(&o, &f);
    m.n = 0;
    call_echo(&o, "/t.Echo/Fail", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.grpc_code, GRPC_ABORTED);
    assert_string_equal(o.text, "100% of \xc3\xa4\n");
    fixture_close(&f);
}

static void an_unknown_method_is_unimplemented(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Nope", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.grpc_code, GRPC_UNIMPLEMENTED);
    assert_string_equal(o.text, "unknown method Nope for service t.Echo");
    fixture_close(&f);
}

static void a_request_over_the_limit_is_resource_exhausted(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o, ok;
    fixture_open(&f);
    outcome_init(&o, &f);
    outcome_init(&ok, &f);
    struct echo m = ECHO_INIT;
    m.data.len = 3 * 1024 * 1024;
    m.data.data = calloc(1, m.data.len);
    assert_non_null(m.data.data);
    call_echo(&o, "/t.Echo/Unary", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.grpc_code, GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(o.text, "larger than max"));
    m.data.len = 2 * 1024 * 1024 - 100; /* just below; and the connection still works */
    call_echo(&ok, "/t.Echo/Unary", &m, 0);
    fixture_wait(&f, &ok.done);
    assert_int_equal(ok.err, 0);
    assert_int_equal(ok.data.len, m.data.len);
    free(m.data.data);
    outcome_fini(&ok);
    fixture_close(&f);
}

static void an_answer_over_the_limit_is_resource_exhausted(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o, ok;
    fixture_open(&f);
    outcome_init(&o, &f);
    outcome_init(&ok, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Huge", &m, 0);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.grpc_code, GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(o.text, "longer than 2 GiB"));
    call_echo(&ok, "/t.Echo/Unary", &m, 0); /* and the connection still works */
    fixture_wait(&f, &ok.done);
    assert_int_equal(ok.err, 0);
    outcome_fini(&ok);
    fixture_close(&f);
}

static void a_deadline_ends_the_call_on_both_sides(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Park", &m, 40);
    fixture_wait(&f, &o.done);
    assert_int_equal(o.err, E_TIMEOUT);
    assert_int_equal(o.grpc_code, GRPC_DEADLINE_EXCEEDED);
    fixture_wait_count(&f, &f.n_closed, 1);
    assert_int_equal(f.n_parked, 1);
    fixture_close(&f);
}

static void a_cancelled_call_is_closed_at_the_server_and_not_answered(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    struct rpc_request *r = call_echo(&o, "/t.Echo/Park", &m, 0);
    fixture_wait_count(&f, &f.n_parked, 1);
    rpc_request_cancel(r);
    fixture_wait_count(&f, &f.n_closed, 1);
    assert_false(o.done);
    /* Cancelled before it was sent: the server never hears of it. */
    r = call_echo(&o, "/t.Echo/Park", &m, 0);
    rpc_request_cancel(r);
    fixture_run_ms(&f, 20);
    assert_false(o.done);
    assert_int_equal(f.n_parked, 1);
    fixture_close(&f);
}

static void a_late_answer_finishes_a_parked_call(void **state)
{
    (void)state;
    struct fixture f;
    struct outcome o;
    fixture_open(&f);
    outcome_init(&o, &f);
    struct echo m = echo_text("x");
    call_echo(&o, "/t.Echo/Park", &m, 5000);
    fixture_wait_count(&f, &f.n_parked, 1);
    assert_int_equal(rpc_server_calls(f.server), 1);
    struct echo answer = echo_text("late");
    rpc_reply(f.parked, &answer.base);
    fixture_wait(&f, &o.done);
    assert_string_equal(buf_str(&o.data), "late");
    assert_int_equal(f.n_closed, 0);
    outcome_fini(&o);
    fixture_close(&f);
}

int test_unary_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gets_its_answer),
        cmocka_unit_test(empty_messages_are_messages),
        cmocka_unit_test(ten_thousand_pipelined_calls_are_all_answered),
        cmocka_unit_test(an_answer_of_four_megabytes_arrives_whole),
        cmocka_unit_test(errors_carry_code_and_text),
        cmocka_unit_test(an_unknown_method_is_unimplemented),
        cmocka_unit_test(a_request_over_the_limit_is_resource_exhausted),
        cmocka_unit_test(an_answer_over_the_limit_is_resource_exhausted),
        cmocka_unit_test(a_deadline_ends_the_call_on_both_sides),
        cmocka_unit_test(a_cancelled_call_is_closed_at_the_server_and_not_answered),
        cmocka_unit_test(a_late_answer_finishes_a_parked_call),
    };
    return cmocka_run_group_tests_name("rpc unary", tests, NULL, NULL);
}
