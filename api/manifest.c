/* Manifests to objects. Each document becomes a YAML tree (every node knows its place), then JSON,
 * then a struct by the strict reader; defaults are filled in and the checks run. The reader and
 * the checks name their problems by path; the place is found by following the path in the YAML
 * tree, as far as it goes. Reading never stops at a problem, and problems leave in the order of
 * the file.
 *
 * A check's problem is left out where the reader has complained already about the same field or
 * one around or inside it: "expected a string" should not be followed by "required". */
#include "api/manifest.h"

#include <stdio.h>

#include "api/meta.h"
#include "api/walk.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

struct manifest {
    const char *default_namespace;
    struct problems *problems;
    struct object **objects;
    size_t n, cap;
    struct map seen; /* key -> object: nothing may come twice */
};

/* --- kinds ------------------------------------------------------------------------------------ */

/* Kubernetes' kinds that people will try and that are not here. */
static const char *const absent_kinds[] = {
    "StatefulSet", "DaemonSet", "Job", "CronJob", "Service", "Endpoints", "EndpointSlice", "Secret",
    "HorizontalPodAutoscaler", "PodDisruptionBudget", "PriorityClass", "Lease", "Ingress",
    "IngressClass", "PersistentVolume", "PersistentVolumeClaim", "StorageClass", "ServiceAccount",
    "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy", "ResourceQuota",
    "LimitRange", "CustomResourceDefinition", "ReplicationController",
};

static void __attribute__((format(printf, 5, 6))) complain(struct manifest *m,
                                                           const struct yaml_node *root,
                                                           const char *path, const char *field,
                                                           const char *fmt, ...)
{
    char message[512];
    va_list args;
    autofree char *at = mem_printf("%s%s%s", path, path[0] != 0 && field[0] != 0 ? "." : "", field);
    const struct yaml_node *node = yaml_locate(root, at);

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    problem_add(m->problems, at, node->line, node->column, "%s", message);
}

