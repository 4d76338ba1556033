/* Locks as a service: who waits, who wins, and what is left behind. */
#include "line_calls.h"

#include <stdlib.h>

#include "lib/base/limits.h"
#include "proto/v3lock.pb-c.h"
#include "server/internal.h"

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void unlock(struct member *m, const char *key)
{
    V3lockpb__UnlockRequest request = V3LOCKPB__UNLOCK_REQUEST__INIT;
    struct reply r;
    request.key = bytes(key);
    call(m, "/v3lockpb.Lock/Unlock", &request, &v3lockpb__unlock_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

/* --- locks ------------------------------------------------------------------------------------ */

static void a_lock_passes_on_in_the_order_of_asking(void **state)
{
    struct member *m = *state;
    struct pending a, b, c;
    leases(m);
    lock(m, &a, "n", 3); /* the order of leases says nothing */
    must_win(&a, "n/3");
    lock(m, &b, "n", 2);
    await_line(m, 1);
    lock(m, &c, "n", 1);
    await_line(m, 2);
    must_wait(&b);
    unlock(m, "n/3");
    must_win(&b, "n/2");
    must_wait(&c);
    unlock(m, "n/2");
    must_win(&c, "n/1");
    assert_int_equal(m->server->line_n, 0);
    assert_int_equal(m->server->watch_bytes, 0);
    assert_int_equal(watch_hub_count(m->server->hub), 0);
}

static void who_leaves_the_middle_of_the_line_wakes_nobody(void **state)
{
    struct member *m = *state;
    struct pending a, b, c;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &b, "n", 2);
    await_line(m, 1);
    lock(m, &c, "n", 3);
    await_line(m, 2);
    unlock(m, "n/2");
    must_fail(&b, GRPC_UNKNOWN, "mutex: session is expired");
    must_wait(&c);
    unlock(m, "n/1");
    must_win(&c, "n/3");
}

static void locks_of_other_names_are_other_locks(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &a, "n/", 2);
    must_win(&a, "n//2"); /* older: n/1 alone is not under it */
    lock(m, &a, "n0", 2);
    must_win(&a, "n0/2");
    lock(m, &a, "", 2);
    must_win(&a, "/2");
}

static void the_lease_that_holds_a_lock_gets_it_again(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    int64_t revision = created(m, "n/1");
    assert_int_equal(a.revision, revision);
    must_put(m, "other", "1");
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    assert_int_equal(created(m, "n/1"), revision);
}

static void any_older_key_under_the_name_holds_it(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    must_put(m, "n/by hand", "");
    lock(m, &a, "n", 1);
    await_line(m, 1);
    must_put(m, "n/by hand", "again"); /* a put is no deletion */
    must_put(m, "n/0", "later");
    must_wait(&a);
    unlock(m, "n/by hand");
    must_win(&a, "n/1");
}

static void a_lock_passes_on_when_its_lease_ends(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    must_grant(m, 9, 1);
    lock(m, &a, "n", 9);
    must_win(&a, "n/9");
    lock(m, &b, "n", 2);
    must_win(&b, "n/2"); /* after it has run out */
    assert_int_equal(created(m, "n/9"), 0);
}

static void a_place_is_lost_with_its_lease(void **state)
{
    struct member *m = *state;
    struct pending a, b, c;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &b, "n", 2);
    campaign(m, &c, "n", 3, "v");
    await_line(m, 2);
    revoke(m, 2);
    must_fail(&b, GRPC_UNKNOWN, "mutex: session is expired");
    revoke(m, 3);
    must_fail(&c, GRPC_UNKNOWN, "election: not leader");
    assert_int_equal(m->server->line_n, 0);
}

static void a_call_that_ends_takes_its_key_along(void **state)
{
    struct member *m = *state;
    struct pending a, b, c, d;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock_within(m, &b, "n", 2, 200);
    lock(m, &c, "n", 3);
    await_line(m, 2);
    lock(m, &d, "n", 4);
    assert_true(created(m, "n/2") > 0);
    must_fail(&b, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
    rpc_request_cancel(c.request);
    await_line(m, 1);
    assert_int_equal(created(m, "n/2"), 0);
    assert_int_equal(created(m, "n/3"), 0);
    unlock(m, "n/1");
    must_win(&d, "n/4");
}

static void a_client_that_vanishes_leaves_no_place(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &b, "n", 2);
    await_line(m, 1);
    rpc_channel_free(m->channel);
    struct rpc_channel_options o = { .loop = m->loop, .seed = 2,
                                     .address = server_client_address(m->server, 0) };
    m->channel = rpc_channel_new(&o);
    await_line(m, 0);
    assert_int_equal(created(m, "n/2"), 0);
    assert_true(created(m, "n/1") > 0); /* what was won stays */
}

