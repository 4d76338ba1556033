/* Field tables of ReplicaSet and Deployment. */
#include "api/schema.h"

/* --- ReplicaSet ------------------------------------------------------------------------------- */

static const struct field replicaset_spec_rows[] = {
    ROW_INT32_HAS("replicas", struct replicaset, spec.replicas, spec.has_replicas),
    ROW_INT32("minReadySeconds", struct replicaset, spec.min_ready_seconds),
    ROW_OBJECT("selector", struct replicaset, spec.selector, struct label_selector,
               &schema_label_selector),
    ROW_OBJECT("template", struct replicaset, spec.template_, struct pod_template,
               &schema_pod_template),
};
static SCHEMA(replicaset_spec, "ReplicaSetSpec", struct replicaset, replicaset_spec_rows);

static const struct field replicaset_status_rows[] = {
    ROW_INT32_ALWAYS("replicas", struct replicaset, status.replicas),
    ROW_INT32("fullyLabeledReplicas", struct replicaset, status.fully_labeled_replicas),
    ROW_INT32("readyReplicas", struct replicaset, status.ready_replicas),
    ROW_INT32("availableReplicas", struct replicaset, status.available_replicas),
    ROW_INT64("observedGeneration", struct replicaset, status.observed_generation),
    ROW_LIST("conditions", struct replicaset, status.conditions.items, status.conditions.n,
             struct condition, &schema_condition),
    ROW_KEPT("terminatingReplicas"),
};
static SCHEMA_OTHER(replicaset_status, "ReplicaSetStatus", struct replicaset,
                    replicaset_status_rows, status.other_json);

static const struct field replicaset_rows[] = {
    ROW_OBJECT("metadata", struct replicaset, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_INLINE("spec", &schema_replicaset_spec),
    ROW_INLINE("status", &schema_replicaset_status),
};
SCHEMA(replicaset, "ReplicaSet", struct replicaset, replicaset_rows);

/* --- Deployment ------------------------------------------------------------------------------- */

static const struct field rolling_update_rows[] = {
    ROW_INT_OR_PERCENT("maxUnavailable", struct deployment, spec.max_unavailable),
    ROW_INT_OR_PERCENT("maxSurge", struct deployment, spec.max_surge),
};
static SCHEMA(rolling_update, "RollingUpdateDeployment", struct deployment, rolling_update_rows);

static const struct field strategy_rows[] = {
    ROW_STRING("type", struct deployment, spec.strategy_type),
    ROW_INLINE("rollingUpdate", &schema_rolling_update),
};
static SCHEMA(strategy, "DeploymentStrategy", struct deployment, strategy_rows);

static const struct field deployment_spec_rows[] = {
    ROW_INT32_HAS("replicas", struct deployment, spec.replicas, spec.has_replicas),
    ROW_OBJECT("selector", struct deployment, spec.selector, struct label_selector,
               &schema_label_selector),
    ROW_OBJECT("template", struct deployment, spec.template_, struct pod_template,
               &schema_pod_template),
    ROW_INLINE("strategy", &schema_strategy),
    ROW_INT32("minReadySeconds", struct deployment, spec.min_ready_seconds),
    ROW_INT32_HAS("revisionHistoryLimit", struct deployment, spec.revision_history_limit,
                  spec.has_revision_history_limit),
    ROW_BOOL("paused", struct deployment, spec.paused),
    ROW_INT32_HAS("progressDeadlineSeconds", struct deployment, spec.progress_deadline_seconds,
                  spec.has_progress_deadline_seconds),
};
static SCHEMA(deployment_spec, "DeploymentSpec", struct deployment, deployment_spec_rows);

static const struct field deployment_status_rows[] = {
    ROW_INT64("observedGeneration", struct deployment, status.observed_generation),
    ROW_INT32("replicas", struct deployment, status.replicas),
    ROW_INT32("updatedReplicas", struct deployment, status.updated_replicas),
    ROW_INT32("readyReplicas", struct deployment, status.ready_replicas),
    ROW_INT32("availableReplicas", struct deployment, status.available_replicas),
    ROW_INT32("unavailableReplicas", struct deployment, status.unavailable_replicas),
    ROW_LIST("conditions", struct deployment, status.conditions.items, status.conditions.n,
             struct condition, &schema_condition),
    ROW_KEPT("collisionCount"),
    ROW_KEPT("terminatingReplicas"),
};
static SCHEMA_OTHER(deployment_status, "DeploymentStatus", struct deployment,
                    deployment_status_rows, status.other_json);

static const struct field deployment_rows[] = {
    ROW_OBJECT("metadata", struct deployment, object.metadata, struct object_meta,
               &schema_object_meta),
    ROW_INLINE("spec", &schema_deployment_spec),
    ROW_INLINE("status", &schema_deployment_status),
};
SCHEMA(deployment, "Deployment", struct deployment, deployment_rows);
