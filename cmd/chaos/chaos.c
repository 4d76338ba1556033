/* `barque chaos`: break a cluster on purpose, and check what it promised.
 *
 *   barque chaos run             a minute of faults against the running demo, everything judged
 *   barque chaos replay SEED     the same plan again
 *   barque chaos heal            undo what a run that was killed itself has left broken
 *   barque chaos report FILE     a report that was written as JSON, as a page or on the screen
 *
 * Exit codes: 0 all held, 1 a promise was broken, 2 it could not be run. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "chaos/load.h"
#include "chaos/run.h"
#include "cmd/chaos/targets.h"
#include "cmd/command.h"
#include "cmd/demo/cluster.h"
#include "cmd/flags.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"
#include "lib/io/process.h"

enum { EXIT_HELD = 0, EXIT_VIOLATED = 1, EXIT_COULD_NOT = 2 };
enum { REPORT_MAX = 32 * 1024 * 1024 };

struct chaos_flags {
    const char *dir, *target, *endpoints, *start_etcd;
    const char *faults, *loads;
    const char *html, *json, *junit;
    uint64_t start, nodes, seed, minutes, seconds, together, rate;
    bool plan, break_quorum, netns, keep, quiet;
};

struct session {
    struct chaos_flags f;
    struct loop *loop;
    struct target target;
    struct plan plan;
    struct run *run;
    char replay[512], program[PATH_MAX];
    bool terminal;
    unsigned progress_lines;
    unsigned signals;
};

static int complain(const char *msg)
{
    fprintf(stderr, "barque chaos: %s\n", msg);
    return EXIT_COULD_NOT;
}

/* --- the target ------------------------------------------------------------------------------- */

static void demo_dir(const struct chaos_flags *f, char *ret_dir, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    if (f->dir != NULL) {
        str_copy(ret_dir, size, f->dir);
    } else {
        snprintf(ret_dir, size, "%s/barque-demo-%d", tmp != NULL ? tmp : "/tmp", (int)getuid());
    }
}

/* BARQUE_ENDPOINTS often names the demo itself: then it is the demo that is meant. */
static bool is_demo(const struct chaos_flags *f)
{
    char dir[256];
    struct demo_cluster c;
    demo_dir(f, dir, sizeof dir);
    if (f->endpoints == NULL) {
        return true;
    }
    if (demo_cluster_load(dir, &c, NULL) != 0) {
        return false;
    }
    autobuf list = BUF_INIT;
    for (size_t i = 0; i < c.n_masters; i++) {
        buf_printf(&list, "%s%s", i > 0 ? "," : "", c.endpoints[i]);
    }
    return str_eq(buf_str(&list), f->endpoints);
}

static int open_target(struct session *s, struct err *err)
{
    const struct chaos_flags *f = &s->f;
    char dir[256];
    if (f->target != NULL) {
        return target_described(f->target, &s->target, err);
    }
    if (f->start_etcd != NULL) {
        size_t n = f->start > 0 ? (size_t)f->start : 3;
        return target_etcd(s->loop, f->start_etcd, n, f->netns, &s->target, err);
    }
    if (f->start > 0) {
        return target_own(s->loop, (size_t)f->start, (size_t)f->nodes, f->netns, &s->target, err);
    }
    if (!is_demo(f)) {
        return target_endpoints(f->endpoints, &s->target, err);
    }
    demo_dir(f, dir, sizeof dir);
    int rv = target_demo(s->loop, dir, &s->target, err);
    if (rv == E_NOTFOUND) {
        err_set(err, rv,
                "no demo is running in %s. Next: `barque demo` in another terminal, or "
                "--start 3 for a cluster of its own",
                dir);
    }
    return rv;
}

/* --- the plan --------------------------------------------------------------------------------- */

