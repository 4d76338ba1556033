/* How a report speaks: numbers for people, names, and text made harmless.
 *
 * Text in a report comes from anywhere: keys and values inside a counterexample, a server's error,
 * a host's name. So everything passes one decoder (words_next), which never yields what it did not
 * find as valid UTF-8, and the outputs choose what of the rest they let through. */
#include "chaos/report_words.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/base/timestamp.h"

enum { BAD = 0xfffd, ELLIPSIS = 0x2026, TARGET_COLUMNS = 32 };

struct word words_count(uint64_t n)
{
    char digits[24];
    struct word w;
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i != 0 && (len - i) % 3 == 0) {
            w.s[at++] = ',';
        }
        w.s[at++] = digits[i];
    }
    w.s[at] = '\0';
    return w;
}

/* Three significant digits below a hundred, whole numbers above: "1.24" "12.4" "124". */
static void number_short(char *text, size_t size, double v)
{
    (void)snprintf(text, size, "%.*f", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v);
}

struct word words_ms(int64_t ms)
{
    struct word w = { "-" };
    long long v = ms;
    if (v < 0) {
        return w;
    }
    if (v < 1000) {
        (void)snprintf(w.s, sizeof w.s, "%lld ms", v);
    } else if (v < 60 * 1000) {
        char n[24];
        number_short(n, sizeof n, (double)v / 1000);
        (void)snprintf(w.s, sizeof w.s, "%s s", n);
    } else if (v < 3600 * 1000) {
        (void)snprintf(w.s, sizeof w.s, "%lld min %lld s", v / 60000, v / 1000 % 60);
    } else {
        (void)snprintf(w.s, sizeof w.s, "%lld h %lld min", v / 3600000, v / 60000 % 60);
    }
    return w;
}

struct word words_us(int64_t us)
{
    struct word w = { "-" };
    if (us < 0) {
        return w;
    }
    if (us < 1000) {
        (void)snprintf(w.s, sizeof w.s, "%lld \u00b5s", (long long)us);
    } else if (us < 1000000) {
        char n[24];
        number_short(n, sizeof n, (double)us / 1000);
        (void)snprintf(w.s, sizeof w.s, "%s ms", n);
    } else {
        w = words_ms(us / 1000);
    }
    return w;
}

struct word words_rate(double per_s)
{
    struct word w;
    if (per_s > 0 && per_s < 9.95) {
        (void)snprintf(w.s, sizeof w.s, "%.1f", per_s);
        return w;
    }
    return words_count(per_s > 0 && per_s < 1e15 ? (uint64_t)(per_s + 0.5) : 0);
}

struct word words_bytes(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes;
    size_t unit = 0;
    while (v >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        unit++;
    }
    struct word w;
    (void)snprintf(w.s, sizeof w.s, "%.*f %s", unit == 0 || v >= 100 ? 0 : 1, v, units[unit]);
    return w;
}

