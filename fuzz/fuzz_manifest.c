/* Fuzzes manifests: whatever the text, the answer is objects or problems with places. What was
 * accepted is valid, and its stored form and its YAML read back equal. */
#include <stddef.h>
#include <stdint.h>

#include "api/manifest.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

static void check_stored_form(const struct object *o)
{
    autobuf json = BUF_INIT, again = BUF_INIT, diff = BUF_INIT;
    struct object *back = NULL;
    object_to_json(o, &json);
    int rv = object_from_any_json(buf_slice(&json), &back, NULL);
    INVARIANT(rv == 0);
    INVARIANT(object_equal(o, back));
    object_diff(o, back, &diff);
    INVARIANT(diff.len == 0);
    object_to_json(back, &again);
    INVARIANT(slice_eq(buf_slice(&json), buf_slice(&again)));
    struct object *copy = object_copy(o);
    INVARIANT(object_equal(o, copy));
    object_free(copy);
    object_free(back);
}

static void check_yaml(const struct object *o)
{
    autobuf yaml = BUF_INIT;
    struct object **objects = NULL;
    size_t n = 0;
    struct problems problems;
    object_to_yaml(o, &yaml);
    problems_init(&problems);
    int rv = manifest_parse(buf_slice(&yaml), NULL, &objects, &n, &problems);
    INVARIANT(rv == 0);
    INVARIANT(n == 1);
    INVARIANT(object_equal(o, objects[0]));
    object_free(objects[0]);
    mem_free(objects);
    problems_fini(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf text = BUF_INIT;
    struct object **objects = NULL;
    size_t n = 0;
    struct problems problems;

    problems_init(&problems);
    int rv = manifest_parse(slice_make(data, size), "fuzz", &objects, &n, &problems);
    INVARIANT((rv == 0) == (problems.found == 0));
    problems_print(&problems, "fuzz.yaml", slice_make(data, size), &text);
    INVARIANT((text.len == 0) == (rv == 0));
    for (size_t i = 0; i < n; i++) {
        check_stored_form(objects[i]);
        check_yaml(objects[i]);
        object_free(objects[i]);
    }
    mem_free(objects);
    problems_fini(&problems);
    return 0;
}
