/* etcdserverpb.Lease (what runs out: expiry.c).
 *
 * Grant and revoke are commands in the log. Keepalives are not: they only move the deadline on the
 * leader's clock (soft state). Before a keepalive is acknowledged the leader makes sure that it
 * still is one (one ReadIndex round for all keepalives of the turn), so a deposed leader can never
 * promise time that its successor does not know of. A new leader starts every lease afresh with its
 * full TTL.
 *
 * Questions from members to the leader (rnode_ask_leader) are msgpack [kind, lease id]; the
 * answer is [ttl, granted ttl]. */
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/rng.h"
#include "lib/codec/mp.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"

enum question_kind { ASK_KEEPALIVE = 1, ASK_TIME_TO_LIVE = 2 };

/* etcd's floor: a lease must outlive an election. Seconds. */
static int64_t min_ttl_s(const struct server *s)
{
    return (int64_t)((s->options.election_ms * 3 / 2 + 999) / 1000);
}

/* --- questions to the leader ------------------------------------------------------------------ */

/* A question that waits for the turn's leadership check. */
struct renewal {
    struct list link;
    uint64_t ask_id;
    uint64_t kind;
    int64_t lease_id;
};

struct renewal_check {
    struct rnode_read read;
    struct server *server;
    struct list renewals;
};

static void answer(struct server *s, const struct renewal *r, int status)
{
    int64_t ttl_s = 0, granted_s = 0;
    uint64_t now = loop_now_ms(s->loop);
    if (status == 0 && s->lease_clock == NULL) {
        status = E_NOTLEADER;
    }
    if (status == 0 && r->kind == ASK_KEEPALIVE) {
        /* etcd answers TTL 0, not an error, for a lease it does not know. */
        if (BUG(BUG_KEEPALIVE_IGNORED)) {
            struct lease_info known;
            ttl_s = store_lease_get(s->store, r->lease_id, &known) ? known.ttl_s : 0;
        } else {
            bool known = lease_clock_renew(s->lease_clock, r->lease_id, now, &ttl_s);
            metric_add(s->m.leases_renewed, known);
        }
    } else if (status == 0) {
        struct lease_info info;
        if (store_lease_get(s->store, r->lease_id, &info)) {
            int64_t left = lease_clock_remaining_ms(s->lease_clock, r->lease_id, now);
            ttl_s = left > 0 ? left / 1000 : 0;
            granted_s = info.ttl_s;
        } else {
            ttl_s = -1;
        }
    }
    autobuf out = BUF_INIT;
    mp_put_array(&out, 2);
    mp_put_i64(&out, ttl_s);
    mp_put_i64(&out, granted_s);
    rnode_answer(s->node, r->ask_id, status, buf_slice(&out));
}

static void renewals_checked(struct rnode_read *read, int status)
{
    struct renewal_check *c = CONTAINER_OF(read, struct renewal_check, read);
    struct list *it;
    while ((it = list_pop_front(&c->renewals)) != NULL) {
        struct renewal *r = LIST_ENTRY(it, struct renewal, link);
        answer(c->server, r, status);
        mem_free(r);
    }
    mem_free(c);
}

void server_lease_renew_hook(struct turn_hook *hook)
{
    struct server *s = CONTAINER_OF(hook, struct server, renew_hook);
    struct renewal_check *c = mem_zalloc(sizeof *c);
    c->server = s;
    c->read.done = renewals_checked;
    list_init(&c->renewals);
    list_move_all(&c->renewals, &s->renewals);
    if (BUG(BUG_KEEPALIVE_UNCHECKED)) {
        renewals_checked(&c->read, 0);
        return;
    }
    rnode_read_index(s->node, &c->read, s->options.election_ms);
}

