/* One pass over argv, then one over the table for what the environment says. */
#include "cmd/flags.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
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

static int set(const struct flag *f, const char *value, const char *from, struct err *err)
{
    switch (f->type) {
    case FLAG_STRING:
        *(const char **)f->into = value;
        return 0;
    case FLAG_BOOL:
        if (str_eq(value, "true") || str_eq(value, "1")) {
            *(bool *)f->into = true;
        } else if (str_eq(value, "false") || str_eq(value, "0")) {
            *(bool *)f->into = false;
        } else {
            return err_set(err, E_INVAL, "%s: \"%s\" is not true or false", from, value);
        }
        return 0;
    case FLAG_U64:
        if (str_parse_u64(value, INT64_MAX, f->into) != 0) {
            return err_set(err, E_INVAL, "%s: \"%s\" is not a number", from, value);
        }
        return 0;
    case FLAG_DURATION:
        if (str_parse_duration(value, 1, f->into) != 0) {
            return err_set(err, E_INVAL, "%s: \"%s\" is not a duration (like 500ms, 3s, 10m)", from,
                           value);
        }
        return 0;
    case FLAG_IGNORED:
        fprintf(stderr, "barque: %s has no effect: %s\n", from, f->help);
        return 0;
    default:
        UNREACHABLE();
    }
}

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

static int from_environment(const struct flag *f, struct err *err)
{
    static const char *const prefixes[] = { "BARQUE_", "ETCD_" };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        char name[96];
        size_t at = (size_t)snprintf(name, sizeof name, "%s%s", prefixes[i], f->name);
        for (size_t k = 0; k < at && k < sizeof name; k++) {
            name[k] = name[k] == '-' ? '_' : (char)toupper((unsigned char)name[k]);
        }
        const char *value = getenv(name);
        if (value != NULL && value[0] != '\0') {
            return set(f, value, name, err);
        }
    }
    return 0;
}

int flags_parse(const struct flag *flags, size_t n, int *argc, char **argv, bool *ret_help,
                struct err *err)
{
    int kept = 1;
    *ret_help = false;
    autofree bool *given = mem_zalloc(n + 1);
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
        char *name = arg + (arg[1] == '-' ? 2 : 1);
        char *eq = strchr(name, '=');
        size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
        const struct flag *f = find(flags, n, name, len);
        if (f == NULL) {
            return unknown(flags, n, name, len, err);
        }
        const char *value = eq != NULL ? eq + 1 : NULL;
        if (value == NULL && f->type == FLAG_BOOL) {
            value = "true";
        } else if (value == NULL) {
            if (i + 1 >= *argc) {
                return err_set(err, E_INVAL, "--%s needs a value (%s)", f->name, f->value);
            }
            value = argv[++i];
        }
        char from[80];
        snprintf(from, sizeof from, "--%s", f->name);
        int rv = set(f, value, from, err);
        if (rv != 0) {
            return rv;
        }
        given[f - flags] = true;
    }
    argv[kept] = NULL;
    *argc = kept;
    for (size_t i = 0; i < n; i++) {
        int rv = given[i] ? 0 : from_environment(&flags[i], err);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

void flags_print(const struct flag *flags, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (flags[i].type != FLAG_IGNORED && flags[i].help != NULL) {
            char left[64];
            snprintf(left, sizeof left, "--%s %s", flags[i].name,
                     flags[i].value != NULL ? flags[i].value : "");
            printf("  %-40s %s\n", left, flags[i].help);
        }
    }
}
