/* Starting, finding and ending the demo's processes. See cluster.h. */
#include "cmd/demo/cluster.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"

enum { STATE_MAX_BYTES = 64 * 1024, STOP_MS = 4000 };

/* --- ports ------------------------------------------------------------------------------------ */

/* Free ports, all held at once so that they differ, below the range of outgoing connections. */
static int free_ports(int *ret_ports, size_t n, struct err *err)
{
    int fds[2 * DEMO_MASTERS_MAX];
    size_t got = 0;
    int port = 20000 + (int)(clock_mono_us() % 8000);
    for (int tries = 0; got < n && tries < 4000; tries++, port++) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && bind(fd, (const struct sockaddr *)(const void *)&a, sizeof a) == 0) {
            fds[got] = fd;
            ret_ports[got++] = port;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    for (size_t i = 0; i < got; i++) {
        close(fds[i]);
    }
    return got == n ? 0 : err_set(err, E_ADDRINUSE, "no free ports on 127.0.0.1");
}

int demo_cluster_new(const char *dir, size_t masters, size_t agents, struct demo_cluster *ret_c,
                     struct err *err)
{
    PRE(masters <= DEMO_MASTERS_MAX);
    PRE(agents <= DEMO_AGENTS_MAX);
    memset(ret_c, 0, sizeof *ret_c);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return err_errno(err, errno, "create %s", dir);
    }
    char *absolute = realpath(dir, NULL);
    bool fits = absolute != NULL && str_copy(ret_c->dir, sizeof ret_c->dir, absolute);
    free(absolute);
    if (!fits) {
        return err_set(err, E_INVAL, "%s: not usable as a directory", dir);
    }
    int ports[2 * DEMO_MASTERS_MAX];
    int rv = free_ports(ports, 2 * masters, err);
    for (size_t i = 0; rv == 0 && i < masters; i++) {
        struct demo_process *p = &ret_c->masters[i];
        snprintf(p->name, sizeof p->name, "m%zu", i + 1);
        p->client_port = ports[2 * i];
        p->peer_port = ports[2 * i + 1];
        snprintf(ret_c->endpoints[i], sizeof ret_c->endpoints[i], "127.0.0.1:%d", p->client_port);
    }
    for (size_t i = 0; i < agents; i++) {
        snprintf(ret_c->agents[i].name, sizeof ret_c->agents[i].name, "n%zu", i + 1);
    }
    ret_c->n_masters = masters;
    ret_c->n_agents = agents;
    return rv;
}

int demo_cluster_grow(struct demo_cluster *c, struct demo_process **ret_p, struct err *err)
{
    int ports[2];
    if (c->n_masters == DEMO_MASTERS_MAX) {
        return err_set(err, E_FULL, "there are %d masters already", DEMO_MASTERS_MAX);
    }
    int rv = free_ports(ports, 2, err);
    if (rv != 0) {
        return rv;
    }
    struct demo_process *p = &c->masters[c->n_masters];
    *p = (struct demo_process){ .client_port = ports[0], .peer_port = ports[1], .joins = true };
    snprintf(p->name, sizeof p->name, "m%zu", c->n_masters + 1);
    snprintf(c->endpoints[c->n_masters], sizeof c->endpoints[0], "127.0.0.1:%d", ports[0]);
    c->n_masters++;
    *ret_p = p;
    return 0;
}

void demo_cluster_shrink(struct demo_cluster *c)
{
    PRE(c->n_masters > 0);
    c->n_masters--;
}

/* --- state file ------------------------------------------------------------------------------- */

static json_t *process_to_json(const struct demo_process *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(p->name));
    json_object_set_new(o, "pid", json_integer(p->pid));
    json_object_set_new(o, "client_port", json_integer(p->client_port));
    json_object_set_new(o, "peer_port", json_integer(p->peer_port));
    if (p->joins) {
        json_object_set_new(o, "joins", json_true());
    }
    return o;
}

int demo_cluster_save(const struct demo_cluster *c, struct err *err)
{
    json_t *doc = json_object(), *masters = json_array(), *agents = json_array();
    for (size_t i = 0; i < c->n_masters; i++) {
        json_array_append_new(masters, process_to_json(&c->masters[i]));
    }
    for (size_t i = 0; i < c->n_agents; i++) {
        json_array_append_new(agents, process_to_json(&c->agents[i]));
    }
    json_object_set_new(doc, "masters", masters);
    json_object_set_new(doc, "agents", agents);
    autobuf text = BUF_INIT;
    json_write_pretty(doc, &text);
    json_decref(doc);
    autofree char *path = mem_printf("%s/demo.json", c->dir);
    autofree char *temporary = mem_printf("%s/.demo.json", c->dir);
    FILE *f = fopen(temporary, "we");
    if (f == NULL || fwrite(text.data, 1, text.len, f) != text.len || fclose(f) != 0 ||
        rename(temporary, path) != 0) {
        return err_errno(err, errno, "write %s", path);
    }
    return 0;
}