static int make_plan(struct session *s, struct err *err)
{
    const struct chaos_flags *f = &s->f;
    struct plan_options o = { .seed = f->seed,
                              .total_ms = f->seconds * 1000,
                              .together = (size_t)f->together,
                              .break_quorum = f->break_quorum,
                              .kinds_named = !str_eq(f->faults, "all") };
    struct plan_shape shape = { .n_members = s->target.n_members, .n_nodes = s->target.n_nodes };
    memcpy(shape.why_not, s->target.why_not, sizeof shape.why_not);
    int rv = faults_parse(f->faults, &o.kinds, err);
    if (o.break_quorum && str_eq(f->faults, "all")) {
        o.kinds = (1ull << FAULTS_N) - 1;
    }
    return rv != 0 ? rv : plan_make(&o, &shape, &s->plan, err);
}

/* Loads that need nodes are left out where there are none, unless they were named. */
static int choose_loads(const struct session *s, uint32_t *ret_bits, struct err *err)
{
    bool has_nodes = s->target.why_not[NEED_NODES] == NULL;
    int rv = loads_parse(s->f.loads, ret_bits, err);
    for (size_t i = 0; rv == 0 && i < LOADS_N; i++) {
        if ((*ret_bits >> i & 1) != 0 && load_table[i].objects && !has_nodes) {
            if (!str_eq(s->f.loads, "all")) {
                return err_set(err, E_INVAL, "--loads %s is not possible here: %s",
                               load_table[i].name, s->target.why_not[NEED_NODES]);
            }
            *ret_bits &= ~(1u << i);
        }
    }
    return rv;
}

/* The command that does the same again. */
static void replay_line(struct session *s)
{
    const struct chaos_flags *f = &s->f;
    autobuf b = BUF_INIT;
    buf_printf(&b, "barque chaos replay %" PRIu64 " --seconds %" PRIu64, f->seed, f->seconds);
    if (f->target != NULL) {
        buf_printf(&b, " --target %s", f->target);
    } else if (f->start_etcd != NULL) {
        buf_printf(&b, " --start-etcd %s --start %zu", f->start_etcd, s->target.n_members);
    } else if (f->start > 0) {
        buf_printf(&b, " --start %" PRIu64 " --nodes %" PRIu64, f->start, f->nodes);
    } else if (f->endpoints != NULL && !is_demo(f)) {
        buf_printf(&b, " --endpoints %s", f->endpoints);
    }
    if (!str_eq(f->faults, "all")) {
        buf_printf(&b, " --faults %s", f->faults);
    }
    if (!str_eq(f->loads, "all")) {
        buf_printf(&b, " --loads %s", f->loads);
    }
    if (f->together != 1) {
        buf_printf(&b, " --together %" PRIu64, f->together);
    }
    buf_append_str(&b, f->netns ? " --netns" : "");
    buf_append_str(&b, f->break_quorum ? " --break-quorum" : "");
    str_copy(s->replay, sizeof s->replay, buf_str(&b));
}

/* --- a run ------------------------------------------------------------------------------------ */

static void clear_line(const struct session *s)
{
    if (s->terminal) {
        fputs("\r\033[K", stderr);
    }
}

static void on_news(void *arg, const char *line)
{
    struct session *s = arg;
    if (!s->f.quiet) {
        clear_line(s);
        printf("%s\n", line);
        fflush(stdout);
    }
}

static void on_progress(void *arg, const char *line)
{
    struct session *s = arg;
    if (s->terminal) {
        clear_line(s);
        fprintf(stderr, "%.110s", line);
    } else if (!s->f.quiet && s->progress_lines++ % 10 == 9) {
        printf("          %s\n", line);
        fflush(stdout);
    }
}

static void on_signal(void *arg, int signal)
{
    struct session *s = arg;
    (void)signal;
    if (s->signals++ == 0) {
        run_interrupt(s->run);
    } else if (s->signals == 3) { /* somebody is in a hurry: undo it here and now */
        target_heal(&s->target, NULL);
        _exit(EXIT_COULD_NOT);
    }
}

