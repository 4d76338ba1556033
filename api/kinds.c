/* The kinds table, how people name kinds, and keys both ways:
 *
 *     Pod default/web-1   <->  /registry/pods/default/web-1
 *     Node n1             <->  /registry/minions/n1
 *     NodeItem n1/node    <->  /barque/nodes/n1/node
 *
 * Adding a kind: its struct, its schema, one row here, one line in `kinds`. */
#include <strings.h>

#include "api/barque.h"
#include "api/checks.h"
#include "api/schema.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { NAME_SIZE = 254 }; /* kind_by_key's buffers */

const struct kind kind_namespace = {
    "v1", "Namespace", "namespaces", "namespace", { "ns" }, "/registry/namespaces/", false,
    sizeof(struct namespace), &schema_namespace, namespace_defaults, namespace_validate,
};
const struct kind kind_node = {
    "v1", "Node", "nodes", "node", { "no" }, "/registry/minions/", false,
    sizeof(struct node), &schema_node, NULL, node_validate,
};
const struct kind kind_configmap = {
    "v1", "ConfigMap", "configmaps", "configmap", { "cm" }, "/registry/configmaps/", true,
    sizeof(struct configmap), &schema_configmap, NULL, configmap_validate,
};
const struct kind kind_pod = {
    "v1", "Pod", "pods", "pod", { "po" }, "/registry/pods/", true,
    sizeof(struct pod), &schema_pod, pod_defaults, pod_validate,
};
const struct kind kind_replicaset = {
    "apps/v1", "ReplicaSet", "replicasets", "replicaset", { "rs" }, "/registry/replicasets/", true,
    sizeof(struct replicaset), &schema_replicaset, replicaset_defaults, replicaset_validate,
};
const struct kind kind_deployment = {
    "apps/v1", "Deployment", "deployments", "deployment", { "deploy" }, "/registry/deployments/",
    true, sizeof(struct deployment), &schema_deployment, deployment_defaults, deployment_validate,
};
const struct kind kind_event = {
    "v1", "Event", "events", "event", { "ev" }, "/registry/events/", true,
    sizeof(struct event), &schema_event, NULL, NULL,
};
const struct kind kind_node_item = {
    "barque/v1", "NodeItem", "nodeitems", "nodeitem", { NULL }, "/barque/nodes/", true,
    sizeof(struct node_item), &schema_node_item, NULL, NULL,
};
const struct kind kind_node_alive = {
    "barque/v1", "NodeAlive", "nodealives", "nodealive", { NULL }, "/barque/alive/", false,
    sizeof(struct node_alive), &schema_node_alive, NULL, NULL,
};

const struct kind *const kinds[] = {
    &kind_namespace, &kind_node,       &kind_configmap, &kind_pod,
    &kind_replicaset, &kind_deployment, &kind_event,
};
const size_t kinds_n = ARRAY_LEN(kinds);

/* Not for people: found by their exact name and by key only. */
static const struct kind *const own_kinds[] = { &kind_node_item, &kind_node_alive };

/* --- names ------------------------------------------------------------------------------------ */

const struct kind *kind_by_name(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < kinds_n + ARRAY_LEN(own_kinds); i++) {
        const struct kind *k = i < kinds_n ? kinds[i] : own_kinds[i - kinds_n];
        if (str_eq(k->api_version, api_version) && str_eq(k->kind, kind)) {
            return k;
        }
    }
    return NULL;
}

static bool is_word(const char *name, const char *word, size_t len)
{
    return name != NULL && strlen(name) == len && strncasecmp(name, word, len) == 0;
}

/* "apps" of "apps/v1", "" of "v1": what may follow the dot in "deployments.apps". */
static bool is_group(const struct kind *k, const char *group)
{
    size_t len = strcspn(group, ".");
    const char *slash = strchr(k->api_version, '/');
    const char *version = slash != NULL ? slash + 1 : k->api_version;
    size_t group_len = slash != NULL ? (size_t)(slash - k->api_version) : 0;

    if (slash != NULL && len == group_len && strncmp(group, k->api_version, len) == 0) {
        return group[len] == 0;
    }
    /* "deployments.v1.apps" */
    if (strlen(version) != len || strncmp(group, version, len) != 0) {
        return false;
    }
    const char *rest = group + len + (group[len] == '.');
    return strlen(rest) == group_len && strncmp(rest, k->api_version, group_len) == 0;
}

