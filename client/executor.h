/* Carries a plan out: each write a txn guarded by the mod_revision that the reconcile has read.
 * Answers once: 0, E_CONFLICT (look again), or the first other failure. Tells at which revision
 * each kind was written, so that the harness can wait for its cache to show it. Writes that were
 * sent before the failure are reported too. Threads: loop. */
#ifndef BARQUE_CLIENT_EXECUTOR_H
#define BARQUE_CLIENT_EXECUTOR_H

#include "client/client.h"
#include "client/plan.h"
#include "client/recorder.h"

struct executor;

struct executor_wrote {
    const struct kind *kind;
    int64_t revision; /* the highest of this kind */
};
struct executor_outcome {
    int status;
    const struct err *err;   /* never NULL when status != 0 */
    size_t written;          /* writes that succeeded */
    const struct executor_wrote *wrote;
    size_t n_wrote;
    uint64_t requeue_after_ms; /* the plan's */
};
typedef void (*executor_done)(void *arg, const struct executor_outcome *outcome);

/* recorder may be NULL: events are dropped. */
struct executor *executor_new(struct client *c, struct recorder *recorder);
/* PRE: nothing runs, or nobody waits: running plans are cancelled without `done`. */
struct executor *executor_free(struct executor *x);
/* Takes the plan's contents (p is left empty, as after plan_fini). `done` comes later, also for an
 * empty plan. */
void executor_run(struct executor *x, struct plan *p, executor_done done, void *arg);
/* From now on every write also needs this guard (elector_guard: nothing from a deposed leader is
 * written). Copied; NULL = none. A broken fence is E_CONFLICT. */
void executor_set_fence(struct executor *x, const struct client_guard *fence);
size_t executor_running(const struct executor *x);

#endif
