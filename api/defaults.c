/* What Kubernetes fills in when a manifest says nothing. Setting what is set already is a no-op,
 * so applying defaults twice changes nothing. */
#include "api/checks.h"
#include "api/meta.h"

enum {
    DEFAULT_GRACE_SECONDS = 30,
    DEFAULT_REPLICAS = 1,
    DEFAULT_REVISION_HISTORY = 10,
    DEFAULT_PROGRESS_SECONDS = 600,
    DEFAULT_ROLLING_PERCENT = 25,
};

static void default_string(char **field, const char *value)
{
    if (*field == NULL || **field == 0) {
        string_set(field, value);
    }
}

static void default_int32(int32_t *field, bool *has, int32_t value)
{
    if (!*has) {
        *field = value;
        *has = true;
    }
}

static void default_container(struct container *c)
{
    for (size_t i = 0; i < c->n_ports; i++) {
        default_string(&c->ports[i].protocol, "TCP");
    }
    /* A limit without a request asks for as much as it allows. */
    for (size_t i = 0; i < c->resources.limits.n; i++) {
        const struct string_pair *limit = &c->resources.limits.items[i];
        if (string_map_get(&c->resources.requests, limit->key) == NULL) {
            string_map_set(&c->resources.requests, limit->key, limit->value);
        }
    }
}

static void default_pod_spec(struct pod_spec *spec)
{
    default_string(&spec->restart_policy, "Always");
    if (!spec->has_termination_grace_period_seconds) {
        spec->termination_grace_period_seconds = DEFAULT_GRACE_SECONDS;
        spec->has_termination_grace_period_seconds = true;
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        default_container(&spec->containers[i]);
    }
}

void namespace_defaults(struct object *o)
{
    default_string(&object_namespace(o)->phase, "Active");
}

void pod_defaults(struct object *o)
{
    struct pod *p = object_pod(o);
    default_pod_spec(&p->spec);
    default_string(&p->status.phase, "Pending");
}

void replicaset_defaults(struct object *o)
{
    struct replicaset *rs = object_replicaset(o);
    default_int32(&rs->spec.replicas, &rs->spec.has_replicas, DEFAULT_REPLICAS);
    default_pod_spec(&rs->spec.template_.spec);
}

static void default_percent(struct int_or_percent *v)
{
    if (!v->set) {
        *v = (struct int_or_percent){ true, true, DEFAULT_ROLLING_PERCENT };
    }
}

void deployment_defaults(struct object *o)
{
    struct deployment *d = object_deployment(o);
    default_int32(&d->spec.replicas, &d->spec.has_replicas, DEFAULT_REPLICAS);
    default_int32(&d->spec.revision_history_limit, &d->spec.has_revision_history_limit,
                  DEFAULT_REVISION_HISTORY);
    default_int32(&d->spec.progress_deadline_seconds, &d->spec.has_progress_deadline_seconds,
                  DEFAULT_PROGRESS_SECONDS);
    default_string(&d->spec.strategy_type, "RollingUpdate");
    if (strcmp(d->spec.strategy_type, "RollingUpdate") == 0) {
        default_percent(&d->spec.max_surge);
        default_percent(&d->spec.max_unavailable);
    }
    default_pod_spec(&d->spec.template_.spec);
}

void object_defaults(struct object *o)
{
    if (o->kind->namespaced) {
        default_string(&o->metadata.namespace_, "default");
    }
    if (o->kind->defaults != NULL) {
        o->kind->defaults(o);
    }
}
