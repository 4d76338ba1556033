/* Container log files: CRI lines "<time> <stream> <F|P> <text>", written by the shim. */
#include "kubelet/log_file.h"

#include <string.h>

#include "lib/base/alloc.h"

enum { CHUNK_BYTES = 64 * 1024 };

/* Where the last n lines begin. */
uint64_t log_file_tail(struct file *f, int64_t lines)
{
    uint64_t size = 0;
    if (file_size(f, &size, NULL) != 0) {
        return 0;
    }
    autofree uint8_t *block = mem_alloc(CHUNK_BYTES);
    uint64_t end = size;
    int64_t seen = 0;
    while (end > 0) {
        uint64_t from = end > CHUNK_BYTES ? end - CHUNK_BYTES : 0;
        size_t got = 0;
        if (file_pread(f, block, (size_t)(end - from), from, &got, NULL) != 0) {
            return 0;
        }
        for (size_t i = got; i > 0; i--) {
            /* The newline that ends the last line does not count. */
            if (block[i - 1] == '\n' && from + i != size && ++seen == lines) {
                return from + i;
            }
        }
        end = from;
    }
    return 0;
}

/* One CRI line "<time> <stream> <F|P> <text>" -> what people want to see. */
void log_file_line(const char *line, size_t len, bool timestamps, struct buf *out)
{
    const char *end = line + len, *at = line;
    const char *time_end = memchr(at, ' ', len);
    for (int field = 0; field < 3 && at != NULL; field++) {
        at = memchr(at, ' ', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || at < line + 2) {
        return; /* not a line of ours: a torn write of a full disk */
    }
    if (timestamps) {
        buf_append(out, line, (size_t)(time_end - line) + 1);
    }
    buf_append(out, at, (size_t)(end - at));
    if (at[-2] == 'F') {
        buf_append_char(out, '\n');
    }
}
