/* What a run of `barque chaos` found, as data. The engine fills it while it works; the renderers
 * below are pure functions from it to text. A report that was written as JSON can be read back and
 * rendered again.
 *
 *     lanes    who can be hurt: members, nodes, clients; faults name them by bit
 *     faults   what was done to whom, from when to when, and how long recovery took
 *     samples  what the workload saw, one an interval
 *     marks    moments: a leader was elected, the run was interrupted
 *     checks   what must hold, how often it was looked at, and the counterexample
 *     ops, errors, counters   totals
 *
 * Times are milliseconds since the run's start on one monotonic clock (`_ms`), latencies are
 * microseconds (`_us`); CHAOS_ABSENT where something did not happen or was not measured.
 * Strings: a report owns those it got from chaos_report_printf; any other text it points at (names
 * in static tables) must outlive it. NULL reads as "". Text may hold any bytes: the renderers make
 * it harmless. All arrays are bounded: an add beyond the bound is counted in `dropped`.
 * Threads: one owner. */
#ifndef BARQUE_CHAOS_REPORT_H
#define BARQUE_CHAOS_REPORT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define CHAOS_ABSENT INT64_C(-1)

enum {
    CHAOS_REPORT_FORMAT = 1, /* "format" in the JSON; changes when a reader would misread it */
    CHAOS_LANES_MAX = 63,
    CHAOS_FAULTS_MAX = 1024,
    CHAOS_SAMPLES_MAX = 2048, /* then two become one and the interval doubles */
    CHAOS_MARKS_MAX = 1024,
    CHAOS_CHECKS_MAX = 64,
    CHAOS_OPS_MAX = 32,
    CHAOS_ERRORS_MAX = 64,
    CHAOS_COUNTERS_MAX = 64,
    CHAOS_REFUSALS_MAX = 64,
    CHAOS_TEXT_MAX = 16 * 1024, /* bytes of one string; longer ones are cut with "..." */
};

enum chaos_role { CHAOS_MEMBER, CHAOS_NODE, CHAOS_OTHER, CHAOS_ROLE_N };

/* What is hurt; it gives a fault its colour. */
enum chaos_family {
    CHAOS_PROCESS,    /* kill, pause, controller and scheduler kill */
    CHAOS_NETWORK,    /* partition, delay, loss */
    CHAOS_DISK,       /* slow, full, torn, corrupt */
    CHAOS_CLOCK,
    CHAOS_MEMBERSHIP,
    CHAOS_NODES,      /* node loss, agent kill */
    CHAOS_FAMILY_N,
};

/* Recovery, in milliseconds. The first four count from the fault's begin, `all_ready` from its end:
 * before that it cannot be. CHAOS_ABSENT where one does not apply or was not seen. */
enum chaos_recovery {
    CHAOS_DETECT,      /* begin -> somebody noticed: lease gone, election begun, node tainted */
    CHAOS_ELECT,       /* begin -> a leader again */
    CHAOS_FIRST_WRITE, /* begin -> first write acknowledged that was sent after begin */
    CHAOS_REPLACED,    /* begin -> every lost pod has a running replacement */
    CHAOS_ALL_READY,   /* end -> all members serve at one revision, all pods ready */
    CHAOS_RECOVERY_N,
};

enum chaos_result { CHAOS_CHECK_HELD, CHAOS_CHECK_VIOLATED, CHAOS_CHECK_NOT_RUN };

enum chaos_verdict { CHAOS_ALL_HELD, CHAOS_VIOLATION, CHAOS_COULD_NOT_RUN };

struct chaos_lane {
    const char *name;
    enum chaos_role role;
};

struct chaos_fault {
    const char *kind;   /* "kill", "partition one-way", ... */
    const char *detail; /* "SIGKILL of pid 4211, started again after 3 s"; may be NULL */
    enum chaos_family family;
    uint64_t targets;   /* bit i: lane i; 0: the whole cluster */
    int64_t begin_ms;
    int64_t end_ms;     /* CHAOS_ABSENT: still there at the run's end */
    int64_t recovery_ms[CHAOS_RECOVERY_N];
};

/* One interval of the workload. Percentiles are of the operations that succeeded in it; absent when
 * none did. */
struct chaos_sample {
    uint64_t ok;
    uint64_t failed;
    int64_t p50_us;
    int64_t p99_us;
};

enum chaos_mark_kind { CHAOS_MARK_LEADER, CHAOS_MARK_NOTE };

struct chaos_mark {
    int64_t at_ms;
    enum chaos_mark_kind kind;
    int lane;         /* the new leader; -1: none */
    uint64_t term;    /* of a leader mark */
    const char *text; /* of a note: "interrupted: healing"; may be NULL */
};

struct chaos_check {
    const char *name;           /* "linearizable" */
    const char *claim;          /* "Every answer equals that of one copy of the data." */
    const char *unit;           /* what `checked` counts: "operations" */
    uint64_t checked;
    enum chaos_result result;
    const char *reason;         /* why it was not run; may be NULL */
    const char *counterexample; /* of a violation, several lines; may be NULL */
    int64_t at_ms;              /* where on the time axis the violation is; CHAOS_ABSENT: nowhere */
};

