/* The member's wiring: consensus below, services above, the store and the watch hub between.
 *
 * A write's life here: server_write -> rnode_propose -> (committed) fsm.c decodes the command
 * into one arena, store_apply changes the state and publishes events to the hub -> the proposal's
 * done builds the answer. Watch responses and replies leave together at the end of the turn. */
#include "server/server.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/rng.h"
#include "lib/codec/secret.h"
#include "raft/join.h"
#include "server/guard.h"
#include "server/internal.h"
#include "server/line.h"
#include "server/passwords.h"
#include "store/capability.h"

enum { PROPOSE_TIMEOUT_MS = 5000, CLOSE_GRACE_MS = 5000 };

/* --- helpers for the services ----------------------------------------------------------------- */

Etcdserverpb__ResponseHeader *server_header(struct server *s, Etcdserverpb__ResponseHeader *h,
                                            int64_t revision)
{
    etcdserverpb__response_header__init(h);
    h->cluster_id = s->status.cluster_id;
    h->member_id = s->status.member_id;
    h->revision = revision;
    h->raft_term = s->status.term;
    return h;
}

bool server_is_leader(const struct server *s)
{
    return s->status.state == RNODE_LEADER;
}

bool server_ready(const struct server *s)
{
    return s->status.leader_id != 0;
}

uint64_t server_request_timeout_ms(const struct server *s)
{
    return PROPOSE_TIMEOUT_MS + 2 * s->options.election_ms;
}

uint64_t server_timeout_ms(const struct server *s, const struct rpc_call *call)
{
    uint64_t most = server_request_timeout_ms(s);
    uint64_t deadline = rpc_call_deadline_ms(call);
    uint64_t now = loop_now_ms(s->loop);
    if (deadline == UINT64_MAX) {
        return most;
    }
    uint64_t left = deadline > now ? deadline - now : 1;
    return left < most ? left : most;
}

bool server_refuse_corrupt(struct server *s, struct rpc_call *call)
{
    if (!s->status.split) {
        return false;
    }
    rpc_fail_err(call, E_CORRUPT);
    return true;
}

/* What a client hears when consensus could not answer. */
int server_client_error(int status)
{
    return status == E_UNAVAILABLE || status == E_NOTLEADER ? E_LEADER_CHANGED : status;
}

/* --- writes ----------------------------------------------------------------------------------- */

static void write_done(struct rnode_proposal *p, int status)
{
    struct write_call *w = CONTAINER_OF(p, struct write_call, proposal);
    if (status != 0) {
        rpc_fail_err(w->call, server_client_error(status));
    } else {
        w->reply(w);
    }
    store_result_fini(&w->result);
    mem_free(w);
}

/* Expiries of leases are proposals of ours too, but nobody waits for their result. */
struct store_result *server_write_result(struct rnode_proposal *own)
{
    return own->done == write_done ? &CONTAINER_OF(own, struct write_call, proposal)->result : NULL;
}

/* Nothing is proposed that applying could not read: one such entry would end every member. */
static int readable(struct slice bytes)
{
    struct arena arena;
    struct command c;
    arena_init(&arena);
    int rv = command_decode(bytes, &arena, &c);
    arena_fini(&arena);
    return rv;
}

void server_write_within(struct server *s, struct rpc_call *call, const struct command *command,
                         uint64_t timeout_ms, void (*reply)(struct write_call *w))
{
    if (server_refuse_corrupt(s, call)) {
        return;
    }
    if (server_refuse_full(s, call, command)) {
        return;
    }
    if (command_level(command->type) > s->status.level) {
        rpc_fail_err(call, E_NOT_CAPABLE); /* a member of an older version could not apply it */
        return;
    }
    struct command c = *command;
    int rv = server_who(s, call, &c.who);
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    autobuf bytes = BUF_INIT;
    command_encode(&c, &bytes);
    if (bytes.len > s->options.max_request_bytes) {
        rpc_fail_err(call, E_REQUEST_TOO_LARGE);
        return;
    }
    rv = readable(buf_slice(&bytes));
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    struct write_call *w = mem_zalloc(sizeof *w);
    w->server = s;
    w->call = call;
    w->reply = reply;
    w->proposal.done = write_done;
    store_result_init(&w->result);
    if (mem_is_low()) { /* the last moment to say no: what is proposed may happen */
        rpc_fail_err(call, E_NOMEM);
        mem_free(w);
        return;
    }
    rnode_propose(s->node, &w->proposal, buf_slice(&bytes), timeout_ms);
}

