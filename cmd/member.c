/* Options -> struct server_options. Defaults are etcd's too: `barque store` alone is a one-member
 * cluster on 127.0.0.1:2379 in ./default.etcd's place, ./default.barque. */
#include "cmd/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cmd/command.h"
#include "cmd/host.h"
#include "cmd/values.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/codec/secret.h"
#include "lib/io/conn.h"
#include "lib/io/fault.h"
#include "lib/io/process.h"
#include "server/enter.h"

static int print_help(const char *command, const char *intro, int argc, char **argv)
{
    autobuf text = BUF_INIT;
    struct err err = ERR_INIT;
    if (argc > 1 && str_eq(argv[1], "markdown")) {
        options_markdown(&text);
    } else if (argc > 1 && str_eq(argv[1], "all")) {
        options_help_all(&text);
    } else if (argc > 1 && option_help(argv[1], &text, &err) != 0) {
        fprintf(stderr, "barque %s: %s. Next: barque %s --help\n", command, err.msg, command);
        return EXIT_USAGE;
    } else if (argc == 1) {
        buf_append_str(&text, intro);
        options_help(&text);
    }
    fputs(buf_str(&text), stdout);
    return EXIT_OK;
}

static int print_version(void)
{
    char name[] = "version";
    char *argv[] = { name, NULL };
    return cli_verb_find(name)->run(1, argv);
}

bool member_flags_read(const char *command, const char *intro, int argc, char **argv,
                       struct member_flags *m, int *ret_exit)
{
    struct err err = ERR_INIT;
    bool help;
    options_init(m);
    *ret_exit = EXIT_USAGE;
    if (options_parse(m, &argc, argv, &help, NULL, &err) != 0) {
        fprintf(stderr, "barque %s: %s. Next: barque %s --help\n", command, err.msg, command);
        return false;
    }
    if (help || m->version) {
        *ret_exit = help ? print_help(command, intro, argc, argv) : print_version();
        return false;
    }
    if (argc > 1) {
        fprintf(stderr, "barque %s: unexpected argument \"%s\". Next: barque %s --help\n", command,
                argv[1], command);
        return false;
    }
    return true;
}

/* Splits a comma list in place, blanks around its items dropped; E_INVAL when there are more than
 * max. */
static int split(char *text, char **ret_items, size_t max, size_t *ret_n, const char *flag,
                 struct err *err)
{
    size_t n = 0;
    char *save = NULL;
    for (char *p = strtok_r(text, ", ", &save); p != NULL; p = strtok_r(NULL, ", ", &save)) {
        if (n == max) {
            return err_set(err, E_INVAL, "%s: more than %zu", flag, max);
        }
        ret_items[n++] = p;
    }
    if (n == 0) {
        return err_set(err, E_INVAL, "%s is empty", flag);
    }
    *ret_n = n;
    return 0;
}

static int plain_address(const char *flag, const char *url, char *ret_address, size_t size,
                         struct err *err)
{
    bool secure = false;
    int rv = address_from_url(url, ret_address, size, &secure, err);
    if (rv != 0) {
        return err_prefix(err, "%s", flag);
    }
    if (secure) {
        return err_set(err, E_UNSUPPORTED,
                       "%s: %s: TLS is absent in this version; use http:// on a trusted network",
                       flag, url);
    }
    return 0;
}

struct addresses {
    char text[8][128];
    const char *items[8];
    size_t n;
};

/* No URLs at all are none. */
static int address_list(const char *flag, const char *urls, struct addresses *ret, struct err *err)
{
    autofree char *copy = mem_strdup(urls != NULL ? urls : "");
    char *items[8];
    ret->n = 0;
    int rv = urls != NULL ? split(copy, items, ARRAY_LEN(items), &ret->n, flag, err) : 0;
    for (size_t i = 0; rv == 0 && i < ret->n; i++) {
        ret->items[i] = ret->text[i];
        rv = plain_address(flag, items[i], ret->text[i], sizeof ret->text[i], err);
    }
    return rv;
}

/* The one URL of a member for members, which meet over a network. */
static int peer_address(const char *flag, const char *url, char *ret_address, size_t size,
                        struct err *err)
{
    if (strchr(url, ',') != NULL) {
        return err_set(err, E_UNSUPPORTED, "%s: %s: a member has one peer URL", flag, url);
    }
    int rv = plain_address(flag, url, ret_address, size, err);
    if (rv == 0 && str_starts(ret_address, "unix:")) {
        rv = err_set(err, E_UNSUPPORTED, "%s: %s: unix sockets are for clients; use http://", flag,
                     url);
    }
    return rv;
}

