/* `barque store`: one member of the store, started like etcd. Runs until SIGINT or SIGTERM, then
 * hands leadership over and closes. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/damage.h"
#include "cmd/host.h"
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

static const char intro[] =
    "barque store: one member of the replicated store (etcd's v3 API, flags and variables)\n\n"
    "  barque store                                  one member on 127.0.0.1:2379\n"
    "  barque store --name m1 --data-dir m1.data \\\n"
    "      --listen-client-urls http://127.0.0.1:12379 --listen-peer-urls "
    "http://127.0.0.1:12380 \\\n"
    "      --initial-cluster m1=http://127.0.0.1:12380,m2=http://127.0.0.1:22380,m3=...\n"
    "  barque store --config-file m1.yml             the same from etcd's file\n\n"
    "Then: ETCDCTL_API=3 etcdctl put hello world, or: barque kv put hello world\n\n";

int command_store(int argc, char **argv)
{
    __attribute__((cleanup(options_fini))) struct member_flags m;
    struct err err = ERR_INIT;
    int code;
    if (!member_flags_read("store", intro, argc, argv, &m, &code)) {
        return code;
    }
    if (m.unsafe_damage != NULL) {
        return damage_run(m.unsafe_damage, m.data_dir, m.unsafe_faults);
    }
    signal(SIGPIPE, SIG_IGN);
    if (host_start_log(&m, &err) != 0) {
        fprintf(stderr, "barque store: %s\n", err.msg);
        return EXIT_USAGE;
    }
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