static void machine(struct chaos_report *r)
{
    struct utsname u;
    if (uname(&u) == 0) {
        r->machine = chaos_report_printf(r, "%s %s %s", u.sysname, u.release, u.machine);
    }
    r->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    r->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int write_file(const char *path, struct slice text, struct err *err)
{
    FILE *f = fopen(path, "we");
    bool written = f != NULL && fwrite(text.data, 1, text.len, f) == text.len;
    bool closed = f != NULL && fclose(f) == 0;
    return written && closed ? 0 : err_errno(err, errno, "write %s", path);
}

/* One screen, and the files that were asked for. */
static int tell(const struct session *s, const struct chaos_report *r, struct err *err)
{
    const struct {
        const char *path;
        void (*render)(const struct chaos_report *r, struct buf *out);
    } files[] = {
        { s->f.html, chaos_report_html },
        { s->f.json, chaos_report_json },
        { s->f.junit, chaos_report_junit },
    };
    struct chaos_text_options o = { .html_path = s->f.html, .colour = isatty(STDOUT_FILENO) != 0 };
    autobuf text = BUF_INIT;
    int rv = 0;
    chaos_report_text(r, &o, &text);
    printf("%s%s", s->f.quiet ? "" : "\n", buf_str(&text));
    fflush(stdout);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i].path != NULL) {
            autobuf out = BUF_INIT;
            files[i].render(r, &out);
            int one = write_file(files[i].path, buf_slice(&out), rv == 0 ? err : NULL);
            rv = rv == 0 ? one : rv;
        }
    }
    return rv;
}

static int finish(struct session *s)
{
    static const int codes[] = { [CHAOS_ALL_HELD] = EXIT_HELD,
                                 [CHAOS_VIOLATION] = EXIT_VIOLATED,
                                 [CHAOS_COULD_NOT_RUN] = EXIT_COULD_NOT };
    struct err err = ERR_INIT;
    clear_line(s);
    struct chaos_report *r = run_take_report(s->run);
    machine(r);
    int code = codes[chaos_report_verdict(r)];
    if (tell(s, r, &err) != 0) {
        complain(err.msg);
        code = code == EXIT_HELD ? EXIT_COULD_NOT : code;
    }
    if (s->target.own && (code == EXIT_VIOLATED || s->f.keep)) {
        printf("files     %s\n", s->target.dir);
    }
    if (code == EXIT_COULD_NOT && r->failure != NULL) {
        complain(r->failure);
    }
    chaos_report_free(r);
    return code;
}

static int play(struct session *s)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct err err = ERR_INIT;
    struct run_options o = {
        .loop = s->loop,
        .target = &s->target,
        .plan = &s->plan,
        .rate = s->f.rate,
        .program = s->program,
        .commit = barque_commit,
        .replay = s->replay,
        .keep = s->f.keep,
        .on_news = on_news,
        .on_progress = on_progress,
        .arg = s,
    };
    if (choose_loads(s, &o.loads, &err) != 0) {
        return complain(err.msg);
    }
    if (readlink("/proc/self/exe", s->program, sizeof s->program - 1) < 0) {
        return complain("this program is not found in /proc");
    }
    replay_line(s);
    s->terminal = isatty(STDERR_FILENO) != 0;
    if (!s->f.quiet) {
        autobuf text = BUF_INIT;
        plan_print(&s->plan, &text);
        printf("%s\n%s\n", s->target.text, buf_str(&text));
        fflush(stdout);
    }
    s->run = run_start(&o);
    struct signal_watch *watch =
        signal_watch_start(s->loop, signals, ARRAY_LEN(signals), on_signal, s);
    loop_run(s->loop);
    signal_watch_stop(watch);
    int code = finish(s);
    run_free(s->run);
    return code;
}

