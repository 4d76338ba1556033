/* etcdserverpb.Cluster.
 *
 * A change asked of any member: a question to the leader (reconfigure.c) -> it is committed -> a
 * ReadIndex wait, so that this member's own list has it -> the answer. What is in the way for a
 * moment (no leader, another change, a leader that has just been elected) is waited for until the
 * call's deadline. A member is added as a learner and votes once it has caught up, without being
 * told (unless isLearner was asked for). One peer URL a member. */
#include "lib/base/alloc.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"
#include "raft/membership.h"
#include "server/internal.h"

#include <stdlib.h>

/* What is told of members has nothing to do with the store's revision: in etcd's headers, too. */
enum { NO_REVISION = 0 };

enum { RETRY_MS = 100, UNHEALTHY_TRIES = 5 /* a leader needs a moment to hear from all */ };

/* --- the list --------------------------------------------------------------------------------- */

/* A member publishes its client URLs as one text with commas. */
static size_t split_urls(struct arena *arena, const char *text, char ***ret_urls)
{
    size_t n = 0;
    char *save = NULL;
    *ret_urls = arena_alloc(arena, (strlen(text) / 2 + 1) * sizeof **ret_urls);
    for (char *url = strtok_r(arena_strdup(arena, text), ", ", &save); url != NULL;
         url = strtok_r(NULL, ", ", &save)) {
        (*ret_urls)[n++] = url;
    }
    return n;
}

static Etcdserverpb__Member *member_pb(struct arena *arena, const struct rnode_member *from)
{
    Etcdserverpb__Member *m = arena_alloc(arena, sizeof *m);
    etcdserverpb__member__init(m);
    m->id = from->id;
    m->name = arena_strdup(arena, from->name);
    m->islearner = from->role == RNODE_LEARNER;
    m->n_peerurls = 1;
    m->peerurls = arena_alloc(arena, sizeof *m->peerurls);
    m->peerurls[0] = arena_printf(arena, "http://%s", from->peer_address);
    m->n_clienturls = split_urls(arena, from->client_url, &m->clienturls);
    return m;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = (*(Etcdserverpb__Member *const *)a)->id;
    uint64_t y = (*(Etcdserverpb__Member *const *)b)->id;
    return x < y ? -1 : x > y;
}

/* In the order of their ids, as etcd has them. */
static size_t members_pb(struct server *s, struct arena *arena, Etcdserverpb__Member ***ret_members)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    *ret_members = arena_alloc(arena, (n + 1) * sizeof **ret_members);
    for (size_t i = 0; i < n; i++) {
        (*ret_members)[i] = member_pb(arena, &members[i]);
    }
    qsort(*ret_members, n, sizeof **ret_members, by_id);
    return n;
}

static void members_read(struct read_call *r)
{
    struct server *s = r->server;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__MemberListResponse reply = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
    reply.header = server_header(s, &header, NO_REVISION);
    reply.n_members = members_pb(s, rpc_call_arena(r->call), &reply.members);
    rpc_reply(r->call, &reply.base);
}

/* etcd before 3.5 answers from local state; so does `linearizable: false`, which is what etcdctl
 * 3.4 sends: a member without quorum must still be able to say who its peers are. */
static void member_list(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__MemberListRequest *m =
        (const Etcdserverpb__MemberListRequest *)(const void *)msg;
    if (m->linearizable) {
        server_read(s, call, NULL, members_read);
    } else {
        struct read_call r = { .server = s, .call = call };
        members_read(&r);
    }
}

/* --- a change --------------------------------------------------------------------------------- */

struct change_call {
    struct rnode_ask ask;
    struct rnode_read read;
    struct timer retry;
    struct list link; /* server.changes */
    struct server *server;
    struct rpc_call *call;
    enum member_change kind;
    struct rnode_member who;
    uint64_t deadline_ms;
    unsigned unhealthy;
    bool unknown; /* an earlier question may have been carried out */
};

