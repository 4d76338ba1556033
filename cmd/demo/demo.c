/* `barque demo`: a cluster of processes on this machine to look at and to break.
 *
 *   barque demo              starts it, applies the example, stays until Ctrl-C, then cleans up
 *   barque demo --script     the tour: breaks everything in order, measures, checks every bound
 *   barque demo kill m1      in another terminal: breaks it, and measures (or n2; restart m1)
 *   barque demo status       what runs where; barque demo stop ends a demo that was kept */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/demo/tour.h"
#include "cmd/flags.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/file.h"
#include "lib/io/process.h"

struct demo_flags {
    bool script;
    const char *keep, *markdown;
    uint64_t masters, agents;
};

struct demo {
    struct loop *loop;
    struct demo_cluster cluster;
    struct tour tour;
    bool interrupted;
};

static void on_signal(void *arg, int signal)
{
    struct demo *d = arg;
    (void)signal;
    d->interrupted = true;
    loop_stop(d->loop);
}

static void default_dir(char *ret_dir, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(ret_dir, size, "%s/barque-demo-%d", tmp != NULL ? tmp : "/tmp", (int)getuid());
}

static void print_endpoints(const struct demo_cluster *c)
{
    for (size_t i = 0; i < c->n_masters; i++) {
        printf("%s%s", i == 0 ? "" : ",", c->endpoints[i]);
    }
}

static void print_invitation(const struct demo_cluster *c)
{
    printf("\n  It runs. In another terminal:\n\n    export BARQUE_ENDPOINTS=");
    print_endpoints(c);
    printf("\n    barque status                 barque get pods -o wide\n"
           "    barque logs -f POD            barque scale deploy/web --replicas=9\n"
           "    barque kv put hello world     ETCDCTL_API=3 etcdctl --endpoints "
           "$BARQUE_ENDPOINTS get hello\n"
           "    barque demo kill m1           barque demo kill n2         barque demo restart "
           "m1\n\n"
           "  Logs are in %s. Ctrl-C ends it and cleans up.\n", c->dir);
    fflush(stdout);
}

static int print_status(const struct demo_cluster *c)
{
    printf("directory  %s\nendpoints  ", c->dir);
    print_endpoints(c);
    printf("\n%-6s %-8s %-10s %s\n", "NAME", "PID", "STATE", "MEMORY");
    for (size_t i = 0; i < c->n_masters + c->n_agents; i++) {
        const struct demo_process *p = i < c->n_masters ? &c->masters[i]
                                                        : &c->agents[i - c->n_masters];
        bool runs = demo_process_runs(p);
        printf("%-6s %-8d %-10s %.1f MB\n", p->name, (int)p->pid, runs ? "running" : "down",
               runs ? (double)demo_process_rss_kib(p) / 1024.0 : 0.0);
    }
    return EXIT_OK;
}

/* Shims whose program was just killed still write its exit: again until nothing comes any more. */
static void remove_dir(struct demo *d, bool keep)
{
    struct fs *fs = loop_fs(d->loop);
    for (int i = 0; !keep && i < 40 && fs_exists(fs, d->cluster.dir); i++) {
        if (fs_remove_tree(fs, d->cluster.dir, NULL) != 0) {
            poll(NULL, 0, 50);
        }
    }
}

/* Starts, plays, and with --script reports; otherwise stays until a signal. */
static int run(struct demo *d, const struct demo_flags *f)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct signal_watch *watch =
        signal_watch_start(d->loop, signals, ARRAY_LEN(signals), on_signal, d);
    printf("Barque demo: %zu masters and %zu nodes as processes in %s\n\n", d->cluster.n_masters,
           d->cluster.n_agents, d->cluster.dir);
    tour_start(&d->tour, d->loop, &d->cluster, script_scenes,
               f->script ? script_scenes_n : script_scenes_setup_n);
    loop_run(d->loop);
    bool held = false;
    if (f->script && !d->interrupted) {
        held = tour_report(&d->tour, f->markdown);
    } else if (d->tour.failed != NULL && !d->interrupted) {
        tour_report(&d->tour, NULL);
    } else if (!d->interrupted) {
        print_invitation(&d->cluster);
        loop_run(d->loop);
        held = true;
    }
    bool failed = d->tour.failed != NULL;
    tour_end(&d->tour);
    signal_watch_stop(watch);
    printf("\n  Stopping...\n");
    fflush(stdout);
    demo_cluster_load(d->cluster.dir, &d->cluster, NULL); /* others may have restarted some */
    demo_cluster_stop(&d->cluster);
    remove_dir(d, f->keep != NULL || failed);
    return held || (d->interrupted && !f->script) ? EXIT_OK : EXIT_FAILED;
}

