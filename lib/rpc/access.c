/* See access.h. Lists are few words long: they are read anew for each request. */
#include "lib/rpc/access.h"

#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

static bool list_has(const char *list, struct slice word)
{
    if (list == NULL || list[0] == '\0') {
        return true;
    }
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, ",");
        const char *end = at + n;
        at += strspn(at, " ");
        size_t len = at < end ? (size_t)(end - at) : 0;
        while (len > 0 && at[len - 1] == ' ') {
            len--;
        }
        if ((len == 1 && *at == '*') || slice_eq(slice_make(at, len), word)) {
            return true;
        }
        at = end + (*end == ',');
    }
    return false;
}

/* The value of a header that must not come twice; "" when it does, or is absent. */
static struct slice only_header(const struct http1 *h, const char *wanted)
{
    struct slice name, value, found = slice_str("");
    size_t n = 0;
    for (size_t at = 0; http1_header(h, &at, &name, &value);) {
        if (name.len == strlen(wanted) &&
            strncasecmp((const char *)name.data, wanted, name.len) == 0) {
            found = value;
            n++;
        }
    }
    return n == 1 ? found : slice_str("");
}

/* "localhost:2379" -> "localhost", "[::1]:2379" -> "::1"; without a port all of it. */
static struct slice host_of(struct slice field)
{
    const uint8_t *colon = field.len > 0 ? memrchr(field.data, ':', field.len) : NULL;
    size_t len = colon != NULL ? (size_t)(colon - field.data) : 0;
    if (colon == NULL) {
        return field;
    }
    if (len >= 2 && field.data[0] == '[' && field.data[len - 1] == ']') {
        return slice_make(field.data + 1, len - 2);
    }
    bool more = memchr(field.data, ':', len) != NULL || memchr(field.data, '[', len) != NULL;
    return more ? field : slice_make(field.data, len);
}

static void refusal(struct slice host, struct buf *out)
{
    autofree char *name = str_quote(host, 253);
    buf_printf(out,
               "\netcd received your request, but the Host header was unrecognized.\n\n"
               "To fix this, choose one of the following options:\n"
               "- Enable TLS, then any HTTPS request will be allowed.\n"
               "- Add the hostname you want to use to the whitelist in settings.\n"
               "  - e.g. etcd --host-whitelist \"%s\"\n\n"
               "This requirement has been added to help prevent \"DNS Rebinding\" attacks "
               "(CVE-2018-5702).\n\n",
               name);
}

static void allow_origin(struct slice origin, struct buf *out)
{
    buf_append_str(out, "Access-Control-Allow-Methods: POST, GET, OPTIONS, PUT, DELETE\r\n"
                        "Access-Control-Allow-Origin: ");
    buf_append_slice(out, origin);
    buf_append_str(out, "\r\nAccess-Control-Allow-Headers: accept, content-type, "
                        "authorization\r\n");
}

int http_access_check(const struct http_access *a, const struct http1 *h,
                      const struct http1_request *request, struct buf *ret_headers,
                      struct buf *ret_body)
{
    buf_reset(ret_headers);
    if (!a->on) {
        return 0;
    }
    struct slice host = host_of(only_header(h, "host"));
    if (!list_has(a->hosts, host)) {
        refusal(host, ret_body);
        return 421;
    }
    struct slice origin = only_header(h, "origin");
    if (list_has(a->origins, slice_str("*"))) {
        allow_origin(slice_str("*"), ret_headers);
    } else if (list_has(a->origins, origin)) {
        allow_origin(origin, ret_headers);
    }
    return strcmp(request->method, "OPTIONS") == 0 ? 200 : 0;
}

void http_access_fini(struct http_access *a)
{
    mem_free(a->hosts);
    mem_free(a->origins);
}
