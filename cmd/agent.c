/* `barque agent`: the node agent; `barque shim`: its helper, one a container (not for people). */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/meta.h"
#include "api/quantity.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "client/login_as.h"
#include "kubelet/kubelet.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"
#include "lib/io/fault.h"
#include "lib/io/process.h"

struct agent_flags {
    const char *endpoints, *node, *root, *driver, *labels, *capacity, *listen, *host_ip, *log_level,
        *unsafe_faults, *user, *password_file;
    uint64_t lease_ttl_s;
};

struct agent {
    struct loop *loop;
    struct client *client;
    struct kubelet *kubelet;
    struct signal_watch *signals;
};

static void on_signal(void *arg, int signal)
{
    struct agent *a = arg;
    log_info("agent", "stopping; pods go on", "signal=%d", signal);
    loop_stop(a->loop);
}

static void on_endpoint(void *arg, const char *endpoint, bool up, const struct err *why)
{
    (void)arg;
    if (up) {
        log_info("agent", "connected", "endpoint=%s", endpoint);
    } else {
        log_warn("agent", "endpoint lost", "endpoint=%s reason=\"%s\"", endpoint,
                 why != NULL ? why->msg : "");
    }
}

/* "a=b,c=d" into a map. */
static int parse_pairs(const char *text, const char *flag, struct string_map *out, struct err *err)
{
    autofree char *copy = mem_strdup(text);
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        char *eq = strchr(p, '=');
        if (eq == NULL || eq == p) {
            return err_set(err, E_INVAL, "%s: \"%s\" is not KEY=VALUE", flag, p);
        }
        *eq = '\0';
        string_map_set(out, p, eq + 1);
    }
    return 0;
}

static void pairs_free(struct string_map *m)
{
    while (m->n > 0) {
        string_map_remove(m, m->items[m->n - 1].key);
    }
    mem_free(m->items);
}

static int parse_capacity(const char *text, struct string_map *out, struct err *err)
{
    int rv = parse_pairs(text, "--capacity", out, err);
    for (size_t i = 0; rv == 0 && i < out->n; i++) {
        int64_t milli;
        rv = quantity_parse(out->items[i].value, &milli, err);
        if (rv != 0) {
            err_prefix(err, "--capacity %s", out->items[i].key);
        }
    }
    return rv;
}

static int agent_open(struct agent *a, const struct agent_flags *f, struct err *err)
{
    autofree char *list = mem_strdup(f->endpoints);
    const char *endpoints[LIMIT_ENDPOINTS];
    size_t n = 0;
    char *save = NULL;
    for (char *p = strtok_r(list, ",", &save); p != NULL && n < LIMIT_ENDPOINTS;
         p = strtok_r(NULL, ",", &save)) {
        endpoints[n++] = p;
    }
    struct string_map labels = { 0 }, capacity = { 0 };
    int rv = parse_pairs(f->labels, "--labels", &labels, err);
    if (rv == 0) {
        rv = parse_capacity(f->capacity, &capacity, err);
    }
    char self[PATH_MAX] = "";
    if (rv == 0 && readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
        rv = err_set(err, E_IO, "cannot find this program's own path in /proc");
    }
    struct driver *driver = NULL;
    if (rv == 0 && str_eq(f->driver, "fake")) {
        driver = driver_fake_new(a->loop);
    } else if (rv == 0 && str_eq(f->driver, "process")) {
        rv = driver_process_new(a->loop, f->root, self, &driver, err);
    } else if (rv == 0) {
        rv = err_set(err, E_INVAL, "--driver %s: use process or fake", f->driver);
    }
    struct client_options options = { .loop = a->loop, .endpoints = endpoints, .n_endpoints = n,
                                      .seed = rng_os_seed(), .on_endpoint = on_endpoint };
    struct login_as as = LOGIN_AS_INIT;
    if (rv == 0) {
        rv = login_as_read(f->user, f->password_file, &as, err);
    }
    if (rv == 0) {
        login_as_options(&as, &options);
        rv = client_new(&options, &a->client, err);
    }
    login_as_fini(&as);
    login_as_forget();
    if (rv == 0) {
        struct kubelet_options k = { .client = a->client, .driver = driver, .node = f->node,
                                     .root = f->root, .host_ip = f->host_ip, .listen = f->listen,
                                     .labels = &labels, .capacity = &capacity,
                                     .lease_ttl_s = (int64_t)f->lease_ttl_s,
                                     .seed = rng_os_seed() };
        rv = kubelet_new(&k, &a->kubelet, err);
    }
    pairs_free(&labels);
    pairs_free(&capacity);
    return rv;
}

