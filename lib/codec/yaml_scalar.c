/* What a scalar without quotes means, and which strings therefore need quotes when written.
 *
 * Reading follows YAML 1.2's core schema, plus 0644 as octal because manifests use it for file
 * modes. Writing also minds YAML 1.1 readers, to whom yes, 1_000, 0b1, 12:30 and 2026-01-01 are no
 * strings. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/assert.h"
#include "lib/codec/yaml.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static bool all_digits(const char *s, int base)
{
    if (*s == 0) {
        return false;
    }
    for (; *s != 0; s++) {
        int c = tolower((unsigned char)*s);
        int digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit >= base) {
            return false;
        }
    }
    return true;
}

/* The digits' base and where they start; 0 when this is no integer. */
static int int_base(const char *s, const char **ret_digits)
{
    s += *s == '-' || *s == '+';
    *ret_digits = s;
    if (s[0] == '0' && s[1] != 0) {
        int base = s[1] == 'x' ? 16 : 8;
        *ret_digits = s + (s[1] == 'x' || s[1] == 'o' ? 2 : 1);
        return all_digits(*ret_digits, base) ? base : 0;
    }
    return all_digits(s, 10) ? 10 : 0;
}

static struct yaml_value int_value(const char *digits, int base, bool negative)
{
    struct yaml_value range = { .kind = YAML_RANGE };
    uint64_t max = (uint64_t)INT64_MAX + negative;
    uint64_t v = 0;
    for (; *digits != 0; digits++) {
        int c = tolower((unsigned char)*digits);
        uint64_t digit = (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
        if (v > (max - digit) / (uint64_t)base) {
            return range;
        }
        v = v * (uint64_t)base + digit;
    }
    return (struct yaml_value){ .kind = YAML_INT, .integer = (int64_t)(negative ? 0 - v : v) };
}

/* [-+]? ( .digits | digits [. digits*] ) [ e [-+]? digits ] */
static bool looks_like_float(const char *s)
{
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, "0123456789");
    s += whole;
    if (*s == '.') {
        size_t part = strspn(++s, "0123456789");
        s += part;
        whole += part;
    }
    if (whole == 0) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        return all_digits(s, 10);
    }
    return *s == 0;
}

/* 0899 is neither octal nor, to a careful reader, a number. */
static bool has_odd_zero(const char *s)
{
    s += *s == '-' || *s == '+';
    return s[0] == '0' && all_digits(s + 1, 10);
}

struct yaml_value yaml_resolve_text(const char *text)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    static const char *const not_finite[] = { ".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                              "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                              ".NaN",  ".NAN",  NULL };
    const char *digits;

    if (is_one_of(text, nulls)) {
        return (struct yaml_value){ .kind = YAML_NULL };
    }
    if (is_one_of(text, trues) || is_one_of(text, falses)) {
        return (struct yaml_value){ .kind = YAML_BOOL, .boolean = is_one_of(text, trues) };
    }
    int base = int_base(text, &digits);
    if (base != 0) {
        return int_value(digits, base, text[0] == '-');
    }
    if (is_one_of(text, not_finite)) {
        return (struct yaml_value){ .kind = YAML_RANGE };
    }
    if (looks_like_float(text) && !has_odd_zero(text)) {
        double v = strtod(text, NULL);
        return (struct yaml_value){ .kind = isfinite(v) ? YAML_FLOAT : YAML_RANGE, .real = v };
    }
    return (struct yaml_value){ .kind = YAML_STR };
}

struct yaml_value yaml_resolve(const struct yaml_node *scalar)
{
    PRE(scalar->type == YAML_SCALAR);
    if (!scalar->plain) {
        return (struct yaml_value){ .kind = YAML_STR };
    }
    return yaml_resolve_text(scalar->text);
}

/* --- writing --- */

/* 1:30 and 190:20:30.15: YAML 1.1's numbers of base 60. */
static bool is_base_60(const char *s)
{
    s += *s == '-' || *s == '+';
    return isdigit((unsigned char)*s) && strchr(s, ':') != NULL &&
           strspn(s, "0123456789_:.") == strlen(s);
}

/* 2026-11-23, with or without a time behind. */
static bool is_date(const char *s)
{
    return strspn(s, "0123456789") == 4 && s[4] == '-' && isdigit((unsigned char)s[5]) &&
           strchr(s + 5, '-') != NULL;
}

/* A number once YAML 1.1's underscores and binary prefix are allowed for. */
static bool is_old_number(const char *s)
{
    char text[64];
    size_t n = 0;
    for (; *s != 0; s++) {
        if (*s == '_') {
            continue;
        }
        if (n == sizeof text - 1) {
            return false;
        }
        text[n++] = *s;
    }
    text[n] = 0;
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    return (digits[0] == '0' && digits[1] == 'b' && all_digits(digits + 2, 2)) ||
           (n != 0 && looks_like_float(text)) || int_base(text, &digits) != 0;
}

bool yaml_needs_quotes(const char *text)
{
    static const char *const old_words[] = { "y", "n", "yes", "no", "on", "off", NULL };

    if (yaml_resolve_text(text).kind != YAML_STR) {
        return true;
    }
    for (const char *const *w = old_words; *w != NULL; w++) {
        if (strcasecmp(text, *w) == 0) {
            return true;
        }
    }
    return strcmp(text, "=") == 0 || strcmp(text, "<<") == 0 || is_base_60(text) ||
           is_date(text) || is_old_number(text);
}
