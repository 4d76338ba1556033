/* See etcd.h. */
#include "tests/unit/client/etcd.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/io/file.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "proto/rpc.pb-c.h"

static const char *const places[] = { "/usr/bin/etcd", "/usr/local/bin/etcd" };

enum { ETCDS_MAX = 8 };

/* What lives between tests: a failed one leaves its members behind for etcd_cleanup. */
struct etcds {
    struct etcd *shared;
    struct etcd *items[ETCDS_MAX];
    size_t n;
};

static struct etcds *etcds(void)
{
    static struct etcds all;

    return &all;
}

/* BARQUE_TEST_ETCD names another program with etcd's flags: the same tests against our own store.
 * ETCD is where `make deps` has unpacked Debian's (the Makefile exports it). */
static const char *etcd_path(void)
{
    const char *other = getenv("BARQUE_TEST_ETCD");
    const char *unpacked = getenv("ETCD");

    if (other != NULL) {
        return other;
    }
    if (unpacked != NULL && access(unpacked, X_OK) == 0) {
        return unpacked;
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

bool etcd_installed(void)
{
    if (etcd_path() != NULL) {
        return true;
    }
    print_message("skipped: no etcd is installed (%s). Next: make deps\n", places[0]);
    return false;
}

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct waiter {
    struct timer timer;
    struct loop *loop;
    bool (*cond)(void *arg);
    void *arg;
    uint64_t until_ms;
    bool held;
};

static void on_look(struct timer *t)
{
    struct waiter *w = CONTAINER_OF(t, struct waiter, timer);

    w->held = w->cond(w->arg);
    if (w->held || clock_mono_ms() >= w->until_ms) {
        loop_stop(w->loop);
    } else {
        timer_start(t, 2);
    }
}

bool run_until(struct loop *loop, bool (*cond)(void *arg), void *arg, uint64_t deadline_ms)
{
    struct waiter w = { .loop = loop, .cond = cond, .arg = arg };

    if (cond(arg)) {
        return true;
    }
    w.until_ms = clock_mono_ms() + deadline_ms;
    timer_init(loop, &w.timer, on_look);
    timer_start(&w.timer, 0);
    loop_run(loop);
    timer_stop(&w.timer);
    return w.held;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

bool run_until_set(struct loop *loop, const bool *flag, uint64_t deadline_ms)
{
    return run_until(loop, flag_set, (void *)(uintptr_t)flag, deadline_ms);
}

static bool count_down(void *arg)
{
    int *n = arg;

    return --*n <= 0;
}

void run_turns(struct loop *loop)
{
    int n = 10;

    run_until(loop, count_down, &n, 1000);
}

/* --- members ---------------------------------------------------------------------------------- */

static void on_member_exit(void *arg, struct process *p, int exit_code, int signal_)
{
    struct etcd_member *m = arg;

    (void)exit_code;
    (void)signal_;
    process_release(p);
    m->process = NULL;
}

static void member_spawn(struct etcd *e, struct etcd_member *m)
{
    autofree char *data = mem_printf("%s/%s", e->dir, m->name);
    autofree char *client = mem_printf("http://%s", m->address);
    autofree char *peer = mem_printf("http://%s", m->peer);
    const char *argv[] = { "etcd", "--name", m->name, "--data-dir", data,
                           "--listen-client-urls", client, "--advertise-client-urls", client,
                           "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                           "--initial-cluster", e->initial, "--heartbeat-interval", "50",
                           "--election-timeout", "500", "--logger", "zap", "--log-level", "error",
                           "--experimental-watch-progress-notify-interval", "200ms", NULL };
    struct process_options options = {
        .path = etcd_path(),
        .argv = argv,
        .cwd = e->dir,
        .stdout_fd = -1,
        .stderr_fd = -1,
        .on_exit = on_member_exit,
        .arg = m,
    };
    struct err err = ERR_INIT;

    if (process_spawn(e->loop, &options, &m->process, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

void etcd_set_flag(void *arg, const struct client_result *result)
{
    *(bool *)arg = result->status == 0;
}

struct client *etcd_client(struct etcd *e)
{
    return etcd_client_on(e, e->loop);
}

struct client *etcd_client_on(struct etcd *e, struct loop *loop)
{
    const char *endpoints[ETCD_MEMBERS_MAX];
    struct client_options options = {
        .loop = loop,
        .endpoints = endpoints,
        .n_endpoints = e->n,
        .timeout_ms = 10000,
    };
    struct client *c = NULL;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < e->n; i++) {
        endpoints[i] = e->members[i].address;
    }
    if (client_new(&options, &c, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return c;
}

static void wait_serving(struct etcd *e)
{
    struct client *c = etcd_client(e);
    struct client_put put = { .key = slice_str("ready"), .value = slice_str("1"),
                              .timeout_ms = 20000 };
    bool ok = false;

    client_put_kv(c, &put, etcd_set_flag, &ok);
    assert_true(run_until_set(e->loop, &ok, 20000));
    client_free(c);
    run_turns(e->loop);
}

struct etcd *etcd_start(size_t members)
{
    struct etcd *e = mem_zalloc(sizeof *e);
    struct etcds *all = etcds();
    const char *tmp = getenv("TMPDIR");
    size_t at = 0;

    assert_true(all->n < ETCDS_MAX);
    all->items[all->n++] = e;
    e->loop = loop_new();
    e->n = members;
    snprintf(e->dir, sizeof e->dir, "%.80s/barque-etcd-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(e->dir));
    for (size_t i = 0; i < members; i++) {
        struct etcd_member *m = &e->members[i];

        snprintf(m->name, sizeof m->name, "m%zu", i + 1);
        snprintf(m->address, sizeof m->address, "127.0.0.1:%u", free_port());
        snprintf(m->peer, sizeof m->peer, "127.0.0.1:%u", free_port());
        at += (size_t)snprintf(e->initial + at, sizeof e->initial - at, "%s%s=http://%s",
                               i != 0 ? "," : "", m->name, m->peer);
    }
    for (size_t i = 0; i < members; i++) {
        member_spawn(e, &e->members[i]);
    }
    wait_serving(e);
    return e;
}

static void forget(struct etcd *e)
{
    struct etcds *all = etcds();

    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i] == e) {
            all->items[i] = all->items[--all->n];
            return;
        }
    }
}

static bool member_gone(void *arg)
{
    return ((struct etcd_member *)arg)->process == NULL;
}

void etcd_kill(struct etcd *e, size_t k, int signal_)
{
    assert_int_equal(process_kill(e->members[k].process, signal_), 0);
    assert_true(run_until(e->loop, member_gone, &e->members[k], 10000));
}

void etcd_restart(struct etcd *e, size_t k)
{
    member_spawn(e, &e->members[k]);
}

size_t etcd_by_address(const struct etcd *e, const char *address)
{
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->members[i].address, address) == 0) {
            return i;
        }
    }
    fail_msg("no member at %s", address);
    return 0;
}

void etcd_stop(struct etcd *e)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->members[i].process != NULL) {
            etcd_kill(e, i, SIGKILL);
        }
    }
    forget(e);
    fs_remove_tree(loop_fs(e->loop), e->dir, NULL);
    run_turns(e->loop);
    loop_free(e->loop);
    mem_free(e);
}