void server_lease_ask(void *arg, uint64_t ask_id, struct slice question)
{
    struct server *s = arg;
    struct mp_reader r;
    mp_reader_init(&r, question);
    uint32_t n = mp_get_array(&r, 16);
    uint64_t kind = mp_get_u64(&r);
    int64_t id = mp_get_i64(&r);
    if (mp_reader_error(&r) != 0 || n < 2 ||
        (kind != ASK_KEEPALIVE && kind != ASK_TIME_TO_LIVE)) {
        rnode_answer(s->node, ask_id, E_PROTO, slice_make(NULL, 0));
        return;
    }
    struct renewal *w = mem_zalloc(sizeof *w);
    w->ask_id = ask_id;
    w->kind = kind;
    w->lease_id = id;
    list_push_back(&s->renewals, &w->link);
    loop_at_turn_end(s->loop, &s->renew_hook);
}

/* --- one question from this member, for a call ------------------------------------------------ */

struct lease_stream;

struct ask_call {
    struct rnode_ask ask;
    struct list link; /* lease_stream.asks; unlinked for unary calls */
    struct server *server;
    struct rpc_call *call;
    struct lease_stream *stream;
    int64_t id;
    int64_t revision; /* when it was asked */
};

struct lease_stream {
    struct server *server;
    struct rpc_call *call;
    struct list asks;
    bool half_closed;
};

static void ask(struct ask_call *a, enum question_kind kind,
                void (*done)(struct rnode_ask *self, int status, struct slice bytes))
{
    autobuf q = BUF_INIT;
    mp_put_array(&q, 2);
    mp_put_u64(&q, (uint64_t)kind);
    mp_put_i64(&q, a->id);
    a->ask.done = done;
    rnode_ask_leader(a->server->node, &a->ask, buf_slice(&q),
                     server_timeout_ms(a->server, a->call));
}

static int decode_answer(struct slice bytes, int64_t *ret_ttl_s, int64_t *ret_granted_s)
{
    struct mp_reader r;
    mp_reader_init(&r, bytes);
    uint32_t n = mp_get_array(&r, 16);
    *ret_ttl_s = mp_get_i64(&r);
    *ret_granted_s = mp_get_i64(&r);
    return mp_reader_error(&r) != 0 || n < 2 ? E_PROTO : 0;
}

/* --- LeaseGrant, LeaseRevoke ------------------------------------------------------------------ */

