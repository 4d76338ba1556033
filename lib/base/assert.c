/* How a failed assert ends: what the log still holds is written, then one line with file, line and
 * condition, then a backtrace, then abort (so that a core is left): even when nobody reads
 * stderr. Nothing here allocates. */
#include "lib/base/assert.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

void assert_fail(const char *kind, const char *cond, const char *file, int line)
{
    char text[512];
    void *frames[48];

    log_flush(200);
    int n = snprintf(text, sizeof text, "barque: %s failed: %s:%d: %s\n", kind, file, line, cond);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (log_last_words(text, len)) {
        backtrace_symbols_fd(frames, backtrace(frames, ARRAY_LEN(frames)), STDERR_FILENO);
    }
    abort();
}
