/* The tables of the page: how long recovery took, by kind of fault and fault by fault, with a bar
 * under each figure; and what the workload did. Bars of one column share one scale, so that a
 * column can be read at a glance. */
#include "chaos/report_html.h"

#include "chaos/report_words.h"
#include "lib/base/assert.h"

enum { FAULTS_OPEN_MAX = 40, METER_PIXELS = 64 };

/* --- recovery --------------------------------------------------------------------------------- */

static void recovery_cell(struct buf *out, int64_t ms, int64_t worst_ms, const char *also)
{
    if (ms == CHAOS_ABSENT) {
        buf_append_str(out, "<td class=\"n none\">\u2013</td>");
        return;
    }
    double width = worst_ms > 0 ? METER_PIXELS * (double)ms / (double)worst_ms : 0;
    buf_printf(out, "<td class=\"n\">%s%s<i class=\"meter\" style=\"width:%.0fpx\"></i></td>",
               words_ms(ms).s, also, width);
}

static void stage_heads(const struct figures *fig, struct buf *out)
{
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        if (fig->all[s].n != 0) {
            buf_printf(out, "<th class=\"n\" scope=\"col\">%s</th>",
                       words_recovery_title((enum chaos_recovery)s));
        }
    }
}

static void recovery_percentiles(const struct figures *fig, struct buf *out)
{
    static const char *const heads[] = { "p50", "p90", "p99", "worst" };
    int64_t worst_ms = 0;
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        worst_ms = fig->all[s].worst_ms > worst_ms ? fig->all[s].worst_ms : worst_ms;
    }
    buf_append_str(out, "<h3>Over all faults</h3><div class=\"scroll\"><table><thead><tr>"
                        "<th scope=\"col\">stage</th><th class=\"n\" scope=\"col\">faults</th>");
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        buf_printf(out, "<th class=\"n\" scope=\"col\">%s</th>", heads[i]);
    }
    buf_append_str(out, "</tr></thead><tbody class=\"mono\">\n");
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        const struct figures_recovery *rec = &fig->all[s];
        if (rec->n == 0) {
            continue;
        }
        buf_printf(out, "<tr><td class=\"k\">%s</td><td class=\"n\">%zu</td>",
                   words_recovery_title((enum chaos_recovery)s), rec->n);
        const int64_t cells[] = { rec->p50_ms, rec->p90_ms, rec->p99_ms, rec->worst_ms };
        for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
            recovery_cell(out, cells[i], worst_ms, "");
        }
        buf_append_str(out, "</tr>\n");
    }
    buf_append_str(out, "</tbody></table></div>\n");
}

static void recovery_by_kind(const struct figures *fig, struct buf *out)
{
    buf_append_str(out,
                   "<h3>By kind of fault: median, and the worst</h3><div class=\"scroll\"><table>"
                   "<thead><tr><th scope=\"col\">fault</th><th class=\"n\" scope=\"col\">times"
                   "</th>");
    stage_heads(fig, out);
    buf_append_str(out, "</tr></thead><tbody>\n");
    for (size_t k = 0; k < fig->kind_count; k++) {
        const struct figures_kind *kind = &fig->kinds[k];
        buf_printf(out, "<tr class=\"f%d\"><td class=\"k\"><i class=\"chip\"></i>",
                   (int)kind->family);
        words_escape(out, kind->kind, WORDS_TEXT);
        buf_printf(out, "</td><td class=\"n\">%zu</td>", kind->faults);
        for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
            const struct figures_recovery *rec = &kind->stages[s];
            if (fig->all[s].n == 0) {
                continue;
            }
            autobuf also = BUF_INIT;
            buf_printf(&also, " <span class=\"none\">/ %s</span>", words_ms(rec->worst_ms).s);
            recovery_cell(out, rec->p50_ms, fig->all[s].worst_ms, rec->n > 1 ? buf_str(&also) : "");
        }
        buf_append_str(out, "</tr>\n");
    }
    buf_append_str(out, "</tbody></table></div>\n");
    if (fig->kinds_left_out != 0) {
        buf_printf(out, "<p class=\"lead\">%s of further kinds are in the list only.</p>\n",
                   words_plural(fig->kinds_left_out, "fault").s);
    }
}

static void fault_row(const struct chaos_report *r, size_t i, const struct figures *fig,
                      struct buf *out)
{
    const struct chaos_fault *f = &r->faults[i];
    autobuf names = BUF_INIT;
    words_targets(&names, r, f->targets);
    buf_printf(out,
               "<tr class=\"f%d\"><td class=\"n s\">%zu</td><td class=\"k\">"
               "<i class=\"chip\"></i>",
               (int)f->family, i + 1);
    words_escape(out, f->kind, WORDS_TEXT);
    if (f->detail != NULL && f->detail[0] != '\0') {
        buf_append_str(out, "<span class=\"detail\">");
        words_escape(out, f->detail, WORDS_TEXT);
        buf_append_str(out, "</span>");
    }
    buf_append_str(out, "</td><td>");
    words_escape(out, buf_str(&names), WORDS_TEXT);
    buf_printf(out, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
               words_clock(f->begin_ms).s,
               f->end_ms != CHAOS_ABSENT ? words_ms(f->end_ms - f->begin_ms).s : "to the end");
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        if (fig->all[s].n != 0) {
            recovery_cell(out, f->recovery_ms[s], fig->all[s].worst_ms, "");
        }
    }
    buf_append_str(out, "</tr>\n");
}

