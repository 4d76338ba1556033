/* Flags and environment variables from one table. `--name value`, `--name=value`; booleans `--x`,
 * `--x=false`. A flag not given is taken from BARQUE_<NAME>, then ETCD_<NAME> (upper case, - as _).
 * Unknown flags are refused with the nearest name. */
#ifndef BARQUE_CMD_FLAGS_H
#define BARQUE_CMD_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum flag_type {
    FLAG_STRING,
    FLAG_BOOL,
    FLAG_U64,
    FLAG_DURATION, /* into uint64_t milliseconds; a plain number is milliseconds */
    FLAG_IGNORED,  /* etcd has it; here it does nothing, and `help` says why */
};

struct flag {
    const char *name;    /* without dashes */
    enum flag_type type;
    void *into;          /* const char **, bool *, uint64_t *; NULL for FLAG_IGNORED */
    const char *value;   /* its placeholder in help: "URL" */
    const char *help;    /* NULL: not shown, for tests only */
};

/* Parses argv[1..]; positional arguments are left, in order, at the front of argv[1..*ret_argc].
 * E_INVAL with what and the nearest name. *ret_help is set for -h and --help. */
int flags_parse(const struct flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                struct err *err);
/* "  --name VALUE   help" for each. */
void flags_print(const struct flag *flags, size_t n);

#endif
