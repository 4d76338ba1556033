/* What get.c (what to read) and get_show.c (how it is shown, and watching) share. */
#ifndef BARQUE_CLI_GET_H
#define BARQUE_CLI_GET_H

#include "api/selector.h"
#include "cli/columns.h"
#include "cli/run.h"
#include "client/objects.h"

enum get_format { GET_TABLE, GET_NAME, GET_JSON, GET_YAML };

struct get_wanted {
    const struct kind *kind;
    const char *name; /* NULL = all of the kind */
};

struct get {
    struct cli cli;
    const char *output, *selector_text;
    bool all_namespaces, watching, no_title;
    struct column_options columns;
    enum get_format format;
    bool known_format;
    struct label_selector selector;

    struct get_wanted *wanted;
    size_t n_wanted, cap_wanted, at;
    size_t missing;
    struct object **items; /* owned */
    size_t n_items, cap_items;
    int64_t revision;

    /* watching */
    struct table table;
    size_t lines; /* of the table that stands on the screen */
};

/* Reads everything that is wanted, then get_show. */
void get_read(struct get *g);
void get_keep(struct get *g, struct object *o);
void get_sort(struct get *g, size_t from);
void get_show(struct get *g);
void get_fini(struct get *g);

#endif