/* "m1=http://127.0.0.1:2380,m2=..." -> founders; ids are derived, so every founder computes the
 * same. */
int member_founders(const char *name, const char *token, char *text,
                    struct rnode_member *ret_members, size_t *ret_n, struct err *err)
{
    char *items[LIMIT_PEERS];
    int rv = split(text, items, LIMIT_PEERS, ret_n, "--initial-cluster", err);
    bool self = false;
    for (size_t i = 0; rv == 0 && i < *ret_n; i++) {
        struct rnode_member *r = &ret_members[i];
        char *eq = strchr(items[i], '=');
        if (eq == NULL || eq == items[i]) {
            return err_set(err, E_INVAL, "--initial-cluster: \"%s\" is not NAME=URL", items[i]);
        }
        *eq = '\0';
        if (!str_copy(r->name, sizeof r->name, items[i])) {
            return err_set(err, E_INVAL, "--initial-cluster: name \"%s\" is too long", items[i]);
        }
        for (size_t k = 0; k < i; k++) {
            if (str_eq(ret_members[k].name, r->name)) {
                return err_set(err, E_INVAL, "--initial-cluster: %s is there twice", r->name);
            }
        }
        rv = peer_address("--initial-cluster", eq + 1, r->peer_address, sizeof r->peer_address,
                          err);
        r->id = rnode_member_id(r->peer_address, token);
        r->role = RNODE_VOTER;
        self = self || str_eq(r->name, name);
    }
    if (rv == 0 && !self) {
        return err_set(err, E_INVAL,
                       "--initial-cluster does not name this member (--name %s). Next: add "
                       "%s=URL to "
                       "it, or correct --name",
                       name, name);
    }
    return rv;
}

static const char *advertised(const struct member_flags *m)
{
    return m->advertise_client_urls != NULL ? m->advertise_client_urls : m->listen_client_urls;
}

/* "8": hours, or revisions; "30m" is a time only. */
static int compaction_of(struct member_flags *m, struct err *err)
{
    static const char flag[] = "--auto-compaction-retention";
    bool by_revision = str_eq(m->compaction_mode, "revision");
    uint64_t n = 0, ms = 0;
    m->compact_mode = by_revision ? COMPACT_REVISION : COMPACT_PERIODIC;
    if (value_u64(m->compaction_retention, INT64_MAX, &n) == 0) {
        ms = by_revision || n > (uint64_t)COMPACTOR_PERIOD_MAX_MS ? n : n * 3600 * 1000;
    } else if (by_revision) {
        return err_set(err, E_INVAL, "%s: \"%s\" is not a number of revisions", flag,
                       m->compaction_retention);
    } else if (value_duration(m->compaction_retention, 0, &ms) != 0) {
        return err_set(err, E_INVAL, "%s: \"%s\" is neither hours nor a duration (30m, 12h)", flag,
                       m->compaction_retention);
    }
    if (!by_revision && ms > (uint64_t)COMPACTOR_PERIOD_MAX_MS) {
        return err_set(err, E_INVAL, "%s: %s is longer than ten years", flag,
                       m->compaction_retention);
    }
    m->compact_retention = (int64_t)ms;
    return 0;
}

static int check(struct member_flags *m, struct err *err)
{
    size_t most = sizeof((struct rnode_member *)NULL)->client_url - 1;
    if (strlen(advertised(m)) > most) {
        return err_set(err, E_INVAL, "--advertise-client-urls: longer than %zu bytes", most);
    }
    if (m->heartbeat_ms == 0 || m->election_ms < 5 * m->heartbeat_ms || m->election_ms > 50000) {
        return err_set(err, E_INVAL,
                       "--election-timeout %llu must be at least 5 times --heartbeat-interval %llu "
                       "and at most 50000 ms",
                       (unsigned long long)m->election_ms, (unsigned long long)m->heartbeat_ms);
    }
    if (m->max_request_bytes < 1024 || m->max_request_bytes > LIMIT_LOG_ENTRY_BYTES) {
        return err_set(err, E_INVAL, "--max-request-bytes must be between 1024 and %d",
                       LIMIT_LOG_ENTRY_BYTES);
    }
    const char *zero = m->max_streams == 0       ? "--max-concurrent-streams"
                       : m->catchup_entries == 0 ? "--snapshot-catchup-entries"
                       : m->max_learners == 0    ? "--max-learners"
                                                 : NULL;
    if (zero != NULL) {
        return err_set(err, E_INVAL, "%s must be at least 1", zero);
    }
    if (m->token_ttl_s == 0 || m->token_ttl_s > SERVER_TOKEN_TTL_MAX_S) {
        return err_set(err, E_INVAL, "--auth-token-ttl must be between 1 and %d",
                       SERVER_TOKEN_TTL_MAX_S);
    }
    if (m->bcrypt_cost < SECRET_COST_MIN || m->bcrypt_cost > SECRET_COST_MAX) {
        return err_set(err, E_INVAL, "--bcrypt-cost must be between %d and %d", SECRET_COST_MIN,
                       SECRET_COST_MAX);
    }
    enum log_level level;
    int rv = log_level_parse(m->log_level, &level);
    INVARIANT(rv == 0); /* the option's choices are these */
    log_set_level(level);
    return compaction_of(m, err);
}

