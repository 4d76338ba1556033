/* The core kinds as C structs: Namespace, Node, Pod, ConfigMap, Event. Field names follow
 * Kubernetes' in snake case. Strings are owned, NULL = absent; arrays are pointer + n_; an
 * optional number has a has_ flag. Fields of Kubernetes' schema that nothing here acts on are kept
 * word by word as JSON text (the `other_json` members, see schema.h), so that a manifest loses
 * nothing on its way through. */
#ifndef BARQUE_API_CORE_H
#define BARQUE_API_CORE_H

#include "api/object.h"

/* --- shared pieces ---------------------------------------------------------------------------- */
struct condition {
    char *type;                 /* "Ready" */
    char *status;               /* "True" "False" "Unknown" */
    char *reason, *message;
    char *last_transition_time, *last_update_time, *last_heartbeat_time;
};
struct condition_list {
    struct condition *items;
    size_t n;
};

struct label_requirement {
    char *key, *operator_;      /* In, NotIn, Exists, DoesNotExist */
    char **values;
    size_t n_values;
};
struct label_selector {
    struct string_map match_labels;
    struct label_requirement *match_expressions;
    size_t n_match_expressions;
};

/* --- Namespace -------------------------------------------------------------------------------- */
struct namespace {
    struct object object;
    char *phase;                /* status.phase: "Active" */
    char *spec_other_json, *status_other_json; /* see schema.h, as all other_json below */
};

/* --- Node ------------------------------------------------------------------------------------- */
struct taint {
    char *key, *value, *effect; /* NoSchedule, PreferNoSchedule, NoExecute */
    char *time_added;
};
struct node_address {
    char *type, *address;
};
struct node {
    struct object object;
    struct {
        bool unschedulable;
        struct taint *taints;
        size_t n_taints;
        char *other_json;
    } spec;
    struct {
        struct string_map capacity, allocatable; /* "cpu" "memory" "pods" -> quantity */
        struct condition_list conditions;
        struct node_address *addresses;
        size_t n_addresses;
        struct string_map node_info;             /* osImage, kernelVersion, kubeletVersion... */
        char *other_json;
    } status;
};
#define NODE_TAINT_UNREACHABLE "node.kubernetes.io/unreachable"

/* --- Pod -------------------------------------------------------------------------------------- */
struct env_var {
    char *name, *value;
    char *config_map_name, *config_map_key; /* valueFrom.configMapKeyRef */
    bool config_map_optional;
    char *field_path;                       /* valueFrom.fieldRef: metadata.name, ... */
    char *value_from_other_json;
};
struct container_port {
    char *name, *protocol;
    int32_t container_port, host_port;
    char *other_json;
};
struct resources {
    struct string_map requests, limits;     /* quantities */
    char *other_json;
};
struct container {
    char *name, *image, *working_dir;
    char **command, **args;
    size_t n_command, n_args;
    struct env_var *env;
    size_t n_env;
    struct container_port *ports;
    size_t n_ports;
    struct resources resources;
    char *other_json;
};
struct toleration {
    char *key, *operator_, *value, *effect;
    int64_t toleration_seconds;
    bool has_toleration_seconds;
};
struct topology_spread {
    int32_t max_skew;
    char *topology_key, *when_unsatisfiable; /* DoNotSchedule, ScheduleAnyway */
    struct label_selector label_selector;
    char *other_json;
};
struct pod_spec {
    struct container *containers;
    size_t n_containers;
    char *restart_policy;                   /* Always, OnFailure, Never */
    int64_t termination_grace_period_seconds;
    bool has_termination_grace_period_seconds;
    char *node_name;                        /* NULL until bound; set once */
    struct string_map node_selector;
    struct toleration *tolerations;
    size_t n_tolerations;
    struct topology_spread *topology_spread_constraints;
    size_t n_topology_spread_constraints;
    char *hostname, *service_account_name, *scheduler_name;
    char *other_json;
};
struct container_state {                    /* exactly one of the three is set, or none */
    struct { bool set; char *reason, *message; } waiting;
    struct { bool set; char *started_at; } running;
    struct {
        bool set;
        int32_t exit_code, signal;
        char *reason, *message, *started_at, *finished_at;
    } terminated;
};
struct container_status {
    char *name, *container_id, *image;
    struct container_state state, last_state;
    bool ready, started;
    int32_t restart_count;
    char *other_json;
};
struct pod_status {
    char *phase;                            /* Pending, Running, Succeeded, Failed, Unknown */
    struct condition_list conditions;       /* PodScheduled, Initialized, ContainersReady, Ready */
    char *message, *reason, *host_ip, *pod_ip, *start_time;
    struct container_status *container_statuses;
    size_t n_container_statuses;
    char *other_json;
};
struct pod {
    struct object object;
    struct pod_spec spec;
    struct pod_status status;
};
struct pod_template {
    struct object_meta metadata;
    struct pod_spec spec;
};

/* --- ConfigMap, Event ------------------------------------------------------------------------- */
struct configmap {
    struct object object;
    struct string_map data, binary_data;
    bool immutable;
};
struct object_reference {
    char *kind, *namespace_, *name, *uid, *api_version, *resource_version, *field_path;
};
struct event {
    struct object object;
    struct object_reference involved_object;
    char *reason, *message, *type;          /* "Normal" or "Warning" */
    char *source_component, *source_host;
    char *first_timestamp, *last_timestamp;
    int32_t count;
    char *other_json;
};

/* --- typed views: PRE the kind matches -------------------------------------------------------- */
struct namespace *object_namespace(const struct object *o);
struct node *object_node(const struct object *o);
struct pod *object_pod(const struct object *o);
struct configmap *object_configmap(const struct object *o);
struct event *object_event(const struct object *o);

#endif
