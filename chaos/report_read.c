/* Reads what report_json.c wrote, by the same tables. The file may be anybody's, so every length,
 * index and time is checked before it is used; a field that is not there keeps its value of an
 * empty report, one of the wrong type is refused by name, one that is unknown is passed over. */
#include <inttypes.h>
#include <stdlib.h>

#include "chaos/report_fields.h"
#include "chaos/report_words.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"

struct reader {
    struct chaos_report *r;
    struct err *err;
};

static int wrong(struct reader *rd, const char *name, const char *want)
{
    return err_set(rd->err, E_INVAL, "%s: not %s", name, want);
}

static int read_text(struct reader *rd, const char *name, const json_t *v, const char **ret)
{
    if (json_is_null(v)) {
        *ret = NULL;
        return 0;
    }
    if (!json_is_string(v)) {
        return wrong(rd, name, "a text");
    }
    if (json_string_length(v) > CHAOS_TEXT_MAX) {
        return err_set(rd->err, E_TOOBIG, "%s: %zu bytes, more than %d", name,
                       json_string_length(v), CHAOS_TEXT_MAX);
    }
    *ret = chaos_report_printf(rd->r, "%s", json_string_value(v));
    return 0;
}

static int read_integer(struct reader *rd, const char *name, const json_t *v, int64_t least,
                        int64_t most, int64_t *ret)
{
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most) {
        return err_set(rd->err, E_INVAL, "%s: not a number from %" PRId64 " to %" PRId64, name,
                       least, most);
    }
    *ret = json_integer_value(v);
    return 0;
}

/* null: -1, which is both CHAOS_ABSENT and no lane. */
static int read_optional(struct reader *rd, const char *name, const json_t *v, int64_t most,
                         int64_t *ret)
{
    if (json_is_null(v)) {
        *ret = CHAOS_ABSENT;
        return 0;
    }
    return read_integer(rd, name, v, 0, most, ret);
}

static int read_digits(struct reader *rd, const char *name, const json_t *v, uint64_t *ret)
{
    const char *s = json_string_value(v);
    uint64_t n = 0;
    if (s == NULL || s[0] == '\0') {
        return wrong(rd, name, "a number in a string");
    }
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n)) {
            return wrong(rd, name, "a number of 64 bits in a string");
        }
    }
    *ret = n;
    return 0;
}

static int read_name(struct reader *rd, const char *name, const json_t *v, enum field_type type,
                     void *at)
{
    const char *s = json_is_string(v) ? json_string_value(v) : "";
    int found = type == FIELD_ROLE     ? words_role_find(s)
                : type == FIELD_FAMILY ? words_family_find(s)
                : type == FIELD_RESULT ? words_result_find(s)
                                       : words_mark_find(s);
    if (found < 0) {
        return wrong(rd, name, "one of the known names");
    }
    *(unsigned *)at = (unsigned)found;
    return 0;
}

static int read_field(struct reader *rd, const struct field *f, const json_t *v, void *base)
{
    void *at = (char *)base + f->offset;
    int64_t n = 0;
    int rv = 0;
    switch (f->type) {
    case FIELD_TEXT:
        return read_text(rd, f->name, v, at);
    case FIELD_DIGITS:
        return read_digits(rd, f->name, v, at);
    case FIELD_TIME:
        return read_optional(rd, f->name, v, FIELD_TIME_MAX, at);
    case FIELD_LENGTH:
        return read_integer(rd, f->name, v, 1, FIELD_TIME_MAX, at);
    case FIELD_COUNT:
        rv = read_integer(rd, f->name, v, 0, INT64_MAX, &n);
        *(uint64_t *)at = (uint64_t)n;
        return rv;
    case FIELD_SMALL:
        rv = read_integer(rd, f->name, v, 0, INT32_MAX, &n);
        *(unsigned *)at = (unsigned)n;
        return rv;
    case FIELD_LANE:
        rv = read_optional(rd, f->name, v, (int64_t)rd->r->lane_count - 1, &n);
        *(int *)at = (int)n;
        return rv;
    case FIELD_BOOL:
        *(bool *)at = json_is_true(v);
        return json_is_boolean(v) ? 0 : wrong(rd, f->name, "true or false");
    case FIELD_ROLE:
    case FIELD_FAMILY:
    case FIELD_RESULT:
    case FIELD_MARK:
        return read_name(rd, f->name, v, f->type, at);
    }
    return E_INVAL;
}

