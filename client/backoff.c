/* Exponential back-off with a random part; see backoff.h. Doubling stops at max, before it can
 * overflow. */
#include "client/backoff.h"

#include <stddef.h>

uint64_t backoff_ceiling_ms(const struct backoff *b, uint32_t failures)
{
    uint64_t ms = b->base_ms;

    if (failures == 0) {
        return 0;
    }
    for (uint32_t i = 1; i < failures && ms < b->max_ms; i++) {
        ms *= 2;
    }
    return ms < b->max_ms ? ms : b->max_ms;
}

uint64_t backoff_delay_ms(const struct backoff *b, uint32_t failures, struct rng *rng)
{
    uint64_t ceiling = backoff_ceiling_ms(b, failures);

    return rng != NULL ? rng_range(rng, ceiling / 2, ceiling) : ceiling;
}