static int check_flags(struct chaos_flags *f, struct err *err)
{
    if (f->start > DEMO_MASTERS_MAX || f->nodes > DEMO_AGENTS_MAX) {
        return err_set(err, E_INVAL, "--start is 1..%d, --nodes 0..%d", DEMO_MASTERS_MAX,
                       DEMO_AGENTS_MAX);
    }
    if (f->netns && f->start == 0 && f->start_etcd == NULL) {
        return err_set(err, E_INVAL, "--netns is for clusters of a run's own: with --start or "
                                     "--start-etcd");
    }
    if (f->together < 1 || f->together > PLAN_TOGETHER_MAX) {
        return err_set(err, E_INVAL, "--together is 1..%d", PLAN_TOGETHER_MAX);
    }
    if (f->minutes > 24 * 60) {
        return err_set(err, E_INVAL, "--minutes is 1..1440");
    }
    if (f->minutes != 0) {
        f->seconds = f->minutes * 60;
    }
    if (f->seconds < 8 || f->seconds > 24 * 3600 || f->rate < 1 || f->rate > 20000) {
        return err_set(err, E_INVAL, "--seconds is 8..86400, --rate 1..20000");
    }
    if (f->seed == 0) {
        f->seed = rng_os_seed() % 1000000000 + 1;
    }
    return 0;
}

static int run(struct session *s)
{
    struct err err = ERR_INIT;
    if (check_flags(&s->f, &err) != 0 || open_target(s, &err) != 0) {
        return complain(err.msg);
    }
    int code = EXIT_OK;
    if (make_plan(s, &err) != 0) {
        code = complain(err.msg);
    } else if (s->f.plan) {
        autobuf text = BUF_INIT;
        plan_print(&s->plan, &text);
        printf("%s\n%s", s->target.text, buf_str(&text));
    } else {
        code = play(s);
    }
    plan_free(&s->plan);
    s->target.ops->free(&s->target);
    return code;
}

static int heal(struct session *s)
{
    struct err err = ERR_INIT;
    if (s->f.start > 0 || s->f.start_etcd != NULL) {
        return complain("a cluster that a run started for itself ends with it: nothing to heal");
    }
    if (open_target(s, &err) != 0) {
        return complain(err.msg);
    }
    int rv = target_heal(&s->target, &err);
    if (rv == 0) {
        printf("healed: %s\n", s->target.text);
    }
    s->target.ops->free(&s->target);
    return rv == 0 ? EXIT_OK : complain(err.msg);
}

/* --- a report that was kept ------------------------------------------------------------------- */

static int report(struct session *s, const char *path)
{
    struct err err = ERR_INIT;
    struct chaos_report *r = NULL;
    autobuf text = BUF_INIT;
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        err_errno(&err, errno, "read %s", path);
        return complain(err.msg);
    }
    size_t n = fread(buf_reserve(&text, REPORT_MAX), 1, REPORT_MAX, f);
    fclose(f);
    buf_advance(&text, n);
    if (chaos_report_from_json(buf_slice(&text), &r, &err) != 0) {
        err_prefix(&err, "%s", path);
        return complain(err.msg);
    }
    int rv = tell(s, r, &err);
    chaos_report_free(r);
    return rv == 0 ? EXIT_OK : complain(err.msg);
}

/* --- the door --------------------------------------------------------------------------------- */

static void usage(const struct flag *flags, size_t n)
{
    printf(
        "barque chaos: break a cluster on purpose, and check what it promised\n\n"
        "  barque chaos run                  a minute of faults against the running demo\n"
        "  barque chaos run --plan           what would be done, and nothing else\n"
        "  barque chaos run --start 3        the same against a cluster of its own\n"
        "  barque chaos run --start-etcd etcd     ... or an etcd of its own\n"
        "  barque chaos run --target FILE    your own members (docs/chaos.md says how)\n"
        "  barque chaos replay SEED          the same plan again\n"
        "  barque chaos heal                 undo what a killed run has left broken\n"
        "  barque chaos report FILE.json     show a report again; with --html as a page\n\n"
        "Clients write, read, watch, lease, lock and deploy all the while. Then every answer is\n"
        "checked: was it linearizable, did watches miss nothing, did no lease end early, do all\n"
        "members tell the same. Nothing takes the quorum unless --break-quorum. Ctrl-C heals.\n"
        "Exit codes: 0 all held, 1 a promise was broken, 2 it could not be run.\n\nFaults:\n");
    for (size_t i = 0; i < FAULTS_N; i++) {
        printf("  %-12s %s%s\n", faults[i].name, faults[i].what,
               faults[i].breaks_quorum ? " (--break-quorum)" : "");
    }
    printf("\nWorkloads:\n");
    for (size_t i = 0; i < LOADS_N; i++) {
        printf("  %-12s %s\n", load_table[i].name, load_table[i].help);
    }
    printf("\nFlags:\n");
    flags_print(flags, n);
}

