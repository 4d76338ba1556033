/* The parts of a run, for run.c and judge.c. */
#ifndef BARQUE_CHAOS_RUN_INTERNAL_H
#define BARQUE_CHAOS_RUN_INTERNAL_H

#include "chaos/journal.h"
#include "chaos/nemesis.h"
#include "chaos/run.h"
#include "chaos/tail.h"

enum run_phase {
    RUN_OPEN,
    RUN_READY,
    RUN_BASE,
    RUN_LOAD,
    RUN_SETTLE,
    RUN_TAIL,
    RUN_CLEAN,
    RUN_OVER,
    RUN_PHASES
};

enum { RUN_LEADERS_MAX = 4096 };

struct run {
    struct run_options o;
    enum run_phase phase;
    uint64_t phase_ms;   /* it began */
    uint64_t started_ms; /* the run's zero: LOAD began */
    uint64_t next_progress_ms;
    struct timer tick;
    struct chaos_report *report;
    struct check_pool pool;
    struct history history;
    struct client *client;
    struct ops ops;
    struct sight sight;
    struct loads loads;
    struct nemesis nemesis;
    struct tail tail;
    struct journal journal;
    bool opened;     /* the target */
    bool began;      /* LOAD: nemesis and loads exist */
    bool asking;     /* a call of this phase is under way */
    size_t cleaning; /* calls of CLEAN under way */
    bool interrupted, overtime;
    const char *unsettled; /* at the end of SETTLE; NULL = nothing is */
    /* BASE */
    struct check_log base;
    struct check_pkv *kvs;
    size_t n_kvs, cap_kvs;
    struct buf next_key;
    /* For the lease checks: when members became leader, microseconds. */
    int64_t leaders_us[RUN_LEADERS_MAX];
    size_t n_leaders;
    int64_t end_us; /* when all had been looked at */
};

/* judge.c: all checks into the report. */
void run_check(struct run *r);

#endif