struct etcd *etcd_shared(void)
{
    struct etcds *all = etcds();

    if (all->shared == NULL) {
        all->shared = etcd_start(1);
    }
    return all->shared;
}

void etcd_cleanup(void)
{
    struct etcds *all = etcds();

    all->shared = NULL;
    while (all->n > 0) {
        etcd_stop(all->items[all->n - 1]);
    }
}

int etcd_number(const char *text)
{
    int64_t n = 0;

    assert_int_equal(str_parse_i64(text, &n), 0);
    return (int)n;
}

/* --- a revocation by hand --------------------------------------------------------------------- */

static void on_revoked(void *arg, const struct rpc_result *result)
{
    *(bool *)arg = result->err == 0;
}

void etcd_revoke(struct etcd *e, int64_t lease)
{
    Etcdserverpb__LeaseRevokeRequest pb = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    struct rpc_channel_options options = { .loop = e->loop, .address = e->members[0].address };
    struct rpc_channel *ch = rpc_channel_new(&options);
    bool done = false;

    pb.id = lease;
    rpc_call_unary(ch, "/etcdserverpb.Lease/LeaseRevoke", &pb.base,
                   &etcdserverpb__lease_revoke_response__descriptor, 2000, on_revoked, &done);
    assert_true(run_until_set(e->loop, &done, 3000));
    rpc_channel_free(ch);
}

/* --- blocking calls --------------------------------------------------------------------------- */

struct blocking {
    bool done;
    int status;
    int64_t revision;
    char *value;
};

static void on_blocking(void *arg, const struct client_result *result)
{
    struct blocking *b = arg;

    b->done = true;
    b->status = result->status;
    b->revision = result->revision;
    if (result->n_kvs > 0) {
        b->value = mem_zalloc(result->kvs[0].value.len + 1);
        memcpy(b->value, result->kvs[0].value.data, result->kvs[0].value.len);
    }
    if (result->status != 0) {
        print_message("%s\n", result->err->msg);
    }
}

int64_t must_put(struct client *c, const char *key, const char *value, int64_t lease)
{
    struct client_put put = { .key = slice_str(key), .value = slice_str(value), .lease = lease };
    struct blocking b = { 0 };

    client_put_kv(c, &put, on_blocking, &b);
    assert_true(run_until_set(client_loop(c), &b.done, 15000));
    assert_int_equal(b.status, 0);
    return b.revision;
}

char *must_get(struct client *c, const char *key)
{
    struct client_range range = { .key = slice_str(key) };
    struct blocking b = { 0 };

    client_get(c, &range, on_blocking, &b);
    assert_true(run_until_set(client_loop(c), &b.done, 15000));
    assert_int_equal(b.status, 0);
    return b.value;
}