void server_write(struct server *s, struct rpc_call *call, const struct command *command,
                  void (*reply)(struct write_call *w))
{
    server_write_within(s, call, command, server_timeout_ms(s, call), reply);
}

void server_propose_own(struct server *s, struct rnode_proposal *p, struct command *c,
                        uint64_t timeout_ms)
{
    if (store_auth(s->store)->enabled) {
        c->who.kind = WHO_SYSTEM;
    }
    autobuf bytes = BUF_INIT;
    command_encode(c, &bytes);
    rnode_propose(s->node, p, buf_slice(&bytes), timeout_ms);
}

/* --- reads ------------------------------------------------------------------------------------ */

static void read_done(struct rnode_read *read, int status)
{
    struct read_call *r = CONTAINER_OF(read, struct read_call, read);
    if (status != 0) {
        rpc_fail_err(r->call, server_client_error(status));
    } else if (rpc_call_closed(r->call)) {
        rpc_fail_err(r->call, E_CANCELED);
    } else {
        r->run(r);
    }
    mem_free(r);
}

void server_read(struct server *s, struct rpc_call *call, void *data,
                 void (*run)(struct read_call *r))
{
    struct read_call *r = mem_zalloc(sizeof *r);
    r->server = s;
    r->call = call;
    r->data = data;
    r->run = run;
    r->read.done = read_done;
    rnode_read_index(s->node, &r->read, server_timeout_ms(s, call));
}

/* --- what goes on by itself ------------------------------------------------------------------- */

/* One slice of compaction and one of lagging watchers, then back to the loop. */
static void run_background(struct ready *r)
{
    struct server *s = CONTAINER_OF(r, struct server, background);
    if (s->compacting) {
        s->compacting = store_compact_step(s->store, SERVER_COMPACT_SLICE);
    }
    bool lagging = watch_hub_step(s->hub, SERVER_WATCH_SLICE);
    server_watch_progress(s);
    server_hash_next(s);
    if (s->compacting || lagging) {
        loop_ready(s->loop, &s->background);
    }
}

void server_wake_background(struct server *s)
{
    if (s->compacting || watch_hub_lagging(s->hub) > 0) {
        loop_ready(s->loop, &s->background);
    }
}

static void on_change(void *arg)
{
    struct server *s = arg;
    if (s->node == NULL) {
        return; /* still opening */
    }
    rnode_get_status(s->node, &s->status);
    server_note_peers(s);
    if (s->status.leader_id != 0) {
        s->no_leader_since_ms = 0;
    } else if (s->no_leader_since_ms == 0) {
        s->no_leader_since_ms = loop_now_ms(s->loop);
    }
    server_lease_follow(s);
    server_health_follow(s);
}

static void on_tick(struct timer *t)
{
    struct server *s = CONTAINER_OF(t, struct server, tick);
    uint64_t now = loop_now_ms(s->loop);
    server_memory_tick(s);
    on_change(s);
    server_lease_tick(s, now);
    server_alarm_tick(s, now);
    server_compactor_tick(s, now);
    server_watch_tick(s, now);
    server_election_tick(s);
    server_snapshot_tick(s, now);
    server_wake_background(s);
    server_metrics_update(s);
    timer_start(t, SERVER_TICK_MS);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_node(struct server *s, struct err *err)
{
    const struct server_options *o = &s->options;
    autofree char *dir = mem_printf("%s/member", o->data_dir);
    struct rnode_options options = {
        .loop = s->loop,
        .dir = dir,
        .cluster_id = rnode_cluster_id(o->initial, o->n_initial, o->cluster_token),
        .name = o->name,
        .peer_listen = o->listen_peer,
        .client_url = o->advertise_client_url,
        .level = o->level != 0 ? o->level : store_level(),
        .initial = o->initial,
        .n_initial = o->n_initial,
        .seed = rng_u64(s->rng),
        .election_timeout_ms = o->election_ms,
        .heartbeat_ms = o->heartbeat_ms,
        .snapshot_entries = o->snapshot_count,
        .snapshot_trailing = o->catchup_entries,
        .unsafe_no_fsync = o->unsafe_no_fsync,
        .fsm = server_fsm(s),
        .on_change = on_change,
        .on_ask = server_ask,
        .fatal = server_fatal,
        .arg = s,
        .metrics = s->metrics,
    };
    for (size_t i = 0; i < o->n_initial; i++) {
        if (strcmp(o->initial[i].name, o->name) == 0) {
            options.member_id = o->initial[i].id;
            options.peer_address = o->initial[i].peer_address;
        }
    }
    struct rnode_member others[LIMIT_PEERS];
    if (o->joined != NULL) {
        options.cluster_id = o->joined->cluster_id;
        options.member_id = o->joined->your_id;
        options.initial = others;
        options.n_initial = join_others(o->joined, others);
    }
    options.join = o->existing || o->joined != NULL;
    return rnode_open(&options, &s->node, err);
}

/* The clients' ports come first: server_client_address counts on it. */
static int open_ports(struct server *s, struct err *err)
{
    const struct server_options *o = &s->options;
    const struct {
        const char *whom;
        const char *const *addresses;
        size_t n;
        enum rpc_serves what;
    } kinds[] = {
        { "clients", o->listen_client, o->n_listen_client,
          o->n_listen_http > 0 ? RPC_SERVES_GRPC : RPC_SERVES_ALL },
        { "HTTP clients", o->listen_http, o->n_listen_http, RPC_SERVES_HTTP },
        { "metrics", o->listen_metrics, o->n_listen_metrics, RPC_SERVES_PROBES },
    };
    int rv = 0;
    for (size_t k = 0; rv == 0 && k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; rv == 0 && i < kinds[k].n; i++) {
            rv = rpc_server_listen(s->rpc, kinds[k].addresses[i], kinds[k].what, err);
        }
        rv = rv == 0 ? 0 : err_prefix(err, "listen for %s", kinds[k].whom);
    }
    return rv;
}

