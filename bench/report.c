/* Throughput is the median of the windows: one hiccup of the machine does not move it. Of a load
 * that ends by itself it is that of all its time, which may be less than a window. CPU is the whole
 * measured time's, divided by all its operations. */
#include "bench/report.h"

#include <inttypes.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double report_median(double *values, size_t n)
{
    if (n == 0) {
        return 0;
    }
    qsort(values, n, sizeof *values, compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double per_op(uint64_t us, const struct bench_result *r)
{
    return r->ops != 0 ? (double)us / (double)r->ops : 0;
}

static double throughput(const struct load *load, struct bench_result *r)
{
    double median = report_median(r->windows, r->n_windows);
    bool whole = (load->traits & LOAD_SELF_ENDING) != 0;
    return whole ? 1e6 * (double)r->ops / (double)(r->measured_us + 1) : median;
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

void report_table(const struct bench_options *o, const struct load *load, struct bench_result *r,
                  struct buf *out)
{
    double rate = throughput(load, r);
    const struct histogram *h = &r->latency;
    buf_printf(out,
               "%s: %" PRIu64 " clients, %" PRIu64 " connections, %zu endpoint%s, %" PRIu64
               " B values, %" PRIu64 " keys\n",
               load->name, o->clients, o->conns, o->n_endpoints, o->n_endpoints == 1 ? "" : "s",
               o->value_bytes, o->keys);
    buf_printf(out, "  throughput  %.0f %s/s", rate, load->unit);
    if ((load->traits & LOAD_SELF_ENDING) != 0 || r->n_windows == 0) {
        buf_append_str(out, "\n");
    } else {
        buf_printf(out, " (median of %zu windows: %.0f .. %.0f)\n", r->n_windows, r->windows[0],
                   r->windows[r->n_windows - 1]);
    }
    buf_printf(out, "  latency     p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n",
               ms(histogram_percentile(h, 50)), ms(histogram_percentile(h, 90)),
               ms(histogram_percentile(h, 99)), ms(histogram_percentile(h, 99.9)), ms(h->max));
    buf_printf(out, "  operations  %" PRIu64 " in %.2f s, %" PRIu64 " errors\n", r->ops,
               (double)r->measured_us / 1e6, r->errors);
    if (o->n_pids != 0 && r->pids_lost) {
        buf_append_str(out, "  server CPU  unknown: a process of --pids is not there\n");
    } else if (o->n_pids != 0) {
        buf_printf(out, "  server CPU  %.1f us/op (%.0f %% of a CPU), resident %.0f MB\n",
                   per_op(r->server_cpu_us, r),
                   100.0 * (double)r->server_cpu_us / (double)(r->measured_us + 1),
                   (double)r->server_rss_bytes / 1e6);
    }
    buf_printf(out, "  client CPU  %.1f us/op\n", per_op(r->client_cpu_us, r));
    if (r->errors != 0) {
        buf_printf(out, "  last error  %s\n", r->last_error);
    }
}

void report_json(const struct bench_options *o, const struct load *load, struct bench_result *r,
                 struct buf *out)
{
    const struct histogram *h = &r->latency;
    buf_printf(out,
               "{\"load\": \"%s\", \"clients\": %" PRIu64 ", \"conns\": %" PRIu64
               ", \"endpoints\": %zu, \"keys\": %" PRIu64 ", \"value_bytes\": %" PRIu64,
               load->name, o->clients, o->conns, o->n_endpoints, o->keys, o->value_bytes);
    buf_printf(out,
               ", \"seconds\": %.3f, \"ops\": %" PRIu64 ", \"errors\": %" PRIu64
               ", \"ops_per_second\": %.1f",
               (double)r->measured_us / 1e6, r->ops, r->errors,
               throughput(load, r));
    buf_printf(out,
               ", \"mean_us\": %.1f, \"p50_us\": %" PRIu64 ", \"p90_us\": %" PRIu64
               ", \"p99_us\": %" PRIu64 ", \"p999_us\": %" PRIu64 ", \"max_us\": %" PRIu64,
               histogram_mean(h), histogram_percentile(h, 50), histogram_percentile(h, 90),
               histogram_percentile(h, 99), histogram_percentile(h, 99.9), h->max);
    if (o->n_pids != 0 && !r->pids_lost) {
        buf_printf(out,
                   ", \"server_cpu_us_per_op\": %.2f, \"server_rss_bytes\": %" PRIu64,
                   per_op(r->server_cpu_us, r), r->server_rss_bytes);
    }
    buf_printf(out, ", \"client_cpu_us_per_op\": %.2f}\n", per_op(r->client_cpu_us, r));
}
