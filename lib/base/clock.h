/* Time as an argument. Brains never read a clock; edges pass `now_ms`. Monotonic milliseconds are
 * for deadlines, wall milliseconds (Unix) only for people and timestamps. The loop (lib/io/loop.h)
 * is what most code asks; these are for short commands and for the loop itself. */
#ifndef BARQUE_BASE_CLOCK_H
#define BARQUE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/timestamp.h"

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
/* CPU time of this process in microseconds (benchmarks). */
uint64_t clock_cpu_us(void);

#endif
