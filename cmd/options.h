/* Every option of a member in one table (options_table.c): all flags that an etcd 3.4, 3.5 or 3.6
 * server has, and ours. The command line, the environment, the configuration file, --help and
 * docs/flags.md are read from it. A new option is one row.
 *
 * Where a value comes from, as in etcd: with --config-file the file alone (flags and variables are
 * passed over, which is said); otherwise the flag, then BARQUE_NAME, then ETCD_NAME, then the
 * default. */
#ifndef BARQUE_CMD_OPTIONS_H
#define BARQUE_CMD_OPTIONS_H

#include "cmd/flags.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct member_flags;

enum option_fate {
    OPT_WORKS,
    OPT_MOOT,   /* has no meaning here: taken, and a line says what is done instead */
    OPT_ABSENT, /* would change what is promised: refused, unless it asks for nothing */
    OPT_GATES,  /* --feature-gates: each of them is OPT_MOOT by itself (gates.h) */
    OPT_ALIAS,  /* another name of an option */
};

enum option_group {
    GROUP_COMMAND, /* about the command line itself: not in a file */
    GROUP_MEMBER,
    GROUP_CLUSTER,
    GROUP_LIMITS,
    GROUP_STORAGE,
    GROUP_SECURITY,
    GROUP_OBSERVE,
    GROUP_UNSAFE,
    GROUP_DISCOVERY,
    GROUP_OLD,
    GROUPS_N,
};

struct option {
    const char *name;
    enum option_group group;
    enum option_fate fate;
    enum flag_type type;
    const char *value;    /* its placeholder, or the choices: "new|existing" */
    const char *standard; /* OPT_WORKS: the default, NULL: none. Else the value that needs no word
                           * because it is what happens anyway; NULL: every one needs it */
    size_t at;            /* OPT_WORKS: into struct member_flags */
    const char *help;     /* OPT_WORKS: what it does, NULL: not shown, for tests only. OPT_MOOT:
                           * what is done here. OPT_ABSENT: why not, and what instead. OPT_ALIAS:
                           * the name to use */
};

extern const struct option option_table[];
extern const size_t option_table_n;
extern const char *const option_groups[GROUPS_N];

/* Lines for people that are not errors: told to `say`, NULL: to stderr. */
struct option_ears {
    void (*say)(void *arg, const char *line);
    void *arg;
};

/* m with every default. */
void options_init(struct member_flags *m);
void options_fini(struct member_flags *m);
/* All of the above; positional arguments are left as in flags_parse. E_INVAL, E_UNSUPPORTED, or why
 * the file cannot be read. With *ret_help nothing else has been looked at. */
int options_parse(struct member_flags *m, int *argc, char **argv, bool *ret_help,
                  const struct option_ears *ears, struct err *err);

/* One value from somewhere (`from`: "--name", "ETCD_NAME", "etcd.yml:3:1: name"). The text stays
 * the caller's and must outlive m. */
int option_apply(struct member_flags *m, const struct option *o, const char *value,
                 const char *from, const struct option_ears *ears, struct err *err);
/* By its name, aliases followed; NULL when there is none. */
const struct option *option_find(const char *name);
/* The nearest name, for "did you mean"; NULL when none is near. */
const char *option_nearest(const char *name);

/* --- help (options_help.c) -------------------------------------------------------------------- */

/* What works, by groups. */
void options_help(struct buf *out);
/* All of them, in short. */
void options_help_all(struct buf *out);
/* What is known of one option. E_NOTFOUND, with the nearest name. */
int option_help(const char *name, struct buf *out, struct err *err);
/* docs/flags.md. */
void options_markdown(struct buf *out);

#endif
