/* The checks of each kind. */
#include "api/checks.h"
#include "api/meta.h"
#include "api/quantity.h"
#include "api/selector.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { PORT_MAX = 65535, PERCENT_MAX = 100 };

/* --- containers ------------------------------------------------------------------------------- */

static void check_env(const struct env_var *e, const char *path, struct problems *p)
{
    static const char *const paths[] = { "metadata.name", "metadata.namespace", "metadata.uid",
                                         "spec.nodeName", "spec.serviceAccountName",
                                         "status.hostIP", "status.podIP" };
    const char *problem = e->name != NULL ? env_name_problem(e->name) : "is required";
    bool config_map = e->config_map_name != NULL || e->config_map_key != NULL;

    if (problem != NULL) {
        check_add(p, path, "name", "the name of a variable %s", problem);
    }
    if (e->value != NULL && e->value[0] != 0 && (config_map || e->field_path != NULL)) {
        check_add(p, path, "valueFrom", "not together with value");
    }
    if (config_map && e->field_path != NULL) {
        check_add(p, path, "valueFrom", "either configMapKeyRef or fieldRef");
    }
    if (config_map && (e->config_map_name == NULL || e->config_map_key == NULL)) {
        check_add(p, path, "valueFrom.configMapKeyRef", "name and key are required");
    }
    if (e->field_path != NULL && !str_starts(e->field_path, "metadata.labels['") &&
        !str_starts(e->field_path, "metadata.annotations['")) {
        autofree char *at = mem_printf("%s.valueFrom.fieldRef.fieldPath", path);
        check_enum(e->field_path, paths, ARRAY_LEN(paths), at, p);
    }
}

static void check_port(const struct container_port *c, const char *path, struct problems *p)
{
    static const char *const protocols[] = { "TCP", "UDP", "SCTP" };
    autofree char *at = mem_printf("%s.protocol", path);
    if (c->container_port < 1 || c->container_port > PORT_MAX) {
        check_add(p, path, "containerPort", "must be between 1 and 65535");
    }
    if (c->host_port < 0 || c->host_port > PORT_MAX) {
        check_add(p, path, "hostPort", "must be between 0 and 65535");
    }
    if (c->name != NULL && dns_label_problem(c->name) != NULL) {
        check_add(p, path, "name", "\"%.80s\" %s", c->name, dns_label_problem(c->name));
    }
    check_enum(c->protocol != NULL ? c->protocol : "TCP", protocols, ARRAY_LEN(protocols), at, p);
}

static void check_resources(const struct resources *r, const char *path, struct problems *p)
{
    autofree char *requests = mem_printf("%s.requests", path);
    autofree char *limits = mem_printf("%s.limits", path);
    check_quantities(&r->requests, requests, p);
    check_quantities(&r->limits, limits, p);
    for (size_t i = 0; i < r->limits.n; i++) {
        const struct string_pair *limit = &r->limits.items[i];
        const char *request = string_map_get(&r->requests, limit->key);
        int64_t a = 0, b = 0;
        if (request != NULL && quantity_parse(request, &a, NULL) == 0 &&
            quantity_parse(limit->value, &b, NULL) == 0 && a > b) {
            autofree char *field = mem_printf("[%s]", limit->key);
            check_add(p, requests, field, "%.40s is more than the limit %.40s", request,
                      limit->value);
        }
    }
}

static void check_container(const struct container *c, const char *path, struct problems *p)
{
    if (c->name == NULL) {
        check_add(p, path, "name", "required");
    } else if (dns_label_problem(c->name) != NULL) {
        check_add(p, path, "name", "\"%.80s\" %s", c->name, dns_label_problem(c->name));
    }
    if (c->n_command == 0) {
        check_add(p, path, "command",
                  "required: containers run as processes of the node, without an image to take "
                  "a command from");
    } else if (c->command[0][0] == 0) {
        check_add(p, path, "command[0]", "the program's name is empty");
    }
    for (size_t i = 0; i < c->n_env; i++) {
        autofree char *at = mem_printf("%s.env[%zu]", path, i);
        check_env(&c->env[i], at, p);
    }
    for (size_t i = 0; i < c->n_ports; i++) {
        autofree char *at = mem_printf("%s.ports[%zu]", path, i);
        check_port(&c->ports[i], at, p);
    }
    autofree char *resources = mem_printf("%s.resources", path);
    check_resources(&c->resources, resources, p);
}

static void check_container_names(const struct pod_spec *spec, const char *path,
                                  struct problems *p)
{
    for (size_t i = 1; i < spec->n_containers; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *name = spec->containers[i].name;
            if (name != NULL && str_eq(name, spec->containers[k].name)) {
                autofree char *field = mem_printf("containers[%zu].name", i);
                check_add(p, path, field, "\"%.80s\" is the name of another container", name);
                break;
            }
        }
    }
}

/* --- pods ------------------------------------------------------------------------------------- */

