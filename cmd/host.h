/* What a member asks of its process and of the machine before it starts. */
#ifndef BARQUE_CMD_HOST_H
#define BARQUE_CMD_HOST_H

#include "lib/base/err.h"

struct member_flags;

/* Opens --log-outputs and starts the log's thread. E_INVAL, E_UNSUPPORTED, or why the file cannot
 * be opened; then the log is not started. */
int host_start_log(const struct member_flags *m, struct err *err);
/* --memory-mlock: all memory of this process, now and later, stays in RAM. E_PERM with what is
 * needed. */
int host_lock_memory(struct err *err);

#endif
