/* The leader's lease clock: when which lease runs out. Soft state, not replicated: a new
 * leader gives every lease its full (or checkpointed) TTL again, so a lease never expires
 * early. A hierarchical timer wheel (100 ms ticks): grant, renew and expire are O(1). Pure:
 * time is an argument. */
#ifndef BARQUE_STORE_LEASE_CLOCK_H
#define BARQUE_STORE_LEASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lease_clock;

struct lease_clock *lease_clock_new(uint64_t now_ms);
void lease_clock_free(struct lease_clock *c);
/* Adds or restarts. */
void lease_clock_set(struct lease_clock *c, int64_t id, int64_t ttl_s, uint64_t now_ms);
/* The same with less left than its TTL (a checkpoint): a renewal gives the full TTL again. */
void lease_clock_set_remaining(struct lease_clock *c, int64_t id, int64_t ttl_s,
                               int64_t remaining_s, uint64_t now_ms);
/* Keepalive: restarts with its TTL. False when unknown or already handed out as expired. */
bool lease_clock_renew(struct lease_clock *c, int64_t id, uint64_t now_ms, int64_t *ret_ttl_s);
void lease_clock_remove(struct lease_clock *c, int64_t id);
/* Remaining milliseconds; -1 when unknown. */
int64_t lease_clock_remaining_ms(const struct lease_clock *c, int64_t id, uint64_t now_ms);
/* Up to max ids that have run out (each once, until set or renewed again after a failed revoke by
 * lease_clock_set). */
size_t lease_clock_expired(struct lease_clock *c, uint64_t now_ms, int64_t *ret_ids, size_t max);
size_t lease_clock_count(const struct lease_clock *c);

#endif