static void check_toleration(const struct toleration *t, const char *path, struct problems *p)
{
    static const char *const operators[] = { "Equal", "Exists" };
    static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
    autofree char *op = mem_printf("%s.operator", path);
    autofree char *effect = mem_printf("%s.effect", path);
    bool exists = str_eq(t->operator_, "Exists");

    if (t->operator_ != NULL) {
        check_enum(t->operator_, operators, ARRAY_LEN(operators), op, p);
    }
    if (t->effect != NULL && t->effect[0] != 0) {
        check_enum(t->effect, effects, ARRAY_LEN(effects), effect, p);
    }
    if ((t->key == NULL || t->key[0] == 0) && !exists) {
        check_add(p, path, "key", "required, unless operator is Exists");
    }
    if (exists && t->value != NULL && t->value[0] != 0) {
        check_add(p, path, "value", "not together with operator Exists");
    }
    if (t->has_toleration_seconds && !str_eq(t->effect, "NoExecute")) {
        check_add(p, path, "tolerationSeconds", "only with effect NoExecute");
    }
}

static void check_spread(const struct topology_spread *t, const char *path, struct problems *p)
{
    static const char *const actions[] = { "DoNotSchedule", "ScheduleAnyway" };
    autofree char *action = mem_printf("%s.whenUnsatisfiable", path);
    autofree char *selector = mem_printf("%s.labelSelector", path);
    const char *problem = t->topology_key != NULL ? label_key_problem(t->topology_key) : "required";

    if (t->max_skew < 1) {
        check_add(p, path, "maxSkew", "must be at least 1");
    }
    if (problem != NULL) {
        check_add(p, path, "topologyKey", "%s", problem);
    }
    check_enum(t->when_unsatisfiable, actions, ARRAY_LEN(actions), action, p);
    check_selector(&t->label_selector, selector, p);
}

static void check_placement(const struct pod_spec *spec, const char *path, struct problems *p)
{
    autofree char *selector = mem_printf("%s.nodeSelector", path);
    check_labels(&spec->node_selector, selector, p);
    for (size_t i = 0; i < spec->n_tolerations; i++) {
        autofree char *at = mem_printf("%s.tolerations[%zu]", path, i);
        check_toleration(&spec->tolerations[i], at, p);
    }
    for (size_t i = 0; i < spec->n_topology_spread_constraints; i++) {
        autofree char *at = mem_printf("%s.topologySpreadConstraints[%zu]", path, i);
        check_spread(&spec->topology_spread_constraints[i], at, p);
    }
    if (spec->node_name != NULL && name_problem(spec->node_name) != NULL) {
        check_add(p, path, "nodeName", "\"%.80s\" %s", spec->node_name,
                  name_problem(spec->node_name));
    }
}

void check_pod_spec(const struct pod_spec *spec, const char *path, struct problems *p)
{
    static const char *const policies[] = { "Always", "OnFailure", "Never" };
    autofree char *policy = mem_printf("%s.restartPolicy", path);

    if (spec->n_containers == 0) {
        check_add(p, path, "containers", "at least one container is required");
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        autofree char *at = mem_printf("%s.containers[%zu]", path, i);
        check_container(&spec->containers[i], at, p);
    }
    check_container_names(spec, path, p);
    if (spec->restart_policy != NULL) {
        check_enum(spec->restart_policy, policies, ARRAY_LEN(policies), policy, p);
    }
    if (spec->termination_grace_period_seconds < 0) {
        check_add(p, path, "terminationGracePeriodSeconds", "must not be negative");
    }
    if (spec->hostname != NULL && dns_label_problem(spec->hostname) != NULL) {
        check_add(p, path, "hostname", "\"%.80s\" %s", spec->hostname,
                  dns_label_problem(spec->hostname));
    }
    check_placement(spec, path, p);
}

void pod_validate(const struct object *o, struct problems *problems)
{
    check_pod_spec(&object_pod(o)->spec, "spec", problems);
}

/* --- workloads -------------------------------------------------------------------------------- */

void check_workload(const struct label_selector *selector, const struct pod_template *t,
                    int32_t replicas, int32_t min_ready_seconds, struct problems *p)
{
    if (replicas < 0) {
        check_add(p, "spec", "replicas", "must not be negative");
    }
    if (min_ready_seconds < 0) {
        check_add(p, "spec", "minReadySeconds", "must not be negative");
    }
    size_t before = p->found;
    check_selector(selector, "spec.selector", p);
    bool right = p->found == before;
    check_labels(&t->metadata.labels, "spec.template.metadata.labels", p);
    if (selector->match_labels.n == 0 && selector->n_match_expressions == 0) {
        check_add(p, "spec", "selector", "required: an empty one would match every pod");
    } else if (right && !label_selector_matches(selector, &t->metadata.labels)) {
        autobuf text = BUF_INIT;
        label_selector_print(selector, &text);
        check_add(p, "spec.template.metadata", "labels",
                  "do not match spec.selector (%.200s)", buf_str(&text));
    }
    check_pod_spec(&t->spec, "spec.template.spec", p);
    if (t->spec.restart_policy != NULL && !str_eq(t->spec.restart_policy, "Always")) {
        check_add(p, "spec.template.spec", "restartPolicy", "must be Always here");
    }
}

