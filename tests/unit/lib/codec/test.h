/* What every test of this folder includes: cmocka in the order it needs. */
#ifndef BARQUE_TESTS_UNIT_CODEC_TEST_H
#define BARQUE_TESTS_UNIT_CODEC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

int test_bytes_run(void);
int test_mp_run(void);
int test_json_run(void);
int test_cursor_run(void);
int test_yaml_run(void);
int test_bolt_run(void);
int test_secret_run(void);
int test_pb_wire_run(void);

#endif
