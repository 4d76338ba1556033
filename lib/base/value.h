/* Immutable, reference-counted bytes: shared by tree, log, watch, response and cache uncopied.
 * Once published (a second reference exists) the bytes never change. The count is atomic: a worker
 * that holds a reference may drop it. */
#ifndef BARQUE_BASE_VALUE_H
#define BARQUE_BASE_VALUE_H

#include "lib/base/slice.h"

struct value {
    uint32_t refs;
    uint32_t len;
    uint8_t data[]; /* NUL-terminated past len */
};

struct value *value_new(const void *data, size_t len); /* refs = 1; len <= LIMIT_VALUE_BYTES */
struct value *value_alloc(size_t len);                 /* bytes to be filled by the caller */
struct value *value_ref(struct value *v);              /* NULL is fine; returns v */
void value_unref(struct value *v);                     /* NULL is fine */
static inline struct slice value_slice(const struct value *v)
{
    return v != NULL ? slice_make(v->data, v->len) : slice_make(NULL, 0);
}

#endif
