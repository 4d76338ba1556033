/* THE printer of tables: columns as wide as their widest cell, three spaces between, no space at
 * the end of a line; where it does not fit, the widest cells (names never) are cut with "~". Pure.
 *
 *     NAME    READY   STATUS    RESTARTS   AGE
 *     web-1   1/1     Running   0          5s
 */
#ifndef BARQUE_CLI_TABLE_H
#define BARQUE_CLI_TABLE_H

#include "lib/base/buf.h"

enum table_tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };

struct table {
    size_t columns;
    char **cells; /* rows * columns, the title first; owned */
    enum table_tone *tones;
    size_t n, cap, tones_cap; /* cells */
    size_t *widths;           /* of what was printed before: rows added later stay in line */
    size_t printed;           /* cells that were printed already */
};

struct table_style {
    size_t width; /* of the screen; 0 = as wide as it gets */
    bool color;
};

void table_init(struct table *t, size_t columns);
void table_fini(struct table *t);
/* Cells come one after another, row by row; NULL is "<none>". The first `columns` are the title. */
void table_add(struct table *t, const char *text, enum table_tone tone);
void table_addf(struct table *t, enum table_tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t table_rows(const struct table *t); /* without the title */
/* Forgets all rows and widths; the title must be added again. */
void table_clear(struct table *t);
/* Prints what was not printed yet. */
void table_print(struct table *t, const struct table_style *style, struct buf *out);

/* "\x1b[32m" and the like; "" without colour. */
const char *tone_start(enum table_tone tone, bool color);
const char *tone_end(enum table_tone tone, bool color);

#endif
