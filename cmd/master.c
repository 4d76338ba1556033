/* `barque master`: a store member with the controllers and the scheduler in the same process.
 *
 * They remain thin clients: they reach the store through its client port like anyone else, and log
 * in like anyone else (--user) where authentication is on. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/components.h"
#include "cmd/host.h"
#include "client/login_as.h"
#include "cmd/member.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/base/rng.h"
#include "lib/io/process.h"

enum { RESIGN_MS = 500 };

struct master {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct components *components;
    struct signal_watch *signals;
    bool closing;
};

static int components_start(struct master *m, const char *endpoint, const struct member_flags *f,
                            struct err *err)
{
    struct login_as as = LOGIN_AS_INIT;
    uint64_t seed = rng_os_seed();
    struct client_options options = {
        .loop = m->loop, .endpoints = &endpoint, .n_endpoints = 1, .seed = seed,
    };
    int rv = login_as_read(f->user, f->password_file, &as, err);
    if (rv == 0) {
        login_as_options(&as, &options);
        rv = client_new(&options, &m->client, err);
    }
    login_as_fini(&as);
    if (rv != 0) {
        return rv;
    }
    m->components = components_new(m->client, f->name, seed);
    return 0;
}

static void closed(void *arg)
{
    struct master *m = arg;
    signal_watch_stop(m->signals);
    loop_stop(m->loop);
}

/* The resignations are out (or nobody answered): now the member may go. */
static void resigned(void *arg)
{
    struct master *m = arg;
    server_close(m->server, closed, m);
}

static void on_signal(void *arg, int signal)
{
    struct master *m = arg;
    if (m->closing) {
        log_warn("master", "second signal: leaving at once", "signal=%d", signal);
        log_stop();
        _Exit(EXIT_FAILED);
    }
    log_info("master", "closing", "signal=%d", signal);
    m->closing = true;
    m->components = components_free(m->components);
    client_close(m->client, RESIGN_MS, resigned, m);
}

static const char intro[] =
    "barque master: a store member, the controllers and the scheduler in one process\n\n"
    "  barque master --name m1 --data-dir m1.data --listen-client-urls "
    "http://127.0.0.1:12379 \\\n"
    "      --listen-peer-urls http://127.0.0.1:12380 --initial-cluster "
    "m1=http://...,m2=...\n\n"
    "Three of them make a cluster; any may be killed.\n\n";

int command_master(int argc, char **argv)
{
    __attribute__((cleanup(options_fini))) struct member_flags f;
    struct err err = ERR_INIT;
    int code;
    if (!member_flags_read("master", intro, argc, argv, &f, &code)) {
        return code;
    }
    if (f.unsafe_damage != NULL) {
        fprintf(stderr, "barque master: --unsafe-damage is barque store's (docs/faults.md)\n");
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    if (host_start_log(&f, &err) != 0) {
        fprintf(stderr, "barque master: %s\n", err.msg);
        return EXIT_USAGE;
    }
    struct master m = { .loop = loop_new() };
    char endpoint[128];
    int rv = member_open(&f, m.loop, &m.server, endpoint, &err);
    if (rv == 0) {
        rv = components_start(&m, endpoint, &f, &err);
    }
    if (rv != 0) {
        log_stop();
        fprintf(stderr, "barque master: %s\n", err.msg);
        return rv == E_INVAL || rv == E_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED;
    }
    static const int signals[] = { SIGINT, SIGTERM };
    m.signals = signal_watch_start(m.loop, signals, ARRAY_LEN(signals), on_signal, &m);
    log_info("master", "serving clients", "name=%s address=%s", f.name, endpoint);
    loop_run(m.loop);
    loop_free(m.loop);
    log_stop();
    return EXIT_OK;
}
