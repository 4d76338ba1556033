/* Unit tests of store/. */
#include "tests/unit/store/tests.h"

int main(void)
{
    int failed = 0;
    failed += test_differential_run();
    return failed != 0;
}
