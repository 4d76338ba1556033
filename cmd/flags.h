/* Flags and environment variables from one table. `--name value`, `--name=value`; booleans `--x`,
 * `--x=false`. A flag not given is taken from BARQUE_<NAME>, then ETCD_<NAME> (upper case, - as _).
 * Unknown flags are refused with the nearest name. Values are written as etcd's are (values.h).
 *
 * A member's flags are a longer table with more sources: options.h. */
#ifndef BARQUE_CMD_FLAGS_H
#define BARQUE_CMD_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum flag_type {
    FLAG_STRING,   /* const char * */
    FLAG_BOOL,     /* bool */
    FLAG_U64,      /* uint64_t */
    FLAG_I64,      /* int64_t */
    FLAG_DURATION, /* uint64_t milliseconds; a plain number is milliseconds */
    FLAG_INTERVAL, /* uint64_t milliseconds; a number needs its unit */
    FLAG_CHOICE,   /* const char *; `value` lists the choices: "new|existing" */
    FLAG_URLS,     /* const char *: URLs with commas between, each checked */
    FLAG_WORD,     /* const char *; may stand without a value: then it is "" */
};

struct flag {
    const char *name;    /* without dashes */
    enum flag_type type;
    void *into;
    const char *value;   /* its placeholder in help: "URL" */
    const char *help;    /* NULL: not shown, for tests only */
};

/* Parses argv[1..]; positional arguments are left, in order, at the front of argv[1..*ret_argc].
 * E_INVAL with what and the nearest name. *ret_help is set for -h and --help. */
int flags_parse(const struct flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                struct err *err);
/* "  --name VALUE   help" for each. */
void flags_print(const struct flag *flags, size_t n);

/* --- the steps of it, for options.c ----------------------------------------------------------- */

struct flag_given {
    size_t flag; /* its index */
    const char *value;
};

/* Only looks: what is given goes to ret_given, which has room for *argc, in order. */
int flags_scan(const struct flag *flags, size_t n, int *argc, char **argv,
               struct flag_given *ret_given, size_t *ret_n, bool *ret_help, struct err *err);
/* Reads the value into where the flag says. E_INVAL (E_UNSUPPORTED for https) with `from` before
 * it ("--name", "ETCD_NAME", "etcd.yml:3:1: name") and what would be right. */
int flag_set(const struct flag *flag, const char *value, const char *from, struct err *err);
/* "ETCD_" and the name as a variable. */
void flag_variable(const char *prefix, const char *name, char *ret_variable, size_t size);
/* What the environment says of a flag, and in which variable; NULL: nothing. */
const char *flag_environment(const char *name, char *ret_variable, size_t size);

#endif
