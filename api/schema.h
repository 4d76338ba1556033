/* Field tables: one row a field of Kubernetes' JSON, and where it lives in the C struct. The
 * walkers of walk.h (read, write, copy, free, equal, diff) are loops over these rows, so a new
 * field is one row.
 *
 * A FIELD_OBJECT or FIELD_LIST row names the schema of what is inside. JSON nests deeper than our
 * structs here and there (spec.strategy.rollingUpdate.maxSurge is deployment.spec.max_surge): such
 * a row has offset 0 and its inner schema counts offsets from the same struct ("inline").
 *
 * FIELD_KEPT rows are Kubernetes' fields that nothing here acts on and that may be passed over
 * without harm (imagePullPolicy, dnsPolicy, managedFields): their JSON is kept word by word in the
 * struct's `other_json`, one compact JSON object. FIELD_ABSENT rows are those whose silent loss
 * would change what the workload means (volumes, probes, initContainers): a manifest that sets one
 * is refused with a position; stored JSON of another writer keeps them like FIELD_KEPT.
 * FIELD_DROPPED rows carry nothing that we do not know. */
#ifndef BARQUE_API_SCHEMA_H
#define BARQUE_API_SCHEMA_H

#include <stddef.h>

#include "api/apps.h"

enum field_type {
    FIELD_STRING,         /* char * */
    FIELD_BOOL,           /* bool; false is left out */
    FIELD_INT32,          /* int32_t; `aux` is the has_ flag, if any */
    FIELD_INT64,
    FIELD_REVISION,       /* int64_t, a string in JSON, not in the stored form and never compared */
    FIELD_INT_OR_PERCENT, /* struct int_or_percent */
    FIELD_STRING_MAP,     /* struct string_map */
    FIELD_QUANTITY_MAP,   /* the same; JSON numbers are taken as text too */
    FIELD_STRING_LIST,    /* char **; `aux` is the count */
    FIELD_OBJECT,         /* embedded struct; `aux` is its `set` flag, if any */
    FIELD_LIST,           /* array of structs; `aux` is the count */
    FIELD_KEPT,           /* in other_json; needs no offset */
    FIELD_ABSENT,
    FIELD_DROPPED,
};

enum { FIELD_NO_AUX = 0xffff };
enum {
    FIELD_ALWAYS = 1, /* flag: written even when zero */
    FIELD_LOOSE = 2,  /* flag of a string map: values that are no strings are passed over */
};

struct schema;

struct field {
    const char *name; /* in JSON */
    enum field_type type;
    uint16_t offset;
    uint16_t aux;
    uint16_t flags;
    const struct schema *schema;
};

struct schema {
    const char *name;    /* "Container": for people */
    size_t size;         /* of the struct; what a list's elements are apart */
    const struct field *fields;
    size_t n;
    uint16_t other;      /* offset of `char *other_json`, or FIELD_NO_AUX */
};

/* NULL when there is none of that name. */
const struct field *schema_field(const struct schema *schema, const char *name);

/* Rows. Each checks at compile time that the member has the type which the row claims. */
#define OFFSET_OF_TYPE(s, m, t)                                                                    \
    (uint16_t)(offsetof(s, m) +                                                                    \
               0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((s *)0)->m), t) ? 1 : -1]))
#define ROW_STRING(json, s, m) \
    { json, FIELD_STRING, OFFSET_OF_TYPE(s, m, char *), FIELD_NO_AUX, 0, NULL }
#define ROW_BOOL(json, s, m) \
    { json, FIELD_BOOL, OFFSET_OF_TYPE(s, m, bool), FIELD_NO_AUX, 0, NULL }
#define ROW_BOOL_ALWAYS(json, s, m) \
    { json, FIELD_BOOL, OFFSET_OF_TYPE(s, m, bool), FIELD_NO_AUX, FIELD_ALWAYS, NULL }
#define ROW_INT32(json, s, m) \
    { json, FIELD_INT32, OFFSET_OF_TYPE(s, m, int32_t), FIELD_NO_AUX, 0, NULL }
#define ROW_INT32_ALWAYS(json, s, m) \
    { json, FIELD_INT32, OFFSET_OF_TYPE(s, m, int32_t), FIELD_NO_AUX, FIELD_ALWAYS, NULL }
