/* The timeline of a report as one inline SVG: what was done to whom, and under it what the workload
 * saw and how long recovery took, on one time axis. Its colours are the page's CSS variables. Pure.
 */
#ifndef BARQUE_CHAOS_REPORT_PLOT_H
#define BARQUE_CHAOS_REPORT_PLOT_H

#include "chaos/report.h"

void plot_svg(const struct chaos_report *r, struct buf *out);
/* The sign of a recovery stage as SVG around 0,0, for the legend. */
const char *plot_stage_shape(enum chaos_recovery stage);

/* Exposed for tests. The step of a time axis: the first of 100 ms, 200 ms, ... 1 s, 2 s, 5 s, 10 s,
 * 15 s, 30 s, 1 min, ... that gives at most `ticks_max` steps. */
int64_t plot_time_step(int64_t span_ms, int ticks_max);
/* The step (1, 2 or 5 times a power of ten) of an axis from 0 to at least `max` in at most
 * `ticks_max` steps. */
double plot_nice_step(double max, int ticks_max);

/* --- what the two files of the timeline share ------------------------------------------------- */

enum {
    PLOT_WIDTH = 1080,
    PLOT_LEFT = 104,
    PLOT_RIGHT = 18,
    PLOT_INNER = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT,
};

struct plot {
    const struct chaos_report *r;
    struct buf *out;
    int64_t span_ms;
    double y; /* top of what is drawn next */
};

double plot_x(const struct plot *p, int64_t ms);
/* The run's end for a fault that was never healed. */
int64_t plot_fault_end(const struct plot *p, const struct chaos_fault *f);
/* A <title>: who, when, and how it recovered. */
void plot_fault_title(struct plot *p, size_t fault);
/* Draws the panels at p->y and moves it to their end. */
void plot_panels(struct plot *p);

#endif
