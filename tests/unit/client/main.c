/* Tests of client/: the pure parts always, the others against a real etcd where there is one. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include "lib/base/log.h"

int main(void)
{
    int failed = 0;

    log_set_level(LOG_ERROR);
    failed += test_backoff_run();
    failed += test_workqueue_run();
    failed += test_cache_run();
    failed += test_plan_run();
    failed += test_login_run();
    if (etcd_installed()) {
        failed += test_kv_run();
        failed += test_watch_run();
        failed += test_lease_run();
        failed += test_failover_run();
        failed += test_slow_link_run();
        failed += test_reflector_run();
        failed += test_elector_run();
        failed += test_objects_run();
        failed += test_controller_run();
        etcd_cleanup();
    }
    return failed != 0;
}
