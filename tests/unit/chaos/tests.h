/* Unit tests of chaos/: one runner a file. */
#ifndef BARQUE_TESTS_UNIT_CHAOS_TESTS_H
#define BARQUE_TESTS_UNIT_CHAOS_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int test_act_run(void);
int test_plan_run(void);
int test_report_run(void);
int test_html_run(void);
int test_formats_run(void);
int test_words_run(void);

#endif
