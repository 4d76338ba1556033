/* What every test file of this folder includes. */
#ifndef BARQUE_TESTS_STORE_TESTS_H
#define BARQUE_TESTS_STORE_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int test_differential_run(void);

#endif
