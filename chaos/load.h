/* THE table of loads: what clients do while the cluster is broken. A new one is a row and its
 * functions.
 *
 * All loads of a run share the recorded operations (ops.h), one prefix of keys of their own, and
 * a client number each; every value that is written is unique in the run, so that an operation of
 * unknown outcome is told by its value. Rates are bounded, so memory is. Threads: the loop's. */
#ifndef BARQUE_CHAOS_LOAD_H
#define BARQUE_CHAOS_LOAD_H

#include "chaos/ops.h"
#include "check/watch.h"
#include "client/client.h"
#include "lib/base/rng.h"

enum { LOADS_N = 5, LOAD_CLIENTS_MAX = 64, LOAD_WATCHES_MAX = 512, LOAD_KEYS = 24 };

struct loads;
struct load {
    const char *name, *help;
    bool objects;                   /* needs controllers, scheduler and nodes */
    void (*start)(struct loads *l); /* `running` false: nothing new from then on */
    /* What it began has come to its end, as far as that is needed; NULL = always. */
    bool (*settled)(struct loads *l);
    void (*free)(struct loads *l); /* may be NULL */
};
extern const struct load load_table[LOADS_N];
/* "kv,watch" or "all" -> bits of rows. E_INVAL with the nearest name. */
int loads_parse(const char *list, uint32_t *ret_bits, struct err *err);

struct load_kv;
struct load_txn;
struct load_lease;
struct load_watch;
struct load_deploy;

struct loads {
    struct loop *loop;
    struct target *target;
    struct ops *ops;
    struct chaos_report *report;
    struct client *client; /* the library's, with all endpoints */
    struct check_pool *pool;
    struct rng rng;
    uint64_t seed;
    uint64_t run_id;        /* of this run alone: in its keys and names */
    uint32_t bits;          /* rows that take part */
    uint64_t rate;          /* kv operations a second */
    char prefix[48];        /* "/chaos/1f0c.../" */
    int64_t start_revision; /* the cluster's, before anything was written */
    int64_t end_revision;   /* a revision after the last write; 0 = not known yet */
    int64_t log_revision;   /* logs are read up to here: whatever a watcher was told is in them */
    uint32_t n_clients;     /* numbers given out */
    uint64_t values;        /* unique values given out */
    bool running;
    struct check_watch *watches[LOAD_WATCHES_MAX];
    size_t n_watches;
    /* When each revision was first seen by the watch of everything: for checks that need time. */
    struct load_seen {
        int64_t revision, at_us;
    } * seen;
    size_t n_seen, cap_seen;
    struct load_kv *kv;
    struct load_txn *txn;
    struct load_lease *lease;
    struct load_watch *watch;
    struct load_deploy *deploy;
};

/* PRE: loop, target, ops, report, client, pool, seed, run_id, bits, rate, start_revision are
 * set. */
void loads_start(struct loads *l);
void loads_stop(struct loads *l);
/* NULL: all is told and as wanted; else whose is not. */
const char *loads_unsettled(struct loads *l);
/* What was seen stays: `watches`, and `seen` (mem_free it). */
void loads_free(struct loads *l);
/* When `revision` was first seen; 0 = it was not. */
int64_t loads_seen_us(const struct loads *l, int64_t revision);

/* --- for loads ---------------------------------------------------------------------------------
 */
/* "<prefix><rest>"; at least 96 bytes. */
struct slice loads_key(const struct loads *l, char *into, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A value that no other write of the run carries; at least 48 bytes. */
struct slice loads_value(struct loads *l, uint32_t client, char *into);

void load_kv_start(struct loads *l);
void load_kv_free(struct loads *l);
void load_txn_start(struct loads *l);
void load_txn_free(struct loads *l);
void load_lease_start(struct loads *l);
void load_lease_free(struct loads *l);
void load_watch_start(struct loads *l);
bool load_watch_settled(struct loads *l);
/* Watchers are told no more; the last revision that any was told, 0 = none. */
int64_t load_watch_end(struct loads *l);
void load_watch_free(struct loads *l);
void load_deploy_start(struct loads *l);
bool load_deploy_settled(struct loads *l);
void load_deploy_free(struct loads *l);
/* The run's Deployment (namespace default); NULL when there is none. */
const char *load_deploy_name(const struct loads *l);
/* It is as wanted; true when there is none. */
bool load_deploy_ready(const struct loads *l);
/* Pods of the run that count are left on `node`, or some are missing elsewhere. */
bool load_deploy_left(const struct loads *l, const char *node);

#endif
