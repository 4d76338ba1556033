/* The harness that runs controllers: watches -> keys -> workqueue -> reconcile -> plan -> executor.
 *
 * A controller is data (see controllers/table.c): the kinds it watches, how an event of each
 * becomes keys, and a pure reconcile. The harness brings the rest:
 *   - it works only while leading and once every watched kind is synced; standbys keep warm caches;
 *   - a new leader first lets its caches catch up with the store's present revision (at most 3 s),
 *     so that it does not repeat what the old leader has just done;
 *   - a key is with one worker at a time, `workers` keys are in flight;
 *   - never acts on a stale cache: after a plan's writes at revision R the key waits until the
 *     caches of the kinds written show R (at most 10 s, then it is looked at anyway: guards
 *     protect it);
 *   - E_CONFLICT and failures: again after a back-off that doubles (50 ms .. 30 s).
 * On losing leadership running plans end by themselves; nothing new begins. */
#ifndef BARQUE_CLIENT_CONTROLLER_H
#define BARQUE_CLIENT_CONTROLLER_H

#include "client/executor.h"
#include "client/informer.h"
#include "client/plan.h"

struct key_sink;
void key_sink_add(struct key_sink *keys, const char *key);

struct controller_watch {
    const struct kind *kind;
    /* Which keys an object of this kind concerns; called for the old and the new state of each
     * change. NULL = the object's own name key. Pure. */
    void (*keys)(const struct lister *l, const struct controller_watch *watch,
                 const struct object *o, struct key_sink *keys);
    const struct kind *owner; /* for keys_of_owner */
};
/* Name key of the controlling owner when it is of kind watch->owner. */
void keys_of_owner(const struct lister *l, const struct controller_watch *watch,
                   const struct object *o, struct key_sink *keys);

enum { CONTROLLER_WATCHES_MAX = 8 };
struct controller {
    const char *name;
    struct controller_watch watches[CONTROLLER_WATCHES_MAX]; /* up to the first with kind NULL */
    /* Reads the lister, not the event. The key's object may be gone. Fills the plan. */
    void (*reconcile)(const struct lister *l, const char *key, int64_t now_ms, struct plan *plan);
    size_t workers;      /* keys in flight; 0 = 8 */
    uint64_t resync_ms;  /* every key of the first kind again that often; 0 = never */
};

struct controller_stats {
    const char *name;
    uint64_t reconciles, writes, conflicts, failures;
    size_t queued, delayed, in_flight, waiting_for_cache;
};

struct controller_group;
struct controller_group_options {
    struct informers *informers;             /* shared; outlives the group */
    const struct controller *const *table;   /* static */
    size_t n;
    const char *component;                   /* event source: "controllers" */
    const char *host;
    uint64_t seed;
};
/* Starts the informers of all watched kinds; works once controller_group_lead(true). */
struct controller_group *controller_group_new(const struct controller_group_options *options);
struct controller_group *controller_group_free(struct controller_group *g);
/* From elector's on_leading. */
void controller_group_lead(struct controller_group *g, bool leading);
/* Optional, before controller_group_lead(true): writes only while this guard holds, so that nothing
 * from a deposed leader arrives late. NULL = none. */
void controller_group_fence(struct controller_group *g, const struct client_guard *fence);
/* Adds a key by hand (timers outside, tests). */
void controller_group_enqueue(struct controller_group *g, const char *controller, const char *key);
/* Everything synced, nothing queued, in flight or waiting (delayed keys do not count). */
bool controller_group_idle(const struct controller_group *g);
void controller_group_stats(const struct controller_group *g, size_t k,
                            struct controller_stats *ret_stats);

#endif
