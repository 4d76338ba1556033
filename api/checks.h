/* Inside api/: the kinds' defaults and checks that the kinds table names, and the checks they
 * share. A check adds problems with paths; manifest.c finds the places. Pure. */
#ifndef BARQUE_API_CHECKS_H
#define BARQUE_API_CHECKS_H

#include "api/apps.h"
#include "api/validate.h"

void namespace_defaults(struct object *o);
void pod_defaults(struct object *o);
void replicaset_defaults(struct object *o);
void deployment_defaults(struct object *o);

void namespace_validate(const struct object *o, struct problems *problems);
void node_validate(const struct object *o, struct problems *problems);
void configmap_validate(const struct object *o, struct problems *problems);
void pod_validate(const struct object *o, struct problems *problems);
void replicaset_validate(const struct object *o, struct problems *problems);
void deployment_validate(const struct object *o, struct problems *problems);

/* Syntax. NULL when `s` is right, else what is wrong with it (static text). */
const char *name_problem(const char *s);      /* RFC 1123 subdomain, at most 253 */
const char *dns_label_problem(const char *s); /* RFC 1123 label, at most 63 */
const char *label_key_problem(const char *s); /* [prefix/]name */
const char *label_value_problem(const char *s);
const char *env_name_problem(const char *s);

/* Adds a problem at `path` with `field` behind it. */
void check_add(struct problems *p, const char *path, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void check_labels(const struct string_map *m, const char *path, struct problems *p);
void check_selector(const struct label_selector *s, const char *path, struct problems *p);
void check_quantities(const struct string_map *m, const char *path, struct problems *p);
/* "expected one of A, B": `value` NULL is a problem too. */
void check_enum(const char *value, const char *const *allowed, size_t n, const char *path,
                struct problems *p);
void check_pod_spec(const struct pod_spec *spec, const char *path, struct problems *p);
/* Shared by ReplicaSet and Deployment. */
void check_workload(const struct label_selector *selector, const struct pod_template *t,
                    int32_t replicas, int32_t min_ready_seconds, struct problems *p);

#endif
