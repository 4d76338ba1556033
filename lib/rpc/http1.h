/* A small HTTP/1.1 for plain endpoints (/health, /metrics, the JSON gateway): whole requests with a
 * bounded head and body, keep-alive, pipelining. Pure: bytes in, requests out. Not spoken: chunked
 * request bodies (411), upgrades. Threads: one owner. */
#ifndef BARQUE_RPC_HTTP1_H
#define BARQUE_RPC_HTTP1_H

#include "lib/base/buf.h"

struct http1 {
    struct buf in;
    size_t body_max;
    /* Of the request at the front of `in`, when its head is complete: */
    size_t head_len; /* 0 = not yet */
    size_t body_len;
    size_t path_at, query_at;
    bool keep_alive;
    bool wants_continue;
};

struct http1_request {
    const char *method, *path, *query;
    struct slice body;
    bool keep_alive;
};

void http1_init(struct http1 *h, size_t body_max);
void http1_fini(struct http1 *h);
void http1_feed(struct http1 *h, struct slice bytes);
/* 200: a request (its memory is valid until http1_done); 0: more bytes are needed; 100: more are
 * needed and the client waits for "100 Continue"; otherwise the HTTP status of a request that
 * cannot be served: answer it and close. */
int http1_next(struct http1 *h, struct http1_request *ret_request);
/* Drops the request at the front. */
void http1_done(struct http1 *h);

void http1_write(struct buf *out, int status, const char *content_type, struct slice body,
                 bool keep_alive, bool head_only);

#endif