static void change_end(struct change_call *c)
{
    list_remove(&c->link);
    timer_stop(&c->retry);
    mem_free(c);
}

static void reply_added(struct change_call *c, Etcdserverpb__ResponseHeader *header)
{
    struct arena *arena = rpc_call_arena(c->call);
    Etcdserverpb__MemberAddResponse reply = ETCDSERVERPB__MEMBER_ADD_RESPONSE__INIT;
    reply.header = header;
    reply.member = member_pb(arena, &c->who);
    reply.n_members = members_pb(c->server, arena, &reply.members);
    rpc_reply(c->call, &reply.base);
}

static void reply_members(struct change_call *c, Etcdserverpb__ResponseHeader *header)
{
    Etcdserverpb__Member **members;
    size_t n = members_pb(c->server, rpc_call_arena(c->call), &members);
    Etcdserverpb__MemberRemoveResponse removed = ETCDSERVERPB__MEMBER_REMOVE_RESPONSE__INIT;
    Etcdserverpb__MemberUpdateResponse updated = ETCDSERVERPB__MEMBER_UPDATE_RESPONSE__INIT;
    Etcdserverpb__MemberPromoteResponse promoted = ETCDSERVERPB__MEMBER_PROMOTE_RESPONSE__INIT;
    removed.header = updated.header = promoted.header = header;
    removed.n_members = updated.n_members = promoted.n_members = n;
    removed.members = updated.members = promoted.members = members;
    rpc_reply(c->call, c->kind == MEMBER_REMOVE   ? &removed.base
                       : c->kind == MEMBER_UPDATE ? &updated.base
                                                  : &promoted.base);
}

/* It is done; whether our list has it yet is the lesser question. */
static void change_read(struct rnode_read *read, int status)
{
    struct change_call *c = CONTAINER_OF(read, struct change_call, read);
    struct server *s = c->server;
    Etcdserverpb__ResponseHeader header;
    (void)status;
    server_header(s, &header, NO_REVISION);
    if (c->kind == MEMBER_ADD_LEARNER) {
        reply_added(c, &header);
    } else {
        reply_members(c, &header);
    }
    change_end(c);
}

static bool passes(struct change_call *c, int status)
{
    if (status == E_UNAVAILABLE) {
        return ++c->unhealthy < UNHEALTHY_TRIES;
    }
    return status == E_NOTLEADER || status == E_NOLEADER || status == E_LEADER_CHANGED ||
           status == E_CONFLICT || (status == E_NOTREADY && c->kind != MEMBER_PROMOTE);
}

static void change_answered(struct rnode_ask *ask, int status, struct slice bytes)
{
    struct change_call *c = CONTAINER_OF(ask, struct change_call, ask);
    struct server *s = c->server;
    uint64_t now = loop_now_ms(s->loop);
    (void)bytes;
    if (c->unknown && c->kind == MEMBER_REMOVE && status == E_MEMBER_NOT_FOUND) {
        status = 0;
    }
    if (c->unknown && c->kind == MEMBER_PROMOTE && status == E_NOT_LEARNER) {
        status = 0;
    }
    c->unknown = c->unknown || status == E_LEADER_CHANGED || status == E_TIMEOUT;
    if (status == 0) {
        c->read.done = change_read;
        rnode_read_index(s->node, &c->read, now < c->deadline_ms ? c->deadline_ms - now : 1);
    } else if (passes(c, status) && now + RETRY_MS < c->deadline_ms && !s->closing) {
        timer_start(&c->retry, RETRY_MS);
    } else {
        rpc_fail_err(c->call, status == E_CONFLICT ? E_UNAVAILABLE : status);
        change_end(c);
    }
}

static void change_ask(struct timer *timer)
{
    struct change_call *c = CONTAINER_OF(timer, struct change_call, retry);
    uint64_t now = loop_now_ms(c->server->loop);
    autobuf question = BUF_INIT;
    server_change_question(c->kind, &c->who, &question);
    c->ask.done = change_answered;
    rnode_ask_leader(c->server->node, &c->ask, buf_slice(&question),
                     now < c->deadline_ms ? c->deadline_ms - now : 1);
}

