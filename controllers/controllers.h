/* THE table of controllers. Each is one file of one shape: the keys that an event concerns, and
 * a pure reconcile(lister, key, now) -> plan. The harness (client/controller.h) brings watches,
 * queue, leadership and the carrying out of plans. Adding one = one file + one line in table.c. */
#ifndef BARQUE_CONTROLLERS_CONTROLLERS_H
#define BARQUE_CONTROLLERS_CONTROLLERS_H

#include "client/controller.h"

extern const struct controller controller_replicaset, controller_deployment,
    controller_node_lifecycle, controller_node_view, controller_pod_gc, controller_owner_gc;

extern const struct controller *const controllers[];
extern const size_t controllers_n;

/* Indexes the reconciles look things up by: call before controller_group_new. */
void controllers_indexes(struct informers *informers);
/* NodeItems of one pod, by "namespace/name". */
extern const struct cache_index index_node_item_pod;

#endif
