/* Listening and connecting of lib/io/conn.h over the simulated network: how two ends meet.
 *
 *     conn_connect -> EV_SYN (there) -> EV_ACCEPT (there), EV_CONNECTED (here) -> done()
 *
 * The kernel answers, not the program: a stopped process still has its connections made, a dead one
 * refuses, a machine without power is silent, and so is a cut way (tried again every second). An
 * address is 10.0.0.<machine>:<port>. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/sim/conn.h"
#include "tests/sim/net.h"

enum { SYN_AGAIN_US = 1000000, ANSWER_AGAIN_US = 200000, FIRST_PORT = 40000 };

struct connect {
    struct list link; /* host.connects */
    uint64_t id;
    struct node *node;
    unsigned remote, port;
    uint64_t timeout_ms;
    connect_done done;
    void *arg;
    struct conn *conn; /* ours: once the other end has accepted */
    struct timer timeout;
    struct ready report;
    struct err err;
    bool refused;
    bool ended;
    char name[CONN_NAME_BYTES];
};

struct host *sim_host(struct node *n)
{
    if (n->host == NULL) {
        n->host = mem_zalloc(sizeof *n->host);
        list_init(&n->host->listeners);
        list_init(&n->host->conns);
        list_init(&n->host->connects);
    }
    return n->host;
}

static void connect_free(struct connect *r)
{
    u64map_remove(&r->node->sim->connects, r->id);
    list_remove(&r->link);
    mem_free(r);
}

void sim_host_free(struct node *n)
{
    struct host *h = TAKE(n->host);
    struct list *it;
    if (h == NULL) {
        return;
    }
    while ((it = list_first(&h->connects)) != NULL) {
        connect_free(LIST_ENTRY(it, struct connect, link));
    }
    while ((it = list_first(&h->conns)) != NULL) {
        struct conn *c = LIST_ENTRY(it, struct conn, link);
        sim_conn_orphan(c, n->dark);
        sim_conn_free(c);
    }
    while ((it = list_pop_front(&h->listeners)) != NULL) {
        mem_free(LIST_ENTRY(it, struct listener, link));
    }
    mem_free(h);
}

static bool parse(const char *address, unsigned *ret_machine, unsigned *ret_port)
{
    return sscanf(address, "10.0.0.%u:%u", ret_machine, ret_port) == 2 && *ret_machine >= 1 &&
           *ret_machine <= SIM_NODES_MAX;
}

/* --- listening -------------------------------------------------------------------------------- */

static struct listener *listener_at(const struct node *n, unsigned port)
{
    if (n->host == NULL) {
        return NULL;
    }
    LIST_FOREACH(it, &n->host->listeners)
    {
        struct listener *l = LIST_ENTRY(it, struct listener, link);
        if (l->port == port) {
            return l;
        }
    }
    return NULL;
}

