/* Stored JSON of any writer: read or refused; what is read survives being stored and read again,
 * and writing it twice gives the same bytes. */
#include "api/object.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct object *o = NULL, *back = NULL;
    struct err err = ERR_INIT;
    autobuf first = BUF_INIT, second = BUF_INIT, diff = BUF_INIT, yaml = BUF_INIT;

    if (object_from_any_json(slice_make(data, size), &o, &err) != 0) {
        INVARIANT(o == NULL);
        INVARIANT(err.msg[0] != 0);
        return 0;
    }
    object_to_json(o, &first);
    int rv = object_from_any_json(buf_slice(&first), &back, &err);
    INVARIANT(rv == 0);
    INVARIANT(object_equal(o, back));
    object_to_json(back, &second);
    INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    object_diff(o, back, &diff);
    INVARIANT(diff.len == 0);
    object_to_yaml(o, &yaml);
    INVARIANT(yaml.len != 0);
    object_free(back);
    object_free(o);
    return 0;
}
