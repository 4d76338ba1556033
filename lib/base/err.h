/* Errors: one list of codes for programs, one message for people.
 *
 * Functions return 0 or a negative E_ code. Edges (cli, yaml, config, rpc) also take a
 * `struct err *` that is filled once where the cause is known and prefixed on the way up:
 *
 *     return err_set(err, E_CORRUPT, "segment %s: record %u: checksum differs", name, n);
 *     ...
 *     if (rv != 0) return err_prefix(err, "open data directory %s", dir);
 *
 * Passing NULL for `err` is always allowed. Threads: no shared state. */
#ifndef BARQUE_BASE_ERR_H
#define BARQUE_BASE_ERR_H

#include <stdarg.h>

enum {
    E_OK = 0,
    /* general */
    E_INVAL = -1,       /* an argument or a value is wrong */
    E_NOTFOUND = -2,    /* the thing does not exist */
    E_EXIST = -3,       /* it exists already */
    E_CONFLICT = -4,    /* a compare-and-set lost */
    E_TIMEOUT = -5,     /* a deadline passed */
    E_CANCELED = -6,    /* the caller or a close cancelled it */
    E_UNAVAILABLE = -7, /* nobody answers; safe to try elsewhere */
    E_IO = -8,          /* the disk or a file failed */
    E_CORRUPT = -9,     /* stored bytes fail their checks */
    E_TOOBIG = -10,     /* over a limit of base/limits.h */
    E_FULL = -11,       /* a bounded queue is full: back off */
    E_PROTO = -12,      /* a peer broke the protocol */
    E_CLOSED = -13,     /* the connection or object is closed */
    E_PERM = -14,       /* not allowed */
    E_UNSUPPORTED = -15,
    E_MISMATCH = -16,   /* identity differs: cluster id, member id, version */
    E_TRUNCATED = -17,  /* bytes end too early */
    E_ADDRINUSE = -18,
    E_NOMEM = -19,
    E_DISKFULL = -20,   /* no space on the device */
    E_STOPPED = -21,    /* the server is stopping */
    /* raft */
    E_NOTLEADER = -40,
    E_NOLEADER = -41,
    E_LEADER_CHANGED = -42,
    E_NOTREADY = -43,   /* e.g. a learner that has not caught up */
    /* the etcd API (server/ and client/ map them to status and text by one table) */
    E_EMPTY_KEY = -60,
    E_KEY_NOT_FOUND = -61,
    E_VALUE_PROVIDED = -62,
    E_LEASE_PROVIDED = -63,
    E_TOO_MANY_OPS = -64,
    E_DUPLICATE_KEY = -65,
    E_INVALID_SORT = -66,
    E_COMPACTED = -67,
    E_FUTURE_REV = -68,
    E_NOSPACE = -69,    /* over the store's quota */
    E_LEASE_NOT_FOUND = -70,
    E_LEASE_EXIST = -71,
    E_LEASE_TTL_TOO_LARGE = -72,
    E_REQUEST_TOO_LARGE = -73,
    E_TOO_MANY_REQUESTS = -74,
    E_MEMBER_NOT_FOUND = -75,
    E_NOT_CAPABLE = -76,
    E_LEARNER = -77,    /* rpc not supported for learner */
    E_PEER_URL_EXIST = -78,
    E_NOT_STARTED = -79, /* a change would leave too few members that have ever started */
    E_NOT_LEARNER = -80,
    E_TOO_MANY_LEARNERS = -81,
    E_TRANSFEREE = -82, /* leadership cannot go there */
    /* auth; E_PERM is its "permission denied" */
    E_ROOT_USER = -100,
    E_ROOT_ROLE = -101,
    E_USER_EXIST = -102,
    E_USER_EMPTY = -103,
    E_USER_NOT_FOUND = -104,
    E_ROLE_EXIST = -105,
    E_ROLE_NOT_FOUND = -106,
    E_ROLE_EMPTY = -107,
    E_AUTH_FAILED = -108,
    E_NO_PASSWORD = -109,
    E_PERM_NOT_GIVEN = -110,
    E_ROLE_NOT_GRANTED = -111,
    E_PERM_NOT_GRANTED = -112,
    E_AUTH_NOT_ENABLED = -113,
    E_AUTH_TOKEN = -114,
    E_AUTH_MGMT = -115,
    E_AUTH_OLD = -116,
};

#define ERR_MSG_MAX 512

struct err {
    int code;
    char msg[ERR_MSG_MAX]; /* always NUL-terminated; cut with "..." when longer */
};

#define ERR_INIT { 0, { 0 } }

/* Fills `err` (when not NULL) and returns `code`. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set, with ": <strerror(errnum)>" appended; the code follows from errnum (ENOSPC gives
 * E_DISKFULL, ENOENT E_NOTFOUND, EEXIST E_EXIST, EACCES/EPERM/EROFS E_PERM, EADDRINUSE E_ADDRINUSE,
 * ECONNREFUSED... E_UNAVAILABLE, ENOMEM E_NOMEM, the rest E_IO). */
int err_errno(struct err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " before the message and returns err->code (E_INVAL if err is NULL). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The E_ code of an errno, as described at err_errno. */
int err_from_errno(int errnum);

/* "E_CORRUPT"; "E_?" for an unknown code. Static. */
const char *err_name(int code);

/* A short human sentence for a code alone ("stored bytes are damaged"). Static. */
const char *err_text(int code);

#endif
