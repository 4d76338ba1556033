/* The panels of the timeline, under its lanes:
 *
 *     throughput  acknowledged and failed operations a second, as steps: one a sample
 *     latency     p50 and p99 on a log scale; broken where nothing succeeded
 *     recovery    for each fault a stem with a sign for each stage that was seen, on a log scale
 *
 * Faults shade all of them, so that cause and effect line up. */
#include "chaos/report_plot.h"

#include <math.h>
#include <stdio.h>

#include "chaos/report_words.h"
#include "lib/base/assert.h"

enum {
    TITLE = 30, /* above a panel */
    RATE_HEIGHT = 150,
    LATENCY_HEIGHT = 130,
    RECOVERY_HEIGHT = 140,
    FAILED_MIN = 2,
    DODGE_MAX = 6, /* between two signs of one fault */
};

double plot_nice_step(double max, int ticks_max)
{
    if (!(max > 0)) {
        return 1;
    }
    double power = pow(10, floor(log10(max / ticks_max)));
    static const double factors[] = { 1, 2, 5, 10 };
    for (size_t i = 0; i < ARRAY_LEN(factors); i++) {
        if (max / (factors[i] * power) <= ticks_max * (1 + 1e-9)) {
            return factors[i] * power;
        }
    }
    return 10 * power;
}

static void panel_open(struct plot *p, const char *title, double height)
{
    p->y += TITLE;
    buf_printf(p->out, "<text class=\"pt\" x=\"%d\" y=\"%.1f\">%s</text>\n", PLOT_LEFT, p->y - 10,
               title);
    for (size_t i = 0; i < p->r->fault_count; i++) {
        const struct chaos_fault *f = &p->r->faults[i];
        double begin = plot_x(p, f->begin_ms), end = plot_x(p, plot_fault_end(p, f));
        buf_printf(
            p->out,
            "<rect class=\"shade f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\">",
            (int)f->family, begin, p->y, end > begin + 1 ? end - begin : 1, height);
        plot_fault_title(p, i);
        buf_append_str(p->out, "</rect>");
    }
    buf_append_char(p->out, '\n');
}

static void y_tick(struct plot *p, double y, const char *label)
{
    buf_printf(p->out,
               "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"yt\" x=\"%d\" y=\"%.1f\">%s"
               "</text>\n",
               PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, PLOT_LEFT - 12, y + 4, label);
}

static struct word decade(double power)
{
    static const char *const names[] = {
        "1 \u00b5s", "10 \u00b5s", "100 \u00b5s", "1 ms", "10 ms", "100 ms", "1 s", "10 s",
    };
    const size_t n = ARRAY_LEN(names);
    struct word w;
    if (power < (double)n) {
        (void)snprintf(w.s, sizeof w.s, "%s", names[(size_t)power]);
    } else {
        (void)snprintf(w.s, sizeof w.s, "%.40s s", words_rate(pow(10, power - 6)).s);
    }
    return w;
}

/* A log scale's decades; `low` and `high` are powers of ten of a microsecond. */
static void log_ticks(struct plot *p, double height, double low, double high)
{
    for (int i = 0; low + i <= high; i++) {
        y_tick(p, p->y + height * (high - low - i) / (high - low), decade(low + i).s);
    }
}

/* The acknowledged as steps down to the base line. */
static void draw_steps(struct plot *p, double top_rate)
{
    double base = p->y + RATE_HEIGHT, per_s = 1000.0 / (double)p->r->sample_ms;
    double last = base;
    buf_printf(p->out, "<path class=\"ok\" d=\"M%d %.1f", PLOT_LEFT, base);
    for (size_t i = 0; i < p->r->sample_count; i++) {
        double y = base - RATE_HEIGHT * (double)p->r->samples[i].ok * per_s / top_rate;
        if (fabs(y - last) >= 0.05) {
            buf_printf(p->out, "H%.1fV%.1f", plot_x(p, (int64_t)i * p->r->sample_ms), y);
            last = y;
        }
    }
    buf_printf(p->out, "H%.1fV%.1fZ\"/>\n",
               plot_x(p, (int64_t)p->r->sample_count * p->r->sample_ms), base);
}

