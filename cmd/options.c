/* From a command line to a filled struct member_flags: scan -> the file, or flags and environment
 * -> option_apply for each value, whatever it came from. */
#include "cmd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/config_file.h"
#include "cmd/gates.h"
#include "cmd/member.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/io/file.h"

extern char **environ;

/* --- the table -------------------------------------------------------------------------------- */

static const struct option *row_of(const char *name)
{
    for (size_t i = 0; i < option_table_n; i++) {
        if (str_eq(option_table[i].name, name)) {
            return &option_table[i];
        }
    }
    return NULL;
}

const struct option *option_find(const char *name)
{
    const struct option *o = row_of(name);
    return o != NULL && o->fate == OPT_ALIAS ? row_of(o->help) : o;
}

const char *option_nearest(const char *name)
{
    autofree const char **names = mem_alloc(option_table_n * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < option_table_n; i++) {
        if (option_table[i].fate != OPT_WORKS || option_table[i].help != NULL) {
            names[n++] = option_table[i].name;
        }
    }
    return str_nearest(name, names, n);
}

/* The row as flags.c wants it. What is read but has no place to go is checked all the same. */
static struct flag flag_of(const struct option *o, struct member_flags *m, void *nowhere)
{
    return (struct flag){ o->name, o->type, o->fate == OPT_WORKS ? (char *)m + o->at : nowhere,
                          o->value, o->help };
}

void options_init(struct member_flags *m)
{
    memset(m, 0, sizeof *m);
    arena_init(&m->arena);
    for (size_t i = 0; i < option_table_n; i++) {
        if (option_table[i].fate == OPT_WORKS && option_table[i].standard != NULL) {
            struct flag f = flag_of(&option_table[i], m, NULL);
            int rv = flag_set(&f, option_table[i].standard, f.name, NULL);
            INVARIANT(rv == 0);
        }
    }
}

void options_fini(struct member_flags *m)
{
    arena_fini(&m->arena);
}

/* --- one value -------------------------------------------------------------------------------- */

static void say(const struct option_ears *ears, const char *line)
{
    if (ears != NULL && ears->say != NULL) {
        ears->say(ears->arg, line);
    } else {
        fprintf(stderr, "barque: %s\n", line);
    }
}

/* "false" and "0" ask for the same, as do "10" and "0xa". */
static bool same_value(const struct option *o, const char *a, const char *b)
{
    union { bool b; uint64_t u; const char *s; } x = { .u = 0 }, y = { .u = 0 };
    if (str_eq(a, b)) {
        return true;
    }
    if (o->type == FLAG_STRING || o->type == FLAG_URLS || o->type == FLAG_CHOICE ||
        o->type == FLAG_WORD) {
        return false;
    }
    struct flag f = { o->name, o->type, &x, o->value, NULL };
    struct flag g = { o->name, o->type, &y, o->value, NULL };
    return flag_set(&f, a, "", NULL) == 0 && flag_set(&g, b, "", NULL) == 0 && x.u == y.u;
}

struct gates_heard {
    const char *from;
    const struct option_ears *ears;
};

static void say_gate(void *arg, const char *gate, const char *instead)
{
    const struct gates_heard *h = arg;
    autofree char *line = mem_printf("%s: %s has no effect: %s", h->from, gate, instead);
    say(h->ears, line);
}

int option_apply(struct member_flags *m, const struct option *o, const char *value,
                 const char *from, const struct option_ears *ears, struct err *err)
{
    uint64_t nowhere;
    PRE(o->fate != OPT_ALIAS);
    if (o->fate != OPT_WORKS && o->standard != NULL && same_value(o, value, o->standard)) {
        return 0;
    }
    struct flag f = flag_of(o, m, &nowhere);
    int rv = o->fate == OPT_ABSENT ? 0 : flag_set(&f, value, from, err);
    if (rv != 0 || o->fate == OPT_WORKS) {
        return rv;
    }
    if (o->fate == OPT_GATES) {
        struct gates_heard heard = { from, ears };
        return gates_read(value, from, say_gate, &heard, err);
    }
    if (o->fate == OPT_ABSENT) {
        return err_set(err, E_UNSUPPORTED, "%s: %s", from, o->help);
    }
    autofree char *line = mem_printf("%s has no effect: %s", from, o->help);
    say(ears, line);
    return 0;
}

/* --- flags and the environment ---------------------------------------------------------------- */

struct parse {
    struct member_flags *m;
    const struct option_ears *ears;
    struct flag_given *given;
    size_t n_given;
    bool *seen; /* by the row, aliases followed */
};

static size_t index_of(const struct option *o)
{
    return (size_t)(option_find(o->name) - option_table);
}

static int apply_flags(struct parse *p, struct err *err)
{
    int rv = 0;
    for (size_t i = 0; rv == 0 && i < p->n_given; i++) {
        char from[96];
        const struct option *named = &option_table[p->given[i].flag];
        snprintf(from, sizeof from, "--%s", named->name);
        p->seen[index_of(named)] = true;
        rv = option_apply(p->m, option_find(named->name), p->given[i].value, from, p->ears, err);
    }
    return rv;
}

