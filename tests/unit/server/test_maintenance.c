/* Maintenance: what etcdctl 3.4 has no command for. */
#include "fixture.h"

#include <string.h>

#include "server/internal.h"

static void ask_downgrade(struct member *m, Etcdserverpb__DowngradeRequest__DowngradeAction action,
                          const char *version, struct reply *ret_reply)
{
    Etcdserverpb__DowngradeRequest d = ETCDSERVERPB__DOWNGRADE_REQUEST__INIT;
    d.action = action;
    d.version = (char *)(uintptr_t)version;
    call(m, "/etcdserverpb.Maintenance/Downgrade", &d,
         &etcdserverpb__downgrade_response__descriptor, ret_reply);
}

static void there_is_no_version_to_go_back_to(void **state)
{
    struct member *m = *state;
    static const char target[] = "etcdserver: invalid downgrade target version";
    static const char format[] = "etcdserver: wrong downgrade target version format";
    static const struct {
        const char *version, *text;
    } rows[] = {
        { "3.4", target },  { "3.4.0", target }, { "3.5.0", target },  { "", format },
        { "3", format },    { "3.4.", format },  { "3.4.0.1", format }, { "3.04", format },
        { "v3.4", format }, { "3.x", format },   { "99999999999.1", format },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply validate, enable;
        ask_downgrade(m, ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__VALIDATE,
                      rows[i].version, &validate);
        ask_downgrade(m, ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__ENABLE,
                      rows[i].version, &enable);
        assert_int_equal(validate.code, GRPC_INVALID_ARGUMENT);
        assert_string_equal(validate.text, rows[i].text);
        assert_int_equal(enable.code, GRPC_INVALID_ARGUMENT);
        assert_string_equal(enable.text, rows[i].text);
    }
}

static void no_downgrade_is_under_way(void **state)
{
    struct member *m = *state;
    struct reply r;
    ask_downgrade(m, ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__CANCEL, "", &r);
    assert_int_equal(r.code, GRPC_FAILED_PRECONDITION);
    assert_string_equal(r.text, "etcdserver: no inflight downgrade job");
}

static size_t alarm(struct member *m, Etcdserverpb__AlarmRequest__AlarmAction action, uint64_t id,
                    Etcdserverpb__AlarmType type)
{
    Etcdserverpb__AlarmRequest a = ETCDSERVERPB__ALARM_REQUEST__INIT;
    struct reply r;
    a.action = action;
    a.memberid = id;
    a.alarm = type;
    call(m, "/etcdserverpb.Maintenance/Alarm", &a, &etcdserverpb__alarm_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    size_t n = ((const Etcdserverpb__AlarmResponse *)(const void *)r.msg)->n_alarms;
    reply_fini(&r);
    return n;
}

/* The answers' lists are etcd's: what is set, what was cleared, what of a type there is. */
static void an_alarm_is_told_when_it_is_set_and_when_it_is_cleared(void **state)
{
    struct member *m = *state;
#define ACTION(a) ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__##a
#define TYPE(t) ETCDSERVERPB__ALARM_TYPE__##t
    assert_int_equal(alarm(m, ACTION(ACTIVATE), 5, TYPE(NOSPACE)), 1);
    assert_int_equal(alarm(m, ACTION(ACTIVATE), 5, TYPE(NOSPACE)), 1);
    assert_int_equal(alarm(m, ACTION(ACTIVATE), 5, TYPE(NONE)), 0);
    assert_int_equal(put_bytes(m, "a", 1), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(alarm(m, ACTION(ACTIVATE), 6, TYPE(CORRUPT)), 1);
    assert_int_equal(put_bytes(m, "a", 1), GRPC_DATA_LOSS);
    assert_int_equal(alarm(m, ACTION(GET), 0, TYPE(NONE)), 2);
    assert_int_equal(alarm(m, ACTION(GET), 0, TYPE(CORRUPT)), 1);
    assert_int_equal(alarm(m, ACTION(DEACTIVATE), 5, TYPE(CORRUPT)), 0);
    assert_int_equal(alarm(m, ACTION(DEACTIVATE), 6, TYPE(CORRUPT)), 1);
    assert_int_equal(alarm(m, ACTION(DEACTIVATE), 5, TYPE(NOSPACE)), 1);
    assert_int_equal(put_bytes(m, "a", 1), 0);
}

/* As an etcd 3.6 tells it. */
static void a_status_tells_the_quota(void **state)
{
    struct member *m = *state;
    Etcdserverpb__StatusRequest ask = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct reply r;
    call(m, "/etcdserverpb.Maintenance/Status", &ask, &etcdserverpb__status_response__descriptor,
         &r);
    assert_int_equal(r.code, 0);
    int64_t quota = ((const Etcdserverpb__StatusResponse *)(const void *)r.msg)->dbsizequota;
    assert_true(quota > 0);
    assert_int_equal(quota, m->server->options.quota_bytes);
    reply_fini(&r);
}

static int64_t compact_revision_of_hash(struct member *m)
{
    Etcdserverpb__HashKVRequest ask = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    struct reply r;
    call(m, "/etcdserverpb.Maintenance/HashKV", &ask, &etcdserverpb__hash_kvresponse__descriptor,
         &r);
    assert_int_equal(r.code, 0);
    const Etcdserverpb__HashKVResponse *kv = (const Etcdserverpb__HashKVResponse *)(void *)r.msg;
    int64_t revision = kv->compact_revision;
    reply_fini(&r);
    return revision;
}

static void a_hash_tells_what_is_compacted_and_minus_one_before(void **state)
{
    struct member *m = *state;
    assert_int_equal(compact_revision_of_hash(m), -1);
    assert_int_equal(put_bytes(m, "a", 1), 0);
    assert_int_equal(put_bytes(m, "a", 1), 0);
    Etcdserverpb__CompactionRequest ask = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    struct reply r;
    ask.revision = 2;
    call(m, "/etcdserverpb.KV/Compact", &ask, &etcdserverpb__compaction_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
    assert_int_equal(compact_revision_of_hash(m), 2);
}

int test_maintenance_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(there_is_no_version_to_go_back_to),
        SERVER_TEST(no_downgrade_is_under_way),
        SERVER_TEST(an_alarm_is_told_when_it_is_set_and_when_it_is_cleared),
        SERVER_TEST(a_status_tells_the_quota),
        SERVER_TEST(a_hash_tells_what_is_compacted_and_minus_one_before),
    };
    return cmocka_run_group_tests_name("server/maintenance", tests, NULL, NULL);
}
