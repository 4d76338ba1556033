/* One run of one load: reach the servers, prepare, warm up, measure in windows of a second, drain.
 *
 *   PROBE --answer--> PREPARE --bench_go--> WARMUP --time--> MEASURE --time--> DRAIN --idle--> DONE
 *
 * A load issues operations from start() on, and again after each one for as long as bench_running
 * says so. It brackets each with bench_begin and bench_end (DRAIN waits for them), and counts what
 * succeeded with bench_count and what failed with bench_error; only what ends in MEASURE counts.
 * Threads: the loop's. */
#ifndef BARQUE_BENCH_ENGINE_H
#define BARQUE_BENCH_ENGINE_H

#include "bench/histogram.h"
#include "bench/options.h"
#include "lib/base/rng.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "proto/rpc.pb-c.h"

struct bench;
struct caller;
struct fill;

enum load_traits {
    LOAD_NEEDS_KEYS = 1 << 0,   /* the key space is filled first */
    LOAD_SELF_ENDING = 1 << 1,  /* ends by bench_finish, not by time; no warm-up */
    LOAD_NO_PROBE = 1 << 2,     /* does not wait for an answer first */
    LOAD_SMALL_WINDOW = 1 << 3, /* streams take 64 KiB ahead, HTTP/2's own default */
};

struct load {
    const char *name, *unit, *help;
    unsigned traits;
    void (*start)(struct bench *b); /* later or at once: bench_go */
    void (*issue)(struct caller *c); /* unary loads: one operation of a caller */
    void (*stop)(struct bench *b);  /* DRAIN begins; may be NULL */
    void (*free)(struct bench *b);  /* b->state; may be NULL */
};
extern const struct load bench_loads[];
extern const size_t bench_loads_n;
const struct load *load_find(const char *name); /* NULL when there is none */

enum bench_phase {
    PHASE_PROBE,
    PHASE_PREPARE,
    PHASE_WARMUP,
    PHASE_MEASURE,
    PHASE_DRAIN,
    PHASE_DONE,
};

enum { KEY_BYTES = 16, NOISE_BYTES = 65536, ERROR_PAUSE_MS = 20 };

/* What was measured. */
struct bench_result {
    uint64_t ops, errors;
    uint64_t measured_us;
    double *windows; /* operations a second, n_windows of them */
    size_t n_windows;
    struct histogram latency; /* microseconds */
    uint64_t server_cpu_us, client_cpu_us;
    uint64_t server_rss_bytes; /* at the end, all pids */
    bool pids_lost;            /* a pid could not be read: the server figures are void */
    char last_error[256];
};

struct bench {
    const struct bench_options *o;
    const struct load *load;
    struct loop *loop;
    struct rpc_channel **channels;
    size_t n_channels;
    enum bench_phase phase;
    struct timer tick; /* the next end of a window or a phase */
    struct timer probe;
    uint64_t wait_until_ms;
    bool logged_in; /* where a user was given */
    size_t in_flight;
    uint64_t phase_us, window_us; /* when they began */
    uint64_t window_ops;
    uint64_t server_cpu_before, client_cpu_before;
    struct rng rng;
    uint8_t *noise; /* values are slices of it */
    struct fill *fill; /* while the keys are written */
    void *state;       /* the load's */
    struct bench_result result;
    struct err failure; /* why there is no result; code 0 = there is one */
};

/* Runs to the end. 0, or E_UNAVAILABLE and the like with text when nothing could be measured. The
 * result (windows: mem_free) is filled in either case. */
int bench_run(const struct bench_options *o, const struct load *load,
              struct bench_result *ret_result, struct err *err);

/* For loads. */
void bench_go(struct bench *b);
void bench_finish(struct bench *b); /* self-ending loads: all is done */
void bench_fail(struct bench *b, int code, const char *text); /* cannot go on */
bool bench_running(const struct bench *b);
void bench_begin(struct bench *b);
void bench_end(struct bench *b);
void bench_count(struct bench *b, uint64_t started_us, uint64_t ops);
void bench_error(struct bench *b, const char *text);
/* At the end of a load of events: those that never came are errors. */
void bench_expected(struct bench *b, uint64_t seen, uint64_t expected);
struct rpc_channel *bench_channel(struct bench *b, size_t caller);
/* "bench/0000000042": KEY_BYTES bytes, in order of index. */
void bench_key(uint8_t *ret_key, uint64_t index);
ProtobufCBinaryData bench_value(struct bench *b);
/* `op` becomes the put of this key with a value of the load's; it points at `put`. */
void bench_put_op(struct bench *b, Etcdserverpb__RequestOp *op, Etcdserverpb__PutRequest *put,
                  ProtobufCBinaryData key);

/* login.c: asks for a token while in PROBE; then probes. */
void bench_login(struct bench *b);
/* engine.c: an answer in PROBE, to go on or to ask again. */
void bench_probed(struct bench *b, const struct rpc_result *result);

/* fill.c: writes every key once in batches, counting each key; then calls done. */
void fill_start(struct bench *b, void (*done)(struct bench *b));

/* unary.c: o->clients callers, each with one call open. */
void unary_start(struct bench *b);
void unary_free(struct bench *b);
void unary_put(struct caller *c);
void unary_get(struct caller *c);
void unary_get_serializable(struct caller *c);
void unary_txn(struct caller *c);
void unary_list(struct caller *c);

/* fill.c, watch.c, past.c, stalled.c, lease.c, first_read.c */
void fill_load_start(struct bench *b);
void watch_load_start(struct bench *b);
void watch_load_stop(struct bench *b);
void watch_load_free(struct bench *b);
void past_start(struct bench *b);
void past_free(struct bench *b);
void stalled_start(struct bench *b);
void stalled_free(struct bench *b);
void lease_load_start(struct bench *b);
void lease_load_free(struct bench *b);
void first_read_start(struct bench *b);
void first_read_free(struct bench *b);

#endif
