/* spec.nodeSelector: every label must be on the node with that value. */
#include <string.h>

#include "scheduler/cycle.h"

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    const struct string_map *want = &c->pod->spec.node_selector;
    for (size_t i = 0; i < want->n; i++) {
        const char *have = string_map_get(&n->node->object.metadata.labels, want->items[i].key);
        if (have == NULL || strcmp(have, want->items[i].value) != 0) {
            return arena_printf(c->arena, "without label %s=%s", want->items[i].key,
                                want->items[i].value);
        }
    }
    return NULL;
}

const struct plugin plugin_node_selector = { .name = "NodeSelector", .filter = filter };
