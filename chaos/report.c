/* The report's memory: bounded arrays that never move, and samples that thin themselves out.
 *
 * Samples: a run of unknown length into CHAOS_SAMPLES_MAX places. While there is room each interval
 * has its own. When the places are used up, neighbours are joined (1+2, 3+4, ...), the interval
 * doubles, and from then on two, four, ... intervals are gathered into the newest place. Sums stay
 * exact; a joined p99 is the worse of both, a joined p50 their mean weighted by operations. */
#include "chaos/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

struct chaos_report *chaos_report_new(void)
{
    struct chaos_report *r = mem_zalloc(sizeof *r);
    arena_init(&r->arena);
    r->faults = mem_zalloc(CHAOS_FAULTS_MAX * sizeof *r->faults);
    r->samples = mem_zalloc(CHAOS_SAMPLES_MAX * sizeof *r->samples);
    r->marks = mem_zalloc(CHAOS_MARKS_MAX * sizeof *r->marks);
    r->sample_ms = 1000;
    r->sample_stride = 1;
    return r;
}

void chaos_report_free(struct chaos_report *r)
{
    if (r == NULL) {
        return;
    }
    mem_free(r->faults);
    mem_free(r->samples);
    mem_free(r->marks);
    arena_fini(&r->arena);
    mem_free(r);
}

const char *chaos_report_printf(struct chaos_report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char probe[1];
    int n = vsnprintf(probe, sizeof probe, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0);
    size_t len = (size_t)n < CHAOS_TEXT_MAX ? (size_t)n : CHAOS_TEXT_MAX;
    char *text = arena_alloc(&r->arena, len + 1);
    va_start(ap, fmt);
    (void)vsnprintf(text, len + 1, fmt, ap);
    va_end(ap);
    if ((size_t)n > len) {
        memcpy(text + len - 3, "...", 3);
    }
    return text;
}

/* Room for one more of `max`, or one more that was dropped. */
static bool has_room(struct chaos_report *r, size_t count, size_t max)
{
    if (count < max) {
        return true;
    }
    r->dropped++;
    return false;
}

struct chaos_fault *chaos_report_add_fault(struct chaos_report *r, const char *kind,
                                           enum chaos_family family, uint64_t targets,
                                           int64_t begin_ms)
{
    if (!has_room(r, r->fault_count, CHAOS_FAULTS_MAX)) {
        return NULL;
    }
    struct chaos_fault *f = &r->faults[r->fault_count++];
    *f = (struct chaos_fault){
        .kind = kind,
        .family = family,
        .targets = targets,
        .begin_ms = begin_ms,
        .end_ms = CHAOS_ABSENT,
    };
    for (int i = 0; i < CHAOS_RECOVERY_N; i++) {
        f->recovery_ms[i] = CHAOS_ABSENT;
    }
    return f;
}

struct chaos_mark *chaos_report_add_mark(struct chaos_report *r, enum chaos_mark_kind kind,
                                         int64_t at_ms)
{
    if (!has_room(r, r->mark_count, CHAOS_MARKS_MAX)) {
        return NULL;
    }
    struct chaos_mark *m = &r->marks[r->mark_count++];
    *m = (struct chaos_mark){ .at_ms = at_ms, .kind = kind, .lane = -1 };
    return m;
}

struct chaos_check *chaos_report_add_check(struct chaos_report *r, const char *name,
                                           const char *claim)
{
    if (!has_room(r, r->check_count, CHAOS_CHECKS_MAX)) {
        return NULL;
    }
    struct chaos_check *c = &r->checks[r->check_count++];
    *c = (struct chaos_check){
        .name = name,
        .claim = claim,
        .result = CHAOS_CHECK_NOT_RUN,
        .at_ms = CHAOS_ABSENT,
    };
    return c;
}

struct chaos_op *chaos_report_add_op(struct chaos_report *r, const char *name)
{
    if (!has_room(r, r->op_count, CHAOS_OPS_MAX)) {
        return NULL;
    }
    struct chaos_op *op = &r->ops[r->op_count++];
    *op = (struct chaos_op){
        .name = name,
        .p50_us = CHAOS_ABSENT,
        .p99_us = CHAOS_ABSENT,
        .max_us = CHAOS_ABSENT,
    };
    return op;
}

