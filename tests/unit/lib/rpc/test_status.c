/* The table between E_ codes and etcd's words. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"

static void every_etcd_code_survives_the_round_trip(void **state)
{
    (void)state;
    static const int codes[] = {
        E_INVAL,        E_NOTFOUND,        E_EXIST,           E_CONFLICT,      E_TIMEOUT,
        E_CANCELED,     E_UNAVAILABLE,     E_IO,              E_CORRUPT,       E_PROTO,
        E_PERM,         E_UNSUPPORTED,     E_MISMATCH,        E_STOPPED,       E_NOTLEADER,
        E_NOLEADER,     E_LEADER_CHANGED,  E_NOTREADY,        E_EMPTY_KEY,     E_KEY_NOT_FOUND,
        E_VALUE_PROVIDED, E_LEASE_PROVIDED, E_TOO_MANY_OPS,   E_DUPLICATE_KEY, E_INVALID_SORT,
        E_COMPACTED,    E_FUTURE_REV,      E_NOSPACE,         E_LEASE_NOT_FOUND, E_LEASE_EXIST,
        E_LEASE_TTL_TOO_LARGE, E_REQUEST_TOO_LARGE, E_TOO_MANY_REQUESTS, E_MEMBER_NOT_FOUND,
        E_NOT_CAPABLE,  E_LEARNER, E_PEER_URL_EXIST, E_NOT_STARTED, E_NOT_LEARNER,
        E_TOO_MANY_LEARNERS, E_TRANSFEREE,
        E_ROOT_USER, E_ROOT_ROLE, E_USER_EXIST, E_USER_EMPTY, E_USER_NOT_FOUND, E_ROLE_EXIST,
        E_ROLE_NOT_FOUND, E_ROLE_EMPTY, E_AUTH_FAILED, E_NO_PASSWORD, E_PERM_NOT_GIVEN,
        E_ROLE_NOT_GRANTED, E_PERM_NOT_GRANTED, E_AUTH_NOT_ENABLED, E_AUTH_TOKEN, E_AUTH_MGMT,
        E_AUTH_OLD,
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const char *text = NULL;
        enum grpc_code code = status_from_err(codes[i], &text);
        assert_true(code > GRPC_OK && code <= GRPC_UNAUTHENTICATED);
        assert_int_equal(status_to_err((int)code, text), codes[i]);
    }
}

static void the_wire_text_is_etcds(void **state)
{
    (void)state;
    const char *text;
    assert_int_equal(status_from_err(E_COMPACTED, &text), GRPC_OUT_OF_RANGE);
    assert_string_equal(text, "etcdserver: mvcc: required revision has been compacted");
    assert_int_equal(status_from_err(E_NOSPACE, &text), GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(text, "etcdserver: mvcc: database space exceeded");
    assert_int_equal(status_from_err(E_TIMEOUT, &text), GRPC_UNAVAILABLE);
    assert_string_equal(text, "etcdserver: request timed out");
    assert_int_equal(status_from_err(E_TOOBIG, &text), GRPC_INVALID_ARGUMENT);
    assert_string_equal(text, "etcdserver: request is too large");
}

static void a_status_with_a_foreign_text_is_understood_by_its_code(void **state)
{
    (void)state;
    assert_int_equal(status_to_err(GRPC_OK, ""), 0);
    assert_int_equal(status_to_err(GRPC_UNAVAILABLE, "whatever"), E_UNAVAILABLE);
    assert_int_equal(status_to_err(GRPC_DEADLINE_EXCEEDED, ""), E_TIMEOUT);
    assert_int_equal(status_to_err(GRPC_CANCELED, ""), E_CANCELED);
    assert_int_equal(status_to_err(GRPC_UNIMPLEMENTED, ""), E_UNSUPPORTED);
    assert_int_equal(status_to_err(99, ""), E_PROTO);
    assert_int_equal(status_to_err(-1, ""), E_PROTO);
}

static void codes_have_their_grpc_names(void **state)
{
    (void)state;
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name(GRPC_UNAVAILABLE), "UNAVAILABLE");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(grpc_code_name(17), "CODE_?");
}

int test_status_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_etcd_code_survives_the_round_trip),
        cmocka_unit_test(the_wire_text_is_etcds),
        cmocka_unit_test(a_status_with_a_foreign_text_is_understood_by_its_code),
        cmocka_unit_test(codes_have_their_grpc_names),
    };
    return cmocka_run_group_tests_name("rpc status", tests, NULL, NULL);
}
