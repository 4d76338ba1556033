/* No new pods on a cordoned node, nor on one that is not Ready. */
#include "api/meta.h"
#include "scheduler/cycle.h"

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    (void)c;
    if (n->node->spec.unschedulable) {
        return "cordoned";
    }
    return condition_is_true(&n->node->status.conditions, "Ready") ? NULL : "not ready";
}

const struct plugin plugin_cordoned = { .name = "Cordoned", .filter = filter };
