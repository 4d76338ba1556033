/* A bucket's index is its shift (how many low bits do not matter) and the 7 bits below the top
 * one. */
#include "bench/histogram.h"

#include <string.h>

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB) {
        return (size_t)value;
    }
    unsigned top = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = top - HISTOGRAM_SUB_BITS;
    if (shift >= HISTOGRAM_SHIFTS) {
        return HISTOGRAM_BUCKETS - 1;
    }
    size_t part = (size_t)(value >> shift) - HISTOGRAM_SUB;
    return HISTOGRAM_SUB + (size_t)shift * HISTOGRAM_SUB + part;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB) {
        return bucket;
    }
    size_t shift = (bucket - HISTOGRAM_SUB) / HISTOGRAM_SUB;
    uint64_t part = HISTOGRAM_SUB + (bucket - HISTOGRAM_SUB) % HISTOGRAM_SUB;
    return ((part + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->n++;
    h->sum += value;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
}

void histogram_add(struct histogram *h, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->buckets[i] += from->buckets[i];
    }
    h->n += from->n;
    h->sum += from->sum;
    h->min = from->min < h->min ? from->min : h->min;
    h->max = from->max > h->max ? from->max : h->max;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    if (h->n == 0) {
        return 0;
    }
    double exact = percent / 100.0 * (double)h->n;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0) {
        rank++;
    }
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t end = bucket_end(i);
            return end < h->max ? end : h->max;
        }
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->n != 0 ? (double)h->sum / (double)h->n : 0;
}
