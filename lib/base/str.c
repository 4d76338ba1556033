/* String helpers. Parsers accept a whole string or nothing and set their result only on success. */
#include "lib/base/str.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"

enum { DISTANCE_NAME_MAX = 64 };

/* Leading decimal digits; *s moves behind them. */
static int take_digits(const char **s, uint64_t max, uint64_t *ret_value)
{
    uint64_t v = 0;
    if (!isdigit((unsigned char)**s)) {
        return E_INVAL;
    }
    for (; isdigit((unsigned char)**s); (*s)++) {
        uint64_t d = (uint64_t)(**s - '0');
        if (v > (max - d) / 10 || d > max) {
            return E_INVAL;
        }
        v = v * 10 + d;
    }
    *ret_value = v;
    return 0;
}

int str_parse_u64(const char *s, uint64_t max, uint64_t *ret_value)
{
    uint64_t v;
    if (take_digits(&s, max, &v) != 0 || *s != 0) {
        return E_INVAL;
    }
    *ret_value = v;
    return 0;
}

int str_parse_i64(const char *s, int64_t *ret_value)
{
    bool negative = *s == '-';
    uint64_t v;
    if (str_parse_u64(s + negative, (uint64_t)INT64_MAX + negative, &v) != 0) {
        return E_INVAL;
    }
    *ret_value = (int64_t)(negative ? 0 - v : v);
    return 0;
}

static int take_unit(const char **s, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*s, units[i].name, len) == 0) {
            *s += len;
            *ret_ms = units[i].ms;
            return 0;
        }
    }
    return E_INVAL;
}

int str_parse_duration(const char *s, uint64_t unit_ms, uint64_t *ret_ms)
{
    uint64_t total = 0;
    uint64_t v;
    uint64_t unit;

    if (str_parse_u64(s, UINT64_MAX, &v) == 0) {
        if (__builtin_mul_overflow(v, unit_ms, &total)) {
            return E_INVAL;
        }
        *ret_ms = total;
        return 0;
    }
    do {
        if (take_digits(&s, UINT64_MAX, &v) != 0 || take_unit(&s, &unit) != 0 ||
            __builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(total, v, &total)) {
            return E_INVAL;
        }
    } while (*s != 0);
    *ret_ms = total;
    return 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_eq(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool str_copy(char *dst, size_t size, const char *src)
{
    PRE(size != 0);
    size_t len = strlen(src);
    size_t n = len < size ? len : size - 1;
    memcpy(dst, src, n);
    dst[n] = 0;
    return n == len;
}

void str_hex_u64(uint64_t v, char *ret_text)
{
    (void)snprintf(ret_text, 17, "%" PRIx64, v);
}

/* Levenshtein, one row at a time: row[j] is the distance of a's first i and b's first j bytes. */
int str_distance(const char *a, const char *b, int max)
{
    int row[DISTANCE_NAME_MAX + 1];
    size_t n = strlen(a);
    size_t m = strlen(b);

    if (n > DISTANCE_NAME_MAX || m > DISTANCE_NAME_MAX) {
        return max + 1;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = (int)j;
    }
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            int insert_delete = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < insert_delete ? change : insert_delete;
        }
    }
    return row[m] <= max ? row[m] : max + 1;
}

const char *str_nearest(const char *s, const char *const *names, size_t n)
{
    int best = 1 + (int)(strnlen(s, DISTANCE_NAME_MAX) / 4);
    const char *nearest = NULL;
    for (size_t i = 0; i < n; i++) {
        int d = str_distance(s, names[i], best);
        if (d < best || (d == best && nearest == NULL)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

char *str_quote(struct slice s, size_t max_chars)
{
    char *out = mem_alloc(max_chars + 1);
    size_t len = 0;
    size_t cut = 0; /* where "..." goes if the rest does not fit */

    for (size_t i = 0; i < s.len; i++) {
        bool plain = s.data[i] >= 0x20 && s.data[i] < 0x7f;
        size_t need = plain ? 1 : 4;
        if (len + need > max_chars) {
            size_t dots = max_chars - cut < 3 ? max_chars - cut : 3;
            memcpy(out + cut, "...", dots);
            out[cut + dots] = 0;
            return out;
        }
        if (plain) {
            out[len] = (char)s.data[i];
        } else {
            static const char hex[] = "0123456789abcdef";
            memcpy(out + len, "\\x", 2);
            out[len + 2] = hex[s.data[i] >> 4];
            out[len + 3] = hex[s.data[i] & 15];
        }
        len += need;
        if (len + 3 <= max_chars) {
            cut = len;
        }
    }
    out[len] = 0;
    return out;
}
