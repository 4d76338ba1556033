/* Field tables of Pod and all that is inside it. */
#include "api/schema.h"

/* --- containers ------------------------------------------------------------------------------- */

/* valueFrom: three levels of JSON, flat in struct env_var. */
static const struct field config_map_key_ref_rows[] = {
    ROW_STRING("name", struct env_var, config_map_name),
    ROW_STRING("key", struct env_var, config_map_key),
    ROW_BOOL("optional", struct env_var, config_map_optional),
};
static SCHEMA(config_map_key_ref, "ConfigMapKeySelector", struct env_var, config_map_key_ref_rows);

static const struct field field_ref_rows[] = {
    ROW_DROPPED("apiVersion"),
    ROW_STRING("fieldPath", struct env_var, field_path),
};
static SCHEMA(field_ref, "ObjectFieldSelector", struct env_var, field_ref_rows);

static const struct field value_from_rows[] = {
    ROW_INLINE("configMapKeyRef", &schema_config_map_key_ref),
    ROW_INLINE("fieldRef", &schema_field_ref),
    ROW_ABSENT("secretKeyRef"),
    ROW_ABSENT("resourceFieldRef"),
    ROW_ABSENT("fileKeyRef"),
};
static SCHEMA_OTHER(value_from, "EnvVarSource", struct env_var, value_from_rows,
                    value_from_other_json);

static const struct field env_var_rows[] = {
    ROW_STRING("name", struct env_var, name),
    ROW_STRING("value", struct env_var, value),
    ROW_INLINE("valueFrom", &schema_value_from),
};
static SCHEMA(env_var, "EnvVar", struct env_var, env_var_rows);

static const struct field container_port_rows[] = {
    ROW_STRING("name", struct container_port, name),
    ROW_INT32("containerPort", struct container_port, container_port),
    ROW_INT32("hostPort", struct container_port, host_port),
    ROW_STRING("protocol", struct container_port, protocol),
    ROW_KEPT("hostIP"),
};
static SCHEMA_OTHER(container_port, "ContainerPort", struct container_port, container_port_rows,
                    other_json);

static const struct field resources_rows[] = {
    ROW_QUANTITY_MAP("limits", struct resources, limits),
    ROW_QUANTITY_MAP("requests", struct resources, requests),
    ROW_ABSENT("claims"),
};
static SCHEMA_OTHER(resources, "ResourceRequirements", struct resources, resources_rows,
                    other_json);

static const struct field container_rows[] = {
    ROW_STRING("name", struct container, name),
    ROW_STRING("image", struct container, image),
    ROW_STRING_LIST("command", struct container, command, n_command),
    ROW_STRING_LIST("args", struct container, args, n_args),
    ROW_STRING("workingDir", struct container, working_dir),
    ROW_LIST("ports", struct container, ports, n_ports, struct container_port,
             &schema_container_port),
    ROW_LIST("env", struct container, env, n_env, struct env_var, &schema_env_var),
    ROW_OBJECT("resources", struct container, resources, struct resources, &schema_resources),
    ROW_ABSENT("envFrom"),
    ROW_ABSENT("volumeMounts"),
    ROW_ABSENT("volumeDevices"),
    ROW_ABSENT("livenessProbe"),
    ROW_ABSENT("readinessProbe"),
    ROW_ABSENT("startupProbe"),
    ROW_ABSENT("lifecycle"),
    ROW_ABSENT("restartPolicy"),
    ROW_ABSENT("restartPolicyRules"),
    ROW_KEPT("resizePolicy"),
    ROW_KEPT("imagePullPolicy"),
    ROW_KEPT("securityContext"),
    ROW_KEPT("terminationMessagePath"),
    ROW_KEPT("terminationMessagePolicy"),
    ROW_KEPT("stdin"),
    ROW_KEPT("stdinOnce"),
    ROW_KEPT("tty"),
};
static SCHEMA_OTHER(container, "Container", struct container, container_rows, other_json);

/* --- placement -------------------------------------------------------------------------------- */

