/* grpc.health.v1: asked once, and followed until the member ends. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "proto/health.pb-c.h"
#include "server/internal.h"

enum { STATES_MAX = 8 };

struct following {
    struct member *m;
    struct rpc_stream *stream;
    int states[STATES_MAX];
    size_t n, want;
    bool closed;
    int code;
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct following *f = arg;
    assert_true(f->n < STATES_MAX);
    const Grpc__Health__V1__HealthCheckResponse *m =
        (const Grpc__Health__V1__HealthCheckResponse *)(const void *)msg;
    f->states[f->n++] = (int)m->status;
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct following *f = arg;
    f->closed = true;
    f->code = result->grpc_code;
}

static void follow(struct following *f, struct member *m, const char *service)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    *f = (struct following){ .m = m };
    request.service = (char *)(uintptr_t)service;
    f->stream = rpc_stream_open(m->channel, "/grpc.health.v1.Health/Watch",
                                &grpc__health__v1__health_check_response__descriptor, &events, f);
    rpc_stream_send(f->stream, &request.base);
    rpc_stream_half_close(f->stream);
}

static bool has_states(void *arg)
{
    const struct following *f = arg;
    return f->n >= f->want;
}

static void await(struct following *f, size_t n, int state)
{
    f->want = n;
    run_until(f->m->loop, has_states, f);
    assert_int_equal(f->states[n - 1], state);
}

enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

static void the_whole_server_is_the_one_service_that_has_a_health(void **state)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct reply r;
    call(*state, "/grpc.health.v1.Health/Check", &request,
         &grpc__health__v1__health_check_response__descriptor, &r);
    assert_int_equal(((Grpc__Health__V1__HealthCheckResponse *)(void *)r.msg)->status, SERVING);
    reply_fini(&r);
    request.service = (char *)(uintptr_t) "etcdserverpb.KV";
    call(*state, "/grpc.health.v1.Health/Check", &request,
         &grpc__health__v1__health_check_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_NOT_FOUND);
    assert_string_equal(r.text, "unknown service");
    reply_fini(&r);
}

static void a_stream_is_told_the_state_and_its_changes_only(void **state)
{
    struct member *m = *state;
    struct following f;
    follow(&f, m, "");
    await(&f, 1, SERVING);
    server_health_follow(m->server); /* nothing has changed */
    uint64_t leader = m->server->status.leader_id;
    m->server->status.leader_id = 0; /* as on_change would find it */
    server_health_follow(m->server);
    m->server->status.leader_id = leader;
    await(&f, 2, NOT_SERVING);
    server_health_follow(m->server);
    await(&f, 3, SERVING);
    assert_false(f.closed); /* although the client has half closed */
    rpc_stream_cancel(f.stream);
}

static void a_stream_about_an_unknown_service_says_so_and_stays(void **state)
{
    struct member *m = *state;
    struct following f;
    follow(&f, m, "nobody");
    await(&f, 1, SERVICE_UNKNOWN);
    server_health_follow(m->server);
    must_put(m, "k", "v");
    assert_int_equal(f.n, 1);
    rpc_stream_cancel(f.stream);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void a_member_that_stops_is_said_not_to_serve(void **state)
{
    struct member *m = member_open_with(NULL);
    struct following f;
    bool closed = false;
    (void)state;
    follow(&f, m, "");
    await(&f, 1, SERVING);
    server_close(m->server, set_flag, &closed);
    await(&f, 2, NOT_SERVING);
    run_until(m->loop, flag_set, &f.closed);
    assert_int_equal(f.code, GRPC_UNAVAILABLE);
    run_until(m->loop, flag_set, &closed);
    member_forget(m);
}

int test_health_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(the_whole_server_is_the_one_service_that_has_a_health),
        SERVER_TEST(a_stream_is_told_the_state_and_its_changes_only),
        SERVER_TEST(a_stream_about_an_unknown_service_says_so_and_stays),
        cmocka_unit_test(a_member_that_stops_is_said_not_to_serve),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
