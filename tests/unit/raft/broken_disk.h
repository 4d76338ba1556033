/* A disk that fails when a test says so: all that raft/ asks of lib/io/file.h passes through here
 * (UNIT_WRAP_raft in the Makefile). */
#ifndef BARQUE_TESTS_UNIT_RAFT_BROKEN_DISK_H
#define BARQUE_TESTS_UNIT_RAFT_BROKEN_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* The n-th operation from now on fails with E_IO; 0: none. */
void disk_break_at(uint64_t n);
/* The operation of disk_break_at has come. */
bool disk_broke(void);
/* Until disk_mend every operation of this name ("file_pwritev") fails with `status`. */
void disk_break(const char *operation, int status);
void disk_mend(void);

#endif
