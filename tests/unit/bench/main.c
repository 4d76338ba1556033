/* Unit tests of bench/: the histogram, the flags, the median. */
#include "tests/unit/bench/tests.h"

int main(void)
{
    int failed = test_histogram_run();
    failed += test_options_run();
    failed += test_report_run();
    return failed != 0;
}
