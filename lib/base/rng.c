/* xoshiro256** (Blackman and Vigna), seeded through splitmix64: near seeds give far streams. */
#include "lib/base/rng.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "lib/base/assert.h"

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t v, int n)
{
    return (v << n) | (v >> (64 - n));
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        r->s[i] = splitmix(&seed);
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t result = rotl(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return result;
}

uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
    PRE(lo <= hi);
    uint64_t span = hi - lo + 1; /* 0 stands for 2^64 */
    if (span == 0) {
        return rng_u64(r);
    }
    /* Draws under 2^64 mod span would make small results likelier: draw again. */
    uint64_t unfair = (0 - span) % span;
    uint64_t v;
    do {
        v = rng_u64(r);
    } while (v < unfair);
    return lo + v % span;
}

double rng_double(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

bool rng_chance(struct rng *r, double p)
{
    return rng_double(r) < p;
}

uint64_t rng_os_seed(void)
{
    uint64_t seed = 0;
    ssize_t n;
    do {
        n = getrandom(&seed, sizeof seed, 0);
    } while (n < 0 && errno == EINTR);
    INVARIANT(n == (ssize_t)sizeof seed);
    return seed;
}
