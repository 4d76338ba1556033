/* Reading container logs as the shim writes them. */
#ifndef BARQUE_KUBELET_LOG_FILE_H
#define BARQUE_KUBELET_LOG_FILE_H

#include "lib/base/buf.h"
#include "lib/io/file.h"

/* Where the last `lines` (> 0) lines begin; 0 when there are no more. */
uint64_t log_file_tail(struct file *f, int64_t lines);
/* Appends what people want to see of one line (without its newline). What is no log line (a torn
 * write of a full disk) is skipped. */
void log_file_line(const char *line, size_t len, bool timestamps, struct buf *out);

#endif
