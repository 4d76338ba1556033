/* Unit tests of server/: one member in this process, asked over loopback. */
#include "kube.h"

#include "lib/base/log.h"

/* Also asked of a cluster or of a real etcd, from tests/integration. */
static int kube_run(void)
{
    return test_kube_shapes_run() + test_kube_rules_run() + test_kube_transport_run();
}

int main(void)
{
    log_set_level(LOG_OFF);
    int failed = kube_run();
    if (kube_peer() != NULL) {
        return failed != 0;
    }
    failed += test_compactor_run();
    failed += test_maintenance_run();
    failed += test_json_run();
    failed += test_kv_run();
    failed += test_range_stream_run();
    failed += test_leader_run();
    failed += test_lease_run();
    failed += test_watch_run();
    failed += test_reconfigure_run();
    failed += test_cluster_run();
    failed += test_lock_run();
    failed += test_election_run();
    failed += test_health_run();
    failed += test_snapshot_run();
    failed += test_hash_run();
    failed += test_auth_run();
    failed += test_token_run();
    return failed != 0;
}
