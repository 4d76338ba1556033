/* One run: a cluster, a plan and a workload in; a report out.
 *
 *   OPEN -> READY -> BASE ----> LOAD ------------> SETTLE ------> TAIL ------> CLEAN -> over
 *   start   all      what the   the workload, and  nothing new;   each         what the run
 *   what    members  store had  the plan's faults  all are told   member's     wrote is
 *   is ours serve    before                        everything     log, hash    removed
 *
 * run_interrupt heals at once and goes on with SETTLE: what was seen until then is judged. So does
 * a run that takes far longer than its plan. The report says why where a run could not be done.
 *
 * Threads: the loop's; the loop is stopped when the run is over. */
#ifndef BARQUE_CHAOS_RUN_H
#define BARQUE_CHAOS_RUN_H

#include "chaos/plan.h"
#include "chaos/report.h"
#include "chaos/target.h"
#include "lib/io/loop.h"

struct run;

struct run_options {
    struct loop *loop;
    struct target *target;       /* opened and closed by the run */
    const struct plan *plan;     /* made for this target */
    uint32_t loads;              /* bits of load_table's rows */
    uint64_t rate;               /* kv operations a second */
    const char *program;         /* this program's file */
    const char *commit, *replay; /* for the report; must outlive it */
    bool keep;                   /* leave the target's files and the run's keys where they are */
    /* Something happened: "12.3 s  kill m2". */
    void (*on_news)(void *arg, const char *line);
    /* Once a second: "12 of 60 s  3,412 ok  2 failed  leader m2  now: pause m1". */
    void (*on_progress)(void *arg, const char *line);
    void *arg;
};

/* Everything in options is borrowed until run_free. */
struct run *run_start(const struct run_options *options);
void run_interrupt(struct run *r);
/* PRE: over. Hands the report over (chaos_report_free it). */
struct chaos_report *run_take_report(struct run *r);
void run_free(struct run *r);

#endif
