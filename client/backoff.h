/* How long to wait before trying again: base * 2^(failures-1), at most max, less a random part so
 * that many that failed together do not come back together. Pure: the caller brings the randomness.
 *
 *     {50, 1000}: failures 1, 2, 3, ... -> at most 50, 100, 200, 400, 800, 1000, 1000 ms; never
 *     below half. */
#ifndef BARQUE_CLIENT_BACKOFF_H
#define BARQUE_CLIENT_BACKOFF_H

#include <stdint.h>

#include "lib/base/rng.h"

struct backoff {
    uint64_t base_ms, max_ms;
};

/* The upper bound after `failures` (>= 1) failures in a row; 0 failures give 0. */
uint64_t backoff_ceiling_ms(const struct backoff *b, uint32_t failures);
/* The wait itself, in [ceiling / 2, ceiling]. rng NULL = the ceiling. */
uint64_t backoff_delay_ms(const struct backoff *b, uint32_t failures, struct rng *rng);

#endif