/* etcd does not start when a flag and its variable are both there; here the flag counts. */
static int apply_environment(struct parse *p, struct err *err)
{
    autofree bool *flags_seen = mem_dup(p->seen, option_table_n);
    int rv = 0;
    for (size_t i = 0; rv == 0 && i < option_table_n; i++) {
        char from[96];
        const struct option *o = &option_table[index_of(&option_table[i])];
        const char *value = option_table[i].group == GROUP_COMMAND
                                ? NULL
                                : flag_environment(option_table[i].name, from, sizeof from);
        if (value == NULL) {
            continue;
        }
        if (flags_seen[o - option_table]) {
            autofree char *line = mem_printf("%s is passed over: --%s is given", from, o->name);
            say(p->ears, line);
        } else if (!p->seen[o - option_table]) {
            p->seen[o - option_table] = true;
            rv = option_apply(p->m, o, value, from, p->ears, err);
        }
    }
    return rv;
}

/* "ETCD_DATA_DIR" -> "data-dir", when some option has that name or nearly. */
static const char *near_variable(const char *variable, size_t len, bool *ret_exact)
{
    char name[96];
    size_t n = 0;
    for (size_t i = strlen("ETCD_"); i < len && n + 1 < sizeof name; i++) {
        char ch = variable[i];
        name[n++] = ch == '_' ? '-' : ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    name[n] = '\0';
    const struct option *o = row_of(name);
    *ret_exact = o != NULL;
    return o != NULL ? o->name : option_nearest(name);
}

/* A misspelt variable would be silence. Its value is not told: it may be a secret. */
static void tell_unknown_variables(const struct option_ears *ears)
{
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        size_t len = strcspn(*e, "=");
        bool exact;
        if (!str_starts(*e, "ETCD_") || str_starts(*e, "ETCD_UNSUPPORTED_ARCH=")) {
            continue;
        }
        const char *near = near_variable(*e, len, &exact);
        if (!exact) {
            char variable[96] = "";
            if (near != NULL) {
                flag_variable("ETCD_", near, variable, sizeof variable);
            }
            autofree char *line =
                mem_printf("%.*s is no option's variable and is passed over%s%s%s",
                           (int)(len < 80 ? len : 80), *e, near != NULL ? " (did you mean " : "",
                           variable, near != NULL ? "?)" : "");
            say(ears, line);
        }
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static void tell_passed_over(const struct parse *p, const char *path)
{
    autobuf names = BUF_INIT;
    for (size_t i = 0; i < p->n_given; i++) {
        if (option_table[p->given[i].flag].group != GROUP_COMMAND) {
            buf_printf(&names, "%s--%s", names.len > 0 ? ", " : "",
                       option_table[p->given[i].flag].name);
        }
    }
    for (size_t i = 0; i < option_table_n; i++) {
        char variable[96];
        if (option_table[i].group != GROUP_COMMAND &&
            flag_environment(option_table[i].name, variable, sizeof variable) != NULL) {
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", variable);
        }
    }
    if (names.len > 0) {
        autofree char *line =
            mem_printf("the configuration is %s alone: %s passed over", path, buf_str(&names));
        say(p->ears, line);
    }
}

static int apply_file(struct parse *p, const char *path, struct err *err)
{
    autobuf text = BUF_INIT;
    int rv = fs_read_file(NULL, path, LIMIT_CONFIG_BYTES, &text, err);
    if (rv != 0) {
        return err_prefix(err, "--config-file");
    }
    tell_passed_over(p, path);
    return config_file_apply(p->m, path, buf_slice(&text), p->ears, err);
}

static const char *config_file_of(const struct parse *p)
{
    static char variable[96];
    const char *path = NULL;
    for (size_t i = 0; i < p->n_given; i++) {
        if (str_eq(option_table[p->given[i].flag].name, "config-file")) {
            path = p->given[i].value;
        }
    }
    return path != NULL ? path : flag_environment("config-file", variable, sizeof variable);
}

/* --- all of it -------------------------------------------------------------------------------- */

int options_parse(struct member_flags *m, int *argc, char **argv, bool *ret_help,
                  const struct option_ears *ears, struct err *err)
{
    autofree struct flag *flags = mem_alloc(option_table_n * sizeof *flags);
    autofree struct flag_given *given = mem_alloc((size_t)(*argc + 1) * sizeof *given);
    autofree bool *seen = mem_zalloc(option_table_n);
    struct parse p = { .m = m, .ears = ears, .given = given, .seen = seen };
    for (size_t i = 0; i < option_table_n; i++) {
        flags[i] = flag_of(&option_table[i], m, NULL);
        if (option_table[i].fate == OPT_ALIAS) {
            flags[i].type = option_find(option_table[i].name)->type;
        }
    }
    int rv = flags_scan(flags, option_table_n, argc, argv, given, &p.n_given, ret_help, err);
    if (rv != 0 || *ret_help) {
        return rv;
    }
    const char *path = config_file_of(&p);
    if (path != NULL && path[0] != '\0') {
        return apply_file(&p, path, err);
    }
    rv = apply_flags(&p, err);
    rv = rv == 0 ? apply_environment(&p, err) : rv;
    if (rv == 0) {
        tell_unknown_variables(ears);
    }
    return rv;
}
