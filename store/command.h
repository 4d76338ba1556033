/* Commands: what changes the store, as carried in the Raft log. msgpack, versioned;
 * docs/format.md.
 *
 * A command is decoded into an arena with slices that borrow the entry's bytes: nothing is
 * copied until a record is made. Requests are the same structs on the read path (range,
 * read-only txn). Pure: time arrives inside commands (lease commands) and nowhere else. */
#ifndef BARQUE_STORE_COMMAND_H
#define BARQUE_STORE_COMMAND_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum sort_order { SORT_NONE, SORT_ASCEND, SORT_DESCEND };
enum sort_target { SORT_KEY, SORT_VERSION, SORT_CREATE, SORT_MOD, SORT_VALUE };

/* range_end: empty = the single key; one zero byte = every key >= key; else [key, range_end). */
struct range_request {
    struct slice key, range_end;
    int64_t limit;    /* 0 = none */
    int64_t revision; /* <= 0 = current */
    int sort_order, sort_target;
    bool keys_only, count_only;
    int64_t min_mod_revision, max_mod_revision, min_create_revision, max_create_revision;
};

struct put_request {
    struct slice key, value;
    int64_t lease;
    bool prev_kv, ignore_value, ignore_lease;
};

struct delete_request {
    struct slice key, range_end;
    bool prev_kv;
};

enum compare_result { COMPARE_EQUAL, COMPARE_GREATER, COMPARE_LESS, COMPARE_NOT_EQUAL };
enum compare_target {
    COMPARE_VERSION,
    COMPARE_CREATE,
    COMPARE_MOD,
    COMPARE_VALUE,
    COMPARE_LEASE,
};

struct compare {
    int result, target;
    struct slice key, range_end;
    int64_t number;      /* version, create, mod, lease */
    struct slice value;
};

struct txn_request;

enum op_type { OP_NONE, OP_RANGE, OP_PUT, OP_DELETE, OP_TXN };

struct op {
    enum op_type type;
    union {
        struct range_request range;
        struct put_request put;
        struct delete_request del;
        struct txn_request *txn;
    };
};

struct txn_request {
    struct compare *compare;
    struct op *success, *failure;
    size_t n_compare, n_success, n_failure;
};

enum command_type {
    COMMAND_PUT = 1,
    COMMAND_DELETE = 2,
    COMMAND_TXN = 3,
    COMMAND_COMPACT = 4,
    COMMAND_LEASE_GRANT = 5,
    COMMAND_LEASE_REVOKE = 6,      /* one or many ids: a batch of expiries is one entry */
    COMMAND_LEASE_CHECKPOINT = 7,  /* remaining TTLs, so that a new leader goes on from there */
    COMMAND_ALARM = 8,             /* sets or clears one alarm */
    COMMAND_AUTH = 9,              /* users, roles, permissions; on and off */
};

struct lease_checkpoint {
    int64_t id;
    int64_t remaining_ttl_s;
};

/* Which fields of an auth_change an action uses; a password comes as salt and hash (secret). */
enum auth_action {
    AUTH_ENABLE = 1,          /* secret: what tokens are signed with from now on */
    AUTH_DISABLE = 2,
    AUTH_USER_ADD = 3,        /* user, secret, number: 1 has no password */
    AUTH_USER_DELETE = 4,     /* user */
    AUTH_USER_PASSWORD = 5,   /* user, secret */
    AUTH_USER_GRANT = 6,      /* user, role */
    AUTH_USER_REVOKE = 7,     /* user, role */
    AUTH_ROLE_ADD = 8,        /* role */
    AUTH_ROLE_DELETE = 9,     /* role */
    AUTH_ROLE_GRANT = 10,     /* role, key, range_end, number: an auth_access */
    AUTH_ROLE_REVOKE = 11,    /* role, key, range_end */
};

enum auth_access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_READ_WRITE = 2 };

struct auth_change {
    enum auth_action action;
    struct slice user, role, key, range_end, secret;
    int64_t number;
};

enum alarm_type { ALARM_NONE, ALARM_NOSPACE, ALARM_CORRUPT }; /* etcd's numbers */

struct alarm_change {
    bool active;
    uint64_t member;
    enum alarm_type type;
    bool automatic; /* by the member itself; it clears only what was set so */
};

/* On whose behalf a command is proposed; only told while auth is on. What a member does by itself
 * for a client (it leaves a line of waiting calls) is the system's. */
enum who_kind { WHO_NOBODY, WHO_USER, WHO_SYSTEM };
struct auth_who {
    enum who_kind kind;
    struct slice user;
    uint64_t revision; /* of the auth state that the proposer knew; never 0 for a user */
};

struct command {
    enum command_type type;
    struct auth_who who;
    union {
        struct put_request put;
        struct delete_request del;
        struct txn_request txn;
        struct { int64_t revision; } compact;
        struct { int64_t id, ttl_s; } lease_grant; /* id is chosen by the proposer, never 0 */
        struct { int64_t *ids; size_t n; bool expired; } lease_revoke;
        struct { struct lease_checkpoint *items; size_t n; } lease_checkpoint;
        struct alarm_change alarm;
        struct auth_change auth;
    };
};

void command_encode(const struct command *c, struct buf *out);
/* Slices borrow `bytes`; arrays come from the arena. E_PROTO, E_TRUNCATED, E_TOOBIG. */
int command_decode(struct slice bytes, struct arena *arena, struct command *ret_command);

/* The checks etcd makes before proposing; E_EMPTY_KEY, E_VALUE_PROVIDED, E_LEASE_PROVIDED,
 * E_TOO_MANY_OPS, E_DUPLICATE_KEY, E_KEY_NOT_FOUND (empty op), E_INVALID_SORT. */
int range_check(const struct range_request *r);
int put_check(const struct put_request *r);
int delete_check(const struct delete_request *r);
int txn_check(const struct txn_request *t, size_t max_ops);
/* No put or delete in any branch at any depth. */
bool txn_is_readonly(const struct txn_request *t);
/* A put in any branch at any depth. */
bool txn_has_put(const struct txn_request *t);

#endif
