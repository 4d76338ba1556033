/* The page: verdict, key figures, timeline, recovery, checks, workload, and how to repeat it. One
 * file that needs nothing else and no script, so it can be mailed, attached to a build, and opened
 * years later.
 *
 * Every text from the report goes through words_escape; what is printed directly are numbers and
 * words of ours. */
#include "chaos/report_html.h"

#include "chaos/report_plot.h"
#include "chaos/report_words.h"
#include "lib/base/assert.h"

enum { TWO_COLUMNS_FROM = 8 };

static const char *const icons[] = {
    [CHAOS_CHECK_HELD] =
        "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"11\" "
        "fill=\"currentColor\"/><path d=\"M6.8 12.6l3.5 3.4 6.9-7.6\" fill=\"none\" "
        "stroke=\"var(--card)\" stroke-width=\"2.2\" stroke-linecap=\"round\" "
        "stroke-linejoin=\"round\"/></svg>",
    [CHAOS_CHECK_VIOLATED] = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M7.4 "
                             "1h9.2L23 7.4v9.2L16.6 23H7.4"
                             "L1 16.6V7.4z\" fill=\"currentColor\"/><path d=\"M8 8l8 8M16 8l-8 8\" "
                             "stroke=\"var(--card)\" "
                             "stroke-width=\"2.2\" stroke-linecap=\"round\"/></svg>",
    [CHAOS_CHECK_NOT_RUN] =
        "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"10\" "
        "fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-dasharray=\"3.6 2.7\"/>"
        "<path d=\"M8 12h8\" stroke=\"currentColor\" stroke-width=\"2.2\" "
        "stroke-linecap=\"round\"/>"
        "</svg>",
};

static const enum chaos_result verdict_icons[] = {
    [CHAOS_ALL_HELD] = CHAOS_CHECK_HELD,
    [CHAOS_VIOLATION] = CHAOS_CHECK_VIOLATED,
    [CHAOS_COULD_NOT_RUN] = CHAOS_CHECK_NOT_RUN,
};

static void paragraph(struct buf *out, const char *tag, const char *text)
{
    buf_printf(out, "<%s>", tag);
    words_escape(out, text, WORDS_TEXT);
    buf_printf(out, "</%s>", tag);
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

/* --- top -------------------------------------------------------------------------------------- */

static void verdict_text(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    switch (chaos_report_verdict(r)) {
    case CHAOS_ALL_HELD:
        if (fig->not_run == 0) {
            buf_printf(out, fig->held == 1 ? "The check held" : "All %zu checks held", fig->held);
        } else {
            buf_printf(out, "%s held, %zu not run", words_plural(fig->held, "check").s,
                       fig->not_run);
        }
        break;
    case CHAOS_VIOLATION:
        buf_printf(out, "%zu of %s violated", fig->violated,
                   words_plural(fig->held + fig->violated, "check").s);
        break;
    case CHAOS_COULD_NOT_RUN:
        buf_append_str(out, "The run could not be done");
        break;
    }
}

/* What stands under the verdict: the reason, or the names of what was violated, or how it went. */
static void verdict_line(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    const char *comma = "";
    if (fig->violated != 0) {
        for (size_t i = 0; i < r->check_count; i++) {
            if (r->checks[i].result == CHAOS_CHECK_VIOLATED) {
                buf_append_str(out, comma);
                buf_append_str(out, or_empty(r->checks[i].name));
                comma = ", ";
            }
        }
        buf_append_str(out, "; ");
    } else if (r->failure != NULL) {
        buf_append_str(out, r->failure);
        if (r->fault_count == 0 && fig->ok == 0) {
            return;
        }
        buf_append_str(out, "; ");
    }
    buf_printf(out, "%s in %s, %s operations acknowledged%s",
               words_plural(r->fault_count, "fault").s, words_ms(r->duration_ms).s,
               words_count(fig->ok).s, r->interrupted ? "; interrupted" : "");
}

static void page_top(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    enum chaos_verdict verdict = chaos_report_verdict(r);
    autobuf text = BUF_INIT;
    const char *const names[] = { r->target, r->server };
    buf_append_str(out, "<header><p class=\"eyebrow\"><b>barque chaos</b>");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (or_empty(names[i])[0] != '\0') {
            buf_append_str(out, " \u00b7 ");
            words_escape(out, names[i], WORDS_TEXT);
        }
    }
    buf_printf(out, " \u00b7 seed %s \u00b7 %s</p>\n", words_seed(r->seed).s,
               words_date(r->start_wall_ms).s);
    buf_printf(out, "<div class=\"verdict %s\">%s<div><h1>", words_verdict(verdict),
               icons[verdict_icons[verdict]]);
    verdict_text(r, fig, out);
    buf_append_str(out, "</h1>");
    verdict_line(r, fig, &text);
    paragraph(out, "p", buf_str(&text));
    buf_append_str(out, "</div></div>\n");
}