static void fault_list(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    bool closed = r->fault_count > FAULTS_OPEN_MAX;
    if (closed) {
        buf_printf(out, "<details><summary>All %s, one by one</summary>\n",
                   words_plural(r->fault_count, "fault").s);
    } else {
        buf_append_str(out, "<h3>Fault by fault</h3>\n");
    }
    buf_append_str(out,
                   "<div class=\"scroll\"><table><thead><tr><th class=\"n\" scope=\"col\">#</th>"
                   "<th scope=\"col\">fault</th><th scope=\"col\">to whom</th>"
                   "<th class=\"n\" scope=\"col\">at</th><th class=\"n\" scope=\"col\">for"
                   "</th>");
    stage_heads(fig, out);
    buf_append_str(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < r->fault_count; i++) {
        fault_row(r, i, fig, out);
    }
    buf_append_str(out, "</tbody></table></div>\n");
    buf_append_str(out, closed ? "</details>\n" : "");
}

static void refusals(const struct chaos_report *r, struct buf *out)
{
    if (r->refusal_count == 0) {
        return;
    }
    buf_append_str(out, "<h3>Could not be done here</h3><table><tbody>\n");
    for (size_t i = 0; i < r->refusal_count; i++) {
        buf_append_str(out, "<tr><td class=\"k\">");
        words_escape(out, r->refusals[i].kind, WORDS_TEXT);
        buf_append_str(out, "</td><td class=\"s\">");
        words_escape(out, r->refusals[i].reason, WORDS_TEXT);
        buf_append_str(out, "</td></tr>\n");
    }
    buf_append_str(out, "</tbody></table>\n");
}

void html_recovery(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    if (r->fault_count == 0 && r->refusal_count == 0 && r->sample_count == 0) {
        return;
    }
    buf_append_str(out, "<section id=\"recovery\"><h2>Faults and recovery</h2>\n");
    if (r->fault_count == 0) {
        buf_append_str(out, "<p class=\"lead\">Nothing was hurt in this run.</p>\n");
    } else {
        buf_append_str(out,
                       "<p class=\"lead\">Counted from the moment a fault began: until it was "
                       "noticed, until there was a leader again, until a write sent after it was "
                       "acknowledged, until lost pods had running replacements. <em>All ready</em> "
                       "counts from the fault's end.</p>\n");
        recovery_percentiles(fig, out);
        recovery_by_kind(fig, out);
        fault_list(r, fig, out);
    }
    refusals(r, out);
    buf_append_str(out, "</section>\n");
}

/* --- workload --------------------------------------------------------------------------------- */

static void op_table(const struct chaos_report *r, struct buf *out)
{
    static const char *const heads[] = { "acknowledged", "failed", "unknown", "p50", "p99", "max" };
    buf_append_str(out, "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">operation</th>");
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        buf_printf(out, "<th class=\"n\" scope=\"col\">%s</th>", heads[i]);
    }
    buf_append_str(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < r->op_count; i++) {
        const struct chaos_op *op = &r->ops[i];
        buf_append_str(out, "<tr><td class=\"k\">");
        words_escape(out, op->name, WORDS_TEXT);
        buf_append_str(out, "</td>");
        const struct word cells[] = {
            words_count(op->ok),  words_count(op->failed), words_count(op->unknown),
            words_us(op->p50_us), words_us(op->p99_us),    words_us(op->max_us),
        };
        for (size_t k = 0; k < ARRAY_LEN(cells); k++) {
            buf_printf(out, "<td class=\"n\">%s</td>", cells[k].s);
        }
        buf_append_str(out, "</tr>\n");
    }
    buf_append_str(out, "</tbody></table></div>\n");
}

static void count_table(const char *title, const struct chaos_count *counts, size_t n,
                        struct buf *out)
{
    if (n == 0) {
        return;
    }
    buf_printf(out, "<div><h3>%s</h3><table><tbody>\n", title);
    for (size_t i = 0; i < n; i++) {
        buf_append_str(out, "<tr><td>");
        words_escape(out, counts[i].name, WORDS_TEXT);
        buf_printf(out, "</td><td class=\"n\">%s</td></tr>\n", words_count(counts[i].n).s);
    }
    buf_append_str(out, "</tbody></table></div>\n");
}

void html_workload(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    if (r->op_count == 0 && r->error_count == 0 && r->counter_count == 0) {
        return;
    }
    buf_append_str(out, "<section id=\"workload\"><h2>Workload</h2>\n<p class=\"lead\">");
    if (r->workload != NULL && r->workload[0] != '\0') {
        words_escape(out, r->workload, WORDS_TEXT);
        buf_append_str(out, ". ");
    }
    buf_append_str(out, "Failed operations certainly did not happen; unknown ones were cut off and "
                        "may have, and the checks allow for both.");
    if (fig->p50_us != CHAOS_ABSENT) {
        buf_printf(out, " In the median interval p50 was %s and p99 %s.", words_us(fig->p50_us).s,
                   words_us(fig->p99_us).s);
    }
    buf_append_str(out, "</p>\n");
    if (r->op_count != 0) {
        op_table(r, out);
    }
    buf_append_str(out, "<div class=\"cols\">\n");
    count_table("Errors that clients saw", r->errors, r->error_count, out);
    count_table("Counted on the way", r->counters, r->counter_count, out);
    buf_append_str(out, "</div></section>\n");
}
