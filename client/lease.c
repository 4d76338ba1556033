/* Leases that this process keeps alive, all on one keepalive stream of the current endpoint.
 *
 *               granted                 no renewal before the deadline, or TTL 0 answered
 *     GRANTING ---------> ALIVE ---------------------------------------------------->
 *     on_state(false)
 *        ^  | fails: again with back-off
 *        +--+
 *
 * The deadline is on our own clock and on the safe side: it counts from the moment the request
 * that was answered had been sent, so the store cannot have given the lease up before it. A
 * renewal is sent every TTL / 3, one at a time. One that stays unanswered for LEASE_STUCK_MS says
 * that this member cannot renew (it is cut off, or hangs): it is left, and the renewal is sent at
 * once on the next. */
#include "client/internal.h"

#include "lib/base/alloc.h"

enum { LEASE_STUCK_MS = 1000, REVOKE_TIMEOUT_MS = 2000 };

enum lease_state { LEASE_GRANTING, LEASE_ALIVE, LEASE_ENDED };

struct client_lease {
    struct lease_keeper *keeper; /* NULL once the client is gone */
    struct list link;
    enum lease_state state;
    int64_t id;
    int64_t ttl_s;
    uint64_t deadline_ms;
    uint64_t sent_ms;            /* of the renewal that waits for its answer; 0 = none */
    uint64_t next_ms;            /* when the next renewal is due */
    struct timer timer;
    struct client_call *grant;
    uint32_t failures;
    void (*on_state)(void *arg, int64_t id, bool alive, uint64_t deadline_ms);
    void *arg;
};

struct lease_keeper {
    struct client *client;
    struct list leases;
    struct u64map by_id;         /* those alive: one process may hold thousands */
    struct rpc_stream *stream;
    struct endpoint *endpoint;
    uint64_t login;              /* the log-in that the stream began with */
    uint32_t failures;
    struct timer pause; /* before the stream is opened again */
};

static void lease_step(struct client_lease *l);
static void keeper_open(struct lease_keeper *k);
static void keeper_stuck(struct lease_keeper *k);

static void fail(struct client_call *call, int status, const struct err *err)
{
    struct client_result result = { .status = status, .err = err };

    call->done(call->arg, &result);
}

/* --- grant ------------------------------------------------------------------------------------ */

static struct client_call *grant_start(struct client *c, int64_t ttl_s,
                                       void (*finish)(struct client_call *, int,
                                                      const struct err *, const ProtobufCMessage *),
                                       client_done done, void *arg)
{
    Etcdserverpb__LeaseGrantRequest pb = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.Lease/LeaseGrant",
        .request = &pb.base,
        .response = &etcdserverpb__lease_grant_response__descriptor,
        .idempotent = true, /* one that nobody knows of expires by itself */
        .finish = finish,
        .done = done,
        .arg = arg,
    };

    pb.ttl = ttl_s;
    return call_start(c, &spec);
}

static void plain_grant_finish(struct client_call *call, int status, const struct err *err,
                               const ProtobufCMessage *msg)
{
    const Etcdserverpb__LeaseGrantResponse *pb = (const Etcdserverpb__LeaseGrantResponse *)msg;
    struct client_result result = { 0 };

    if (status != 0) {
        fail(call, status, err);
        return;
    }
    result.revision = pb->header != NULL ? pb->header->revision : 0;
    result.lease_id = pb->id;
    result.ttl_s = pb->ttl;
    result.granted_ttl_s = pb->ttl;
    call->done(call->arg, &result);
}

struct client_call *client_grant(struct client *c, int64_t ttl_s, client_done done, void *arg)
{
    return grant_start(c, ttl_s, plain_grant_finish, done, arg);
}

static void kept_grant_finish(struct client_call *call, int status, const struct err *err,
                              const ProtobufCMessage *msg)
{
    static const struct backoff backoff = { 50, 1000 };
    const Etcdserverpb__LeaseGrantResponse *pb = (const Etcdserverpb__LeaseGrantResponse *)msg;
    struct client_lease *l = call->arg;
    struct client *c = call->client;

    (void)err;
    l->grant = NULL;
    if (c == NULL) {
        return; /* the client is gone; the owner stops the lease */
    }
    if (status != 0 || pb->id == 0) {
        l->failures++;
        timer_start(&l->timer, backoff_delay_ms(&backoff, l->failures, &c->rng));
        return;
    }
    l->failures = 0;
    l->id = pb->id;
    l->ttl_s = pb->ttl;
    l->state = LEASE_ALIVE;
    u64map_put(&l->keeper->by_id, (uint64_t)l->id, l);
    l->deadline_ms = call->sent_ms + (uint64_t)l->ttl_s * 1000;
    l->next_ms = call->sent_ms + (uint64_t)l->ttl_s * 1000 / 3;
    lease_step(l);
    l->on_state(l->arg, l->id, true, l->deadline_ms); /* l may be gone after this */
}

