/* The timeline. From top to bottom, all on one time axis:
 *
 *     leader      who was elected when, as flags
 *     events      violations and notes, if there are any
 *     lanes       one a member or node: a bar while it leads, a labelled band while it is hurt, and
 *                 a thin tail from the band's end until all were ready again
 *     panels      throughput, latency, recovery: see report_panels.c
 *     axis        round times
 *
 * Every mark has a <title>, which browsers show on hover. Bands that overlap in one lane get rows
 * of their own; a label is drawn inside its band if it fits, else behind it, else only its number,
 * else not at all. */
#include "chaos/report_plot.h"

#include "chaos/report_words.h"
#include "lib/base/assert.h"

enum {
    STRIP = 22,   /* height of the flags, and of the events below them */
    ROW = 19,     /* one row of bands */
    BAND = 15,    /* a band in it */
    LANE_PAD = 9, /* below the rows of a lane */
    ROWS_MAX = 4, /* of one lane; more overlap */
    AXIS = 44,
    LANES_ALWAYS = 16, /* up to so many lanes, idle ones are shown too */
    NAME_COLUMNS = 13,
    TITLE_POINTS = 200, /* of a text in a <title> */
    CLUSTER_LANE = -1,
};

#define CHAR_WIDTH 6.3 /* of a label's character, on average */
#define BAND_MIN   3.0

/* A fault in one lane. */
struct band {
    size_t fault;
    int row;
};

int64_t plot_time_step(int64_t span_ms, int ticks_max)
{
    static const int64_t steps[] = {
        100,   200,    500,    1000,   2000,   5000,    10000,   15000,   30000,
        60000, 120000, 300000, 600000, 900000, 1800000, 3600000, 7200000, 21600000,
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (span_ms / steps[i] <= ticks_max) {
            return steps[i];
        }
    }
    int64_t day = 86400000;
    return (span_ms / day / ticks_max + 1) * day;
}

double plot_x(const struct plot *p, int64_t ms)
{
    double share = (double)ms / (double)p->span_ms;
    return PLOT_LEFT + PLOT_INNER * (share < 0 ? 0 : share > 1 ? 1 : share);
}

int64_t plot_fault_end(const struct plot *p, const struct chaos_fault *f)
{
    return f->end_ms != CHAOS_ABSENT ? f->end_ms : p->span_ms;
}

void plot_fault_title(struct plot *p, size_t i)
{
    const struct chaos_fault *f = &p->r->faults[i];
    autobuf names = BUF_INIT;
    words_targets(&names, p->r, f->targets);
    buf_append_str(p->out, "<title>");
    buf_printf(p->out, "%zu. ", i + 1);
    words_escape_cut(p->out, f->kind, TITLE_POINTS);
    buf_append_str(p->out, ": ");
    words_escape_cut(p->out, buf_str(&names), TITLE_POINTS);
    buf_printf(p->out, ", %s to %s", words_clock(f->begin_ms).s,
               f->end_ms != CHAOS_ABSENT ? words_clock(f->end_ms).s : "the end");
    for (int s = 0; s < CHAOS_RECOVERY_N; s++) {
        if (f->recovery_ms[s] != CHAOS_ABSENT) {
            buf_printf(p->out, "\n%s: %s", words_recovery_title((enum chaos_recovery)s),
                       words_ms(f->recovery_ms[s]).s);
        }
    }
    if (f->detail != NULL) {
        buf_append_char(p->out, '\n');
        words_escape_cut(p->out, f->detail, TITLE_POINTS);
    }
    buf_append_str(p->out, "</title>");
}

/* --- lanes ------------------------------------------------------------------------------------ */

static bool in_lane(const struct chaos_fault *f, int lane)
{
    return lane == CLUSTER_LANE ? f->targets == 0 : (f->targets >> lane & 1) != 0;
}

