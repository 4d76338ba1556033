/* build/sim: the simulator's command line.
 *
 *     sim --seed N               one run, options printed first
 *     sim --seeds A..B           many, --jobs J at a time
 *     sim --hours H [--from A]   as many as make up H simulated hours
 *     sim --recall FILE          what the file lists is found (recall_line)
 *     sim --replay FILE          plays a kept failure (kept.c)
 *
 * Exit code 1 when any run broke an invariant; each is printed with the command that repeats it.
 * Workers are processes (a violation ends its process on the spot), and are renewed now and then
 * because a simulated crash within an operation leaks what the dead process held. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sim.h"

#ifndef BARQUE_COMMIT
#define BARQUE_COMMIT "unknown"
#endif

enum {
    JOBS_MAX = 16,
    RUNS_PER_PROCESS = 200,
    HANG_S = 60,
    PROGRESS_MS = 5000,
    BAD_MAX = 5, /* that are shrunk */
    SHRINK_TRIALS = 4000,
    SHRINK_SECONDS = 120,
};

struct args {
    struct sim_setup setup;
    uint64_t from, to; /* seeds */
    double hours;      /* 0: by seeds */
    unsigned jobs;
    bool keep_going;
    bool twice;
    bool one;
    bool quiet;
    const char *recall;
    bool shrink;
    const char *shrink_dir; /* where shrunk failures go */
    struct shrink_limits limits;
    const char *replay;
    bool expect;
};

/* Shared by all processes. */
struct board {
    uint64_t next;
    uint64_t sim_us;
    uint64_t seeds[JOBS_MAX]; /* that each worker is at */
    struct sim_stats stats[JOBS_MAX];
    uint64_t bad[BAD_MAX]; /* seeds, as they were found */
    unsigned n_bad;
};

/* --- one process ------------------------------------------------------------------------------ */

static void run_one(const struct args *a, uint64_t seed, struct sim_stats *stats)
{
    alarm(HANG_S);
    uint64_t trace = sim_run(&a->setup, seed, stats);
    if (a->twice) {
        uint64_t again = sim_run(&a->setup, seed, stats);
        if (again != trace) {
            printf("VIOLATION seed %" PRIu64 ": NOT DETERMINISTIC: trace %016" PRIx64
                   " and %016" PRIx64 "\n", seed, trace, again);
            fflush(stdout);
            _exit(1);
        }
    }
    if (a->one) {
        printf("trace %016" PRIx64 "\n", trace);
    }
    alarm(0);
}

/* The seed that is after all others. */
#define STOP (UINT64_MAX / 2)

static bool more(const struct args *a, struct board *b)
{
    if (__atomic_load_n(&b->next, __ATOMIC_RELAXED) >= STOP) {
        return false;
    }
    return a->hours > 0
               ? (double)__atomic_load_n(&b->sim_us, __ATOMIC_RELAXED) < a->hours * 3.6e9
               : __atomic_load_n(&b->next, __ATOMIC_RELAXED) <= a->to;
}

static void finish(void) __attribute__((noreturn));
static void finish(void)
{
    fflush(stdout);
    _exit(0);
}

static void work(const struct args *a, struct board *b, unsigned job)
{
    struct sim_stats *stats = &b->stats[job];
    trial_catch_signals();
    for (int k = 0; k < RUNS_PER_PROCESS; k++) {
        if (!more(a, b)) {
            finish();
        }
        uint64_t seed = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED);
        if (seed > a->to) {
            finish();
        }
        uint64_t before = stats->sim_us;
        b->seeds[job] = seed;
        run_one(a, seed, stats);
        __atomic_fetch_add(&b->sim_us, stats->sim_us - before, __ATOMIC_RELAXED);
    }
    finish();
}

/* --- the parent ------------------------------------------------------------------------------- */

static struct sim_stats sum(const struct board *b)
{
    struct sim_stats total = { 0 };
    uint64_t *t = (uint64_t *)&total;
    for (size_t j = 0; j < JOBS_MAX; j++) {
        const uint64_t *s = (const uint64_t *)&b->stats[j];
        for (size_t i = 0; i < sizeof total / sizeof *t; i++) {
            t[i] += s[i];
        }
    }
    return total;
}

/* Of this process and its workers, all of which have ended: what others do beside them does not
 * count. */
