/* build/recall/recall: plants each known bug and lets the harness that has to find it look for it.
 *
 *     recall BUILD [--only NAME] [--sample K --pick TEXT] [--cpu-seconds S] [--markdown FILE]
 *
 * A simulator is given seeds from 1 in growing batches until one breaks an invariant; that seed has
 * to pass without the bug. A program of tests must fail with it and pass without. Exit code 1 when
 * one is not found within S CPU seconds (600): then the harness is the bug.
 *
 * --sample takes K bugs that are found within seconds, spread over the table from a place that is
 * made of TEXT (a commit's hash), so that all get their turn. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "tests/recall/command.h"
#include "tests/recall/plan.h"

enum {
    WORDS_MAX = 32,
    BATCH_FIRST = 10,
    BATCH_MAX = 160,
    SEEDS_MAX = 1000000,
    WALL_FACTOR = 4, /* a batch may take so much longer than its CPU time */
    CPU_DEFAULT_S = 600,
    EVIDENCE_BYTES = 80,
};

struct args {
    const char *build;
    const char *only;
    const char *pick;
    const char *markdown;
    unsigned sample; /* 0: all */
    unsigned cpu_s;
};

struct finding {
    enum bug bug;
    bool found;
    bool clean; /* and is not found without the bug */
    uint64_t seed; /* 0: of a program of tests */
    double cpu_s;
    char evidence[EVIDENCE_BYTES];
};

/* --- one command ------------------------------------------------------------------------------ */

/* Cuts the text at its spaces; a NULL follows the last word. */
static void split(char *text, char **words)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *at = strtok_r(text, " ", &rest); at != NULL && n < WORDS_MAX - 1;
         at = strtok_r(NULL, " ", &rest)) {
        words[n++] = at;
    }
    words[n] = NULL;
}

/* `seeds`: "A..B", or NULL for a program of tests. */
static bool run(const struct args *a, enum bug bug, const char *planted, const char *seeds,
                struct outcome *ret)
{
    const struct plan *p = plan_of(bug);
    const struct finder_info *f = finder_info(p->finder);
    char *words[WORDS_MAX];
    autobuf line = BUF_INIT;
    buf_printf(&line, "%s/%s", a->build, f->program);
    if (seeds != NULL) {
        buf_printf(&line, " --seeds %s", seeds);
    }
    buf_printf(&line, " %s %s", f->arguments != NULL ? f->arguments : "",
               p->arguments != NULL ? p->arguments : "");
    split(mem_strdup(buf_str(&line)), words);
    int rv = command_run(planted, words, WALL_FACTOR * a->cpu_s, bug_info(bug)->name, ret);
    mem_free(words[0]);
    return rv == 0;
}

/* Copies the text up to any of `stops`. */
static void copy_until(char *to, const char *text, const char *stops)
{
    size_t n = strcspn(text, stops);
    n = n < EVIDENCE_BYTES - 1 ? n : EVIDENCE_BYTES - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}

/* --- seeds ------------------------------------------------------------------------------------ */

/* "VIOLATION seed 12 at 9.441 s: CANNOT START: member 4: ..." */
static bool read_violation(const char *output, struct finding *f)
{
    const char *at = strstr(output, "VIOLATION seed ");
    if (at == NULL) {
        return false;
    }
    f->seed = strtoull(at + strlen("VIOLATION seed "), NULL, 10);
    at = strstr(at, ": ");
    copy_until(f->evidence, at != NULL ? at + 2 : "violation", ":\n");
    return f->seed != 0;
}

static void search_seeds(const struct args *a, struct finding *f)
{
    const char *name = bug_info(f->bug)->name;
    char seeds[64];
    struct outcome o;
    uint64_t batch = BATCH_FIRST;
    for (uint64_t from = 1; !f->found && f->cpu_s < a->cpu_s && from < SEEDS_MAX; from += batch) {
        batch = from == 1 || batch == BATCH_MAX ? batch : batch * 2;
        snprintf(seeds, sizeof seeds, "%" PRIu64 "..%" PRIu64, from, from + batch - 1);
        if (!run(a, f->bug, name, seeds, &o)) {
            return;
        }
        f->cpu_s += o.cpu_s;
        f->found = o.failed && read_violation(o.output, f);
        bool broken = o.failed && !f->found;
        if (broken) {
            fprintf(stderr, "%s", o.output);
        }
        outcome_fini(&o);
        if (broken) {
            return;
        }
    }
    if (!f->found) {
        return;
    }
    snprintf(seeds, sizeof seeds, "%" PRIu64 "..%" PRIu64, f->seed, f->seed);
    if (run(a, f->bug, NULL, seeds, &o)) {
        f->clean = !o.failed;
        outcome_fini(&o);
    }
}

/* --- programs of tests ------------------------------------------------------------------------ */

/* Without a bug; asked once. */
static bool tests_pass(const struct args *a, enum bug bug)
{
    static struct {
        bool asked, passes;
    } known[FINDERS];
    enum finder finder = plan_of(bug)->finder;
    struct outcome o;
    if (!known[finder].asked && run(a, bug, NULL, NULL, &o)) {
        known[finder].asked = true;
        known[finder].passes = !o.failed;
        outcome_fini(&o);
    }
    return known[finder].passes;
}