/* The failed as columns, none where there were none, and never too low to be seen. */
static void draw_failed(struct plot *p, double top_rate)
{
    double base = p->y + RATE_HEIGHT, per_s = 1000.0 / (double)p->r->sample_ms;
    buf_append_str(p->out, "<path class=\"bad\" d=\"");
    for (size_t i = 0; i < p->r->sample_count; i++) {
        const struct chaos_sample *s = &p->r->samples[i];
        if (s->failed != 0) {
            double height = RATE_HEIGHT * (double)s->failed * per_s / top_rate;
            buf_printf(p->out, "M%.1f %.1fV%.1fH%.1fV%.1fz",
                       plot_x(p, (int64_t)i * p->r->sample_ms), base,
                       base - (height > FAILED_MIN ? height : FAILED_MIN),
                       plot_x(p, ((int64_t)i + 1) * p->r->sample_ms), base);
        }
    }
    buf_append_str(p->out, "\"/>\n");
}

static void draw_rate(struct plot *p)
{
    uint64_t most = 0;
    for (size_t i = 0; i < p->r->sample_count; i++) {
        const struct chaos_sample *s = &p->r->samples[i];
        most = s->ok > most ? s->ok : most;
        most = s->failed > most ? s->failed : most;
    }
    double max = (double)most * 1000.0 / (double)p->r->sample_ms;
    double step = plot_nice_step(max, 4);
    double top = step * ceil(max / step - 1e-9);
    top = top > 0 ? top : step;
    panel_open(p, "Operations per second", RATE_HEIGHT);
    for (int i = 0; i * step <= top * (1 + 1e-9); i++) {
        y_tick(p, p->y + RATE_HEIGHT * (1 - i * step / top), words_rate(i * step).s);
    }
    draw_steps(p, top);
    draw_failed(p, top);
    p->y += RATE_HEIGHT;
}

/* One percentile as a line through the middles of the samples; a sample alone is a dot. */
static void draw_latency_line(struct plot *p, const char *class, bool p99, double low, double high)
{
    bool pen = false;
    buf_printf(p->out, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < p->r->sample_count; i++) {
        const struct chaos_sample *s = &p->r->samples[i];
        int64_t us = p99 ? s->p99_us : s->p50_us;
        if (us == CHAOS_ABSENT) {
            pen = false;
            continue;
        }
        double share = (log10(us > 0 ? (double)us : 1) - low) / (high - low);
        double x = plot_x(p, (int64_t)i * p->r->sample_ms + p->r->sample_ms / 2);
        double y = p->y + LATENCY_HEIGHT * (1 - (share < 0 ? 0 : share));
        buf_printf(p->out, pen ? "L%.1f %.1f" : "M%.1f %.1fh0", x, y);
        pen = true;
    }
    buf_append_str(p->out, "\"/>\n");
}

static void draw_latency(struct plot *p)
{
    int64_t least = INT64_MAX, most = 1;
    for (size_t i = 0; i < p->r->sample_count; i++) {
        const struct chaos_sample *s = &p->r->samples[i];
        int64_t smaller = s->p50_us != CHAOS_ABSENT ? s->p50_us : s->p99_us;
        least = smaller != CHAOS_ABSENT && smaller < least ? smaller : least;
        most = s->p99_us > most ? s->p99_us : most;
    }
    least = least == INT64_MAX || least < 1 ? 1 : least;
    double low = floor(log10((double)least)), high = ceil(log10((double)most));
    high = high > low ? high : low + 1;
    panel_open(p, "Latency of operations that succeeded", LATENCY_HEIGHT);
    log_ticks(p, LATENCY_HEIGHT, low, high);
    draw_latency_line(p, "p50", false, low, high);
    draw_latency_line(p, "p99", true, low, high);
    p->y += LATENCY_HEIGHT;
}

