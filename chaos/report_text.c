/* One screen. At most 24 lines of 80 columns, so that the last thing on a terminal is the whole
 * story:
 *
 *     barque chaos: demo cluster: 3 masters, 3 nodes; Barque 0.1.0
 *     seed 42, 5 min 0 s; kill 2, partition 2, slow disk 2
 *     ALL HELD: 6 checks, 1 not run; 14 faults; 951,717 operations acknowledged
 *       held      linearizable    1,427,310 operations
 *       ...
 *
 *     recovery       faults       p50       p90       p99     worst
 *     ...
 *
 *     answers  a bar for each 60th of the run
 *     faults   a mark where something was hurt
 *     ...
 *
 * Everything that has a fixed place is counted first; the checks get the lines that are left. */
#include <stdarg.h>
#include <stdio.h>

#include "chaos/report_figures.h"
#include "chaos/report_words.h"
#include "lib/base/assert.h"

enum {
    LINES = 24,
    COLUMNS = 80,
    LINES_FIXED = 9,        /* head 2, verdict, blank, load 4, the page */
    REPEAT_LINES_MAX = 3,   /* of the command, which is for copying: the terminal wraps it */
    COUNTEREXAMPLE_MAX = 4, /* lines of it; the page has all */
    BARS = 60,
    NAME = 10, /* columns before the bars, and of other names at the left */
    CHECK_NAME = 20,
    LIST_INDENT = 12,  /* of names that share lines */
    REST_COLUMNS = 12, /* "1,234 more" */
};

#define RED    "\x1b[1;31m"
#define GREEN  "\x1b[1;32m"
#define YELLOW "\x1b[1;33m"
#define FAINT  "\x1b[2m"
#define PLAIN  "\x1b[0m"

struct screen {
    const struct chaos_report *r;
    struct figures fig;
    struct buf *out;
    bool colour;
};

static void paint(struct screen *s, const char *colour)
{
    if (s->colour) {
        buf_append_str(s->out, colour);
    }
}

