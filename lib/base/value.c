/* Reference-counted bytes: header and bytes are one allocation. Taking a reference needs no order
 * (the taker has one already); dropping one orders every use before the free. */
#include "lib/base/value.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"

struct value *value_alloc(size_t len)
{
    PRE(len <= LIMIT_VALUE_BYTES);
    struct value *v = mem_alloc(sizeof *v + len + 1);
    v->refs = 1;
    v->len = (uint32_t)len;
    v->data[len] = 0;
    return v;
}

struct value *value_new(const void *data, size_t len)
{
    struct value *v = value_alloc(len);
    if (len != 0) {
        memcpy(v->data, data, len);
    }
    return v;
}

struct value *value_ref(struct value *v)
{
    if (v != NULL) {
        uint32_t before = __atomic_fetch_add(&v->refs, 1, __ATOMIC_RELAXED);
        INVARIANT(before != 0 && before != UINT32_MAX);
    }
    return v;
}

void value_unref(struct value *v)
{
    if (v == NULL) {
        return;
    }
    uint32_t before = __atomic_fetch_sub(&v->refs, 1, __ATOMIC_ACQ_REL);
    INVARIANT(before != 0);
    if (before == 1) {
        mem_free(v);
    }
}