/* --- one lease -------------------------------------------------------------------------------- */

static void lease_detach(struct client_lease *l)
{
    if (l->keeper != NULL && l->state == LEASE_ALIVE) {
        u64map_remove(&l->keeper->by_id, (uint64_t)l->id);
    }
    list_remove(&l->link);
    l->keeper = NULL;
}

static void lease_free(struct client_lease *l)
{
    timer_stop(&l->timer);
    lease_detach(l);
    mem_free(l);
}

static void lease_lost(struct client_lease *l)
{
    timer_stop(&l->timer);
    lease_detach(l);
    l->state = LEASE_ENDED;
    l->on_state(l->arg, l->id, false, l->deadline_ms);
    lease_free(l);
}

static void renew_send(struct client_lease *l, uint64_t now)
{
    Etcdserverpb__LeaseKeepAliveRequest pb = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;

    pb.id = l->id;
    rpc_stream_send(l->keeper->stream, &pb.base);
    l->sent_ms = now;
    l->next_ms = now + (uint64_t)l->ttl_s * 1000 / 3;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What is due now, and the timer for what comes next. PRE: ALIVE, and before its deadline. */
static void lease_step(struct client_lease *l)
{
    struct lease_keeper *k = l->keeper;
    uint64_t now = loop_now_ms(k->client->loop);
    uint64_t next = l->deadline_ms;

    if (k->stream != NULL && l->sent_ms == 0 && now >= l->next_ms) {
        renew_send(l, now);
    }
    if (l->sent_ms != 0) {
        next = min_u64(next, l->sent_ms + LEASE_STUCK_MS);
    } else if (k->stream != NULL) {
        next = min_u64(next, l->next_ms);
    }
    timer_start_at(&l->timer, next > now ? next : now + 1);
    if (k->stream == NULL && !timer_active(&k->pause)) {
        keeper_open(k);
    }
}

static void on_lease_timer(struct timer *t)
{
    struct client_lease *l = CONTAINER_OF(t, struct client_lease, timer);
    struct lease_keeper *k = l->keeper;
    uint64_t now = loop_now_ms(k->client->loop);

    if (l->state == LEASE_GRANTING) {
        l->grant = grant_start(k->client, l->ttl_s, kept_grant_finish, NULL, l);
        return;
    }
    if (now >= l->deadline_ms) {
        lease_lost(l);
        return;
    }
    if (l->sent_ms != 0 && now - l->sent_ms >= LEASE_STUCK_MS) {
        keeper_stuck(k);
    }
    lease_step(l);
}

struct client_lease *client_lease_start(struct client *c, int64_t ttl_s,
                                        void (*on_state)(void *arg, int64_t id, bool alive,
                                                         uint64_t deadline_ms),
                                        void *arg)
{
    struct client_lease *l = mem_zalloc(sizeof *l);

    l->keeper = c->leases;
    l->ttl_s = ttl_s;
    l->on_state = on_state;
    l->arg = arg;
    timer_init(c->loop, &l->timer, on_lease_timer);
    list_push_back(&c->leases->leases, &l->link);
    l->grant = grant_start(c, ttl_s, kept_grant_finish, NULL, l);
    return l;
}

int64_t client_lease_id(const struct client_lease *l)
{
    return l->id;
}

/* --- stop ------------------------------------------------------------------------------------- */

struct stop {
    struct ready ready;
    void (*done)(void *arg);
    void *arg;
};

static void stop_done(struct stop *s)
{
    if (s->done != NULL) {
        s->done(s->arg);
    }
    mem_free(s);
}

static void on_stop_ready(struct ready *r)
{
    stop_done(CONTAINER_OF(r, struct stop, ready));
}

static void revoke_finish(struct client_call *call, int status, const struct err *err,
                          const ProtobufCMessage *msg)
{
    (void)status;
    (void)err;
    (void)msg;
    stop_done(call->arg);
}

static void revoke_start(struct client *c, int64_t id, struct stop *s)
{
    Etcdserverpb__LeaseRevokeRequest pb = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    struct call_spec spec = {
        .path = "/etcdserverpb.Lease/LeaseRevoke",
        .request = &pb.base,
        .response = &etcdserverpb__lease_revoke_response__descriptor,
        .idempotent = true,
        .timeout_ms = REVOKE_TIMEOUT_MS,
        .finish = revoke_finish,
        .arg = s,
    };

    pb.id = id;
    call_start(c, &spec);
}

void client_lease_stop(struct client_lease *l, void (*done)(void *arg), void *arg)
{
    struct lease_keeper *k;
    struct stop *s;

    if (l == NULL || l->state == LEASE_ENDED) {
        return; /* inside its own on_state(false) */
    }
    k = l->keeper;
    client_call_cancel(l->grant);
    if (k != NULL) {
        s = mem_zalloc(sizeof *s);
        s->done = done;
        s->arg = arg;
        ready_init(&s->ready, on_stop_ready);
        if (l->state == LEASE_ALIVE) {
            revoke_start(k->client, l->id, s);
        } else {
            loop_ready(k->client->loop, &s->ready);
        }
    }
    lease_free(l);
}

void client_lease_abandon(struct client_lease *l)
{
    if (l != NULL && l->state != LEASE_ENDED) {
        client_call_cancel(l->grant);
        lease_free(l);
    }
}

/* --- the stream ------------------------------------------------------------------------------- */

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct lease_keeper *k = arg;
    const Etcdserverpb__LeaseKeepAliveResponse *pb =
        (const Etcdserverpb__LeaseKeepAliveResponse *)msg;
    struct client_lease *l = u64map_get(&k->by_id, (uint64_t)pb->id);

    k->failures = 0;
    client_heard(k->client);
    if (l == NULL || l->sent_ms == 0) {
        return;
    }
    if (pb->ttl <= 0) {
        lease_lost(l);
        return;
    }
    l->deadline_ms = l->sent_ms + (uint64_t)pb->ttl * 1000;
    l->sent_ms = 0;
    lease_step(l);
    l->on_state(l->arg, l->id, true, l->deadline_ms);
}

