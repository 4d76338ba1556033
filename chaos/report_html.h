/* Inside the HTML renderer: what its files share. */
#ifndef BARQUE_CHAOS_REPORT_HTML_H
#define BARQUE_CHAOS_REPORT_HTML_H

#include "chaos/report.h"
#include "chaos/report_figures.h"

/* The style sheet. Holds no "<". */
extern const char report_style[];

/* The sections that are tables: recovery by kind and fault by fault; what the workload did. */
void html_recovery(const struct chaos_report *r, const struct figures *fig, struct buf *out);
void html_workload(const struct chaos_report *r, const struct figures *fig, struct buf *out);

#endif
