/* The grammar of RFC 8259 in one pass. Recursion is in json_read_skip only, within the limit. */
#include "lib/codec/json_cursor.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"

enum { REPLACEMENT = 0xfffd };

void json_cursor_init(struct json_cursor *c, struct slice text)
{
    *c = (struct json_cursor){ .at = text.data, .end = text.data + text.len, .what = "" };
}

static int bad(struct json_cursor *c, const char *what)
{
    c->what = what;
    return E_INVAL;
}

static bool blank(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

char json_read_peek(struct json_cursor *c)
{
    while (c->at < c->end && blank(*c->at)) {
        c->at++;
    }
    return c->at < c->end ? (char)*c->at : '\0';
}

/* --- brackets --------------------------------------------------------------------------------- */

int json_read_enter(struct json_cursor *c, char open)
{
    if (json_read_peek(c) != open) {
        return bad(c, open == '{' ? "an object is wanted" : "a list is wanted");
    }
    if (c->depth == LIMIT_DOC_DEPTH) {
        c->what = "nested too deep";
        return E_TOOBIG;
    }
    c->depth++;
    c->at++;
    return 0;
}

int json_read_more(struct json_cursor *c, bool *first, char close)
{
    char next = json_read_peek(c);
    if (next == close) {
        c->at++;
        c->depth--;
        return 0;
    }
    if (!*first) {
        if (next != ',') {
            return bad(c, close == '}' ? "a comma or } is wanted" : "a comma or ] is wanted");
        }
        c->at++;
    }
    *first = false;
    return 1;
}

/* --- strings ---------------------------------------------------------------------------------- */

size_t utf8_len(const uint8_t *at, const uint8_t *end)
{
    size_t n = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    bool lead = *at < 0x80 || (*at >= 0xc2 && *at < 0xf5);
    if (!lead || (size_t)(end - at) < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad_second = (*at == 0xe0 && at[1] < 0xa0) ||  /* could be shorter */
                      (*at == 0xed && at[1] >= 0xa0) || /* a surrogate */
                      (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] >= 0x90);
    return bad_second ? 0 : n;
}

static void put_utf8(struct buf *out, uint32_t ch)
{
    uint8_t b[4];
    size_t n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1;) {
        b[i] = (uint8_t)(0x80 | (ch & 0x3f));
        ch >>= 6;
    }
    b[0] = (uint8_t)(lead[n] | ch);
    buf_append(out, b, n);
}

static int hex4(struct json_cursor *c, uint32_t *ret)
{
    uint32_t v = 0;
    if (c->end - c->at < 4) {
        return E_INVAL;
    }
    for (int i = 0; i < 4; i++) {
        uint8_t b = c->at[i];
        uint8_t low = b | 0x20;
        if (b >= '0' && b <= '9') {
            v = v << 4 | (uint32_t)(b - '0');
        } else if (low >= 'a' && low <= 'f') {
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        } else {
            return E_INVAL;
        }
    }
    c->at += 4;
    *ret = v;
    return 0;
}

/* Behind "\u". A high surrogate waits for its low half. */
static int unicode_escape(struct json_cursor *c, struct buf *out)
{
    uint32_t high, low;
    if (hex4(c, &high) != 0) {
        return bad(c, "\\u wants four hexadecimal digits");
    }
    if (high < 0xd800 || high > 0xdfff) {
        put_utf8(out, high);
        return 0;
    }
    const uint8_t *behind = c->at;
    if (high < 0xdc00 && c->end - c->at >= 2 && c->at[0] == '\\' && c->at[1] == 'u') {
        c->at += 2;
        if (hex4(c, &low) == 0 && low >= 0xdc00 && low <= 0xdfff) {
            put_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            return 0;
        }
        c->at = behind;
    }
    put_utf8(out, REPLACEMENT);
    return 0;
}

static int escape(struct json_cursor *c, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end) {
        return bad(c, "the text ends in a string");
    }
    uint8_t b = *c->at++;
    if (b == 'u') {
        return unicode_escape(c, out);
    }
    const char *p = b != 0 ? strchr(from, b) : NULL;
    if (p == NULL) {
        return bad(c, "no such escape");
    }
    buf_append_char(out, to[p - from]);
    return 0;
}

int json_read_string(struct json_cursor *c, struct buf *out)
{
    if (json_read_peek(c) != '"') {
        return bad(c, "a string is wanted");
    }
    c->at++;
    for (;;) {
        const uint8_t *run = c->at;
        while (c->at < c->end && *c->at >= 0x20 && *c->at < 0x80 && *c->at != '"' &&
               *c->at != '\\') {
            c->at++;
        }
        buf_append(out, run, (size_t)(c->at - run));
        if (c->at == c->end) {
            return bad(c, "the text ends in a string");
        }
        uint8_t b = *c->at;
        if (b == '"') {
            c->at++;
            return 0;
        }
        if (b == '\\') {
            c->at++;
            int rv = escape(c, out);
            if (rv != 0) {
                return rv;
            }
            continue;
        }
        size_t n = b < 0x20 ? 0 : utf8_len(c->at, c->end);
        if (n == 0) {
            return bad(c, b < 0x20 ? "a control character in a string" : "not UTF-8");
        }
        buf_append(out, c->at, n);
        c->at += n;
    }
}

