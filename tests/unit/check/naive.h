/* A store so naive that it is right by inspection: eight keys in an array, every revision's state
 * kept whole. It makes correct histories, which the tests then spoil; and the exhaustive search
 * runs on it. It shares nothing with check/. */
#ifndef BARQUE_TESTS_UNIT_CHECK_NAIVE_H
#define BARQUE_TESTS_UNIT_CHECK_NAIVE_H

#include "check/history.h"
#include "check/log.h"
#include "lib/base/rng.h"

enum { NV_KEYS = 8, NV_ASKS = 3, NV_COMPARES = 2 };

struct nv_kv {
    int key, value; /* value < 0: the empty string (keys_only) */
    int64_t create, mod, version, lease;
};

struct nv_state {
    struct nv_kv kv[NV_KEYS]; /* version 0: absent */
};

/* Keys [lo, hi); one key is asked for as one key, hi == NV_KEYS as "from lo on". */
struct nv_ask {
    enum check_kind kind;
    int lo, hi, value;
    int64_t revision, limit, lease;
    bool prev, keep_value, keys_only, count_only, serializable;
};

struct nv_compare {
    enum check_target target;
    enum check_relation relation;
    int lo, hi, value;
    int64_t number;
};

struct nv_answer {
    struct nv_kv kvs[NV_KEYS];
    int n;
    int64_t count; /* of a range, or deleted */
    bool more;
};

struct nv_event {
    struct nv_kv kv;
    bool deleted;
};

struct nv_op {
    enum check_kind kind;
    struct nv_compare compares[NV_COMPARES];
    struct nv_ask asks[2][NV_ASKS]; /* then, else; alone: asks[0][0] */
    int n_compares, n_asks[2];
    int64_t number; /* compact: revision; lease operations: the lease */
    int64_t ttl_s;
    /* fate */
    int64_t call, at, ret; /* at < 0: it never happens */
    int client;
    enum check_outcome outcome;
    int error;
    /* answer */
    int64_t revision;
    bool succeeded;
    struct nv_answer answers[NV_ASKS];
};

struct nv_rev {
    struct nv_event events[NV_ASKS * NV_KEYS];
    int n;
    int64_t at;
    int maker; /* index of the operation; -1: the end of a lease or a phantom */
};

/* A store at work: states[r] and revs[r] are those of revision r; 1 is the empty one. */
struct nv_store {
    struct nv_state *states;
    struct nv_rev *revs;
    int64_t revision;
    size_t cap;
};

void nv_store_init(struct nv_store *s);
void nv_store_fini(struct nv_store *s);
/* Runs it on the newest state: fills the answer and the changes, and stays there until
 * nv_commit. What cannot be done here sets op->error. */
void nv_run(const struct nv_store *s, struct nv_op *op, struct nv_state *ret_state,
            struct nv_rev *ret_rev);
void nv_commit(struct nv_store *s, const struct nv_state *state, const struct nv_rev *rev);
/* The answer of one range at a state. */
void nv_range(const struct nv_state *state, const struct nv_ask *a, struct nv_answer *ret_answer);
bool nv_writes(const struct nv_op *op); /* by its answer */
bool nv_serializable(const struct nv_op *op);

/* --- histories -------------------------------------------------------------------------------- */
struct nv_options {
    size_t ops;
    int clients, keys;
    int unknown_percent, lease_percent, compact_percent, serializable_percent;
    bool
        no_lone_deletes; /* unknown deletes bear no mark: without them a hole has one explanation */
    /* what goes wrong while it runs; -1: nothing */
    long lose;           /* this operation is answered, but not done */
    long twice;          /* this one is done twice */
    long swap_a, swap_b; /* these two happen in each other's place */
    long phantom;        /* before this one, something changes by itself */
};

struct nv_run {
    struct nv_options o;
    struct nv_op *ops; /* by call */
    size_t n;
    struct nv_store store;
    int n_leases;
};

void nv_options_init(struct nv_options *o);
void nv_generate(struct nv_run *run, const struct nv_options *o, uint64_t seed);
void nv_run_fini(struct nv_run *run);
/* Into a history, and the store's revisions [2, up_to] into a log (may be NULL). */
void nv_record(const struct nv_run *run, struct history *h, struct check_log *log, int64_t up_to);
void nv_record_op(struct history *h, const struct nv_op *op, uint32_t *ret_id);
void nv_key(int key, char text[16]);
void nv_value(int value, char text[16]);

#endif
