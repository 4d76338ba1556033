/* Barque's own kinds, never written by people: the node view and the node's sign of life.
 *
 * A node agent watches one prefix, /barque/nodes/<node>/, and writes under it; nothing else. Items
 * there are of kind NodeItem; metadata.namespace is the node and metadata.name tells what it is:
 *     pod.<namespace>.<name>     what this node shall run: written by the node_view controller,
 *                                with every ConfigMap reference already resolved into plain values
 *     status.<namespace>.<name>  what became of it: written by the agent, folded into the Pod
 *                                by the node_view controller
 *     node                       the node's own description: written by the agent at registration,
 *                                made into the Node object by the node_lifecycle controller
 * A namespace holds no dot, so the names split without doubt.
 *
 * /barque/alive/<node> (kind NodeAlive) is attached to an etcd lease that the agent keeps alive:
 * its disappearance is the one sign that a node is lost. The epoch tells registrations apart. */
#ifndef BARQUE_API_BARQUE_H
#define BARQUE_API_BARQUE_H

#include "api/core.h"

enum node_item_type { NODE_ITEM_POD, NODE_ITEM_STATUS, NODE_ITEM_NODE, NODE_ITEM_UNKNOWN };

struct node_item {
    struct object object;
    /* pod and status: which pod (its uid tells a successor of the same name apart). */
    char *pod_namespace, *pod_name, *pod_uid;
    /* pod: the pod is being deleted: stop it within its grace period. */
    bool stop;
    struct string_map labels;        /* of the pod, or of the node */
    struct pod_spec spec;            /* pod */
    /* status: */
    struct pod_status status;
    bool stopped;                    /* it was told to stop and no process of it is left */
    /* node: */
    struct string_map capacity, allocatable;
    struct node_address *addresses;
    size_t n_addresses;
    struct string_map node_info;
    int64_t epoch;
};

struct node_alive {
    struct object object;            /* metadata.name is the node */
    int64_t epoch;
};

extern const struct kind kind_node_item, kind_node_alive;

struct node_item *object_node_item(const struct object *o);
struct node_alive *object_node_alive(const struct object *o);

/* From the name; pod namespace and name (buffers of >= 254 bytes) for pod and status items. */
enum node_item_type node_item_type(const struct object *o);
/* "pod.default.web-1" / "status.default.web-1". At least 520 bytes. */
void node_item_name(enum node_item_type type, const char *pod_namespace, const char *pod_name,
                    char *ret_name, size_t size);

#endif
