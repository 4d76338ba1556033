/* What this process takes of the machine, as the kernel counts it. Any thread. */
#ifndef BARQUE_IO_USAGE_H
#define BARQUE_IO_USAGE_H

#include <stdint.h>

struct usage {
    double cpu_s;             /* user and system, of all threads */
    double start_s;           /* unix time at which the process began */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t fds, fds_max;    /* open; the limit */
};

/* E_UNSUPPORTED where there is no /proc (and in the simulator). */
int usage_read(struct usage *ret_usage);

#endif