static int start(const struct demo_flags *f, const char *dir)
{
    struct err err = ERR_INIT;
    struct demo_cluster other;
    if (demo_cluster_load(dir, &other, NULL) == 0) {
        for (size_t i = 0; i < other.n_masters; i++) {
            if (demo_process_runs(&other.masters[i])) {
                fprintf(stderr, "barque demo: one is running already in %s. Next: barque demo "
                                "status, or "
                                "barque demo stop\n", dir);
                return EXIT_FAILED;
            }
        }
    }
    struct demo d = { .loop = loop_new() };
    if (f->keep == NULL) {
        fs_remove_tree(loop_fs(d.loop), dir, NULL);
    }
    if (demo_cluster_new(dir, (size_t)f->masters, (size_t)f->agents, &d.cluster, &err) != 0) {
        fprintf(stderr, "barque demo: %s\n", err.msg);
        return EXIT_FAILED;
    }
    return run(&d, f);
}

static int control(int argc, char **argv, const char *dir)
{
    struct err err = ERR_INIT;
    struct demo_cluster c;
    if (demo_cluster_load(dir, &c, &err) != 0) {
        fprintf(stderr, "barque demo: %s\n", err.msg);
        return EXIT_FAILED;
    }
    if (argc == 2 && str_eq(argv[1], "status")) {
        return print_status(&c);
    }
    if (argc == 2 && str_eq(argv[1], "stop")) {
        demo_cluster_stop(&c);
        printf("stopped; its files are in %s\n", c.dir);
        return EXIT_OK;
    }
    if (argc == 3 && (str_eq(argv[1], "kill") || str_eq(argv[1], "restart"))) {
        return demo_single(&c, argv[1], argv[2]);
    }
    fprintf(stderr, "barque demo: \"%s\": use kill NAME, restart NAME, status or stop. Next: "
                    "barque demo "
                    "--help\n", argv[1]);
    return EXIT_USAGE;
}

static void usage(const struct flag *flags, size_t n)
{
    printf("barque demo: a whole cluster on this machine, to look at and to break\n\n"
           "  barque demo                start it, apply an example, stay until Ctrl-C\n"
           "  barque demo --script       the tour: kill masters and nodes, measure, check every "
           "bound\n"
           "  barque demo kill m1        in another terminal: kill -9 a master (or a node: n2), "
           "and measure\n"
           "  barque demo restart m1     start it again\n"
           "  barque demo status|stop\n\n"
           "No root, no container engine, nothing but loopback. Partitions, slow disks and more: "
           "barque chaos run.\n\nFlags:\n");
    flags_print(flags, n);
}

int command_demo(int argc, char **argv)
{
    struct demo_flags f = { .masters = 3, .agents = 5 };
    const struct flag flags[] = {
        { "script", FLAG_BOOL, &f.script, "", "run the scripted tour; exit 0 only if every bound "
                                              "held" },
        { "keep", FLAG_STRING, &f.keep, "DIR", "keep everything in DIR: a real cluster to come "
                                               "back to" },
        { "markdown", FLAG_STRING, &f.markdown, "FILE", "also write the tour's table to FILE" },
        { "masters", FLAG_U64, &f.masters, "N", "1, 3, 5 or 7 (3; the script needs 3 or more)" },
        { "agents", FLAG_U64, &f.agents, "N", "1..50 (5; the script needs 3 or more)" },
    };
    struct err err = ERR_INIT;
    bool help;
    int rv = flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err);
    bool sizes = f.masters % 2 == 1 && f.masters <= DEMO_MASTERS_MAX && f.agents >= 1 &&
                 f.agents <= DEMO_AGENTS_MAX && (!f.script || (f.masters >= 3 && f.agents >= 3));
    if (rv == 0 && !sizes) {
        rv = err_set(&err, E_INVAL, "--masters must be 1, 3, 5 or 7 and --agents 1..50 (the "
                                    "script: 3 "
                                    "or more of each)");
    }
    if (rv != 0) {
        fprintf(stderr, "barque demo: %s. Next: barque demo --help\n", err.msg);
        return EXIT_USAGE;
    }
    if (help) {
        usage(flags, ARRAY_LEN(flags));
        return EXIT_OK;
    }
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    char dir[200];
    default_dir(dir, sizeof dir);
    if (f.keep != NULL) {
        str_copy(dir, sizeof dir, f.keep);
    } else if (f.script && argc == 1) {
        size_t at = strlen(dir); /* the tour never disturbs a demo that somebody looks at */
        snprintf(dir + at, sizeof dir - at, "-script-%d", (int)getpid());
    }
    return argc > 1 ? control(argc, argv, dir) : start(&f, dir);
}
