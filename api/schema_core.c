/* Field tables of Namespace, Node, ConfigMap, Event, and of Barque's own NodeItem and NodeAlive. */
#include "api/barque.h"
#include "api/schema.h"

/* --- Namespace -------------------------------------------------------------------------------- */

static const struct field namespace_spec_rows[] = {
    ROW_KEPT("finalizers"),
};
static SCHEMA_OTHER(namespace_spec, "NamespaceSpec", struct namespace, namespace_spec_rows,
                    spec_other_json);

static const struct field namespace_status_rows[] = {
    ROW_STRING("phase", struct namespace, phase),
    ROW_KEPT("conditions"),
};
static SCHEMA_OTHER(namespace_status, "NamespaceStatus", struct namespace, namespace_status_rows,
                    status_other_json);

static const struct field namespace_rows[] = {
    ROW_OBJECT("metadata", struct namespace, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_INLINE("spec", &schema_namespace_spec),
    ROW_INLINE("status", &schema_namespace_status),
};
SCHEMA(namespace, "Namespace", struct namespace, namespace_rows);

/* --- Node ------------------------------------------------------------------------------------- */

static const struct field taint_rows[] = {
    ROW_STRING("key", struct taint, key),
    ROW_STRING("value", struct taint, value),
    ROW_STRING("effect", struct taint, effect),
    ROW_STRING("timeAdded", struct taint, time_added),
};
static SCHEMA(taint, "Taint", struct taint, taint_rows);

static const struct field node_spec_rows[] = {
    ROW_BOOL("unschedulable", struct node, spec.unschedulable),
    ROW_LIST("taints", struct node, spec.taints, spec.n_taints, struct taint, &schema_taint),
    ROW_KEPT("podCIDR"),
    ROW_KEPT("podCIDRs"),
    ROW_KEPT("providerID"),
    ROW_KEPT("configSource"),
    ROW_KEPT("externalID"),
};
static SCHEMA_OTHER(node_spec, "NodeSpec", struct node, node_spec_rows, spec.other_json);

static const struct field node_status_rows[] = {
    ROW_QUANTITY_MAP("capacity", struct node, status.capacity),
    ROW_QUANTITY_MAP("allocatable", struct node, status.allocatable),
    ROW_LIST("conditions", struct node, status.conditions.items, status.conditions.n,
             struct condition, &schema_condition),
    ROW_LIST("addresses", struct node, status.addresses, status.n_addresses, struct node_address,
             &schema_node_address),
    ROW_STRING_MAP_LOOSE("nodeInfo", struct node, status.node_info), /* it may hold "swap": {} */
    ROW_KEPT("phase"),
    ROW_KEPT("config"),
    ROW_KEPT("daemonEndpoints"),
    ROW_KEPT("features"),
    ROW_KEPT("images"),
    ROW_KEPT("runtimeHandlers"),
    ROW_KEPT("volumesAttached"),
    ROW_KEPT("volumesInUse"),
};
static SCHEMA_OTHER(node_status, "NodeStatus", struct node, node_status_rows, status.other_json);

static const struct field node_rows[] = {
    ROW_OBJECT("metadata", struct node, object.metadata, struct object_meta, &schema_object_meta),
    ROW_INLINE("spec", &schema_node_spec),
    ROW_INLINE("status", &schema_node_status),
};
SCHEMA(node, "Node", struct node, node_rows);

/* --- ConfigMap -------------------------------------------------------------------------------- */

static const struct field configmap_rows[] = {
    ROW_OBJECT("metadata", struct configmap, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_STRING_MAP("data", struct configmap, data),
    ROW_STRING_MAP("binaryData", struct configmap, binary_data),
    ROW_BOOL("immutable", struct configmap, immutable),
};
SCHEMA(configmap, "ConfigMap", struct configmap, configmap_rows);

/* --- Event ------------------------------------------------------------------------------------ */

static const struct field object_reference_rows[] = {
    ROW_STRING("kind", struct object_reference, kind),
    ROW_STRING("namespace", struct object_reference, namespace_),
    ROW_STRING("name", struct object_reference, name),
    ROW_STRING("uid", struct object_reference, uid),
    ROW_STRING("apiVersion", struct object_reference, api_version),
    ROW_STRING("resourceVersion", struct object_reference, resource_version),
    ROW_STRING("fieldPath", struct object_reference, field_path),
};
static SCHEMA(object_reference, "ObjectReference", struct object_reference, object_reference_rows);

static const struct field event_source_rows[] = {
    ROW_STRING("component", struct event, source_component),
    ROW_STRING("host", struct event, source_host),
};
static SCHEMA(event_source, "EventSource", struct event, event_source_rows);

static const struct field event_rows[] = {
    ROW_OBJECT("metadata", struct event, object.metadata, struct object_meta, &schema_object_meta),
    ROW_OBJECT("involvedObject", struct event, involved_object, struct object_reference,
               &schema_object_reference),
    ROW_STRING("reason", struct event, reason),
    ROW_STRING("message", struct event, message),
    ROW_INLINE("source", &schema_event_source),
    ROW_STRING("firstTimestamp", struct event, first_timestamp),
    ROW_STRING("lastTimestamp", struct event, last_timestamp),
    ROW_INT32("count", struct event, count),
    ROW_STRING("type", struct event, type),
    ROW_KEPT("action"),
    ROW_KEPT("eventTime"),
    ROW_KEPT("related"),
    ROW_KEPT("reportingComponent"),
    ROW_KEPT("reportingInstance"),
    ROW_KEPT("series"),
};
SCHEMA_OTHER(event, "Event", struct event, event_rows, other_json);

/* --- NodeItem, NodeAlive ---------------------------------------------------------------------- */

static const struct field node_item_pod_rows[] = {
    ROW_STRING("namespace", struct node_item, pod_namespace),
    ROW_STRING("name", struct node_item, pod_name),
    ROW_STRING("uid", struct node_item, pod_uid),
};
static SCHEMA(node_item_pod, "NodeItemPod", struct node_item, node_item_pod_rows);

static const struct field node_item_rows[] = {
    ROW_OBJECT("metadata", struct node_item, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_INLINE("pod", &schema_node_item_pod),
    ROW_BOOL("stop", struct node_item, stop),
    ROW_STRING_MAP("labels", struct node_item, labels),
    ROW_OBJECT("spec", struct node_item, spec, struct pod_spec, &schema_pod_spec),
    ROW_OBJECT("status", struct node_item, status, struct pod_status, &schema_pod_status),
    ROW_BOOL("stopped", struct node_item, stopped),
    ROW_QUANTITY_MAP("capacity", struct node_item, capacity),
    ROW_QUANTITY_MAP("allocatable", struct node_item, allocatable),
    ROW_LIST("addresses", struct node_item, addresses, n_addresses, struct node_address,
             &schema_node_address),
    ROW_STRING_MAP("nodeInfo", struct node_item, node_info),
    ROW_INT64("epoch", struct node_item, epoch),
};
SCHEMA(node_item, "NodeItem", struct node_item, node_item_rows);

static const struct field node_alive_rows[] = {
    ROW_OBJECT("metadata", struct node_alive, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_INT64("epoch", struct node_alive, epoch),
};
SCHEMA(node_alive, "NodeAlive", struct node_alive, node_alive_rows);
