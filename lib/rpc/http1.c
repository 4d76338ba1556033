/* The request head is cut in place: NULs replace the blanks of the request line, offsets are kept
 * (the buffer may move while the body arrives). Chunks are put together in place, too: what is
 * decoded moves down over the lines between them, once for all bytes that have come. */
#include "lib/rpc/http1.h"

#include <strings.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"

enum {
    NEED_MORE = 0,
    CONTINUE = 100,
    READY = 200,
    CHUNK_LINE_MAX = 256, /* a size and what else stands in its line */
};

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
    h->http10 = slice_eq(version, slice_str("HTTP/1.0"));
    h->keep_alive = slice_eq(version, slice_str("HTTP/1.1"));
    if (!h->http10 && !h->keep_alive) {
        return slice_starts(version, slice_str("HTTP/")) ? 505 : 400;
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

/* What the headers say of the body. */
struct framing {
    bool has_length, chunked;
};

static int on_content_length(struct http1 *h, struct slice value, struct framing *framing)
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
    if (framing->has_length && n != h->left) {
        return 400;
    }
    framing->has_length = true;
    h->left = n;
    return n > h->body_max ? 413 : 0;
}

static int on_transfer_encoding(struct http1 *h, struct slice value, struct framing *framing)
{
    if (!same_word(value, "chunked")) {
        return 501;
    }
    if (framing->chunked || h->http10) {
        return 400;
    }
    framing->chunked = true;
    return 0;
}

static int cut_header(struct slice line, struct slice *ret_name, struct slice *ret_value)
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
    *ret_name = name;
    *ret_value = slice_make(v, (size_t)(end - v));
    return 0;
}

