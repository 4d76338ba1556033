/* Syntax of names: RFC 1123 labels and subdomains, label keys and values, environment variables.
 * Each check answers NULL or what is wrong, to be put behind the name in a message. */
#include <string.h>

#include "api/checks.h"

enum { SUBDOMAIN_MAX = 253, DNS_LABEL_MAX = 63, LABEL_MAX = 63 };

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_dns_label(const char *s, size_t len)
{
    if (len == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[len - 1])) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_lower_alnum(s[i]) && s[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_subdomain(const char *s, size_t len)
{
    const char *end = s + len;
    for (;;) {
        const char *dot = memchr(s, '.', (size_t)(end - s));
        const char *stop = dot != NULL ? dot : end;
        if (!is_dns_label(s, (size_t)(stop - s))) {
            return false;
        }
        if (dot == NULL) {
            return true;
        }
        s = dot + 1;
    }
}

const char *name_problem(const char *s)
{
    size_t len = strlen(s);
    if (len > SUBDOMAIN_MAX) {
        return "is longer than 253 characters";
    }
    return is_subdomain(s, len) ? NULL
                                : "must be lower-case letters, digits, '-' and '.', and begin and "
                                  "end with a letter or digit";
}

const char *dns_label_problem(const char *s)
{
    size_t len = strlen(s);
    if (len > DNS_LABEL_MAX) {
        return "is longer than 63 characters";
    }
    return is_dns_label(s, len) ? NULL
                                : "must be lower-case letters, digits and '-', and begin and end "
                                  "with a letter or digit";
}

/* Letters, digits, - _ . with a letter or digit at both ends. */
static bool is_qualified_name(const char *s, size_t len)
{
    if (len == 0 || !is_alnum(s[0]) || !is_alnum(s[len - 1])) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(s[i]) && strchr("-_.", s[i]) == NULL) {
            return false;
        }
    }
    return true;
}

const char *label_key_problem(const char *s)
{
    const char *slash = strchr(s, '/');
    const char *name = slash != NULL ? slash + 1 : s;
    if (slash != NULL && ((size_t)(slash - s) > SUBDOMAIN_MAX ||
                          !is_subdomain(s, (size_t)(slash - s)))) {
        return "has a prefix that is no DNS name";
    }
    if (strlen(name) > LABEL_MAX) {
        return "is longer than 63 characters";
    }
    return is_qualified_name(name, strlen(name))
               ? NULL
               : "must be letters, digits, '-', '_' and '.', and begin and end with a letter or "
                 "digit";
}

const char *label_value_problem(const char *s)
{
    size_t len = strlen(s);
    if (len > LABEL_MAX) {
        return "is longer than 63 characters";
    }
    return len == 0 || is_qualified_name(s, len)
               ? NULL
               : "must be empty, or letters, digits, '-', '_' and '.', and begin and end with a "
                 "letter or digit";
}

const char *env_name_problem(const char *s)
{
    bool right = s[0] != 0 && !(s[0] >= '0' && s[0] <= '9');
    for (size_t i = 0; s[i] != 0; i++) {
        right = right && (is_alnum(s[i]) || strchr("-_.", s[i]) != NULL);
    }
    return right ? NULL : "must be letters, digits, '_', '-' and '.', and not begin with a digit";
}