/* Places the faults of a lane in rows; returns how many rows. */
static int place_bands(const struct plot *p, int lane, struct band *bands, size_t *ret_n)
{
    double ends[ROWS_MAX] = { 0 };
    int rows = 0;
    size_t n = 0;
    for (size_t i = 0; i < p->r->fault_count; i++) {
        const struct chaos_fault *f = &p->r->faults[i];
        if (!in_lane(f, lane)) {
            continue;
        }
        double begin = plot_x(p, f->begin_ms);
        int row = 0, best = 0;
        while (row < rows && ends[row] > begin) {
            best = ends[row] < ends[best] ? row : best;
            row++;
        }
        row = row < ROWS_MAX ? row : best;
        rows = row + 1 > rows ? row + 1 : rows;
        double end = plot_x(p, plot_fault_end(p, f));
        ends[row] = end > begin + BAND_MIN ? end : begin + BAND_MIN;
        bands[n++] = (struct band){ .fault = i, .row = row };
    }
    *ret_n = n;
    return rows;
}

/* Where the next band of the same row begins. */
static double room_end(const struct plot *p, const struct band *bands, size_t n, size_t i)
{
    for (size_t k = i + 1; k < n; k++) {
        if (bands[k].row == bands[i].row) {
            return plot_x(p, p->r->faults[bands[k].fault].begin_ms) - 3;
        }
    }
    return PLOT_WIDTH;
}

static void band_label(struct plot *p, size_t fault, double begin, double end, double room,
                       double y)
{
    autobuf full = BUF_INIT;
    buf_printf(&full, "%zu ", fault + 1);
    size_t number = full.len - 1;
    size_t columns = number + 1 + words_line(&full, p->r->faults[fault].kind, 40);
    double wide = CHAR_WIDTH * (double)columns + 6, narrow = CHAR_WIDTH * (double)number + 6;
    double x = wide <= end - begin || narrow <= end - begin ? begin + 4 : end + 4;
    bool whole = wide <= end - begin || (end + wide <= room);
    if (whole) {
        x = wide <= end - begin ? begin + 4 : end + 4;
    } else if (narrow > end - begin && end + narrow > room) {
        return;
    }
    buf_printf(p->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"bl\">", x, y + BAND - 3.8);
    if (whole) {
        words_escape(p->out, buf_str(&full), WORDS_TEXT);
    } else {
        buf_printf(p->out, "%zu", fault + 1);
    }
    buf_append_str(p->out, "</text>");
}

static void draw_band(struct plot *p, const struct band *bands, size_t n, size_t i, double top)
{
    size_t fault = bands[i].fault;
    const struct chaos_fault *f = &p->r->faults[fault];
    double y = top + bands[i].row * ROW + (ROW - BAND) / 2.0;
    double begin = plot_x(p, f->begin_ms), end = plot_x(p, plot_fault_end(p, f));
    end = end > begin + BAND_MIN ? end : begin + BAND_MIN;
    buf_printf(p->out, "<g class=\"f%d\">", (int)f->family);
    plot_fault_title(p, fault);
    int64_t ready = f->recovery_ms[CHAOS_ALL_READY];
    if (f->end_ms != CHAOS_ABSENT && ready != CHAOS_ABSENT) {
        buf_printf(p->out, "<path class=\"tail\" d=\"M%.1f %.1fH%.1f\"/>", end, y + BAND - 1,
                   plot_x(p, f->end_ms + ready));
    }
    buf_printf(p->out,
               "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>",
               begin, y, end - begin, BAND);
    band_label(p, fault, begin, end, room_end(p, bands, n, i), y);
    buf_append_str(p->out, "</g>\n");
}

/* A bar along the lane for each time it led. */
static void draw_leading(struct plot *p, int lane, double y)
{
    for (size_t i = 0; i < p->r->mark_count; i++) {
        const struct chaos_mark *m = &p->r->marks[i];
        if (m->kind != CHAOS_MARK_LEADER || m->lane != lane) {
            continue;
        }
        size_t next = i + 1;
        while (next < p->r->mark_count && p->r->marks[next].kind != CHAOS_MARK_LEADER) {
            next++;
        }
        int64_t until = next < p->r->mark_count ? p->r->marks[next].at_ms : p->span_ms;
        double x = plot_x(p, m->at_ms), end = plot_x(p, until);
        buf_printf(p->out,
                   "<rect class=\"leading\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"3\">", x,
                   y, end > x + 1 ? end - x : 1);
        buf_append_str(p->out, "<title>");
        buf_printf(p->out, "leads from %s to %s, term %llu", words_clock(m->at_ms).s,
                   words_clock(until).s, (unsigned long long)m->term);
        buf_append_str(p->out, "</title>");
        buf_append_str(p->out, "</rect>\n");
    }
}

