/* Each file's group of tests. */
#ifndef BARQUE_TESTS_UNIT_BENCH_TESTS_H
#define BARQUE_TESTS_UNIT_BENCH_TESTS_H

int test_histogram_run(void);
int test_options_run(void);
int test_report_run(void);

#endif