static double cpu_seconds(void)
{
    double seconds = 0;
    static const int WHOSE[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
    for (size_t i = 0; i < ARRAY_LEN(WHOSE); i++) {
        struct rusage u;
        getrusage(WHOSE[i], &u);
        seconds += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    }
    return seconds > 0.001 ? seconds : 0.001;
}

static void print_summary(const struct sim_stats *t, uint64_t wall_ms, unsigned bad)
{
    double seconds = (double)(wall_ms > 0 ? wall_ms : 1) / 1000;
    double hours = (double)t->sim_us / 3.6e9;
    printf("%.1f simulated hours in %.0f s (%.0fx a core)  seeds %" PRIu64 "  violations %u\n",
           hours, seconds, hours * 3600 / cpu_seconds(), t->runs, bad);
    printf("  steps %" PRIu64 " (%.0f/s)  events %" PRIu64 "  frames %" PRIu64 " (lost %" PRIu64
           ")\n",
           t->steps, (double)t->steps / seconds, t->events, t->frames, t->frames_lost);
    printf("  elections %" PRIu64 "  crashes %" PRIu64 "  stops %" PRIu64 "  pauses %" PRIu64
           "  transfers %" PRIu64 "  changes %" PRIu64 "  snapshots %" PRIu64
           "  installs %" PRIu64 "  bit flips %" PRIu64 " (members lost %" PRIu64
           ", replaced %" PRIu64 ")  full disks %" PRIu64 "  stalled disks %" PRIu64
           "  handovers %" PRIu64 "\n",
           t->elections, t->crashes, t->stops, t->pauses, t->transfers, t->changes, t->snapshots,
           t->installs, t->flips, t->lost, t->replaced, t->full,
           t->disk_stalls, t->handovers);
    printf("  proposed %" PRIu64 "  acked %" PRIu64 "  unknown %" PRIu64 "  refused %" PRIu64
           "  reads %" PRIu64 "  failed reads %" PRIu64 "  asks %" PRIu64 "  forgotten %" PRIu64
           "  applied %" PRIu64 "\n",
           t->proposed, t->acked, t->unknown, t->refused, t->reads, t->reads_failed, t->asks,
           t->forgotten, t->applied);
    if (t->administered + t->alarmed + t->backups > 0) {
        printf("  administered %" PRIu64 "  refused for a right %" PRIu64 "  for an alarm %" PRIu64
               "  backups %" PRIu64 " (hashes compared %" PRIu64 ")\n",
               t->administered, t->no_right, t->alarmed, t->backups, t->backups_hashed);
    }
    if (t->breaks + t->stalls + t->flaps + t->clock_sets > 0) {
        printf("  connections broken %" PRIu64 "  stalled %" PRIu64 "  flaps %" PRIu64
               "  clocks set %" PRIu64 "\n",
               t->breaks, t->stalls, t->flaps, t->clock_sets);
    }
}

static void progress(const struct board *b, uint64_t *last_ms, uint64_t start_ms, unsigned bad)
{
    uint64_t now = clock_mono_ms();
    if (now - *last_ms >= PROGRESS_MS) {
        struct sim_stats t = sum(b);
        *last_ms = now;
        fprintf(stderr, "%5" PRIu64 " s  %.1f h  seeds %" PRIu64 "  acked %" PRIu64 "  bad %u\n",
                (now - start_ms) / 1000, (double)t.sim_us / 3.6e9, t.runs, t.acked, bad);
    }
}

static pid_t spawn(const struct args *a, struct board *b, unsigned job)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (a->quiet) {
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
            dup2(STDOUT_FILENO, STDERR_FILENO);
        }
        work(a, b, job);
    }
    return pid;
}

/* How many workers ended with a violation; the first ones' seeds are in b->bad. */
static unsigned run_many(const struct args *a, struct board *b, uint64_t start_ms)
{
    pid_t pids[JOBS_MAX] = { 0 };
    unsigned bad = 0, running = 0;
    uint64_t last_ms = start_ms;
    b->n_bad = 0;
    for (unsigned j = 0; j < a->jobs; j++) {
        pids[j] = spawn(a, b, j);
        running++;
    }
    while (running > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) {
            struct timespec nap = { 0, 20000000 };
            nanosleep(&nap, NULL);
            if (!a->quiet) {
                progress(b, &last_ms, start_ms, bad);
            }
            continue;
        }
        for (unsigned j = 0; j < a->jobs; j++) {
            if (pids[j] != pid) {
                continue;
            }
            running--;
            pids[j] = 0;
            if (status != 0 && bad++ < BAD_MAX) {
                b->bad[b->n_bad++] = b->seeds[j];
            }
            if ((bad == 0 || a->keep_going) && more(a, b)) {
                pids[j] = spawn(a, b, j);
                running++;
            } else if (bad > 0) {
                __atomic_store_n(&b->next, STOP, __ATOMIC_RELAXED);
            }
        }
    }
    return bad;
}

/* --- recall ----------------------------------------------------------------------------------- */

/* Runs the seeds until one violates; 0 when none does. */
static uint64_t first_bad(struct args *a, struct board *b, uint32_t gates_off, uint64_t from,
                          uint64_t to)
{
    a->setup.gates_off = gates_off;
    b->next = from;
    a->to = to;
    return run_many(a, b, clock_mono_ms()) != 0 ? b->bad[0] : 0;
}