static void search_tests(const struct args *a, struct finding *f)
{
    struct outcome o;
    if (!run(a, f->bug, bug_info(f->bug)->name, NULL, &o)) {
        return;
    }
    f->cpu_s = o.cpu_s;
    f->found = o.failed && !o.timed_out;
    const char *at = strstr(o.output, "not ok ");
    const char *name = at != NULL ? strstr(at, " - ") : NULL;
    if (name != NULL) {
        copy_until(f->evidence, name + 3, "\n");
    } else if (f->found) {
        snprintf(f->evidence, sizeof f->evidence, "%s", o.signal != 0 ? strsignal(o.signal) : "");
    }
    outcome_fini(&o);
    f->clean = tests_pass(a, f->bug);
}

/* --- the table -------------------------------------------------------------------------------- */

static void search(const struct args *a, struct finding *f)
{
    if (finder_info(plan_of(f->bug)->finder)->seeds) {
        search_seeds(a, f);
    } else {
        search_tests(a, f);
    }
}

static const char *verdict(const struct finding *f)
{
    return !f->found ? "NOT FOUND" : !f->clean ? "FOUND WITHOUT IT TOO" : "ok";
}

static void tell(const struct finding *f)
{
    const struct bug_info *info = bug_info(f->bug);
    char seed[24] = "-";
    if (f->seed != 0) {
        snprintf(seed, sizeof seed, "%" PRIu64, f->seed);
    }
    printf("%-22s %-15s %-46.46s %5s %7.2f  %s\n", info->name,
           finder_info(plan_of(f->bug)->finder)->name, f->evidence, seed, f->cpu_s, verdict(f));
    fflush(stdout);
}

static void write_row(FILE *out, const struct finding *f)
{
    const struct bug_info *info = bug_info(f->bug);
    char seed[24] = "";
    if (f->seed != 0) {
        snprintf(seed, sizeof seed, "%" PRIu64, f->seed);
    }
    fprintf(out, "| %s | %s | %s | %s: %s | %s | %.2f |\n", info->name, info->what, info->source,
            finder_info(plan_of(f->bug)->finder)->name, f->found ? f->evidence : "not found", seed,
            f->cpu_s);
}

static int write_markdown(const char *path, const struct finding *findings, size_t n)
{
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        perror(path);
        return E_IO;
    }
    fprintf(out, "| bug | what goes wrong | known from | caught by | seed | CPU s |\n"
                 "|---|---|---|---|---:|---:|\n");
    for (size_t i = 0; i < n; i++) {
        write_row(out, &findings[i]);
    }
    return fclose(out) == 0 ? 0 : E_IO;
}

/* --- which ------------------------------------------------------------------------------------ */

static size_t choose(const struct args *a, enum bug *ret)
{
    size_t n = 0;
    for (enum bug b = BUG_NONE + 1; b < BUGS; b++) {
        bool wanted = a->only != NULL ? str_eq(a->only, bug_info(b)->name)
                                      : a->sample == 0 || !plan_of(b)->rare;
        if (wanted) {
            ret[n++] = b;
        }
    }
    if (a->only != NULL || a->sample == 0 || a->sample >= n) {
        return n;
    }
    size_t first = hash_bytes(a->pick, strlen(a->pick)) % n;
    enum bug all[BUGS];
    memcpy(all, ret, n * sizeof *ret);
    for (size_t i = 0; i < a->sample; i++) {
        ret[i] = all[(first + i * n / a->sample) % n];
    }
    return a->sample;
}

/* --- arguments -------------------------------------------------------------------------------- */

static bool parse(int argc, char **argv, struct args *a)
{
    if (argc < 2) {
        return false;
    }
    a->build = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (str_eq(argv[i], "--only")) {
            a->only = value;
        } else if (str_eq(argv[i], "--pick")) {
            a->pick = value;
        } else if (str_eq(argv[i], "--markdown")) {
            a->markdown = value;
        } else if (str_eq(argv[i], "--sample")) {
            a->sample = (unsigned)strtoul(value, NULL, 10);
        } else if (str_eq(argv[i], "--cpu-seconds")) {
            a->cpu_s = (unsigned)strtoul(value, NULL, 10);
        } else {
            return false;
        }
    }
    return argc % 2 == 0 && a->cpu_s > 0;
}

int main(int argc, char **argv)
{
    struct args a = { .pick = "", .cpu_s = CPU_DEFAULT_S };
    static struct finding findings[BUGS];
    enum bug bugs[BUGS];
    unsigned found = 0;
    double cpu_s = 0;
    if (!parse(argc, argv, &a)) {
        fprintf(stderr, "usage: recall BUILD [--only NAME] [--sample K] [--pick TEXT]\n"
                        "              [--cpu-seconds S] [--markdown FILE]\n");
        return 2;
    }
    size_t n = choose(&a, bugs);
    for (size_t i = 0; i < n; i++) {
        findings[i].bug = bugs[i];
        search(&a, &findings[i]);
        tell(&findings[i]);
        found += findings[i].found && findings[i].clean;
        cpu_s += findings[i].cpu_s;
    }
    printf("%u of %zu known bugs found, %.0f CPU s\n", found, n, cpu_s);
    if (a.markdown != NULL && write_markdown(a.markdown, findings, n) != 0) {
        return 1;
    }
    return found == n && n > 0 ? 0 : 1;
}
