/* A borrowed run of bytes. Keys and values are bytes, never C strings. */
#ifndef BARQUE_BASE_SLICE_H
#define BARQUE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct slice slice_make(const void *data, size_t len)
{
    return (struct slice){ (const uint8_t *)data, len };
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){ (const uint8_t *)s, s != NULL ? strlen(s) : 0 };
}

/* Byte order, shorter first: etcd's key order. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n != 0 ? memcmp(a.data, b.data, n) : 0;
    if (c != 0) {
        return c;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

#endif
