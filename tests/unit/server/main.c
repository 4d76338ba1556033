/* Unit tests of server/: one member in this process, asked over loopback. */
#include "fixture.h"

#include "lib/base/log.h"

int main(void)
{
    log_set_level(LOG_OFF);
    int failed = 0;
    failed += test_kv_run();
    failed += test_lease_run();
    failed += test_watch_run();
    failed += test_reconfigure_run();
    failed += test_cluster_run();
    failed += test_lock_run();
    failed += test_election_run();
    failed += test_health_run();
    return failed != 0;
}
