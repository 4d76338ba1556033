/* Unit tests of api. */
#include "test.h"

#include "lib/base/alloc.h"

struct object *object_of(const char *json)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;
    if (object_from_any_json(slice_str(json), &o, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return o;
}

char *json_of(const struct object *o)
{
    struct buf out = BUF_INIT;
    object_to_json(o, &out);
    return buf_take(&out);
}

int main(void)
{
    int failed = 0;
    failed += test_json_run();
    failed += test_kinds_run();
    failed += test_walk_run();
    failed += test_meta_run();
    failed += test_selector_run();
    failed += test_quantity_run();
    failed += test_manifest_run();
    failed += test_validate_run();
    return failed != 0;
}
