/* What several controllers do to pods. */
#ifndef BARQUE_CONTROLLERS_PODS_H
#define BARQUE_CONTROLLERS_PODS_H

#include "api/core.h"
#include "client/plan.h"

/* Deletion in two steps: a pod that may have processes is marked (deletionTimestamp) and its
 * node stops it within its grace period, then node_view removes it; an unbound or finished one
 * is removed at once. */
void plan_delete_pod(struct plan *plan, const struct pod *pod);

#endif
