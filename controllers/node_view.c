/* The node view: what each node needs to know, and nothing else, at /barque/nodes/<node>/.
 *
 * reconcile(pod): a bound pod gets an item pod.<ns>.<name> under its node, with ConfigMap and field
 * references already resolved, so that an agent needs one watch and one credential. The agent's
 * item status.<ns>.<name> is folded back into the Pod. Items that belong to no pod (deleted, moved,
 * an older uid) are removed: an agent that comes back after having been given up finds them gone
 * and stops those processes.
 *
 * Deletion: deletionTimestamp -> item.stop -> the agent stops it -> status.stopped -> the Pod is
 * removed -> the next pass removes the items. */
#include <string.h>

#include "api/barque.h"
#include "api/meta.h"
#include "api/validate.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

/* --- resolving -------------------------------------------------------------------------------- */

static const char *field_value(const struct pod *pod, const char *path)
{
    static const struct {
        const char *path;
        size_t offset;
    } fields[] = {
        { "metadata.name", offsetof(struct pod, object.metadata.name) },
        { "metadata.namespace", offsetof(struct pod, object.metadata.namespace_) },
        { "metadata.uid", offsetof(struct pod, object.metadata.uid) },
        { "spec.nodeName", offsetof(struct pod, spec.node_name) },
        { "status.hostIP", offsetof(struct pod, status.host_ip) },
        { "status.podIP", offsetof(struct pod, status.pod_ip) },
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq(fields[i].path, path)) {
            const char *const *at =
                (const char *const *)(const void *)((const char *)pod + fields[i].offset);
            return *at != NULL ? *at : "";
        }
    }
    return "";
}

/* What an agent should never have to face: an object that was written past `apply`'s checks. */
static bool is_valid(const struct pod *pod, struct arena *arena, const char **ret_why)
{
    struct problems problems;
    problems_init(&problems);
    bool valid = object_validate(&pod->object, &problems) == 0;
    if (!valid) {
        *ret_why = arena_printf(arena, "%s: %s", problems.items[0].path, problems.items[0].message);
    }
    problems_fini(&problems);
    return valid;
}

/* Turns references into values. On a missing ConfigMap or key returns its name in `missing`. */
static bool resolve_env(const struct lister *l, const struct pod *pod, struct env_var *e,
                        struct arena *arena, const char **ret_missing)
{
    const char *value = NULL;
    if (e->config_map_name != NULL) {
        const struct object *o = lister_get(l, &kind_configmap, pod->object.metadata.namespace_,
                                            e->config_map_name);
        value = o != NULL ? string_map_get(&object_configmap(o)->data, e->config_map_key) : NULL;
        if (value == NULL && !e->config_map_optional) {
            *ret_missing = arena_printf(arena, "ConfigMap %s%s%s", e->config_map_name,
                                        o != NULL ? " has no key " : " does not exist",
                                        o != NULL ? e->config_map_key : "");
            return false;
        }
    } else if (e->field_path != NULL) {
        value = field_value(pod, e->field_path);
    } else {
        return true;
    }
    string_set(&e->value, value != NULL ? value : "");
    string_set(&e->config_map_name, NULL);
    string_set(&e->config_map_key, NULL);
    string_set(&e->field_path, NULL);
    e->config_map_optional = false;
    return true;
}

static bool resolve(const struct lister *l, const struct pod *pod, struct pod_spec *spec,
                    struct arena *arena, const char **ret_missing)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        struct container *c = &spec->containers[i];
        for (size_t k = 0; k < c->n_env; k++) {
            if (!resolve_env(l, pod, &c->env[k], arena, ret_missing)) {
                return false;
            }
        }
    }
    return true;
}

/* --- pod -> item ------------------------------------------------------------------------------ */

static struct node_item *wanted_item(const struct lister *l, const struct pod *pod,
                                     struct arena *arena, const char **ret_missing)
{
    const struct object_meta *m = &pod->object.metadata;
    struct node_item *item = object_node_item(object_new(&kind_node_item));
    char name[520];
    node_item_name(NODE_ITEM_POD, m->namespace_, m->name, name, sizeof name);
    string_set(&item->object.metadata.name, name);
    string_set(&item->object.metadata.namespace_, pod->spec.node_name);
    string_set(&item->pod_namespace, m->namespace_);
    string_set(&item->pod_name, m->name);
    string_set(&item->pod_uid, m->uid);
    string_map_copy(&item->labels, &m->labels);
    item->stop = m->deletion_timestamp != NULL;
    pod_spec_copy(&item->spec, &pod->spec);
    if (!resolve(l, pod, &item->spec, arena, ret_missing)) {
        object_free(&item->object);
        return NULL;
    }
    return item;
}

/* A pod that cannot be started says why, where people look first. */
static void report_unstartable(const struct pod *pod, const char *reason, const char *why,
                               struct plan *plan)
{
    struct pod *next = object_pod(object_copy(&pod->object));
    string_set(&next->status.reason, reason);
    string_set(&next->status.message, why);
    if (plan_update_status(plan, &pod->object, &next->object)) {
        plan_event(plan, &pod->object, "Warning", reason, "%s", why);
    }
}

