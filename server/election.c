/* v3electionpb.Election: the leader of a name is who stands in its line (line.c) longest, and what
 * it proclaims is the value of its key.
 *
 * Campaign waits for its turn. Proclaim and Resign are transactions on the leader key's create
 * revision: a leader of the past can do neither. Leader reads. Observe is a stream: the leader of
 * the moment, then each value it proclaims and each leader after it, once and in order:
 *
 *   observe: ReadIndex wait -> watch the name's range from the next revision on -> tell the leader
 *   on_events: the leader's key put -> tell; deleted -> the oldest key at that revision leads: tell
 *   a reader that stalls: the watch lags, and goes on from history (store/watch_hub.h)
 *
 * What etcd's service refuses with code 2 (Unknown) is refused with it here. */
#include "proto/v3election.pb-c.h"

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"
#include "server/line.h"

enum { OBSERVER_BYTES = 1024 };

static const char NOT_LEADER[] = "election: not leader";

/* --- Campaign --------------------------------------------------------------------------------- */

static void campaign_won(struct rpc_call *call, const struct line_won *won)
{
    const struct line_request *r = won->request;
    Etcdserverpb__ResponseHeader header;
    V3electionpb__LeaderKey leader = V3ELECTIONPB__LEADER_KEY__INIT;
    V3electionpb__CampaignResponse reply = V3ELECTIONPB__CAMPAIGN_RESPONSE__INIT;
    leader.name = pb_slice(r->name);
    leader.key = pb_slice(won->key);
    leader.rev = won->create_revision;
    leader.lease = r->lease;
    reply.header = server_header(rpc_call_arg(call), &header, won->revision);
    reply.leader = &leader;
    rpc_reply(call, &reply.base);
}

static void campaign(struct rpc_call *call, ProtobufCMessage *msg)
{
    const V3electionpb__CampaignRequest *m =
        (const V3electionpb__CampaignRequest *)(const void *)msg;
    struct line_request *r = arena_zalloc(rpc_call_arena(call), sizeof *r);
    r->name = slice_pb(m->name);
    r->value = slice_pb(m->value);
    r->lease = m->lease;
    r->lost = NOT_LEADER;
    r->won = campaign_won;
    server_line_enter(rpc_call_arg(call), call, r);
}

/* --- Proclaim, Resign ------------------------------------------------------------------------- */

/* One operation, if the key is still the one that was won. */
static void write_as_leader(struct rpc_call *call, const V3electionpb__LeaderKey *leader,
                            struct op op, void (*reply)(struct write_call *w))
{
    if (leader == NULL) {
        rpc_fail(call, GRPC_UNKNOWN, "\"leader\" field must be provided");
        return;
    }
    struct compare ours = { .result = COMPARE_EQUAL, .target = COMPARE_CREATE,
                            .key = slice_pb(leader->key), .number = leader->rev };
    struct command c = { .type = COMMAND_TXN,
                         .txn = { .compare = &ours, .n_compare = 1, .success = &op,
                                  .n_success = 1 } };
    int rv = txn_check(&c.txn, LIMIT_TXN_OPS);
    if (rv != 0) {
        server_line_fail(call, rv);
    } else {
        server_write(rpc_call_arg(call), call, &c, reply);
    }
}