static void keeper_forget_stream(struct lease_keeper *k)
{
    k->stream = NULL;
    k->endpoint = NULL;
    LIST_FOREACH(it, &k->leases) {
        struct client_lease *l = LIST_ENTRY(it, struct client_lease, link);

        if (l->sent_ms != 0) {
            l->sent_ms = 0;
            l->next_ms = 0; /* the answer is lost: ask again as soon as there is a stream */
        }
    }
}

/* The stream goes first: a late answer must not count for a later request. */
static void keeper_stuck(struct lease_keeper *k)
{
    struct endpoint *e = k->endpoint;

    rpc_stream_cancel(k->stream);
    keeper_forget_stream(k);
    client_judge(k->client, e, E_TIMEOUT, "lease renewals stay unanswered");
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    static const struct backoff backoff = { 50, 500 };
    struct lease_keeper *k = arg;
    struct client *c = k->client;
    struct endpoint *e = k->endpoint;

    keeper_forget_stream(k);
    k->failures++;
    client_judge(c, e, result->err != 0 ? result->err : E_UNAVAILABLE, result->text);
    login_void(c, result->err, k->login);
    if (c->current != NULL) {
        timer_start(&k->pause, backoff_delay_ms(&backoff, k->failures, &c->rng));
    }
}

static void keeper_open(struct lease_keeper *k)
{
    static const struct rpc_stream_events events = { .message = on_message, .closed = on_closed };
    struct client *c = k->client;

    if (!client_ready(c) || k->stream != NULL) {
        return;
    }
    k->endpoint = c->current;
    k->stream = rpc_stream_open(c->current->channel, "/etcdserverpb.Lease/LeaseKeepAlive",
                                &etcdserverpb__lease_keep_alive_response__descriptor, &events, k);
    k->login = c->login.serial;
    login_stream(c, k->stream);
    client_probe_start(c);
    LIST_FOREACH(it, &k->leases) {
        struct client_lease *l = LIST_ENTRY(it, struct client_lease, link);

        if (l->state == LEASE_ALIVE) {
            lease_step(l);
        }
    }
}

static bool keeper_needed(const struct lease_keeper *k)
{
    return k->by_id.n != 0;
}

static void on_pause_over(struct timer *t)
{
    struct lease_keeper *k = CONTAINER_OF(t, struct lease_keeper, pause);

    if (keeper_needed(k)) {
        keeper_open(k);
    }
}

void lease_keeper_endpoint(struct lease_keeper *k)
{
    struct client *c = k->client;

    if (k->stream != NULL && k->endpoint != c->current) {
        rpc_stream_cancel(k->stream);
        keeper_forget_stream(k);
    }
    if (c->current != NULL && k->stream == NULL && keeper_needed(k)) {
        timer_stop(&k->pause);
        keeper_open(k);
    }
}

bool lease_keeper_open(const struct lease_keeper *k)
{
    return k->stream != NULL;
}

struct lease_keeper *lease_keeper_new(struct client *c)
{
    struct lease_keeper *k = mem_zalloc(sizeof *k);

    k->client = c;
    list_init(&k->leases);
    u64map_init(&k->by_id);
    timer_init(c->loop, &k->pause, on_pause_over);
    return k;
}

void lease_keeper_free(struct lease_keeper *k)
{
    struct list *li;

    if (k->stream != NULL) {
        rpc_stream_cancel(k->stream);
    }
    /* Their owners still hold them: they stay, silent, until client_lease_stop. */
    while ((li = list_pop_front(&k->leases)) != NULL) {
        struct client_lease *l = LIST_ENTRY(li, struct client_lease, link);

        client_call_cancel(TAKE(l->grant));
        timer_stop(&l->timer);
        l->keeper = NULL;
    }
    timer_stop(&k->pause);
    u64map_fini(&k->by_id);
    mem_free(k);
}
