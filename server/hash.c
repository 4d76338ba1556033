/* etcdserverpb.Maintenance/HashKV: etcd's number of the keys up to a revision (store/hash.c).
 *
 *   call -> the store is held, O(1) -> a worker, one call at a time: rows, sorted, summed up -> the
 *   loop answers with what was so when it was asked
 *
 * It reads every version there is, so the loop must not: a leader would miss its heartbeats. A
 * client that has gone is not told, and its turn is passed over. */
#include "lib/base/alloc.h"
#include "server/internal.h"

enum { HASHES_MAX = 16 }; /* asked for and not answered; further ones are refused */

struct hash_call {
    struct list link; /* server.hashes */
    struct server *server;
    struct rpc_call *call;
    struct store_hold hold;
    struct store_hash *hash;
    int64_t revision, newest, compacted;
    struct job job;
    uint32_t value; /* the job's */
};

static void on_run(struct job *job)
{
    struct hash_call *h = CONTAINER_OF(job, struct hash_call, job);
    h->value = store_hash_run(h->hash);
}

/* Gives the call back. */
static struct rpc_call *hash_end(struct hash_call *h)
{
    struct rpc_call *call = h->call;
    list_remove(&h->link);
    store_hash_end(h->hold.store, h->hash);
    server_release_store(h->server, &h->hold);
    mem_free(h);
    return call;
}

static void hash_next(struct server *s);

static void reply(struct hash_call *h)
{
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__HashKVResponse r = ETCDSERVERPB__HASH_KVRESPONSE__INIT;
    r.header = server_header(h->server, &header, h->newest);
    r.hash = h->value;
    /* As etcd tells that nothing has been compacted yet. */
    r.compact_revision = h->compacted > 0 ? h->compacted : -1;
    r.hash_revision = h->revision;
    rpc_reply(h->call, &r.base);
}

static void on_done(struct job *job)
{
    struct hash_call *h = CONTAINER_OF(job, struct hash_call, job);
    struct server *s = h->server;
    s->hash_running = false;
    reply(h);
    hash_end(h);
    hash_next(s);
}

/* 8 bytes a version, about, which holds 100 and more itself. */
static bool has_room(const struct server *s)
{
    return mem_has_room((size_t)store_size_bytes(s->store) / 8 + SERVER_ROOM_BYTES);
}

static void hash_next(struct server *s)
{
    struct list *l;
    while (!s->hash_running && (l = list_first(&s->hashes)) != NULL) {
        struct hash_call *h = LIST_ENTRY(l, struct hash_call, link);
        int rv = s->closing                 ? E_STOPPED
                 : rpc_call_closed(h->call) ? E_CANCELED
                 : has_room(s)              ? 0
                                            : E_NOMEM;
        if (rv != 0) {
            rpc_fail_err(hash_end(h), rv);
            continue;
        }
        if (s->hash_worker == NULL) {
            s->hash_worker = worker_new(s->loop, "hash");
        }
        s->hash_running = true;
        worker_submit(s->hash_worker, &h->job);
    }
}

static size_t hashes(const struct server *s)
{
    size_t n = 0;
    LIST_FOREACH(it, &s->hashes) {
        n++;
    }
    return n;
}

void server_hash_kv(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    int64_t revision = ((const Etcdserverpb__HashKVRequest *)(const void *)msg)->revision;
    struct store_hash *hash = NULL;
    int rv = s->closing                ? E_STOPPED
             : hashes(s) >= HASHES_MAX ? E_TOO_MANY_REQUESTS
                                       : store_hash_begin(s->store, revision, &hash);
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    struct hash_call *h = mem_zalloc(sizeof *h);
    h->server = s;
    h->call = call;
    h->hash = hash;
    h->newest = store_revision(s->store);
    h->revision = revision > 0 ? revision : h->newest;
    h->compacted = store_compact_revision(s->store);
    h->job = (struct job){ .run = on_run, .done = on_done };
    list_init(&h->job.link);
    server_hold_store(s, &h->hold);
    list_push_back(&s->hashes, &h->link);
    hash_next(s);
}

void server_hash_stop(struct server *s)
{
    struct list *l;
    worker_free(TAKE(s->hash_worker)); /* waits for the one that runs */
    s->hash_running = false;
    while ((l = list_first(&s->hashes)) != NULL) {
        rpc_fail_err(hash_end(LIST_ENTRY(l, struct hash_call, link)), E_STOPPED);
    }
}
