/* etcd's messages as JSON and back: the shapes that clients of its gateway send and read. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/pb_json.h"
#include "proto/rpc_auth.pb-c.h"

static void requests_are_read_in_every_form_that_clients_write(void **state)
{
    (void)state;
    static const struct {
        const ProtobufCMessageDescriptor *d;
        const char *json, *back;
    } rows[] = {
        { &etcdserverpb__range_request__descriptor, "", "{}" },
        { &etcdserverpb__range_request__descriptor, " { } ", "{}" },
        { &etcdserverpb__range_request__descriptor,
          "{\"key\":\"Zm9v\",\"limit\":5,\"revision\":\"7\",\"sort_order\":\"DESCEND\","
          "\"sort_target\":3,\"keys_only\":true,\"count_only\":false}",
          "{\"key\":\"Zm9v\",\"limit\":\"5\",\"revision\":\"7\",\"sort_order\":\"DESCEND\","
          "\"sort_target\":\"MOD\",\"keys_only\":true}" },
        { &etcdserverpb__range_request__descriptor,
          "{\"rangeEnd\":\"_-8\",\"limit\":null,\"new\":{\"in\":[3.7,\"\"]}}",
          "{\"range_end\":\"/+8=\"}" },
        { &etcdserverpb__range_request__descriptor, "{\"sort_order\":9}", "{\"sort_order\":9}" },
        { &etcdserverpb__member_remove_request__descriptor, "{\"ID\":18446744073709551615}",
          "{\"ID\":\"18446744073709551615\"}" },
        { &etcdserverpb__lease_grant_request__descriptor,
          "{\"TTL\":\"-9223372036854775808\",\"ID\":\"1\"}",
          "{\"TTL\":\"-9223372036854775808\",\"ID\":\"1\"}" },
        { &etcdserverpb__compare__descriptor, "{\"target\":\"VERSION\",\"version\":\"0\"}",
          "{\"version\":\"0\"}" },
        { &etcdserverpb__compare__descriptor, "{\"version\":\"3\",\"value\":\"\"}",
          "{\"value\":\"\"}" },
        { &etcdserverpb__txn_request__descriptor,
          "{\"success\":[{\"requestPut\":{\"key\":\"YQ==\"}},{\"request_txn\":{}}]}",
          "{\"success\":[{\"request_put\":{\"key\":\"YQ==\"}},{\"request_txn\":{}}]}" },
        { &etcdserverpb__member_add_request__descriptor,
          "{\"peerURLs\":[\"http:\\/\\/a\",\"\"],\"isLearner\":true}",
          "{\"peerURLs\":[\"http://a\",\"\"],\"isLearner\":true}" },
        { &etcdserverpb__watch_create_request__descriptor, "{\"filters\":[\"NODELETE\",0]}",
          "{\"filters\":[\"NODELETE\",\"NOPUT\"]}" },
        { &etcdserverpb__auth_user_add_request__descriptor,
          "{\"name\":\"\\u00e4\",\"options\":{\"no_password\":true}}",
          "{\"name\":\"\xc3\xa4\",\"options\":{\"no_password\":true}}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        autobuf out = BUF_INIT;
        ProtobufCMessage *m = NULL;
        struct err err = ERR_INIT;
        arena_init(&arena);
        assert_int_equal(
            pb_json_read(rows[i].d, slice_str(rows[i].json), &arena, 100, &m, &err), 0);
        pb_json_write(m, &out);
        assert_string_equal(buf_str(&out), rows[i].back);
        arena_fini(&arena);
    }
}

static void what_is_no_such_message_is_refused_with_the_byte(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int code;
        const char *says;
    } rows[] = {
        { "[]", E_INVAL, "byte 0: an object" },
        { "{\"key\":\"!\"}", E_INVAL, "not base64" },
        { "{\"key\":7}", E_INVAL, "byte 7: a string" },
        { "{\"limit\":\"x\"}", E_INVAL, "whole number" },
        { "{\"limit\":1.5}", E_INVAL, "whole number" },
        { "{\"limit\":\"\"}", E_INVAL, "whole number" },
        { "{\"limit\":9223372036854775808}", E_INVAL, "out of range" },
        { "{\"sort_order\":\"BAD\"}", E_INVAL, "enum" },
        { "{\"sort_order\":2147483648}", E_INVAL, "out of range" },
        { "{\"keys_only\":1}", E_INVAL, "no JSON value" },
        { "{\"key\":\"Zm9v\"", E_INVAL, "comma" },
        { "{} {}", E_INVAL, "nothing more" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        ProtobufCMessage *m = NULL;
        struct err err = ERR_INIT;
        arena_init(&arena);
        assert_int_equal(pb_json_read(&etcdserverpb__range_request__descriptor,
                                      slice_str(rows[i].json), &arena, 100, &m, &err),
                         rows[i].code);
        assert_non_null(strstr(err.msg, rows[i].says));
        arena_fini(&arena);
    }
}

static void items_and_nesting_are_bounded(void **state)
{
    (void)state;
    struct arena arena;
    ProtobufCMessage *m = NULL;
    struct err err = ERR_INIT;
    struct slice four = slice_str("{\"compare\":[{},{},{}],\"success\":[{}]}");
    arena_init(&arena);
    const ProtobufCMessageDescriptor *d = &etcdserverpb__txn_request__descriptor;
    assert_int_equal(pb_json_read(d, four, &arena, 4, &m, &err), 0);
    assert_int_equal(pb_json_read(d, four, &arena, 3, &m, &err), E_TOOBIG);
    struct slice two = slice_str("{\"peerURLs\":[\"\",\"\"]}");
    d = &etcdserverpb__member_add_request__descriptor;
    assert_int_equal(pb_json_read(d, two, &arena, 2, &m, &err), 0);
    assert_int_equal(pb_json_read(d, two, &arena, 1, &m, &err), E_TOOBIG);

    autobuf deep = BUF_INIT;
    for (int i = 0; i < LIMIT_DOC_DEPTH; i++) {
        buf_append_str(&deep, "{\"success\":[{\"request_txn\":");
    }
    d = &etcdserverpb__txn_request__descriptor;
    assert_int_equal(pb_json_read(d, buf_slice(&deep), &arena, 1000, &m, &err), E_TOOBIG);
    arena_fini(&arena);
}

int test_json_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_in_every_form_that_clients_write),
        cmocka_unit_test(what_is_no_such_message_is_refused_with_the_byte),
        cmocka_unit_test(items_and_nesting_are_bounded),
    };
    return cmocka_run_group_tests_name("etcd's messages as JSON", tests, NULL, NULL);
}