static int read_object(struct reader *rd, const struct fields *fields, const json_t *v, void *base)
{
    if (!json_is_object(v)) {
        return err_set(rd->err, E_INVAL, "not an object");
    }
    for (size_t i = 0; i < fields->n; i++) {
        const json_t *value = json_object_get(v, fields->list[i].name);
        int rv = value != NULL ? read_field(rd, &fields->list[i], value, base) : 0;
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* Each makes one more element in the report and reads it. There is room: see read_arrays. */

static int read_lane(struct reader *rd, const json_t *v)
{
    int i = chaos_report_add_lane(rd->r, CHAOS_MEMBER, NULL);
    return read_object(rd, &fields_lane, v, &rd->r->lanes[i]);
}

static int read_fault(struct reader *rd, const json_t *v)
{
    struct chaos_fault *f = chaos_report_add_fault(rd->r, NULL, CHAOS_PROCESS, 0, 0);
    int rv = read_object(rd, &fields_fault, v, f);
    const json_t *recovery = json_object_get(v, "recovery_ms");
    for (int s = 0; rv == 0 && s < CHAOS_RECOVERY_N; s++) {
        const char *stage = words_recovery((enum chaos_recovery)s);
        const json_t *ms = json_object_get(recovery, stage);
        rv = ms != NULL ? read_optional(rd, stage, ms, FIELD_TIME_MAX, &f->recovery_ms[s]) : 0;
    }
    size_t i;
    json_t *target;
    json_array_foreach(json_object_get(v, "targets"), i, target)
    {
        int64_t lane = 0;
        rv = rv != 0
                 ? rv
                 : read_integer(rd, "targets", target, 0, (int64_t)rd->r->lane_count - 1, &lane);
        f->targets |= UINT64_C(1) << lane;
    }
    return rv;
}

static int read_mark(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_mark, v, chaos_report_add_mark(rd->r, CHAOS_MARK_NOTE, 0));
}

static int read_check(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_check, v, chaos_report_add_check(rd->r, NULL, NULL));
}

static int read_op(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_op, v, chaos_report_add_op(rd->r, NULL));
}

/* Not by chaos_report_add_error, which would join those of one text: the file is as it is. */
static int read_error(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_count, v, &rd->r->errors[rd->r->error_count++]);
}

static int read_counter(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_count, v, &rd->r->counters[rd->r->counter_count++]);
}

static int read_refusal(struct reader *rd, const json_t *v)
{
    return read_object(rd, &fields_refusal, v, &rd->r->refusals[rd->r->refusal_count++]);
}

static int read_sample(struct reader *rd, const json_t *v)
{
    struct chaos_sample *s = &rd->r->samples[rd->r->sample_count++];
    *s = (struct chaos_sample){ .p50_us = CHAOS_ABSENT, .p99_us = CHAOS_ABSENT };
    if (json_array_size(v) != fields_sample.n) {
        return err_set(rd->err, E_INVAL, "not an array of %zu numbers", fields_sample.n);
    }
    for (size_t k = 0; k < fields_sample.n; k++) {
        int rv = read_field(rd, &fields_sample.list[k], json_array_get(v, k), s);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* In this order: faults and marks name lanes. */
static const struct array {
    const char *name;
    size_t max;
    int (*read)(struct reader *rd, const json_t *v);
} arrays[] = {
    { "lanes", CHAOS_LANES_MAX, read_lane },
    { "faults", CHAOS_FAULTS_MAX, read_fault },
    { "marks", CHAOS_MARKS_MAX, read_mark },
    { "checks", CHAOS_CHECKS_MAX, read_check },
    { "ops", CHAOS_OPS_MAX, read_op },
    { "errors", CHAOS_ERRORS_MAX, read_error },
    { "counters", CHAOS_COUNTERS_MAX, read_counter },
    { "refusals", CHAOS_REFUSALS_MAX, read_refusal },
    { "samples", CHAOS_SAMPLES_MAX, read_sample },
};

static int read_arrays(struct reader *rd, const json_t *doc)
{
    for (size_t a = 0; a < ARRAY_LEN(arrays); a++) {
        const json_t *array = json_object_get(doc, arrays[a].name);
        if (array == NULL) {
            continue;
        }
        if (!json_is_array(array)) {
            return wrong(rd, arrays[a].name, "an array");
        }
        if (json_array_size(array) > arrays[a].max) {
            return err_set(rd->err, E_TOOBIG, "%s: %zu, more than %zu", arrays[a].name,
                           json_array_size(array), arrays[a].max);
        }
        for (size_t i = 0; i < json_array_size(array); i++) {
            int rv = arrays[a].read(rd, json_array_get(array, i));
            if (rv != 0) {
                (void)err_prefix(rd->err, "%s[%zu]", arrays[a].name, i);
                return rv;
            }
        }
    }
    return 0;
}

int chaos_report_from_json(struct slice text, struct chaos_report **ret, struct err *err)
{
    json_auto_t *doc = NULL;
    int rv = json_parse(text, &doc, err);
    if (rv != 0) {
        return rv;
    }
    if (!str_eq(json_path_str(doc, "kind", ""), FIELD_KIND)) {
        return err_set(err, E_INVAL, "not a report of barque chaos");
    }
    int64_t format = json_path_int(doc, "format", 0);
    if (format != CHAOS_REPORT_FORMAT) {
        return err_set(err, E_UNSUPPORTED, "format %" PRId64 "; this program reads %d", format,
                       CHAOS_REPORT_FORMAT);
    }
    struct reader rd = { .r = chaos_report_new(), .err = err };
    rv = read_object(&rd, &fields_report, doc, rd.r);
    rv = rv != 0 ? rv : read_arrays(&rd, doc);
    if (rv != 0) {
        chaos_report_free(rd.r);
        return rv;
    }
    *ret = rd.r;
    return 0;
}