int listener_open(struct loop *loop, const char *address,
                  void (*on_accept)(void *arg, struct conn *c), void *arg,
                  struct listener **ret_listener, struct err *err)
{
    struct node *n = sim_loop_node(loop);
    unsigned machine, port;
    if (!parse(address, &machine, &port) || machine != n->id) {
        return err_set(err, E_INVAL, "listen on %s: not an address of machine %u", address, n->id);
    }
    if (listener_at(n, port) != NULL) {
        return err_set(err, E_ADDRINUSE, "listen on %s: address in use", address);
    }
    struct listener *l = mem_zalloc(sizeof *l);
    l->node = n;
    l->port = port;
    l->on_accept = on_accept;
    l->arg = arg;
    snprintf(l->address, sizeof l->address, "%s", address);
    list_init(&l->link);
    list_push_back(&sim_host(n)->listeners, &l->link);
    *ret_listener = l;
    return 0;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void listener_close(struct listener *l)
{
    if (l != NULL) {
        list_remove(&l->link);
        mem_free(l);
    }
}

static void accepted(struct node *n, void *arg)
{
    struct conn *c = arg;
    struct listener *l = listener_at(n, c->port);
    c->established = true;
    if (l == NULL) {
        sim_conn_end(c, E_CLOSED);
        return;
    }
    l->on_accept(l->arg, c);
}

void sim_dial_accept(struct sim *s, struct event *e)
{
    struct conn *c = u64map_get(&s->conns, e->a);
    if (c != NULL && !c->closing) {
        node_enter(c->node, accepted, c);
    }
}

/* --- connecting ------------------------------------------------------------------------------- */

static void drop_conn(struct connect *r)
{
    if (r->conn != NULL) {
        conn_close(TAKE(r->conn));
    }
}

static void end(struct connect *r)
{
    PRE(!r->ended);
    r->ended = true;
    timer_stop(&r->timeout);
    if (r->err.code != 0) {
        drop_conn(r);
    }
    loop_ready(r->node->loop, &r->report);
}

static void report(struct ready *ready)
{
    struct connect *r = CONTAINER_OF(ready, struct connect, report);
    r->done(r->arg, r->err.code, r->conn, &r->err);
    connect_free(r);
}

static void on_timeout(struct timer *t)
{
    struct connect *r = CONTAINER_OF(t, struct connect, timeout);
    err_set(&r->err, E_TIMEOUT, "connect to %s: no answer within %llu ms", r->name,
            (unsigned long long)r->timeout_ms);
    end(r);
}

/* Both ends exist from here on; each program learns of it in its own time. */
static void meet(struct connect *r, struct node *to)
{
    struct sim *s = to->sim;
    char here[CONN_NAME_BYTES];
    snprintf(here, sizeof here, "10.0.0.%u:%u", r->node->id,
             FIRST_PORT + ++sim_host(r->node)->port);
    struct conn *theirs = sim_conn_new(to, r->node->id, r->port, r->name, here);
    r->conn = sim_conn_new(r->node, to->id, 0, here, r->name);
    r->conn->peer = theirs;
    theirs->peer = r->conn;
    sim_post(s, s->now, EV_ACCEPT, to, theirs->id, NULL);
}

/* A SYN arrives (or not). */
void sim_dial_syn(struct sim *s, const struct event *e)
{
    struct connect *r = u64map_get(&s->connects, e->a);
    if (r == NULL || r->ended) {
        return;
    }
    struct node *to = &s->nodes[r->remote];
    if (!to->used || to->dark || s->cut[r->node->id][to->id]) {
        sim_post(s, s->now + SYN_AGAIN_US, EV_SYN, NULL, r->id, NULL);
        return;
    }
    r->refused = !to->up || listener_at(to, r->port) == NULL;
    if (!r->refused) {
        meet(r, to);
    }
    sim_post(s, s->now + net_delay(s), EV_CONNECTED, r->node, r->id, NULL);
}

static void answered(struct node *n, void *arg)
{
    struct connect *r = arg;
    (void)n;
    if (r->refused) {
        err_set(&r->err, E_UNAVAILABLE, "connect to %s: connection refused", r->name);
    } else {
        r->conn->established = true;
    }
    end(r);
}

void sim_dial_connected(struct sim *s, struct event *e)
{
    struct connect *r = u64map_get(&s->connects, e->a);
    if (r == NULL || r->ended) {
        return;
    }
    if (s->cut[r->remote][r->node->id]) {
        sim_post(s, s->now + ANSWER_AGAIN_US, EV_CONNECTED, r->node, r->id, NULL);
        return;
    }
    node_enter(r->node, answered, r);
}

struct connect *conn_connect(struct loop *loop, const char *address, uint64_t timeout_ms,
                             connect_done done, void *arg)
{
    struct node *n = sim_loop_node(loop);
    struct sim *s = n->sim;
    struct connect *r = mem_zalloc(sizeof *r);
    PRE(done != NULL);
    r->id = ++s->conn_serial;
    r->node = n;
    r->timeout_ms = timeout_ms;
    r->done = done;
    r->arg = arg;
    snprintf(r->name, sizeof r->name, "%s", address);
    ready_init(&r->report, report);
    timer_init(loop, &r->timeout, on_timeout);
    list_init(&r->link);
    list_push_back(&sim_host(n)->connects, &r->link);
    u64map_put(&s->connects, r->id, r);
    if (!parse(address, &r->remote, &r->port)) {
        err_set(&r->err, E_INVAL, "connect to %s: not a simulated address", address);
        end(r);
        return r;
    }
    timer_start(&r->timeout, timeout_ms);
    sim_post(s, s->now + net_delay(s), EV_SYN, NULL, r->id, NULL);
    return r;
}

void connect_cancel(struct connect *r)
{
    err_set(&r->err, E_CANCELED, "connect to %s: cancelled", r->name);
    if (r->ended) {
        drop_conn(r);
    } else {
        end(r);
    }
}
