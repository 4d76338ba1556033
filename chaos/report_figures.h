/* What the renderers derive from a report: totals, stalls, recovery by kind of fault. Pure. */
#ifndef BARQUE_CHAOS_REPORT_FIGURES_H
#define BARQUE_CHAOS_REPORT_FIGURES_H

#include "chaos/report.h"

enum { FIGURES_KINDS_MAX = 32 };

struct figures_recovery {
    size_t n; /* how many faults had it; the rest is absent when none had */
    int64_t p50_ms, p90_ms, p99_ms, worst_ms;
};

struct figures_kind {
    const char *kind;
    enum chaos_family family;
    size_t faults;
    struct figures_recovery stages[CHAOS_RECOVERY_N];
};

struct figures {
    uint64_t ok, failed, unknown;  /* operations: of `ops`, or of the samples when there are none */
    double mean_per_s, max_per_s;  /* acknowledged operations */
    double available;              /* share of the intervals in which one was acknowledged, 0..1 */
    int64_t stall_ms, stall_at_ms; /* longest run of intervals in which none was; 0 when none */
    int64_t p50_us, p99_us, worst_p99_us; /* medians over the intervals, and the worst one's p99 */
    size_t held, violated, not_run;       /* checks */
    struct figures_recovery all[CHAOS_RECOVERY_N]; /* over all faults */
    struct figures_kind kinds[FIGURES_KINDS_MAX];  /* in order of appearance */
    size_t kind_count;
    size_t kinds_left_out; /* kinds beyond the bound */
};

void figures_make(const struct chaos_report *r, struct figures *ret);

#endif