static int open_rpc(struct server *s, struct err *err)
{
    static const struct service *const services[] = {
        &service_kv, &service_watch, &service_lease, &service_cluster, &service_maintenance,
        &service_health, &service_lock, &service_election, &service_snapshot, &service_auth,
        &service_range_stream,
    };
    struct rpc_server_options options = {
        .loop = s->loop,
        .max_recv_bytes = s->options.max_request_bytes + LIMIT_GRPC_OVERHEAD,
        .streams_max = s->options.max_streams,
        .keepalive_interval_ms = s->options.keepalive_interval_ms,
        .keepalive_timeout_ms = s->options.keepalive_timeout_ms,
        .metrics = s->metrics,
        .arg = s,
        .admit = server_admit,
    };
    s->rpc = rpc_server_new(&options);
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        rpc_server_methods(s->rpc, services[i]->methods, services[i]->n);
    }
    rpc_server_http(s->rpc, probe_routes, probe_routes_n, RPC_SERVES_HTTP | RPC_SERVES_PROBES);
    rpc_server_http(s->rpc, http_routes, http_routes_n, RPC_SERVES_HTTP);
    if (!s->options.no_gateway) {
        rpc_server_gateway(s->rpc, gateway_routes, gateway_routes_n);
    }
    rpc_server_access(s->rpc, s->options.hosts, s->options.origins);
    return open_ports(s, err);
}

static void server_release(struct server *s)
{
    timer_stop(&s->tick);
    ready_cancel(&s->background);
    turn_hook_cancel(&s->renew_hook);
    rpc_server_free(s->rpc);
    server_lease_leading(s, false);
    if (s->hub != NULL) {
        watch_hub_free(s->hub);
    }
    store_free(s->store);
    compactor_fini(&s->compactor);
    server_tokens_fini(s);
    metrics_free(s->metrics);
    mem_free(s->rng);
    mem_free(s->data_dir);
    mem_free(s);
}

static void defaults(struct server *s, const struct server_options *options)
{
    s->options = *options;
    struct server_options *o = &s->options;
    o->heartbeat_ms = o->heartbeat_ms != 0 ? o->heartbeat_ms : 100;
    o->election_ms = o->election_ms != 0 ? o->election_ms : 1000;
    o->max_request_bytes = o->max_request_bytes != 0 ? o->max_request_bytes
                                                     : (size_t)LIMIT_REQUEST_BYTES;
    o->token_ttl_s = o->token_ttl_s != 0 ? o->token_ttl_s : SERVER_TOKEN_TTL_S;
    o->bcrypt_cost = o->bcrypt_cost != 0 ? o->bcrypt_cost : (unsigned)SECRET_COST;
    o->max_learners = o->max_learners != 0 ? o->max_learners : 1;
    o->progress_notify_ms = o->progress_notify_ms != 0 ? o->progress_notify_ms : 600000;
    o->quota_bytes = o->quota_bytes != 0 ? o->quota_bytes : SERVER_QUOTA_BYTES;
    s->store_options.quota_bytes = 0; /* see alarm.c */
    s->store_options.max_txn_ops = o->max_txn_ops != 0 ? o->max_txn_ops : (size_t)LIMIT_TXN_OPS;
}

