/* `barque store`: one member of the store, started like etcd. Runs until SIGINT or SIGTERM, then
 * hands leadership over and closes. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/damage.h"
#include "cmd/member.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/io/process.h"

struct store_process {
    struct loop *loop;
    struct server *server;
    struct signal_watch *signals;
    bool closing;
};

static void closed(void *arg)
{
    struct store_process *p = arg;
    signal_watch_stop(p->signals);
    loop_stop(p->loop);
}

static void on_signal(void *arg, int signal)
{
    struct store_process *p = arg;
    if (p->closing) {
        log_warn("store", "second signal: leaving at once", "signal=%d", signal);
        log_stop();
        _Exit(EXIT_FAILED);
    }
    log_info("store", "closing", "signal=%d", signal);
    p->closing = true;
    server_close(p->server, closed, p);
}

static void usage(const struct flag *flags, size_t n)
{
    printf("barque store: one member of the replicated store (etcd's v3 API, flags and "
           "variables)\n\n"
           "  barque store                                  one member on 127.0.0.1:2379\n"
           "  barque store --name m1 --data-dir m1.data \\\n"
           "      --listen-client-urls http://127.0.0.1:12379 --listen-peer-urls "
           "http://127.0.0.1:12380 \\\n"
           "      --initial-cluster m1=http://127.0.0.1:12380,m2=http://127.0.0.1:22380,m3=...\n\n"
           "Then: ETCDCTL_API=3 etcdctl put hello world, or: barque kv put hello world\n\nFlags "
           "(each also as "
           "BARQUE_NAME or ETCD_NAME in the environment):\n");
    flags_print(flags, n);
}

int command_store(int argc, char **argv)
{
    struct member_flags m;
    struct flag flags[MEMBER_FLAGS_MAX];
    size_t n = member_flags_init(&m, flags);
    const char *unsafe_damage = NULL;
    PRE(n < MEMBER_FLAGS_MAX);
    flags[n++] = (struct flag){ "unsafe-damage", FLAG_STRING, &unsafe_damage, "KIND:SEED", NULL };
    struct err err = ERR_INIT;
    bool help;
    if (flags_parse(flags, n, &argc, argv, &help, &err) != 0) {
        fprintf(stderr, "barque store: %s. Next: barque store --help\n", err.msg);
        return EXIT_USAGE;
    }
    if (help) {
        usage(flags, n);
        return EXIT_OK;
    }
    if (argc > 1) {
        fprintf(stderr, "barque store: unexpected argument \"%s\". Next: barque store --help\n",
                argv[1]);
        return EXIT_USAGE;
    }
    if (unsafe_damage != NULL) {
        return damage_run(unsafe_damage, m.data_dir, m.unsafe_faults);
    }
    signal(SIGPIPE, SIG_IGN);
    log_start(2);
    struct store_process p = { .loop = loop_new() };
    char endpoint[128];
    int rv = member_open(&m, p.loop, &p.server, endpoint, &err);
    if (rv != 0) {
        log_stop();
        fprintf(stderr, "barque store: %s\n", err.msg);
        loop_free(p.loop);
        return rv == E_INVAL || rv == E_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED;
    }
    static const int signals[] = { SIGINT, SIGTERM };
    p.signals = signal_watch_start(p.loop, signals, ARRAY_LEN(signals), on_signal, &p);
    log_info("store", "serving clients", "name=%s address=%s", m.name, endpoint);
    loop_run(p.loop);
    loop_free(p.loop);
    log_stop();
    return EXIT_OK;
}