/* One line of any text, cut to the screen. */
static void line(struct screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(struct screen *s, const char *fmt, ...)
{
    char text[4 * COLUMNS + 64];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    words_line(s->out, text, COLUMNS);
    buf_append_char(s->out, '\n');
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

/* --- head ------------------------------------------------------------------------------------- */

/* As many kinds as fit into the columns, whole. */
static void kinds(const struct figures *fig, size_t columns, struct buf *out)
{
    for (size_t k = 0, used = 0; k < fig->kind_count; k++) {
        autobuf item = BUF_INIT;
        size_t width = words_line(&item, fig->kinds[k].kind, CHECK_NAME) + 4;
        buf_printf(&item, " %zu", fig->kinds[k].faults);
        if (used + width + 14 > columns && k + 1 < fig->kind_count) {
            buf_printf(out, ", %zu kinds more", fig->kind_count - k);
            return;
        }
        buf_append_str(out, k == 0 ? "; " : ", ");
        buf_append_slice(out, buf_slice(&item));
        used += width;
    }
}

static void head(struct screen *s)
{
    const struct chaos_report *r = s->r;
    autobuf second = BUF_INIT;
    buf_printf(&second, "seed %s, %s%s", words_seed(r->seed).s, words_ms(r->duration_ms).s,
               r->interrupted ? ", interrupted" : "");
    kinds(&s->fig, COLUMNS - second.len, &second);
    bool target = or_empty(r->target)[0] != '\0', server = or_empty(r->server)[0] != '\0';
    line(s, "barque chaos%s%s%s%s", target ? ": " : "", or_empty(r->target), server ? "; " : "",
         or_empty(r->server));
    line(s, "%s", buf_str(&second));
}

static void verdict(struct screen *s)
{
    static const char *const words[] = { "ALL HELD", "VIOLATED", "COULD NOT RUN" };
    static const char *const colours[] = { GREEN, RED, YELLOW };
    enum chaos_verdict v = chaos_report_verdict(s->r);
    autobuf rest = BUF_INIT;
    paint(s, colours[v]);
    buf_append_str(s->out, words[v]);
    paint(s, PLAIN);
    if (v == CHAOS_COULD_NOT_RUN) {
        buf_printf(&rest, ": %s", s->r->failure != NULL ? s->r->failure : "nothing was checked");
    } else {
        if (v == CHAOS_VIOLATION) {
            buf_printf(&rest, ": %zu of", s->fig.violated);
        }
        buf_printf(&rest, "%s %s", v == CHAOS_VIOLATION ? "" : ":",
                   words_plural(s->fig.held + s->fig.violated, "check").s);
        if (s->fig.not_run != 0) {
            buf_printf(&rest, ", %zu not run", s->fig.not_run);
        }
        buf_printf(&rest, "; %s; %s acknowledged", words_plural(s->r->fault_count, "fault").s,
                   words_plural(s->fig.ok, "operation").s);
    }
    words_line(s->out, buf_str(&rest), COLUMNS - strlen(words[v]));
    buf_append_char(s->out, '\n');
}

/* --- checks ----------------------------------------------------------------------------------- */

static const char *const result_words[] = { "held", "VIOLATED", "not run" };

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (bool begin = true; *text != '\0'; text++) {
        n += begin && *text != '\n';
        begin = *text == '\n';
    }
    return n;
}

/* The first lines of it that are not empty. */
static void counterexample(struct screen *s, const char *text, size_t most)
{
    for (size_t n = 0; n < most && *text != '\0';) {
        size_t len = strcspn(text, "\n");
        if (len != 0) {
            autobuf one = BUF_INIT;
            buf_append(&one, text, len);
            buf_append_str(s->out, "    ");
            words_line(s->out, buf_str(&one), COLUMNS - 4);
            buf_append_char(s->out, '\n');
            n++;
        }
        text += len + (text[len] == '\n');
    }
}

static void check(struct screen *s, const struct chaos_check *c)
{
    static const char *const colours[] = { GREEN, RED, FAINT };
    autobuf name = BUF_INIT, about = BUF_INIT;
    buf_append_str(s->out, "  ");
    paint(s, colours[c->result]);
    buf_printf(s->out, "%-10s", result_words[c->result]);
    paint(s, PLAIN);
    size_t used = words_line(&name, c->name, CHECK_NAME);
    buf_printf(s->out, "%s%*s", buf_str(&name), (int)(CHECK_NAME + 1 - used), "");
    if (c->result == CHAOS_CHECK_NOT_RUN) {
        buf_append_str(&about, or_empty(c->reason));
    } else {
        struct word units = words_units(c->checked, c->unit);
        const char *rest = strchr(units.s, ' ');
        buf_printf(&about, "%13.*s%s", (int)(rest - units.s), units.s, rest);
    }
    words_line(s->out, buf_str(&about), COLUMNS - 12 - CHECK_NAME - 1);
    buf_append_char(s->out, '\n');
}

static void checks_of(struct screen *s, enum chaos_result result, size_t lines)
{
    for (size_t i = 0; i < s->r->check_count && lines > 0; i++) {
        const struct chaos_check *c = &s->r->checks[i];
        if (c->result != result) {
            continue;
        }
        check(s, c);
        lines--;
        if (result == CHAOS_CHECK_VIOLATED && c->counterexample != NULL && lines > 0) {
            size_t n = count_lines(c->counterexample);
            n = n < COUNTEREXAMPLE_MAX ? n : COUNTEREXAMPLE_MAX;
            n = n < lines ? n : lines;
            counterexample(s, c->counterexample, n);
            lines -= n;
        }
    }
}

/* The names of many, on at most so many lines; what does not fit is counted. */
static void checks_in_lines(struct screen *s, enum chaos_result result, size_t n, size_t lines)
{
    size_t used = 0, told = 0, room = COLUMNS - LIST_INDENT;
    if (n == 0) {
        return;
    }
    buf_printf(s->out, "  %-*s", LIST_INDENT - 2, result_words[result]);
    for (size_t i = 0; i < s->r->check_count; i++) {
        if (s->r->checks[i].result != result) {
            continue;
        }
        autobuf name = BUF_INIT;
        size_t width = words_line(&name, s->r->checks[i].name, CHECK_NAME) + 2;
        size_t reserve = lines == 1 && told + 1 < n ? REST_COLUMNS : 0;
        if (used + width + reserve > room && lines == 1) {
            buf_printf(s->out, "%s%zu more", used != 0 ? " " : "", n - told);
            break;
        }
        if (used + width > room) {
            buf_printf(s->out, "\n%*s", LIST_INDENT, "");
            used = 0;
            lines--;
        }
        told++;
        buf_printf(s->out, "%s%s%s", used != 0 ? " " : "", buf_str(&name), told < n ? "," : "");
        used += width;
    }
    buf_append_char(s->out, '\n');
}

static size_t lines_of_violations(const struct screen *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->r->check_count; i++) {
        const struct chaos_check *c = &s->r->checks[i];
        if (c->result == CHAOS_CHECK_VIOLATED) {
            size_t more = count_lines(or_empty(c->counterexample));
            n += 1 + (more < COUNTEREXAMPLE_MAX ? more : COUNTEREXAMPLE_MAX);
        }
    }
    return n;
}

