/* Unit tests of lib/codec. */
#include "test.h"

int main(void)
{
    int failed = 0;
    failed += test_bytes_run();
    failed += test_mp_run();
    failed += test_json_run();
    failed += test_cursor_run();
    failed += test_yaml_run();
    failed += test_bolt_run();
    failed += test_secret_run();
    failed += test_pb_wire_run();
    return failed != 0;
}
