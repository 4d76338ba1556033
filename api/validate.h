/* Problems of a document: all of them at once, each with a path and (from a manifest) a place.
 * Pure. */
#ifndef BARQUE_API_VALIDATE_H
#define BARQUE_API_VALIDATE_H

#include "api/object.h"

struct problem {
    char *path;      /* "spec.template.spec.containers[0].name" */
    char *message;   /* "unknown field \"replica\" (did you mean \"replicas\"?)" */
    unsigned line, column; /* 1-based; 0 = unknown */
};

enum { PROBLEMS_MAX = 200 };

struct problems {
    struct problem *items;
    size_t n, cap;   /* listed: at most PROBLEMS_MAX and one line that there are more */
    size_t found;    /* with those that are not listed */
    size_t document; /* which document of the file is being read */
};

void problems_init(struct problems *p);
void problems_fini(struct problems *p);
void problem_add(struct problems *p, const char *path, unsigned line, unsigned column,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Like a compiler: "web.yaml:12:15: spec.replicas: ...", the line, a caret. `text` may be empty. */
void problems_print(const struct problems *p, const char *filename, struct slice text,
                    struct buf *out);

/* Runs metadata's and the kind's checks on an object (also used before writing plans). 0 or
 * E_INVAL. */
int object_validate(const struct object *o, struct problems *problems);
/* What may not change between two versions (a selector, a bound nodeName, ...). 0 or E_INVAL. */
int object_validate_update(const struct object *old, const struct object *o,
                           struct problems *problems);
void object_defaults(struct object *o);

#endif
