/* THE table between E_ codes and etcd's wire errors.
 *
 * Rows are searched from the top in both directions, so for an E_ code with several texts the first
 * row is what we say, and the others are what we understand. Rows whose code or text is not etcd's
 * (a code that has no word there) come last. Linear search: this runs on errors only, over some 60
 * rows. */
#include "lib/rpc/status.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"

struct status_row {
    int err;
    enum grpc_code code;
    const char *text;
};

static const struct status_row rows[] = {
    { E_EMPTY_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided" },
    { E_KEY_NOT_FOUND, GRPC_INVALID_ARGUMENT, "etcdserver: key not found" },
    { E_VALUE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: value is provided" },
    { E_LEASE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: lease is provided" },
    { E_TOO_MANY_OPS, GRPC_INVALID_ARGUMENT, "etcdserver: too many operations in txn request" },
    { E_DUPLICATE_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request" },
    { E_INVALID_SORT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid sort option" },
    { E_COMPACTED, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted" },
    { E_FUTURE_REV, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision" },
    { E_NOSPACE, GRPC_RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded" },
    { E_LEASE_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: requested lease not found" },
    { E_LEASE_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: lease already exists" },
    { E_LEASE_TTL_TOO_LARGE, GRPC_OUT_OF_RANGE, "etcdserver: too large lease TTL" },
    { E_REQUEST_TOO_LARGE, GRPC_INVALID_ARGUMENT, "etcdserver: request is too large" },
    { E_TOO_MANY_REQUESTS, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests" },
    { E_MEMBER_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: member not found" },
    { E_NOT_CAPABLE, GRPC_FAILED_PRECONDITION, "etcdserver: not capable" },
    { E_LEARNER, GRPC_FAILED_PRECONDITION, "etcdserver: rpc not supported for learner" },
    { E_NOTLEADER, GRPC_FAILED_PRECONDITION, "etcdserver: not leader" },
    { E_NOLEADER, GRPC_UNAVAILABLE, "etcdserver: no leader" },
    { E_LEADER_CHANGED, GRPC_UNAVAILABLE, "etcdserver: leader changed" },
    { E_NOTREADY, GRPC_FAILED_PRECONDITION,
      "etcdserver: can only promote a learner member which is in sync with leader" },
    { E_STOPPED, GRPC_UNAVAILABLE, "etcdserver: server stopped" },
    { E_UNAVAILABLE, GRPC_UNAVAILABLE, "etcdserver: unhealthy cluster" },
    { E_CORRUPT, GRPC_DATA_LOSS, "etcdserver: corrupt cluster" },
    { E_PERM, GRPC_PERMISSION_DENIED, "etcdserver: permission denied" },
    { E_MISMATCH, GRPC_FAILED_PRECONDITION, "etcdserver: cluster ID mismatch" },
    { E_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: member ID already exist" },
    { E_PEER_URL_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: Peer URLs already exists" },
    { E_NOT_STARTED, GRPC_FAILED_PRECONDITION,
      "etcdserver: re-configuration failed due to not enough started members" },
    { E_NOT_LEARNER, GRPC_FAILED_PRECONDITION, "etcdserver: can only promote a learner member" },
    { E_TOO_MANY_LEARNERS, GRPC_FAILED_PRECONDITION,
      "etcdserver: too many learner members in cluster" },
    { E_TRANSFEREE, GRPC_FAILED_PRECONDITION, "etcdserver: bad leader transferee" },
    { E_ROOT_USER, GRPC_FAILED_PRECONDITION, "etcdserver: root user does not exist" },
    { E_ROOT_ROLE, GRPC_FAILED_PRECONDITION, "etcdserver: root user does not have root role" },
    { E_USER_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: user name already exists" },
    { E_USER_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: user name is empty" },
    { E_USER_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: user name not found" },
    { E_ROLE_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: role name already exists" },
    { E_ROLE_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: role name not found" },
    { E_ROLE_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: role name is empty" },
    { E_AUTH_FAILED, GRPC_INVALID_ARGUMENT,
      "etcdserver: authentication failed, invalid user ID or password" },
    { E_PERM_NOT_GIVEN, GRPC_INVALID_ARGUMENT, "etcdserver: permission not given" },
    { E_ROLE_NOT_GRANTED, GRPC_FAILED_PRECONDITION, "etcdserver: role is not granted to the user" },
    { E_PERM_NOT_GRANTED, GRPC_FAILED_PRECONDITION,
      "etcdserver: permission is not granted to the role" },
    { E_AUTH_NOT_ENABLED, GRPC_FAILED_PRECONDITION, "etcdserver: authentication is not enabled" },
    { E_AUTH_TOKEN, GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token" },
    { E_AUTH_MGMT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid auth management" },
    { E_AUTH_OLD, GRPC_INVALID_ARGUMENT, "etcdserver: revision of auth store is old" },
    { E_NO_PASSWORD, GRPC_UNKNOWN,
      "auth: authentication failed, password was given for no password user" },
    { E_CANCELED, GRPC_CANCELED, "etcdserver: request canceled" },
    { E_CANCELED, GRPC_CANCELED, "etcdserver: watch canceled" },
    { E_TIMEOUT, GRPC_UNAVAILABLE, "etcdserver: request timed out" },
    { E_TIMEOUT, GRPC_UNAVAILABLE,
      "etcdserver: request timed out, possibly due to previous leader failure" },
    { E_TIMEOUT, GRPC_UNAVAILABLE,
      "etcdserver: request timed out, possibly due to connection lost" },
    { E_TIMEOUT, GRPC_UNAVAILABLE,
      "etcdserver: request timed out, waiting for the applied index took too long" },
    { E_TIMEOUT, GRPC_DEADLINE_EXCEEDED, "etcdserver: context deadline exceeded" },
    { E_TIMEOUT, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded" },
    { E_INVAL, GRPC_INVALID_ARGUMENT, "etcdserver: given member URLs are invalid" },
    /* Ours: what a code without a word in etcd's vocabulary says. */
    { E_NOTFOUND, GRPC_NOT_FOUND, "barque: not found" },
    { E_CONFLICT, GRPC_ABORTED, "barque: changed by someone else" },
    { E_UNSUPPORTED, GRPC_UNIMPLEMENTED, "barque: not supported" },
    { E_PROTO, GRPC_INTERNAL, "barque: malformed message" },
    { E_IO, GRPC_INTERNAL, "barque: storage failed" },
    { E_NOMEM, GRPC_RESOURCE_EXHAUSTED, "barque: out of memory" },
};

/* Codes that are said with the words of another one. */
static const struct {
    int err;
    int said_as;
} aliases[] = {
    { E_TOOBIG, E_REQUEST_TOO_LARGE }, { E_FULL, E_TOO_MANY_REQUESTS }, { E_CLOSED, E_STOPPED },
    { E_DISKFULL, E_NOSPACE },         { E_TRUNCATED, E_PROTO },
};

/* What a code means when its text is none of the rows'. */
static const int code_errs[] = {
    [GRPC_OK] = 0,
    [GRPC_CANCELED] = E_CANCELED,
    [GRPC_UNKNOWN] = E_PROTO,
    [GRPC_INVALID_ARGUMENT] = E_INVAL,
    [GRPC_DEADLINE_EXCEEDED] = E_TIMEOUT,
    [GRPC_NOT_FOUND] = E_NOTFOUND,
    [GRPC_ALREADY_EXISTS] = E_EXIST,
    [GRPC_PERMISSION_DENIED] = E_PERM,
    [GRPC_RESOURCE_EXHAUSTED] = E_FULL,
    [GRPC_FAILED_PRECONDITION] = E_INVAL,
    [GRPC_ABORTED] = E_CONFLICT,
    [GRPC_OUT_OF_RANGE] = E_INVAL,
    [GRPC_UNIMPLEMENTED] = E_UNSUPPORTED,
    [GRPC_INTERNAL] = E_PROTO,
    [GRPC_UNAVAILABLE] = E_UNAVAILABLE,
    [GRPC_DATA_LOSS] = E_CORRUPT,
    [GRPC_UNAUTHENTICATED] = E_PERM,
};

static const char *const code_names[] = {
    "OK",           "CANCELLED",           "UNKNOWN",        "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED", "NOT_FOUND",      "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",  "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL",           "UNAVAILABLE",    "DATA_LOSS",
    "UNAUTHENTICATED",
};

enum grpc_code status_from_err(int code, const char **ret_text)
{
    PRE(code != 0);
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (aliases[i].err == code) {
            code = aliases[i].said_as;
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].err == code) {
            *ret_text = rows[i].text;
            return rows[i].code;
        }
    }
    *ret_text = err_text(code);
    return GRPC_UNKNOWN;
}

int status_to_err(int grpc_code, const char *text)
{
    if (grpc_code == GRPC_OK) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].text, text) == 0) {
            return rows[i].err;
        }
    }
    if (grpc_code < 0 || grpc_code >= (int)ARRAY_LEN(code_errs)) {
        return E_PROTO;
    }
    return code_errs[grpc_code];
}

const char *grpc_code_name(int grpc_code)
{
    if (grpc_code < 0 || grpc_code >= (int)ARRAY_LEN(code_names)) {
        return "CODE_?";
    }
    return code_names[grpc_code];
}