static void tile(struct buf *out, const char *name, const char *value, const char *note)
{
    buf_printf(out, "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", name, value, note);
}

static void page_tiles(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    autobuf note = BUF_INIT, value = BUF_INIT;
    if (r->sample_count == 0 && r->op_count == 0) {
        buf_append_str(out, "</header>\n");
        return;
    }
    buf_append_str(out, "<dl class=\"tiles\">\n");
    buf_printf(&note, "at most %s/s", words_rate(fig->max_per_s).s);
    buf_printf(&value, "%s/s", words_rate(fig->mean_per_s).s);
    tile(out, "Mean throughput", buf_str(&value), buf_str(&note));
    buf_reset(&note);
    buf_printf(&note, "and %s of unknown outcome", words_count(fig->unknown).s);
    tile(out, "Operations failed", words_count(fig->failed).s, buf_str(&note));
    buf_reset(&note);
    buf_printf(&note, fig->stall_ms != 0 ? "no acknowledgement, at %s" : "every interval had one",
               words_clock(fig->stall_at_ms).s);
    tile(out, "Longest stall", fig->stall_ms != 0 ? words_ms(fig->stall_ms).s : "none",
         buf_str(&note));
    buf_reset(&value);
    buf_reset(&note);
    buf_printf(&value, "%.*f\u2009%%", fig->available > 0.9995 ? 0 : 1, 100 * fig->available);
    buf_printf(&note, "of intervals of %s", words_ms(r->sample_ms).s);
    tile(out, "Available", r->sample_count != 0 ? buf_str(&value) : "\u2013", buf_str(&note));
    static const enum chaos_recovery shown[] = { CHAOS_FIRST_WRITE, CHAOS_ALL_READY };
    static const char *const names[] = { "First write", "All ready" };
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const struct figures_recovery *rec = &fig->all[shown[i]];
        if (rec->n != 0) {
            buf_reset(&note);
            buf_printf(&note, "median after %s; worst %s", i == 0 ? "a fault" : "its end",
                       words_ms(rec->worst_ms).s);
            tile(out, names[i], words_ms(rec->p50_ms).s, buf_str(&note));
        }
    }
    buf_append_str(out, "</dl>\n</header>\n");
}

/* --- timeline --------------------------------------------------------------------------------- */

static void legend_item(struct buf *out, const char *class, const char *shape, const char *name)
{
    buf_printf(out,
               "<li><svg viewBox=\"0 0 20 12\" class=\"%s\" aria-hidden=\"true\">%s</svg>%s</li>\n",
               class, shape, name);
}

