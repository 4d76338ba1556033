/* Field tables of what all kinds share: metadata, conditions, label selectors. The order of the
 * rows is the order of the keys in written JSON. */
#include "api/schema.h"

#include "lib/base/assert.h"

const struct field *schema_field(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n; i++) {
        if (strcmp(schema->fields[i].name, name) == 0) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

static const struct field owner_reference_rows[] = {
    ROW_STRING("apiVersion", struct owner_reference, api_version),
    ROW_STRING("kind", struct owner_reference, kind),
    ROW_STRING("name", struct owner_reference, name),
    ROW_STRING("uid", struct owner_reference, uid),
    ROW_BOOL("controller", struct owner_reference, controller),
    ROW_BOOL("blockOwnerDeletion", struct owner_reference, block_owner_deletion),
};
static SCHEMA(owner_reference, "OwnerReference", struct owner_reference, owner_reference_rows);

static const struct field object_meta_rows[] = {
    ROW_STRING("name", struct object_meta, name),
    ROW_STRING("generateName", struct object_meta, generate_name),
    ROW_STRING("namespace", struct object_meta, namespace_),
    ROW_STRING("uid", struct object_meta, uid),
    ROW_REVISION("resourceVersion", struct object_meta, resource_version),
    ROW_INT64("generation", struct object_meta, generation),
    ROW_STRING("creationTimestamp", struct object_meta, creation_timestamp),
    ROW_STRING("deletionTimestamp", struct object_meta, deletion_timestamp),
    ROW_INT64("deletionGracePeriodSeconds", struct object_meta, deletion_grace_period_seconds),
    ROW_STRING_MAP("labels", struct object_meta, labels),
    ROW_STRING_MAP("annotations", struct object_meta, annotations),
    ROW_LIST("ownerReferences", struct object_meta, owner_references, n_owner_references,
             struct owner_reference, &schema_owner_reference),
    ROW_STRING_LIST("finalizers", struct object_meta, finalizers, n_finalizers),
    ROW_KEPT("managedFields"),
    ROW_DROPPED("selfLink"),
};
SCHEMA_OTHER(object_meta, "ObjectMeta", struct object_meta, object_meta_rows, other_json);

static const struct field condition_rows[] = {
    ROW_STRING("type", struct condition, type),
    ROW_STRING("status", struct condition, status),
    ROW_STRING("reason", struct condition, reason),
    ROW_STRING("message", struct condition, message),
    ROW_STRING("lastTransitionTime", struct condition, last_transition_time),
    ROW_STRING("lastUpdateTime", struct condition, last_update_time),
    ROW_STRING("lastHeartbeatTime", struct condition, last_heartbeat_time),
    ROW_DROPPED("lastProbeTime"),
    ROW_DROPPED("observedGeneration"),
};
SCHEMA(condition, "Condition", struct condition, condition_rows);

static const struct field label_requirement_rows[] = {
    ROW_STRING("key", struct label_requirement, key),
    ROW_STRING("operator", struct label_requirement, operator_),
    ROW_STRING_LIST("values", struct label_requirement, values, n_values),
};
static SCHEMA(label_requirement, "LabelSelectorRequirement", struct label_requirement,
              label_requirement_rows);

static const struct field label_selector_rows[] = {
    ROW_STRING_MAP("matchLabels", struct label_selector, match_labels),
    ROW_LIST("matchExpressions", struct label_selector, match_expressions, n_match_expressions,
             struct label_requirement, &schema_label_requirement),
};
SCHEMA(label_selector, "LabelSelector", struct label_selector, label_selector_rows);

static const struct field node_address_rows[] = {
    ROW_STRING("type", struct node_address, type),
    ROW_STRING("address", struct node_address, address),
};
SCHEMA(node_address, "NodeAddress", struct node_address, node_address_rows);