static int dispatch(struct session *s, int argc, char **argv)
{
    if (argc == 2 && str_eq(argv[1], "run")) {
        return run(s);
    }
    if (argc == 3 && str_eq(argv[1], "replay")) {
        if (str_parse_u64(argv[2], INT64_MAX, &s->f.seed) != 0 || s->f.seed == 0) {
            return complain("replay needs the seed that a run printed");
        }
        return run(s);
    }
    if (argc == 2 && str_eq(argv[1], "heal")) {
        return heal(s);
    }
    if (argc == 3 && str_eq(argv[1], "report")) {
        return report(s, argv[2]);
    }
    return complain("use run, replay SEED, heal or report FILE. Next: barque chaos --help");
}

int command_chaos(int argc, char **argv)
{
    struct session s = { .f = { .faults = "all",
                                .loads = "all",
                                .seconds = 60,
                                .together = 1,
                                .rate = 150,
                                .nodes = 3 } };
    struct chaos_flags *f = &s.f;
    const struct flag flags[] = {
        { "minutes", FLAG_U64, &f->minutes, "N", "how long clients write and faults come" },
        { "seconds", FLAG_U64, &f->seconds, "N", "the same, finer (60)" },
        { "seed", FLAG_U64, &f->seed, "N", "of the plan and the workload (random)" },
        { "faults", FLAG_STRING, &f->faults, "LIST", "kill,pause,...; all; none (all)" },
        { "loads", FLAG_STRING, &f->loads, "LIST", "kv,watch,...; all (all)" },
        { "rate", FLAG_U64, &f->rate, "N", "kv operations a second (150)" },
        { "together", FLAG_U64, &f->together, "N", "faults at one time, at most (1)" },
        { "break-quorum", FLAG_BOOL, &f->break_quorum, "",
          "faults that stop the cluster, too: kill-all, pause-most, shatter" },
        { "html", FLAG_STRING, &f->html, "FILE", "the report as a page" },
        { "json", FLAG_STRING, &f->json, "FILE", "the report as data" },
        { "junit", FLAG_STRING, &f->junit, "FILE", "the checks as JUnit XML" },
        { "plan", FLAG_BOOL, &f->plan, "", "print the plan, do nothing" },
        { "dir", FLAG_STRING, &f->dir, "DIR", "a demo that was started with --keep DIR" },
        { "start", FLAG_U64, &f->start, "N", "start N masters for this run (1..7)" },
        { "nodes", FLAG_U64, &f->nodes, "N", "and so many nodes (3)" },
        { "start-etcd", FLAG_STRING, &f->start_etcd, "PROGRAM",
          "start an etcd of --start N members (3) for this run" },
        { "netns", FLAG_BOOL, &f->netns, "",
          "such members in network namespaces, links cut by nftables (root)" },
        { "target", FLAG_STRING, &f->target, "FILE", "your members, described (docs/chaos.md)" },
        { "endpoints", FLAG_STRING, &f->endpoints, "LIST",
          "members of which nothing else is known: with --faults none, a workload that is judged" },
        { "keep", FLAG_BOOL, &f->keep, "", "leave keys and directories as they are at the end" },
        { "quiet", FLAG_BOOL, &f->quiet, "", "only the result" },
    };
    struct err err = ERR_INIT;
    bool help;
    int rv = flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err);
    if (rv != 0) {
        return complain(err.msg);
    }
    if (help || argc == 1) {
        usage(flags, ARRAY_LEN(flags));
        return help ? EXIT_HELD : EXIT_COULD_NOT;
    }
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    s.loop = loop_new();
    int code = dispatch(&s, argc, argv);
    loop_free(s.loop);
    return code;
}
