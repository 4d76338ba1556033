/* What the unit tests of cli share. */
#ifndef BARQUE_TESTS_UNIT_CLI_TEST_H
#define BARQUE_TESTS_UNIT_CLI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/object.h"

/* Parses or fails the test. */
struct object *object_of(const char *json);

int test_flags_run(void);
int test_table_run(void);
int test_columns_run(void);
int test_merge_run(void);
int test_exit_run(void);
int test_describe_run(void);
int test_why_run(void);
int test_user_run(void);

#endif