int chaos_report_add_lane(struct chaos_report *r, enum chaos_role role, const char *name)
{
    if (!has_room(r, r->lane_count, CHAOS_LANES_MAX)) {
        return -1;
    }
    r->lanes[r->lane_count] = (struct chaos_lane){ .name = name, .role = role };
    return (int)r->lane_count++;
}

void chaos_report_add_refusal(struct chaos_report *r, const char *kind, const char *reason)
{
    if (has_room(r, r->refusal_count, CHAOS_REFUSALS_MAX)) {
        r->refusals[r->refusal_count++] = (struct chaos_refusal){ .kind = kind, .reason = reason };
    }
}

static void count_up(struct chaos_report *r, struct chaos_count *counts, size_t *count, size_t max,
                     const char *name, uint64_t n)
{
    for (size_t i = 0; i < *count; i++) {
        if (str_eq(counts[i].name, name)) {
            counts[i].n += n;
            return;
        }
    }
    if (has_room(r, *count, max)) {
        counts[(*count)++] = (struct chaos_count){ chaos_report_printf(r, "%s", name), n };
    }
}

void chaos_report_add_error(struct chaos_report *r, const char *text, uint64_t n)
{
    /* The last place is for all others, so that the sum over the errors stays right. */
    bool full = r->error_count >= CHAOS_ERRORS_MAX - 1;
    for (size_t i = 0; full && i < r->error_count; i++) {
        full = !str_eq(r->errors[i].name, text);
    }
    count_up(r, r->errors, &r->error_count, CHAOS_ERRORS_MAX, full ? "other" : text, n);
}

void chaos_report_add_counter(struct chaos_report *r, const char *name, uint64_t n)
{
    count_up(r, r->counters, &r->counter_count, CHAOS_COUNTERS_MAX, name, n);
}

static void sample_join(struct chaos_sample *a, const struct chaos_sample *b)
{
    if (b->p50_us != CHAOS_ABSENT) {
        double all = (double)a->ok + (double)b->ok;
        a->p50_us = a->p50_us == CHAOS_ABSENT || all == 0
                        ? b->p50_us
                        : (int64_t)(((double)a->p50_us * (double)a->ok +
                                     (double)b->p50_us * (double)b->ok) / all);
        a->p99_us = a->p99_us > b->p99_us ? a->p99_us : b->p99_us;
    }
    a->ok += b->ok;
    a->failed += b->failed;
}

static void samples_halve(struct chaos_report *r)
{
    for (size_t i = 0; i < r->sample_count; i += 2) {
        struct chaos_sample joined = r->samples[i];
        if (i + 1 < r->sample_count) {
            sample_join(&joined, &r->samples[i + 1]);
        }
        r->samples[i / 2] = joined;
    }
    r->sample_count = (r->sample_count + 1) / 2;
    r->sample_stride *= 2;
    r->sample_ms *= 2;
}

void chaos_report_add_sample(struct chaos_report *r, const struct chaos_sample *s)
{
    if (r->sample_count > 0 && r->sample_fill < r->sample_stride) {
        sample_join(&r->samples[r->sample_count - 1], s);
        r->sample_fill++;
        return;
    }
    if (r->sample_count == CHAOS_SAMPLES_MAX) {
        /* All are full and their number is even, so none is half gathered after it. */
        samples_halve(r);
    }
    r->samples[r->sample_count++] = *s;
    r->sample_fill = 1;
}

enum chaos_verdict chaos_report_verdict(const struct chaos_report *r)
{
    size_t run = 0;
    for (size_t i = 0; i < r->check_count; i++) {
        if (r->checks[i].result == CHAOS_CHECK_VIOLATED) {
            return CHAOS_VIOLATION;
        }
        run += r->checks[i].result != CHAOS_CHECK_NOT_RUN;
    }
    return r->failure != NULL || run == 0 ? CHAOS_COULD_NOT_RUN : CHAOS_ALL_HELD;
}
