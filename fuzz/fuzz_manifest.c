/* Manifests: any bytes are read or refused, never both; what is read is stored, read back and
 * equal. */
#include "api/manifest.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stored form and back: nothing is lost, and the second writing gives the same bytes. */
static void check_stored(const struct object *o)
{
    autobuf first = BUF_INIT, second = BUF_INIT, diff = BUF_INIT;
    struct object *back = NULL;
    struct err err = ERR_INIT;

    object_to_json(o, &first);
    INVARIANT(object_from_any_json(buf_slice(&first), &back, &err) == 0);
    INVARIANT(object_equal(o, back));
    object_to_json(back, &second);
    INVARIANT(slice_eq(buf_slice(&first), buf_slice(&second)));
    object_diff(o, back, &diff);
    INVARIANT(diff.len == 0);
    object_free(back);
}

static void check_copy(const struct object *o)
{
    autobuf yaml = BUF_INIT, copied = BUF_INIT, stored = BUF_INIT;
    struct object *copy = object_copy(o);
    INVARIANT(object_equal(o, copy));
    object_defaults(copy);
    INVARIANT(object_equal(o, copy)); /* defaults twice are defaults once */
    object_to_json(o, &stored);
    object_to_json(copy, &copied);
    INVARIANT(slice_eq(buf_slice(&stored), buf_slice(&copied)));
    object_to_yaml(o, &yaml);
    INVARIANT(yaml.len != 0);
    object_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    struct problems problems;
    struct object **objects = NULL;
    size_t n = 0;

    problems_init(&problems);
    int rv = manifest_parse(text, "default", &objects, &n, &problems);
    INVARIANT((rv != 0) == (problems.n != 0));
    if (rv != 0) {
        autobuf out = BUF_INIT;
        INVARIANT(objects == NULL);
        problems_print(&problems, "f.yaml", text, &out);
        INVARIANT(out.len != 0);
    }
    for (size_t i = 0; rv == 0 && i < n; i++) {
        struct problems again;
        problems_init(&again);
        INVARIANT(object_validate(objects[i], &again) == 0);
        INVARIANT(object_validate_update(objects[i], objects[i], &again) == 0);
        problems_fini(&again);
        check_stored(objects[i]);
        check_copy(objects[i]);
        object_free(objects[i]);
    }
    mem_free(objects);
    problems_fini(&problems);
    return 0;
}
