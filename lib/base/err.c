/* The list of error codes with their names and sentences in one table, and the message builder.
 * Messages are first formatted aside, so that err->msg itself may be an argument. */
#include "lib/base/err.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"

static const struct code_row {
    int code;
    const char *name;
    const char *text;
} codes[] = {
    { E_OK, "E_OK", "no error" },
    { E_INVAL, "E_INVAL", "invalid argument" },
    { E_NOTFOUND, "E_NOTFOUND", "not found" },
    { E_EXIST, "E_EXIST", "already exists" },
    { E_CONFLICT, "E_CONFLICT", "changed by somebody else meanwhile" },
    { E_TIMEOUT, "E_TIMEOUT", "timed out" },
    { E_CANCELED, "E_CANCELED", "cancelled" },
    { E_UNAVAILABLE, "E_UNAVAILABLE", "nobody answers" },
    { E_IO, "E_IO", "input/output failed" },
    { E_CORRUPT, "E_CORRUPT", "stored bytes are damaged" },
    { E_TOOBIG, "E_TOOBIG", "over a size limit" },
    { E_FULL, "E_FULL", "a queue is full, try again later" },
    { E_PROTO, "E_PROTO", "the peer broke the protocol" },
    { E_CLOSED, "E_CLOSED", "closed" },
    { E_PERM, "E_PERM", "not permitted" },
    { E_UNSUPPORTED, "E_UNSUPPORTED", "not supported" },
    { E_MISMATCH, "E_MISMATCH", "identity or version differs" },
    { E_TRUNCATED, "E_TRUNCATED", "bytes end too early" },
    { E_ADDRINUSE, "E_ADDRINUSE", "address already in use" },
    { E_NOMEM, "E_NOMEM", "out of memory" },
    { E_DISKFULL, "E_DISKFULL", "no space left on the device" },
    { E_STOPPED, "E_STOPPED", "the server is stopping" },
    { E_NOTLEADER, "E_NOTLEADER", "not the leader" },
    { E_NOLEADER, "E_NOLEADER", "there is no leader" },
    { E_LEADER_CHANGED, "E_LEADER_CHANGED", "the leader changed" },
    { E_NOTREADY, "E_NOTREADY", "not ready yet" },
    { E_EMPTY_KEY, "E_EMPTY_KEY", "the key is empty" },
    { E_KEY_NOT_FOUND, "E_KEY_NOT_FOUND", "the key does not exist" },
    { E_VALUE_PROVIDED, "E_VALUE_PROVIDED", "a value was given where none is allowed" },
    { E_LEASE_PROVIDED, "E_LEASE_PROVIDED", "a lease was given where none is allowed" },
    { E_TOO_MANY_OPS, "E_TOO_MANY_OPS", "too many operations in one transaction" },
    { E_DUPLICATE_KEY, "E_DUPLICATE_KEY", "a transaction puts one key twice" },
    { E_INVALID_SORT, "E_INVALID_SORT", "invalid sort option" },
    { E_COMPACTED, "E_COMPACTED", "the revision was compacted" },
    { E_FUTURE_REV, "E_FUTURE_REV", "the revision is in the future" },
    { E_NOSPACE, "E_NOSPACE", "over the store's quota" },
    { E_LEASE_NOT_FOUND, "E_LEASE_NOT_FOUND", "the lease does not exist" },
    { E_LEASE_EXIST, "E_LEASE_EXIST", "the lease exists already" },
    { E_LEASE_TTL_TOO_LARGE, "E_LEASE_TTL_TOO_LARGE", "the lease's TTL is too large" },
    { E_REQUEST_TOO_LARGE, "E_REQUEST_TOO_LARGE", "the request is too large" },
    { E_TOO_MANY_REQUESTS, "E_TOO_MANY_REQUESTS", "too many requests" },
    { E_MEMBER_NOT_FOUND, "E_MEMBER_NOT_FOUND", "the member does not exist" },
    { E_NOT_CAPABLE, "E_NOT_CAPABLE", "the cluster cannot do this" },
    { E_LEARNER, "E_LEARNER", "not served by a learner" },
    { E_PEER_URL_EXIST, "E_PEER_URL_EXIST", "a member has this peer address" },
    { E_NOT_STARTED, "E_NOT_STARTED", "too few members have started" },
    { E_NOT_LEARNER, "E_NOT_LEARNER", "the member is no learner" },
    { E_TOO_MANY_LEARNERS, "E_TOO_MANY_LEARNERS", "too many learners" },
    { E_TRANSFEREE, "E_TRANSFEREE", "leadership cannot go to this member" },
    { E_ROOT_USER, "E_ROOT_USER", "auth cannot be enabled without a user root" },
    { E_ROOT_ROLE, "E_ROOT_ROLE", "the user root has no role root" },
    { E_USER_EXIST, "E_USER_EXIST", "the user exists already" },
    { E_USER_EMPTY, "E_USER_EMPTY", "no user is named" },
    { E_USER_NOT_FOUND, "E_USER_NOT_FOUND", "the user does not exist" },
    { E_ROLE_EXIST, "E_ROLE_EXIST", "the role exists already" },
    { E_ROLE_NOT_FOUND, "E_ROLE_NOT_FOUND", "the role does not exist" },
    { E_ROLE_EMPTY, "E_ROLE_EMPTY", "no role is named" },
    { E_AUTH_FAILED, "E_AUTH_FAILED", "wrong user or password" },
    { E_NO_PASSWORD, "E_NO_PASSWORD", "the user has no password" },
    { E_PERM_NOT_GIVEN, "E_PERM_NOT_GIVEN", "no permission is given" },
    { E_ROLE_NOT_GRANTED, "E_ROLE_NOT_GRANTED", "the user does not have the role" },
    { E_PERM_NOT_GRANTED, "E_PERM_NOT_GRANTED", "the role does not have the permission" },
    { E_AUTH_NOT_ENABLED, "E_AUTH_NOT_ENABLED", "auth is not enabled" },
    { E_AUTH_TOKEN, "E_AUTH_TOKEN", "the token is not valid" },
    { E_AUTH_MGMT, "E_AUTH_MGMT", "not allowed in managing auth" },
    { E_AUTH_OLD, "E_AUTH_OLD", "users or roles have changed meanwhile" },
};

