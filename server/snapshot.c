/* etcdserverpb.Maintenance/Snapshot: this member's state as etcd's database file (store/etcd_db.h),
 * in blobs with the bytes that remain, and a last one with the SHA-256 of all before.
 *
 *   message -> the state is pinned, O(1) -> job: plan, or the next chunk -> done: blobs, while the
 *   stream takes them -> the next job ... -> the sum -> the pin goes
 *
 * The loop only pins and sends; sorting, encoding and the sum are a worker's. One chunk is in
 * memory at a time: a reader that does not read costs a pin, which holds compacted memory, and
 * that at most for a minute.
 *
 * Ways to fail: a snapshot from the leader takes the place of the store that is pinned. The old
 * store then lives until nobody holds it (fsm.c). */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/codec/json.h"
#include "lib/codec/sha256.h"
#include "server/internal.h"
#include "store/etcd_db.h"

enum {
    BLOB_BYTES = 32 * 1024, /* etcd's */
    CHUNK_BYTES = 256 * 1024,
    STREAMS_MAX = 4,        /* further ones are refused */
    STALLED_MS = 60000,
};

struct snapshot_stream {
    struct list link; /* server.snapshots */
    struct server *server;
    struct rpc_call *call;
    struct store_hold hold;
    struct arena arena;  /* of the facts */
    struct etcd_db_facts facts;
    uint64_t moved_ms;   /* when a blob was last taken */
    size_t at;           /* of the chunk's bytes, sent */
    uint64_t sent;
    bool running;        /* the job has all below */
    bool closed;
    struct job job;
    struct store_pin *pin;
    struct etcd_db *db;
    struct sha256 *sum;
    struct buf chunk;
    int more;
};

/* --- the end ---------------------------------------------------------------------------------- */

static void stream_free(struct snapshot_stream *st)
{
    list_remove(&st->link);
    etcd_db_free(st->db);
    store_unpin(st->hold.store, st->pin);
    server_release_store(st->server, &st->hold);
    sha256_free(st->sum);
    buf_fini(&st->chunk);
    arena_fini(&st->arena);
    mem_free(st);
}

static void stream_end(struct snapshot_stream *st, enum grpc_code code, const char *text)
{
    struct rpc_call *call = st->call;
    stream_free(st);
    rpc_finish(call, code, text);
}

/* --- the bytes -------------------------------------------------------------------------------- */

static void on_run(struct job *job)
{
    struct snapshot_stream *st = CONTAINER_OF(job, struct snapshot_stream, job);
    if (st->db == NULL) {
        st->db = etcd_db_new(st->pin, &st->facts);
    }
    buf_reset(&st->chunk);
    st->more = etcd_db_next(st->db, CHUNK_BYTES, &st->chunk);
    sha256_add(st->sum, buf_slice(&st->chunk));
}

static void send_blob(struct snapshot_stream *st, struct slice blob, uint64_t remaining)
{
    Etcdserverpb__SnapshotResponse m = ETCDSERVERPB__SNAPSHOT_RESPONSE__INIT;
    m.remaining_bytes = remaining;
    m.blob = (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)blob.data, .len = blob.len };
    rpc_send(st->call, &m.base);
    st->moved_ms = loop_now_ms(st->server->loop);
}

static void send_sum(struct snapshot_stream *st)
{
    uint8_t digest[SHA256_BYTES];
    sha256_finish(st->sum, digest);
    st->sum = NULL;
    send_blob(st, slice_make(digest, sizeof digest), 0);
    stream_end(st, GRPC_OK, "");
}

static void pump(struct snapshot_stream *st)
{
    while (rpc_writable(st->call)) {
        if (st->at < st->chunk.len) {
            size_t left = st->chunk.len - st->at;
            size_t n = left < BLOB_BYTES ? left : BLOB_BYTES;
            struct slice blob = slice_make(st->chunk.data + st->at, n);
            st->at += n;
            st->sent += n;
            send_blob(st, blob, etcd_db_size(st->db) - st->sent);
        } else if (st->more == 1) {
            st->at = 0;
            st->running = true;
            worker_submit(st->server->snapshot_worker, &st->job);
            return;
        } else {
            send_sum(st);
            return;
        }
    }
}

static void on_done(struct job *job)
{
    struct snapshot_stream *st = CONTAINER_OF(job, struct snapshot_stream, job);
    st->running = false;
    if (st->closed) {
        stream_end(st, GRPC_CANCELED, "");
    } else {
        pump(st);
    }
}

/* --- what the store does not know ------------------------------------------------------------- */

static struct slice arena_bytes(struct arena *arena, struct slice s)
{
    return slice_make(arena_dup(arena, s.data, s.len), s.len);
}

/* etcd's JSON of a member. jansson has no unsigned numbers: the id is put before the rest. */
static struct slice member_json(struct arena *arena, const struct rnode_member *m)
{
    autobuf rest = BUF_INIT, text = BUF_INIT;
    json_auto_t *doc = json_object();
    json_t *peers = json_array(), *clients = json_array();
    autofree char *peer = mem_printf("http://%s", m->peer_address);
    json_array_append_new(peers, json_string(peer));
    json_object_set_new(doc, "peerURLs", peers);
    if (m->role == RNODE_LEARNER) {
        json_object_set_new(doc, "isLearner", json_true());
    }
    if (m->name[0] != '\0') {
        json_object_set_new(doc, "name", json_string(m->name));
    }
    if (m->client_url[0] != '\0') {
        json_array_append_new(clients, json_string(m->client_url));
        json_object_set(doc, "clientURLs", clients);
    }
    json_decref(clients);
    json_write(doc, &rest);
    buf_printf(&text, "{\"id\":%" PRIu64 ",%s", m->id, buf_str(&rest) + 1);
    return arena_bytes(arena, buf_slice(&text));
}

