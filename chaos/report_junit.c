/* JUnit XML, as build servers read it: a testcase a check; a violation is a failure with its
 * counterexample, a check that was not run is skipped, a run that could not be done an error. What
 * repeats the run and how long recovery took are properties. */
#include "chaos/report_figures.h"
#include "chaos/report_words.h"

static void attribute(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " %s=\"", name);
    words_escape(out, value, WORDS_ATTR);
    buf_append_char(out, '"');
}

static void property(struct buf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        buf_append_str(out, "<property");
        attribute(out, "name", name);
        attribute(out, "value", value);
        buf_append_str(out, "/>\n");
    }
}

static void properties(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    buf_append_str(out, "<properties>\n");
    property(out, "seed", words_seed(r->seed).s);
    property(out, "replay", r->replay);
    property(out, "target", r->target);
    property(out, "server", r->server);
    property(out, "workload", r->workload);
    property(out, "version", r->version);
    property(out, "commit", r->commit);
    property(out, "machine", r->machine);
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        const struct figures_recovery *rec = &fig->all[s];
        if (rec->n != 0) {
            autobuf name = BUF_INIT, value = BUF_INIT;
            buf_printf(&name, "recovery.%s", words_recovery((enum chaos_recovery)s));
            buf_printf(&value, "%zu faults, p50 %s, p90 %s, p99 %s, worst %s", rec->n,
                       words_ms(rec->p50_ms).s, words_ms(rec->p90_ms).s, words_ms(rec->p99_ms).s,
                       words_ms(rec->worst_ms).s);
            property(out, buf_str(&name), buf_str(&value));
        }
    }
    buf_append_str(out, "</properties>\n");
}

static void testcase(const struct chaos_check *c, struct buf *out)
{
    buf_append_str(out, "<testcase classname=\"barque.chaos\"");
    attribute(out, "name", c->name);
    switch (c->result) {
    case CHAOS_CHECK_HELD:
        buf_append_str(out, "/>\n");
        return;
    case CHAOS_CHECK_NOT_RUN:
        buf_append_str(out, "><skipped");
        attribute(out, "message", c->reason);
        buf_append_str(out, "/></testcase>\n");
        return;
    case CHAOS_CHECK_VIOLATED:
        buf_append_str(out, "><failure type=\"violation\"");
        attribute(out, "message", c->claim);
        buf_append_char(out, '>');
        words_escape(out, c->counterexample, WORDS_TEXT);
        buf_append_str(out, "</failure></testcase>\n");
        return;
    }
}

/* The sum of the run, for the two elements that carry it. */
static void totals(const struct chaos_report *r, const struct figures *fig, size_t errors,
                   struct buf *out)
{
    long long ms = r->duration_ms > 0 ? r->duration_ms : 0;
    buf_printf(out,
               " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" "
               "time=\"%lld.%03lld\"",
               r->check_count + errors, fig->violated, errors, fig->not_run, ms / 1000, ms % 1000);
}

void chaos_report_junit(const struct chaos_report *r, struct buf *out)
{
    struct figures fig;
    figures_make(r, &fig);
    const char *failure = r->failure;
    if (failure == NULL && chaos_report_verdict(r) == CHAOS_COULD_NOT_RUN) {
        failure = "nothing was checked";
    }
    size_t errors = failure != NULL;
    buf_append_str(out,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"barque chaos\"");
    totals(r, &fig, errors, out);
    buf_append_str(out, ">\n<testsuite name=\"barque chaos\"");
    totals(r, &fig, errors, out);
    attribute(out, "timestamp", words_timestamp(r->start_wall_ms).s);
    buf_append_str(out, ">\n");
    properties(r, &fig, out);
    if (failure != NULL) {
        buf_append_str(out,
                       "<testcase classname=\"barque.chaos\" name=\"run\"><error type=\"run\"");
        attribute(out, "message", failure);
        buf_append_str(out, "/></testcase>\n");
    }
    for (size_t i = 0; i < r->check_count; i++) {
        testcase(&r->checks[i], out);
    }
    autobuf text = BUF_INIT;
    chaos_report_text(r, &(struct chaos_text_options){ .html_path = NULL }, &text);
    buf_append_str(out, "<system-out>");
    words_escape(out, buf_str(&text), WORDS_TEXT);
    buf_append_str(out, "</system-out>\n</testsuite>\n</testsuites>\n");
}
