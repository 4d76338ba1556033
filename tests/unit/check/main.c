/* All tests of check/. */
#include "tests/unit/check/tests.h"

int main(void)
{
    int failed = 0;
    failed += run_history_tests();
    return failed != 0;
}
