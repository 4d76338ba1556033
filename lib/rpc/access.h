/* Who may ask over HTTP/1: by the host that a request names (a page whose name was pointed at this
 * machine, "DNS rebinding", names another one) and, for browsers, by the origin of the page. Rules,
 * headers and texts are etcd's. Pure. */
#ifndef BARQUE_RPC_ACCESS_H
#define BARQUE_RPC_ACCESS_H

#include "lib/rpc/http1.h"

struct http_access {
    char *hosts;   /* "localhost,10.0.0.1"; NULL, "" or with a "*": any */
    char *origins; /* "http://a.example:80,..."; likewise */
    bool on;       /* false: no rules, no headers */
};

/* Of the request at the front of h, whose head is complete. 0: it may go on; otherwise the status
 * that answers it, with ret_body. ret_headers: lines that belong into any answer to it. */
int http_access_check(const struct http_access *a, const struct http1 *h,
                      const struct http1_request *request, struct buf *ret_headers,
                      struct buf *ret_body);
void http_access_fini(struct http_access *a);

#endif