struct chaos_op {
    const char *name; /* "put", "range", "txn", "watch create", ... */
    uint64_t ok;
    uint64_t failed;  /* known not to have happened */
    uint64_t unknown; /* timed out or cut: may have happened */
    int64_t p50_us;
    int64_t p99_us;
    int64_t max_us;
};

struct chaos_count {
    const char *name; /* an error's text, or "watch events", "leases granted", "reconnects" */
    uint64_t n;
};

/* A fault that was asked for and could not be done here. */
struct chaos_refusal {
    const char *kind;
    const char *reason; /* "needs root", "would break quorum" */
};

struct chaos_report {
    const char *target;   /* "demo cluster: 3 masters, 3 nodes" */
    const char *server;   /* what the target calls itself: "Barque 0.1.0", "etcd 3.5.16" */
    const char *workload; /* "8 clients, 64 keys, 40 % reads" */
    const char *version;  /* of the program that ran the chaos */
    const char *commit;
    const char *replay;   /* "barque chaos replay 42 --minutes 5" */
    const char *machine;  /* "Linux 6.1, Intel Xeon"; may be NULL */
    const char *failure;  /* why the run could not be done; NULL: it was */
    uint64_t seed;
    unsigned cpus;
    uint64_t memory_bytes;
    int64_t start_wall_ms; /* Unix time */
    int64_t duration_ms;
    int64_t sample_ms;     /* length of a sample, set before the first; doubles when full */
    bool interrupted;      /* by a signal; what was seen until then was checked */

    struct chaos_lane lanes[CHAOS_LANES_MAX];
    struct chaos_fault *faults; /* in order of begin */
    struct chaos_sample *samples;
    struct chaos_mark *marks;
    struct chaos_check checks[CHAOS_CHECKS_MAX];
    struct chaos_op ops[CHAOS_OPS_MAX];
    struct chaos_count errors[CHAOS_ERRORS_MAX];
    struct chaos_count counters[CHAOS_COUNTERS_MAX];
    struct chaos_refusal refusals[CHAOS_REFUSALS_MAX];
    size_t lane_count, fault_count, sample_count, mark_count, check_count;
    size_t op_count, error_count, counter_count, refusal_count;
    size_t sample_fill;    /* samples of the first interval gathered into the newest one */
    size_t sample_stride;  /* how many make one now: 1, 2, 4, ... */
    uint64_t dropped;      /* adds beyond a bound */
    struct arena arena;
};

/* An empty report; chaos_report_free accepts NULL. */
struct chaos_report *chaos_report_new(void);
void chaos_report_free(struct chaos_report *r);

/* Text owned by the report, at most CHAOS_TEXT_MAX bytes. */
const char *chaos_report_printf(struct chaos_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Each add gives the new element, everything absent or zero, to be filled in; it stays where it is
 * for the report's life. NULL when there is no room. */
struct chaos_fault *chaos_report_add_fault(struct chaos_report *r, const char *kind,
                                           enum chaos_family family, uint64_t targets,
                                           int64_t begin_ms);
struct chaos_mark *chaos_report_add_mark(struct chaos_report *r, enum chaos_mark_kind kind,
                                         int64_t at_ms);
struct chaos_check *chaos_report_add_check(struct chaos_report *r, const char *name,
                                           const char *claim);
struct chaos_op *chaos_report_add_op(struct chaos_report *r, const char *name);
/* The index of the lane, for `targets` and marks; -1 when there is no room. */
int chaos_report_add_lane(struct chaos_report *r, enum chaos_role role, const char *name);
void chaos_report_add_refusal(struct chaos_report *r, const char *kind, const char *reason);
/* Adds n to the error of that text, or counter of that name, which are kept apart by text. Beyond
 * the bound, errors gather under "other". `name` is copied when it is new. */
void chaos_report_add_error(struct chaos_report *r, const char *text, uint64_t n);
void chaos_report_add_counter(struct chaos_report *r, const char *name, uint64_t n);
/* The next interval of `sample_ms` as it was before any doubling. */
void chaos_report_add_sample(struct chaos_report *r, const struct chaos_sample *s);

/* Violated when any check is; else could not run when `failure` is set or no check was run. */
enum chaos_verdict chaos_report_verdict(const struct chaos_report *r);

/* --- renderers: pure; each appends to `out` --------------------------------------------------- */

struct chaos_text_options {
    const char *html_path; /* where the page is; NULL: no such line */
    bool colour;           /* ANSI colours */
};

/* One screen: at most 24 lines of at most 80 columns, UTF-8; only the command that repeats the run
 * is not cut: a terminal wraps it, which is counted. */
void chaos_report_text(const struct chaos_report *r, const struct chaos_text_options *options,
                       struct buf *out);
/* One self-contained page: no script, no outside resource. */
void chaos_report_html(const struct chaos_report *r, struct buf *out);
/* docs/chaos-report.md says what each field means. Valid JSON in UTF-8 whatever the text held. */
void chaos_report_json(const struct chaos_report *r, struct buf *out);
/* JUnit XML: each check a testcase, each fault's recovery a property. */
void chaos_report_junit(const struct chaos_report *r, struct buf *out);

/* What chaos_report_json wrote: E_INVAL with what is wrong, E_TOOBIG beyond a bound, E_UNSUPPORTED
 * for another format. The caller frees *ret. */
int chaos_report_from_json(struct slice text, struct chaos_report **ret, struct err *err);

#endif