/* Copies with the cut marked. */
static void msg_copy(char *dst, const char *src)
{
    size_t len = strlen(src);
    if (len < ERR_MSG_MAX) {
        memcpy(dst, src, len + 1);
        return;
    }
    memcpy(dst, src, ERR_MSG_MAX - 4);
    memcpy(dst + ERR_MSG_MAX - 4, "...", 4);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    if (err != NULL) {
        char text[ERR_MSG_MAX + 1];
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        err->code = code;
        msg_copy(err->msg, text);
    }
    return code;
}

int err_from_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return E_DISKFULL;
    case ENOENT:
        return E_NOTFOUND;
    case EEXIST:
        return E_EXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return E_PERM;
    case EADDRINUSE:
        return E_ADDRINUSE;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EPIPE:
        return E_UNAVAILABLE;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case ECANCELED:
        return E_CANCELED;
    case ENOMEM:
        return E_NOMEM;
    default:
        return E_IO;
    }
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
    int code = err_from_errno(errnum);
    if (err != NULL) {
        char head[ERR_MSG_MAX + 1];
        char text[ERR_MSG_MAX + 128];
        char why_buf[96];
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(head, sizeof head, fmt, ap);
        va_end(ap);
        const char *why = strerror_r(errnum, why_buf, sizeof why_buf);
        (void)snprintf(text, sizeof text, "%s: %.96s", head, why);
        err->code = code;
        msg_copy(err->msg, text);
    }
    return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return E_INVAL;
    }
    char head[ERR_MSG_MAX + 1];
    char text[2 * ERR_MSG_MAX + 4];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    (void)snprintf(text, sizeof text, "%s: %s", head, err->msg);
    msg_copy(err->msg, text);
    return err->code;
}

static const struct code_row *row_of(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].code == code) {
            return &codes[i];
        }
    }
    return NULL;
}

const char *err_name(int code)
{
    const struct code_row *row = row_of(code);
    return row != NULL ? row->name : "E_?";
}

const char *err_text(int code)
{
    const struct code_row *row = row_of(code);
    return row != NULL ? row->text : "unknown error";
}
