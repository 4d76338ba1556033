/* Addresses: "host:port", "[v6]:port" and "unix:/path", and the URLs that flags carry.
 *
 *     text -> struct address -> (a number: a socket address | a name: ask the resolver)
 *
 * Everything here is pure; the reasons are complete sentences for people who mistyped a flag. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/internal.h"

/* --- "host:port" ----------------------------------------------------------------------------- */

static bool host_char(char ch)
{
    return isalnum((unsigned char)ch) || strchr(".-_:%", ch) != NULL;
}

static int parse_host(const char *text, struct slice host, struct address *a, struct err *err)
{
    if (host.len == 0) {
        return err_set(err, E_INVAL, "address \"%s\": no host", text);
    }
    if (host.len >= sizeof a->host) {
        return err_set(err, E_INVAL, "address \"%.40s...\": host too long", text);
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] == 0 || !host_char((char)host.data[i])) {
            return err_set(err, E_INVAL, "address \"%s\": bad character in host", text);
        }
    }
    memcpy(a->host, host.data, host.len);
    a->host[host.len] = 0;
    return 0;
}

static int parse_unix(const char *text, const char *path, struct address *a, struct err *err)
{
    if (path[0] == 0) {
        return err_set(err, E_INVAL, "address \"%s\": no socket path", text);
    }
    if (!str_copy(a->path, sizeof a->path, path)) {
        return err_set(err, E_INVAL, "address \"%.40s...\": socket path longer than %zu bytes",
                       text, sizeof a->path - 1);
    }
    a->is_unix = true;
    return 0;
}

int address_parse(const char *text, struct address *ret_address, struct err *err)
{
    struct address a = { 0 };
    struct slice host;
    const char *colon;
    uint64_t port;
    int rv;

    if (str_starts(text, "unix:")) {
        rv = parse_unix(text, text + 5, &a, err);
        if (rv == 0) {
            *ret_address = a;
        }
        return rv;
    }
    colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL) {
            return err_set(err, E_INVAL, "address \"%s\": \"[\" without \"]\"", text);
        }
        host = slice_make(text + 1, (size_t)(bracket - text - 1));
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else {
        host = slice_make(text, colon != NULL ? (size_t)(colon - text) : 0);
        if (colon != NULL && memchr(text, ':', host.len) != NULL) {
            return err_set(err, E_INVAL, "address \"%s\": write IPv6 as [address]:port", text);
        }
    }
    if (colon == NULL) {
        return err_set(err, E_INVAL, "address \"%s\": no port", text);
    }
    if (str_parse_u64(colon + 1, UINT16_MAX, &port) != 0) {
        return err_set(err, E_INVAL, "address \"%s\": port \"%s\" is not a number from 0 to 65535",
                       text, colon + 1);
    }
    rv = parse_host(text, host, &a, err);
    if (rv == 0) {
        a.port = (uint16_t)port;
        *ret_address = a;
    }
    return rv;
}

/* --- numbers --------------------------------------------------------------------------------- */

bool address_number(const struct address *a, union socket_address *ret_socket)
{
    const char *host = str_eq(a->host, "localhost") ? "127.0.0.1" : a->host;
    union socket_address s = { .storage = { 0 } };

    PRE(!a->is_unix);
    if (uv_ip4_addr(host, a->port, &s.in) != 0 && uv_ip6_addr(host, a->port, &s.in6) != 0) {
        return false;
    }
    *ret_socket = s;
    return true;
}

void address_format(const union socket_address *s, socklen_t len, char *ret_text, size_t size)
{
    char host[INET6_ADDRSTRLEN + 1] = "";

    switch (s->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &s->in.sin_addr, host, sizeof host);
        snprintf(ret_text, size, "%s:%u", host, ntohs(s->in.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &s->in6.sin6_addr, host, sizeof host);
        snprintf(ret_text, size, "[%s]:%u", host, ntohs(s->in6.sin6_port));
        break;
    default: {
        /* A client's socket has no path: its name ends before it. */
        size_t path = len > offsetof(struct sockaddr_un, sun_path)
                          ? strnlen(s->un.sun_path, len - offsetof(struct sockaddr_un, sun_path))
                          : 0;
        snprintf(ret_text, size, "unix:%.*s", (int)path, s->un.sun_path);
    }
    }
}

/* --- URLs ------------------------------------------------------------------------------------ */

static const struct scheme {
    const char *prefix;
    bool is_unix;
    bool secure;
} schemes[] = {
    { "http://", false, false },
    { "https://", false, true },
    { "unix://", true, false }, /* the path follows: "unix:///run/s", "unix://s" */
    { "unixs://", true, true },
    { "unix:", true, false }, /* "unix:/run/s" */
    { "unixs:", true, true },
};

static const struct scheme *scheme_of(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (str_starts(url, schemes[i].prefix)) {
            return &schemes[i];
        }
    }
    return NULL;
}

static int unknown_scheme(const char *url, struct err *err)
{
    const char *end = strstr(url, "://");

    if (end == NULL) {
        return err_set(err, E_INVAL, "URL \"%s\": no scheme (want http://, https:// or unix://)",
                       url);
    }
    return err_set(err, E_INVAL, "URL \"%s\": unknown scheme \"%.*s\" (want http, https or unix)",
                   url, (int)(end - url), url);
}

static int check_url_address(const char *url, const char *rest, bool is_unix, struct err *err)
{
    struct address ignored;
    struct err cause = ERR_INIT;
    autobuf text = BUF_INIT;

    if (is_unix && strpbrk(rest, "?#%") != NULL) { /* other programs would read them otherwise */
        return err_set(err, E_INVAL, "URL \"%s\": a socket path must not contain ? # %%", url);
    }
    if (!is_unix && strpbrk(rest, "/?#") != NULL) {
        return err_set(err, E_INVAL, "URL \"%s\": must not contain a path (\"%s\")", url,
                       strpbrk(rest, "/?#"));
    }
    if (!is_unix && strchr(rest, '@') != NULL) {
        return err_set(err, E_INVAL, "URL \"%s\": must not contain a user", url);
    }
    buf_printf(&text, "%s%s", is_unix ? "unix:" : "", rest);
    if (address_parse(buf_str(&text), &ignored, &cause) != 0) {
        return err_set(err, E_INVAL, "URL \"%s\": %s", url, cause.msg);
    }
    return 0;
}

int address_from_url(const char *url, char *ret_address, size_t size, bool *ret_secure,
                     struct err *err)
{
    const struct scheme *scheme = scheme_of(url);

    if (scheme == NULL) {
        return unknown_scheme(url, err);
    }
    const char *rest = url + strlen(scheme->prefix);
    int rv = check_url_address(url, rest, scheme->is_unix, err);
    if (rv != 0) {
        return rv;
    }
    int n = snprintf(ret_address, size, "%s%s", scheme->is_unix ? "unix:" : "", rest);
    if (n < 0 || (size_t)n >= size) {
        return err_set(err, E_INVAL, "URL \"%.40s...\": too long", url);
    }
    *ret_secure = scheme->secure;
    return 0;
}