static int start_faults(const struct member_flags *m, struct loop *loop,
                        const struct rnode_member *founders, size_t n_founders, struct err *err)
{
    if (m->unsafe_faults == NULL) {
        return 0;
    }
    int rv = faults_start(loop, m->unsafe_faults, m->name, err);
    for (size_t i = 0; rv == 0 && i < n_founders; i++) {
        if (str_eq(founders[i].name, m->name)) {
            faults_set_address(loop_faults(loop), founders[i].peer_address);
        }
    }
    return rv == 0 ? 0 : err_prefix(err, "--unsafe-faults");
}

static void tell_clients_to_faults(struct loop *loop, const struct server *server, size_t n)
{
    struct faults *f = loop_faults(loop);
    for (size_t i = 0; f != NULL && i < n; i++) {
        faults_add_client(f, server_client_address(server, i));
    }
}

/* This process starts itself anew, so that all that it held in memory is gone. */
static void start_anew(void)
{
    static char bytes[256 * 1024];
    char *argv[1024];
    size_t n = 0;
    FILE *f = fopen("/proc/self/cmdline", "re");
    size_t len = f != NULL ? fread(bytes, 1, sizeof bytes - 1, f) : 0;
    for (char *p = bytes; p < bytes + len && n + 1 < ARRAY_LEN(argv); p += strlen(p) + 1) {
        argv[n++] = p;
    }
    argv[n] = NULL;
    if (n > 0) {
        execv("/proc/self/exe", argv);
    }
}

/* What was found wrong with this member's own state has been noted down: the new start moves it
 * aside and joins the others again. Any other failure of this machine ends the process. */
static void on_fatal(void *arg, const struct err *err)
{
    const struct member_flags *m = arg;
    log_error("server", "this member cannot go on", "error=\"%s\"", err->msg);
    bool again = err->code == E_CORRUPT && access(m->damage_note, F_OK) == 0;
    log_stop();
    if (again) {
        start_anew();
    }
    _Exit(1);
}

struct entering {
    struct loop *loop;
    struct server *server;
    struct err err;
    int status;
};

static void entered(void *arg, int status, struct server *server, const struct err *err)
{
    struct entering *e = arg;
    e->status = status;
    e->server = server;
    e->err = *err;
    loop_stop(e->loop);
}

/* Runs the loop until the member is open: joining, or a damaged directory, takes others' answers.
 */
static int enter(const struct server_options *options, struct server **ret_server,
                 struct err *err)
{
    struct entering e = { .loop = options->loop };
    server_enter(options, entered, &e);
    loop_run(options->loop);
    *ret_server = e.server;
    *err = e.err;
    return e.status;
}

static int enter_with_faults(const struct member_flags *m, const struct server_options *o,
                             struct server **ret_server, struct err *err)
{
    int rv = loop_fit_descriptors(o->loop, err);
    rv = rv == 0 ? start_faults(m, o->loop, o->initial, o->n_initial, err) : rv;
    rv = rv == 0 ? enter(o, ret_server, err) : rv;
    if (rv == 0) {
        tell_clients_to_faults(o->loop, *ret_server, o->n_listen_client + o->n_listen_http);
    }
    return rv;
}

/* The founders, from --initial-cluster or, without it, this member alone. */
static int founders_of(const struct member_flags *m, struct rnode_member *ret_members,
                       size_t *ret_n, struct err *err)
{
    const char *own_peer = m->initial_advertise_peer_urls != NULL ? m->initial_advertise_peer_urls
                                                                  : m->listen_peer_urls;
    autofree char *cluster = m->initial_cluster != NULL
                                 ? mem_strdup(m->initial_cluster)
                                 : mem_printf("%s=%s", m->name, own_peer);
    return member_founders(m->name, m->initial_cluster_token, cluster, ret_members, ret_n, err);
}