static void proclaimed(struct write_call *w)
{
    if (w->result.status != 0) {
        server_line_fail(w->call, w->result.status);
        return;
    }
    if (!w->result.txn.succeeded) {
        rpc_fail(w->call, GRPC_UNKNOWN, NOT_LEADER);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    V3electionpb__ProclaimResponse reply = V3ELECTIONPB__PROCLAIM_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

static void proclaim(struct rpc_call *call, ProtobufCMessage *msg)
{
    const V3electionpb__ProclaimRequest *m =
        (const V3electionpb__ProclaimRequest *)(const void *)msg;
    struct op put = { .type = OP_PUT };
    if (m->leader != NULL) {
        put.put = (struct put_request){ .key = slice_pb(m->leader->key),
                                        .value = slice_pb(m->value), .lease = m->leader->lease };
    }
    write_as_leader(call, m->leader, put, proclaimed);
}

/* Who is no leader any more has nothing to give up: no error. */
static void resigned(struct write_call *w)
{
    if (w->result.status != 0) {
        server_line_fail(w->call, w->result.status);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    V3electionpb__ResignResponse reply = V3ELECTIONPB__RESIGN_RESPONSE__INIT;
    reply.header = server_header(w->server, &header, w->result.revision);
    rpc_reply(w->call, &reply.base);
}

static void resign(struct rpc_call *call, ProtobufCMessage *msg)
{
    const V3electionpb__ResignRequest *m = (const V3electionpb__ResignRequest *)(const void *)msg;
    struct op del = { .type = OP_DELETE };
    if (m->leader != NULL) {
        del.del = (struct delete_request){ .key = slice_pb(m->leader->key) };
    }
    write_as_leader(call, m->leader, del, resigned);
}

/* --- Leader ----------------------------------------------------------------------------------- */

/* Who led at a revision (0: now): a reference, NULL for nobody or when that is compacted. */
static struct record *leader_at(struct server *s, struct slice name, int64_t revision)
{
    struct arena arena;
    arena_init(&arena);
    struct range_request r = { .limit = 1, .revision = revision, .sort_order = SORT_ASCEND,
                               .sort_target = SORT_CREATE };
    struct range_result result = { 0 };
    r.key = server_line_prefix(&arena, name, &r.range_end);
    struct record *leader = NULL;
    if (store_range(s->store, &r, &arena, &result) == 0 && result.n > 0) {
        leader = record_ref(result.kvs[0]);
    }
    range_result_unref(&result);
    arena_fini(&arena);
    return leader;
}

static int may_read_line(struct server *s, struct rpc_call *call, struct slice name)
{
    struct arena arena;
    struct slice end;
    arena_init(&arena);
    struct slice prefix = server_line_prefix(&arena, name, &end);
    int rv = server_may_read(s, call, prefix, end);
    arena_fini(&arena);
    return rv;
}

static void leader_read(struct read_call *r)
{
    struct server *s = r->server;
    const struct slice *name = r->data;
    int rv = may_read_line(s, r->call, *name);
    if (rv != 0) {
        server_line_fail(r->call, rv);
        return;
    }
    Etcdserverpb__ResponseHeader header;
    V3electionpb__LeaderResponse reply = V3ELECTIONPB__LEADER_RESPONSE__INIT;
    struct record *leader = leader_at(s, *name, 0);
    if (leader == NULL) {
        rpc_fail(r->call, GRPC_UNKNOWN, "election: no leader");
        return;
    }
    reply.header = server_header(s, &header, store_revision(s->store));
    reply.kv = kv_to_pb(leader, false, rpc_call_arena(r->call));
    rpc_reply(r->call, &reply.base);
    record_unref(leader);
}

static void leader(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    struct slice *name = arena_alloc(rpc_call_arena(call), sizeof *name);
    *name = slice_pb(((const V3electionpb__LeaderRequest *)(const void *)msg)->name);
    if (!server_refuse_corrupt(s, call)) {
        server_read(s, call, name, leader_read);
    }
}

/* --- Observe ---------------------------------------------------------------------------------- */

struct observer {
    struct list link; /* server.observers */
    struct server *server;
    struct rpc_call *call;
    struct rnode_read read;  /* before the first look */
    struct watcher *watcher; /* NULL until then */
    struct slice name;       /* owned */
    struct record *leader;   /* a reference: its key's newest record that was told; NULL nobody */
    size_t bytes;            /* counted in server.watch_bytes */
    bool has_leader;         /* metadata hasleader */
};

static void observer_lead(struct observer *o, struct record *leader, int64_t revision)
{
    record_unref(o->leader);
    o->leader = leader;
    if (leader == NULL) {
        return;
    }
    struct arena arena;
    Etcdserverpb__ResponseHeader header;
    V3electionpb__LeaderResponse m = V3ELECTIONPB__LEADER_RESPONSE__INIT;
    arena_init(&arena);
    m.header = server_header(o->server, &header, revision);
    m.kv = kv_to_pb(leader, false, &arena);
    rpc_send(o->call, &m.base);
    arena_fini(&arena);
}

static struct slice key_of(const struct record *r)
{
    struct kv_view v;
    record_view(r, &v);
    return v.key;
}

/* What one revision did to the leader's key; false when it did nothing. A key is written at most
 * once in a revision, unless it is deleted and written anew: the last record counts, and with it
 * the key's place in the line. */
static bool newest_of_leader(const struct observer *o, struct record *const *records, size_t n,
                             struct record **ret_record)
{
    bool found = false;
    for (size_t i = 0; i < n && o->leader != NULL; i++) {
        if (slice_eq(key_of(records[i]), key_of(o->leader))) {
            *ret_record = records[i];
            found = true;
        }
    }
    return found;
}

static void unwatch(struct observer *o)
{
    if (o->watcher != NULL) {
        watch_hub_cancel(o->server->hub, TAKE(o->watcher));
    }
}

static void observe_now(struct observer *o);

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct observer *o = arg;
    struct server *s = o->server;
    struct record *newest = NULL;
    struct kv_view was = { 0 }, is = { 0 };
    if (!rpc_writable(o->call)) {
        return false;
    }
    if (newest_of_leader(o, records, n, &newest)) {
        record_view(o->leader, &was);
        record_view(newest, &is);
    } else if (o->leader != NULL) {
        return true; /* others in the line */
    }
    if (newest != NULL && !is.tombstone && is.create_revision == was.create_revision) {
        observer_lead(o, record_ref(newest), revision);
    } else if (revision >= store_compact_revision(s->store)) {
        observer_lead(o, leader_at(s, o->name, revision), revision);
    } else { /* who led then is not known any more */
        observe_now(o);
    }
    return true;
}

/* The reader stalled for longer than there is history of. */
static void on_compacted(void *arg, int64_t compact_revision)
{
    struct observer *o = arg;
    (void)compact_revision;
    o->watcher = NULL;
    observe_now(o);
}

static const struct watch_hub_events observer_events = { on_events, on_compacted };

/* From the state as it is. What was told already is not told again. */
static void observe_now(struct observer *o)
{
    struct server *s = o->server;
    struct arena arena;
    struct record *leader = leader_at(s, o->name, 0);
    if (leader != NULL && o->leader != NULL) {
        struct kv_view was, is;
        record_view(o->leader, &was);
        record_view(leader, &is);
        if (was.mod_revision == is.mod_revision && slice_eq(was.key, is.key)) {
            record_unref(TAKE(leader));
        }
    }
    if (leader != NULL || o->leader == NULL) {
        observer_lead(o, leader, store_revision(s->store));
    }
    arena_init(&arena);
    struct watch_options options = { .events = &observer_events, .arg = o };
    options.key = server_line_prefix(&arena, o->name, &options.range_end);
    unwatch(o);
    o->watcher = watch_hub_add(s->hub, &options);
    arena_fini(&arena);
}

static void observer_end(struct observer *o, enum grpc_code code, const char *text)
{
    struct rpc_call *call = o->call;
    unwatch(o);
    list_remove(&o->link);
    record_unref(o->leader);
    o->server->watch_bytes -= o->bytes;
    rnode_read_forget(o->server->node, &o->read);
    mem_free((void *)(uintptr_t)o->name.data);
    mem_free(o);
    rpc_call_set_data(call, NULL);
    rpc_finish(call, code, text);
}

static void observer_fail(struct observer *o, int err)
{
    const char *text;
    enum grpc_code code = status_from_err(err, &text);
    observer_end(o, code, text);
}

static void observe_read(struct rnode_read *read, int status)
{
    struct observer *o = CONTAINER_OF(read, struct observer, read);
    int rv = status != 0 ? server_client_error(status)
                         : may_read_line(o->server, o->call, o->name);
    if (rv != 0) {
        observer_fail(o, rv);
    } else {
        observe_now(o);
    }
}

static void observe_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    struct slice name = slice_pb(((const V3electionpb__LeaderRequest *)(const void *)msg)->name);
    size_t bytes = OBSERVER_BYTES + 4 * name.len; /* its own copy, both ends of the range */
    if (rpc_call_data(call) != NULL) {
        return; /* one question a stream */
    }
    if (server_refuse_corrupt(s, call)) {
        return;
    }
    if (s->watch_bytes + bytes > LIMIT_WATCHES_BYTES) {
        rpc_fail_err(call, E_TOO_MANY_REQUESTS);
        return;
    }
    struct observer *o = mem_zalloc(sizeof *o);
    o->server = s;
    o->call = call;
    o->name = slice_make(mem_dup(name.data, name.len), name.len);
    o->bytes = bytes;
    o->has_leader = server_wants_leader(call);
    s->watch_bytes += bytes;
    list_push_back(&s->observers, &o->link);
    rpc_call_set_data(call, o);
    o->read.done = observe_read;
    rnode_read_index(s->node, &o->read, server_timeout_ms(s, call));
}

/* The client asks once and then only listens. */
static void observe_half_close(struct rpc_call *call)
{
    if (rpc_call_data(call) == NULL) {
        rpc_finish(call, GRPC_OK, "");
    }
}

static void observe_writable(struct rpc_call *call)
{
    struct observer *o = rpc_call_data(call);
    if (o != NULL && o->watcher != NULL) {
        watcher_ready(o->watcher);
        server_wake_background(o->server);
    }
}

static void observe_closed(struct rpc_call *call)
{
    struct observer *o = rpc_call_data(call);
    if (o != NULL) {
        observer_end(o, GRPC_CANCELED, "");
    } else {
        rpc_finish(call, GRPC_CANCELED, "");
    }
}

/* Who asked for a leader hears when there has been none for long, as on a watch stream. */
void server_election_tick(struct server *s)
{
    if (!server_leader_lost(s)) {
        return;
    }
    LIST_FOREACH_SAFE(l, &s->observers)
    {
        struct observer *o = LIST_ENTRY(l, struct observer, link);
        if (o->has_leader) {
            observer_fail(o, E_NOLEADER);
        }
    }
}

void server_election_stop(struct server *s)
{
    struct list *l;
    while ((l = list_first(&s->observers)) != NULL) {
        observer_fail(LIST_ENTRY(l, struct observer, link), E_STOPPED);
    }
}

static const struct rpc_method methods[] = {
    { "/v3electionpb.Election/Campaign", RPC_UNARY, &v3electionpb__campaign_request__descriptor,
      campaign, NULL, NULL, NULL, server_line_closed },
    { "/v3electionpb.Election/Proclaim", RPC_UNARY, &v3electionpb__proclaim_request__descriptor,
      proclaim, NULL, NULL, NULL, NULL },
    { "/v3electionpb.Election/Resign", RPC_UNARY, &v3electionpb__resign_request__descriptor,
      resign, NULL, NULL, NULL, NULL },
    { "/v3electionpb.Election/Leader", RPC_UNARY, &v3electionpb__leader_request__descriptor,
      leader, NULL, NULL, NULL, NULL },
    { "/v3electionpb.Election/Observe", RPC_STREAM, &v3electionpb__leader_request__descriptor,
      observe_message, NULL, observe_half_close, observe_writable, observe_closed },
};
const struct service service_election = { methods, ARRAY_LEN(methods) };
