/* Unit tests of cli: the pure parts. The verbs themselves: tests/integration/cli.test.sh. */
#include "tests/unit/cli/test.h"

struct object *object_of(const char *json)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;

    if (object_from_any_json(slice_str(json), &o, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return o;
}

int main(void)
{
    int failed = 0;

    failed += test_flags_run();
    failed += test_table_run();
    failed += test_columns_run();
    failed += test_merge_run();
    failed += test_exit_run();
    failed += test_describe_run();
    failed += test_why_run();
    failed += test_user_run();
    return failed != 0;
}
