/* The unit tests of raft/. */
#include "test.h"

int main(void)
{
    int (*const groups[])(void) = {
        test_log_run,           test_wal_run,         test_meta_run,
        test_snapshot_file_run, test_message_run,     test_gates_run,
        test_digest_run,        test_transport_run,   test_rnode_run,
        test_cluster_run,       test_peer_frame_run,  test_transport_silence_run,
        test_join_run,          test_disk_health_run, test_forged_run,
        test_install_run,       test_disk_faults_run, test_wal_faults_run,
        test_transport_odd_run, test_recover_run,     test_bounds_run,
        test_aside_run,         test_removed_run,     test_transport_fault_run,
        test_transport_end_run,
        test_transport_known_run,
        test_level_run,         test_found_run,
    };
    int failed = 0;
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        failed += groups[i]();
    }
    return failed != 0;
}