/* Options after the seeds: "with=MASK without=MASK n=FOUNDERS", "world", "store", "plain". Returns
 * where they end. */
static char *recall_options(struct sim_setup *setup, char *at)
{
    unsigned long value;
    int len;
    setup->faults_on = setup->faults_off = setup->founders = 0;
    for (;; at += len) {
        len = 0;
        if (sscanf(at, " with=%lx%n", &value, &len) == 1) {
            setup->faults_on = (uint32_t)value;
        } else if (sscanf(at, " without=%lx%n", &value, &len) == 1) {
            setup->faults_off = (uint32_t)value;
        } else if (sscanf(at, " n=%lu%n", &value, &len) == 1) {
            setup->founders = (unsigned)value;
        } else if (sscanf(at, " world%n", &len) == 0 && len > 0) {
            setup->machine = &WORLD_OPS;
        } else if (sscanf(at, " store%n", &len) == 0 && len > 0) {
            setup->machine = &STORE_OPS;
        } else if (sscanf(at, " plain%n", &len) == 0 && len > 0) {
            (void)options_set(setup, "admin", "0");
        } else {
            return at;
        }
    }
}

/* One line: "0x80 1..400 what it is" (found within these seeds; the seed it is found by passes with
 * all gates on) or "0 17 what it was" (seed 17 passes). */
static bool recall_line(struct args *a, struct board *b, char *line)
{
    char *end;
    uint32_t gates = (uint32_t)strtoul(line, &end, 0);
    uint64_t from = strtoull(end, &end, 0);
    uint64_t to = from;
    if (end[0] == '.' && end[1] == '.') {
        to = strtoull(end + 2, &end, 0);
    }
    const struct machine_ops *machine = a->setup.machine;
    uint64_t set_mask = a->setup.set_mask;
    end = recall_options(&a->setup, end);
    end[strcspn(end, "\n")] = '\0';
    uint64_t seed = gates == 0 ? from : first_bad(a, b, gates, from, to);
    bool clean = seed == 0 || first_bad(a, b, 0, seed, gates == 0 ? to : seed) == 0;
    printf("%s - seed %" PRIu64 ":%s\n", seed != 0 && clean ? "ok" : "not ok", seed, end);
    if (!clean) {
        printf("  seed %" PRIu64 " fails with all gates on\n", seed);
    }
    a->setup.machine = machine;
    a->setup.set_mask = set_mask;
    return seed != 0 && clean;
}

static int recall(struct args *a, struct board *b)
{
    char line[256];
    bool all = true;
    FILE *f = fopen(a->recall, "r");
    if (f == NULL) {
        perror(a->recall);
        return 2;
    }
    a->quiet = true;
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] != '#' && line[0] != '\n') {
            all = recall_line(a, b, line) && all;
        }
    }
    fclose(f);
    return all ? 0 : 1;
}

/* --- shrinking -------------------------------------------------------------------------------- */

static bool shrink_one(const struct args *a, uint64_t seed)
{
    struct kept k;
    struct err err = ERR_INIT;
    autofree char *about = NULL;
    autobuf path = BUF_INIT;
    printf("shrinking seed %" PRIu64 "\n", seed);
    fflush(stdout);
    if (!shrink(&a->setup, seed, &a->limits, &k, &about)) {
        printf("seed %" PRIu64 " does not fail in a process of its own\n", seed);
        return false;
    }
    str_copy(k.commit, sizeof k.commit, BARQUE_COMMIT);
    printf("shrunk: %s\n  VIOLATION %s\n", about, k.violation);
    buf_printf(&path, "%s/seed-%" PRIu64 ".sim", a->shrink_dir, seed);
    int rv = kept_write(a->shrink_dir != NULL ? buf_str(&path) : "/dev/stdout", &k, about, &err);
    if (rv != 0) {
        printf("%s\n", err.msg);
    } else if (a->shrink_dir != NULL) {
        printf("kept: build/sim --replay %s%s\n", buf_str(&path),
               k.setup.gates_off != 0 ? " --expect-violation" : "");
    }
    kept_fini(&k);
    return rv == 0;
}

/* --- arguments -------------------------------------------------------------------------------- */

static int usage(void)
{
    fprintf(stderr,
            "usage: sim [--seed N | --seeds A..B | --hours H [--from A] | --recall FILE]\n"
            "           [--jobs J] [--world | --fsm chain|store] [--gates-off MASK]\n"
            "           [--with FAULTS] [--without FAULTS] [--founders N] [--set NAME=VALUE]\n"
            "           [--keep-going] [--twice] [--verbose] [--frames]\n"
            "           [--shrink] [--shrink-failures DIR] [--shrink-seconds S]\n"
            "       sim --replay FILE [--expect-violation] [--verbose]\n");
    return 2;
}

