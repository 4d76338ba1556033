/* All tests of check/. */
#include "tests/unit/check/tests.h"

int main(void)
{
    int failed = 0;
    failed += run_history_tests();
    failed += run_lin_tests();
    failed += run_lin_small_tests();
    failed += run_lin_teeth_tests();
    failed += run_watch_tests();
    failed += run_watch_rules_tests();
    failed += run_lease_tests();
    failed += run_lock_tests();
    failed += run_orch_tests();
    failed += run_orch_sight_tests();
    return failed != 0;
}
