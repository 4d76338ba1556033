/* Watches, without a wire: who wants which keys from which revision, and what to tell them
 * next.
 *
 * Synced watchers (their next revision is the store's next) are found by an interval tree when
 * a revision is applied; lagging ones follow their own cursor through the store's history in
 * bounded steps, off the writer's path, and become synced when they have caught up. A watcher
 * whose consumer has no room (on_events says so) becomes lagging: nothing is queued for it,
 * nothing is lost (etcd's "victims").
 *
 * Guarantees (etcd API): ordered, unique, atomic per revision, resumable, bookmarkable.
 * Pure: no clock, no socket. Callbacks may cancel any watcher, also the one called. */
#ifndef BARQUE_STORE_WATCH_HUB_H
#define BARQUE_STORE_WATCH_HUB_H

#include "lib/base/list.h"
#include "store/store.h"

struct watch_hub;
struct watcher;

struct watch_hub_events {
    /* All matching events of one revision (records borrowed). Returns false when the consumer
     * had no room and took nothing: the watcher lags and is asked again by watch_hub_step. */
    bool (*on_events)(void *arg, int64_t revision, struct record *const *records, size_t n);
    /* Its start revision was compacted: the watcher has been cancelled. */
    void (*on_compacted)(void *arg, int64_t compact_revision);
};

struct watch_options {
    struct slice key, range_end;     /* copied; range_end as in range_request */
    int64_t start_revision;          /* 0 = from the next one */
    bool no_put, no_delete;          /* filters */
    const struct watch_hub_events *events; /* of this watcher, static; NULL = the hub's */
    void *arg;
};

struct watch_hub *watch_hub_new(struct store *s, const struct watch_hub_events *events);
void watch_hub_free(struct watch_hub *h); /* PRE: every watcher is cancelled */
/* Never calls back from inside. A start revision in the past starts lagging. */
struct watcher *watch_hub_add(struct watch_hub *h, const struct watch_options *options);
void watch_hub_cancel(struct watch_hub *h, struct watcher *w); /* frees w */
/* The store's on_events feeds this. */
void watch_hub_publish(struct watch_hub *h, int64_t revision, struct record *const *records,
                       size_t n);
/* Feeds lagging watchers up to max_records of history in all, round robin. True while any lagging
 * watcher has room and work left: call again in a later turn. */
bool watch_hub_step(struct watch_hub *h, size_t max_records);
/* Its consumer has room again. */
void watcher_ready(struct watcher *w);
bool watcher_synced(const struct watcher *w);
/* The first revision this watcher has not been told of. */
int64_t watcher_next_revision(const struct watcher *w);
/* After a snapshot replaced the store (same revisions, other records). */
void watch_hub_rebase(struct watch_hub *h, struct store *s);
size_t watch_hub_count(const struct watch_hub *h);
size_t watch_hub_lagging(const struct watch_hub *h);

#endif
