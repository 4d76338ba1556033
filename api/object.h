/* Objects: Kubernetes' shapes as C structs, described by schema tables; one set of walkers serves
 * all kinds.
 *
 * Every kind's struct begins with `struct object`. All strings and arrays belong to the object
 * (mem_alloc); object_free releases everything. A published object (cache, another thread of
 * thought) is never changed: object_copy, edit, publish.
 *
 * JSON is the stored form: at kind's key, spec and status together, metadata.resourceVersion left
 * out (it is the key's mod_revision and is filled in when read). Pure: no clock, random, I/O. */
#ifndef BARQUE_API_OBJECT_H
#define BARQUE_API_OBJECT_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct kind;
struct schema;
struct problems;

/* A sorted-by-insertion list of string pairs: labels, annotations, selectors, ConfigMap data. */
struct string_pair {
    char *key;
    char *value;
};
struct string_map {
    struct string_pair *items;
    size_t n;
};
const char *string_map_get(const struct string_map *m, const char *key); /* NULL when absent */
void string_map_set(struct string_map *m, const char *key, const char *value); /* copies */
void string_map_remove(struct string_map *m, const char *key);

struct owner_reference {
    char *api_version, *kind, *name, *uid;
    bool controller;
    bool block_owner_deletion;
};

struct object_meta {
    char *name, *generate_name, *namespace_, *uid;
    int64_t resource_version; /* the key's mod_revision; 0 = not stored yet; a string in JSON */
    int64_t generation;
    char *creation_timestamp; /* RFC 3339 */
    char *deletion_timestamp; /* NULL = not being deleted */
    int64_t deletion_grace_period_seconds;
    struct string_map labels, annotations;
    struct owner_reference *owner_references;
    size_t n_owner_references;
    char **finalizers;
    size_t n_finalizers;
    char *other_json; /* known fields that nothing acts on (managedFields): see schema.h */
};

struct object {
    const struct kind *kind;
    struct object_meta metadata;
};

/* One row of THE kinds table. */
struct kind {
    const char *api_version;  /* "apps/v1" */
    const char *kind;         /* "Deployment" */
    const char *plural;       /* "deployments" */
    const char *singular;
    const char *short_names[4];
    const char *key_prefix;   /* "/registry/deployments/" (nodes: "/registry/minions/") */
    bool namespaced;
    size_t size;              /* of the C struct */
    const struct schema *schema;
    void (*defaults)(struct object *o);
    /* Adds problems; see validate.h. */
    void (*validate)(const struct object *o, struct problems *problems);
};

extern const struct kind kind_namespace, kind_node, kind_pod, kind_replicaset, kind_deployment,
    kind_configmap, kind_event;
/* All kinds, in apply order (namespaces first). */
extern const struct kind *const kinds[];
extern const size_t kinds_n;

const struct kind *kind_by_name(const char *api_version, const char *kind); /* exact; NULL */
/* "pods" "pod" "po" "Pod" "deployments.apps": what people type; NULL when unknown. */
const struct kind *kind_by_word(const char *word);
/* The kind a key belongs to, with namespace and name (caller's buffers of >= 254 bytes); NULL when
 * none. */
const struct kind *kind_by_key(struct slice key, char *ret_namespace, char *ret_name);

struct object *object_new(const struct kind *kind);
struct object *object_copy(const struct object *o);
void object_free(struct object *o); /* NULL is fine */
/* Same kind and equal content; resourceVersion is not compared. */
bool object_equal(const struct object *a, const struct object *b);
/* Differing paths, one a line, "spec.replicas: 3 -> 6". */
void object_diff(const struct object *a, const struct object *b, struct buf *out);

/* Unknown fields are skipped (a newer writer); wrong types are E_INVAL with the path. */
int object_from_json(const struct kind *kind, struct slice json, struct object **ret_object,
                     struct err *err);
/* The kind from apiVersion and kind inside. */
int object_from_any_json(struct slice json, struct object **ret_object, struct err *err);
/* The stored form, compact. */
void object_to_json(const struct object *o, struct buf *out);
/* As people read it, with resourceVersion. */
void object_to_yaml(const struct object *o, struct buf *out);
void object_to_json_pretty(const struct object *o, struct buf *out);

/* "/registry/pods/default/web-1"; prefix of all of a kind, or of one namespace. */
void object_key(const struct object *o, struct buf *out);
void kind_key(const struct kind *kind, const char *namespace_, const char *name, struct buf *out);
void kind_prefix(const struct kind *kind, const char *namespace_ /* NULL = all */, struct buf *out);
/* "default/web-1" or "node-1": the workqueue's key. */
char *object_name_key(const struct object *o); /* mem_free */

/* Owner with controller=true, or NULL. */
const struct owner_reference *object_controller_of(const struct object *o);
void object_set_controller(struct object *o, const struct object *owner);
/* 36-byte UUID text from two random words (the caller's randomness). At least 37 bytes. */
void uid_format(uint64_t a, uint64_t b, char *ret_uid);

#endif
