/* The unit tests of lib/io: real sockets, files and processes on this machine. */
#include "fixture.h"

int main(void)
{
    int (*const groups[])(void) = {
        test_loop_run, test_timer_run, test_work_run,    test_file_run,     test_address_run,
        test_conn_run, test_close_run, test_connect_run, test_listener_run, test_process_run,
        test_fault_rules_run, test_fault_run,
    };
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        failed += groups[i]();
    }
    return failed != 0;
}
