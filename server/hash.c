/* etcdserverpb.Maintenance/HashKV: etcd's number of the keys up to a revision (store/hash.c).
 *
 *   call -> its turn: the store is pinned, O(1) -> a worker: rows, sorted, summed up -> the loop
 *   answers -> what a compaction left for later -> the next call's turn
 *
 * It reads every version there is, so the loop must not: a leader would miss its heartbeats. One
 * call at a time has a turn, so that few pins are held, and a compaction comes between two of them
 * however many ask. Who goes before the turn comes gives the place up. */
#include "lib/base/alloc.h"
#include "server/internal.h"

enum { HASHES_MAX = 16 }; /* asked for and not answered; further ones are refused */

struct hash_call {
    struct list link; /* server.hashes; the first may have its turn */
    struct server *server;
    struct rpc_call *call;
    int64_t asked;
    /* From its turn on: */
    struct store_hash *hash; /* NULL: it waits */
    struct store_hold hold;
    int64_t revision, newest, compacted;
    struct job job;
    uint32_t value; /* the job's */
};

static void on_run(struct job *job)
{
    struct hash_call *h = CONTAINER_OF(job, struct hash_call, job);
    h->value = store_hash_run(h->hash);
}

static void hash_free(struct hash_call *h)
{
    list_remove(&h->link);
    if (h->hash != NULL) {
        store_hash_end(h->hold.store, h->hash);
        server_release_store(h->server, &h->hold);
    }
    mem_free(h);
}

static void hash_fail(struct hash_call *h, int rv)
{
    struct rpc_call *call = h->call;
    hash_free(h);
    rpc_fail_err(call, rv);
}

static void on_done(struct job *job)
{
    struct hash_call *h = CONTAINER_OF(job, struct hash_call, job);
    struct server *s = h->server;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__HashKVResponse r = ETCDSERVERPB__HASH_KVRESPONSE__INIT;
    r.header = server_header(s, &header, h->newest);
    r.hash = h->value;
    /* As etcd tells that nothing has been compacted yet. */
    r.compact_revision = h->compacted > 0 ? h->compacted : -1;
    r.hash_revision = h->revision;
    rpc_reply(h->call, &r.base);
    hash_free(h);
    server_hash_next(s);
}

static int turn_begin(struct hash_call *h)
{
    struct server *s = h->server;
    if (s->closing) {
        return E_STOPPED;
    }
    if (!server_has_room_for_rows(s)) {
        return E_NOMEM;
    }
    int rv = store_hash_begin(s->store, h->asked, &h->hash);
    if (rv != 0) {
        return rv;
    }
    server_hold_store(s, &h->hold);
    h->newest = store_revision(s->store);
    h->revision = h->asked > 0 ? h->asked : h->newest;
    h->compacted = store_compact_revision(s->store);
    if (s->hash_worker == NULL) {
        s->hash_worker = worker_new(s->loop, "hash");
    }
    worker_submit(s->hash_worker, &h->job);
    return 0;
}

void server_hash_next(struct server *s)
{
    struct list *l;
    while ((!s->compacting || s->closing) && (l = list_first(&s->hashes)) != NULL) {
        struct hash_call *h = LIST_ENTRY(l, struct hash_call, link);
        int rv = h->hash != NULL ? 0 : turn_begin(h);
        if (rv == 0) {
            return;
        }
        hash_fail(h, rv);
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
    if (s->closing || hashes(s) >= HASHES_MAX) {
        rpc_fail_err(call, s->closing ? E_STOPPED : E_TOO_MANY_REQUESTS);
        return;
    }
    struct hash_call *h = mem_zalloc(sizeof *h);
    h->server = s;
    h->call = call;
    h->asked = ((const Etcdserverpb__HashKVRequest *)(const void *)msg)->revision;
    h->job = (struct job){ .run = on_run, .done = on_done };
    list_init(&h->job.link);
    list_push_back(&s->hashes, &h->link);
    rpc_call_set_data(call, h);
    server_hash_next(s);
}

void server_hash_closed(struct rpc_call *call)
{
    struct hash_call *h = rpc_call_data(call);
    if (h != NULL && h->hash == NULL) {
        hash_fail(h, E_CANCELED);
    }
}

void server_hash_stop(struct server *s)
{
    struct list *l;
    worker_free(TAKE(s->hash_worker)); /* waits for the one that runs */
    while ((l = list_first(&s->hashes)) != NULL) {
        hash_fail(LIST_ENTRY(l, struct hash_call, link), E_STOPPED);
    }
}
