/* The fields of a report's JSON, as tables that both the writer and the reader go through, so that
 * what one writes the other reads. docs/chaos-report.md says what each means. */
#ifndef BARQUE_CHAOS_REPORT_FIELDS_H
#define BARQUE_CHAOS_REPORT_FIELDS_H

#include "chaos/report.h"

#define FIELD_KIND "barque chaos report"
/* No time or latency in a report is longer: 300 years in ms. What is read is refused beyond, so
 * that sums of two never overflow. */
#define FIELD_TIME_MAX INT64_C(10000000000000)

enum field_type {
    FIELD_TEXT,   /* const char *; null: NULL */
    FIELD_COUNT,  /* uint64_t; beyond int64_t it is written as the greatest int64_t */
    FIELD_SMALL,  /* unsigned */
    FIELD_TIME,   /* int64_t, 0 to FIELD_TIME_MAX; null: CHAOS_ABSENT */
    FIELD_LENGTH, /* int64_t, 1 to FIELD_TIME_MAX */
    FIELD_DIGITS, /* uint64_t, as a string, since not every reader's numbers have 64 bits */
    FIELD_BOOL,
    FIELD_LANE, /* int, the index of a lane; null: -1 */
    FIELD_ROLE, /* enums, by name */
    FIELD_FAMILY,
    FIELD_RESULT,
    FIELD_MARK,
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

struct fields {
    const struct field *list;
    size_t n;
};

/* Of the report itself, and of what its arrays hold. A fault has `targets` and `recovery_ms`
 * besides; a sample is an array of its four numbers. */
extern const struct fields fields_report, fields_lane, fields_fault, fields_mark, fields_check,
    fields_op, fields_count, fields_refusal, fields_sample;

#endif