static void usage(const struct flag *flags, size_t n)
{
    printf("barque agent: runs the pods of one node\n\n"
           "  barque agent --node n1 --endpoints 127.0.0.1:12379,127.0.0.1:22379 --root "
           "n1.state\n\n"
           "Stopping the agent stops no pod; start it again with the same --root.\nFlags:\n");
    flags_print(flags, n);
}

int command_agent(int argc, char **argv)
{
    struct agent_flags f = { .endpoints = "127.0.0.1:2379", .driver = "process", .labels = "",
                             .capacity = "", .listen = "127.0.0.1:0", .host_ip = "127.0.0.1",
                             .log_level = "info", .lease_ttl_s = 3 };
    const struct flag flags[] = {
        { "node", FLAG_STRING, &f.node, "NAME", "this node's name (the host name)" },
        { "endpoints", FLAG_STRING, &f.endpoints, "LIST", "store members (127.0.0.1:2379)" },
        { "user", FLAG_STRING, &f.user, "NAME", "as whom to log in, where auth is on" },
        { "password-file", FLAG_STRING, &f.password_file, "FILE", "its password: the first line" },
        { "root", FLAG_STRING, &f.root, "DIR", "state: epoch, pods, logs (NODE.state)" },
        { "driver", FLAG_STRING, &f.driver, "NAME", "process or fake (process)" },
        { "labels", FLAG_STRING, &f.labels, "K=V,...", "labels of the Node" },
        { "capacity", FLAG_STRING, &f.capacity, "K=V,...",
          "cpu=2,memory=4Gi,pods=110 (this machine's)" },
        { "listen", FLAG_STRING, &f.listen, "ADDRESS", "where logs are served (127.0.0.1:0)" },
        { "host-ip", FLAG_STRING, &f.host_ip, "IP", "the node's address (127.0.0.1)" },
        { "lease-ttl", FLAG_U64, &f.lease_ttl_s, "SECONDS",
          "silence after which the node counts as lost (3)" },
        { "unsafe-faults", FLAG_STRING, &f.unsafe_faults, "FILE", NULL },
        { "log-level", FLAG_STRING, &f.log_level, "LEVEL", "debug, info, warn or error (info)" },
    };
    struct err err = ERR_INIT;
    bool help;
    enum log_level level = LOG_INFO;
    int rv = flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err);
    if (rv == 0 && log_level_parse(f.log_level, &level) != 0) {
        rv = err_set(&err, E_INVAL, "--log-level %s: use debug, info, warn or error", f.log_level);
    }
    if (rv != 0) {
        fprintf(stderr, "barque agent: %s. Next: barque agent --help\n", err.msg);
        return EXIT_USAGE;
    }
    if (help) {
        usage(flags, ARRAY_LEN(flags));
        return EXIT_OK;
    }
    char host[65] = "node";
    if (f.node == NULL) {
        gethostname(host, sizeof host - 1);
        f.node = host;
    }
    autofree char *root = f.root != NULL ? mem_strdup(f.root) : mem_printf("%s.state", f.node);
    f.root = root;
    signal(SIGPIPE, SIG_IGN);
    log_set_level(level);
    log_start(2);
    struct agent a = { .loop = loop_new() };
    if (f.unsafe_faults != NULL) {
        rv = faults_start(a.loop, f.unsafe_faults, f.node, &err);
    }
    if (rv == 0) {
        rv = agent_open(&a, &f, &err);
    }
    if (rv != 0) {
        log_stop();
        fprintf(stderr, "barque agent: %s\n", err.msg);
        return rv == E_INVAL ? EXIT_USAGE : EXIT_FAILED;
    }
    static const int signals[] = { SIGINT, SIGTERM };
    a.signals = signal_watch_start(a.loop, signals, ARRAY_LEN(signals), on_signal, &a);
    log_info("agent", "running", "node=%s root=%s", f.node, f.root);
    loop_run(a.loop);
    kubelet_free(a.kubelet);
    client_free(a.client);
    log_stop();
    return EXIT_OK;
}

int command_shim(int argc, char **argv)
{
    return kubelet_shim_main(argc, argv);
}
