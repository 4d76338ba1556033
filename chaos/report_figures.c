/* What the renderers derive from a report. A stall is seen by the samples, so it is as exact as
 * their interval: an operation acknowledged at the very start of an interval ends the stall before
 * it. Percentiles cannot be joined over intervals; the median of the intervals' own is what is
 * shown for the whole run, under that name. */
#include "chaos/report_figures.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void sort(int64_t *values, size_t n)
{
    if (n != 0) {
        qsort(values, n, sizeof *values, by_value);
    }
}

/* By nearest rank, so that each percentile is a value that was seen. */
static int64_t percentile(const int64_t *sorted, size_t n, size_t percent)
{
    return n == 0 ? CHAOS_ABSENT : sorted[(n * percent + 99) / 100 - 1];
}

/* Over the faults of one kind, or of all when kind is NULL. */
static struct figures_recovery recovery_of(const struct chaos_report *r, const char *kind,
                                           int stage, int64_t *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < r->fault_count; i++) {
        const struct chaos_fault *f = &r->faults[i];
        if ((kind == NULL || str_eq(kind, f->kind)) && f->recovery_ms[stage] != CHAOS_ABSENT) {
            scratch[n++] = f->recovery_ms[stage];
        }
    }
    sort(scratch, n);
    return (struct figures_recovery){
        .n = n,
        .p50_ms = percentile(scratch, n, 50),
        .p90_ms = percentile(scratch, n, 90),
        .p99_ms = percentile(scratch, n, 99),
        .worst_ms = percentile(scratch, n, 100),
    };
}

static void make_kinds(const struct chaos_report *r, struct figures *fig, int64_t *scratch)
{
    for (size_t i = 0; i < r->fault_count; i++) {
        const struct chaos_fault *f = &r->faults[i];
        size_t k = 0;
        while (k < fig->kind_count && !str_eq(fig->kinds[k].kind, f->kind)) {
            k++;
        }
        if (k == FIGURES_KINDS_MAX) {
            fig->kinds_left_out++; /* an upper bound: of one kind it may be many */
            continue;
        }
        if (k == fig->kind_count) {
            fig->kinds[fig->kind_count++] =
                (struct figures_kind){ .kind = f->kind, .family = f->family };
        }
        fig->kinds[k].faults++;
    }
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        fig->all[s] = recovery_of(r, NULL, s, scratch);
        for (size_t k = 0; k < fig->kind_count; k++) {
            fig->kinds[k].stages[s] = recovery_of(r, fig->kinds[k].kind, s, scratch);
        }
    }
}

static void make_samples(const struct chaos_report *r, struct figures *fig, int64_t *scratch)
{
    double interval_s = (double)r->sample_ms / 1000;
    uint64_t ok = 0, most = 0;
    size_t live = 0, run = 0, longest = 0, longest_end = 0, with_p99 = 0;

    fig->worst_p99_us = CHAOS_ABSENT;
    for (size_t i = 0; i < r->sample_count; i++) {
        const struct chaos_sample *s = &r->samples[i];
        ok += s->ok;
        most = s->ok > most ? s->ok : most;
        live += s->ok != 0;
        run = s->ok != 0 ? 0 : run + 1;
        if (run > longest) {
            longest = run;
            longest_end = i + 1;
        }
        if (s->p99_us != CHAOS_ABSENT) {
            scratch[with_p99++] = s->p99_us;
            fig->worst_p99_us = s->p99_us > fig->worst_p99_us ? s->p99_us : fig->worst_p99_us;
        }
    }
    sort(scratch, with_p99);
    fig->p99_us = percentile(scratch, with_p99, 50);
    size_t with_p50 = 0;
    for (size_t i = 0; i < r->sample_count; i++) {
        if (r->samples[i].p50_us != CHAOS_ABSENT) {
            scratch[with_p50++] = r->samples[i].p50_us;
        }
    }
    sort(scratch, with_p50);
    fig->p50_us = percentile(scratch, with_p50, 50);
    fig->stall_ms = (int64_t)longest * r->sample_ms;
    fig->stall_at_ms = (int64_t)(longest_end - longest) * r->sample_ms;
    if (r->sample_count != 0 && interval_s > 0) {
        fig->available = (double)live / (double)r->sample_count;
        fig->mean_per_s = (double)ok / (interval_s * (double)r->sample_count);
        fig->max_per_s = (double)most / interval_s;
    }
}

static void make_totals(const struct chaos_report *r, struct figures *fig)
{
    for (size_t i = 0; i < r->op_count; i++) {
        fig->ok += r->ops[i].ok;
        fig->failed += r->ops[i].failed;
        fig->unknown += r->ops[i].unknown;
    }
    for (size_t i = 0; r->op_count == 0 && i < r->sample_count; i++) {
        fig->ok += r->samples[i].ok;
        fig->failed += r->samples[i].failed;
    }
    for (size_t i = 0; i < r->check_count; i++) {
        fig->held += r->checks[i].result == CHAOS_CHECK_HELD;
        fig->violated += r->checks[i].result == CHAOS_CHECK_VIOLATED;
        fig->not_run += r->checks[i].result == CHAOS_CHECK_NOT_RUN;
    }
}

void figures_make(const struct chaos_report *r, struct figures *ret)
{
    size_t most = CHAOS_SAMPLES_MAX > CHAOS_FAULTS_MAX ? CHAOS_SAMPLES_MAX : CHAOS_FAULTS_MAX;
    autofree int64_t *scratch = mem_alloc(most * sizeof *scratch);
    *ret = (struct figures){ .stall_at_ms = 0 };
    make_totals(r, ret);
    make_samples(r, ret, scratch);
    make_kinds(r, ret, scratch);
}