void replicaset_validate(const struct object *o, struct problems *problems)
{
    const struct replicaset *rs = object_replicaset(o);
    check_workload(&rs->spec.selector, &rs->spec.template_, rs->spec.replicas,
                   rs->spec.min_ready_seconds, problems);
}

static void check_int_or_percent(const struct int_or_percent *v, const char *field,
                                 int32_t percent_max, struct problems *p)
{
    if (v->set && v->value < 0) {
        check_add(p, "spec.strategy.rollingUpdate", field, "must not be negative");
    } else if (v->set && v->percent && v->value > percent_max) {
        check_add(p, "spec.strategy.rollingUpdate", field, "must not be over %d%%", percent_max);
    }
}

static void check_strategy(const struct deployment *d, struct problems *p)
{
    static const char *const types[] = { "RollingUpdate", "Recreate" };
    const struct int_or_percent *surge = &d->spec.max_surge;
    const struct int_or_percent *unavailable = &d->spec.max_unavailable;

    if (d->spec.strategy_type != NULL) {
        check_enum(d->spec.strategy_type, types, ARRAY_LEN(types), "spec.strategy.type", p);
    }
    if (str_eq(d->spec.strategy_type, "Recreate") && (surge->set || unavailable->set)) {
        check_add(p, "spec.strategy", "rollingUpdate", "not together with type Recreate");
        return;
    }
    check_int_or_percent(surge, "maxSurge", INT32_MAX, p);
    check_int_or_percent(unavailable, "maxUnavailable", PERCENT_MAX, p);
    if (surge->set && surge->value == 0 && unavailable->set && unavailable->value == 0) {
        check_add(p, "spec.strategy.rollingUpdate", "maxUnavailable",
                  "must not be 0 while maxSurge is 0: nothing could ever be replaced");
    }
}

void deployment_validate(const struct object *o, struct problems *problems)
{
    const struct deployment *d = object_deployment(o);
    check_workload(&d->spec.selector, &d->spec.template_, d->spec.replicas,
                   d->spec.min_ready_seconds, problems);
    check_strategy(d, problems);
    if (d->spec.revision_history_limit < 0) {
        check_add(problems, "spec", "revisionHistoryLimit", "must not be negative");
    }
    if (d->spec.has_progress_deadline_seconds &&
        d->spec.progress_deadline_seconds <= d->spec.min_ready_seconds) {
        check_add(problems, "spec", "progressDeadlineSeconds",
                  "must be more than minReadySeconds (%d)", d->spec.min_ready_seconds);
    }
}

/* --- Namespace, Node, ConfigMap --------------------------------------------------------------- */

void namespace_validate(const struct object *o, struct problems *problems)
{
    static const char *const phases[] = { "Active", "Terminating" };
    const struct namespace *ns = object_namespace(o);
    if (ns->phase != NULL) {
        check_enum(ns->phase, phases, ARRAY_LEN(phases), "status.phase", problems);
    }
}

void node_validate(const struct object *o, struct problems *problems)
{
    static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
    const struct node *node = object_node(o);
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        const struct taint *t = &node->spec.taints[i];
        autofree char *path = mem_printf("spec.taints[%zu]", i);
        autofree char *effect = mem_printf("%s.effect", path);
        const char *problem = t->key != NULL ? label_key_problem(t->key) : "is required";
        if (problem != NULL) {
            check_add(problems, path, "key", "taint key %s", problem);
        }
        check_enum(t->effect, effects, ARRAY_LEN(effects), effect, problems);
    }
    check_quantities(&node->status.capacity, "status.capacity", problems);
    check_quantities(&node->status.allocatable, "status.allocatable", problems);
}

#define DATA_KEY_CHARS "-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void check_data_keys(const struct string_map *m, const char *path, struct problems *p)
{
    for (size_t i = 0; i < m->n; i++) {
        const char *key = m->items[i].key;
        size_t len = strlen(key);
        bool right = len != 0 && len <= 253 && !str_eq(key, ".") && !str_starts(key, "..");
        right = right && strspn(key, DATA_KEY_CHARS) == len;
        if (!right) {
            autofree char *field = mem_printf("[%s]", key);
            check_add(p, path, field, "a key must be letters, digits, '-', '_' and '.'");
        }
    }
}

void configmap_validate(const struct object *o, struct problems *problems)
{
    const struct configmap *cm = object_configmap(o);
    check_data_keys(&cm->data, "data", problems);
    check_data_keys(&cm->binary_data, "binaryData", problems);
    for (size_t i = 0; i < cm->binary_data.n; i++) {
        if (string_map_get(&cm->data, cm->binary_data.items[i].key) != NULL) {
            autofree char *field = mem_printf("[%s]", cm->binary_data.items[i].key);
            check_add(problems, "binaryData", field, "the key is in data too");
        }
    }
}
