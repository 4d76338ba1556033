/* A report as JSON: everything that is in it, by the tables of report_fields.c, and before that
 * what a script wants first: the verdict and a summary. Both are derived, so the reader passes over
 * them. */
#include <math.h>

#include "chaos/report_fields.h"
#include "chaos/report_figures.h"
#include "chaos/report_words.h"
#include "lib/base/assert.h"
#include "lib/codec/json.h"

static json_t *text_of(const char *text)
{
    if (text == NULL) {
        return json_null();
    }
    autobuf valid = BUF_INIT;
    words_utf8(&valid, text, CHAOS_TEXT_MAX);
    return json_string(buf_str(&valid));
}

static json_t *count_of(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static json_t *time_of(int64_t t)
{
    return t < 0 ? json_null() : json_integer(t);
}

static json_t *field_of(const struct field *f, const void *base)
{
    const void *at = (const char *)base + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        return text_of(*(const char *const *)at);
    case FIELD_COUNT:
        return count_of(*(const uint64_t *)at);
    case FIELD_SMALL:
        return json_integer(*(const unsigned *)at);
    case FIELD_TIME:
    case FIELD_LENGTH:
        return time_of(*(const int64_t *)at);
    case FIELD_DIGITS:
        return json_string(words_seed(*(const uint64_t *)at).s);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_LANE:
        return *(const int *)at < 0 ? json_null() : json_integer(*(const int *)at);
    case FIELD_ROLE:
        return json_string(words_role(*(const enum chaos_role *)at));
    case FIELD_FAMILY:
        return json_string(words_family(*(const enum chaos_family *)at));
    case FIELD_RESULT:
        return json_string(words_result(*(const enum chaos_result *)at));
    case FIELD_MARK:
        return json_string(words_mark(*(const enum chaos_mark_kind *)at));
    }
    return NULL;
}

static void put(json_t *object, const char *name, json_t *value)
{
    int rv = json_object_set_new(object, name, value);
    INVARIANT(rv == 0);
}

static json_t *object_of(const struct fields *fields, const void *base)
{
    json_t *object = json_object();
    for (size_t i = 0; i < fields->n; i++) {
        put(object, fields->list[i].name, field_of(&fields->list[i], base));
    }
    return object;
}

static void put_array(json_t *doc, const char *name, const struct fields *fields, const void *items,
                      size_t size, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(array, object_of(fields, (const char *)items + i * size));
    }
    put(doc, name, array);
}

static json_t *fault_of(const struct chaos_report *r, const struct chaos_fault *f)
{
    json_t *object = object_of(&fields_fault, f), *targets = json_array(),
           *recovery = json_object();
    for (size_t i = 0; i < r->lane_count; i++) {
        if ((f->targets >> i & 1) != 0) {
            (void)json_array_append_new(targets, json_integer((json_int_t)i));
        }
    }
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        put(recovery, words_recovery((enum chaos_recovery)s), time_of(f->recovery_ms[s]));
    }
    put(object, "targets", targets);
    put(object, "recovery_ms", recovery);
    return object;
}

static void put_faults(json_t *doc, const struct chaos_report *r)
{
    json_t *faults = json_array();
    for (size_t i = 0; i < r->fault_count; i++) {
        (void)json_array_append_new(faults, fault_of(r, &r->faults[i]));
    }
    put(doc, "faults", faults);
}

static void put_samples(json_t *doc, const struct chaos_report *r)
{
    json_t *samples = json_array(), *names = json_array();
    for (size_t k = 0; k < fields_sample.n; k++) {
        (void)json_array_append_new(names, json_string(fields_sample.list[k].name));
    }
    for (size_t i = 0; i < r->sample_count; i++) {
        json_t *sample = json_array();
        for (size_t k = 0; k < fields_sample.n; k++) {
            (void)json_array_append_new(sample, field_of(&fields_sample.list[k], &r->samples[i]));
        }
        (void)json_array_append_new(samples, sample);
    }
    put(doc, "sample_columns", names);
    put(doc, "samples", samples);
}

/* Three digits behind the point are plenty, and print the same everywhere. */
static json_t *rounded(double v)
{
    return json_real(round(v * 1000) / 1000);
}

static json_t *summary_of(const struct chaos_report *r)
{
    struct figures fig;
    figures_make(r, &fig);
    json_t *summary = json_object(), *recovery = json_object();
    put(summary, "checks_held", json_integer((json_int_t)fig.held));
    put(summary, "checks_violated", json_integer((json_int_t)fig.violated));
    put(summary, "checks_not_run", json_integer((json_int_t)fig.not_run));
    put(summary, "faults", json_integer((json_int_t)r->fault_count));
    put(summary, "acknowledged", count_of(fig.ok));
    put(summary, "failed", count_of(fig.failed));
    put(summary, "unknown", count_of(fig.unknown));
    put(summary, "mean_per_s", rounded(fig.mean_per_s));
    put(summary, "available", rounded(fig.available));
    put(summary, "longest_stall_ms", json_integer(fig.stall_ms));
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        const struct figures_recovery *rec = &fig.all[s];
        json_t *stage = json_object();
        put(stage, "n", json_integer((json_int_t)rec->n));
        put(stage, "p50_ms", time_of(rec->p50_ms));
        put(stage, "p90_ms", time_of(rec->p90_ms));
        put(stage, "p99_ms", time_of(rec->p99_ms));
        put(stage, "worst_ms", time_of(rec->worst_ms));
        put(recovery, words_recovery((enum chaos_recovery)s), stage);
    }
    put(summary, "recovery", recovery);
    return summary;
}

void chaos_report_json(const struct chaos_report *r, struct buf *out)
{
    json_auto_t *doc = json_object();
    put(doc, "kind", json_string(FIELD_KIND));
    put(doc, "format", json_integer(CHAOS_REPORT_FORMAT));
    put(doc, "verdict", json_string(words_verdict(chaos_report_verdict(r))));
    put(doc, "summary", summary_of(r));
    json_t *head = object_of(&fields_report, r);
    (void)json_object_update(doc, head);
    json_decref(head);
    put_array(doc, "lanes", &fields_lane, r->lanes, sizeof r->lanes[0], r->lane_count);
    put_faults(doc, r);
    put_array(doc, "marks", &fields_mark, r->marks, sizeof r->marks[0], r->mark_count);
    put_array(doc, "checks", &fields_check, r->checks, sizeof r->checks[0], r->check_count);
    put_array(doc, "ops", &fields_op, r->ops, sizeof r->ops[0], r->op_count);
    put_array(doc, "errors", &fields_count, r->errors, sizeof r->errors[0], r->error_count);
    put_array(doc, "counters", &fields_count, r->counters, sizeof r->counters[0], r->counter_count);
    put_array(doc, "refusals", &fields_refusal, r->refusals, sizeof r->refusals[0],
              r->refusal_count);
    put_samples(doc, r);
    json_write(doc, out);
    buf_append_char(out, '\n');
}
