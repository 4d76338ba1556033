/* Metrics: counters, gauges and histograms in one registry, printed as Prometheus text.
 * Values are updated on the loop thread only; metric_counter_add from a worker is atomic.
 * Names follow Prometheus' rules; where the meaning is etcd's, the name is etcd's. */
#ifndef BARQUE_BASE_METRIC_H
#define BARQUE_BASE_METRIC_H

#include <stdint.h>

#include "lib/base/buf.h"

struct metric;
struct metrics; /* a registry */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
/* `labels` is the inside of the braces ("grpc_method=\"Range\"") or NULL. The same name with other
 * labels is another series of one family. Owned by the registry. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *labels,
                               const char *help);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *labels,
                             const char *help);
/* Log-spaced buckets from `first` (e.g. 0.0001 s), factor 2, `n` buckets (<= 32). */
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *labels,
                                 const char *help, double first, int n);
void metric_add(struct metric *c, double v);
void metric_set(struct metric *g, double v);
void metric_observe(struct metric *h, double v);
double metric_get(const struct metric *c);
/* Estimated quantile of a histogram, q in 0..1 (0 when empty). */
double metric_quantile(const struct metric *h, double q);
/* Appends the whole registry in the text exposition format. */
void metrics_print(const struct metrics *m, struct buf *out);

#endif
