/* The flags of a verb, from one table: `--name value`, `--name=value`, `-n value`, `-nvalue`,
 * `-fw`; booleans `--x`, `--x=false`. Flags and arguments mix; `--` ends the flags; `-` alone is an
 * argument. Pure. */
#ifndef BARQUE_CLI_FLAGS_H
#define BARQUE_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum cli_flag_type {
    CLI_STRING,   /* const char * */
    CLI_BOOL,     /* bool */
    CLI_INT,      /* int64_t */
    CLI_DURATION, /* uint64_t milliseconds; a plain number is seconds */
    CLI_LIST,     /* struct cli_list: may be given several times */
};

enum { CLI_LIST_MAX = 64 };
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t n;
};

struct cli_flag {
    const char *name; /* without dashes */
    char letter;      /* 0 = none */
    enum cli_flag_type type;
    void *into;
    const char *value; /* its placeholder in help; NULL for booleans */
    const char *help;
};

/* Parses argv[1..]; arguments are left, in order, at the front of argv[1..*argc]. E_INVAL with what
 * is wrong and the nearest name. -h and --help set *ret_help. */
int cli_flags_parse(const struct cli_flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                    struct err *err);
/* "  -n, --namespace NAME   help", one a line. */
void cli_flags_print(const struct cli_flag *flags, size_t n, struct buf *out);

#endif
