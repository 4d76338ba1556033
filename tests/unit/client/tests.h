/* The groups of this program. */
#ifndef BARQUE_TEST_CLIENT_TESTS_H
#define BARQUE_TEST_CLIENT_TESTS_H

/* pure */
int test_backoff_run(void);
int test_workqueue_run(void);
int test_cache_run(void);
int test_plan_run(void);
/* against a member made by the test */
int test_login_run(void);
/* against a real etcd */
int test_kv_run(void);
int test_watch_run(void);
int test_lease_run(void);
int test_failover_run(void);
int test_slow_link_run(void);
int test_reflector_run(void);
int test_elector_run(void);
int test_objects_run(void);
int test_controller_run(void);

#endif