static void plan_item(const struct lister *l, const struct pod *pod, const struct node_item *have,
                      struct plan *plan)
{
    const char *missing = NULL;
    struct node_item *want = wanted_item(l, pod, &plan->arena, &missing);
    if (want == NULL) {
        /* What already runs goes on with what it was given; but it must still hear of its end. */
        if (have != NULL && pod->object.metadata.deletion_timestamp != NULL && !have->stop) {
            struct node_item *stop = object_node_item(object_copy(&have->object));
            stop->stop = true;
            plan_update(plan, &have->object, &stop->object);
        } else if (have == NULL && pod->object.metadata.deletion_timestamp != NULL) {
            plan_delete(plan, &pod->object);
        } else if (have == NULL) {
            report_unstartable(pod, "CreateContainerConfigError", missing, plan);
        }
    } else if (have == NULL && !want->stop && !is_valid(pod, &plan->arena, &missing)) {
        object_free(&want->object);
        report_unstartable(pod, "InvalidPod", missing, plan);
    } else if (have == NULL) {
        plan_create(plan, &want->object);
    } else {
        struct node_item *next = object_node_item(object_copy(&have->object));
        next->stop = want->stop;
        string_map_copy(&next->labels, &want->labels);
        object_free(&want->object);
        plan_update(plan, &have->object, &next->object);
    }
}

/* --- item -> pod ------------------------------------------------------------------------------ */

static void fold_status(const struct pod *pod, const struct node_item *status, struct plan *plan)
{
    if (status->stopped && pod->object.metadata.deletion_timestamp != NULL) {
        plan_delete(plan, &pod->object);
        return;
    }
    struct pod *next = object_pod(object_copy(&pod->object));
    struct pod *reported = object_pod(object_new(&kind_pod));
    struct node_item *copy = object_node_item(object_copy(&status->object));
    /* The agent owns the whole status but PodScheduled, which is the scheduler's. */
    struct pod_status old = next->status;
    next->status = copy->status;
    copy->status = reported->status;
    const struct condition *scheduled = condition_find(&old.conditions, "PodScheduled");
    if (scheduled != NULL) {
        condition_set(&next->status.conditions, "PodScheduled", scheduled->status,
                      scheduled->reason, scheduled->message, scheduled->last_transition_time);
    }
    reported->status = old;
    object_free(&reported->object);
    object_free(&copy->object);
    plan_update_status(plan, &pod->object, &next->object);
}

static void pod_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                          struct plan *plan)
{
    (void)now_ms;
    const struct object *o = lister_get_key(l, &kind_pod, key);
    const struct pod *pod = o != NULL ? object_pod(o) : NULL;
    const char *node = pod != NULL ? pod->spec.node_name : NULL;
    struct object_list items =
        lister_by(l, &kind_node_item, &index_node_item_pod, key, &plan->arena);
    const struct node_item *have = NULL, *status = NULL;
    for (size_t i = 0; i < items.n; i++) {
        const struct node_item *item = object_node_item(items.items[i]);
        bool ours = node != NULL && strcmp(item->object.metadata.namespace_, node) == 0 &&
                    str_eq(item->pod_uid, o->metadata.uid);
        if (!ours) {
            plan_delete(plan, &item->object);
        } else if (node_item_type(items.items[i]) == NODE_ITEM_STATUS) {
            status = item;
        } else {
            have = item;
        }
    }
    if (node == NULL) {
        return;
    }
    plan_item(l, pod, have, plan);
    if (status != NULL) {
        fold_status(pod, status, plan);
    }
}

static void keys_of_item(const struct lister *l, const struct controller_watch *watch,
                         const struct object *o, struct key_sink *keys)
{
    (void)l;
    (void)watch;
    const struct node_item *item = object_node_item(o);
    if (item->pod_namespace != NULL && item->pod_name != NULL) {
        autofree char *key = mem_printf("%s/%s", item->pod_namespace, item->pod_name);
        key_sink_add(keys, key);
    }
}

/* Pods that wait for this ConfigMap: bound ones of its namespace that name it. */
static void keys_of_configmap(const struct lister *l, const struct controller_watch *watch,
                              const struct object *o, struct key_sink *keys)
{
    (void)watch;
    struct arena arena;
    arena_init(&arena);
    struct object_list pods = lister_list(l, &kind_pod, o->metadata.namespace_, &arena);
    for (size_t i = 0; i < pods.n; i++) {
        const struct pod *p = object_pod(pods.items[i]);
        bool named = false;
        for (size_t c = 0; c < p->spec.n_containers; c++) {
            for (size_t e = 0; e < p->spec.containers[c].n_env; e++) {
                const char *name = p->spec.containers[c].env[e].config_map_name;
                named = named || (name != NULL && strcmp(name, o->metadata.name) == 0);
            }
        }
        if (named && p->spec.node_name != NULL) {
            autofree char *key = object_name_key(&p->object);
            key_sink_add(keys, key);
        }
    }
    arena_fini(&arena);
}

const struct controller controller_node_view = {
    .name = "node-view",
    .watches = { { .kind = &kind_pod },
                 { .kind = &kind_node_item, .keys = keys_of_item },
                 { .kind = &kind_configmap, .keys = keys_of_configmap } },
    .reconcile = pod_reconcile,
    .workers = 64,
};