/* One a line where there is room; else those that were not run share lines, then those that held
 * too. */
static void checks(struct screen *s, size_t lines)
{
    size_t violations = lines_of_violations(s), held = s->fig.held, not_run = s->fig.not_run;
    bool each_not_run = violations + held + not_run <= lines;
    not_run = each_not_run || not_run == 0 ? not_run : 1;
    bool each_held = violations + held + not_run <= lines;
    size_t held_least = each_held || held == 0 ? held : 1;
    violations = violations + held_least + not_run <= lines ? violations
                 : lines > held_least + not_run             ? lines - held_least - not_run
                                                            : 0;
    checks_of(s, CHAOS_CHECK_VIOLATED, violations);
    if (each_held) {
        checks_of(s, CHAOS_CHECK_HELD, held);
    } else {
        size_t left = lines > violations + not_run ? lines - violations - not_run : 1;
        checks_in_lines(s, CHAOS_CHECK_HELD, held, left);
    }
    if (each_not_run) {
        checks_of(s, CHAOS_CHECK_NOT_RUN, not_run);
    } else {
        checks_in_lines(s, CHAOS_CHECK_NOT_RUN, s->fig.not_run, 1);
    }
}

/* --- recovery and load ------------------------------------------------------------------------ */

static size_t recovery_lines(const struct screen *s)
{
    size_t n = 0;
    for (int i = 0; i < CHAOS_RECOVERY_N; i++) {
        n += s->fig.all[i].n != 0;
    }
    return n != 0 ? n + 2 : 0;
}

static void recovery(struct screen *s)
{
    if (recovery_lines(s) == 0) {
        return;
    }
    paint(s, FAINT);
    buf_printf(s->out, "%-12s%8s%13s%13s%13s%13s", "recovery", "faults", "p50", "p90", "p99",
               "worst");
    paint(s, PLAIN);
    buf_append_char(s->out, '\n');
    for (int i = 0; i < CHAOS_RECOVERY_N; i++) {
        const struct figures_recovery *rec = &s->fig.all[i];
        if (rec->n != 0) {
            line(s, "%-12s%8zu%13s%13s%13s%13s", words_recovery_title((enum chaos_recovery)i),
                 rec->n, words_ms(rec->p50_ms).s, words_ms(rec->p90_ms).s, words_ms(rec->p99_ms).s,
                 words_ms(rec->worst_ms).s);
        }
    }
    buf_append_char(s->out, '\n');
}