static int on_header_line(struct http1 *h, struct slice line, struct framing *framing)
{
    struct slice name, value;
    int rv = cut_header(line, &name, &value);
    if (rv != 0) {
        return rv;
    }
    if (same_word(name, "content-length")) {
        return on_content_length(h, value, framing);
    }
    if (same_word(name, "transfer-encoding")) {
        return on_transfer_encoding(h, value, framing);
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
    struct framing framing = { false, false };
    h->body_len = h->taken = h->left = h->trailer_bytes = 0;
    h->wants_continue = false;
    while (at < end) {
        uint8_t *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
        INVARIANT(eol != NULL);
        size_t n = (size_t)(eol - at);
        int rv = first ? parse_request_line(h, at, n)
                       : on_header_line(h, slice_make(at, n), &framing);
        if (rv != 0) {
            return rv;
        }
        first = false;
        at = eol + 2;
    }
    /* Two lengths: whoever stands between may have believed the other one. */
    if (framing.chunked && framing.has_length) {
        return 400;
    }
    h->state = framing.chunked ? HTTP1_SIZE : h->left > 0 ? HTTP1_LENGTH : HTTP1_DONE;
    return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

/* "1a3;name=value", without the line's end. The size's bound is what may wait in memory, checked
 * where it arrives; here it must only be a number. */
static int chunk_size(struct slice line, size_t *ret)
{
    size_t n = 0, i = 0;
    for (; i < line.len; i++) {
        uint8_t b = line.data[i], low = b | 0x20;
        if (b >= '0' && b <= '9') {
            n = n << 4 | (size_t)(b - '0');
        } else if (low >= 'a' && low <= 'f') {
            n = n << 4 | (size_t)(low - 'a' + 10);
        } else {
            break;
        }
    }
    bool ends = i == line.len || line.data[i] == ';' || line.data[i] == ' ' || line.data[i] == '\t';
    if (i == 0 || i > 12 || !ends) {
        return 400;
    }
    *ret = n;
    return 0;
}

/* The next line of [at, end) with its CRLF: its length, 0 when it is not all there, SIZE_MAX when
 * it is longer than max. */
static size_t line_len(const uint8_t *at, const uint8_t *end, size_t max)
{
    size_t n = (size_t)(end - at) < max ? (size_t)(end - at) : max;
    const uint8_t *crlf = n >= 2 ? memmem(at, n, "\r\n", 2) : NULL;
    if (crlf != NULL) {
        return (size_t)(crlf - at) + 2;
    }
    return n == max ? SIZE_MAX : 0;
}

/* One line between the chunks, at *at. True when it was there and is behind *at now. */
static bool pull_line(struct http1 *h, uint8_t **at, const uint8_t *end, int *ret_error)
{
    size_t n = line_len(*at, end, CHUNK_LINE_MAX);
    if (n == 0) {
        return false;
    }
    if (n == SIZE_MAX) {
        *ret_error = 400;
        return false;
    }
    struct slice line = slice_make(*at, n - 2);
    *at += n;
    switch (h->state) {
    case HTTP1_SIZE:
        *ret_error = chunk_size(line, &h->left);
        h->state = h->left > 0 ? HTTP1_CHUNK : HTTP1_TRAILER;
        break;
    case HTTP1_CHUNK_END:
        *ret_error = line.len == 0 ? 0 : 400;
        h->state = HTTP1_SIZE;
        break;
    default:
        h->trailer_bytes += n;
        *ret_error = h->trailer_bytes > LIMIT_HTTP1_HEAD_BYTES ? 431 : 0;
        h->state = line.len == 0 ? HTTP1_DONE : HTTP1_TRAILER;
    }
    return *ret_error == 0;
}

/* Bytes of the body at *from move to `to`. True when that part is over. */
static bool pull_bytes(struct http1 *h, uint8_t **from, const uint8_t *end, uint8_t *to)
{
    size_t n = (size_t)(end - *from) < h->left ? (size_t)(end - *from) : h->left;
    if (to != *from) {
        memmove(to, *from, n);
    }
    *from += n;
    h->body_len += n;
    h->left -= n;
    if (h->left > 0) {
        return false;
    }
    h->state = h->state == HTTP1_LENGTH ? HTTP1_DONE : HTTP1_CHUNK_END;
    return true;
}

/* What was taken makes room. */
static void forget_taken(struct http1 *h)
{
    uint8_t *body = h->in.data + h->head_len;
    if (h->taken > 0) {
        memmove(body, body + h->taken, h->in.len - h->head_len - h->taken);
        h->in.len -= h->taken;
        h->body_len -= h->taken;
        h->taken = 0;
    }
}

int http1_pull(struct http1 *h)
{
    PRE(h->head_len > 0);
    if (h->state == HTTP1_DONE) {
        return 0;
    }
    forget_taken(h);
    uint8_t *from = h->in.data + h->head_len + h->body_len;
    const uint8_t *end = h->in.data + h->in.len;
    int error = 0;
    bool on = true;
    while (on && h->state != HTTP1_DONE) {
        bool bytes = h->state == HTTP1_LENGTH || h->state == HTTP1_CHUNK;
        on = bytes ? pull_bytes(h, &from, end, h->in.data + h->head_len + h->body_len)
                   : pull_line(h, &from, end, &error);
        on = on && h->body_len <= h->body_max;
    }
    uint8_t *to = h->in.data + h->head_len + h->body_len;
    memmove(to, from, (size_t)(end - from));
    h->in.len -= (size_t)(from - to);
    if (error != 0) {
        return error;
    }
    if (h->body_len > h->body_max) {
        return 413;
    }
    bool tell = h->wants_continue && h->state != HTTP1_DONE;
    h->wants_continue = false;
    return tell ? CONTINUE : 0;
}

struct slice http1_body(const struct http1 *h)
{
    return slice_make(h->in.data + h->head_len + h->taken, h->body_len - h->taken);
}

void http1_take(struct http1 *h, size_t n)
{
    PRE(n <= h->body_len - h->taken);
    h->taken += n;
}

bool http1_body_done(const struct http1 *h)
{
    return h->state == HTTP1_DONE;
}

size_t http1_ahead(const struct http1 *h)
{
    PRE(http1_body_done(h));
    return h->in.len - h->head_len - h->body_len;
}

/* --- requests --------------------------------------------------------------------------------- */

int http1_head(struct http1 *h, struct http1_request *ret_request)
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
    *ret_request = (struct http1_request){
        .method = (const char *)h->in.data,
        .path = (const char *)h->in.data + h->path_at,
        .query = (const char *)h->in.data + h->query_at,
        .keep_alive = h->keep_alive,
    };
    return READY;
}

int http1_next(struct http1 *h, struct http1_request *ret_request)
{
    int rv = http1_head(h, ret_request);
    if (rv != READY) {
        return rv;
    }
    rv = http1_pull(h);
    if (rv != 0 || !http1_body_done(h)) {
        return rv;
    }
    ret_request->body = http1_body(h);
    return READY;
}

bool http1_header(const struct http1 *h, size_t *at, struct slice *ret_name,
                  struct slice *ret_value)
{
    const uint8_t *end = h->in.data + h->head_len - 2; /* before the empty line */
    const uint8_t *line = h->in.data + *at;
    while (line < end) {
        const uint8_t *eol = memmem(line, (size_t)(end - line), "\r\n", 2);
        bool request_line = line == h->in.data;
        struct slice text = slice_make(line, (size_t)(eol - line));
        line = eol + 2;
        if (!request_line && cut_header(text, ret_name, ret_value) == 0) {
            *at = (size_t)(line - h->in.data);
            return true;
        }
    }
    return false;
}

void http1_done(struct http1 *h)
{
    PRE(h->head_len > 0 && http1_body_done(h));
    buf_consume(&h->in, h->head_len + h->body_len);
    h->head_len = 0;
    h->body_len = 0;
}

/* --- responses -------------------------------------------------------------------------------- */

const char *http1_reason(int status)
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
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
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

static void write_status(struct buf *out, int status, const char *content_type)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
    if (content_type != NULL) {
        buf_printf(out, "Content-Type: %s\r\n", content_type);
    }
}

void http1_write(struct buf *out, int status, const char *content_type, struct slice headers,
                 struct slice body, bool keep_alive, bool head_only)
{
    write_status(out, status, content_type);
    buf_append_slice(out, headers);
    buf_printf(out, "Content-Length: %zu\r\n%s\r\n", body.len,
               keep_alive ? "" : "Connection: close\r\n");
    if (!head_only) {
        buf_append_slice(out, body);
    }
}

void http1_write_head(struct buf *out, int status, const char *content_type, struct slice headers,
                      bool keep_alive, bool chunked)
{
    write_status(out, status, content_type);
    buf_append_slice(out, headers);
    buf_printf(out, "%s%s\r\n", chunked ? "Transfer-Encoding: chunked\r\n" : "",
               keep_alive ? "" : "Connection: close\r\n");
}
