/* Manifests: YAML or JSON, one or many documents, `kind: List` included -> objects with defaults
 * applied and everything validated, every problem with line and column. Pure. */
#ifndef BARQUE_API_MANIFEST_H
#define BARQUE_API_MANIFEST_H

#include "api/object.h"
#include "api/validate.h"

/* Objects in file order; each must be object_free'd and the array mem_free'd. When there are
 * problems the return is E_INVAL and no objects are given. `default_namespace` fills namespaced
 * objects without one. */
int manifest_parse(struct slice text, const char *default_namespace, struct object ***ret_objects,
                   size_t *ret_n, struct problems *problems);

#endif