static int by_key(const void *a, const void *b)
{
    return slice_cmp(((const struct slice *)a)[0], ((const struct slice *)b)[0]);
}

static void fill_members(struct snapshot_stream *st, const struct rnode_member *members, size_t n)
{
    struct etcd_db_items *l = &st->facts.buckets[ETCD_DB_MEMBERS];
    l->items = arena_alloc(&st->arena, (n + 1) * sizeof *l->items);
    l->n = n;
    for (size_t i = 0; i < n; i++) {
        l->items[i][0] = slice_str(arena_printf(&st->arena, "%" PRIx64, members[i].id));
        l->items[i][1] = member_json(&st->arena, &members[i]);
    }
    qsort(l->items, n, sizeof *l->items, by_key);
}

static void put_ids(struct buf *out, const struct rnode_member *members, size_t n,
                    enum rnode_role role)
{
    const char *comma = "";
    for (size_t i = 0; i < n; i++) {
        if (members[i].role == role) {
            buf_printf(out, "%s%" PRIu64, comma, members[i].id);
            comma = ",";
        }
    }
}

static void fill_facts(struct snapshot_stream *st)
{
    struct server *s = st->server;
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    rnode_get_status(s->node, &s->status);
    st->facts.term = s->status.term;
    fill_members(st, members, n);
    autobuf conf = BUF_INIT;
    buf_append_str(&conf, "{\"voters\":[");
    put_ids(&conf, members, n, RNODE_VOTER);
    buf_append_str(&conf, "],\"learners\":[");
    put_ids(&conf, members, n, RNODE_LEARNER);
    buf_append_str(&conf, "],\"auto_leave\":false}");
    st->facts.conf_state = arena_bytes(&st->arena, buf_slice(&conf));
    struct etcd_db_items *cluster = &st->facts.buckets[ETCD_DB_CLUSTER];
    cluster->items = arena_alloc(&st->arena, sizeof *cluster->items);
    cluster->items[0][0] = slice_str("clusterVersion");
    cluster->items[0][1] = slice_str(SERVER_CLUSTER_VERSION);
    cluster->n = 1;
}

/* --- the call --------------------------------------------------------------------------------- */

/* The data of a call that was refused: its half_close must not answer it again. */
static struct snapshot_stream answered;

static void snapshot(struct rpc_call *call, ProtobufCMessage *msg)
{
    (void)msg;
    struct server *s = rpc_call_arg(call);
    if (rpc_call_data(call) != NULL) {
        return; /* a second request on the stream: the first one is being answered */
    }
    size_t n = 0;
    LIST_FOREACH(it, &s->snapshots) {
        n++;
    }
    if (n >= STREAMS_MAX || !server_has_room_for_rows(s)) {
        rpc_call_set_data(call, &answered);
        rpc_fail_err(call, n >= STREAMS_MAX ? E_TOO_MANY_REQUESTS : E_NOMEM);
        return;
    }
    if (s->snapshot_worker == NULL) {
        s->snapshot_worker = worker_new(s->loop, "etcd-snapshot");
    }
    struct snapshot_stream *st = mem_zalloc(sizeof *st);
    st->server = s;
    st->call = call;
    st->moved_ms = loop_now_ms(s->loop);
    st->more = 1;
    st->job = (struct job){ .run = on_run, .done = on_done };
    list_init(&st->job.link);
    arena_init(&st->arena);
    buf_init(&st->chunk);
    fill_facts(st);
    st->pin = store_pin(s->store);
    server_hold_store(s, &st->hold);
    st->sum = sha256_new();
    list_push_back(&s->snapshots, &st->link);
    rpc_call_set_data(call, st);
    pump(st);
}

static void half_close(struct rpc_call *call)
{
    if (rpc_call_data(call) == NULL) {
        rpc_fail(call, GRPC_INTERNAL, "barque: a snapshot was not asked for: the stream is empty");
    }
}

static void writable(struct rpc_call *call)
{
    struct snapshot_stream *st = rpc_call_data(call);
    if (st != NULL && !st->running && !st->closed) {
        st->at = BUG(BUG_BACKUP_STALLED) ? st->chunk.len : st->at;
        pump(st);
    }
}

static void closed(struct rpc_call *call)
{
    struct snapshot_stream *st = rpc_call_data(call);
    if (st == NULL) {
        rpc_finish(call, GRPC_CANCELED, "");
        return;
    }
    st->closed = true;
    if (!st->running) {
        stream_end(st, GRPC_CANCELED, "");
    }
}

void server_snapshot_tick(struct server *s, uint64_t now_ms)
{
    LIST_FOREACH_SAFE(it, &s->snapshots) {
        struct snapshot_stream *st = LIST_ENTRY(it, struct snapshot_stream, link);
        if (!st->running && !st->closed && now_ms - st->moved_ms >= STALLED_MS) {
            stream_end(st, GRPC_DEADLINE_EXCEEDED,
                       "barque: nobody has read the snapshot for a minute");
        }
    }
}

void server_snapshot_stop(struct server *s)
{
    if (s->snapshot_worker != NULL) {
        worker_free(s->snapshot_worker);
        s->snapshot_worker = NULL;
    }
    struct list *it;
    while ((it = list_first(&s->snapshots)) != NULL) {
        stream_end(LIST_ENTRY(it, struct snapshot_stream, link), GRPC_UNAVAILABLE,
                   "etcdserver: server stopped");
    }
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.Maintenance/Snapshot", RPC_STREAM,
      &etcdserverpb__snapshot_request__descriptor, snapshot, NULL, half_close, writable, closed },
};
const struct service service_snapshot = { methods, ARRAY_LEN(methods) };
