/* Quantities: <digits>[.<digits>][suffix], the suffix being n u m k M G T P E, Ki Mi Gi Ti Pi Ei,
 * or an exponent e3. Exact: the digits are one integer and the suffix a power, multiplied out in
 * 128 bits. */
#include "api/quantity.h"

#include <stdlib.h>

#include "lib/base/assert.h"

static const struct {
    char text[3];
    int pow10;
    int pow2;
} suffixes[] = {
    { "", 0, 0 },   { "m", -3, 0 }, { "u", -6, 0 }, { "n", -9, 0 }, { "k", 3, 0 },
    { "M", 6, 0 },  { "G", 9, 0 },  { "T", 12, 0 }, { "P", 15, 0 }, { "E", 18, 0 },
    { "Ki", 0, 10 }, { "Mi", 0, 20 }, { "Gi", 0, 30 }, { "Ti", 0, 40 }, { "Pi", 0, 50 },
    { "Ei", 0, 60 },
};

enum { EXPONENT_MAX = 40, DIGITS_MAX = 30 };

struct number {
    unsigned __int128 digits; /* all digits without the point */
    int pow10;
    int pow2;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits with at most one point; NULL when there is no digit or there are too many. */
static const char *read_digits(const char *s, struct number *n)
{
    bool point = false;
    size_t seen = 0, significant = 0;
    for (; is_digit(*s) || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        seen++;
        significant += significant != 0 || *s != '0';
        if (significant > DIGITS_MAX || seen > 4 * DIGITS_MAX) {
            return NULL;
        }
        n->digits = n->digits * 10 + (unsigned)(*s - '0');
        n->pow10 -= point;
    }
    return seen != 0 ? s : NULL;
}

static bool read_suffix(const char *s, struct number *n)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (strcmp(s, suffixes[i].text) == 0) {
            n->pow10 += suffixes[i].pow10;
            n->pow2 = suffixes[i].pow2;
            return true;
        }
    }
    if (*s != 'e' && *s != 'E') {
        return false;
    }
    bool negative = s[1] == '-';
    s += 1 + (s[1] == '-' || s[1] == '+');
    int exponent = 0;
    if (!is_digit(*s)) {
        return false;
    }
    for (; is_digit(*s); s++) {
        exponent = exponent * 10 + (*s - '0');
        if (exponent > 2 * EXPONENT_MAX) {
            exponent = 2 * EXPONENT_MAX; /* far out of range anyhow */
        }
    }
    n->pow10 += negative ? -exponent : exponent;
    return *s == 0;
}

/* digits * 10^(pow10 + 3) * 2^pow2, rounded up; false when over INT64_MAX. */
static bool to_milli(const struct number *n, int64_t *ret)
{
    const unsigned __int128 max = (unsigned __int128)INT64_MAX;
    unsigned __int128 v = n->digits;
    bool rest = false;
    int pow10 = n->pow10 + 3;

    if (v == 0) {
        *ret = 0;
        return true;
    }
    for (int i = 0; i < n->pow2; i++) {
        if (v > (unsigned __int128)-1 / 2) {
            return false;
        }
        v *= 2;
    }
    for (; pow10 < 0 && (v != 0 || !rest); pow10++) {
        rest = rest || v % 10 != 0;
        v /= 10;
    }
    for (; pow10 > 0; pow10--) {
        if (v > max) {
            return false;
        }
        v *= 10;
    }
    v += rest;
    if (v > max) {
        return false;
    }
    *ret = (int64_t)v;
    return true;
}

int quantity_parse(const char *text, int64_t *ret_milli, struct err *err)
{
    struct number n = { 0, 0, 0 };
    bool negative = text[0] == '-';
    const char *s = read_digits(text + (negative || text[0] == '+'), &n);

    if (s == NULL || !read_suffix(s, &n)) {
        return err_set(err, E_INVAL,
                       "\"%.40s\" is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)", text);
    }
    if (negative && n.digits != 0) {
        return err_set(err, E_INVAL, "\"%.40s\" is negative", text);
    }
    if (!to_milli(&n, ret_milli)) {
        return err_set(err, E_INVAL, "\"%.40s\" is out of range", text);
    }
    return 0;
}

void quantity_print_cpu(int64_t milli, struct buf *out)
{
    if (milli % 1000 == 0) {
        buf_printf(out, "%lld", (long long)(milli / 1000));
    } else {
        buf_printf(out, "%lldm", (long long)milli);
    }
}

void quantity_print_bytes(int64_t bytes, struct buf *out)
{
    static const char *const names[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    size_t i = 0;
    while (bytes != 0 && bytes % 1024 == 0 && i + 1 < ARRAY_LEN(names)) {
        bytes /= 1024;
        i++;
    }
    buf_printf(out, "%lld%s", (long long)bytes, names[i]);
}