static void legend_faults(const struct chaos_report *r, struct buf *out)
{
    static const char *const names[CHAOS_FAMILY_N] = {
        "process", "network", "disk", "clock", "membership", "node",
    };
    bool seen[CHAOS_FAMILY_N] = { false };
    for (size_t i = 0; i < r->fault_count; i++) {
        seen[r->faults[i].family] = true;
    }
    buf_append_str(out, "<ul class=\"legend\"><li>Fault</li>\n");
    for (int f = 0; f < CHAOS_FAMILY_N; f++) {
        char class[8] = { 'f', (char)('0' + f), '\0' };
        if (seen[f]) {
            legend_item(out, class,
                        "<rect class=\"band\" x=\".5\" y=\".5\" width=\"19\" "
                        "height=\"11\" rx=\"2\"/>",
                        names[f]);
        }
    }
    legend_item(out, "mono", "<path class=\"tail\" d=\"M0 8H20\"/>", "until all ready");
    buf_append_str(out, "</ul>\n<ul class=\"legend\"><li>Recovery</li>\n");
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        autobuf shape = BUF_INIT;
        buf_printf(&shape, "<g transform=\"translate(10 6)\">%s</g>",
                   plot_stage_shape((enum chaos_recovery)s));
        legend_item(out, "mono", buf_str(&shape),
                    s == CHAOS_ALL_READY ? "all ready (from the fault\u2019s end)"
                                         : words_recovery_title((enum chaos_recovery)s));
    }
    buf_append_str(out, "</ul>\n");
}

static void page_timeline(const struct chaos_report *r, struct buf *out)
{
    static const struct {
        const char *class, *shape, *name;
    } loads[] = {
        { "", "<rect class=\"leading\" y=\"4.5\" width=\"20\" height=\"3\"/>", "leads" },
        { "", "<path class=\"ok\" d=\"M0 12V4H8V2H20V12z\"/>", "acknowledged" },
        { "", "<path class=\"bad\" d=\"M0 12V8H10V6H20V12z\"/>", "failed or unknown" },
        { "", "<path class=\"p99\" d=\"M1 6H19\"/>", "p99" },
        { "", "<path class=\"p50\" d=\"M1 6H19\"/>", "p50" },
    };
    if (r->sample_count == 0 && r->fault_count == 0) {
        return;
    }
    buf_append_str(out, "<section id=\"timeline\"><h2>Timeline</h2>\n");
    if (r->fault_count != 0) {
        legend_faults(r, out);
    }
    buf_append_str(out, "<ul class=\"legend\"><li>Cluster</li>\n");
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        legend_item(out, loads[i].class, loads[i].shape, loads[i].name);
    }
    buf_append_str(out, "</ul>\n<div class=\"scroll plot\">\n");
    plot_svg(r, out);
    buf_append_str(out, "</div></section>\n");
}

/* --- checks ----------------------------------------------------------------------------------- */

static void check_item(const struct chaos_check *c, struct buf *out)
{
    buf_printf(out, "<li class=\"%s\">%s<div><b>", words_result(c->result), icons[c->result]);
    words_escape(out, c->name, WORDS_TEXT);
    buf_append_str(out, "</b><p>");
    words_sentence(out, c->claim);
    buf_append_str(out, "</p>");
    if (c->reason != NULL && c->reason[0] != '\0') {
        buf_append_str(out, "<p>Not run: ");
        words_escape(out, c->reason, WORDS_TEXT);
        buf_append_str(out, "</p>");
    }
    buf_append_str(out, "</div><div class=\"n\">");
    if (c->result == CHAOS_CHECK_NOT_RUN) {
        buf_append_str(out, "not run");
    } else {
        buf_append_str(out, c->result == CHAOS_CHECK_VIOLATED ? "violated; " : "");
        words_escape(out, words_units(c->checked, c->unit).s, WORDS_TEXT);
    }
    buf_append_str(out, "</div>");
    if (c->counterexample != NULL && c->counterexample[0] != '\0') {
        paragraph(out, "pre", c->counterexample);
    }
    buf_append_str(out, "</li>\n");
}

