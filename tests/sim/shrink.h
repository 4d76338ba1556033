/* Runs that failed, made small (shrink.c) and kept (kept.c); each try is a child process
 * (trial.c). */
#ifndef BARQUE_TESTS_SIM_SHRINK_H
#define BARQUE_TESTS_SIM_SHRINK_H

#include "tests/sim/sim.h"

/* --- trial.c ----------------------------------------------------------------------------- */
struct trial {
    struct sim_verdict verdict;
    struct sim_stats stats;
};

/* Signals that end a run end it as a violation. */
void trial_catch_signals(void);
/* Runs one seed in a child, which may use so much CPU; nothing is printed unless verbose. 0 or
 * E_IO when there can be no child. */
int trial_run(const struct sim_setup *setup, uint64_t seed, unsigned cpu_s, struct trial *ret);
/* Do two texts name the same broken invariant? Their words in capitals are equal. */
bool trial_same(const char *a, const char *b);

/* --- kept.c ------------------------------------------------------------------------------ */
struct kept {
    struct sim_setup setup; /* every option fixed; gates_off: what was off when it was found */
    uint64_t seed;
    char violation[400];
    char commit[48];
};

void kept_fini(struct kept *k);
/* Writes a regression file. E_IO. */
int kept_write(const char *path, const struct kept *k, const char *about, struct err *err);
/* E_NOTFOUND, E_INVAL (with the line). */
int kept_read(const char *path, struct kept *ret, struct err *err);
/* Plays it: with expect, as it was found (the same invariant must break); otherwise with all gates
 * on and no bug on purpose (it must pass). Prints one line of TAP. */
bool kept_play(const char *path, bool expect, bool verbose);

/* --- shrink.c ---------------------------------------------------------------------------- */
struct shrink_limits {
    unsigned trials;
    unsigned seconds; /* of real time */
};

/* Makes a failing run as small as it finds it and prints what became of it; false when the seed
 * does not fail. The result is ret_kept (kept_fini) and a line that tells sizes before and after
 * (mem_free). */
bool shrink(const struct sim_setup *setup, uint64_t seed, const struct shrink_limits *limits,
            struct kept *ret_kept, char **ret_about);

#endif