static bool parse_seeds(const char *text, struct args *a)
{
    char *end;
    a->from = strtoull(text, &end, 0);
    if (end[0] != '.' || end[1] != '.') {
        return false;
    }
    a->to = strtoull(end + 2, &end, 0);
    return *end == '\0';
}

static bool parse_set(const char *text, struct args *a)
{
    char name[32];
    const char *value = strchr(text, '=');
    if (value == NULL || (size_t)(value - text) >= sizeof name) {
        return false;
    }
    memcpy(name, text, (size_t)(value - text));
    name[value - text] = '\0';
    return options_set(&a->setup, name, value + 1) == 0;
}

/* True when it was one of those without a value. */
static bool parse_flag(const char *name, struct args *a)
{
    const struct {
        const char *name;
        bool *flag;
    } FLAGS[] = {
        { "--verbose", &a->setup.verbose }, { "--frames", &a->setup.frames },
        { "--keep-going", &a->keep_going }, { "--twice", &a->twice },
        { "--shrink", &a->shrink },         { "--expect-violation", &a->expect },
    };
    for (size_t i = 0; i < ARRAY_LEN(FLAGS); i++) {
        if (str_eq(name, FLAGS[i].name)) {
            *FLAGS[i].flag = true;
            a->setup.verbose = a->setup.verbose || a->setup.frames;
            return true;
        }
    }
    return false;
}

static bool parse_value(const char *name, const char *value, struct args *a)
{
    if (str_eq(name, "--seed")) {
        a->from = a->to = strtoull(value, NULL, 0);
        a->one = true;
    } else if (str_eq(name, "--seeds")) {
        return parse_seeds(value, a);
    } else if (str_eq(name, "--hours")) {
        a->hours = strtod(value, NULL);
        a->to = UINT64_MAX;
    } else if (str_eq(name, "--from")) {
        a->from = strtoull(value, NULL, 0);
    } else if (str_eq(name, "--jobs")) {
        a->jobs = (unsigned)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--gates-off")) {
        a->setup.gates_off = (uint32_t)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--fsm")) {
        a->setup.machine = machine_named(value);
    } else if (str_eq(name, "--with")) {
        a->setup.faults_on = (uint32_t)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--without")) {
        a->setup.faults_off = (uint32_t)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--founders")) {
        a->setup.founders = (unsigned)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--set")) {
        return parse_set(value, a);
    } else if (str_eq(name, "--shrink-failures")) {
        a->shrink = true;
        a->shrink_dir = value;
    } else if (str_eq(name, "--shrink-seconds")) {
        a->limits.seconds = (unsigned)strtoul(value, NULL, 0);
    } else if (str_eq(name, "--recall")) {
        a->recall = value;
    } else if (str_eq(name, "--replay")) {
        a->replay = value;
    } else {
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct args *a)
{
    for (int i = 1; i < argc; i++) {
        if (parse_flag(argv[i], a)) {
            continue;
        }
        if (str_eq(argv[i], "--world")) {
            a->setup.machine = &WORLD_OPS;
            continue;
        }
        if (i + 1 >= argc || !parse_value(argv[i], argv[i + 1], a)) {
            return false;
        }
        i++;
    }
    return a->jobs >= 1 && a->jobs <= JOBS_MAX && a->setup.machine != NULL;
}

int main(int argc, char **argv)
{
    struct args a = {
        .setup = { .machine = &CHAIN_OPS },
        .from = 1,
        .to = 100,
        .jobs = 1,
        .limits = { .trials = SHRINK_TRIALS, .seconds = SHRINK_SECONDS },
    };
    if (!parse(argc, argv, &a)) {
        return usage();
    }
    struct board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                           -1, 0);
    if (b == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    log_set_level(a.setup.verbose ? LOG_DEBUG : LOG_OFF);
    log_set_sink(sim_log_line, NULL);
    printf("commit %s\n", BARQUE_COMMIT);
    if (a.recall != NULL) {
        return recall(&a, b);
    }
    if (a.replay != NULL) {
        return kept_play(a.replay, a.expect, a.setup.verbose) ? 0 : 1;
    }
    if (a.one) {
        struct sim_options o;
        sim_draw(&a.setup, &o, a.from);
        sim_print_options(&o);
    }
    b->next = a.from;
    uint64_t start_ms = clock_mono_ms();
    unsigned bad = run_many(&a, b, start_ms);
    struct sim_stats total = sum(b);
    print_summary(&total, clock_mono_ms() - start_ms, bad);
    for (unsigned i = 0; a.shrink && i < b->n_bad; i++) {
        (void)shrink_one(&a, b->bad[i]);
    }
    return bad != 0;
}