struct word words_clock(int64_t ms)
{
    struct word w = { "-" };
    if (ms < 0) {
        return w;
    }
    long long s = ms / 1000;
    if (s >= 3600) {
        (void)snprintf(w.s, sizeof w.s, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    } else if (ms % 1000 >= 100) {
        (void)snprintf(w.s, sizeof w.s, "%lld:%02lld.%lld", s / 60, s % 60,
                       (long long)(ms % 1000 / 100));
    } else {
        (void)snprintf(w.s, sizeof w.s, "%lld:%02lld", s / 60, s % 60);
    }
    return w;
}

struct word words_date(int64_t wall_ms)
{
    struct word w = { "-" };
    char when[32] = "";
    clock_format(wall_ms, when, sizeof when);
    size_t len = strlen(when);
    if (len == 20 && when[10] == 'T' && when[19] == 'Z') {
        (void)snprintf(w.s, sizeof w.s, "%.10s %.8s UTC", when, when + 11);
    }
    return w;
}

struct word words_timestamp(int64_t wall_ms)
{
    struct word w;
    char when[32] = "";
    clock_format(wall_ms, when, sizeof when);
    (void)snprintf(w.s, sizeof w.s, "%.19s", when);
    return w;
}

struct word words_seed(uint64_t seed)
{
    struct word w;
    (void)snprintf(w.s, sizeof w.s, "%llu", (unsigned long long)seed);
    return w;
}

struct word words_plural(uint64_t n, const char *one)
{
    struct word w;
    (void)snprintf(w.s, sizeof w.s, "%.30s %.30s%s", words_count(n).s, one, n == 1 ? "" : "s");
    return w;
}

struct word words_units(uint64_t n, const char *units)
{
    units = units != NULL ? units : "checked";
    size_t len = strlen(units);
    len = len < 32 ? len : 32;
    if (n == 1 && len > 1 && units[len - 1] == 's') {
        len -= len > 4 && memcmp(units + len - 4, "ches", 4) == 0 ? 2 : 1;
    }
    struct word w;
    (void)snprintf(w.s, sizeof w.s, "%.28s %.*s", words_count(n).s, (int)len, units);
    return w;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *const roles[CHAOS_ROLE_N] = { "member", "node", "other" };
static const char *const families[CHAOS_FAMILY_N] = {
    "process", "network", "disk", "clock", "membership", "nodes",
};
static const char *const stages[CHAOS_RECOVERY_N] = {
    "detect", "elect", "first_write", "replaced", "all_ready",
};
static const char *const stage_titles[CHAOS_RECOVERY_N] = {
    "detect", "elect", "first write", "replaced", "all ready",
};
static const char *const results[] = { "held", "violated", "not_run" };
static const char *const marks[] = { "leader", "note" };
static const char *const verdicts[] = { "held", "violated", "could_not_run" };

static int find(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(names[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

#define NAME_OF(table, i) ((size_t)(i) < ARRAY_LEN(table) ? (table)[i] : "?")

const char *words_role(enum chaos_role role)
{
    return NAME_OF(roles, role);
}

const char *words_family(enum chaos_family family)
{
    return NAME_OF(families, family);
}

const char *words_recovery(enum chaos_recovery stage)
{
    return NAME_OF(stages, stage);
}

const char *words_recovery_title(enum chaos_recovery stage)
{
    return NAME_OF(stage_titles, stage);
}

const char *words_result(enum chaos_result result)
{
    return NAME_OF(results, result);
}

const char *words_mark(enum chaos_mark_kind kind)
{
    return NAME_OF(marks, kind);
}

const char *words_verdict(enum chaos_verdict verdict)
{
    return NAME_OF(verdicts, verdict);
}

int words_role_find(const char *name)
{
    return find(roles, ARRAY_LEN(roles), name);
}

int words_family_find(const char *name)
{
    return find(families, ARRAY_LEN(families), name);
}

int words_result_find(const char *name)
{
    return find(results, ARRAY_LEN(results), name);
}

int words_mark_find(const char *name)
{
    return find(marks, ARRAY_LEN(marks), name);
}

/* --- text ---------------------------------------------------------------------------------------
 */

uint32_t words_next(const char **at)
{
    const uint8_t *p = (const uint8_t *)*at;
    if (p[0] == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t c = p[0] & (0xffu >> (len + 1));
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        *at += 1;
        return BAD;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* the terminating NUL too */
            *at += 1;
            return BAD;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        *at += 1;
        return BAD;
    }
    *at += len;
    return c;
}

static void append_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_append_char(out, (char)c);
        return;
    }
    if (c >= 0x10000) {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
    } else if (c >= 0x800) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
    } else {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
        return;
    }
    buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* What a page must not hold: controls (XML has no way to write them), the two that are no
 * characters, and those that turn the direction of what follows, which can make a text lie. */
static bool is_unfit(uint32_t c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0xfffe || c == 0xffff;
}

static void escape_point(struct buf *out, uint32_t c, enum words_escape how)
{
    switch (c) {
    case '&':
        buf_append_str(out, "&amp;");
        break;
    case '<':
        buf_append_str(out, "&lt;");
        break;
    case '>':
        buf_append_str(out, "&gt;");
        break;
    case '"':
        buf_append_str(out, "&quot;");
        break;
    case '\'':
        buf_append_str(out, "&#39;");
        break;
    case '\n':
    case '\t':
        if (how == WORDS_ATTR) {
            buf_printf(out, "&#%u;", (unsigned)c);
        } else {
            buf_append_char(out, (char)c);
        }
        break;
    default:
        append_utf8(out, is_unfit(c) ? BAD : c);
        break;
    }
}

void words_escape(struct buf *out, const char *text, enum words_escape how)
{
    const char *at = text != NULL ? text : "";
    for (uint32_t c = words_next(&at); c != 0; c = words_next(&at)) {
        escape_point(out, c, how);
    }
}

void words_sentence(struct buf *out, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return;
    }
    char first[2] = { text[0], '\0' };
    bool small = first[0] >= 'a' && first[0] <= 'z';
    first[0] = (char)(small ? first[0] - 'a' + 'A' : first[0]);
    words_escape(out, small ? first : "", WORDS_TEXT);
    words_escape(out, text + small, WORDS_TEXT);
    buf_append_str(out, strchr(".!?:", text[strlen(text) - 1]) != NULL ? "" : ".");
}

void words_escape_cut(struct buf *out, const char *text, size_t points)
{
    const char *at = text != NULL ? text : "";
    size_t n = 0;
    for (uint32_t c = words_next(&at); c != 0; c = words_next(&at)) {
        if (n++ == points) {
            append_utf8(out, ELLIPSIS);
            return;
        }
        escape_point(out, c, WORDS_TEXT);
    }
}

void words_utf8(struct buf *out, const char *text, size_t max)
{
    const char *at = text != NULL ? text : "";
    size_t start = out->len, keep = start; /* up to where "..." still fits behind */
    for (uint32_t c = words_next(&at); c != 0; c = words_next(&at)) {
        append_utf8(out, c);
        if (out->len - start > max) {
            out->len = keep;
            buf_append_str(out, "...");
            return;
        }
        keep = out->len - start + 3 <= max ? out->len : keep;
    }
}

/* Up to `most`. */
static size_t count_points(const char *text, size_t most)
{
    size_t n = 0;
    while (n < most && words_next(&text) != 0) {
        n++;
    }
    return n;
}

size_t words_line(struct buf *out, const char *text, size_t columns)
{
    const char *at = text != NULL ? text : "";
    size_t n = count_points(at, columns + 1);
    bool cut = n > columns && columns >= 3;
    size_t keep = cut ? columns - 3 : n < columns ? n : columns;
    for (size_t i = 0; i < keep; i++) {
        uint32_t c = words_next(&at);
        if (c == '\n' || c == '\t') {
            c = ' ';
        }
        /* From U+1100 on there are characters two columns wide; punctuation below U+2e80 is not. */
        bool wide = c >= 0x1100 && !(c >= 0x2000 && c < 0x2e80);
        append_utf8(out, is_unfit(c) || wide ? '?' : c);
    }
    if (cut) {
        buf_append_str(out, "...");
    }
    return cut ? columns : keep;
}

void words_targets(struct buf *out, const struct chaos_report *r, uint64_t targets)
{
    const char *comma = "";
    for (size_t i = 0; i < r->lane_count; i++) {
        if ((targets >> i & 1) != 0) {
            buf_append_str(out, comma);
            words_line(out, r->lanes[i].name, TARGET_COLUMNS);
            comma = ", ";
        }
    }
    if (comma[0] == '\0') {
        buf_append_str(out, "cluster");
    }
}
