/* One pass over argv. */
#include "cli/flags.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

struct parse {
    const struct cli_flag *flags;
    size_t n;
    int argc, at;
    char **argv;
    bool help;
    struct err *err;
};

static int set(const struct cli_flag *f, const char *value, const char *from, struct err *err)
{
    switch (f->type) {
    case CLI_STRING:
        *(const char **)f->into = value;
        return 0;
    case CLI_BOOL:
        if (!str_eq(value, "true") && !str_eq(value, "false")) {
            return err_set(err, E_INVAL, "%s: \"%s\" is neither true nor false", from, value);
        }
        *(bool *)f->into = str_eq(value, "true");
        return 0;
    case CLI_INT:
        if (str_parse_i64(value, f->into) != 0) {
            return err_set(err, E_INVAL, "%s: \"%s\" is not a number", from, value);
        }
        return 0;
    case CLI_DURATION:
        if (str_parse_duration(value, 1000, f->into) != 0) {
            return err_set(err, E_INVAL, "%s: \"%s\" is not a duration (like 500ms, 30s, 5m)",
                           from, value);
        }
        return 0;
    case CLI_LIST: {
        struct cli_list *list = f->into;
        if (list->n == CLI_LIST_MAX) {
            return err_set(err, E_TOOBIG, "%s: more than %d times", from, CLI_LIST_MAX);
        }
        list->items[list->n++] = value;
        return 0;
    }
    default:
        UNREACHABLE();
    }
}

static int unknown(const struct parse *p, const char *name)
{
    autofree const char **names = mem_alloc((p->n + 1) * sizeof *names);
    const char *near;

    for (size_t i = 0; i < p->n; i++) {
        names[i] = p->flags[i].name;
    }
    near = str_nearest(name, names, p->n);
    if (near != NULL) {
        return err_set(p->err, E_INVAL, "unknown flag --%s (did you mean --%s?)", name, near);
    }
    return err_set(p->err, E_INVAL, "unknown flag --%s", name);
}

/* `value` NULL: the next argument. */
static int take(struct parse *p, const struct cli_flag *f, const char *from, const char *value)
{
    if (value == NULL && f->type == CLI_BOOL) {
        value = "true";
    }
    if (value == NULL) {
        if (p->at + 1 >= p->argc) {
            return err_set(p->err, E_INVAL, "%s needs a value (%s)", from, f->value);
        }
        value = p->argv[++p->at];
    }
    return set(f, value, from, p->err);
}

static int take_long(struct parse *p, const char *arg)
{
    const char *name = arg + 2;
    size_t len = strcspn(name, "=");
    autofree char *exact = mem_printf("%.*s", (int)(len < 64 ? len : 64), name);
    autofree char *from = mem_printf("--%s", exact);

    if (str_eq(exact, "help")) {
        p->help = true;
        return 0;
    }
    for (size_t i = 0; i < p->n; i++) {
        if (str_eq(p->flags[i].name, exact)) {
            return take(p, &p->flags[i], from, name[len] == '=' ? name + len + 1 : NULL);
        }
    }
    return unknown(p, exact);
}

static const struct cli_flag *by_letter(const struct parse *p, char letter)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->flags[i].letter == letter && letter != 0) {
            return &p->flags[i];
        }
    }
    return NULL;
}

/* "-fw" (booleans together), "-oyaml", "-o=yaml", "-o yaml". */
static int take_short(struct parse *p, const char *arg)
{
    for (const char *at = arg + 1; *at != 0; at++) {
        char from[3] = { '-', *at, 0 };
        const struct cli_flag *f = by_letter(p, *at);

        if (f == NULL && *at == 'h') {
            p->help = true;
            continue;
        }
        if (f == NULL) {
            return err_set(p->err, E_INVAL, "unknown flag -%c in \"%s\"", *at, arg);
        }
        if (f->type == CLI_BOOL && at[1] != '=') {
            int rv = take(p, f, from, NULL);
            if (rv != 0) {
                return rv;
            }
            continue;
        }
        return take(p, f, from, at[1] == 0 ? NULL : at + 1 + (at[1] == '='));
    }
    return 0;
}

int cli_flags_parse(const struct cli_flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                    struct err *err)
{
    struct parse p = { flags, n, *argc, 1, argv, false, err };
    int kept = 1;
    bool only_arguments = false;

    for (; p.at < p.argc; p.at++) {
        char *arg = argv[p.at];
        int rv = 0;

        if (only_arguments || arg[0] != '-' || arg[1] == 0) {
            argv[kept++] = arg;
        } else if (str_eq(arg, "--")) {
            only_arguments = true;
        } else {
            rv = arg[1] == '-' ? take_long(&p, arg) : take_short(&p, arg);
        }
        if (rv != 0) {
            return rv;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    *ret_help = p.help;
    return 0;
}

void cli_flags_print(const struct cli_flag *flags, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_flag *f = &flags[i];
        autofree char *left =
            mem_printf("--%s%s%s", f->name, f->value != NULL ? " " : "",
                       f->value != NULL ? f->value : "");

        if (f->letter != 0) {
            buf_printf(out, "  -%c, %-24s %s\n", f->letter, left, f->help);
        } else {
            buf_printf(out, "      %-24s %s\n", left, f->help);
        }
    }
}