/* Where it listens. */
struct places {
    struct addresses clients, http, metrics;
    char peer[128];
};

static int places_of(const struct member_flags *m, struct places *ret, struct err *err)
{
    int rv = address_list("--listen-client-urls", m->listen_client_urls, &ret->clients, err);
    if (rv == 0) {
        rv = address_list("--listen-client-http-urls", m->listen_http_urls, &ret->http, err);
    }
    if (rv == 0) {
        rv = address_list("--listen-metrics-urls", m->listen_metrics_urls, &ret->metrics, err);
    }
    if (rv == 0) {
        rv = peer_address("--listen-peer-urls", m->listen_peer_urls, ret->peer, sizeof ret->peer,
                          err);
    }
    return rv;
}

/* What is a number or a text on both sides. */
static struct server_options plain_options(struct member_flags *m)
{
    return (struct server_options){
        .name = m->name,
        .no_gateway = !m->grpc_gateway,
        .hosts = m->host_whitelist,
        .origins = m->cors,
        .advertise_client_url = advertised(m),
        .cluster_token = m->initial_cluster_token,
        .check_lost = true,
        .existing = str_eq(m->initial_cluster_state, "existing"),
        .heartbeat_ms = m->heartbeat_ms,
        .election_ms = m->election_ms,
        .snapshot_count = m->snapshot_count,
        .catchup_entries = m->catchup_entries,
        .max_learners = m->max_learners,
        .max_streams = m->max_streams,
        .token_ttl_s = m->token_ttl_s,
        .bcrypt_cost = (unsigned)m->bcrypt_cost,
        .keepalive_interval_ms = m->keepalive_interval_ms,
        .keepalive_timeout_ms = m->keepalive_timeout_ms,
        .quota_bytes = m->quota_bytes,
        .compact_mode = m->compact_mode,
        .compact_retention = m->compact_retention,
        .max_request_bytes = m->max_request_bytes,
        .max_txn_ops = m->max_txn_ops,
        .progress_notify_ms = m->progress_notify_ms,
        .unsafe_no_fsync = m->unsafe_no_fsync,
        .commit = barque_commit,
        .fatal = on_fatal,
        .arg = m,
    };
}

/* Not every address that one can listen on is one that others can connect to. */
static void tell_unusable_address(const struct member_flags *m)
{
    const char *urls = m->listen_client_urls;
    if (m->advertise_client_urls == NULL &&
        (strstr(urls, "//0.0.0.0:") != NULL || strstr(urls, "//[::]:") != NULL)) {
        log_warn("server", "members tell clients an address of no machine",
                 "urls=%s next=\"give --advertise-client-urls\"", urls);
    }
}

int member_open(struct member_flags *m, struct loop *loop, struct server **ret_server,
                char *ret_endpoint, struct err *err)
{
    autofree struct rnode_member *founders = mem_zalloc(LIMIT_PEERS * sizeof *founders);
    size_t n_founders = 0;
    struct places at;
    int rv = check(m, err);
    rv = rv == 0 ? places_of(m, &at, err) : rv;
    rv = rv == 0 ? founders_of(m, founders, &n_founders, err) : rv;
    rv = rv == 0 && m->memory_mlock ? host_lock_memory(err) : rv;
    if (rv != 0) {
        return rv;
    }
    autofree char *data_dir = m->data_dir != NULL ? mem_strdup(m->data_dir)
                                                  : mem_printf("%s.barque", m->name);
    struct server_options options = plain_options(m);
    options.loop = loop;
    options.data_dir = data_dir;
    options.listen_client = at.clients.items;
    options.n_listen_client = at.clients.n;
    options.listen_http = at.http.items;
    options.n_listen_http = at.http.n;
    options.listen_metrics = at.metrics.items;
    options.n_listen_metrics = at.metrics.n;
    options.listen_peer = at.peer;
    options.initial = founders;
    options.n_initial = n_founders;
    tell_unusable_address(m);
    snprintf(m->damage_note, sizeof m->damage_note, "%s/member/damaged", data_dir);
    process_wake_soon();
    rv = enter_with_faults(m, &options, ret_server, err);
    if (rv == 0) {
        str_copy(ret_endpoint, 128, server_client_address(*ret_server, 0));
    }
    return rv;
}
