/* What a reconcile decided: a list of writes, as data. The brain makes it, the executor carries it
 * out, a test reads it.
 *
 *     struct pod *pod = new_pod(rs, plan);
 *     plan_create(plan, &pod->object);                  takes it
 *     struct object *copy = object_copy(&rs->object);   edit ...
 *     plan_update_status(plan, &rs->object, copy);      nothing differs: nothing planned
 *     plan_requeue_after(plan, 5000);
 *
 * Order: writes are sent in order, several at once; status updates wait until all before them are
 * done. The first failure ends the plan (the rest is not sent) and its key is looked at again.
 * Pure. The arena serves the whole pass; the random source is seeded by the harness. */
#ifndef BARQUE_CLIENT_PLAN_H
#define BARQUE_CLIENT_PLAN_H

#include "api/object.h"
#include "lib/base/arena.h"
#include "lib/base/rng.h"

enum plan_action { PLAN_CREATE, PLAN_UPDATE, PLAN_UPDATE_STATUS, PLAN_DELETE, PLAN_EVENT };

struct plan_op {
    enum plan_action action;
    struct object *object;   /* create, update: the new state (owned). delete, event: NULL */
    /* Which object; for events the one it is about. In the arena. */
    const struct kind *kind;
    const char *namespace_;  /* "" for cluster-scoped kinds */
    const char *name;
    const char *uid;
    int64_t resource_version; /* the guard; 0 for create */
    /* events */
    const char *type;        /* "Normal" or "Warning" */
    const char *reason;      /* "SuccessfulCreate" */
    const char *message;
};

struct plan {
    struct arena arena;
    struct rng rng;
    int64_t now_ms;            /* wall clock of this pass */
    struct plan_op *ops;
    size_t n, cap;
    uint64_t requeue_after_ms; /* UINT64_MAX = not */
};

void plan_init(struct plan *p, uint64_t seed, int64_t now_ms);
void plan_fini(struct plan *p);
/* Stamps uid, creationTimestamp, generation, and a name from generateName. Takes the object. */
struct object *plan_create(struct plan *p, struct object *taken);
/* `old` is what was read (resourceVersion is the guard). Equal: dropped, false. Takes the object.
 * */
bool plan_update(struct plan *p, const struct object *old, struct object *taken);
/* generation stays */
bool plan_update_status(struct plan *p, const struct object *old, struct object *taken);
/* Guarded by its resourceVersion: what changed since is looked at again first. */
void plan_delete(struct plan *p, const struct object *o);
void plan_event(struct plan *p, const struct object *about, const char *type, const char *reason,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Look at this key again after that time even if nothing happens; the earliest wins. */
void plan_requeue_after(struct plan *p, uint64_t delay_ms);
/* Writes of one action (events not counted unless asked for); for tests and limits. */
size_t plan_count(const struct plan *p, enum plan_action action);

#endif
