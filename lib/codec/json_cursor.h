/* JSON read token by token, for who knows what should come: no tree is built, numbers keep their
 * digits (a tree would lose what is over 2^63), and what is read is bounded by the text itself.
 * Pure; threads: one owner.
 *
 *     json_read_enter(c, '{');
 *     for (bool first = true; (rv = json_read_more(c, &first, '}')) > 0;) {
 *         json_read_key(c, &name);
 *         ... json_read_string, _number, _literal, _enter, _skip ...
 *     }
 *
 * Every call skips the blanks before its token. Errors are E_INVAL and, for nesting over
 * LIMIT_DOC_DEPTH, E_TOOBIG; `what` then says in a few words what was wanted at `at`. */
#ifndef BARQUE_CODEC_JSON_CURSOR_H
#define BARQUE_CODEC_JSON_CURSOR_H

#include "lib/base/buf.h"

struct json_cursor {
    const uint8_t *at, *end;
    int depth;
    const char *what; /* of the last error; static */
};

void json_cursor_init(struct json_cursor *c, struct slice text);
/* The first byte of the next token: one of {["-0..9tfn of a value, any other for no value; 0 at the
 * end of the text. */
char json_read_peek(struct json_cursor *c);
int json_read_enter(struct json_cursor *c, char open);
/* 1: an element follows (*first becomes false); 0: the closing bracket was read; or an error. */
int json_read_more(struct json_cursor *c, bool *first, char close);
/* A string's bytes, UTF-8, appended to out. Escapes of half a surrogate pair become U+FFFD; raw
 * bytes that are not UTF-8 are refused. */
int json_read_string(struct json_cursor *c, struct buf *out);
/* A string and the colon behind it. */
int json_read_key(struct json_cursor *c, struct buf *out);
/* The digits as they stand, of a number that JSON allows; borrowed from the text. */
int json_read_number(struct json_cursor *c, struct slice *ret_digits);
/* true, false or null. */
int json_read_literal(struct json_cursor *c, const char *word);
/* Any value. */
int json_read_skip(struct json_cursor *c);
/* Nothing but blanks is left. */
int json_read_end(struct json_cursor *c);

/* Where objects end that come one behind the other, in pieces: brackets are counted, nothing is
 * judged. */
struct json_frame {
    size_t seen; /* bytes of the object looked at so far */
    size_t depth;
    bool in_string, escaped;
};

/* `text` begins with the bytes of the earlier call and has more behind them. Blanks before an
 * object are part of it. The length of the first object, which is over (start again with a zeroed
 * frame behind it); 0: it is not all there; E_INVAL: something else than an object begins. */
int64_t json_frame_next(struct json_frame *f, struct slice text);

/* The other direction: a quoted string; bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct slice text, struct buf *out);
/* Bytes of the UTF-8 character at `at` (RFC 3629), 0 when it is none. PRE: at < end. */
size_t utf8_len(const uint8_t *at, const uint8_t *end);

#endif
