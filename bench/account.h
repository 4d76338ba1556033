/* What processes cost: CPU time by their CPU clock (nanosecond clocks of other processes, where
 * /proc/<pid>/stat has ticks of 10 ms), memory by /proc/<pid>/statm. */
#ifndef BARQUE_BENCH_ACCOUNT_H
#define BARQUE_BENCH_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Sums over n processes, all threads of each. E_NOTFOUND when one is not there. */
int account_cpu_us(const pid_t *pids, size_t n, uint64_t *ret_us);
int account_rss_bytes(const pid_t *pids, size_t n, uint64_t *ret_bytes);

#endif
