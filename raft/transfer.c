/* Leadership transfer: asked for at any time, started at the end of the turn, over when another
 * member leads or when the core gave up (one election timeout). */
#include "lib/base/assert.h"
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

void rnode_transfer(struct rnode *n, uint64_t target, void (*done)(void *arg, int status),
                    void *arg)
{
    PRE(!n->transfer.active); /* the caller waits for done */
    n->transfer = (struct transfer){ .active = true, .target = target, .done = done, .arg = arg };
    n->transfer.deadline_ms = loop_now_ms(n->loop) + n->options.election_timeout_ms +
                              2 * SWEEP_MS;
    node_turn(n);
    node_sweep(n);
}

void transfer_flush(struct rnode *n)
{
    struct transfer *t = &n->transfer;
    if (!t->active || t->started) {
        return;
    }
    if (!driver_leads(n)) {
        finish(n, E_NOTLEADER);
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
    } else {
        node_sweep(n);
    }
}

void transfer_fail(struct rnode *n, int status)
{
    if (n->transfer.active) {
        finish(n, status);
    }
}
