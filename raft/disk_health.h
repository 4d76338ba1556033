/* Is this member's disk too slow to lead? Pure: time and durations come in.
 *
 * Slow, with an election timeout of 1 s: in the last 5 s the 99th percentile of group commits took
 * more than 500 ms, by three of them at least (one hiccup is none); or one has been under way for
 * 2 s. Well again: eight in a row were quick and none was slow for 5 s, so a disk that alternates
 * stays slow. With other timeouts all scale. */
#ifndef BARQUE_RAFT_DISK_HEALTH_H
#define BARQUE_RAFT_DISK_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum { DISK_BUCKETS = 10 };

struct disk_health {
    bool slow;
    uint64_t election_ms;
    uint64_t tick_max_ms; /* of time that may pass between two ticks and still counts */
    struct disk_bucket {
        uint64_t number; /* its time divided by half an election timeout */
        uint32_t n, slow;
    } buckets[DISK_BUCKETS];
    uint64_t slow_ms;     /* when the last slow one was seen */
    unsigned quick;       /* in a row */
    uint64_t running;     /* the group commit under way at the last tick; 0: none */
    uint64_t running_ms;  /* how long it was seen under way */
    uint64_t tick_ms;
};

void disk_health_init(struct disk_health *h, uint64_t election_ms);
/* A group commit took so long. */
void disk_health_synced(struct disk_health *h, uint64_t now_ms, uint64_t took_us);
/* Every now and then: which group commit is under way (any number that differs from the one before;
 * 0: none). A process that was stopped meanwhile does not blame its disk. */
void disk_health_tick(struct disk_health *h, uint64_t now_ms, uint64_t running);

#endif
