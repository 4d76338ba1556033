/* Fuzzes the HTTP/1 parser. The input, cut in pieces of a size its first byte chooses, must give
 * the same requests as when it is fed at once; a third time their bodies are taken as they come, as
 * a stream's are, and must add up to the same bytes. The rules of who may ask look at each head. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/rpc/access.h"
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

/* The rules see the head only; what they give back of it is what they were told before. */
static void check_access(const struct http1 *h, const struct http1_request *req)
{
    char hosts[] = "localhost, a", origins[] = "http://a,http://b:1";
    const struct http_access a = { hosts, origins, true };
    autobuf headers = BUF_INIT;
    autobuf body = BUF_INIT;
    int status = http_access_check(&a, h, req, &headers, &body);
    INVARIANT(status == 0 || status == 200 || status == 421);
    INVARIANT((status == 421) == (body.len > 0));
    INVARIANT(headers.len == 0 || strstr(buf_str(&headers), "Origin: http://a\r\n") != NULL ||
              strstr(buf_str(&headers), "Origin: http://b:1\r\n") != NULL);
}

/* Appends the bodies of requests that come in pieces and are taken at once. Stops at an error. */
static void take_bodies(struct slice input, size_t step, struct buf *out)
{
    struct http1 h;
    int status = 0;
    http1_init(&h, BODY_MAX);
    for (size_t at = 0; at < input.len && (status == 0 || status == 100); at += step) {
        struct http1_request req;
        size_t n = input.len - at < step ? input.len - at : step;
        http1_feed(&h, slice_make(input.data + at, n));
        while ((status = http1_head(&h, &req)) == 200) {
            struct slice name, value;
            for (size_t from = 0; http1_header(&h, &from, &name, &value);) {
                INVARIANT(name.len > 0 && from <= h.head_len);
            }
            check_access(&h, &req);
            status = http1_pull(&h);
            if (status != 0 && status != 100) {
                break;
            }
            buf_append_slice(out, http1_body(&h));
            http1_take(&h, http1_body(&h).len);
            if (!http1_body_done(&h)) {
                break;
            }
            http1_done(&h);
        }
    }
    http1_fini(&h);
}

/* Of whole requests, for comparison. */
static void whole_bodies(struct slice input, struct buf *out)
{
    struct http1 h;
    struct http1_request req;
    http1_init(&h, BODY_MAX);
    http1_feed(&h, input);
    while (http1_next(&h, &req) == 200) {
        buf_append_slice(out, req.body);
        http1_done(&h);
    }
    http1_fini(&h);
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
    autobuf bodies = BUF_INIT, taken = BUF_INIT;
    whole_bodies(input, &bodies);
    take_bodies(input, (size_t)data[0] + 1, &taken);
    INVARIANT(slice_starts(buf_slice(&taken), buf_slice(&bodies)));
    return 0;
}