static void draw_lane(struct plot *p, int lane, struct band *bands)
{
    size_t n;
    int rows = place_bands(p, lane, bands, &n);
    if (n == 0 && (lane == CLUSTER_LANE || p->r->lane_count > LANES_ALWAYS)) {
        return;
    }
    double height = ROW * (rows != 0 ? rows : 1);
    const char *name = lane == CLUSTER_LANE ? "cluster" : p->r->lanes[lane].name;
    buf_printf(p->out, "<path class=\"rule\" d=\"M%d %.1fH%d\"/>", PLOT_LEFT,
               p->y + height + LANE_PAD - 2.5, PLOT_WIDTH - PLOT_RIGHT);
    buf_printf(p->out, "<text class=\"ln\" x=\"%d\" y=\"%.1f\">", PLOT_LEFT - 12,
               p->y + height / 2 + 4);
    autobuf shown = BUF_INIT;
    words_line(&shown, name, NAME_COLUMNS);
    words_escape(p->out, buf_str(&shown), WORDS_TEXT);
    buf_append_str(p->out, "</text>\n");
    if (lane != CLUSTER_LANE) {
        draw_leading(p, lane, p->y + height + 1);
    }
    for (size_t i = 0; i < n; i++) {
        draw_band(p, bands, n, i, p->y);
    }
    p->y += height + LANE_PAD;
}

static void draw_lanes(struct plot *p)
{
    static const enum chaos_role order[] = { CHAOS_MEMBER, CHAOS_NODE, CHAOS_OTHER };
    struct band bands[CHAOS_FAULTS_MAX];
    draw_lane(p, CLUSTER_LANE, bands);
    for (size_t k = 0; k < ARRAY_LEN(order); k++) {
        for (size_t i = 0; i < p->r->lane_count; i++) {
            if (p->r->lanes[i].role == order[k]) {
                draw_lane(p, (int)i, bands);
            }
        }
    }
}

/* --- what crosses all panels ------------------------------------------------------------------ */

