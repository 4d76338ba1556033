/* A small HTTP/1.1 for plain endpoints (/health, /metrics) and the JSON gateway: a bounded head, a
 * body with Content-Length or in chunks, keep-alive, pipelining. Pure: bytes in, requests out. Not
 * spoken: other transfer codings (501), upgrades. Threads: one owner.
 *
 * A request is taken whole (http1_next), or head first (http1_head) and then its body as it comes
 * (http1_pull, http1_body, http1_take). Either way http1_done ends it. */
#ifndef BARQUE_RPC_HTTP1_H
#define BARQUE_RPC_HTTP1_H

#include "lib/base/buf.h"

enum http1_state {
    HTTP1_LENGTH,    /* `left` bytes of the body are to come */
    HTTP1_SIZE,      /* the line with a chunk's size */
    HTTP1_CHUNK,     /* `left` bytes of a chunk are to come */
    HTTP1_CHUNK_END, /* its CRLF */
    HTTP1_TRAILER,   /* lines that nobody reads, and an empty one */
    HTTP1_DONE,
};

struct http1 {
    struct buf in; /* head | body, decoded | not yet looked at */
    size_t body_max;
    /* Of the request at the front of `in`, when its head is complete: */
    size_t head_len; /* 0 = not yet */
    size_t body_len; /* decoded so far */
    size_t taken;    /* of it */
    enum http1_state state;
    size_t left;
    size_t trailer_bytes;
    size_t path_at, query_at;
    bool keep_alive;
    bool http10;
    bool wants_continue;
};

struct http1_request {
    const char *method, *path, *query;
    struct slice body; /* http1_next only */
    bool keep_alive;
};

void http1_init(struct http1 *h, size_t body_max);
void http1_fini(struct http1 *h);
void http1_feed(struct http1 *h, struct slice bytes);
/* 200: a request (its memory is valid until http1_done); 0: more bytes are needed; 100: more are
 * needed and the client waits for "100 Continue"; otherwise the HTTP status of a request that
 * cannot be served: answer it and close. */
int http1_next(struct http1 *h, struct http1_request *ret_request);
/* The same as soon as the head is there; again and again until http1_done. The memory moves with
 * the next http1_feed. */
int http1_head(struct http1 *h, struct http1_request *ret_request);
/* Headers of the request: *at begins at 0; false at the end. */
bool http1_header(const struct http1 *h, size_t *at, struct slice *ret_name,
                  struct slice *ret_value);
/* Decodes what has come of the body. 0, 100 as above (once), or the status of an error: malformed
 * chunks (400), more than body_max bytes not taken (413), long trailers (431). */
int http1_pull(struct http1 *h);
/* What is decoded and not taken; valid until the next call. */
struct slice http1_body(const struct http1 *h);
void http1_take(struct http1 *h, size_t n);
/* The whole body is decoded. */
bool http1_body_done(const struct http1 *h);
/* Bytes behind the request: of the next ones. PRE: http1_body_done. */
size_t http1_ahead(const struct http1 *h);
/* Drops the request at the front. PRE: http1_body_done. */
void http1_done(struct http1 *h);

/* `headers`: further lines, each with its CRLF. */
void http1_write(struct buf *out, int status, const char *content_type, struct slice headers,
                 struct slice body, bool keep_alive, bool head_only);
/* The head of an answer whose length is not known yet: in chunks, or (HTTP/1.0) up to the end of
 * the connection. */
void http1_write_head(struct buf *out, int status, const char *content_type, struct slice headers,
                      bool keep_alive, bool chunked);
/* "OK", "Bad Request", ... */
const char *http1_reason(int status);

#endif