const struct kind *kind_by_word(const char *word)
{
    size_t len = strcspn(word, ".");
    for (size_t i = 0; i < kinds_n; i++) {
        const struct kind *k = kinds[i];
        bool same = is_word(k->plural, word, len) || is_word(k->singular, word, len);
        for (size_t s = 0; s < ARRAY_LEN(k->short_names); s++) {
            same = same || is_word(k->short_names[s], word, len);
        }
        if (same && (word[len] == 0 || is_group(k, word + len + 1))) {
            return k;
        }
    }
    return NULL;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* PRE: not empty. Cut at the buffer's end: false. */
static bool take_name(const uint8_t *from, size_t len, char *ret)
{
    if (len == 0 || len >= NAME_SIZE || memchr(from, 0, len) != NULL ||
        memchr(from, '/', len) != NULL) {
        return false;
    }
    memcpy(ret, from, len);
    ret[len] = 0;
    return true;
}

static bool key_fits(const struct kind *k, struct slice key, char *ret_namespace, char *ret_name)
{
    struct slice prefix = slice_str(k->key_prefix);
    if (!slice_starts(key, prefix)) {
        return false;
    }
    const uint8_t *at = key.data + prefix.len;
    size_t len = key.len - prefix.len;
    ret_namespace[0] = 0;
    if (k->namespaced) {
        const uint8_t *slash = len != 0 ? memchr(at, '/', len) : NULL;
        if (slash == NULL || !take_name(at, (size_t)(slash - at), ret_namespace)) {
            return false;
        }
        len -= (size_t)(slash - at) + 1;
        at = slash + 1;
    }
    return take_name(at, len, ret_name);
}

const struct kind *kind_by_key(struct slice key, char *ret_namespace, char *ret_name)
{
    for (size_t i = 0; i < kinds_n + ARRAY_LEN(own_kinds); i++) {
        const struct kind *k = i < kinds_n ? kinds[i] : own_kinds[i - kinds_n];
        if (key_fits(k, key, ret_namespace, ret_name)) {
            return k;
        }
    }
    return NULL;
}

void kind_prefix(const struct kind *kind, const char *namespace_, struct buf *out)
{
    buf_append_str(out, kind->key_prefix);
    if (kind->namespaced && namespace_ != NULL) {
        buf_append_str(out, namespace_);
        buf_append_char(out, '/');
    }
}

void kind_key(const struct kind *kind, const char *namespace_, const char *name, struct buf *out)
{
    PRE(name != NULL);
    PRE(!kind->namespaced || namespace_ != NULL);
    kind_prefix(kind, namespace_, out);
    buf_append_str(out, name);
}

void object_key(const struct object *o, struct buf *out)
{
    kind_key(o->kind, o->metadata.namespace_, o->metadata.name, out);
}

char *object_name_key(const struct object *o)
{
    PRE(o->metadata.name != NULL);
    if (!o->kind->namespaced) {
        return mem_strdup(o->metadata.name);
    }
    PRE(o->metadata.namespace_ != NULL);
    return mem_printf("%s/%s", o->metadata.namespace_, o->metadata.name);
}

/* --- typed views ------------------------------------------------------------------------------ */

/* Every kind's struct begins with its object. */
static void *view(const struct object *o, const struct kind *kind)
{
    PRE(o->kind == kind);
    return (void *)(uintptr_t)o;
}

struct namespace *object_namespace(const struct object *o)
{
    return view(o, &kind_namespace);
}

struct node *object_node(const struct object *o)
{
    return view(o, &kind_node);
}

struct pod *object_pod(const struct object *o)
{
    return view(o, &kind_pod);
}

struct configmap *object_configmap(const struct object *o)
{
    return view(o, &kind_configmap);
}

struct event *object_event(const struct object *o)
{
    return view(o, &kind_event);
}

struct replicaset *object_replicaset(const struct object *o)
{
    return view(o, &kind_replicaset);
}

struct deployment *object_deployment(const struct object *o)
{
    return view(o, &kind_deployment);
}

struct node_item *object_node_item(const struct object *o)
{
    return view(o, &kind_node_item);
}

struct node_alive *object_node_alive(const struct object *o)
{
    return view(o, &kind_node_alive);
}
