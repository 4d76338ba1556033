/* The scheduler: binds pods to nodes. Runs everywhere, works while leading; standbys keep a warm
 * snapshot.
 *
 * Queue: active (in order of arrival) -> one pure cycle -> assumed in the snapshot, bound by a
 * txn guarded by the pod's mod_revision; many binds are in flight at once. Failed binds go back
 * with back-off. Pods that fit nowhere are parked with their reason in status.conditions and
 * wake when a node or a finished pod changes what is possible. Threads: loop. */
#ifndef BARQUE_SCHEDULER_SCHEDULER_H
#define BARQUE_SCHEDULER_SCHEDULER_H

#include "client/informer.h"
#include "client/recorder.h"

struct scheduler;

struct scheduler_options {
    struct informers *informers; /* outlives the scheduler */
    struct recorder *recorder;   /* may be NULL */
    uint64_t seed;
};

struct scheduler_stats {
    uint64_t bound, failed, cycles;
    size_t active, parked, in_flight;
};

struct scheduler *scheduler_new(const struct scheduler_options *options);
struct scheduler *scheduler_free(struct scheduler *s);
/* A new leader first lets the snapshot catch up with the store, so that it does not give away again
 * what the old leader has given away. */
void scheduler_lead(struct scheduler *s, bool leading);
/* Optional, before scheduler_lead(true): binds only while this guard holds. Copied; NULL = none. */
void scheduler_fence(struct scheduler *s, const struct client_guard *fence);
void scheduler_get_stats(const struct scheduler *s, struct scheduler_stats *ret_stats);

#endif