static void a_call_that_ends_before_its_key_stands_leaves_none(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    lock(m, &a, "n", 1);
    rpc_request_cancel(a.request); /* never sent, or on its way */
    lock(m, &a, "n", 2);
    must_win(&a, "n/2");
    assert_int_equal(created(m, "n/1"), 0);
}

static void two_calls_with_one_lease_share_a_place(void **state)
{
    struct member *m = *state;
    struct pending a, b, c;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &b, "n", 2);
    lock(m, &c, "n", 2);
    await_line(m, 2);
    rpc_request_cancel(b.request);
    await_line(m, 1);
    assert_true(created(m, "n/2") > 0);
    unlock(m, "n/1");
    must_win(&c, "n/2");
}

static void a_lock_without_a_lease_is_given_one(void **state)
{
    struct member *m = *state;
    struct pending a;
    lock(m, &a, "n", 0);
    run_until(m->loop, flag_set, &a.done);
    assert_int_equal(a.code, 0);
    int64_t id = (int64_t)strtoull(a.key + 2, NULL, 16);
    struct lease_info info;
    assert_true(store_lease_get(m->server->store, id, &info));
    assert_int_equal(info.ttl_s, 60);
}

static void what_is_wrong_is_said_in_etcds_words(void **state)
{
    struct member *m = *state;
    struct pending a;
    V3lockpb__UnlockRequest request = V3LOCKPB__UNLOCK_REQUEST__INIT;
    struct reply r;
    lock(m, &a, "n", 12345);
    must_fail(&a, GRPC_UNKNOWN, "etcdserver: requested lease not found");
    lock(m, &a, "n", -5);
    must_fail(&a, GRPC_UNKNOWN, "etcdserver: requested lease not found");
    campaign(m, &a, "n", 12345, "v");
    must_fail(&a, GRPC_UNKNOWN, "etcdserver: requested lease not found");
    call(m, "/v3lockpb.Lock/Unlock", &request, &v3lockpb__unlock_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_UNKNOWN);
    assert_string_equal(r.text, "etcdserver: key is not provided");
    reply_fini(&r);
    unlock(m, "nothing"); /* no error */
}

static void the_line_is_bounded(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    m->server->line_n = LIMIT_LINE_PLACES; /* as if others stood in it */
    lock(m, &a, "n", 1);
    must_fail(&a, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests");
    m->server->line_n = 0;
    m->server->watch_bytes = LIMIT_WATCHES_BYTES - 100;
    lock(m, &a, "n", 1);
    must_fail(&a, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests");
    m->server->watch_bytes = 0;
    assert_int_equal(created(m, "n/1"), 0);
}

static void a_member_that_stops_tells_those_who_wait(void **state)
{
    struct member *m = member_open_with(NULL);
    struct pending a, b;
    bool closed = false;
    (void)state;
    leases(m);
    lock(m, &a, "n", 1);
    must_win(&a, "n/1");
    lock(m, &b, "n", 2);
    await_line(m, 1);
    server_close(m->server, set_flag, &closed);
    must_fail(&b, GRPC_UNAVAILABLE, "etcdserver: server stopped");
    run_until(m->loop, flag_set, &closed);
    member_forget(m);
}

int test_lock_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_lock_passes_on_in_the_order_of_asking),
        SERVER_TEST(who_leaves_the_middle_of_the_line_wakes_nobody),
        SERVER_TEST(locks_of_other_names_are_other_locks),
        SERVER_TEST(the_lease_that_holds_a_lock_gets_it_again),
        SERVER_TEST(any_older_key_under_the_name_holds_it),
        SERVER_TEST(a_lock_passes_on_when_its_lease_ends),
        SERVER_TEST(a_place_is_lost_with_its_lease),
        SERVER_TEST(a_call_that_ends_takes_its_key_along),
        SERVER_TEST(a_client_that_vanishes_leaves_no_place),
        SERVER_TEST(a_call_that_ends_before_its_key_stands_leaves_none),
        SERVER_TEST(two_calls_with_one_lease_share_a_place),
        SERVER_TEST(a_lock_without_a_lease_is_given_one),
        SERVER_TEST(what_is_wrong_is_said_in_etcds_words),
        SERVER_TEST(the_line_is_bounded),
        cmocka_unit_test(a_member_that_stops_tells_those_who_wait),
    };
    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