static const struct field toleration_rows[] = {
    ROW_STRING("key", struct toleration, key),
    ROW_STRING("operator", struct toleration, operator_),
    ROW_STRING("value", struct toleration, value),
    ROW_STRING("effect", struct toleration, effect),
    ROW_INT64_HAS("tolerationSeconds", struct toleration, toleration_seconds,
                  has_toleration_seconds),
};
static SCHEMA(toleration, "Toleration", struct toleration, toleration_rows);

static const struct field topology_spread_rows[] = {
    ROW_INT32("maxSkew", struct topology_spread, max_skew),
    ROW_STRING("topologyKey", struct topology_spread, topology_key),
    ROW_STRING("whenUnsatisfiable", struct topology_spread, when_unsatisfiable),
    ROW_OBJECT("labelSelector", struct topology_spread, label_selector, struct label_selector,
               &schema_label_selector),
    ROW_ABSENT("minDomains"),
    ROW_ABSENT("matchLabelKeys"),
    ROW_KEPT("nodeAffinityPolicy"),
    ROW_KEPT("nodeTaintsPolicy"),
};
static SCHEMA_OTHER(topology_spread, "TopologySpreadConstraint", struct topology_spread,
                    topology_spread_rows, other_json);

/* --- spec ------------------------------------------------------------------------------------- */

static const struct field pod_spec_rows[] = {
    ROW_LIST("containers", struct pod_spec, containers, n_containers, struct container,
             &schema_container),
    ROW_STRING("restartPolicy", struct pod_spec, restart_policy),
    ROW_INT64_HAS("terminationGracePeriodSeconds", struct pod_spec,
                  termination_grace_period_seconds, has_termination_grace_period_seconds),
    ROW_STRING("nodeName", struct pod_spec, node_name),
    ROW_STRING_MAP("nodeSelector", struct pod_spec, node_selector),
    ROW_LIST("tolerations", struct pod_spec, tolerations, n_tolerations, struct toleration,
             &schema_toleration),
    ROW_LIST("topologySpreadConstraints", struct pod_spec, topology_spread_constraints,
             n_topology_spread_constraints, struct topology_spread, &schema_topology_spread),
    ROW_STRING("hostname", struct pod_spec, hostname),
    ROW_STRING("serviceAccountName", struct pod_spec, service_account_name),
    ROW_STRING("schedulerName", struct pod_spec, scheduler_name),
    ROW_ABSENT("volumes"),
    ROW_ABSENT("initContainers"),
    ROW_ABSENT("ephemeralContainers"),
    ROW_ABSENT("affinity"),
    ROW_ABSENT("activeDeadlineSeconds"),
    ROW_ABSENT("readinessGates"),
    ROW_ABSENT("schedulingGates"),
    ROW_ABSENT("resourceClaims"),
    ROW_ABSENT("runtimeClassName"),
    ROW_ABSENT("resources"),
    ROW_KEPT("serviceAccount"),
    ROW_KEPT("automountServiceAccountToken"),
    ROW_KEPT("securityContext"),
    ROW_KEPT("imagePullSecrets"),
    ROW_KEPT("dnsPolicy"),
    ROW_KEPT("dnsConfig"),
    ROW_KEPT("enableServiceLinks"),
    ROW_KEPT("hostAliases"),
    ROW_KEPT("hostIPC"),
    ROW_KEPT("hostNetwork"),
    ROW_KEPT("hostPID"),
    ROW_KEPT("hostUsers"),
    ROW_KEPT("hostnameOverride"),
    ROW_KEPT("os"),
    ROW_KEPT("overhead"),
    ROW_KEPT("preemptionPolicy"),
    ROW_KEPT("priority"),
    ROW_KEPT("priorityClassName"),
    ROW_KEPT("setHostnameAsFQDN"),
    ROW_KEPT("shareProcessNamespace"),
    ROW_KEPT("subdomain"),
};
SCHEMA_OTHER(pod_spec, "PodSpec", struct pod_spec, pod_spec_rows, other_json);

/* --- status ----------------------------------------------------------------------------------- */

static const struct field waiting_rows[] = {
    ROW_STRING("reason", struct container_state, waiting.reason),
    ROW_STRING("message", struct container_state, waiting.message),
};
static SCHEMA(waiting, "ContainerStateWaiting", struct container_state, waiting_rows);

static const struct field running_rows[] = {
    ROW_STRING("startedAt", struct container_state, running.started_at),
};
static SCHEMA(running, "ContainerStateRunning", struct container_state, running_rows);

