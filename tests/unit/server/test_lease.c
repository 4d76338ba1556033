/* Leases: grants, renewals and what is said of those that are not there. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "server/internal.h"

static Etcdserverpb__LeaseTimeToLiveResponse *time_to_live(struct member *m, int64_t id,
                                                           struct reply *r)
{
    Etcdserverpb__LeaseTimeToLiveRequest request = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    request.id = id;
    request.keys = 1;
    call(m, "/etcdserverpb.Lease/LeaseTimeToLive", &request,
         &etcdserverpb__lease_time_to_live_response__descriptor, r);
    assert_int_equal(r->code, 0);
    return (Etcdserverpb__LeaseTimeToLiveResponse *)(void *)r->msg;
}

static void a_grant_without_an_id_gets_one(void **state)
{
    int64_t a = must_grant(*state, 0, 100), b = must_grant(*state, 0, 100);
    assert_true(a > 0 && b > 0 && a != b);
}

static void a_ttl_below_the_floor_is_raised_and_an_absurd_one_refused(void **state)
{
    must_grant(*state, 7, -5);
    struct reply r;
    assert_int_equal(time_to_live(*state, 7, &r)->grantedttl, 1); /* 3/2 of 300 ms, in seconds */
    reply_fini(&r);
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.ttl = 9000000001;
    call(*state, "/etcdserverpb.Lease/LeaseGrant", &request,
         &etcdserverpb__lease_grant_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_OUT_OF_RANGE);
    assert_string_equal(r.text, "etcdserver: too large lease TTL");
}

static void a_lease_is_granted_once(void **state)
{
    must_grant(*state, 42, 100);
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.id = 42;
    request.ttl = 100;
    struct reply r;
    call(*state, "/etcdserverpb.Lease/LeaseGrant", &request,
         &etcdserverpb__lease_grant_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_FAILED_PRECONDITION);
    assert_string_equal(r.text, "etcdserver: lease already exists");
}

static void time_to_live_knows_the_keys_and_the_unknown(void **state)
{
    must_grant(*state, 42, 100);
    must_put_lease(*state, "b", 42);
    must_put_lease(*state, "a", 42);
    struct reply r;
    Etcdserverpb__LeaseTimeToLiveResponse *m = time_to_live(*state, 42, &r);
    assert_true(m->ttl > 90 && m->ttl < 100); /* whole seconds that are certainly left */
    assert_int_equal(m->n_keys, 2);
    assert_memory_equal(m->keys[0].data, "a", 1);
    reply_fini(&r);
    assert_int_equal(time_to_live(*state, 43, &r)->ttl, -1);
    reply_fini(&r);
}

static void revoking_an_unknown_lease_fails(void **state)
{
    Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    request.id = 99;
    struct reply r;
    call(*state, "/etcdserverpb.Lease/LeaseRevoke", &request,
         &etcdserverpb__lease_revoke_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_NOT_FOUND);
    assert_string_equal(r.text, "etcdserver: requested lease not found");
}

/* --- keepalive streams ------------------------------------------------------------------------ */

struct keeping {
    size_t n, want;
    int64_t ids[16], ttls[16];
    bool closed;
    int code;
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct keeping *k = arg;
    const Etcdserverpb__LeaseKeepAliveResponse *m =
        (const Etcdserverpb__LeaseKeepAliveResponse *)(const void *)msg;
    assert_true(k->n < 16);
    k->ids[k->n] = m->id;
    k->ttls[k->n++] = m->ttl;
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct keeping *k = arg;
    k->closed = true;
    k->code = result->grpc_code;
}

static const struct rpc_stream_events events = { on_message, on_closed, NULL };

static struct rpc_stream *keep_open(struct member *m, struct keeping *k)
{
    return rpc_stream_open(m->channel, "/etcdserverpb.Lease/LeaseKeepAlive",
                           &etcdserverpb__lease_keep_alive_response__descriptor, &events, k);
}

static void keep(struct rpc_stream *s, int64_t id)
{
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = id;
    rpc_stream_send(s, &request.base);
}

static bool enough(void *arg)
{
    const struct keeping *k = arg;
    return k->n >= k->want;
}

static bool is_closed(void *arg)
{
    return ((const struct keeping *)arg)->closed;
}

static void a_renewal_gives_the_full_time_and_none_to_the_unknown(void **state)
{
    struct member *m = *state;
    must_grant(m, 5, 100);
    struct keeping k = { .want = 3 };
    struct rpc_stream *s = keep_open(m, &k);
    keep(s, 5);
    keep(s, 6);
    keep(s, 5);
    run_until(m->loop, enough, &k);
    assert_int_equal(k.ids[0], 5);
    assert_int_equal(k.ttls[0], 100);
    assert_int_equal(k.ids[1], 6);
    assert_int_equal(k.ttls[1], 0);
    assert_int_equal(k.ttls[2], 100);
    keep(s, 5); /* the stream goes on */
    k.want = 4;
    run_until(m->loop, enough, &k);
    assert_false(k.closed);
    rpc_stream_cancel(s);
}

static bool clock_runs(void *arg)
{
    return ((const struct server *)arg)->lease_clock != NULL;
}

/* Deposed, elected again, and Status was answered in the very turn of the election, before the
 * server was told of it. */
