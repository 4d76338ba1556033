/* Time as an argument. Brains never read a clock; edges pass `now_ms`. Monotonic milliseconds are
 * for deadlines, wall milliseconds (Unix) only for people and timestamps. The loop (lib/io/loop.h)
 * is what most code asks; these are for short commands and for the loop itself. */
#ifndef BARQUE_BASE_CLOCK_H
#define BARQUE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
/* CPU time of this process in microseconds (benchmarks). */
uint64_t clock_cpu_us(void);
/* "2026-11-23T10:00:00Z" (RFC 3339, UTC), as Kubernetes writes timestamps. At least 21 bytes. */
void clock_format(int64_t wall_ms, char *ret_text, size_t size);
/* Parses that form, also with a fraction ("10:00:00.123456Z"); E_INVAL otherwise. */
int clock_parse(const char *text, int64_t *ret_wall_ms);
/* "5s" "3m" "2h10m" "4d": kubectl's age column. At least 16 bytes. */
void clock_format_age(int64_t age_ms, char *ret_text, size_t size);

#endif
