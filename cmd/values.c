/* See values.h. Texts are short and bounded by their source: the command line, the environment, a
 * configuration file. */
#include "cmd/values.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"

int value_bool(const char *text, bool *ret)
{
    static const char *const truths[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const lies[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; i < ARRAY_LEN(truths); i++) {
        if (str_eq(text, truths[i]) || str_eq(text, lies[i])) {
            *ret = str_eq(text, truths[i]);
            return 0;
        }
    }
    return E_INVAL;
}

static int digit_of(char ch)
{
    if (isdigit((unsigned char)ch)) {
        return ch - '0';
    }
    return isxdigit((unsigned char)ch) ? tolower((unsigned char)ch) - 'a' + 10 : 99;
}

/* The base that a prefix tells; *text moves behind it. A leading 0 alone is octal, as in Go and C:
 * read as decimal it would silently be another number. */
static int take_base(const char **text)
{
    static const struct {
        char letter;
        int base;
    } bases[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };

    if ((*text)[0] != '0' || (*text)[1] == '\0') {
        return 10;
    }
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if (tolower((unsigned char)(*text)[1]) == bases[i].letter) {
            *text += 2;
            return bases[i].base;
        }
    }
    *text += 1;
    return 8;
}

int value_u64(const char *text, uint64_t max, uint64_t *ret)
{
    int base = take_base(&text);
    uint64_t v = 0;

    if (*text == '\0') {
        return E_INVAL;
    }
    for (; *text != '\0'; text++) {
        int digit = digit_of(*text);
        if (digit >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit, &v) || v > max) {
            return E_INVAL;
        }
    }
    *ret = v;
    return 0;
}

int value_i64(const char *text, int64_t *ret)
{
    bool negative = text[0] == '-';
    uint64_t v;

    if (value_u64(text + negative, (uint64_t)INT64_MAX + negative, &v) != 0) {
        return E_INVAL;
    }
    *ret = (int64_t)(negative ? 0 - v : v);
    return 0;
}

/* --- durations -------------------------------------------------------------------------------- */

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = { /* the longer name first where one begins like another */
    { "ns", 1 },       { "us", 1000 },       { "\xc2\xb5s", 1000 }, { "\xce\xbcs", 1000 },
    { "ms", 1000000 }, { "s", 1000000000 },  { "m", 60000000000 },  { "h", 3600000000000 },
};

static const struct unit *take_unit(const char **text)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts(*text, units[i].name)) {
            *text += strlen(units[i].name);
            return &units[i];
        }
    }
    return NULL;
}

/* Digits before and behind a point, at least one in all. Behind it, 9 count: no unit is so long
 * that the tenth were a nanosecond that somebody misses. */
static bool take_number(const char **text, uint64_t *ret_whole, uint64_t *ret_billionths)
{
    uint64_t whole = 0, part = 0, place = 100000000;
    size_t digits = 0;

    for (; isdigit((unsigned char)**text); (*text)++, digits++) {
        if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(**text - '0'), &whole)) {
            return false;
        }
    }
    if (**text == '.') {
        for ((*text)++; isdigit((unsigned char)**text); (*text)++, digits++) {
            part += (uint64_t)(**text - '0') * place;
            place /= 10;
        }
    }
    *ret_whole = whole;
    *ret_billionths = part;
    return digits > 0;
}

int value_duration(const char *text, uint64_t plain_ns, uint64_t *ret_ms)
{
    uint64_t total = 0, whole, part;

    if (value_u64(text, INT64_MAX, &whole) == 0) {
        if ((plain_ns == 0 && whole != 0) || __builtin_mul_overflow(whole, plain_ns, &total)) {
            return E_INVAL;
        }
        *ret_ms = total / 1000000 + (total % 1000000 != 0);
        return 0;
    }
    do {
        const struct unit *unit;
        if (!take_number(&text, &whole, &part) || (unit = take_unit(&text)) == NULL ||
            __builtin_mul_overflow(whole, unit->ns, &whole) ||
            __builtin_add_overflow(total, whole, &total)) {
            return E_INVAL;
        }
        part = (uint64_t)((unsigned __int128)part * unit->ns / 1000000000U);
        if (__builtin_add_overflow(total, part, &total) || total > INT64_MAX) {
            return E_INVAL;
        }
    } while (*text != '\0');
    *ret_ms = total / 1000000 + (total % 1000000 != 0);
    return 0;
}

/* --- words and URLs --------------------------------------------------------------------------- */

bool value_is_choice(const char *text, const char *choices)
{
    size_t len = strlen(text);

    while (len > 0 && *choices != '\0') {
        size_t n = strcspn(choices, "|");
        if (n == len && strncmp(choices, text, n) == 0) {
            return true;
        }
        choices += n + (choices[n] == '|');
    }
    return false;
}

int value_urls(const char *text, struct err *err)
{
    autofree char *copy = mem_strdup(text);
    char *save = NULL;
    size_t n = 0;

    for (char *item = strtok_r(copy, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
        char address[512];
        bool secure = false;
        item += strspn(item, " ");
        for (size_t len = strlen(item); len > 0 && item[len - 1] == ' '; len--) {
            item[len - 1] = '\0';
        }
        int rv = address_from_url(item, address, sizeof address, &secure, err);
        if (rv != 0) {
            return rv;
        }
        if (secure) {
            return err_set(err, E_UNSUPPORTED, "%s: TLS is absent in this version; use http:// "
                           "on a trusted network", item);
        }
        n++;
    }
    return n > 0 ? 0 : err_set(err, E_INVAL, "is empty");
}