static size_t processes_from_json(const json_t *list, struct demo_process *out, size_t max)
{
    size_t n = json_array_size(list) < max ? json_array_size(list) : max;
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        str_copy(out[i].name, sizeof out[i].name, json_path_str(o, "name", "?"));
        out[i].pid = (pid_t)json_path_int(o, "pid", 0);
        out[i].client_port = (int)json_path_int(o, "client_port", 0);
        out[i].peer_port = (int)json_path_int(o, "peer_port", 0);
        out[i].joins = json_path_bool(o, "joins", false);
    }
    return n;
}

int demo_cluster_load(const char *dir, struct demo_cluster *ret_c, struct err *err)
{
    autofree char *path = mem_printf("%s/demo.json", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(err, E_NOTFOUND,
                       "no demo is running in %s. Next: start one with `barque demo` in another "
                       "terminal",
                       dir);
    }
    autobuf text = BUF_INIT;
    ssize_t n = read(fd, buf_reserve(&text, STATE_MAX_BYTES), STATE_MAX_BYTES);
    close(fd);
    buf_advance(&text, n > 0 ? (size_t)n : 0);
    json_t *doc = NULL;
    int rv = json_parse(buf_slice(&text), &doc, err);
    if (rv != 0) {
        return err_prefix(err, "%s", path);
    }
    if (dir != ret_c->dir) { /* reloading in place is fine */
        str_copy(ret_c->dir, sizeof ret_c->dir, dir);
    }
    ret_c->n_masters =
        processes_from_json(json_object_get(doc, "masters"), ret_c->masters, DEMO_MASTERS_MAX);
    ret_c->n_agents =
        processes_from_json(json_object_get(doc, "agents"), ret_c->agents, DEMO_AGENTS_MAX);
    for (size_t i = 0; i < ret_c->n_masters; i++) {
        snprintf(ret_c->endpoints[i], sizeof ret_c->endpoints[i], "127.0.0.1:%d",
                 ret_c->masters[i].client_port);
    }
    json_decref(doc);
    return 0;
}

struct demo_process *demo_cluster_find(struct demo_cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_masters; i++) {
        if (str_eq(c->masters[i].name, name)) {
            return &c->masters[i];
        }
    }
    for (size_t i = 0; i < c->n_agents; i++) {
        if (str_eq(c->agents[i].name, name)) {
            return &c->agents[i];
        }
    }
    return NULL;
}

/* --- processes -------------------------------------------------------------------------------- */

/* The pid is still ours only if its command line is the one we gave it (the program's file may
 * have been replaced by a newer build meanwhile). */
bool demo_process_runs(const struct demo_process *p)
{
    if (p->pid <= 0) {
        return false;
    }
    char path[64], text[512] = "", want[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    /* Arguments end with NUL: as one line, "barque master --name=m1 ...". */
    for (ssize_t i = 0; i < n; i++) {
        text[i] = text[i] == '\0' ? ' ' : text[i];
    }
    snprintf(want, sizeof want, "barque %s --%s=%s ", p->client_port != 0 ? "master" : "agent",
             p->client_port != 0 ? "name" : "node", p->name);
    return strncmp(text, want, strlen(want)) == 0;
}

const char *demo_process_host(const struct demo_process *p)
{
    return p->host[0] != '\0' ? p->host : "127.0.0.1";
}

static char *initial_cluster(const struct demo_cluster *c)
{
    autobuf b = BUF_INIT;
    for (size_t i = 0; i < c->n_masters; i++) {
        const struct demo_process *p = &c->masters[i];
        buf_printf(&b, "%s%s=http://%s:%d", i == 0 ? "" : ",", p->name, demo_process_host(p),
                   p->peer_port);
    }
    return mem_strdup(buf_str(&b));
}

static char *endpoint_list(const struct demo_cluster *c)
{
    autobuf b = BUF_INIT;
    for (size_t i = 0; i < c->n_masters; i++) {
        buf_printf(&b, "%s%s", i == 0 ? "" : ",", c->endpoints[i]);
    }
    return mem_strdup(buf_str(&b));
}

enum { ARGV_MAX = 24 };

/* Strings live until the process does or we exec: a handful of bytes a start. */
static void master_argv(const struct demo_cluster *c, const struct demo_process *p, char **argv)
{
    const char *host = demo_process_host(p);
    size_t n = 0;
    argv[n++] = mem_strdup("barque");
    argv[n++] = mem_strdup("master");
    argv[n++] = mem_printf("--name=%s", p->name);
    argv[n++] = mem_printf("--data-dir=%s/%s", c->dir, p->name);
    argv[n++] = mem_printf("--listen-client-urls=http://%s:%d", host, p->client_port);
    argv[n++] = mem_printf("--listen-peer-urls=http://%s:%d", host, p->peer_port);
    autofree char *cluster = initial_cluster(c);
    argv[n++] = mem_printf("--initial-cluster=%s", cluster);
    argv[n++] = mem_strdup("--initial-cluster-token=barque-demo");
    if (p->joins) {
        argv[n++] = mem_strdup("--initial-cluster-state=existing");
    }
    argv[n++] = mem_printf("--unsafe-faults=%s/%s.faults", c->dir, p->name); /* barque chaos */
    argv[n] = NULL;
}

static void agent_argv(const struct demo_cluster *c, const struct demo_process *p, char **argv)
{
    size_t n = 0;
    argv[n++] = mem_strdup("barque");
    argv[n++] = mem_strdup("agent");
    argv[n++] = mem_printf("--node=%s", p->name);
    argv[n++] = mem_printf("--root=%s/%s", c->dir, p->name);
    autofree char *endpoints = endpoint_list(c);
    argv[n++] = mem_printf("--endpoints=%s", endpoints);
    argv[n++] = mem_strdup("--capacity=cpu=4,memory=4Gi,pods=50");
    argv[n] = NULL;
}

int demo_process_start(struct demo_cluster *c, struct demo_process *p, struct err *err)
{
    char *argv[ARGV_MAX];
    if (p->client_port != 0) {
        master_argv(c, p, argv);
    } else {
        agent_argv(c, p, argv);
    }
    autofree char *log = mem_printf("%s/%s.log", c->dir, p->name);
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
        return err_errno(err, errno, "find this program in /proc");
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        setsid();
        if (c->tied) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        }
        if ((c->tied && getppid() != parent) ||
            (p->netns > 0 && setns(p->netns, CLONE_NEWNET) != 0)) {
            _exit(127);
        }
        int null = open("/dev/null", O_RDONLY);
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        close_range(3, ~0u, 0);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execv(self, argv);
        execv("/proc/self/exe", argv); /* the file was replaced by a newer build */
        _exit(127);
    }
    for (size_t i = 0; argv[i] != NULL; i++) {
        mem_free(argv[i]);
    }
    if (pid < 0) {
        return err_errno(err, errno, "start %s", p->name);
    }
    p->pid = pid;
    return demo_cluster_save(c, err);
}

