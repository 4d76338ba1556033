/* The server's life: listeners, the flush at the end of each turn, deadlines, sweeps, stopping.
 *
 *   bytes in -> server_conn.c (which protocol?) -> h2.c -> call.c -> handler
 *   handler -> call_reply.c -> h2.c's queues, conn marked dirty -> end of turn: flush() here asks
 * each
 *   dirty conn's session once for its frames -> conn writes them with one writev.
 *
 * Stopping: listening ends, GOAWAY on every connection, streams are closed at once, unary calls may
 * answer until the grace is over; a connection without calls closes; the last one calls stopped().
 * */
#include "lib/rpc/server.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/server_int.h"

/* --- the turn --------------------------------------------------------------------------------- */

static void flush(struct turn_hook *h)
{
    struct rpc_server *s = CONTAINER_OF(h, struct rpc_server, flush);
    struct list now;
    struct list *l;
    list_init(&now);
    list_move_all(&now, &s->dirty);
    while ((l = list_pop_front(&now)) != NULL) {
        server_conn_flush(LIST_ENTRY(l, struct server_conn, dirty));
    }
}

static void on_deadline(struct timer *t)
{
    call_deadlines_run(CONTAINER_OF(t, struct rpc_server, deadline_timer));
}

static void on_sweep(struct timer *t)
{
    struct rpc_server *s = CONTAINER_OF(t, struct rpc_server, sweep);
    LIST_FOREACH_SAFE (it, &s->conns) {
        server_conn_sweep(LIST_ENTRY(it, struct server_conn, link));
    }
    timer_start(&s->sweep, SWEEP_MS);
}

/* Twice as often as it matters. */
static uint64_t keepalive_every_ms(const struct rpc_server *s)
{
    uint64_t least = s->keepalive_interval_ms < s->keepalive_timeout_ms ? s->keepalive_interval_ms
                                                                        : s->keepalive_timeout_ms;
    uint64_t half = least / 2 > KEEPALIVE_LEAST_MS ? least / 2 : KEEPALIVE_LEAST_MS;
    return half < SWEEP_MS ? half : SWEEP_MS;
}

static void on_keepalive(struct timer *t)
{
    struct rpc_server *s = CONTAINER_OF(t, struct rpc_server, keepalive);
    LIST_FOREACH_SAFE (it, &s->conns) {
        server_conn_keepalive(LIST_ENTRY(it, struct server_conn, link), loop_now_ms(s->loop));
    }
    timer_start(t, keepalive_every_ms(s));
}

/* --- stopping --------------------------------------------------------------------------------- */

static void server_delete(struct rpc_server *s)
{
    call_pool_fini(s);
    methods_fini(s);
    map_fini(&s->gateway);
    http_access_fini(&s->access);
    arena_fini(&s->scratch);
    heap_fini(&s->deadlines);
    mem_free(s->routes);
    mem_free(s->ports);
    mem_free(s);
}

static void finale(struct ready *r)
{
    struct rpc_server *s = CONTAINER_OF(r, struct rpc_server, finale);
    if (s->stopped_due && s->n_conns == 0) {
        s->stopped_due = false;
        timer_stop(&s->grace);
        s->stopped(s->stopped_arg); /* may call rpc_server_free */
    }
    if (s->freed && s->n_conns == 0 && s->n_calls == 0) {
        ready_cancel(&s->finale);
        turn_hook_cancel(&s->flush);
        server_delete(s);
    }
}

void server_check_stopped(struct rpc_server *s)
{
    if (s->n_conns == 0 && (s->stopped_due || (s->freed && s->n_calls == 0))) {
        loop_ready(s->loop, &s->finale);
    }
}

static void close_listeners(struct rpc_server *s)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        listener_close(s->ports[i]->listener);
        mem_free(s->ports[i]);
    }
    s->n_ports = 0;
}

static void close_conns(struct rpc_server *s)
{
    LIST_FOREACH (it, &s->conns) {
        conn_close(LIST_ENTRY(it, struct server_conn, link)->conn);
    }
}

static void on_grace_over(struct timer *t)
{
    close_conns(CONTAINER_OF(t, struct rpc_server, grace));
}

void rpc_server_stop(struct rpc_server *s, uint64_t grace_ms, void (*stopped)(void *arg), void *arg)
{
    PRE(!s->stopping);
    s->stopping = true;
    s->stopped_due = stopped != NULL;
    s->stopped = stopped;
    s->stopped_arg = arg;
    close_listeners(s);
    timer_stop(&s->sweep);
    timer_stop(&s->keepalive);
    LIST_FOREACH_SAFE (it, &s->conns) {
        server_conn_shutdown(LIST_ENTRY(it, struct server_conn, link));
    }
    timer_start(&s->grace, grace_ms);
    server_check_stopped(s);
}

