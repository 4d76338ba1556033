/* The flags of `barque bench`, from one table: `--name value` or `--name=value`, `-o json`. Each
 * number has its bounds in the table; unknown flags and loads are refused with the nearest name. */
#ifndef BARQUE_BENCH_OPTIONS_H
#define BARQUE_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum {
    BENCH_ENDPOINTS_MAX = 16,
    BENCH_PIDS_MAX = 64,
    BENCH_SECONDS_MAX = 3600,
    BENCH_ADDRESS_BYTES = 128,
};

struct bench_options {
    char endpoints[BENCH_ENDPOINTS_MAX][BENCH_ADDRESS_BYTES]; /* "host:port" */
    size_t n_endpoints;
    pid_t pids[BENCH_PIDS_MAX]; /* servers whose CPU and memory are accounted */
    size_t n_pids;
    const char *load; /* borrowed from argv, as the two below */
    const char *user, *password_file;
    const char *password; /* of whom is named; not a flag */
    uint64_t clients;
    uint64_t conns; /* at most clients */
    uint64_t keys;
    uint64_t value_bytes;
    uint64_t seconds;
    uint64_t warmup_seconds;
    uint64_t wait_seconds;
    uint64_t limit;
    uint64_t batch;
    uint64_t putters;
    uint64_t seed;
    bool json;
    bool help;
};

/* argv[0] is the command's name. E_INVAL with what is wrong. Whether the load exists is for
 * loads.c. */
int bench_options_parse(struct bench_options *o, int argc, char **argv, struct err *err);
/* One line a flag. */
void bench_options_print(FILE *out);

#endif
