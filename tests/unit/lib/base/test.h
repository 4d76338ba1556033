/* What every test of this folder includes: cmocka in the order it needs, and one helper that looks
 * at how a child ends, for code whose contract is to abort. */
#ifndef BARQUE_TESTS_UNIT_BASE_TEST_H
#define BARQUE_TESTS_UNIT_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

/* Runs fn in a child; true when it died by SIGABRT after writing `says` to stderr. */
bool child_aborts(void (*fn)(void), const char *says);
/* The same for an exit with this code. */
bool child_exits(void (*fn)(void), int code, const char *says);

int test_memory_run(void);
int test_containers_run(void);
int test_text_run(void);
int test_log_run(void);
int test_metric_run(void);

#endif
