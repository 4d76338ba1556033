/* A world of caches for pure reconciles: put objects in, run one controller on a key, look at its
 * plan, and (for whole stories) let the plan come true in the caches.
 *
 * Objects are written as JSON with single quotes: world_put(w, "{'kind':'Pod',...}"). */
#ifndef BARQUE_TESTS_UNIT_CONTROLLERS_WORLD_H
#define BARQUE_TESTS_UNIT_CONTROLLERS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/barque.h"
#include "api/meta.h"
#include "client/cache.h"
#include "controllers/controllers.h"

enum { WORLD_KINDS = 7 };

struct world {
    struct lister lister;
    struct plan plan;      /* of the last reconcile */
    bool planned;
    int64_t now_ms;
    int64_t revision;
    uint64_t seed;
};

void world_open(struct world *w);
void world_close(struct world *w);
/* Stored at the next revision, which all caches then show. */
const struct object *world_put(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void world_remove(struct world *w, const struct kind *kind, const char *name_key);
const struct object *world_get(const struct world *w, const struct kind *kind,
                               const char *name_key);
size_t world_count(const struct world *w, const struct kind *kind);
/* Runs it; the plan is in w->plan. Returns the number of writes. */
size_t world_reconcile(struct world *w, const struct controller *c, const char *key);
/* The plan comes true. */
void world_apply(struct world *w);
/* The n-th op of that action, or the test fails. */
const struct plan_op *world_op(const struct world *w, enum plan_action action, size_t n);
/* Is there an op of that action on an object of that name? */
bool world_plans(const struct world *w, enum plan_action action, const char *name);
/* RFC 3339 text of now + delta, in a static buffer of the call site's turn. */
const char *world_time(const struct world *w, int64_t delta_ms);

int test_replicaset_run(void);
int test_rolling_run(void);
int test_rollout_run(void);
int test_deployment_run(void);
int test_node_lifecycle_run(void);
int test_node_view_run(void);
int test_gc_run(void);

#endif
