/* Regression files: a run that failed once, as text that people read and the simulator plays.
 *
 *     # what this is, and how to play it
 *     why one line, by hand: what the bug was
 *     commit f64cefe8d5d9
 *     violation STALE READ: member 2 has applied 8, 9 was known
 *     seed 17
 *     machine chain
 *     gates-off 0x80000
 *     founders 3                  and every other option, by its name (options.c)
 *     skip-acts 1-4,6             choices left out (choice.h)
 *     skip-clients 1-200
 *
 * Played as it is, it must pass: the bug is gone. With gates-off laid over it (--expect-violation)
 * the same invariant must break: so a bug made on purpose shows that the file still finds it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "tests/sim/shrink.h"

enum { CPU_S = 60, LINE_MAX_BYTES = 1 << 20 };

static const char *const SKIP_NAMES[CHOICES_SKIPPABLE] = {
    [CHOICE_ACT] = "skip-acts",
    [CHOICE_CLIENT] = "skip-clients",
};

void kept_fini(struct kept *k)
{
    for (size_t i = 0; i < CHOICES_SKIPPABLE; i++) {
        skips_fini(&k->setup.skips[i]);
    }
}

int kept_write(const char *path, const struct kept *k, const char *about, struct err *err)
{
    autobuf text = BUF_INIT;
    buf_printf(&text, "# A run that broke an invariant, shrunk: %s.\n", about);
    buf_printf(&text, "# build/sim --replay %s (must pass; tests/sim/kept.c tells the format)\n",
               path);
    buf_printf(&text, "why (say here what the bug was)\ncommit %s\nviolation %s\n", k->commit,
               k->violation);
    buf_printf(&text, "seed %" PRIu64 "\nmachine %s\ngates-off 0x%x\n", k->seed,
               machine_name(k->setup.machine), k->setup.gates_off);
    options_print_lines(&k->setup, &text);
    for (size_t i = 0; i < CHOICES_SKIPPABLE; i++) {
        buf_printf(&text, "%s ", SKIP_NAMES[i]);
        skips_print(&k->setup.skips[i], &text);
        buf_append_char(&text, '\n');
    }
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        return err_set(err, E_IO, "%s: %s", path, strerror(errno));
    }
    size_t n = fwrite(text.data, 1, text.len, f);
    int rv = fclose(f);
    return n == text.len && rv == 0 ? 0 : err_set(err, E_IO, "%s: write failed", path);
}

static int take_number(const char *value, uint64_t *ret)
{
    char *end;
    *ret = strtoull(value, &end, 0);
    return end == value || *end != '\0' ? E_INVAL : 0;
}

static int take(struct kept *k, const char *name, const char *value)
{
    uint64_t number;
    if (str_eq(name, "why")) {
        return 0;
    }
    if (str_eq(name, "commit")) {
        return str_copy(k->commit, sizeof k->commit, value) ? 0 : E_INVAL;
    }
    if (str_eq(name, "violation")) {
        (void)str_copy(k->violation, sizeof k->violation, value);
        return 0;
    }
    if (str_eq(name, "seed")) {
        return take_number(value, &k->seed);
    }
    if (str_eq(name, "machine")) {
        k->setup.machine = machine_named(value);
        return k->setup.machine != NULL ? 0 : E_NOTFOUND;
    }
    if (str_eq(name, "gates-off")) {
        int rv = take_number(value, &number);
        k->setup.gates_off = (uint32_t)number;
        return rv;
    }
    for (size_t i = 0; i < CHOICES_SKIPPABLE; i++) {
        if (str_eq(name, SKIP_NAMES[i])) {
            return skips_parse(value, &k->setup.skips[i]);
        }
    }
    return options_set(&k->setup, name, value);
}

static int read_lines(FILE *f, const char *path, struct kept *k, struct err *err)
{
    char *line = NULL;
    size_t cap = 0;
    int rv = 0;
    for (unsigned number = 1; rv == 0 && getline(&line, &cap, f) > 0; number++) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, ' ');
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (value == NULL || strlen(line) > LINE_MAX_BYTES) {
            rv = err_set(err, E_INVAL, "%s:%u: not `name value`", path, number);
            break;
        }
        *value++ = '\0';
        rv = take(k, line, value);
        if (rv != 0) {
            rv = err_set(err, rv, "%s:%u: %s %s: %s", path, number, line, value, err_name(rv));
        }
    }
    free(line);
    return rv;
}

int kept_read(const char *path, struct kept *ret, struct err *err)
{
    struct kept k = { .setup.machine = &CHAIN_OPS };
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(err, E_NOTFOUND, "%s: %s", path, strerror(errno));
    }
    int rv = read_lines(f, path, &k, err);
    fclose(f);
    if (rv == 0 && (k.seed == 0 || k.violation[0] == '\0')) {
        rv = err_set(err, E_INVAL, "%s: no seed or no violation", path);
    }
    if (rv != 0) {
        kept_fini(&k);
        return rv;
    }
    *ret = k;
    return 0;
}

bool kept_play(const char *path, bool expect, bool verbose)
{
    struct kept k;
    struct trial t;
    struct err err = ERR_INIT;
    if (kept_read(path, &k, &err) != 0) {
        printf("not ok - %s\n", err.msg);
        return false;
    }
    k.setup.verbose = verbose;
    k.setup.gates_off = expect ? k.setup.gates_off : 0;
    int rv = trial_run(&k.setup, k.seed, CPU_S, &t);
    bool same = t.verdict.violated && trial_same(t.verdict.text, k.violation);
    bool ok = rv == 0 && (expect ? same : !t.verdict.violated);
    printf("%s - %s: %s\n", ok ? "ok" : "not ok", path,
           rv != 0 ? err_name(rv) : t.verdict.violated ? t.verdict.text : "holds");
    kept_fini(&k);
    return ok;
}
