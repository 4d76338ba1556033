/* Unit tests of chaos/. */
#include "tests/unit/chaos/tests.h"

int main(void)
{
    int failed = test_plan_run();
    failed += test_report_run();
    return failed != 0;
}