static void grant_reply(struct write_call *w)
{
    if (w->result.status != 0) {
        rpc_fail_err(w->call, w->result.status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__LeaseGrantResponse reply = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    reply.id = w->result.lease_id;
    reply.ttl = w->result.lease_ttl_s;
    rpc_reply(w->call, &reply.base);
}

static void lease_grant(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__LeaseGrantRequest *m =
        (const Etcdserverpb__LeaseGrantRequest *)(const void *)msg;
    struct command c = { .type = COMMAND_LEASE_GRANT, .lease_grant = { m->id, m->ttl } };
    if (c.lease_grant.ttl_s < min_ttl_s(s)) {
        c.lease_grant.ttl_s = min_ttl_s(s);
    }
    while (c.lease_grant.id == 0) {
        c.lease_grant.id = (int64_t)(rng_u64(s->rng) & INT64_MAX);
    }
    server_write(s, call, &c, grant_reply);
}

static void revoke_reply(struct write_call *w)
{
    if (w->result.status != 0) {
        rpc_fail_err(w->call, w->result.status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__LeaseRevokeResponse reply = ETCDSERVERPB__LEASE_REVOKE_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

static void lease_revoke(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__LeaseRevokeRequest *m =
        (const Etcdserverpb__LeaseRevokeRequest *)(const void *)msg;
    int64_t id = m->id;
    struct command c = { .type = COMMAND_LEASE_REVOKE, .lease_revoke = { &id, 1, false } };
    server_write(rpc_call_arg(call), call, &c, revoke_reply);
}

/* --- LeaseKeepAlive: a stream of questions ---------------------------------------------------- */

static void stream_end(struct lease_stream *st, int status)
{
    struct rpc_call *call = st->call;
    struct list *it;
    while ((it = list_pop_front(&st->asks)) != NULL) {
        struct ask_call *a = LIST_ENTRY(it, struct ask_call, link);
        rnode_ask_forget(st->server->node, &a->ask);
        mem_free(a);
    }
    mem_free(st);
    rpc_call_set_data(call, NULL);
    const char *text = "";
    enum grpc_code code = status != 0 ? status_from_err(status, &text) : GRPC_OK;
    rpc_finish(call, code, text);
}

static void keepalive_done(struct rnode_ask *ask_, int status, struct slice bytes)
{
    struct ask_call *a = CONTAINER_OF(ask_, struct ask_call, ask);
    struct lease_stream *st = a->stream;
    struct server *s = a->server;
    int64_t id = a->id, revision = a->revision, ttl_s = 0, granted_s = 0;
    list_remove(&a->link);
    mem_free(a);
    if (status == 0) {
        status = decode_answer(bytes, &ttl_s, &granted_s);
    }
    if (status != 0) {
        stream_end(st, status == E_NOTLEADER ? E_LEADER_CHANGED : status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__LeaseKeepAliveResponse reply = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    reply.header = server_header(s, &header, revision); /* none after which it may be revoked */
    reply.id = id;
    reply.ttl = ttl_s;
    rpc_send(st->call, &reply.base);
    if (st->half_closed && list_empty(&st->asks)) {
        stream_end(st, 0);
    }
}

static void keepalive_start(struct rpc_call *call)
{
    struct lease_stream *st = mem_zalloc(sizeof *st);
    st->server = rpc_call_arg(call);
    st->call = call;
    list_init(&st->asks);
    rpc_call_set_data(call, st);
}

static void keepalive_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct lease_stream *st = rpc_call_data(call);
    if (st == NULL) {
        return;
    }
    int64_t id = ((const Etcdserverpb__LeaseKeepAliveRequest *)(const void *)msg)->id;
    int rv = server_may_lease(st->server, call, id, ACCESS_WRITE);
    if (rv != 0) {
        stream_end(st, rv);
        return;
    }
    struct ask_call *a = mem_zalloc(sizeof *a);
    a->server = st->server;
    a->call = call;
    a->stream = st;
    a->id = id;
    a->revision = store_revision(st->server->store);
    list_push_back(&st->asks, &a->link);
    ask(a, ASK_KEEPALIVE, keepalive_done);
}

static void keepalive_half_close(struct rpc_call *call)
{
    struct lease_stream *st = rpc_call_data(call);
    if (st != NULL) {
        st->half_closed = true;
        if (list_empty(&st->asks)) {
            stream_end(st, 0);
        }
    }
}

static void keepalive_closed(struct rpc_call *call)
{
    struct lease_stream *st = rpc_call_data(call);
    if (st != NULL) {
        stream_end(st, E_CANCELED);
    }
}

/* --- LeaseTimeToLive, LeaseLeases ------------------------------------------------------------- */

/* A LeaseTimeToLive; in the call's arena. */
struct time_to_live {
    int64_t id, ttl_s, granted_s;
    bool keys;
};

static void time_to_live_reply(struct server *s, struct rpc_call *call, struct time_to_live *t)
{
    struct arena *arena = rpc_call_arena(call);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__LeaseTimeToLiveResponse reply = ETCDSERVERPB__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.id = t->id;
    reply.ttl = t->ttl_s;
    reply.grantedttl = t->granted_s;
    if (t->keys && t->ttl_s >= 0) {
        struct slice *keys;
        reply.n_keys = store_lease_keys(s->store, t->id, arena, &keys);
        reply.keys = arena_alloc(arena, (reply.n_keys + 1) * sizeof *reply.keys);
        for (size_t i = 0; i < reply.n_keys; i++) {
            reply.keys[i] = pb_slice(keys[i]);
        }
    }
    rpc_reply(call, &reply.base);
}

static void time_to_live_keys(struct read_call *r)
{
    struct time_to_live *t = r->data;
    int rv = server_may_lease(r->server, r->call, t->id, ACCESS_READ);
    if (rv != 0) {
        rpc_fail_err(r->call, rv);
    } else {
        time_to_live_reply(r->server, r->call, t);
    }
}

/* The time left is the leader's; the keys are this member's own, who must not be behind. */
static void time_to_live_done(struct rnode_ask *ask_, int status, struct slice bytes)
{
    struct ask_call *a = CONTAINER_OF(ask_, struct ask_call, ask);
    struct server *s = a->server;
    struct rpc_call *call = a->call;
    struct time_to_live *t = rpc_call_data(call);
    mem_free(a);
    status = status != 0 ? status : decode_answer(bytes, &t->ttl_s, &t->granted_s);
    if (status != 0) {
        rpc_fail_err(call, status == E_NOTLEADER ? E_LEADER_CHANGED : status);
    } else if (t->keys) {
        server_read(s, call, t, time_to_live_keys);
    } else {
        time_to_live_reply(s, call, t);
    }
}

static void lease_time_to_live(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__LeaseTimeToLiveRequest *m =
        (const Etcdserverpb__LeaseTimeToLiveRequest *)(const void *)msg;
    struct time_to_live *t = arena_zalloc(rpc_call_arena(call), sizeof *t);
    t->id = m->id;
    t->keys = m->keys != 0;
    rpc_call_set_data(call, t);
    struct ask_call *a = mem_zalloc(sizeof *a);
    list_init(&a->link);
    a->server = s;
    a->call = call;
    a->id = m->id;
    ask(a, ASK_TIME_TO_LIVE, time_to_live_done);
}

/* A list tells of all leases: who may not read all of their keys gets none, as with etcd. */
static int may_list(struct read_call *r, const struct lease_info *leases, size_t n)
{
    struct auth_who who;
    int rv = server_who(r->server, r->call, &who);
    if (!store_auth(r->server->store)->enabled) {
        return 0;
    }
    for (size_t i = 0; i < n && rv == 0; i++) {
        rv = store_may_lease(r->server->store, &who, leases[i].id, ACCESS_READ);
    }
    return rv;
}

static void leases_read(struct read_call *r)
{
    struct server *s = r->server;
    struct arena *arena = rpc_call_arena(r->call);
    struct lease_info *leases;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__LeaseLeasesResponse reply = ETCDSERVERPB__LEASE_LEASES_RESPONSE__INIT;
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.n_leases = store_leases(s->store, arena, &leases);
    int rv = may_list(r, leases, reply.n_leases);
    if (rv != 0) {
        rpc_fail_err(r->call, rv);
        return;
    }
    reply.leases = arena_alloc(arena, (reply.n_leases + 1) * sizeof *reply.leases);
    for (size_t i = 0; i < reply.n_leases; i++) {
        reply.leases[i] = arena_alloc(arena, sizeof **reply.leases);
        etcdserverpb__lease_status__init(reply.leases[i]);
        reply.leases[i]->id = leases[i].id;
    }
    rpc_reply(r->call, &reply.base);
}

static void lease_leases(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    server_read(rpc_call_arg(call), call, NULL, leases_read);
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.Lease/LeaseGrant", RPC_UNARY,
      &etcdserverpb__lease_grant_request__descriptor, lease_grant, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Lease/LeaseRevoke", RPC_UNARY,
      &etcdserverpb__lease_revoke_request__descriptor, lease_revoke, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Lease/LeaseKeepAlive", RPC_STREAM,
      &etcdserverpb__lease_keep_alive_request__descriptor, keepalive_message, keepalive_start,
      keepalive_half_close, NULL, keepalive_closed },
    { "/etcdserverpb.Lease/LeaseTimeToLive", RPC_UNARY,
      &etcdserverpb__lease_time_to_live_request__descriptor, lease_time_to_live, NULL, NULL, NULL,
      NULL },
    { "/etcdserverpb.Lease/LeaseLeases", RPC_UNARY,
      &etcdserverpb__lease_leases_request__descriptor, lease_leases, NULL, NULL, NULL, NULL },
};
const struct service service_lease = { methods, ARRAY_LEN(methods) };