static void unknown_kind(struct manifest *m, const struct yaml_node *root, const char *path,
                         const char *version, const char *name)
{
    const char *names[16];
    PRE(kinds_n <= ARRAY_LEN(names));
    for (size_t i = 0; i < kinds_n; i++) {
        names[i] = kinds[i]->kind;
        if (str_eq(kinds[i]->kind, name)) {
            complain(m, root, path, "apiVersion", "\"%.80s\" has no kind %s: it is in \"%s\"",
                     version, name, kinds[i]->api_version);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(absent_kinds); i++) {
        if (str_eq(absent_kinds[i], name)) {
            complain(m, root, path, "kind", "%s is absent in this version", name);
            return;
        }
    }
    const char *nearest = str_nearest(name, names, kinds_n);
    if (nearest != NULL) {
        complain(m, root, path, "kind", "unknown kind \"%.80s\" (did you mean \"%s\"?)", name,
                 nearest);
    } else {
        complain(m, root, path, "kind", "unknown kind \"%.80s\"", name);
    }
}

/* NULL after a complaint. */
static const struct kind *find_kind(struct manifest *m, const struct yaml_node *root,
                                    const json_t *doc, const char *path)
{
    const char *version = json_string_value(json_object_get(doc, "apiVersion"));
    const char *name = json_string_value(json_object_get(doc, "kind"));
    if (version == NULL) {
        complain(m, root, path, "apiVersion", "required, like \"v1\" or \"apps/v1\"");
    }
    if (name == NULL) {
        complain(m, root, path, "kind", "required, like \"Pod\" or \"Deployment\"");
    }
    if (version == NULL || name == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < kinds_n; i++) {
        if (str_eq(kinds[i]->api_version, version) && str_eq(kinds[i]->kind, name)) {
            return kinds[i];
        }
    }
    unknown_kind(m, root, path, version, name);
    return NULL;
}

/* --- one object ------------------------------------------------------------------------------- */

/* "spec.selector" is around "spec.selector.matchLabels[app]". */
static bool is_around(const char *outer, const char *inner)
{
    size_t len = strlen(outer);
    return strncmp(outer, inner, len) == 0 &&
           (inner[len] == 0 || inner[len] == '.' || inner[len] == '[');
}

static void check_object(struct manifest *m, const struct yaml_node *root, const char *path,
                         const struct object *o, size_t first)
{
    struct problems found;
    size_t reported = m->problems->n;

    problems_init(&found);
    (void)object_validate(o, &found);
    for (size_t i = 0; i < found.n; i++) {
        const char *dot = path[0] != 0 ? "." : "";
        autofree char *at = mem_printf("%s%s%s", path, dot, found.items[i].path);
        bool known = false;
        for (size_t k = first; k < reported && !known; k++) {
            const char *other = m->problems->items[k].path;
            known = is_around(other, at) || is_around(at, other);
        }
        if (!known) {
            complain(m, root, at, "", "%s", found.items[i].message);
        }
    }
    problems_fini(&found);
}

static void check_unique(struct manifest *m, const struct yaml_node *root, const char *path,
                         struct object *o)
{
    autobuf key = BUF_INIT;
    if (o->metadata.name == NULL) {
        return;
    }
    object_key(o, &key);
    if (map_get(&m->seen, buf_slice(&key)) != NULL) {
        complain(m, root, path, "metadata.name", "%s %s is in this manifest already",
                 o->kind->kind, o->metadata.name);
        return;
    }
    (void)map_put(&m->seen, buf_slice(&key), o);
}

static void read_object(struct manifest *m, const struct yaml_node *root, const json_t *doc,
                        const char *path)
{
    struct struct_reader reader = { m->problems, true, root };
    size_t first = m->problems->n;

    if (!json_is_object(doc)) {
        complain(m, root, path, "", "expected an object: a mapping with apiVersion and kind");
        return;
    }
    const struct kind *kind = find_kind(m, root, doc, path);
    if (kind == NULL) {
        return;
    }
    struct object *o = object_new(kind);
    m->objects = mem_grow(m->objects, &m->cap, m->n + 1, sizeof(struct object *));
    m->objects[m->n++] = o;
    struct_read(&reader, kind->schema, doc, path, o);
    const char *ns = o->metadata.namespace_;
    if (kind->namespaced && (ns == NULL || ns[0] == 0)) {
        string_set(&o->metadata.namespace_, m->default_namespace);
    }
    object_defaults(o);
    check_object(m, root, path, o, first);
    check_unique(m, root, path, o);
}

/* --- documents -------------------------------------------------------------------------------- */

/* What lib/codec says: "12:3: what". */
static void complain_of_text(struct problems *problems, const struct err *err)
{
    unsigned line = 0, column = 0;
    int skip = 0;
    if (sscanf(err->msg, "%u:%u: %n", &line, &column, &skip) != 2 || skip == 0) {
        problem_add(problems, "", 0, 0, "%s", err->msg);
        return;
    }
    problem_add(problems, "", line, column, "%s", err->msg + skip);
}

static void read_document(struct manifest *m, const struct yaml_node *root)
{
    json_auto_t *doc = NULL;
    struct err err = ERR_INIT;

    if (yaml_to_json(root, &doc, &err) != 0) {
        complain_of_text(m->problems, &err);
        return;
    }
    if (!str_eq(json_string_value(json_object_get(doc, "kind")), "List")) {
        read_object(m, root, doc, "");
        return;
    }
    const json_t *items = json_object_get(doc, "items");
    if (!json_is_array(items)) {
        complain(m, root, "items", "", "required: the list of objects");
        return;
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "items[%zu]", i);
        read_object(m, root, json_array_get(items, i), path);
    }
}

static bool is_before(const struct problem *a, const struct problem *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Insertion sort: stable, and problems are few. */
static void sort_problems(struct problems *p, size_t first)
{
    for (size_t i = first + 1; i < p->n; i++) {
        struct problem moved = p->items[i];
        size_t k = i;
        for (; k > first && moved.line != 0 && is_before(&moved, &p->items[k - 1]); k--) {
            p->items[k] = p->items[k - 1];
        }
        p->items[k] = moved;
    }
}

static void release(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++) {
        object_free(m->objects[i]);
    }
    mem_free(m->objects);
}

int manifest_parse(struct slice text, const char *default_namespace, struct object ***ret_objects,
                   size_t *ret_n, struct problems *problems)
{
    struct manifest m = { .default_namespace = default_namespace, .problems = problems };
    struct yaml_stream stream = { NULL, 0 };
    struct err err = ERR_INIT;
    struct arena arena;
    size_t before = problems->found;

    arena_init(&arena);
    map_init(&m.seen);
    if (yaml_parse(text, &arena, &stream, &err) != 0) {
        complain_of_text(problems, &err);
    }
    for (size_t i = 0; i < stream.n; i++) {
        size_t first = problems->n;
        problems->document = i;
        read_document(&m, stream.docs[i]);
        sort_problems(problems, first);
    }
    map_fini(&m.seen);
    arena_fini(&arena);
    if (problems->found != before) {
        release(&m);
        return E_INVAL;
    }
    *ret_objects = m.objects;
    *ret_n = m.n;
    return 0;
}