/* Acknowledged operations of the samples that fall into one bar, as a rate of samples. */
static double bar_height(const struct chaos_report *r, size_t bar)
{
    size_t from = bar * r->sample_count / BARS, to = (bar + 1) * r->sample_count / BARS;
    to = to > from ? to : from + 1;
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        sum += (double)r->samples[i].ok;
    }
    return sum / (double)(to - from);
}

static bool hurt_at(const struct chaos_report *r, size_t bar, double span_ms)
{
    double from = span_ms * (double)bar / BARS, to = span_ms * (double)(bar + 1) / BARS;
    for (size_t i = 0; i < r->fault_count; i++) {
        const struct chaos_fault *f = &r->faults[i];
        if ((double)f->begin_ms < to && (f->end_ms < 0 || (double)f->end_ms >= from)) {
            return true;
        }
    }
    return false;
}

static void bars(struct screen *s)
{
    static const char *const blocks[] = {
        " ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588",
    };
    double most = 0, heights[BARS];
    for (size_t i = 0; i < BARS; i++) {
        heights[i] = bar_height(s->r, i);
        most = heights[i] > most ? heights[i] : most;
    }
    buf_printf(s->out, "%-*s", NAME, "answers");
    for (size_t i = 0; i < BARS; i++) {
        double share = most > 0 ? heights[i] / most : 0;
        size_t level = share > 0 ? 1 + (size_t)(share * 7) : 0;
        buf_append_str(s->out, blocks[level < ARRAY_LEN(blocks) ? level : ARRAY_LEN(blocks) - 1]);
    }
    buf_printf(s->out, "\n%-*s", NAME, "faults");
    double span_ms = (double)s->r->sample_count * (double)s->r->sample_ms;
    for (size_t i = 0; i < BARS; i++) {
        buf_append_str(s->out, hurt_at(s->r, i, span_ms) ? "\u2580" : "\u00b7");
    }
    buf_append_char(s->out, '\n');
}

static void load(struct screen *s)
{
    const struct figures *f = &s->fig;
    if (s->r->sample_count == 0) {
        return;
    }
    bars(s);
    line(s, "%-*s%s/s, at most %s/s; p50 %s, p99 %s", NAME, "load", words_rate(f->mean_per_s).s,
         words_rate(f->max_per_s).s, words_us(f->p50_us).s, words_us(f->p99_us).s);
    autobuf stall = BUF_INIT;
    if (f->stall_ms != 0) {
        buf_printf(&stall, "; no answer for %s at %s", words_ms(f->stall_ms).s,
                   words_clock(f->stall_at_ms).s);
    }
    line(s, "%-*s%s failed, %s unknown%s", NAME, "", words_count(f->failed).s,
         words_count(f->unknown).s, buf_str(&stall));
}

/* The command that repeats the run, not cut as other lines are; empty when there is none. */
static void repeat(const struct chaos_report *r, struct buf *out)
{
    if (r->replay != NULL && r->replay[0] != '\0') {
        buf_printf(out, "%-*s", NAME, "repeat");
        words_line(out, r->replay, REPEAT_LINES_MAX * COLUMNS - NAME);
    }
}

void chaos_report_text(const struct chaos_report *r, const struct chaos_text_options *options,
                       struct buf *out)
{
    struct screen s = { .r = r, .out = out, .colour = options->colour };
    figures_make(r, &s.fig);
    autobuf command = BUF_INIT;
    repeat(r, &command);
    size_t fixed = LINES_FIXED + recovery_lines(&s) + (command.len + COLUMNS - 1) / COLUMNS;
    head(&s);
    verdict(&s);
    checks(&s, LINES - fixed);
    buf_append_char(out, '\n');
    recovery(&s);
    load(&s);
    if (command.len != 0) {
        buf_append_slice(out, buf_slice(&command));
        buf_append_char(out, '\n');
    }
    if (options->html_path != NULL) {
        line(&s, "%-*s%s", NAME, "page", options->html_path);
    }
}
