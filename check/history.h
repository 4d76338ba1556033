/* What clients asked of an etcd v3 API, and what they were told.
 *
 * An operation is recorded twice: history_call before the request leaves, history_return when
 * its fate is known. One that never returns has an unknown outcome; so has one whose answer was
 * lost. All times are microseconds on ONE monotonic clock.
 *
 *     id = history_call(&h, client, member, now_us, &request);
 *     ...
 *     history_return(&h, id, now_us, CHECK_OK, 0, &response);
 *
 * Everything is copied into the pool (about 150 bytes an operation besides new strings). An
 * operation of unknown outcome is told apart in the log by its value: let each put of a client
 * carry a value that no other put carries. Pure, one owner, no callbacks. */
#ifndef BARQUE_CHECK_HISTORY_H
#define BARQUE_CHECK_HISTORY_H

#include "check/pool.h"
#include "lib/base/buf.h"

enum check_kind {
    CHECK_PUT,
    CHECK_RANGE,
    CHECK_DELETE,
    CHECK_TXN,
    CHECK_COMPACT,
    CHECK_GRANT,
    CHECK_REVOKE,
    CHECK_KEEPALIVE,
    CHECK_KINDS
};
enum check_outcome {
    CHECK_UNKNOWN, /* it may have happened, also later than the return */
    CHECK_OK,      /* answered */
    CHECK_FAILED   /* it never happened and never will: refused before it was proposed, or judged
                      and refused by the store (then `error` says how) */
};
enum check_target {
    CHECK_VERSION,
    CHECK_CREATE,
    CHECK_MOD,
    CHECK_VALUE,
    CHECK_LEASE
};
enum check_relation { CHECK_EQUAL, CHECK_GREATER, CHECK_LESS, CHECK_NOT_EQUAL };

struct check_kv {
    struct slice key, value;
    int64_t create_revision, mod_revision, version, lease;
};

/* One put, range or delete: alone or in a branch of a txn. range_end as on the wire: empty = the
 * one key, one zero byte = every key from `key` on, else [key, range_end). Ranges are in key order
 * (no other sort order is recorded). */
struct check_ask {
    enum check_kind kind;    /* CHECK_PUT, CHECK_RANGE, CHECK_DELETE */
    struct slice key, range_end;
    struct slice value;      /* put */
    int64_t lease;           /* put */
    int64_t revision, limit; /* range; 0 = current, 0 = no limit */
    bool prev_kv;            /* put, delete */
    bool ignore_value, ignore_lease;             /* put */
    bool keys_only, count_only, serializable;    /* range */
};

struct check_compare {
    enum check_target target;
    enum check_relation relation;
    struct slice key, range_end;
    int64_t number;      /* version, create, mod, lease */
    struct slice value;  /* CHECK_VALUE */
};

struct check_request {
    enum check_kind kind;
    struct check_ask ask;                                /* put, range, delete */
    const struct check_compare *compares;                /* txn */
    const struct check_ask *then_asks, *else_asks;
    size_t n_compares, n_then, n_else;
    int64_t revision;                                    /* compact */
    int64_t lease, ttl_s;                                /* grant (0: the server chooses), revoke,
                                                            keepalive */
};

/* The answer to one put, range or delete. `kvs` are a range's kvs, or prev_kv(s). */
struct check_answer {
    const struct check_kv *kvs;
    size_t n_kvs;
    int64_t count;       /* range */
    bool more;           /* range */
    int64_t deleted;     /* delete */
};

struct check_response {
    int64_t revision;                    /* the header's */
    bool succeeded;                      /* txn */
    const struct check_answer *answers;  /* one, or one an operation of the branch taken */
    size_t n_answers;
    int64_t lease, ttl_s;                /* grant, keepalive (ttl_s 0: no such lease) */
};

/* --- the packed form: what the checkers read -------------------------------------------------- */
struct check_pkv {
    uint32_t key, value; /* pool ids */
    int64_t create_revision, mod_revision, version, lease;
};

enum {
    CHECK_F_PREV_KV = 1,
    CHECK_F_IGNORE_VALUE = 2,
    CHECK_F_IGNORE_LEASE = 4,
    CHECK_F_KEYS_ONLY = 8,
    CHECK_F_COUNT_ONLY = 16,
    CHECK_F_SERIALIZABLE = 32,
    CHECK_F_MORE = 64        /* of the answer */
};

/* An ask and, once it is answered, its answer. */
struct check_part {
    uint8_t kind, flags;
    uint32_t key, range_end, value;
    uint32_t n_kvs;
    int64_t lease;
    int64_t revision, limit;
    int64_t count;           /* range's count, delete's deleted */
    struct check_pkv *kvs;
};

struct check_pcompare {
    uint8_t target, relation;
    uint32_t key, range_end, value;
    int64_t number;
};

struct check_ptxn {
    struct check_pcompare *compares;
    struct check_part *then_parts, *else_parts;
    uint32_t n_compares, n_then, n_else;
};

struct check_op {
    int64_t call_us, return_us; /* INT64_MAX: never */
    int64_t revision;           /* of the response's header; 0 = none */
    uint32_t client, member;
    uint8_t kind, outcome;
    bool succeeded;             /* txn: the branch taken */
    bool malformed;             /* the answer has not one part for each asked */
    int16_t error;              /* E_..., 0 = none told */
    int64_t lease, ttl_s;       /* lease operations; ttl_s is the answer's once answered; compact:
                                   `lease` is the revision asked for */
    union {
        struct check_part *part; /* put, range, delete */
        struct check_ptxn *txn;  /* txn */
    };
};

#define CHECK_NO_OP UINT32_MAX

struct history {
    struct check_pool *pool;
    struct check_op *ops;    /* in order of call_us: history_call's clock may not go back */
    size_t n, cap;
    uint64_t dropped;        /* operations the pool had no room for */
    bool others_write;       /* writers exist that are not recorded (controllers, another client):
                                a change that no operation explains is then no violation */
};

/* The pool is borrowed and must outlive the history. */
void history_init(struct history *h, struct check_pool *pool);
void history_fini(struct history *h);

/* Returns the operation's number, or CHECK_NO_OP when the pool is full (history_return then does
 * nothing). PRE: now_us is not before the last call's. */
uint32_t history_call(struct history *h, uint32_t client, uint32_t member, int64_t now_us,
                      const struct check_request *request);
/* Once an operation. `response` only with CHECK_OK (NULL: outcome unknown after all). `error` is an
 * E_ code of lib/base/err.h, with CHECK_FAILED: E_COMPACTED, E_FUTURE_REV, E_LEASE_NOT_FOUND,
 * E_LEASE_EXIST, E_KEY_NOT_FOUND are held against the model, others (E_UNAVAILABLE, E_NOSPACE,
 * ...) are believed. */
void history_return(struct history *h, uint32_t op, int64_t now_us, enum check_outcome outcome,
                    int error, const struct check_response *response);

/* One line for people: "#17 client 3 member 1 [1.200000 s, 1.204211 s] put /a = "v17" -> revision
 * 9". */
void history_print(const struct history *h, uint32_t op, struct buf *out);
void check_print_kv(const struct check_pool *pool, const struct check_pkv *kv, struct buf *out);

#endif