static const struct field terminated_rows[] = {
    ROW_INT32_ALWAYS("exitCode", struct container_state, terminated.exit_code),
    ROW_INT32("signal", struct container_state, terminated.signal),
    ROW_STRING("reason", struct container_state, terminated.reason),
    ROW_STRING("message", struct container_state, terminated.message),
    ROW_STRING("startedAt", struct container_state, terminated.started_at),
    ROW_STRING("finishedAt", struct container_state, terminated.finished_at),
    ROW_DROPPED("containerID"),
};
static SCHEMA(terminated, "ContainerStateTerminated", struct container_state, terminated_rows);

static const struct field container_state_rows[] = {
    ROW_INLINE_SET("waiting", struct container_state, waiting.set, &schema_waiting),
    ROW_INLINE_SET("running", struct container_state, running.set, &schema_running),
    ROW_INLINE_SET("terminated", struct container_state, terminated.set, &schema_terminated),
};
static SCHEMA(container_state, "ContainerState", struct container_state, container_state_rows);

static const struct field container_status_rows[] = {
    ROW_STRING("name", struct container_status, name),
    ROW_OBJECT("state", struct container_status, state, struct container_state,
               &schema_container_state),
    ROW_OBJECT("lastState", struct container_status, last_state, struct container_state,
               &schema_container_state),
    ROW_BOOL_ALWAYS("ready", struct container_status, ready),
    ROW_INT32_ALWAYS("restartCount", struct container_status, restart_count),
    ROW_STRING("image", struct container_status, image),
    ROW_STRING("containerID", struct container_status, container_id),
    ROW_BOOL("started", struct container_status, started),
    ROW_KEPT("imageID"),
    ROW_KEPT("allocatedResources"),
    ROW_KEPT("allocatedResourcesStatus"),
    ROW_KEPT("resources"),
    ROW_KEPT("stopSignal"),
    ROW_KEPT("user"),
    ROW_KEPT("volumeMounts"),
};
static SCHEMA_OTHER(container_status, "ContainerStatus", struct container_status,
                    container_status_rows, other_json);

static const struct field pod_status_rows[] = {
    ROW_STRING("phase", struct pod_status, phase),
    ROW_LIST("conditions", struct pod_status, conditions.items, conditions.n, struct condition,
             &schema_condition),
    ROW_STRING("message", struct pod_status, message),
    ROW_STRING("reason", struct pod_status, reason),
    ROW_STRING("hostIP", struct pod_status, host_ip),
    ROW_STRING("podIP", struct pod_status, pod_ip),
    ROW_STRING("startTime", struct pod_status, start_time),
    ROW_LIST("containerStatuses", struct pod_status, container_statuses, n_container_statuses,
             struct container_status, &schema_container_status),
    ROW_KEPT("observedGeneration"),
    ROW_KEPT("nominatedNodeName"),
    ROW_KEPT("hostIPs"),
    ROW_KEPT("podIPs"),
    ROW_KEPT("initContainerStatuses"),
    ROW_KEPT("ephemeralContainerStatuses"),
    ROW_KEPT("qosClass"),
    ROW_KEPT("resize"),
    ROW_KEPT("resourceClaimStatuses"),
};
SCHEMA_OTHER(pod_status, "PodStatus", struct pod_status, pod_status_rows, other_json);

/* --- Pod, PodTemplateSpec --------------------------------------------------------------------- */

static const struct field pod_rows[] = {
    ROW_OBJECT("metadata", struct pod, object.metadata, struct object_meta, &schema_object_meta),
    ROW_OBJECT("spec", struct pod, spec, struct pod_spec, &schema_pod_spec),
    ROW_OBJECT("status", struct pod, status, struct pod_status, &schema_pod_status),
};
SCHEMA(pod, "Pod", struct pod, pod_rows);

static const struct field pod_template_rows[] = {
    ROW_OBJECT("metadata", struct pod_template, metadata, struct object_meta, &schema_object_meta),
    ROW_OBJECT("spec", struct pod_template, spec, struct pod_spec, &schema_pod_spec),
};
SCHEMA(pod_template, "PodTemplateSpec", struct pod_template, pod_template_rows);
