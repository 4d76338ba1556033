/* Reports to render in tests: one of a plausible run, one of hostile text, one with nothing. */
#ifndef BARQUE_TESTS_UNIT_CHAOS_SAMPLE_H
#define BARQUE_TESTS_UNIT_CHAOS_SAMPLE_H

#include "chaos/report.h"

/* Five minutes on three members and three nodes, with `faults` faults; from a fixed seed, the same
 * each time. `violated`: one check found something. */
struct chaos_report *sample_run(int faults, bool violated);
/* Every string is markup, controls, bytes that are not UTF-8, or very long; numbers are extreme. */
struct chaos_report *sample_hostile(void);

#endif
