/* A pod that names its node goes there or nowhere. */
#include <string.h>

#include "scheduler/cycle.h"

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    const char *want = c->pod->spec.node_name;
    return want == NULL || strcmp(want, n->name) == 0 ? NULL : "not the named node";
}

const struct plugin plugin_node_name = { .name = "NodeName", .filter = filter };
