/* Fuzzes the reader of a chaos report: what it takes is written, read back and written the same;
 * all renderers take it; the screen stays a screen, and no page has more brackets than our own
 * markup: each "<" opens a tag, so a text that got through unescaped shows as one that does not. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "chaos/report.h"
#include "chaos/report_words.h"
#include "lib/base/assert.h"

static void check_screen(struct buf *text)
{
    const char *at = buf_str(text);
    size_t lines = 0, columns = 0;
    for (uint32_t c = words_next(&at); c != 0; c = words_next(&at)) {
        columns = c == '\n' ? 0 : columns + 1;
        lines += c == '\n' || (columns > 1 && columns % 80 == 1);
        INVARIANT(columns <= 240); /* the command; a terminal wraps it */
    }
    INVARIANT(lines <= 24);
    INVARIANT(strlen(buf_str(text)) == text->len);
}

static void check_markup(struct buf *text)
{
    size_t open = 0;
    for (size_t i = 0; i < text->len; i++) {
        uint8_t c = text->data[i];
        INVARIANT(c >= 0x20 || c == '\n' || c == '\t');
        INVARIANT(c != '<' || open == 0);
        INVARIANT(c != '>' || open == 1);
        open += c == '<';
        open -= c == '>';
    }
    INVARIANT(open == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chaos_report *r = NULL, *again = NULL;
    struct err err = ERR_INIT;
    if (chaos_report_from_json(slice_make(data, size), &r, &err) != 0) {
        INVARIANT(err.msg[0] != 0);
        return 0;
    }
    autobuf json = BUF_INIT, back = BUF_INIT, screen = BUF_INIT, page = BUF_INIT, xml = BUF_INIT;
    chaos_report_json(r, &json);
    int rv = chaos_report_from_json(buf_slice(&json), &again, &err);
    INVARIANT(rv == 0);
    chaos_report_json(again, &back);
    INVARIANT(json.len == back.len && memcmp(json.data, back.data, json.len) == 0);
    INVARIANT(chaos_report_verdict(r) == chaos_report_verdict(again));

    chaos_report_text(r, &(struct chaos_text_options){ .html_path = "x" }, &screen);
    check_screen(&screen);
    chaos_report_html(r, &page);
    check_markup(&page);
    chaos_report_junit(r, &xml);
    check_markup(&xml);
    chaos_report_free(r);
    chaos_report_free(again);
    return 0;
}