/* Every pod process of a node: the process groups named in its pid files, and the shims above
 * them. */
static void kill_pods(const struct demo_cluster *c, const char *node)
{
    autofree char *pattern = mem_printf("%s/%s/pods/*/*/*/pid", c->dir, node);
    glob_t files;
    if (glob(pattern, 0, NULL, &files) != 0) {
        return;
    }
    for (size_t i = 0; i < files.gl_pathc; i++) {
        /* An attempt that has ended gave its pid back: it may be anybody's now. */
        autofree char *ended = mem_printf("%.*sexit", (int)strlen(files.gl_pathv[i]) - 3,
                                          files.gl_pathv[i]);
        if (access(ended, F_OK) == 0) {
            continue;
        }
        FILE *f = fopen(files.gl_pathv[i], "re");
        int pid = 0;
        if (f != NULL && fscanf(f, "%d", &pid) == 1 && pid > 1) {
            kill(-pid, SIGKILL);
        }
        if (f != NULL) {
            fclose(f);
        }
    }
    globfree(&files);
}

void demo_process_kill(struct demo_cluster *c, struct demo_process *p)
{
    if (demo_process_runs(p)) {
        kill(p->pid, SIGKILL);
    }
    if (p->pid > 0) {
        waitpid(p->pid, NULL, 0); /* ours, or not a child: either is fine */
    }
    p->pid = 0;
    if (p->client_port == 0) {
        kill_pods(c, p->name);
    }
    demo_cluster_save(c, NULL);
}

static bool wait_end(struct demo_process *p, uint64_t deadline_ms)
{
    while (demo_process_runs(p) && clock_mono_ms() < deadline_ms) {
        if (waitpid(p->pid, NULL, WNOHANG) != p->pid) {
            poll(NULL, 0, 10);
        }
    }
    return !demo_process_runs(p);
}

static void stop_all(struct demo_cluster *c, struct demo_process *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (demo_process_runs(&list[i])) {
            kill(list[i].pid, SIGTERM);
        }
    }
    uint64_t deadline = clock_mono_ms() + STOP_MS;
    for (size_t i = 0; i < n; i++) {
        wait_end(&list[i], deadline);
        demo_process_kill(c, &list[i]);
    }
}

void demo_cluster_stop(struct demo_cluster *c)
{
    stop_all(c, c->agents, c->n_agents); /* their pods go with them */
    stop_all(c, c->masters, c->n_masters);
    autofree char *path = mem_printf("%s/demo.json", c->dir);
    unlink(path);
}

long demo_process_rss_kib(const struct demo_process *p)
{
    char path[64], line[128];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)p->pid);
    FILE *f = p->pid > 0 ? fopen(path, "re") : NULL;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) {
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib;
}
