/* One pass with a stack of open tags. */
#include "tests/unit/chaos/markup.h"

#include <string.h>

#include "lib/base/assert.h"

enum { DEPTH_MAX = 64, NAME_MAX_LEN = 24 };

struct markup {
    const uint8_t *p, *end;
    char open[DEPTH_MAX][NAME_MAX_LEN];
    size_t depth;
    const char *wrong;
};

static bool starts(const struct markup *m, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(m->end - m->p) >= n && memcmp(m->p, word, n) == 0;
}

static bool is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':' || c == '_';
}

static bool fail(struct markup *m, const char *wrong)
{
    m->wrong = m->wrong != NULL ? m->wrong : wrong;
    return false;
}

static bool name(struct markup *m, char *ret)
{
    size_t n = 0;
    while (m->p < m->end && is_name(*m->p) && n + 1 < NAME_MAX_LEN) {
        ret[n++] = (char)*m->p++;
    }
    ret[n] = '\0';
    return n != 0 || fail(m, "a name was expected");
}

static bool reference(struct markup *m)
{
    static const char *const known[] = {
        "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#9;", "&#10;",
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (starts(m, known[i])) {
            m->p += strlen(known[i]);
            return true;
        }
    }
    return fail(m, "an unknown reference");
}

/* One character of text: valid UTF-8 that XML and a terminal take. */
static bool character(struct markup *m)
{
    uint8_t c = *m->p;
    if (c == '&') {
        return reference(m);
    }
    if (c < 0x80) {
        m->p++;
        return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t' || fail(m, "a control");
    }
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || (size_t)(m->end - m->p) < len) {
        return fail(m, "not UTF-8");
    }
    uint32_t point = c & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((m->p[i] & 0xc0) != 0x80) {
            return fail(m, "not UTF-8");
        }
        point = point << 6 | (m->p[i] & 0x3f);
    }
    m->p += len;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    bool bad = point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
               point == 0xfffe || point == 0xffff || point < 0xa0 ||
               (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !bad || fail(m, "a character that must not be there");
}

static bool attribute(struct markup *m)
{
    char what[NAME_MAX_LEN];
    if (!name(m, what)) {
        return false;
    }
    if (!starts(m, "=\"")) {
        return fail(m, "an attribute without quotes");
    }
    m->p += 2;
    while (m->p < m->end && *m->p != '"') {
        if (*m->p == '<' || *m->p == '>') {
            return fail(m, "a bracket in an attribute");
        }
        if (!character(m)) {
            return false;
        }
    }
    if (m->p == m->end) {
        return fail(m, "an open attribute");
    }
    m->p++;
    return true;
}

static bool tag(struct markup *m)
{
    char what[NAME_MAX_LEN];
    m->p++;
    if (starts(m, "/")) {
        m->p++;
        if (!name(m, what) || m->depth == 0 || strcmp(m->open[m->depth - 1], what) != 0) {
            return fail(m, "closes what is not open");
        }
        m->depth--;
        return starts(m, ">") ? (m->p++, true) : fail(m, "a closing tag with more");
    }
    if (!name(m, what)) {
        return false;
    }
    while (starts(m, " ") || starts(m, "\n")) {
        m->p++;
        if (!attribute(m)) {
            return false;
        }
    }
    if (starts(m, "/>")) {
        m->p += 2;
        return true;
    }
    if (!starts(m, ">") || m->depth == DEPTH_MAX) {
        return fail(m, "an open tag");
    }
    m->p++;
    memcpy(m->open[m->depth++], what, sizeof what);
    return true;
}

const char *markup_check(struct slice text, size_t *ret_at)
{
    static const char *const heads[] = {
        "<!DOCTYPE html>\n",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    };
    struct markup m = { .p = text.data, .end = text.data + text.len };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        m.p += starts(&m, heads[i]) ? strlen(heads[i]) : 0;
    }
    while (m.p < m.end && (*m.p == '<' ? tag(&m) : character(&m))) {
    }
    if (m.wrong == NULL && m.depth != 0) {
        m.wrong = "ends with open tags";
    }
    *ret_at = (size_t)(m.p - text.data);
    return m.wrong;
}
