/* The controllers, and the indexes they need. */
#include "api/barque.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

const struct controller *const controllers[] = {
    &controller_deployment, &controller_replicaset, &controller_node_lifecycle,
    &controller_node_view,  &controller_pod_gc,     &controller_owner_gc,
};
const size_t controllers_n = ARRAY_LEN(controllers);

static void node_item_pod_values(const struct object *o, struct index_sink *sink)
{
    const struct node_item *item = object_node_item(o);
    if (item->pod_namespace == NULL || item->pod_name == NULL) {
        return;
    }
    autofree char *key = mem_printf("%s/%s", item->pod_namespace, item->pod_name);
    index_emit(sink, key);
}

const struct cache_index index_node_item_pod = { "pod", node_item_pod_values };

void controllers_indexes(struct informers *informers)
{
    informers_index(informers, &kind_node_item, &index_node_item_pod);
}
