/* Counts in buckets of half an election timeout: the percentile is exact (more than one in a
 * hundred was slow), and memory does not grow with the number of group commits. */
#include "raft/disk_health.h"

#include "lib/base/assert.h"

enum { SLOW_MIN = 3, QUICK_MIN = 8 };

static uint64_t window_ms(const struct disk_health *h)
{
    return h->election_ms / 2 * DISK_BUCKETS;
}

void disk_health_init(struct disk_health *h, uint64_t election_ms)
{
    PRE(election_ms >= 2);
    *h = (struct disk_health){ .election_ms = election_ms, .tick_max_ms = election_ms / 4 };
}

static struct disk_bucket *bucket_at(struct disk_health *h, uint64_t now_ms)
{
    uint64_t number = now_ms / (h->election_ms / 2);
    struct disk_bucket *b = &h->buckets[number % DISK_BUCKETS];
    if (b->number != number) {
        *b = (struct disk_bucket){ .number = number };
    }
    return b;
}

static bool percentile_is_slow(const struct disk_health *h, uint64_t now_ms)
{
    uint64_t newest = now_ms / (h->election_ms / 2);
    uint64_t n = 0;
    uint64_t slow = 0;
    for (unsigned i = 0; i < DISK_BUCKETS; i++) {
        const struct disk_bucket *b = &h->buckets[i];
        if (b->number + DISK_BUCKETS > newest) {
            n += b->n;
            slow += b->slow;
        }
    }
    return slow >= SLOW_MIN && slow * 100 > n;
}

static void judge(struct disk_health *h, uint64_t now_ms)
{
    if (h->running_ms >= 2 * h->election_ms) {
        h->slow_ms = now_ms;
        h->slow = true;
    } else if (!h->slow) {
        h->slow = percentile_is_slow(h, now_ms);
    } else if (h->quick >= QUICK_MIN && now_ms - h->slow_ms >= window_ms(h)) {
        h->slow = false;
    }
}

void disk_health_synced(struct disk_health *h, uint64_t now_ms, uint64_t took_us)
{
    struct disk_bucket *b = bucket_at(h, now_ms);
    bool slow = took_us > h->election_ms * 500;
    b->n++;
    b->slow += slow;
    h->quick = slow ? 0 : h->quick + 1;
    h->slow_ms = slow ? now_ms : h->slow_ms;
    h->running = 0;
    h->running_ms = 0;
    judge(h, now_ms);
}

void disk_health_tick(struct disk_health *h, uint64_t now_ms, uint64_t running)
{
    uint64_t passed = now_ms - h->tick_ms;
    if (running == 0 || running != h->running) {
        h->running_ms = 0;
    } else {
        h->running_ms += passed < h->tick_max_ms ? passed : h->tick_max_ms;
    }
    h->running = running;
    h->tick_ms = now_ms;
    judge(h, now_ms);
}