static void draw_time_grid(struct plot *p, double top, double bottom)
{
    int64_t step = plot_time_step(p->span_ms, 10);
    for (int64_t t = 0; t <= p->span_ms; t += step) {
        double x = plot_x(p, t);
        buf_printf(p->out,
                   "<path class=\"vgrid\" d=\"M%.1f %.1fV%.1f\"/>"
                   "<text class=\"xt\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                   x, top, bottom, x, bottom + 18, words_clock(t).s);
    }
    buf_printf(p->out, "<text class=\"xl\" x=\"%d\" y=\"%.1f\">time since the start, %s</text>\n",
               PLOT_LEFT + PLOT_INNER / 2, bottom + 35,
               p->span_ms >= 3600000 ? "h:min:s" : "min:s");
}

/* One mark of a strip: a line through everything, a sign at its top, a label where there is room
 * before the next. */
struct sign {
    int64_t at_ms;
    const char *class, *label, *title;
    uint64_t term; /* of a leader */
};

static void draw_sign(struct plot *p, const struct sign *s, double next_x, double top,
                      double bottom)
{
    double x = plot_x(p, s->at_ms);
    autobuf label = BUF_INIT;
    double width = CHAR_WIDTH * (double)words_line(&label, s->label, 2 * NAME_COLUMNS) + 9;
    buf_printf(p->out, "<g class=\"%s\">", s->class);
    buf_append_str(p->out, "<title>");
    buf_printf(p->out, "%s: %s", words_clock(s->at_ms).s, s->title);
    words_escape_cut(p->out, s->label, TITLE_POINTS);
    if (s->term != 0) {
        buf_printf(p->out, ", term %llu", (unsigned long long)s->term);
    }
    buf_append_str(p->out, "</title>");
    buf_printf(p->out, "<path class=\"through\" d=\"M%.1f %.1fV%.1f\"/>", x, top + STRIP - 6,
               bottom);
    buf_printf(p->out, "<path class=\"sign\" d=\"M%.1f %.1fv12v-4l6-4l-6-4z\"/>", x, top + 4);
    if (x + width <= next_x) {
        buf_printf(p->out, "<text class=\"fn\" x=\"%.1f\" y=\"%.1f\">", x + 9, top + STRIP - 9);
        words_escape(p->out, buf_str(&label), WORDS_TEXT);
        buf_append_str(p->out, "</text>");
    }
    buf_append_str(p->out, "</g>\n");
}

static void draw_strip(struct plot *p, const struct sign *signs, size_t n, const char *name,
                       double top, double bottom)
{
    buf_printf(p->out, "<text class=\"ln\" x=\"%d\" y=\"%.1f\">%s</text>\n", PLOT_LEFT - 12,
               top + STRIP - 9, name);
    for (size_t i = 0; i < n; i++) {
        double next_x = PLOT_WIDTH;
        for (size_t k = 0; k < n; k++) {
            double x = plot_x(p, signs[k].at_ms);
            bool later =
                signs[k].at_ms > signs[i].at_ms || (k > i && signs[k].at_ms == signs[i].at_ms);
            next_x = later && x < next_x ? x : next_x;
        }
        draw_sign(p, &signs[i], next_x, top, bottom);
    }
}

static size_t leader_signs(const struct chaos_report *r, struct sign *signs)
{
    size_t n = 0;
    for (size_t i = 0; i < r->mark_count; i++) {
        const struct chaos_mark *m = &r->marks[i];
        if (m->kind == CHAOS_MARK_LEADER) {
            bool known = m->lane >= 0 && (size_t)m->lane < r->lane_count;
            signs[n++] = (struct sign){
                .at_ms = m->at_ms,
                .class = "flag",
                .label = known ? r->lanes[m->lane].name : "no leader",
                .title = known ? "leader " : "",
                .term = m->term,
            };
        }
    }
    return n;
}

static size_t event_signs(const struct chaos_report *r, struct sign *signs)
{
    size_t n = 0;
    for (size_t i = 0; i < r->check_count; i++) {
        const struct chaos_check *c = &r->checks[i];
        if (c->result == CHAOS_CHECK_VIOLATED && c->at_ms != CHAOS_ABSENT) {
            signs[n++] = (struct sign){ c->at_ms, "viol", c->name, "violated: ", 0 };
        }
    }
    for (size_t i = 0; i < r->mark_count; i++) {
        const struct chaos_mark *m = &r->marks[i];
        if (m->kind == CHAOS_MARK_NOTE) {
            signs[n++] = (struct sign){ m->at_ms, "note", m->text, "", 0 };
        }
    }
    return n;
}

void plot_svg(const struct chaos_report *r, struct buf *out)
{
    struct sign leaders[CHAOS_MARKS_MAX], events[CHAOS_MARKS_MAX + CHAOS_CHECKS_MAX];
    size_t leader_count = leader_signs(r, leaders), event_count = event_signs(r, events);
    autobuf body = BUF_INIT;
    int64_t sampled_ms = (int64_t)r->sample_count * r->sample_ms;
    struct plot p = { .r = r, .out = &body, .span_ms = r->duration_ms, .y = STRIP };
    p.span_ms = p.span_ms > 0 ? p.span_ms : sampled_ms > 0 ? sampled_ms : 1000;
    p.y += event_count != 0 ? STRIP : 0;

    draw_lanes(&p);
    plot_panels(&p);
    double bottom = p.y;
    draw_strip(&p, leaders, leader_count, "leader", 0, bottom);
    if (event_count != 0) {
        draw_strip(&p, events, event_count, "events", STRIP, bottom);
    }
    buf_printf(out,
               "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"Timeline of faults, "
               "throughput, latency and recovery\">\n",
               PLOT_WIDTH, bottom + AXIS);
    p.out = out;
    draw_time_grid(&p, STRIP, bottom); /* under everything else */
    buf_append_slice(out, buf_slice(&body));
    buf_append_str(out, "</svg>\n");
}
