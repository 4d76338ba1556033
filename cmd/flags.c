/* One pass over argv, then one over the table for what the environment says. */
#include "cmd/flags.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/values.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

static const struct flag *find(const struct flag *flags, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

/* --- values ----------------------------------------------------------------------------------- */

static int wrong_choice(const struct flag *f, const char *value, const char *from, struct err *err)
{
    autobuf list = BUF_INIT;
    for (const char *at = f->value; *at != '\0'; at++) {
        buf_append_str(&list, *at == '|' ? ", " : (char[2]){ *at, '\0' });
    }
    return err_set(err, E_INVAL, "%s: \"%s\" is not one of %s", from, value, buf_str(&list));
}

static int wrong_duration(const struct flag *f, const char *value, const char *from,
                          struct err *err)
{
    uint64_t ignored;
    bool no_unit = f->type == FLAG_INTERVAL && value_duration(value, 1, &ignored) == 0;
    return err_set(err, E_INVAL, "%s: \"%s\" %s (like 500ms, 3s, 10m)", from, value,
                   no_unit ? "lacks its unit" : "is not a duration");
}

static int set_number(const struct flag *f, const char *value, const char *from, struct err *err)
{
    switch (f->type) {
    case FLAG_U64:
        return value_u64(value, INT64_MAX, f->into) == 0
                   ? 0
                   : err_set(err, E_INVAL, "%s: \"%s\" is not a number from 0", from, value);
    case FLAG_I64:
        return value_i64(value, f->into) == 0
                   ? 0
                   : err_set(err, E_INVAL, "%s: \"%s\" is not a whole number", from, value);
    case FLAG_DURATION:
    case FLAG_INTERVAL:
        return value_duration(value, f->type == FLAG_DURATION ? 1000000 : 0, f->into) == 0
                   ? 0
                   : wrong_duration(f, value, from, err);
    default:
        UNREACHABLE();
    }
}

int flag_set(const struct flag *f, const char *value, const char *from, struct err *err)
{
    switch (f->type) {
    case FLAG_URLS:
        if (value_urls(value, err) != 0) {
            return err_prefix(err, "%s", from);
        }
        break;
    case FLAG_CHOICE:
        if (!value_is_choice(value, f->value)) {
            return wrong_choice(f, value, from, err);
        }
        break;
    case FLAG_STRING:
    case FLAG_WORD:
        break;
    case FLAG_BOOL:
        return value_bool(value, f->into) == 0
                   ? 0
                   : err_set(err, E_INVAL, "%s: \"%s\" is not true or false", from, value);
    default:
        return set_number(f, value, from, err);
    }
    *(const char **)f->into = value;
    return 0;
}

/* --- the environment -------------------------------------------------------------------------- */

void flag_variable(const char *prefix, const char *name, char *ret_variable, size_t size)
{
    snprintf(ret_variable, size, "%s%s", prefix, name);
    for (char *p = ret_variable; *p != '\0'; p++) {
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    }
}

const char *flag_environment(const char *name, char *ret_variable, size_t size)
{
    static const char *const prefixes[] = { "BARQUE_", "ETCD_" };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        flag_variable(prefixes[i], name, ret_variable, size);
        const char *value = getenv(ret_variable);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return NULL;
}

/* --- the command line ------------------------------------------------------------------------- */

static int unknown(const struct flag *flags, size_t n, const char *arg, size_t len,
                   struct err *err)
{
    autofree const char **names = mem_alloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) {
        names[i] = flags[i].name;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), arg);
    const char *near = str_nearest(name, names, n);
    if (near != NULL) {
        return err_set(err, E_INVAL, "unknown flag --%s (did you mean --%s?)", name, near);
    }
    return err_set(err, E_INVAL, "unknown flag --%s", name);
}

/* argv[*i] is a flag; its value may be the next word. */
static int take_flag(const struct flag *flags, size_t n, char **argv, int argc, int *i,
                     struct flag_given *ret_given, struct err *err)
{
    char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    char *eq = strchr(name, '=');
    size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
    const struct flag *f = find(flags, n, name, len);
    if (f == NULL) {
        return unknown(flags, n, name, len, err);
    }
    const char *value = eq != NULL ? eq + 1 : NULL;
    if (value == NULL && (f->type == FLAG_BOOL || f->type == FLAG_WORD)) {
        value = f->type == FLAG_BOOL ? "true" : "";
    } else if (value == NULL) {
        if (*i + 1 >= argc) {
            return err_set(err, E_INVAL, "--%s needs a value (%s)", f->name, f->value);
        }
        value = argv[++*i];
    }
    *ret_given = (struct flag_given){ .flag = (size_t)(f - flags), .value = value };
    return 0;
}

int flags_scan(const struct flag *flags, size_t n, int *argc, char **argv,
               struct flag_given *ret_given, size_t *ret_n, bool *ret_help, struct err *err)
{
    int kept = 1;
    *ret_help = false;
    *ret_n = 0;
    for (int i = 1; i < *argc; i++) {
        char *arg = argv[i];
        if (str_eq(arg, "-h") || str_eq(arg, "--help")) {
            *ret_help = true;
            continue;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            argv[kept++] = arg;
            continue;
        }
        if (str_eq(arg, "--")) {
            while (++i < *argc) {
                argv[kept++] = argv[i];
            }
            break;
        }
        int rv = take_flag(flags, n, argv, *argc, &i, &ret_given[*ret_n], err);
        if (rv != 0) {
            return rv;
        }
        (*ret_n)++;
    }
    argv[kept] = NULL;
    *argc = kept;
    return 0;
}

int flags_parse(const struct flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                struct err *err)
{
    autofree struct flag_given *given = mem_alloc((size_t)(*argc + 1) * sizeof *given);
    autofree bool *seen = mem_zalloc(n + 1);
    char from[96];
    size_t n_given;
    int rv = flags_scan(flags, n, argc, argv, given, &n_given, ret_help, err);
    for (size_t i = 0; rv == 0 && i < n_given; i++) {
        const struct flag *f = &flags[given[i].flag];
        snprintf(from, sizeof from, "--%s", f->name);
        rv = flag_set(f, given[i].value, from, err);
        seen[given[i].flag] = true;
    }
    for (size_t i = 0; rv == 0 && i < n; i++) {
        const char *value = seen[i] ? NULL : flag_environment(flags[i].name, from, sizeof from);
        rv = value != NULL ? flag_set(&flags[i], value, from, err) : 0;
    }
    return rv;
}

void flags_print(const struct flag *flags, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (flags[i].help != NULL) {
            char left[64];
            snprintf(left, sizeof left, "--%s %s", flags[i].name,
                     flags[i].value != NULL ? flags[i].value : "");
            printf("  %-40s %s\n", left, flags[i].help);
        }
    }
}