void rpc_server_free(struct rpc_server *s)
{
    if (s == NULL) {
        return;
    }
    PRE(!s->freed);
    s->freed = true;
    s->stopping = true;
    close_listeners(s);
    close_conns(s);
    timer_stop(&s->sweep);
    timer_stop(&s->keepalive);
    timer_stop(&s->grace);
    timer_stop(&s->deadline_timer);
    server_check_stopped(s);
}

/* --- beginning -------------------------------------------------------------------------------- */

struct rpc_server *rpc_server_new(const struct rpc_server_options *options)
{
    struct rpc_server *s = mem_zalloc(sizeof *s);
    s->loop = options->loop;
    s->metrics = options->metrics;
    if (s->metrics != NULL) {
        s->received = metrics_counter(s->metrics, "etcd_network_client_grpc_received_bytes_total",
                                      NULL, "Bytes of messages received from gRPC clients.");
        s->sent = metrics_counter(s->metrics, "etcd_network_client_grpc_sent_bytes_total", NULL,
                                  "Bytes of messages sent to gRPC clients.");
    }
    s->arg = options->arg;
    s->admit = options->admit;
    s->max_recv_bytes = options->max_recv_bytes != 0 ? options->max_recv_bytes
                                                     : (size_t)LIMIT_GRPC_RECV_BYTES;
    bool fewer = options->streams_max != 0 && options->streams_max < LIMIT_STREAMS_PER_CONN;
    s->streams_max = fewer ? (uint32_t)options->streams_max : LIMIT_STREAMS_PER_CONN;
    map_init(&s->methods);
    map_init(&s->gateway);
    list_init(&s->conns);
    list_init(&s->dirty);
    heap_init(&s->deadlines);
    arena_init(&s->scratch);
    turn_hook_init(&s->flush, flush);
    ready_init(&s->finale, finale);
    timer_init(s->loop, &s->deadline_timer, on_deadline);
    timer_init(s->loop, &s->grace, on_grace_over);
    timer_init(s->loop, &s->sweep, on_sweep);
    timer_start(&s->sweep, SWEEP_MS);
    timer_init(s->loop, &s->keepalive, on_keepalive);
    if (options->keepalive_interval_ms != 0 && options->keepalive_timeout_ms != 0) {
        s->keepalive_interval_ms = options->keepalive_interval_ms;
        s->keepalive_timeout_ms = options->keepalive_timeout_ms;
        timer_start(&s->keepalive, keepalive_every_ms(s));
    }
    return s;
}

void rpc_server_http(struct rpc_server *s, const struct http_route *routes, size_t n,
                     enum rpc_serves where)
{
    s->routes = mem_grow(s->routes, &s->routes_cap, s->n_routes + 1, sizeof *s->routes);
    s->routes[s->n_routes++] = (struct route_table){ routes, n, where };
}

void rpc_server_access(struct rpc_server *s, const char *hosts, const char *origins)
{
    http_access_fini(&s->access);
    s->access = (struct http_access){ mem_strdup(hosts != NULL ? hosts : ""),
                                      mem_strdup(origins != NULL ? origins : ""), true };
}

static void on_accept(void *arg, struct conn *c)
{
    struct port *p = arg;
    server_conn_new(p->server, c, p->what);
}

int rpc_server_listen(struct rpc_server *s, const char *address, enum rpc_serves what,
                      struct err *err)
{
    struct port *p = mem_zalloc(sizeof *p);
    PRE(!s->stopping);
    PRE(what != 0);
    p->server = s;
    p->what = what;
    int rv = listener_open(s->loop, address, on_accept, p, &p->listener, err);
    if (rv != 0) {
        mem_free(p);
        return rv;
    }
    s->ports = mem_grow(s->ports, &s->ports_cap, s->n_ports + 1, sizeof *s->ports);
    s->ports[s->n_ports++] = p;
    return 0;
}

const char *rpc_server_address(const struct rpc_server *s, size_t k)
{
    PRE(k < s->n_ports);
    return listener_address(s->ports[k]->listener);
}

size_t rpc_server_conns(const struct rpc_server *s)
{
    return s->n_conns;
}

size_t rpc_server_queued(const struct rpc_server *s)
{
    return s->queued;
}

size_t rpc_server_calls(const struct rpc_server *s)
{
    return s->n_calls;
}