/* Those of one result; in two columns when they are many and short. */
static void check_list(const struct chaos_report *r, enum chaos_result result, size_t n,
                       struct buf *out)
{
    if (n == 0) {
        return;
    }
    buf_printf(out, "<ul class=\"checks%s\">\n",
               result != CHAOS_CHECK_VIOLATED && n >= TWO_COLUMNS_FROM ? " two" : "");
    for (size_t i = 0; i < r->check_count; i++) {
        if (r->checks[i].result == result) {
            check_item(&r->checks[i], out);
        }
    }
    buf_append_str(out, "</ul>\n");
}

static void page_checks(const struct chaos_report *r, const struct figures *fig, struct buf *out)
{
    if (r->check_count == 0) {
        return;
    }
    buf_append_str(out, "<section id=\"checks\"><h2>What must hold</h2>\n");
    check_list(r, CHAOS_CHECK_VIOLATED, fig->violated, out);
    check_list(r, CHAOS_CHECK_HELD, fig->held, out);
    check_list(r, CHAOS_CHECK_NOT_RUN, fig->not_run, out);
    buf_append_str(out, "</section>\n");
}

/* --- how to repeat it ------------------------------------------------------------------------- */

static void env_row(struct buf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        buf_printf(out, "<dt>%s</dt>", name);
        paragraph(out, "dd", value);
        buf_append_char(out, '\n');
    }
}

/* Appends to a list with commas what is not empty. */
static void join(struct buf *list, const char *what, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        buf_append_str(list, list->len != 0 ? ", " : "");
        buf_append_str(list, what);
        buf_append_str(list, value);
    }
}

static void page_environment(const struct chaos_report *r, struct buf *out)
{
    autobuf machine = BUF_INIT, version = BUF_INIT;
    join(&machine, "", r->machine);
    join(&machine, "", r->cpus != 0 ? words_plural(r->cpus, "CPU").s : NULL);
    join(&machine, "memory ", r->memory_bytes != 0 ? words_bytes(r->memory_bytes).s : NULL);
    join(&version, "barque ", r->version);
    join(&version, "commit ", r->commit);
    buf_append_str(out, "<section id=\"environment\"><h2>To repeat it</h2>\n<dl class=\"env\">\n");
    env_row(out, "Target", r->target);
    env_row(out, "Server", r->server);
    env_row(out, "Workload", r->workload);
    env_row(out, "Seed", words_seed(r->seed).s);
    env_row(out, "Started", words_date(r->start_wall_ms).s);
    env_row(out, "Ran for", words_ms(r->duration_ms).s);
    env_row(out, "Program", buf_str(&version));
    env_row(out, "Machine", buf_str(&machine));
    if (r->dropped != 0) {
        env_row(out, "Entries left out", words_count(r->dropped).s);
    }
    buf_append_str(out, "</dl>\n");
    if (r->replay != NULL && r->replay[0] != '\0') {
        paragraph(out, "pre", r->replay);
    }
    buf_append_str(out, "</section>\n");
}

void chaos_report_html(const struct chaos_report *r, struct buf *out)
{
    struct figures fig;
    figures_make(r, &fig);
    autobuf title = BUF_INIT;
    verdict_text(r, &fig, &title);
    buf_append_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
                        "<title>");
    words_escape(out, buf_str(&title), WORDS_TEXT);
    buf_append_str(out, " \u2013 barque chaos</title>\n<style>\n");
    buf_append_str(out, report_style);
    buf_append_str(out, "</style>\n</head>\n<body>\n<main>\n");
    page_top(r, &fig, out);
    page_tiles(r, &fig, out);
    if (fig.violated != 0) { /* what everybody looks for first */
        page_checks(r, &fig, out);
        page_timeline(r, out);
    } else {
        page_timeline(r, out);
        page_checks(r, &fig, out);
    }
    html_recovery(r, &fig, out);
    html_workload(r, &fig, out);
    page_environment(r, out);
    buf_printf(out,
               "<footer>Report format %d.<span class=\"screen\"> Hover over the timeline for "
               "figures.</span></footer>\n"
               "</main>\n</body>\n</html>\n",
               CHAOS_REPORT_FORMAT);
}
