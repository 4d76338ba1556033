/* Typed objects over the store: create, get, list, update, delete; every write a txn on
 * mod_revision.
 *
 * Objects are encoded before the call returns: the caller keeps its own. Statuses: E_EXIST
 * (create), E_NOTFOUND (get, update, delete), E_CONFLICT (changed in between: read again),
 * E_TOOBIG, E_TIMEOUT, E_UNAVAILABLE, E_PERM, E_CORRUPT (a stored value that is no such object).
 * `err` says what, where and what next. Defaults and validation are the caller's (api/), so that
 * plans are checked before they are shown.
 *
 * Threads: loop. Results are valid during the callback; objects in them may be taken with TAKE. */
#ifndef BARQUE_CLIENT_OBJECTS_H
#define BARQUE_CLIENT_OBJECTS_H

#include "api/object.h"
#include "client/client.h"
#include "lib/base/rng.h"

struct objects_result {
    int status;
    const struct err *err;  /* never NULL when status != 0 */
    /* get, create, update, modify: with resourceVersion */
    struct object *object;
    struct object **items;  /* list: each may be taken with TAKE(items[i]) */
    size_t n_items;
    int64_t revision;       /* of the write; of the read: what it reflects (watch from +1) */
};
typedef void (*objects_done)(void *arg, struct objects_result *result);

/* What the store of objects fills in at birth, from the caller's randomness and wall clock: uid,
 * creationTimestamp, generation 1, a name from generateName. What is already set stays. */
void object_stamp_new(struct object *o, struct rng *rng, int64_t wall_ms);
/* For an update of `old`: resourceVersion, uid, creationTimestamp from old; generation + 1 when
 * anything under spec differs (what has no status counts whole, apart from metadata). True when
 * anything differs at all. */
bool object_stamp_update(struct object *o, const struct object *old);

/* PRE: stamped (uid set). */
struct client_call *objects_create(struct client *c, const struct object *o, objects_done done,
                                   void *arg);
/* Attached to a lease (Events expire): 0 = none. */
struct client_call *objects_create_leased(struct client *c, const struct object *o, int64_t lease,
                                          objects_done done, void *arg);
/* PRE: metadata.resource_version is the one read. On conflict result->object is the store's present
 * state (NULL with E_NOTFOUND when it is gone). */
struct client_call *objects_update(struct client *c, const struct object *o, objects_done done,
                                   void *arg);
struct client_call *objects_update_leased(struct client *c, const struct object *o, int64_t lease,
                                          objects_done done, void *arg);
/* resource_version 0 = whatever is there. */
struct client_call *objects_delete(struct client *c, const struct kind *kind,
                                   const char *namespace_, const char *name,
                                   int64_t resource_version, objects_done done, void *arg);
struct client_call *objects_get(struct client *c, const struct kind *kind, const char *namespace_,
                                const char *name, objects_done done, void *arg);

/* The same, and only while `fence` holds too (a leader's: see elector_guard); NULL = as above. A
 * broken fence is E_CONFLICT, also for a create. */
struct client_call *objects_create_fenced(struct client *c, const struct object *o,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg);
struct client_call *objects_update_fenced(struct client *c, const struct object *o,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg);
/* PRE: resource_version > 0. */
struct client_call *objects_delete_fenced(struct client *c, const struct kind *kind,
                                          const char *namespace_, const char *name,
                                          int64_t resource_version,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg);

/* Longer ones, made of several calls; objects_op_cancel forgets them (done will not be called). */
struct objects_op;
/* All of a kind (namespace_ NULL = all namespaces) at one revision, read in pages of 500. */
struct objects_op *objects_list(struct client *c, const struct kind *kind, const char *namespace_,
                                objects_done done, void *arg);
/* Read, edit, write, and again on conflict (at most 16 times, with back-off): edit() changes the
 * copy it is given and returns 0, or an E_ code with err filled, which ends the operation. An edit
 * that changes nothing writes nothing and ends well. */
typedef int (*objects_edit)(void *arg, struct object *o, struct err *err);
struct objects_op *objects_modify(struct client *c, const struct kind *kind,
                                  const char *namespace_, const char *name, objects_edit edit,
                                  objects_done done, void *arg);
void objects_op_cancel(struct objects_op *op);

#endif