static void change_start(struct rpc_call *call, enum member_change kind,
                         const struct rnode_member *who)
{
    struct server *s = rpc_call_arg(call);
    struct change_call *c = mem_zalloc(sizeof *c);
    c->server = s;
    c->call = call;
    c->kind = kind;
    c->who = *who;
    c->deadline_ms = loop_now_ms(s->loop) + server_timeout_ms(s, call);
    timer_init(s->loop, &c->retry, change_ask);
    list_init(&c->link);
    list_push_back(&s->changes, &c->link);
    change_ask(&c->retry);
}

/* Those that wait for their next try; the others hear from the node. */
void server_cluster_stop(struct server *s)
{
    LIST_FOREACH_SAFE(it, &s->changes)
    {
        struct change_call *c = LIST_ENTRY(it, struct change_call, link);
        if (timer_active(&c->retry)) {
            rpc_fail_err(c->call, E_STOPPED);
            change_end(c);
        }
    }
}

/* --- the methods ------------------------------------------------------------------------------ */

/* The one peer URL of a request, as an address; otherwise the call is failed. */
static bool take_url(struct rpc_call *call, size_t n, char **urls, char *ret_address, size_t size)
{
    bool secure = false;
    bool good = n == 1 && address_from_url(urls[0], ret_address, size, &secure, NULL) == 0 &&
                !secure && !str_starts(ret_address, "unix:"); /* members meet over a network */
    if (!good) {
        rpc_fail_err(call, E_INVAL);
    }
    return good;
}

static void member_add(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__MemberAddRequest *m =
        (const Etcdserverpb__MemberAddRequest *)(const void *)msg;
    struct rnode_member who = { .id = rnode_new_id(rng_u64(s->rng), !m->islearner),
                                .role = RNODE_LEARNER };
    if (take_url(call, m->n_peerurls, m->peerurls, who.peer_address, sizeof who.peer_address)) {
        change_start(call, MEMBER_ADD_LEARNER, &who);
    }
}

static void member_remove(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct rnode_member who = {
        .id = ((const Etcdserverpb__MemberRemoveRequest *)(const void *)msg)->id
    };
    change_start(call, MEMBER_REMOVE, &who);
}

static void member_update(struct rpc_call *call, ProtobufCMessage *msg)
{
    const Etcdserverpb__MemberUpdateRequest *m =
        (const Etcdserverpb__MemberUpdateRequest *)(const void *)msg;
    struct rnode_member who = { .id = m->id };
    if (take_url(call, m->n_peerurls, m->peerurls, who.peer_address, sizeof who.peer_address)) {
        change_start(call, MEMBER_UPDATE, &who);
    }
}

static void member_promote(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct rnode_member who = {
        .id = ((const Etcdserverpb__MemberPromoteRequest *)(const void *)msg)->id
    };
    change_start(call, MEMBER_PROMOTE, &who);
}

static const struct rpc_method cluster_methods[] = {
    { "/etcdserverpb.Cluster/MemberList", RPC_UNARY,
      &etcdserverpb__member_list_request__descriptor, member_list, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Cluster/MemberAdd", RPC_UNARY, &etcdserverpb__member_add_request__descriptor,
      member_add, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Cluster/MemberRemove", RPC_UNARY,
      &etcdserverpb__member_remove_request__descriptor, member_remove, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Cluster/MemberUpdate", RPC_UNARY,
      &etcdserverpb__member_update_request__descriptor, member_update, NULL, NULL, NULL, NULL },
    { "/etcdserverpb.Cluster/MemberPromote", RPC_UNARY,
      &etcdserverpb__member_promote_request__descriptor, member_promote, NULL, NULL, NULL, NULL },
};
const struct service service_cluster = { cluster_methods, ARRAY_LEN(cluster_methods) };
