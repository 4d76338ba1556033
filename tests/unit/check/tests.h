/* The lists of tests of this program, one a file. */
#ifndef BARQUE_TESTS_UNIT_CHECK_TESTS_H
#define BARQUE_TESTS_UNIT_CHECK_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Of the seeds, one in so many: sanitizers take ten times as long. */
#ifdef BARQUE_SANITIZED
enum { SHARE = 4 };
#else
enum { SHARE = 1 };
#endif

int run_history_tests(void);
int run_lin_small_tests(void);
int run_lin_teeth_tests(void);
int run_lease_tests(void);
int run_lin_tests(void);
int run_lock_tests(void);
int run_orch_sight_tests(void);
int run_orch_tests(void);
int run_watch_rules_tests(void);
int run_watch_tests(void);

#endif
