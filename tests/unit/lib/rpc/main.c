/* Unit tests of lib/rpc. */
#include "fixture.h"

#include "lib/base/log.h"

int main(void)
{
    log_set_level(LOG_OFF);
    int failed = 0;
    failed += test_status_run();
    failed += test_frame_run();
    failed += test_http1_run();
    failed += test_unary_run();
    failed += test_stream_run();
    failed += test_raw_run();
    failed += test_keepalive_run();
    failed += test_access_run();
    failed += test_channel_run();
    failed += test_reentry_run();
    failed += test_random_run();
    return failed != 0;
}
