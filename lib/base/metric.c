/* Metrics: a registry is a list of families (one name, one type, one help text), a family a list of
 * series (one set of labels). Numbers are doubles changed by compare-and-swap, so a worker may add.
 *
 * A histogram keeps one count a bucket; Prometheus' cumulative counts are made when printing. */
#include "lib/base/metric.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { BUCKETS_MAX = 32 };

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

struct histogram {
    double first;
    int n;
    uint64_t counts[BUCKETS_MAX + 1]; /* the last one is +Inf */
};

struct metric {
    struct metric *next;
    enum metric_type type;
    char *labels; /* "" for none */
    uint64_t value_bits; /* counter and gauge: the value; histogram: the sum */
    struct histogram *hist;
};

struct family {
    struct family *next;
    char *name;
    char *help;
    enum metric_type type;
    struct metric *series;
};

struct metrics {
    struct family *families;
};

struct metrics *metrics_new(void)
{
    return mem_zalloc(sizeof(struct metrics));
}

static void family_free(struct family *f)
{
    while (f->series != NULL) {
        struct metric *s = f->series;
        f->series = s->next;
        mem_free(s->labels);
        mem_free(s->hist);
        mem_free(s);
    }
    mem_free(f->name);
    mem_free(f->help);
    mem_free(f);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    while (m->families != NULL) {
        struct family *f = m->families;
        m->families = f->next;
        family_free(f);
    }
    mem_free(m);
}

static struct family *family_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help)
{
    struct family **at = &m->families;
    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            PRE((*at)->type == type);
            return *at;
        }
    }
    struct family *f = mem_zalloc(sizeof *f);
    f->name = mem_strdup(name);
    f->help = mem_strdup(help);
    f->type = type;
    *at = f;
    return f;
}

static struct metric *series_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *labels, const char *help)
{
    struct metric **at = &family_get(m, type, name, help)->series;
    labels = labels != NULL ? labels : "";
    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->labels, labels) == 0) {
            return *at;
        }
    }
    struct metric *s = mem_zalloc(sizeof *s);
    s->type = type;
    s->labels = mem_strdup(labels);
    *at = s;
    return s;
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *labels,
                               const char *help)
{
    return series_get(m, COUNTER, name, labels, help);
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *labels,
                             const char *help)
{
    return series_get(m, GAUGE, name, labels, help);
}

struct metric *metrics_histogram(struct metrics *m, const char *name, const char *labels,
                                 const char *help, double first, int n)
{
    PRE(first > 0);
    PRE(n >= 1 && n <= BUCKETS_MAX);
    struct metric *s = series_get(m, HISTOGRAM, name, labels, help);
    if (s->hist == NULL) {
        s->hist = mem_zalloc(sizeof *s->hist);
        s->hist->first = first;
        s->hist->n = n;
    }
    return s;
}

static double bits_double(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t double_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void value_add(struct metric *s, double v)
{
    uint64_t old = __atomic_load_n(&s->value_bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&s->value_bits, &old, double_bits(bits_double(old) + v),
                                        true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

double metric_get(const struct metric *c)
{
    return bits_double(__atomic_load_n(&c->value_bits, __ATOMIC_RELAXED));
}

void metric_add(struct metric *c, double v)
{
    PRE(c->type != HISTOGRAM);
    PRE(c->type == GAUGE || v >= 0);
    value_add(c, v);
}

void metric_set(struct metric *g, double v)
{
    PRE(g->type == GAUGE);
    __atomic_store_n(&g->value_bits, double_bits(v), __ATOMIC_RELAXED);
}

static double bucket_top(const struct histogram *h, int i)
{
    return ldexp(h->first, i);
}

void metric_observe(struct metric *h, double v)
{
    PRE(h->type == HISTOGRAM);
    int i = 0;
    while (i < h->hist->n && v > bucket_top(h->hist, i)) {
        i++;
    }
    __atomic_add_fetch(&h->hist->counts[i], 1, __ATOMIC_RELAXED);
    value_add(h, v);
}

static uint64_t hist_count(const struct histogram *h)
{
    uint64_t n = 0;
    for (int i = 0; i <= h->n; i++) {
        n += h->counts[i];
    }
    return n;
}

/* Within a bucket the observations are taken as evenly spread, as Prometheus does. */
double metric_quantile(const struct metric *h, double q)
{
    PRE(h->type == HISTOGRAM);
    const struct histogram *hist = h->hist;
    double want = q * (double)hist_count(hist);
    double seen = 0;

    if (hist_count(hist) == 0) {
        return 0;
    }
    for (int i = 0; i < hist->n; i++) {
        double in = (double)hist->counts[i];
        if (in > 0 && seen + in >= want) {
            double low = i == 0 ? 0 : bucket_top(hist, i - 1);
            double part = want > seen ? (want - seen) / in : 0;
            return low + (bucket_top(hist, i) - low) * part;
        }
        seen += in;
    }
    return bucket_top(hist, hist->n - 1); /* above every bucket: the last known edge */
}

/* Shortest of 15 or 17 digits that reads back as the same number. */
static void print_number(struct buf *out, double v)
{
    if (isinf(v) || isnan(v)) {
        buf_append_str(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v) {
        (void)snprintf(text, sizeof text, "%.17g", v);
    }
    buf_append_str(out, text);
}

static void print_name(struct buf *out, const struct family *f, const char *suffix,
                       const struct metric *s)
{
    buf_printf(out, "%s%s", f->name, suffix);
    if (s->labels[0] != 0) {
        buf_printf(out, "{%s}", s->labels);
    }
    buf_append_char(out, ' ');
}

static void print_histogram(struct buf *out, const struct family *f, const struct metric *s)
{
    uint64_t cumulative = 0;
    const char *comma = s->labels[0] != 0 ? "," : "";
    for (int i = 0; i <= s->hist->n; i++) {
        cumulative += s->hist->counts[i];
        buf_printf(out, "%s_bucket{%s%sle=\"", f->name, s->labels, comma);
        print_number(out, i < s->hist->n ? bucket_top(s->hist, i) : INFINITY);
        buf_printf(out, "\"} %" PRIu64 "\n", cumulative);
    }
    print_name(out, f, "_sum", s);
    print_number(out, metric_get(s));
    buf_append_char(out, '\n');
    print_name(out, f, "_count", s);
    buf_printf(out, "%" PRIu64 "\n", cumulative);
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    static const char *const type_names[] = { "counter", "gauge", "histogram" };

    for (const struct family *f = m->families; f != NULL; f = f->next) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                   type_names[f->type]);
        for (const struct metric *s = f->series; s != NULL; s = s->next) {
            if (s->type == HISTOGRAM) {
                print_histogram(out, f, s);
                continue;
            }
            print_name(out, f, "", s);
            print_number(out, metric_get(s));
            buf_append_char(out, '\n');
        }
    }
}
