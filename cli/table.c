/* Widths are counted in characters (UTF-8 continuation bytes take no room). A table that goes on
 * growing (get -w in a pipe) keeps the widths of what was printed and widens only for longer
 * cells. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { GAP = 3, WIDTH_LEAST = 16 };

void table_init(struct table *t, size_t columns)
{
    PRE(columns > 0);
    *t = (struct table){ .columns = columns };
    t->widths = mem_zalloc(columns * sizeof *t->widths);
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        mem_free(t->cells[i]);
    }
    t->n = 0;
    t->printed = 0;
    memset(t->widths, 0, t->columns * sizeof *t->widths);
}

void table_fini(struct table *t)
{
    if (t->widths != NULL) {
        table_clear(t);
    }
    mem_free(t->cells);
    mem_free(t->tones);
    mem_free(t->widths);
    *t = (struct table){ 0 };
}

void table_add(struct table *t, const char *text, enum table_tone tone)
{
    t->cells = mem_grow(t->cells, &t->cap, t->n + 1, sizeof *t->cells);
    t->tones = mem_grow(t->tones, &t->tones_cap, t->n + 1, sizeof *t->tones);
    t->tones[t->n] = tone;
    t->cells[t->n++] = mem_strdup(text != NULL ? text : "<none>");
}

void table_addf(struct table *t, enum table_tone tone, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    table_add(t, text, tone);
}

size_t table_rows(const struct table *t)
{
    return t->n / t->columns > 0 ? t->n / t->columns - 1 : 0;
}

const char *tone_start(enum table_tone tone, bool color)
{
    static const char *const codes[] = { [TONE_PLAIN] = "",
                                         [TONE_GOOD] = "\x1b[32m",
                                         [TONE_WARN] = "\x1b[33m",
                                         [TONE_BAD] = "\x1b[31m",
                                         [TONE_DIM] = "\x1b[2m" };
    return color ? codes[tone] : "";
}

const char *tone_end(enum table_tone tone, bool color)
{
    return color && tone != TONE_PLAIN ? "\x1b[0m" : "";
}

static size_t chars(const char *s)
{
    size_t n = 0;

    for (; *s != 0; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* Bytes of the first `n` characters. */
static size_t bytes_of(const char *s, size_t n)
{
    size_t at = 0;

    while (s[at] != 0) {
        if (((unsigned char)s[at] & 0xc0) != 0x80 && n-- == 0) {
            break;
        }
        at++;
    }
    return at;
}

/* Takes from the widest column, one character at a time, until the line fits. Names are what people
 * copy from the screen: the first column and NAME are never cut; rather the line wraps. */
static void shrink(const struct table *t, size_t *widths, size_t screen)
{
    for (;;) {
        size_t total = 0, widest = 0;

        for (size_t i = 0; i < t->columns; i++) {
            bool name = i == 0 || strcmp(t->cells[i], "NAME") == 0;

            total += widths[i] + (i + 1 < t->columns ? GAP : 0);
            if (!name && (widest == 0 || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (total <= screen || widest == 0 || widths[widest] <= WIDTH_LEAST) {
            return;
        }
        widths[widest]--;
    }
}

/* Text of terminals' control characters would be an attack: it is shown as "?". */
static void put_text(const char *s, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        buf_append_char(out, c < 0x20 || c == 0x7f ? '?' : s[i]);
    }
}

static void print_row(const struct table *t, size_t first, const size_t *widths, bool color,
                      struct buf *out)
{
    for (size_t c = 0; c < t->columns; c++) {
        const char *text = t->cells[first + c];
        size_t n = chars(text);
        bool last = c + 1 == t->columns;

        buf_append_str(out, tone_start(t->tones[first + c], color));
        if (n > widths[c]) {
            put_text(text, bytes_of(text, widths[c] - 1), out);
            buf_append_char(out, '~');
            n = widths[c];
        } else {
            put_text(text, strlen(text), out);
        }
        buf_append_str(out, tone_end(t->tones[first + c], color));
        for (size_t i = n; !last && i < widths[c] + GAP; i++) {
            buf_append_char(out, ' ');
        }
    }
    /* An empty last cell leaves spaces behind. */
    while (out->len > 0 && out->data[out->len - 1] == ' ') {
        out->len--;
    }
    buf_append_char(out, '\n');
}

void table_print(struct table *t, const struct table_style *style, struct buf *out)
{
    autofree size_t *widths = mem_alloc(t->columns * sizeof *widths);

    PRE(t->n % t->columns == 0);
    for (size_t i = t->printed; i < t->n; i++) {
        size_t n = chars(t->cells[i]);
        size_t *w = &t->widths[i % t->columns];
        *w = n > *w ? n : *w;
    }
    memcpy(widths, t->widths, t->columns * sizeof *widths);
    if (style->width != 0 && t->n != 0) {
        shrink(t, widths, style->width);
    }
    for (; t->printed < t->n; t->printed += t->columns) {
        print_row(t, t->printed, widths, style->color, out);
    }
}
