/* The command line: which scripts, which kinds of failure, how many points of each; the sums. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tests/failure/failure.h"

enum { SCRIPTS_MAX = 128, TRIES = 60 };

struct args {
    const char *dir;
    const char *only_script;
    int only_kind; /* -1: all */
    uint64_t tries; /* of one script and kind, about; 0: all there are */
    uint64_t n;
    int variant;
    uint64_t share; /* every so many scripts */
    uint32_t lies;  /* of the disk: the loops must find them out */
    bool verbose, tap;
};

static struct script scripts[SCRIPTS_MAX];
static size_t n_scripts;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct script *)a)->name, ((const struct script *)b)->name);
}

static void read_scripts(const struct args *a)
{
    DIR *dir = opendir(a->dir);
    if (dir == NULL) {
        fprintf(stderr, "failure: no directory %s\n", a->dir);
        exit(2);
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL && n_scripts < SCRIPTS_MAX;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot != NULL && str_eq(dot, ".script")) {
            autofree char *path = mem_printf("%s/%s", a->dir, e->d_name);
            script_read(&scripts[n_scripts++], path);
        }
    }
    closedir(dir);
    qsort(scripts, n_scripts, sizeof *scripts, by_name);
}

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("failure: mmap");
        exit(2);
    }
    return p;
}

/* A process of its own for one pass over a script; false when it ended badly. */
static bool pass(const struct script *script, const struct plan *plan)
{
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        inject_init(plan);
        play(script, plan->verbose);
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint64_t stride_of(const struct args *a, uint64_t points)
{
    return a->tries == 0 || points <= a->tries ? 1 : (points + a->tries - 1) / a->tries;
}

/* One script and kind; what came of it in *total. */
static bool loop(const struct args *a, const struct script *script, enum kind kind,
                 struct outcome *total, struct outcome *child)
{
    struct plan plan = {
        .kind = kind, .script = script->name, .total = total, .child = child, .variant = -1,
        .verbose = a->verbose, .all = a->tries == 0, .lies = a->lies,
    };
    *total = *child = (struct outcome){ 0 };
    if (a->n != 0) {
        plan.only = a->n;
        plan.variant = a->variant;
        return pass(script, &plan);
    }
    if (!pass(script, &plan)) {
        fprintf(stderr, "%s does not pass without a failure: %s\n", script->name,
                total->verdict.text);
        return false;
    }
    plan.stride = stride_of(a, total->points);
    return pass(script, &plan) && total->violations == 0;
}

static void add(struct outcome *sum, const struct outcome *o)
{
    sum->points += o->points;
    sum->tried += o->tried;
    sum->survived += o->survived;
    sum->clean_exits += o->clean_exits;
    sum->crashes += o->crashes;
    sum->refused += o->refused;
    sum->unknown += o->unknown;
    sum->violations += o->violations;
}

static void print(const char *head, const char *name, enum kind kind, const struct outcome *o)
{
    printf("%s%-26s %-5s points %6llu  tried %6llu  survived %6llu  clean exits %5llu  crashes "
           "%5llu  refused %5llu  unanswered %4llu  violations %llu\n",
           head, name, kind_name(kind), (unsigned long long)o->points,
           (unsigned long long)o->tried, (unsigned long long)o->survived,
           (unsigned long long)o->clean_exits, (unsigned long long)o->crashes,
           (unsigned long long)o->refused, (unsigned long long)o->unknown,
           (unsigned long long)o->violations);
    fflush(stdout);
}

static bool chosen(const struct args *a, size_t i, int kind)
{
    return (a->only_script == NULL ? i % a->share == 0
                                   : str_eq(scripts[i].name, a->only_script)) &&
           (a->only_kind < 0 || kind == a->only_kind);
}

static int run(const struct args *a)
{
    struct outcome *total = shared(sizeof *total), *child = shared(sizeof *child);
    struct outcome sums[KINDS] = { 0 };
    size_t played = 0, bad = 0;
    for (size_t i = 0; i < n_scripts; i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            if (!chosen(a, i, kind)) {
                continue;
            }
            bool good = loop(a, &scripts[i], (enum kind)kind, total, child);
            played++;
            bad += !good;
            add(&sums[kind], total);
            if (a->tap) {
                printf("%s %zu - %s_at_every_point_of_%s\n", good ? "ok" : "not ok", played,
                       kind_name((enum kind)kind), scripts[i].name);
            }
            if (a->n == 0) {
                print(a->tap ? "# " : "", scripts[i].name, (enum kind)kind, total);
            }
        }
    }
    for (int kind = 0; kind < KINDS && a->n == 0; kind++) {
        if (chosen(a, 0, kind) || a->only_script != NULL) {
            print(a->tap ? "# note: " : "", "all", (enum kind)kind, &sums[kind]);
        }
    }
    if (!a->tap) {
        printf("%zu passed, %zu failed\n", played - bad, bad);
    }
    return played == 0 || bad > 0;
}

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
    printf("failure [--full | --tries N] [--share K] [--script NAME] [--kind alloc|io|crash]\n"
           "        [--n POINT [--variant V]] [--verbose] [--tap] [--dir DIR]\n"
           "        [--lie sync|sync-dir]\n");
    exit(2);
}

static int kind_named(const char *name)
{
    for (int kind = 0; kind < KINDS; kind++) {
        if (str_eq(kind_name((enum kind)kind), name)) {
            return kind;
        }
    }
    usage();
}

static uint32_t lie_named(const char *name)
{
    if (!str_eq(name, "sync") && !str_eq(name, "sync-dir")) {
        usage();
    }
    return 1u << (str_eq(name, "sync") ? DISK_SYNC : DISK_SYNC_DIR);
}

/* One flag with a value. */
static void set_value(struct args *a, const char *flag, const char *value)
{
    if (str_eq(flag, "--script")) {
        a->only_script = value;
    } else if (str_eq(flag, "--kind")) {
        a->only_kind = kind_named(value);
    } else if (str_eq(flag, "--dir")) {
        a->dir = value;
    } else if (str_eq(flag, "--tries")) {
        a->tries = strtoull(value, NULL, 10);
    } else if (str_eq(flag, "--share")) {
        a->share = strtoull(value, NULL, 10);
    } else if (str_eq(flag, "--n")) {
        a->n = strtoull(value, NULL, 10);
    } else if (str_eq(flag, "--variant")) {
        a->variant = (int)strtoul(value, NULL, 10);
    } else if (str_eq(flag, "--lie")) {
        a->lies |= lie_named(value);
    } else {
        usage();
    }
}

int main(int argc, char **argv)
{
    struct args a = { .dir = "tests/failure/scripts", .only_kind = -1, .tries = TRIES,
                      .share = 1 };
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (str_eq(flag, "--full")) {
            a.tries = 0;
        } else if (str_eq(flag, "--verbose")) {
            a.verbose = true;
        } else if (str_eq(flag, "--tap")) {
            a.tap = true;
        } else if (value == NULL) {
            usage();
        } else {
            set_value(&a, flag, argv[++i]);
        }
    }
    if (a.share == 0) {
        usage();
    }
    log_set_level(a.verbose ? LOG_DEBUG : LOG_OFF);
    log_set_sink(sim_log_line, NULL);
    read_scripts(&a);
    return run(&a);
}
