/* What every test file of this folder includes. */
#ifndef BARQUE_TESTS_STORE_TESTS_H
#define BARQUE_TESTS_STORE_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int test_kv_run(void);
int test_range_run(void);
int test_txn_run(void);
int test_lease_run(void);
int test_compact_run(void);
int test_command_run(void);
int test_command_bad_run(void);
int test_alarm_run(void);
int test_auth_run(void);
int test_auth_frames_run(void);
int test_auth_rules_run(void);
int test_tree_run(void);
int test_tree_deep_run(void);
int test_restore_run(void);
int test_lease_clock_run(void);
int test_watch_run(void);
int test_watch_random_run(void);
int test_differential_run(void);
int test_etcd_db_run(void);
int test_etcd_db_auth_run(void);
int test_etcd_db_bad_run(void);
int test_edges_run(void);

#endif
