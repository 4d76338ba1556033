/* Recorded operations: each is sent on the wire once (no repetition hides its fate), on the
 * channel of the member that was chosen, and stands in the history with the time of its call and of
 * its return on one monotonic clock. What certainly never happened is told apart from what may
 * have.
 *
 * Also counts: totals and latencies by kind for the report, and a sample every OPS_SAMPLE_MS for
 * its plot. Memory is bounded by the pool of the history and by OPS_IN_FLIGHT_MAX. Callbacks come
 * on the loop, never inside the submitting call, exactly once each, until ops_close. */
#ifndef BARQUE_CHAOS_OPS_H
#define BARQUE_CHAOS_OPS_H

#include "chaos/report.h"
#include "chaos/target.h"
#include "check/history.h"
#include "lib/base/list.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"

enum { OPS_SAMPLE_MS = 250, OPS_TIMEOUT_MS = 3000, OPS_BUCKETS = 160, OPS_IN_FLIGHT_MAX = 4096 };

/* Latencies in buckets that grow by an eighth of a power of two: within 9 %. */
struct latency {
    uint32_t n[OPS_BUCKETS];
    uint64_t count, max_us;
};

struct ops_total {
    uint64_t ok, failed, unknown;
    struct latency latency;
};

struct ops {
    struct loop *loop;
    struct target *target;
    struct history *history;
    struct chaos_report *report;
    struct rpc_channel *channels[TARGET_MEMBERS_MAX];
    struct list in_flight; /* struct op */
    size_t n_in_flight;
    struct ops_total totals[CHECK_KINDS];
    uint64_t ok, failed; /* of all, for the progress line */
    uint64_t sample_ok, sample_failed;
    struct latency sample;
    struct timer sampler;
    uint64_t next_sample_ms;
    /* A write was acknowledged that was sent at sent_ms (loop time). */
    void (*on_write)(void *arg, uint64_t sent_ms);
    void *arg;
};

typedef void (*ops_done)(void *arg, enum check_outcome outcome, int error,
                         const struct check_response *response);

int ops_open(struct ops *o, struct loop *loop, struct target *t, struct history *h,
             struct chaos_report *report, uint64_t seed, struct err *err);
/* The first sample's interval begins now. */
void ops_start_samples(struct ops *o);
/* When the load ends: that nobody asks any more is no stall. */
void ops_stop_samples(struct ops *o);
/* Operations under way are of unknown outcome; their callbacks do not come. */
void ops_close(struct ops *o);
/* `done` may be NULL. Too many under way, or no room to record it: false, nothing was sent. */
bool ops_call(struct ops *o, uint32_t client, size_t member, const struct check_request *request,
              ops_done done, void *arg);
/* Totals by kind into the report. */
void ops_report(const struct ops *o);
/* Microseconds, as the history counts them. */
int64_t ops_now_us(const struct ops *o);
/* Percentile of a latency; CHAOS_ABSENT when empty. */
int64_t latency_percentile(const struct latency *l, double p);
void latency_add(struct latency *l, uint64_t us);

#endif
