/* What `apply` makes of a live object and a manifest. Pure. */
#ifndef BARQUE_CLI_MERGE_H
#define BARQUE_CLI_MERGE_H

#include "api/object.h"

/* The labels and annotations that the last apply set, so that the next one can take them away. */
#define ANNOTATION_APPLIED "barque.io/applied-metadata"

/* Notes in `o` (from a manifest) what apply sets; for an object that is new. */
void merge_note(struct object *o);
/* Changes `live` into what `wanted` asks for. The spec is the manifest's; the status, a pod's node
 * and what the server set in metadata stay; labels and annotations are added and changed, and those
 * that an earlier apply had set and that are gone from the manifest go. */
int merge_into(struct object *live, const struct object *wanted, struct err *err);
/* The differences worth showing, one a line: without generation, versions and our own note. */
void merge_diff(const struct object *before, const struct object *after, struct buf *out);

#endif
