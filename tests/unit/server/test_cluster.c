/* Membership over the API, on a member that is alone: errors are etcd's, and two more may come. */
#include "fixture.h"

#include <string.h>

#include "lib/base/alloc.h"

static void add(struct member *m, const char *url, bool learner, struct reply *r)
{
    Etcdserverpb__MemberAddRequest request = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    char *urls[] = { (char *)(uintptr_t)url };
    request.n_peerurls = 1;
    request.peerurls = urls;
    request.islearner = learner;
    call(m, "/etcdserverpb.Cluster/MemberAdd", &request,
         &etcdserverpb__member_add_response__descriptor, r);
}

static uint64_t must_add(struct member *m, const char *url, bool learner)
{
    struct reply r;
    add(m, url, learner, &r);
    assert_string_equal(r.text, "");
    assert_int_equal(r.code, 0);
    const Etcdserverpb__MemberAddResponse *a =
        (const Etcdserverpb__MemberAddResponse *)(const void *)r.msg;
    assert_string_equal(a->member->peerurls[0], url);
    assert_true(a->member->islearner); /* until it has caught up */
    uint64_t id = a->member->id;
    assert_int_equal(a->members[a->n_members - 1]->id, id);
    reply_fini(&r);
    return id;
}

static void must_fail(struct member *m, const char *url, bool learner, int code, const char *text)
{
    struct reply r;
    add(m, url, learner, &r);
    assert_int_equal(r.code, code);
    assert_string_equal(r.text, text);
}

static void take(struct member *m, uint64_t id, struct reply *r)
{
    Etcdserverpb__MemberRemoveRequest request = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    request.id = id;
    call(m, "/etcdserverpb.Cluster/MemberRemove", &request,
         &etcdserverpb__member_remove_response__descriptor, r);
}

static void promote(struct member *m, uint64_t id, struct reply *r)
{
    Etcdserverpb__MemberPromoteRequest request = ETCDSERVERPB__MEMBER_PROMOTE_REQUEST__INIT;
    request.id = id;
    call(m, "/etcdserverpb.Cluster/MemberPromote", &request,
         &etcdserverpb__member_promote_response__descriptor, r);
}

static void update(struct member *m, uint64_t id, const char *url, struct reply *r)
{
    Etcdserverpb__MemberUpdateRequest request = ETCDSERVERPB__MEMBER_UPDATE_REQUEST__INIT;
    char *urls[] = { (char *)(uintptr_t)url };
    request.id = id;
    request.n_peerurls = 1;
    request.peerurls = urls;
    call(m, "/etcdserverpb.Cluster/MemberUpdate", &request,
         &etcdserverpb__member_update_response__descriptor, r);
}

static void move_leader(struct member *m, uint64_t id, struct reply *r)
{
    Etcdserverpb__MoveLeaderRequest request = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    request.targetid = id;
    call(m, "/etcdserverpb.Maintenance/MoveLeader", &request,
         &etcdserverpb__move_leader_response__descriptor, r);
}

static void urls_are_checked(void **state)
{
    static const char *const bad[] = { "127.0.0.1:2380", "http://127.0.0.1", "ftp://h:1",
                                       "http://h:1/path", "https://h:1", "" };
    struct reply r;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        must_fail(*state, bad[i], false, GRPC_INVALID_ARGUMENT,
                  "etcdserver: given member URLs are invalid");
        update(*state, 1, bad[i], &r);
        assert_string_equal(r.text, "etcdserver: given member URLs are invalid");
    }
    Etcdserverpb__MemberAddRequest none = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    call(*state, "/etcdserverpb.Cluster/MemberAdd", &none,
         &etcdserverpb__member_add_response__descriptor, &r);
    assert_int_equal(r.code, GRPC_INVALID_ARGUMENT);
}

static void members_are_added_moved_and_taken_out(void **state)
{
    struct reply r;
    uint64_t id = must_add(*state, "http://127.0.0.1:7001", false);
    must_fail(*state, "http://127.0.0.1:7001", true, GRPC_FAILED_PRECONDITION,
              "etcdserver: Peer URLs already exists");
    must_fail(*state, "http://127.0.0.1:7002", false, GRPC_FAILED_PRECONDITION,
              "etcdserver: re-configuration failed due to not enough started members");
    update(*state, id, "http://127.0.0.1:7003", &r);
    assert_int_equal(r.code, 0);
    const Etcdserverpb__MemberUpdateResponse *u =
        (const Etcdserverpb__MemberUpdateResponse *)(const void *)r.msg;
    assert_string_equal(u->members[1]->peerurls[0], "http://127.0.0.1:7003");
    reply_fini(&r);
    promote(*state, id, &r);
    assert_string_equal(r.text, "etcdserver: can only promote a learner member which is in sync "
                                "with leader");
    take(*state, id, &r);
    assert_int_equal(r.code, 0);
    const Etcdserverpb__MemberRemoveResponse *t =
        (const Etcdserverpb__MemberRemoveResponse *)(const void *)r.msg;
    assert_int_equal(t->n_members, 1);
    reply_fini(&r);
    assert_true(must_add(*state, "http://127.0.0.1:7001", false) != id);
}

static void one_learner_may_stay_one(void **state)
{
    must_add(*state, "http://127.0.0.1:7001", true);
    must_fail(*state, "http://127.0.0.1:7002", true, GRPC_FAILED_PRECONDITION,
              "etcdserver: too many learner members in cluster");
    must_put(*state, "still", "writable");
}

static void what_is_not_there_is_told(void **state)
{
    struct reply r;
    take(*state, 77, &r);
    assert_int_equal(r.code, GRPC_NOT_FOUND);
    assert_string_equal(r.text, "etcdserver: member not found");
    promote(*state, 77, &r);
    assert_string_equal(r.text, "etcdserver: member not found");
    update(*state, 77, "http://127.0.0.1:7001", &r);
    assert_string_equal(r.text, "etcdserver: member not found");
    promote(*state, 1, &r);
    assert_string_equal(r.text, "etcdserver: can only promote a learner member");
}

static void the_last_voter_stays(void **state)
{
    struct reply r;
    take(*state, 1, &r);
    assert_int_equal(r.code, GRPC_FAILED_PRECONDITION);
    assert_string_equal(r.text,
                        "etcdserver: re-configuration failed due to not enough started members");
    must_put(*state, "still", "writable");
}

static void leadership_goes_to_voters_only(void **state)
{
    struct reply r;
    uint64_t id = must_add(*state, "http://127.0.0.1:7001", true);
    move_leader(*state, id, &r);
    assert_int_equal(r.code, GRPC_FAILED_PRECONDITION);
    assert_string_equal(r.text, "etcdserver: bad leader transferee");
    move_leader(*state, 99, &r);
    assert_string_equal(r.text, "etcdserver: bad leader transferee");
    move_leader(*state, 1, &r); /* it leads already */
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

int test_cluster_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(urls_are_checked),
        SERVER_TEST(members_are_added_moved_and_taken_out),
        SERVER_TEST(one_learner_may_stay_one),
        SERVER_TEST(what_is_not_there_is_told),
        SERVER_TEST(the_last_voter_stays),
        SERVER_TEST(leadership_goes_to_voters_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
