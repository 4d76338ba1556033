/* The leader's lease clock, and what runs out on it.
 *
 * The clock is soft state of the member that leads: a new leader starts every lease afresh with its
 * full TTL, and lease.c moves deadlines on it for keepalives. What has run out is revoked by one
 * entry in the log for many leases. While the CORRUPT alarm refuses that on every member, nothing
 * is proposed (etcd tries each lease again every 3 s): the clock keeps what has run out, which may
 * still be renewed, and hands it out when the alarm is cleared. */
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "server/internal.h"

enum { EXPIRE_AGAIN_MS = 1000 };

/* A batch of expiries: a check that we still lead, then one entry in the log, of this term or none.
 * Without the check a leader cut off from the others could revoke, once it is back, a lease that
 * its successor has renewed since; and so could a revoke that is sent on to the successor.
 *
 * Its outcome may stay unknown (no quorum in time). The leases are not given back to the clock
 * then, where they could be renewed before that entry is committed after all: they are revoked
 * again. */
struct expiry {
    struct rnode_read check;
    struct rnode_proposal proposal;
    struct server *server;
    struct timer again;
    uint64_t epoch; /* of the clock that they ran out on */
    bool maybe;     /* an earlier try may still be committed */
    size_t n;
    int64_t ids[];
};

/* Of a clock that is no more. What is under way ends by itself. */
static void expiry_forget(struct server *s)
{
    struct expiry *e = TAKE(s->expiring);
    if (e != NULL && timer_active(&e->again)) {
        timer_stop(&e->again);
        mem_free(e);
    }
}

void server_lease_leading(struct server *s, bool leading)
{
    if (BUG(BUG_LEASE_DEPOSED) && !leading) {
        return;
    }
    if (s->lease_clock != NULL) {
        lease_clock_free(s->lease_clock);
        s->lease_clock = NULL;
    }
    s->lease_epoch++;
    expiry_forget(s);
    if (!leading) {
        return;
    }
    uint64_t now = loop_now_ms(s->loop);
    s->lease_clock = lease_clock_new(now);
    struct arena arena;
    arena_init(&arena);
    struct lease_info *leases;
    size_t n = store_leases(s->store, &arena, &leases);
    for (size_t i = 0; i < n; i++) {
        int64_t left_s = BUG(BUG_LEASE_NEW_LEADER) ? 0 : leases[i].ttl_s;
        lease_clock_set_remaining(s->lease_clock, leases[i].id, leases[i].ttl_s, left_s, now);
    }
    arena_fini(&arena);
}

/* The clock runs exactly while this member leads, anew in each term. It is compared with what is,
 * not with the status of before: Status and Alarm look at the node, too, and may have seen an
 * election that we are only told of now. */
void server_lease_follow(struct server *s)
{
    bool leads = server_is_leader(s), runs = s->lease_clock != NULL;
    if (s->closing || (leads == runs && (!leads || s->lease_term == s->status.term))) {
        return;
    }
    s->lease_term = s->status.term;
    server_lease_leading(s, leads);
}

void server_lease_changed(void *arg, const struct lease_info *lease, bool removed)
{
    struct server *s = arg;
    metric_add(removed ? s->m.leases_revoked : s->m.leases_granted, 1);
    if (s->lease_clock == NULL) {
        return;
    }
    if (removed) {
        lease_clock_remove(s->lease_clock, lease->id);
    } else {
        lease_clock_set(s->lease_clock, lease->id, lease->ttl_s, loop_now_ms(s->loop));
    }
}

/* As it is applied: to propose it anyway would fill the log for as long as nobody acts. */
static bool are_refused(const struct server *s)
{
    return alarms_active(store_alarms(s->store), ALARM_CORRUPT);
}