/* --- recovery --------------------------------------------------------------------------------- */

/* The sign of each stage, around 0,0; stages are told apart by shape, kinds of fault by colour. */
static const char *const stage_shapes[CHAOS_RECOVERY_N] = {
    [CHAOS_DETECT] = "<circle class=\"hollow\" r=\"3.2\"/>",
    [CHAOS_ELECT] = "<path class=\"solid\" d=\"M0-4.6L4.6 3.4H-4.6z\"/>",
    [CHAOS_FIRST_WRITE] = "<path class=\"solid\" d=\"M0-5L5 0L0 5L-5 0z\"/>",
    [CHAOS_REPLACED] = "<path class=\"solid\" d=\"M-3.8-3.8H3.8V3.8H-3.8z\"/>",
    [CHAOS_ALL_READY] = "<path class=\"cap\" d=\"M-5 0H5\"/>",
};

const char *plot_stage_shape(enum chaos_recovery stage)
{
    return stage_shapes[stage];
}

static double log_y(const struct plot *p, int64_t ms, double low, double high)
{
    double share = (log10(ms > 0 ? (double)ms * 1000 : 1000) - low) / (high - low);
    return p->y + RECOVERY_HEIGHT * (1 - (share < 0 ? 0 : share > 1 ? 1 : share));
}

/* The stages in order, side by side and joined by a line, from the axis at the fault's begin. */
static void draw_fault_recovery(struct plot *p, size_t i, double low, double high)
{
    const struct chaos_fault *f = &p->r->faults[i];
    double step = (double)PLOT_INNER / (double)p->r->fault_count / (CHAOS_RECOVERY_N + 1);
    double x = plot_x(p, f->begin_ms);
    autobuf line = BUF_INIT, signs = BUF_INIT;
    step = step < DODGE_MAX ? step : DODGE_MAX;
    buf_printf(&line, "M%.1f %.1f", x, p->y + RECOVERY_HEIGHT);
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        if (f->recovery_ms[s] != CHAOS_ABSENT) {
            double y = log_y(p, f->recovery_ms[s], low, high);
            buf_printf(&line, "L%.1f %.1f", x, y);
            buf_printf(&signs, "<g transform=\"translate(%.1f %.1f)\">%s</g>", x, y,
                       stage_shapes[s]);
            x += step;
        }
    }
    if (signs.len != 0) {
        buf_printf(p->out, "<g class=\"f%d\">", (int)f->family);
        plot_fault_title(p, i);
        buf_printf(p->out, "<path class=\"stem\" d=\"%s\"/>%s</g>\n", buf_str(&line),
                   buf_str(&signs));
    }
}

static void draw_recovery(struct plot *p)
{
    int64_t least = INT64_MAX, most = 0;
    for (size_t i = 0; i < p->r->fault_count; i++) {
        for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
            int64_t ms = p->r->faults[i].recovery_ms[s];
            least = ms != CHAOS_ABSENT && ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
    }
    if (least == INT64_MAX) {
        return;
    }
    double low = floor(log10(least > 0 ? (double)least * 1000 : 1000));
    double high = ceil(log10(most > 0 ? (double)most * 1000 : 1000));
    high = high > low ? high : low + 1;
    panel_open(p, "Recovery after each fault", RECOVERY_HEIGHT);
    log_ticks(p, RECOVERY_HEIGHT, low, high);
    for (size_t i = 0; i < p->r->fault_count; i++) {
        draw_fault_recovery(p, i, low, high);
    }
    p->y += RECOVERY_HEIGHT;
}

void plot_panels(struct plot *p)
{
    draw_rate(p);
    draw_latency(p);
    draw_recovery(p);
}