#define ROW_INT32_HAS(json, s, m, has) \
    { json, FIELD_INT32, OFFSET_OF_TYPE(s, m, int32_t), OFFSET_OF_TYPE(s, has, bool), 0, NULL }
#define ROW_INT64(json, s, m) \
    { json, FIELD_INT64, OFFSET_OF_TYPE(s, m, int64_t), FIELD_NO_AUX, 0, NULL }
#define ROW_INT64_HAS(json, s, m, has) \
    { json, FIELD_INT64, OFFSET_OF_TYPE(s, m, int64_t), OFFSET_OF_TYPE(s, has, bool), 0, NULL }
#define ROW_REVISION(json, s, m) \
    { json, FIELD_REVISION, OFFSET_OF_TYPE(s, m, int64_t), FIELD_NO_AUX, 0, NULL }
#define ROW_INT_OR_PERCENT(json, s, m)                                                             \
    { json, FIELD_INT_OR_PERCENT, OFFSET_OF_TYPE(s, m, struct int_or_percent), FIELD_NO_AUX, 0,    \
      NULL }
#define ROW_STRING_MAP(json, s, m) \
    { json, FIELD_STRING_MAP, OFFSET_OF_TYPE(s, m, struct string_map), FIELD_NO_AUX, 0, NULL }
#define ROW_STRING_MAP_LOOSE(json, s, m)                                                     \
    { json, FIELD_STRING_MAP, OFFSET_OF_TYPE(s, m, struct string_map), FIELD_NO_AUX, FIELD_LOOSE, \
      NULL }
#define ROW_QUANTITY_MAP(json, s, m) \
    { json, FIELD_QUANTITY_MAP, OFFSET_OF_TYPE(s, m, struct string_map), FIELD_NO_AUX, 0, NULL }
#define ROW_STRING_LIST(json, s, m, count)                                                         \
    { json, FIELD_STRING_LIST, OFFSET_OF_TYPE(s, m, char **), OFFSET_OF_TYPE(s, count, size_t), 0, \
      NULL }
#define ROW_OBJECT(json, s, m, t, inner) \
    { json, FIELD_OBJECT, OFFSET_OF_TYPE(s, m, t), FIELD_NO_AUX, 0, inner }
#define ROW_INLINE(json, inner) \
    { json, FIELD_OBJECT, 0, FIELD_NO_AUX, 0, inner }
#define ROW_INLINE_SET(json, s, set_flag, inner) \
    { json, FIELD_OBJECT, 0, OFFSET_OF_TYPE(s, set_flag, bool), 0, inner }
#define ROW_LIST(json, s, m, count, t, inner) \
    { json, FIELD_LIST, OFFSET_OF_TYPE(s, m, t *), OFFSET_OF_TYPE(s, count, size_t), 0, inner }
#define ROW_KEPT(json) { json, FIELD_KEPT, 0, FIELD_NO_AUX, 0, NULL }
#define ROW_ABSENT(json) { json, FIELD_ABSENT, 0, FIELD_NO_AUX, 0, NULL }
#define ROW_DROPPED(json) { json, FIELD_DROPPED, 0, FIELD_NO_AUX, 0, NULL }

/* Defines schema_<id> of struct `t` over `rows`; SCHEMA_OTHER also says where other_json is. */
#define SCHEMA(id, title, t, rows) \
    const struct schema schema_##id = { title, sizeof(t), rows, sizeof(rows) / sizeof((rows)[0]), \
                                        FIELD_NO_AUX }
#define SCHEMA_OTHER(id, title, t, rows, member)                                                  \
    const struct schema schema_##id = { title, sizeof(t), rows, sizeof(rows) / sizeof((rows)[0]), \
                                        OFFSET_OF_TYPE(t, member, char *) }

/* Shared pieces. */
extern const struct schema schema_object_meta, schema_condition, schema_label_selector,
    schema_node_address, schema_pod_spec, schema_pod_status, schema_pod_template;
/* The kinds. */
extern const struct schema schema_namespace, schema_node, schema_pod, schema_replicaset,
    schema_deployment, schema_configmap, schema_event, schema_node_item, schema_node_alive;

#endif
