/* `barque master`: a store member with the controllers and the scheduler in the same process.
 *
 * They remain thin clients: they reach the store through its client port like anyone else. Each
 * of the two stands in an election of its own; standbys keep warm caches and take over within
 * the lease's 2 s. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/member.h"
#include "client/elector.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/base/rng.h"
#include "lib/io/process.h"
#include "scheduler/scheduler.h"

enum { RESIGN_MS = 500 };

/* One elected component: what to tell when leadership comes or goes. */
struct component {
    const char *name;
    struct master *master;
    struct elector *elector;
    /* fence: the guard of its writes while leading. */
    void (*lead)(struct master *m, bool leading, const struct client_guard *fence);
};

struct master {
    struct loop *loop;
    struct server *server;
    struct client *client;
    struct informers *informers;
    struct recorder *recorder;
    struct scheduler *scheduler;
    struct controller_group *controllers;
    struct component components[2];
    struct signal_watch *signals;
    bool closing;
};

/* Who is deposed keeps the old fence: what it still has under way must fail. */
static void lead_controllers(struct master *m, bool leading, const struct client_guard *fence)
{
    if (leading) {
        controller_group_fence(m->controllers, fence);
    }
    controller_group_lead(m->controllers, leading);
}

static void lead_scheduler(struct master *m, bool leading, const struct client_guard *fence)
{
    if (leading) {
        scheduler_fence(m->scheduler, fence);
    }
    scheduler_lead(m->scheduler, leading);
}

static void on_leading(void *arg, bool leading, int64_t fence)
{
    struct component *c = arg;
    log_info(c->name, leading ? "leading" : "standing by", "fence=%" PRId64, fence);
    struct client_guard guard = { 0 };
    if (leading) {
        guard = elector_guard(c->elector);
    }
    c->lead(c->master, leading, &guard);
}

static int components_start(struct master *m, const char *endpoint, const char *identity,
                            struct err *err)
{
    uint64_t seed = rng_os_seed();
    struct client_options options = {
        .loop = m->loop, .endpoints = &endpoint, .n_endpoints = 1, .seed = seed,
    };
    int rv = client_new(&options, &m->client, err);
    if (rv != 0) {
        return rv;
    }
    m->informers = informers_new(m->client, seed);
    controllers_indexes(m->informers);
    m->recorder = recorder_new(m->client, "scheduler", identity, seed);
    struct scheduler_options s = { m->informers, m->recorder, seed };
    m->scheduler = scheduler_new(&s);
    struct controller_group_options g = {
        .informers = m->informers, .table = controllers, .n = controllers_n,
        .component = "controllers", .host = identity, .seed = seed,
    };
    m->controllers = controller_group_new(&g);
    m->components[0] = (struct component){ "controllers", m, NULL, lead_controllers };
    m->components[1] = (struct component){ "scheduler", m, NULL, lead_scheduler };
    for (size_t i = 0; i < ARRAY_LEN(m->components); i++) {
        struct component *c = &m->components[i];
        autofree char *election = mem_printf("/barque/leaders/%s", c->name);
        struct elector_options e = { .client = m->client, .election = election,
                                     .identity = identity, .seed = seed + i,
                                     .on_leading = on_leading, .arg = c };
        c->elector = elector_new(&e);
    }
    return 0;
}

static void components_stop(struct master *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->components); i++) {
        elector_free(m->components[i].elector);
    }
    scheduler_free(m->scheduler);
    controller_group_free(m->controllers);
    recorder_free(m->recorder);
    informers_free(m->informers);
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
    components_stop(m);
    client_close(m->client, RESIGN_MS, resigned, m);
}

static void usage(const struct flag *flags, size_t n)
{
    printf("barque master: a store member, the controllers and the scheduler in one process\n\n"
           "  barque master --name m1 --data-dir m1.data --listen-client-urls "
           "http://127.0.0.1:12379 \\\n"
           "      --listen-peer-urls http://127.0.0.1:12380 --initial-cluster "
           "m1=http://...,m2=...\n\n"
           "Three of them make a cluster; any may be killed. Flags:\n");
    flags_print(flags, n);
}

int command_master(int argc, char **argv)
{
    struct member_flags f;
    struct flag flags[MEMBER_FLAGS_MAX];
    size_t n = member_flags_init(&f, flags);
    struct err err = ERR_INIT;
    bool help;
    if (flags_parse(flags, n, &argc, argv, &help, &err) != 0) {
        fprintf(stderr, "barque master: %s. Next: barque master --help\n", err.msg);
        return EXIT_USAGE;
    }
    if (help) {
        usage(flags, n);
        return EXIT_OK;
    }
    if (argc > 1) {
        fprintf(stderr, "barque master: unexpected argument \"%s\". Next: barque master --help\n",
                argv[1]);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    log_start(2);
    struct master m = { .loop = loop_new() };
    char endpoint[128];
    int rv = member_open(&f, m.loop, &m.server, endpoint, &err);
    if (rv == 0) {
        rv = components_start(&m, endpoint, f.name, &err);
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
