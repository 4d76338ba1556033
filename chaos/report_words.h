/* How a report speaks: numbers for people, names of the enums, and text made harmless. Shared by
 * the renderers. Pure. */
#ifndef BARQUE_CHAOS_REPORT_WORDS_H
#define BARQUE_CHAOS_REPORT_WORDS_H

#include "chaos/report.h"

/* A short text by value, for use inside one expression: words_ms(t).s */
struct word {
    char s[64];
};

struct word words_count(uint64_t n);     /* "1,234,567" */
struct word words_ms(int64_t ms);        /* "850 ms" "1.24 s" "2 min 5 s" "1 h 4 min"; absent "-" */
struct word words_us(int64_t us);        /* "850 µs" "1.24 ms" "2.10 s"; absent "-" */
struct word words_rate(double per_s);    /* "0.4" "12" "1,234" */
struct word words_bytes(uint64_t bytes); /* "7.8 GiB" */
struct word words_clock(int64_t ms);     /* position on the time axis: "2:05" "1:04:00"; "0:02.5" */
struct word words_date(int64_t wall_ms); /* "2026-11-28 15:27:00 UTC" */
struct word words_timestamp(int64_t wall_ms); /* "2026-11-28T15:27:00", UTC: JUnit has no zone */
struct word words_seed(uint64_t seed);   /* digits as they are, for commands */
struct word words_plural(uint64_t n, const char *one); /* "1 fault", "1,200 faults" */

/* "1 election", "2 elections", of a unit in the plural; NULL: "checked". Cut to fit. */
struct word words_units(uint64_t n, const char *units);

/* Names as the JSON has them; from name to value: -1 when there is none of that name. */
const char *words_role(enum chaos_role role);
const char *words_family(enum chaos_family family);          /* "process" */
const char *words_recovery(enum chaos_recovery stage);       /* "first_write" */
const char *words_recovery_title(enum chaos_recovery stage); /* "first write" */
const char *words_result(enum chaos_result result);
const char *words_mark(enum chaos_mark_kind kind);
const char *words_verdict(enum chaos_verdict verdict);
int words_role_find(const char *name);
int words_family_find(const char *name);
int words_result_find(const char *name);
int words_mark_find(const char *name);

/* One code point of UTF-8 text from *at, which moves behind it: U+FFFD for a byte that is none, and
 * 0 at the end, where it stays. */
uint32_t words_next(const char **at);

enum words_escape {
    WORDS_TEXT, /* between tags: newline and tab stay */
    WORDS_ATTR, /* between double quotes: newline and tab become references */
};

/* Appends text for HTML or XML: markup escaped, control characters, what is not UTF-8, and the
 * characters that turn the direction of writing become U+FFFD. NULL is "". */
void words_escape(struct buf *out, const char *text, enum words_escape how);

/* As text, as a sentence: it begins with a capital and ends with a full stop. "" stays "". */
void words_sentence(struct buf *out, const char *text);
/* The same as text, but at most `points` code points of it, then an ellipsis. */
void words_escape_cut(struct buf *out, const char *text, size_t points);

/* Appends at most `max` bytes of text as valid UTF-8: bytes that are none become U+FFFD, the rest
 * stays as it is; "..." where it was cut. */
void words_utf8(struct buf *out, const char *text, size_t max);

/* Appends at most `columns` columns for a terminal: one line, nothing wider than a column, and
 * "..." where it was cut. Returns the columns used. */
size_t words_line(struct buf *out, const char *text, size_t columns);

/* Appends the targets' names, long ones cut: "m1, m2"; "cluster" for none. Not escaped. */
void words_targets(struct buf *out, const struct chaos_report *r, uint64_t targets);

#endif