/* What to do about it, where the floors below cannot know the flags. */
static int with_next_step(int rv, struct err *err)
{
    static const struct {
        int code;
        const char *next;
    } steps[] = {
        { E_ADDRINUSE, "choose another --listen-client-urls or --listen-peer-urls, or end the "
                       "process that has the address" },
        { E_CONFLICT, "choose another --data-dir, or end the process that has it" },
        { E_PERM, "make the directory writable, or choose another --data-dir" },
        { E_NOTFOUND, "choose another --data-dir" },
        { E_IO, "check the disk, or choose another --data-dir" },
        { E_DISKFULL, "free space, or choose another --data-dir" },
    };
    for (size_t i = 0; err != NULL && i < ARRAY_LEN(steps); i++) {
        if (steps[i].code == rv && strstr(err->msg, "Next:") == NULL) {
            struct err cause = *err;
            return err_set(err, rv, "%s. Next: %s", cause.msg, steps[i].next);
        }
    }
    return rv;
}

int server_open(const struct server_options *options, struct server **ret_server, struct err *err)
{
    mem_reserve(SERVER_RESERVE_BYTES);
    struct server *s = mem_zalloc(sizeof *s);
    defaults(s, options);
    s->loop = options->loop;
    s->data_dir = mem_strdup(options->data_dir);
    s->rng = mem_zalloc(sizeof *s->rng);
    rng_init(s->rng, rng_os_seed());
    list_init(&s->watch_streams);
    list_init(&s->changes);
    list_init(&s->passwords);
    u64map_init(&s->tokens);
    list_init(&s->renewals);
    list_init(&s->range_walks);
    list_init(&s->range_streams);
    list_init(&s->holds);
    list_init(&s->snapshots);
    list_init(&s->hashes);
    list_init(&s->line);
    list_init(&s->observers);
    list_init(&s->health_watches);
    ready_init(&s->background, run_background);
    turn_hook_init(&s->renew_hook, server_lease_renew_hook);
    timer_init(s->loop, &s->tick, on_tick);
    server_metrics_open(s);
    s->store = store_new(&s->store_options);
    server_follow_store(s);
    s->hub = watch_hub_new(s->store, &server_watch_events);
    /* Client ports first: a port in use is found before the data directory is touched. */
    int rv = open_rpc(s, err);
    if (rv == 0) {
        rv = open_node(s, err);
    }
    if (rv != 0) {
        server_release(s);
        return with_next_step(rv, err);
    }
    /* The caller's strings were borrowed for opening only. */
    s->options.name = s->options.data_dir = s->options.advertise_client_url = NULL;
    s->options.listen_peer = s->options.cluster_token = NULL;
    s->options.hosts = s->options.origins = NULL;
    s->options.listen_client = s->options.listen_http = s->options.listen_metrics = NULL;
    s->options.initial = NULL;
    s->options.joined = NULL;
    server_compactor_open(s);
    on_change(s);
    timer_start(&s->tick, SERVER_TICK_MS);
    *ret_server = s;
    return 0;
}

const char *server_client_address(const struct server *s, size_t k)
{
    return rpc_server_address(s->rpc, k);
}

/* --- closing: leadership goes first, then clients, then the files ----------------------------- */

static void node_closed(void *arg)
{
    struct server *s = arg;
    void (*closed)(void *) = s->closed;
    void *closed_arg = s->closed_arg;
    server_release(s);
    closed(closed_arg);
}

static void rpc_stopped(void *arg)
{
    struct server *s = arg;
    timer_stop(&s->tick);
    server_range_stop(s);
    server_range_stream_stop(s);
    server_snapshot_stop(s);
    server_hash_stop(s);
    server_cluster_stop(s);
    rnode_close(s->node, node_closed, s);
}

static void transferred(void *arg, int status)
{
    struct server *s = arg;
    if (status != 0 && status != E_NOTLEADER) {
        log_warn("server", "leadership was not handed over", "reason=\"%s\"", err_text(status));
    }
    server_watch_stop_all(s, GRPC_UNAVAILABLE, "etcdserver: server stopped");
    server_line_stop(s);
    server_passwords_stop(s);
    server_election_stop(s);
    server_health_stop(s);
    rpc_server_stop(s->rpc, CLOSE_GRACE_MS, rpc_stopped, s);
}

void server_close(struct server *s, void (*closed)(void *arg), void *arg)
{
    PRE(!s->closing);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    size_t n = 0;
    rnode_members(s->node, &n);
    if (server_is_leader(s) && n > 1) {
        rnode_transfer(s->node, 0, transferred, s);
    } else {
        transferred(s, 0);
    }
}
