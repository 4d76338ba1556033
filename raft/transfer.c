/* Leadership transfer: asked for at any time, started at the end of the turn, over when another
 * member leads or when the core gave up (one election timeout). One at a time: another one
 * meanwhile is refused with E_CONFLICT. */
#include "lib/base/alloc.h"
#include "raft/configuration.h"
#include "raft/node.h"

static void finish(struct rnode *n, int status)
{
    void (*done)(void *arg, int status) = n->transfer.done;
    void *arg = n->transfer.arg;
    n->transfer = (struct transfer){ 0 };
    if (done != NULL) {
        done(arg, status);
    }
}

void transfer_conflict(struct rnode *n, void (*done)(void *arg, int status), void *arg)
{
    n->transfers_refused = mem_grow(n->transfers_refused, &n->transfers_refused_cap,
                                    n->transfers_refused_n + 1, sizeof *n->transfers_refused);
    n->transfers_refused[n->transfers_refused_n++] = (struct transfer_refused){ done, arg };
    node_turn(n);
}

void rnode_transfer(struct rnode *n, uint64_t target, void (*done)(void *arg, int status),
                    void *arg)
{
    if (n->transfer.active) {
        transfer_conflict(n, done, arg);
        return;
    }
    node_turn(n);
    n->transfer = (struct transfer){ .active = true, .target = target, .done = done, .arg = arg };
    n->transfer.deadline_ms = loop_now_ms(n->loop) + n->options.election_timeout_ms +
                              2 * SWEEP_MS;
    node_sweep(n);
}

static void refuse(struct rnode *n, int status)
{
    struct transfer_refused *refused = TAKE(n->transfers_refused); /* a callback may ask again */
    size_t count = n->transfers_refused_n;
    n->transfers_refused_n = n->transfers_refused_cap = 0;
    for (size_t i = 0; i < count; i++) {
        if (refused[i].done != NULL) {
            refused[i].done(refused[i].arg, status);
        }
    }
    mem_free(refused);
}

/* Whether anybody is there to take over. */
static bool voter_up(const struct rnode *n)
{
    const struct raft_configuration *c = &n->core.configuration;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].role == RAFT_VOTER && c->servers[i].id != n->id &&
            transport_peer_up(n->transport, c->servers[i].id)) {
            return true;
        }
    }
    return false;
}

void transfer_flush(struct rnode *n)
{
    struct transfer *t = &n->transfer;
    refuse(n, E_CONFLICT);
    if (!t->active || t->started) {
        return;
    }
    if (!driver_leads(n)) {
        finish(n, E_NOTLEADER);
        return;
    }
    if (!voter_up(n)) {
        finish(n, E_UNAVAILABLE);
        return;
    }
    t->started = true;
    struct raft_event event = { .type = RAFT_TRANSFER };
    event.transfer.server_id = t->target;
    int rv = driver_event(n, &event, NULL);
    if (rv != 0) {
        finish(n, rv == RAFT_NOTLEADER ? E_NOTLEADER : E_NOTFOUND);
    }
}

void transfer_sweep(struct rnode *n, uint64_t now)
{
    struct transfer *t = &n->transfer;
    if (!t->active) {
        return;
    }
    if (!t->started) {
        node_sweep(n);
        return;
    }
    uint64_t leader = driver_leader(n);
    if (leader != 0 && leader != n->id) {
        finish(n, 0);
    } else if (now >= t->deadline_ms) {
        finish(n, E_TIMEOUT);
    } else if (!voter_up(n)) {
        finish(n, E_UNAVAILABLE);
    } else {
        node_sweep(n);
    }
}

void transfer_fail(struct rnode *n, int status)
{
    refuse(n, status);
    if (n->transfer.active) {
        finish(n, status);
    }
}