/* Those that are gone by now, or were granted anew, are left out. */
static void expiry_again(struct timer *t)
{
    struct expiry *e = CONTAINER_OF(t, struct expiry, again);
    struct server *s = e->server;
    uint64_t now = loop_now_ms(s->loop);
    size_t kept = 0;
    if (are_refused(s)) {
        timer_start(&e->again, EXPIRE_AGAIN_MS);
        return;
    }
    for (size_t i = 0; i < e->n; i++) {
        struct lease_info info;
        if (store_lease_get(s->store, e->ids[i], &info) &&
            lease_clock_remaining_ms(s->lease_clock, e->ids[i], now) <= 0) {
            e->ids[kept++] = e->ids[i];
        }
    }
    e->n = kept;
    rnode_read_index(s->node, &e->check, 5000);
}

static void expiry_over(struct expiry *e, int status)
{
    struct server *s = e->server;
    if (e->epoch == s->lease_epoch) {
        if (status != 0 && e->maybe && !s->closing) {
            timer_start(&e->again, EXPIRE_AGAIN_MS);
            return;
        }
        s->expiring = NULL;
        /* Certainly not revoked: due again in a second. */
        for (size_t i = 0; status != 0 && i < e->n; i++) {
            struct lease_info info;
            if (s->lease_clock != NULL && store_lease_get(s->store, e->ids[i], &info)) {
                lease_clock_set_remaining(s->lease_clock, info.id, info.ttl_s, 1,
                                          loop_now_ms(s->loop));
            }
        }
    }
    mem_free(e);
}

static void expiry_done(struct rnode_proposal *p, int status)
{
    struct expiry *e = CONTAINER_OF(p, struct expiry, proposal);
    if (status == 0 && are_refused(e->server)) {
        status = E_CORRUPT; /* it is in the log: the alarm was before it */
    }
    e->maybe = e->maybe || status == E_TIMEOUT || status == E_LEADER_CHANGED;
    metric_add(e->server->m.leases_expired, status == 0 ? (double)e->n : 0);
    expiry_over(e, status);
}

static void expiry_checked(struct rnode_read *check, int status)
{
    struct expiry *e = CONTAINER_OF(check, struct expiry, check);
    struct server *s = e->server;
    if (status != 0 || e->epoch != s->lease_epoch || s->lease_clock == NULL) {
        expiry_over(e, status != 0 ? status : E_NOTLEADER);
        return;
    }
    if (e->n == 0 || are_refused(s)) {
        expiry_over(e, e->n == 0 ? 0 : E_CORRUPT);
        return;
    }
    struct command c = { .type = COMMAND_LEASE_REVOKE,
                         .lease_revoke = { e->ids, e->n, true } };
    struct rnode_status node;
    autobuf bytes = BUF_INIT;
    command_encode(&c, &bytes);
    rnode_get_status(s->node, &node);
    e->proposal.done = expiry_done;
    if (BUG(BUG_LEASE_DEPOSED)) {
        rnode_propose(s->node, &e->proposal, buf_slice(&bytes), 5000);
        return;
    }
    rnode_propose_in_term(s->node, &e->proposal, buf_slice(&bytes), 5000, node.term);
}

void server_lease_tick(struct server *s, uint64_t now_ms)
{
    if (s->lease_clock == NULL || s->expiring != NULL || s->closing || are_refused(s)) {
        return;
    }
    int64_t ids[SERVER_EXPIRE_BATCH];
    size_t n = lease_clock_expired(s->lease_clock, now_ms, ids, ARRAY_LEN(ids));
    if (n == 0 || BUG(BUG_LEASE_FOR_EVER)) {
        return;
    }
    struct expiry *e = mem_zalloc(sizeof *e + n * sizeof e->ids[0]);
    e->server = s;
    e->epoch = s->lease_epoch;
    e->n = n;
    memcpy(e->ids, ids, n * sizeof ids[0]);
    e->check.done = expiry_checked;
    timer_init(s->loop, &e->again, expiry_again);
    s->expiring = e;
    if (BUG(BUG_LEASE_DEPOSED)) {
        expiry_checked(&e->check, 0);
        return;
    }
    rnode_read_index(s->node, &e->check, 5000);
}