int json_read_key(struct json_cursor *c, struct buf *out)
{
    int rv = json_read_string(c, out);
    if (rv != 0) {
        return rv;
    }
    if (json_read_peek(c) != ':') {
        return bad(c, "a colon is wanted");
    }
    c->at++;
    return 0;
}

/* --- numbers, words, anything ----------------------------------------------------------------- */

static size_t digits(struct json_cursor *c)
{
    const uint8_t *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        c->at++;
    }
    return (size_t)(c->at - from);
}

static bool eat(struct json_cursor *c, char a, char b)
{
    if (c->at < c->end && (*c->at == (uint8_t)a || *c->at == (uint8_t)b)) {
        c->at++;
        return true;
    }
    return false;
}

int json_read_number(struct json_cursor *c, struct slice *ret_digits)
{
    (void)json_read_peek(c);
    const uint8_t *from = c->at;
    (void)eat(c, '-', '-');
    bool zero = c->at < c->end && *c->at == '0';
    size_t n = digits(c);
    if (n == 0 || (zero && n > 1)) {
        return bad(c, "a number is wanted");
    }
    if (eat(c, '.', '.') && digits(c) == 0) {
        return bad(c, "digits are wanted");
    }
    if (eat(c, 'e', 'E')) {
        (void)eat(c, '+', '-');
        if (digits(c) == 0) {
            return bad(c, "digits are wanted");
        }
    }
    *ret_digits = slice_make(from, (size_t)(c->at - from));
    return 0;
}

int json_read_literal(struct json_cursor *c, const char *word)
{
    (void)json_read_peek(c);
    struct slice rest = slice_make(c->at, (size_t)(c->end - c->at));
    if (!slice_starts(rest, slice_str(word))) {
        return bad(c, "no JSON value");
    }
    c->at += strlen(word);
    return 0;
}

static int skip_list(struct json_cursor *c, char open, char close)
{
    bool first = true;
    int rv = json_read_enter(c, open);
    while (rv == 0 && (rv = json_read_more(c, &first, close)) > 0) {
        autobuf ignored = BUF_INIT;
        rv = close == '}' ? json_read_key(c, &ignored) : 0;
        if (rv == 0) {
            rv = json_read_skip(c);
        }
        if (rv != 0) {
            break;
        }
    }
    return rv;
}

int json_read_skip(struct json_cursor *c)
{
    struct slice number;
    autobuf ignored = BUF_INIT;
    switch (json_read_peek(c)) {
    case '{':
        return skip_list(c, '{', '}');
    case '[':
        return skip_list(c, '[', ']');
    case '"':
        return json_read_string(c, &ignored);
    case 't':
        return json_read_literal(c, "true");
    case 'f':
        return json_read_literal(c, "false");
    case 'n':
        return json_read_literal(c, "null");
    case '\0':
        return bad(c, c->at == c->end ? "the text ends where a value is wanted" : "no JSON value");
    default:
        return json_read_number(c, &number);
    }
}

int json_read_end(struct json_cursor *c)
{
    (void)json_read_peek(c);
    return c->at == c->end ? 0 : bad(c, "nothing more is wanted here");
}

/* --- frames ----------------------------------------------------------------------------------- */

int64_t json_frame_next(struct json_frame *f, struct slice text)
{
    PRE(f->seen <= text.len);
    for (; f->seen < text.len; f->seen++) {
        uint8_t b = text.data[f->seen];
        if (f->escaped) {
            f->escaped = false;
        } else if (f->in_string) {
            f->escaped = b == '\\';
            f->in_string = b != '"';
        } else if (f->depth == 0 && b != '{') {
            if (!blank(b)) {
                return E_INVAL;
            }
        } else if (b == '"') {
            f->in_string = true;
        } else if (b == '{' || b == '[') {
            f->depth++;
        } else if ((b == '}' || b == ']') && --f->depth == 0) {
            return (int64_t)++f->seen;
        }
    }
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

void json_quote(struct slice text, struct buf *out)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    buf_append_char(out, '"');
    while (at < end) {
        size_t n = utf8_len(at, end);
        if (*at == '"' || *at == '\\') {
            buf_append_char(out, '\\');
            buf_append_char(out, (char)*at++);
        } else if (*at < 0x20) {
            buf_printf(out, "\\u%04x", *at++);
        } else if (n == 0) {
            put_utf8(out, REPLACEMENT);
            at++;
        } else {
            buf_append(out, at, n);
            at += n;
        }
    }
    buf_append_char(out, '"');
}