static void status_asked_in_the_turn_of_an_election_does_not_stop_leases(void **state)
{
    struct member *m = *state;
    struct server *s = m->server;
    server_lease_leading(s, false);
    s->status.state = RNODE_FOLLOWER;
    rnode_get_status(s->node, &s->status); /* as Status does */
    run_until(m->loop, clock_runs, s);     /* it is told with the next tick at the latest */
    must_grant(m, 5, 100);
    struct keeping k = { .want = 1 };
    struct rpc_stream *stream = keep_open(m, &k);
    keep(stream, 5);
    run_until(m->loop, enough, &k);
    assert_int_equal(k.ttls[0], 100);
    rpc_stream_cancel(stream);
}

static void what_was_asked_before_half_closing_is_answered(void **state)
{
    struct member *m = *state;
    must_grant(m, 5, 100);
    struct keeping k = { 0 };
    struct rpc_stream *s = keep_open(m, &k);
    for (int i = 0; i < 5; i++) {
        keep(s, 5);
    }
    rpc_stream_half_close(s);
    run_until(m->loop, is_closed, &k);
    assert_int_equal(k.n, 5);
    assert_int_equal(k.code, 0);
}

static void a_stream_cancelled_with_questions_open_leaves_nothing(void **state)
{
    struct member *m = *state;
    must_grant(m, 5, 100);
    struct keeping k = { 0 };
    struct rpc_stream *s = keep_open(m, &k);
    keep(s, 5);
    k.want = 1;
    run_until(m->loop, enough, &k);
    for (int i = 0; i < 10; i++) {
        keep(s, 5);
    }
    rpc_stream_cancel(s);
    must_put(m, "still", "there");
}

static bool key_is_gone(void *arg)
{
    struct reply *r = arg;
    return ((Etcdserverpb__RangeResponse *)(void *)r->msg)->count == 0;
}

static void a_lease_runs_out_and_takes_its_keys(void **state)
{
    struct member *m = *state;
    must_grant(m, 5, 1);
    must_put_lease(m, "k", 5);
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = bytes("k");
    uint64_t began = loop_now_ms(m->loop);
    for (bool gone = false; !gone;) {
        struct reply r;
        call(m, "/etcdserverpb.KV/Range", &get, &etcdserverpb__range_response__descriptor, &r);
        assert_int_equal(r.code, 0);
        gone = key_is_gone(&r);
        reply_fini(&r);
        assert_true(loop_now_ms(m->loop) - began < 8000);
    }
    assert_true(loop_now_ms(m->loop) - began >= 990); /* never early */
    struct reply r;
    assert_int_equal(time_to_live(m, 5, &r)->ttl, -1);
    reply_fini(&r);
}

static void set_alarm(struct member *m, bool active)
{
    Etcdserverpb__AlarmRequest a = ETCDSERVERPB__ALARM_REQUEST__INIT;
    struct reply r;
    a.action = active ? ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE
                      : ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE;
    a.memberid = 6;
    a.alarm = ETCDSERVERPB__ALARM_TYPE__CORRUPT;
    call(m, "/etcdserverpb.Maintenance/Alarm", &a, &etcdserverpb__alarm_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

struct overdue {
    struct member *m;
    uint64_t since_ms; /* 0: not yet */
};

/* For longer than two tries would take a lease has run out, and nobody tries. */
static bool left_alone(void *arg)
{
    struct overdue *o = arg;
    const struct server *s = o->m->server;
    uint64_t now = loop_now_ms(o->m->loop);
    assert_null(s->expiring);
    if (o->since_ms == 0 && lease_clock_remaining_ms(s->lease_clock, 5, now) == 0) {
        o->since_ms = now;
    }
    return o->since_ms != 0 && now - o->since_ms > 2500;
}

static bool no_lease(void *arg)
{
    struct lease_info info;
    return !store_lease_get(((const struct member *)arg)->server->store, 5, &info);
}

static void nothing_is_revoked_while_an_alarm_refuses_it(void **state)
{
    struct member *m = *state;
    struct overdue o = { .m = m };
    must_grant(m, 5, 1);
    must_put_lease(m, "k", 5);
    set_alarm(m, true);
    run_until(m->loop, left_alone, &o);
    assert_false(no_lease(m));
    set_alarm(m, false);
    run_until(m->loop, no_lease, m);
}

int test_lease_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_grant_without_an_id_gets_one),
        SERVER_TEST(a_ttl_below_the_floor_is_raised_and_an_absurd_one_refused),
        SERVER_TEST(a_lease_is_granted_once),
        SERVER_TEST(time_to_live_knows_the_keys_and_the_unknown),
        SERVER_TEST(revoking_an_unknown_lease_fails),
        SERVER_TEST(a_renewal_gives_the_full_time_and_none_to_the_unknown),
        SERVER_TEST(status_asked_in_the_turn_of_an_election_does_not_stop_leases),
        SERVER_TEST(what_was_asked_before_half_closing_is_answered),
        SERVER_TEST(a_stream_cancelled_with_questions_open_leaves_nothing),
        SERVER_TEST(a_lease_runs_out_and_takes_its_keys),
        SERVER_TEST(nothing_is_revoked_while_an_alarm_refuses_it),
    };
    return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}
