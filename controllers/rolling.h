/* How large each ReplicaSet of a Deployment may be now. Pure arithmetic, apart from objects:
 * easy to test. */
#ifndef BARQUE_CONTROLLERS_ROLLING_H
#define BARQUE_CONTROLLERS_ROLLING_H

#include "api/apps.h"

struct rollout {
    const struct deployment *deployment;
    const struct replicaset **all; /* owned, oldest revision first */
    size_t n;
    int current;                   /* index of the wanted template's, or -1 */
    bool old_pods;                 /* pods of other templates are still there, ending ones too */
    const int32_t *available;      /* pods of each that are available now; NULL: its status says */
};

/* Fewest pods that must be available at any moment. */
int32_t rollout_min_available(const struct deployment *d);
/* The wanted size of each of r->all, in place. */
void rollout_sizes(const struct rollout *r, int32_t *ret_sizes);
/* The size at which a new ReplicaSet starts. */
int32_t rollout_first_size(const struct rollout *r);
/* Recreate: not before all old pods are gone. */
bool rollout_may_create(const struct rollout *r);

#endif
