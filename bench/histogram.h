/* Latencies in bounded memory: a log-linear histogram (as HdrHistogram's).
 *
 * Values below 128 have a bucket each; every further power of two is cut into 128 equal buckets, so
 * a value read back is at most 1/128 (0.8 %) above the one recorded. 3,968 buckets cover 0 ..
 * 2^37-1; in microseconds that is 38 hours; what is larger counts in the last one. No allocation;
 * two histograms add up. Example: 1,000 has its top bit at 512, buckets of 4, and is read back as
 * 1,003. */
#ifndef BARQUE_BENCH_HISTOGRAM_H
#define BARQUE_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_SHIFTS = 30,
    HISTOGRAM_BUCKETS = HISTOGRAM_SUB + HISTOGRAM_SHIFTS * HISTOGRAM_SUB,
};

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t n;
    uint64_t sum;
    uint64_t min; /* UINT64_MAX when empty */
    uint64_t max;
};

void histogram_init(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);
void histogram_add(struct histogram *h, const struct histogram *from);
/* The smallest recorded size of which at least `percent` (0..100) of all values are not larger,
 * rounded up to its bucket's end, never above the largest value; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h); /* exact; 0 when empty */

#endif
