/* Seeded pseudo-random numbers (xoshiro256**): one seed gives the same run on every machine. */
#ifndef BARQUE_BASE_RNG_H
#define BARQUE_BASE_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [lo, hi], both ends included. */
uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi);
/* True with probability p (0..1). */
bool rng_chance(struct rng *r, double p);
double rng_double(struct rng *r); /* [0, 1) */
/* A seed from the operating system; production only. */
uint64_t rng_os_seed(void);

#endif
