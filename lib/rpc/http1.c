/* The request head is cut in place: NULs replace the blanks of the request line, offsets are kept
 * (the buffer may move while the body arrives). */
#include "lib/rpc/http1.h"

#include <strings.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"

enum { NEED_MORE = 0, CONTINUE = 100, READY = 200 };

void http1_init(struct http1 *h, size_t body_max)
{
    *h = (struct http1){ .body_max = body_max };
}

void http1_fini(struct http1 *h)
{
    buf_fini(&h->in);
}

void http1_feed(struct http1 *h, struct slice bytes)
{
    buf_append_slice(&h->in, bytes);
}

/* --- the request line ------------------------------------------------------------------------- */

/* "GET /path?query HTTP/1.1" without the line's end. */
static int parse_request_line(struct http1 *h, uint8_t *line, size_t len)
{
    uint8_t *sp1 = memchr(line, ' ', len);
    uint8_t *sp2 = memrchr(line, ' ', len);
    if (sp1 == NULL || sp2 == sp1 || sp1 == line || sp1 - line > 16 || sp1[1] != '/') {
        return 400;
    }
    for (uint8_t *p = line; p < sp2; p++) {
        bool ok = p < sp1 ? *p >= 'A' && *p <= 'Z' : p == sp1 || (*p > 0x20 && *p < 0x7f);
        if (!ok) {
            return 400;
        }
    }
    struct slice version = slice_make(sp2 + 1, (size_t)(line + len - sp2 - 1));
    if (slice_eq(version, slice_str("HTTP/1.1"))) {
        h->keep_alive = true;
    } else if (slice_eq(version, slice_str("HTTP/1.0"))) {
        h->keep_alive = false;
    } else {
        return version.len >= 5 && memcmp(version.data, "HTTP/", 5) == 0 ? 505 : 400;
    }
    *sp1 = *sp2 = '\0';
    h->path_at = (size_t)(sp1 + 1 - h->in.data);
    h->query_at = (size_t)(sp2 - h->in.data); /* the empty text at its NUL */
    uint8_t *q = memchr(sp1 + 1, '?', (size_t)(sp2 - sp1 - 1));
    if (q != NULL) {
        *q = '\0';
        h->query_at = (size_t)(q + 1 - h->in.data);
    }
    return 0;
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool same_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp((const char *)s.data, word, s.len) == 0;
}

static int on_content_length(struct http1 *h, struct slice value, bool *seen)
{
    size_t n = 0;
    if (value.len == 0 || value.len > 18) {
        return 400;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return 400;
        }
        n = n * 10 + (size_t)(value.data[i] - '0');
    }
    if (*seen && n != h->body_len) {
        return 400;
    }
    *seen = true;
    h->body_len = n;
    return n > h->body_max ? 413 : 0;
}

static int on_header_line(struct http1 *h, struct slice line, bool *seen_length)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon == NULL || colon == line.data) {
        return 400;
    }
    struct slice name = slice_make(line.data, (size_t)(colon - line.data));
    const uint8_t *v = colon + 1;
    const uint8_t *end = line.data + line.len;
    if (memchr(name.data, ' ', name.len) != NULL || memchr(name.data, '\t', name.len) != NULL) {
        return 400; /* also obsolete line folding */
    }
    while (v < end && (*v == ' ' || *v == '\t')) {
        v++;
    }
    while (end > v && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    struct slice value = slice_make(v, (size_t)(end - v));
    if (same_word(name, "content-length")) {
        return on_content_length(h, value, seen_length);
    }
    if (same_word(name, "transfer-encoding")) {
        return 411;
    }
    if (same_word(name, "connection")) {
        if (same_word(value, "close")) {
            h->keep_alive = false;
        } else if (same_word(value, "keep-alive")) {
            h->keep_alive = true;
        }
    } else if (same_word(name, "expect")) {
        if (!same_word(value, "100-continue")) {
            return 417;
        }
        h->wants_continue = true;
    }
    return 0;
}

/* The head without its empty line; every line ends with CRLF. */
static int parse_head(struct http1 *h, size_t len)
{
    uint8_t *at = h->in.data;
    uint8_t *end = at + len;
    bool first = true;
    bool seen_length = false;
    h->body_len = 0;
    h->wants_continue = false;
    while (at < end) {
        uint8_t *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
        INVARIANT(eol != NULL);
        size_t n = (size_t)(eol - at);
        int rv = first ? parse_request_line(h, at, n)
                       : on_header_line(h, slice_make(at, n), &seen_length);
        if (rv != 0) {
            return rv;
        }
        first = false;
        at = eol + 2;
    }
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

int http1_next(struct http1 *h, struct http1_request *ret_request)
{
    if (h->head_len == 0) {
        size_t scan = h->in.len < LIMIT_HTTP1_HEAD_BYTES ? h->in.len : LIMIT_HTTP1_HEAD_BYTES;
        uint8_t *end = scan >= 4 ? memmem(h->in.data, scan, "\r\n\r\n", 4) : NULL;
        if (end == NULL) {
            return h->in.len >= LIMIT_HTTP1_HEAD_BYTES ? 431 : NEED_MORE;
        }
        size_t lines = (size_t)(end - h->in.data) + 2;
        int rv = parse_head(h, lines);
        if (rv != 0) {
            return rv;
        }
        h->head_len = lines + 2;
    }
    if (h->in.len - h->head_len < h->body_len) {
        bool tell = h->wants_continue;
        h->wants_continue = false;
        return tell ? CONTINUE : NEED_MORE;
    }
    *ret_request = (struct http1_request){
        .method = (const char *)h->in.data,
        .path = (const char *)h->in.data + h->path_at,
        .query = (const char *)h->in.data + h->query_at,
        .body = slice_make(h->in.data + h->head_len, h->body_len),
        .keep_alive = h->keep_alive,
    };
    return READY;
}

void http1_done(struct http1 *h)
{
    PRE(h->head_len > 0);
    buf_consume(&h->in, h->head_len + h->body_len);
    h->head_len = 0;
    h->body_len = 0;
}

/* --- responses -------------------------------------------------------------------------------- */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "OK" },
        { 204, "No Content" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 411, "Length Required" },
        { 413, "Content Too Large" },
        { 417, "Expectation Failed" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

void http1_write(struct buf *out, int status, const char *content_type, struct slice body,
                 bool keep_alive, bool head_only)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", status, reason(status));
    if (content_type != NULL) {
        buf_printf(out, "Content-Type: %s\r\n", content_type);
    }
    buf_printf(out, "Content-Length: %zu\r\n%s\r\n", body.len,
               keep_alive ? "" : "Connection: close\r\n");
    if (!head_only) {
        buf_append_slice(out, body);
    }
}
