/* Fuzzes the HTTP/1 parser. The input, cut in pieces of a size its first byte chooses, must give
 * the same requests as when it is fed at once. */
#include <stdlib.h>

#include "lib/base/assert.h"
#include "lib/rpc/http1.h"

enum { BODY_MAX = 1000 };

/* Drains requests; appends a digest of each to `out`. Returns the last answer of http1_next. */
static int drain(struct http1 *h, struct buf *out)
{
    for (;;) {
        struct http1_request req;
        int status = http1_next(h, &req);
        if (status != 200) {
            return status;
        }
        INVARIANT(req.body.len <= BODY_MAX);
        buf_printf(out, "%s|%s|%s|%zu|%d\n", req.method, req.path, req.query, req.body.len,
                   req.keep_alive);
        buf_append_slice(out, req.body);
        http1_done(h);
    }
}

static int run(struct slice input, size_t step, struct buf *out)
{
    struct http1 h;
    int status = 0;
    http1_init(&h, BODY_MAX);
    for (size_t at = 0; at < input.len && (status == 0 || status == 100); at += step) {
        size_t n = input.len - at < step ? input.len - at : step;
        http1_feed(&h, slice_make(input.data + at, n));
        status = drain(&h, out);
    }
    http1_fini(&h);
    return status == 100 ? 0 : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf whole = BUF_INIT;
    autobuf pieces = BUF_INIT;
    if (size < 2) {
        return 0;
    }
    struct slice input = slice_make(data + 1, size - 1);
    int a = run(input, input.len, &whole);
    int b = run(input, (size_t)data[0] + 1, &pieces);
    INVARIANT(a == b);
    INVARIANT(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    return 0;
}
