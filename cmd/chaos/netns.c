/* Namespaces by unshare, links by `ip -batch`, cuts by `nft -f`. See netns.h. */
#include "cmd/chaos/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define SUBNET "10.66.0."
enum { TOOL_MS = 5000, HUB = -1, SAID_MAX = 160 };

struct netns {
    size_t n;
    int fds[DEMO_MASTERS_MAX];
    char *told[DEMO_MASTERS_MAX]; /* the last script that nft took */
};

/* --- ip and nft ------------------------------------------------------------------------------- */

/* Debian keeps both in /usr/sbin, which is not in everybody's PATH. */
static bool tool_path(const char *name, char *ret_path, size_t size)
{
    static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin",
                                           "/usr/local/sbin" };
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(ret_path, size, "%s/%s", folders[i], name);
        if (access(ret_path, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static pid_t tool_start(const char *path, const char *const *argv, int ns, int in, int out)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if ((ns != HUB && setns(ns, CLONE_NEWNET) != 0) || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0) {
        _exit(127);
    }
    close_range(3, ~0u, 0);
    execv(path, (char *const *)argv);
    _exit(127);
}

static bool tool_wait(pid_t pid)
{
    int status = 0;
    for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms++) {
        if (ms >= TOOL_MS) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return false;
        }
        poll(NULL, 0, 1);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs `argv` with `text` as its input in a namespace. E_UNSUPPORTED with what it said first. */
static int tool_run(const char *const *argv, int ns, const char *text, struct err *err)
{
    char path[64], said[SAID_MAX] = "";
    size_t len = strlen(text);
    if (!tool_path(argv[0], path, sizeof path)) {
        return err_set(err, E_NOTFOUND, "there is no `%s` any more", argv[0]);
    }
    int in = memfd_create("script", MFD_CLOEXEC), out = memfd_create("said", MFD_CLOEXEC);
    pid_t pid = in >= 0 && out >= 0 && write(in, text, len) == (ssize_t)len &&
                        lseek(in, 0, SEEK_SET) == 0
                    ? tool_start(path, argv, ns, in, out)
                    : -1;
    bool well = pid > 0 && tool_wait(pid);
    ssize_t n = out >= 0 ? pread(out, said, sizeof said - 1, 0) : 0;
    said[n > 0 ? n : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return well ? 0 : err_set(err, E_UNSUPPORTED, "%s failed: %s", argv[0],
                              said[0] != '\0' ? said : "it did not start, or did not end in 5 s");
}

static int ip(int ns, const char *text, struct err *err)
{
    static const char *const argv[] = { "ip", "-batch", "-", NULL };
    return tool_run(argv, ns, text, err);
}

/* --- making them ------------------------------------------------------------------------------ */

/* This thread moves through all of them, and stays in the last, the hub. */
static int unshare_all(struct netns *net, struct err *err)
{
    for (size_t i = 0; i < net->n; i++) {
        if (unshare(CLONE_NEWNET) != 0) {
            return err_set(err, E_UNSUPPORTED, "no network namespace can be made here: %s",
                           strerror(errno));
        }
        net->fds[i] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (net->fds[i] < 0) {
            return err_errno(err, errno, "open a network namespace");
        }
    }
    return unshare(CLONE_NEWNET) == 0
               ? 0
               : err_set(err, E_UNSUPPORTED, "no network namespace can be made here: %s",
                         strerror(errno));
}

static int wire(const struct netns *net, struct err *err)
{
    autobuf hub = BUF_INIT;
    buf_printf(&hub, "link set lo up\nlink add hub type bridge\nlink set hub up\n"
                     "addr add " SUBNET "254/24 dev hub\n");
    for (size_t i = 0; i < net->n; i++) {
        buf_printf(&hub,
                   "link add m%zu type veth peer name eth0 netns /proc/%d/fd/%d\n"
                   "link set m%zu master hub up\n",
                   i + 1, (int)getpid(), net->fds[i], i + 1);
    }
    int rv = ip(HUB, buf_str(&hub), err);
    for (size_t i = 0; rv == 0 && i < net->n; i++) {
        autobuf own = BUF_INIT;
        buf_printf(&own, "link set lo up\naddr add " SUBNET "%zu/24 dev eth0\nlink set eth0 up\n",
                   i + 1);
        rv = ip(net->fds[i], buf_str(&own), err);
    }
    return rv;
}

int netns_new(size_t n, struct netns **ret_net, struct err *err)
{
    PRE(n >= 1);
    PRE(n <= DEMO_MASTERS_MAX);
    static const char trial[] =
        "table inet barque_chaos { chain in { type filter hook input priority 0; "
        "ip saddr " SUBNET "254 numgen random mod 100 < 1 drop; }; }\n"
        "delete table inet barque_chaos\n";
    char path[64];
    if (geteuid() != 0) {
        return err_set(err, E_PERM, "--netns needs root: it makes network namespaces");
    }
    if (!tool_path("ip", path, sizeof path) || !tool_path("nft", path, sizeof path)) {
        return err_set(err, E_NOTFOUND,
                       "--netns needs `ip` and `nft`. Next: apt-get install iproute2 nftables");
    }
    struct netns *net = mem_zalloc(sizeof *net);
    net->n = n;
    int rv = unshare_all(net, err);
    rv = rv != 0 ? rv : wire(net, err);
    /* Whether this kernel has what cuts need is known before anything is started. */
    rv = rv != 0 ? rv : netns_cut(net, 0, trial, err);
    if (rv != 0) {
        netns_free(net);
        return err_prefix(err, "--netns");
    }
    *ret_net = net;
    return 0;
}

void netns_free(struct netns *net)
{
    for (size_t i = 0; net != NULL && i < net->n; i++) {
        if (net->fds[i] > 0) {
            close(net->fds[i]);
        }
        mem_free(net->told[i]);
    }
    mem_free(net);
}

/* --- using them ------------------------------------------------------------------------------- */

void netns_place(const struct netns *net, struct demo_cluster *c, size_t i)
{
    PRE(i < net->n);
    struct demo_process *p = &c->masters[i];
    c->tied = true;
    p->netns = net->fds[i];
    char host[32];
    snprintf(host, sizeof host, SUBNET "%zu", i + 1);
    INVARIANT(str_copy(p->host, sizeof p->host, host));
    snprintf(c->endpoints[i], sizeof c->endpoints[i], "%.15s:%d", host, p->client_port);
}

int netns_cut(struct netns *net, size_t i, const char *script, struct err *err)
{
    static const char *const argv[] = { "nft", "-f", "-", NULL };
    PRE(i < net->n);
    if (net->told[i] != NULL && str_eq(net->told[i], script)) {
        return 0;
    }
    int rv = tool_run(argv, net->fds[i], script, err);
    if (rv == 0) {
        mem_free(net->told[i]);
        net->told[i] = mem_strdup(script);
    }
    return rv;
}
