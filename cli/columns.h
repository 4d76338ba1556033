/* What `get` shows of each kind: kubectl's columns, from one table. Pure. */
#ifndef BARQUE_CLI_COLUMNS_H
#define BARQUE_CLI_COLUMNS_H

#include "api/core.h"
#include "cli/table.h"

/* What a cell is made of. */
struct cell {
    struct buf *text; /* empty = "<none>" */
    enum table_tone tone;
    int64_t now_ms; /* wall */
};

struct column {
    const char *title;
    bool wide; /* only with -o wide */
    void (*put)(const struct object *o, struct cell *cell);
};

struct column_options {
    bool wide, namespaces, labels;
};

/* Number of columns of a kind's table. */
size_t columns_count(const struct kind *kind, const struct column_options *options);
void columns_title(const struct kind *kind, const struct column_options *options, struct table *t);
void columns_row(const struct object *o, const struct column_options *options, int64_t now_ms,
                 struct table *t);

/* kubectl's STATUS of a pod ("Running", "CrashLoopBackOff", "Completed", "Terminating"). */
const char *pod_status_text(const struct pod *p, char *scratch, size_t size);
int32_t pod_restarts(const struct pod *p);
/* "Ready", "NotReady", with ",SchedulingDisabled". */
const char *node_status_text(const struct node *n);

#endif
