/* THE tables of a report's fields. A new field is a line here; one whose absence an older reader
 * would misread is a new CHAOS_REPORT_FORMAT. */
#include "chaos/report_fields.h"

#include <stddef.h>

#include "lib/base/assert.h"

#define FIELDS(table)                                                                              \
    {                                                                                              \
        table, ARRAY_LEN(table)                                                                    \
    }

static const struct field report[] = {
    { "target", FIELD_TEXT, offsetof(struct chaos_report, target) },
    { "server", FIELD_TEXT, offsetof(struct chaos_report, server) },
    { "workload", FIELD_TEXT, offsetof(struct chaos_report, workload) },
    { "version", FIELD_TEXT, offsetof(struct chaos_report, version) },
    { "commit", FIELD_TEXT, offsetof(struct chaos_report, commit) },
    { "replay", FIELD_TEXT, offsetof(struct chaos_report, replay) },
    { "machine", FIELD_TEXT, offsetof(struct chaos_report, machine) },
    { "failure", FIELD_TEXT, offsetof(struct chaos_report, failure) },
    { "seed", FIELD_DIGITS, offsetof(struct chaos_report, seed) },
    { "cpus", FIELD_SMALL, offsetof(struct chaos_report, cpus) },
    { "memory_bytes", FIELD_COUNT, offsetof(struct chaos_report, memory_bytes) },
    { "start_wall_ms", FIELD_TIME, offsetof(struct chaos_report, start_wall_ms) },
    { "duration_ms", FIELD_TIME, offsetof(struct chaos_report, duration_ms) },
    { "sample_ms", FIELD_LENGTH, offsetof(struct chaos_report, sample_ms) },
    { "interrupted", FIELD_BOOL, offsetof(struct chaos_report, interrupted) },
    { "dropped", FIELD_COUNT, offsetof(struct chaos_report, dropped) },
};
const struct fields fields_report = FIELDS(report);

static const struct field lane[] = {
    { "name", FIELD_TEXT, offsetof(struct chaos_lane, name) },
    { "role", FIELD_ROLE, offsetof(struct chaos_lane, role) },
};
const struct fields fields_lane = FIELDS(lane);

static const struct field fault[] = {
    { "kind", FIELD_TEXT, offsetof(struct chaos_fault, kind) },
    { "detail", FIELD_TEXT, offsetof(struct chaos_fault, detail) },
    { "family", FIELD_FAMILY, offsetof(struct chaos_fault, family) },
    { "begin_ms", FIELD_TIME, offsetof(struct chaos_fault, begin_ms) },
    { "end_ms", FIELD_TIME, offsetof(struct chaos_fault, end_ms) },
};
const struct fields fields_fault = FIELDS(fault);

static const struct field mark[] = {
    { "at_ms", FIELD_TIME, offsetof(struct chaos_mark, at_ms) },
    { "kind", FIELD_MARK, offsetof(struct chaos_mark, kind) },
    { "lane", FIELD_LANE, offsetof(struct chaos_mark, lane) },
    { "term", FIELD_COUNT, offsetof(struct chaos_mark, term) },
    { "text", FIELD_TEXT, offsetof(struct chaos_mark, text) },
};
const struct fields fields_mark = FIELDS(mark);

static const struct field check[] = {
    { "name", FIELD_TEXT, offsetof(struct chaos_check, name) },
    { "claim", FIELD_TEXT, offsetof(struct chaos_check, claim) },
    { "result", FIELD_RESULT, offsetof(struct chaos_check, result) },
    { "checked", FIELD_COUNT, offsetof(struct chaos_check, checked) },
    { "unit", FIELD_TEXT, offsetof(struct chaos_check, unit) },
    { "reason", FIELD_TEXT, offsetof(struct chaos_check, reason) },
    { "counterexample", FIELD_TEXT, offsetof(struct chaos_check, counterexample) },
    { "at_ms", FIELD_TIME, offsetof(struct chaos_check, at_ms) },
};
const struct fields fields_check = FIELDS(check);

static const struct field op[] = {
    { "name", FIELD_TEXT, offsetof(struct chaos_op, name) },
    { "ok", FIELD_COUNT, offsetof(struct chaos_op, ok) },
    { "failed", FIELD_COUNT, offsetof(struct chaos_op, failed) },
    { "unknown", FIELD_COUNT, offsetof(struct chaos_op, unknown) },
    { "p50_us", FIELD_TIME, offsetof(struct chaos_op, p50_us) },
    { "p99_us", FIELD_TIME, offsetof(struct chaos_op, p99_us) },
    { "max_us", FIELD_TIME, offsetof(struct chaos_op, max_us) },
};
const struct fields fields_op = FIELDS(op);

static const struct field count[] = {
    { "name", FIELD_TEXT, offsetof(struct chaos_count, name) },
    { "n", FIELD_COUNT, offsetof(struct chaos_count, n) },
};
const struct fields fields_count = FIELDS(count);

static const struct field refusal[] = {
    { "kind", FIELD_TEXT, offsetof(struct chaos_refusal, kind) },
    { "reason", FIELD_TEXT, offsetof(struct chaos_refusal, reason) },
};
const struct fields fields_refusal = FIELDS(refusal);

static const struct field sample[] = {
    { "ok", FIELD_COUNT, offsetof(struct chaos_sample, ok) },
    { "failed", FIELD_COUNT, offsetof(struct chaos_sample, failed) },
    { "p50_us", FIELD_TIME, offsetof(struct chaos_sample, p50_us) },
    { "p99_us", FIELD_TIME, offsetof(struct chaos_sample, p99_us) },
};
const struct fields fields_sample = FIELDS(sample);
