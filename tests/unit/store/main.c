/* Unit tests of store/. */
#include "tests/unit/store/tests.h"

int main(void)
{
    int failed = 0;
    failed += test_kv_run();
    failed += test_range_run();
    failed += test_txn_run();
    failed += test_lease_run();
    failed += test_compact_run();
    failed += test_command_run();
    failed += test_command_bad_run();
    failed += test_alarm_run();
    failed += test_auth_run();
    failed += test_auth_frames_run();
    failed += test_auth_rules_run();
    failed += test_tree_run();
    failed += test_tree_deep_run();
    failed += test_restore_run();
    failed += test_lease_clock_run();
    failed += test_watch_run();
    failed += test_watch_random_run();
    failed += test_differential_run();
    failed += test_etcd_db_run();
    failed += test_etcd_db_auth_run();
    failed += test_etcd_db_bad_run();
    failed += test_edges_run();
    return failed != 0;
}
