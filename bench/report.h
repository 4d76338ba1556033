/* A result for people (a few lines) or for machines (one flat JSON object on one line). */
#ifndef BARQUE_BENCH_REPORT_H
#define BARQUE_BENCH_REPORT_H

#include "bench/engine.h"
#include "lib/base/buf.h"

/* The middle one, or the mean of the two in the middle; 0 when n is 0. Sorts in place. */
double report_median(double *values, size_t n);
void report_table(const struct bench_options *o, const struct load *load, struct bench_result *r,
                  struct buf *out);
void report_json(const struct bench_options *o, const struct load *load, struct bench_result *r,
                 struct buf *out);

#endif
