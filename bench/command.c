/* `barque bench`: flags, a run, a report. */
#include "bench/bench.h"

#include <signal.h>
#include <string.h>

#include "bench/report.h"
#include "client/login_as.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { EXIT_DONE = 0, EXIT_NOT_DONE = 1, EXIT_WRONG_USAGE = 2 };

static void usage(void)
{
    printf("barque bench: load for any server of etcd's v3 API (Barque, etcd), and what it cost\n\n"
           "  barque bench                                   puts, 100 clients, 127.0.0.1:2379\n"
           "  barque bench --load get --clients 1 --seconds 10\n"
           "  barque bench --endpoints A:2379,B:2379,C:2379 --pids 101,102,103 -o json\n\n"
           "Each client has one operation under way and starts the next when it is answered.\n"
           "After a warm-up, throughput is the median over windows of one second; latency is\n"
           "seen by the client. With --pids also the CPU time that those processes spent per\n"
           "operation: the figure to compare servers by, for it does not depend on how busy the\n"
           "machine is. It writes keys bench/... and bench-watch/...\n\nLoads:\n");
    for (size_t i = 0; i < bench_loads_n; i++) {
        printf("  %-18s %s\n", bench_loads[i].name, bench_loads[i].help);
    }
    printf("\nFlags:\n");
    bench_options_print(stdout);
    printf("\nExit code: 0 done, 1 no server or no operation succeeded, 2 wrong usage.\n");
}

static int unknown_load(const char *name)
{
    autofree const char **names = mem_alloc(bench_loads_n * sizeof *names);
    for (size_t i = 0; i < bench_loads_n; i++) {
        names[i] = bench_loads[i].name;
    }
    const char *near = str_nearest(name, names, bench_loads_n);
    fprintf(stderr, "barque bench: unknown load \"%s\"%s%s%s. Next: barque bench --help\n", name,
            near != NULL ? " (did you mean " : "", near != NULL ? near : "",
            near != NULL ? "?)" : "");
    return EXIT_WRONG_USAGE;
}

/* Who logs in, with the password, which is kept in `password` or by `as`. */
static int log_in_as(struct bench_options *o, const struct load *load, struct login_as *as,
                     struct buf *password, struct err *err)
{
    int rv = login_as_read(o->user, o->password_file, as, err);
    if (rv != 0 || as->user == NULL) {
        return rv;
    }
    if ((load->traits & LOAD_NO_PROBE) != 0) {
        return err_set(err, E_INVAL, "--user: --load %s measures how soon the first answer comes, "
                                     "and does not log in", load->name);
    }
    o->user = as->user;
    o->password = as->password;
    if (as->password_file != NULL) {
        rv = client_password_read(NULL, as->password_file, password, err);
        o->password = buf_str(password);
    }
    return rv;
}

int command_bench(int argc, char **argv)
{
    struct bench_options o;
    struct err err = ERR_INIT;
    if (bench_options_parse(&o, argc, argv, &err) != 0) {
        fprintf(stderr, "barque bench: %s. Next: barque bench --help\n", err.msg);
        return EXIT_WRONG_USAGE;
    }
    if (o.help) {
        usage();
        return EXIT_DONE;
    }
    const struct load *load = load_find(o.load);
    if (load == NULL) {
        return unknown_load(o.load);
    }
    signal(SIGPIPE, SIG_IGN);
    autofree struct bench_result *result = mem_zalloc(sizeof *result);
    struct login_as as = LOGIN_AS_INIT;
    autobuf password = BUF_INIT;
    if (log_in_as(&o, load, &as, &password, &err) != 0) {
        login_as_fini(&as);
        fprintf(stderr, "barque bench: %s\n", err.msg);
        return EXIT_WRONG_USAGE;
    }
    int rv = bench_run(&o, load, result, &err);
    if (password.len > 0) {
        explicit_bzero(password.data, password.len);
    }
    login_as_fini(&as);
    if (rv == 0) {
        autobuf out = BUF_INIT;
        (o.json ? report_json : report_table)(&o, load, result, &out);
        fputs(buf_str(&out), stdout);
    }
    bool none = rv == 0 && result->ops == 0;
    mem_free(result->windows);
    if (rv != 0 || none) {
        fprintf(stderr, "barque bench: %s%s\n", rv != 0 ? err.msg : "no operation succeeded: ",
                rv != 0 ? "" : result->last_error);
        return EXIT_NOT_DONE;
    }
    return EXIT_DONE;
}
