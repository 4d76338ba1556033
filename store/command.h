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
};

struct lease_checkpoint {
    int64_t id;
    int64_t remaining_ttl_s;
};

struct command {
    enum command_type type;
    union {
        struct put_request put;
        struct delete_request del;
        struct txn_request txn;
        struct { int64_t revision; } compact;
        struct { int64_t id, ttl_s; } lease_grant; /* id is chosen by the proposer, never 0 */
        struct { int64_t *ids; size_t n; bool expired; } lease_revoke;
        struct { struct lease_checkpoint *items; size_t n; } lease_checkpoint;
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
