/* Range, in pages. A list of a million keys would hold the loop for a large part of a second:
 * heartbeats late, every other call behind it. So a long list is read and encoded a page a turn,
 * all pages at the revision of the first; the client sees one answer, and pays no more memory than
 * that answer.
 *
 * Sorted and filtered ranges have no pages: their order is known only at the end.
 *
 * Ways to fail: a compaction passes the revision while the pages are read. A list of the newest
 * state then starts again at the new revision, the last time in one go; a list of a named revision
 * is refused, as it would be a moment later anyhow. */
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"

enum {
    PAGE_KEYS = 2000,
    PAGE_BYTES = 2 * 1024 * 1024,
    RESTARTS_MAX = 3,
    FIELD_KVS = 2, /* of RangeResponse */
    ANSWER_BYTES_MAX = LIMIT_CLIENT_RECV_BYTES - 2 * LIMIT_GRPC_RECV_BYTES,
};

struct range_walk {
    struct list link; /* server.range_walks */
    struct ready ready;
    struct server *server;
    struct rpc_call *call;
    const struct range_request *request; /* in the call's arena */
    struct buf body;      /* the answer's kvs so far */
    struct buf next;      /* where the next page starts */
    int64_t revision;     /* of every page */
    int64_t header_revision;
    int64_t count;
    uint64_t auth_revision; /* as of which the whole range may be read */
    size_t sent;          /* keys in body */
    unsigned restarts;
    bool more;
};

static bool has_pages(const struct range_request *r)
{
    return r->range_end.len != 0 && !r->count_only && r->sort_target == SORT_KEY &&
           r->sort_order != SORT_DESCEND && r->min_mod_revision == 0 && r->max_mod_revision == 0 &&
           r->min_create_revision == 0 && r->max_create_revision == 0;
}

static size_t result_bytes(const struct range_result *result)
{
    size_t bytes = 0;
    for (size_t i = 0; i < result->n; i++) {
        struct kv_view v;
        record_view(result->kvs[i], &v);
        bytes += v.key.len + v.value.len;
    }
    return bytes;
}

/* Is there memory for an answer of so many bytes, beside the records it is made of? */
static bool has_room(size_t bytes)
{
    return bytes <= SERVER_ROOM_BYTES || mem_has_room(2 * bytes);
}

static void walk_free(struct range_walk *w)
{
    list_remove(&w->link);
    ready_cancel(&w->ready);
    buf_fini(&w->body);
    buf_fini(&w->next);
    mem_free(w);
}

static void range_fail(struct rpc_call *call, int status)
{
    if (status == E_TOOBIG) {
        rpc_fail(call, GRPC_RESOURCE_EXHAUSTED,
                 "barque: the answer is longer than 2 GiB. Next: ask for less, with a limit");
    } else {
        rpc_fail_err(call, status);
    }
}

static void walk_fail(struct range_walk *w, int status)
{
    struct rpc_call *call = w->call;
    walk_free(w);
    range_fail(call, status);
}

static void walk_done(struct range_walk *w)
{
    struct server *s = w->server;
    struct rpc_call *call = w->call;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__RangeResponse tail = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    tail.header = server_header(s, &header, w->header_revision);
    tail.count = w->count;
    tail.more = w->more;
    size_t size = etcdserverpb__range_response__get_packed_size(&tail);
    uint8_t *at = buf_reserve(&w->body, size + 1);
    buf_advance(&w->body, etcdserverpb__range_response__pack(&tail, at));
    struct buf body = w->body;
    buf_init(&w->body);
    walk_free(w);
    metric_add(s->m.ranges, 1);
    rpc_reply_buf(call, &body);
}

/* Encodes what fits into a page; true when that was all of the result. */
static bool walk_take(struct range_walk *w, const struct range_result *page, struct arena *arena)
{
    size_t full = w->body.len + PAGE_BYTES, i = 0;
    while (i < page->n && w->body.len < full) {
        pb_append_field(&w->body, FIELD_KVS,
                        &kv_to_pb(page->kvs[i], w->request->keys_only, arena)->base);
        i++;
    }
    w->sent += i;
    if (i > 0) {
        struct kv_view last;
        record_view(page->kvs[i - 1], &last);
        buf_reset(&w->next);
        buf_append_slice(&w->next, last.key);
        buf_put_u8(&w->next, 0); /* the key right after it */
    }
    return i == page->n;
}

/* One page. 1: more to come, 0: the answer is whole. */
static int walk_page(struct range_walk *w)
{
    struct arena arena;
    arena_init(&arena);
    size_t limit = w->request->limit > 0 ? (size_t)w->request->limit : SIZE_MAX;
    struct range_request r = *w->request;
    r.revision = w->revision;
    r.limit = (int64_t)(limit - w->sent < PAGE_KEYS ? limit - w->sent : PAGE_KEYS);
    if (w->sent > 0) {
        r.key = buf_slice(&w->next);
    }
    struct range_result page = { 0 };
    int rv = store_range(w->server->store, &r, &arena, &page);
    if (rv == 0) {
        w->count = w->sent == 0 ? page.count : w->count;
        bool whole = walk_take(w, &page, &arena);
        w->more = !whole || page.more;
        rv = w->more && w->sent < limit ? 1 : 0;
        range_result_unref(&page);
    }
    arena_fini(&arena);
    if (rv == 1 && !has_room(w->body.cap)) {
        rv = E_NOMEM;
    }
    return rv >= 0 && w->body.len > ANSWER_BYTES_MAX ? E_TOOBIG : rv;
}

static void walk_restart(struct range_walk *w)
{
    w->restarts++;
    w->revision = w->header_revision = store_revision(w->server->store);
    w->sent = 0;
    buf_reset(&w->body);
}

static void walk_run(struct ready *ready)
{
    struct range_walk *w = CONTAINER_OF(ready, struct range_walk, ready);
    if (rpc_call_closed(w->call)) {
        walk_fail(w, E_CANCELED);
        return;
    }
    uint64_t auth_revision = store_auth(w->server->store)->revision;
    int rv = 0;
    if (auth_revision != w->auth_revision) { /* users or roles have changed between two pages */
        rv = server_may_read(w->server, w->call, w->request->key, w->request->range_end);
        w->auth_revision = auth_revision;
    }
    if (rv != 0) {
        walk_fail(w, rv);
        return;
    }
    do {
        rv = walk_page(w);
        if (rv == E_COMPACTED && w->request->revision <= 0 && w->restarts < RESTARTS_MAX) {
            walk_restart(w);
            rv = 1;
        }
    } while (rv == 1 && w->restarts == RESTARTS_MAX);
    if (rv == 1) {
        loop_ready(w->server->loop, &w->ready);
    } else if (rv == 0) {
        walk_done(w);
    } else {
        walk_fail(w, rv);
    }
}

static void walk_start(struct server *s, struct rpc_call *call, const struct range_request *r)
{
    struct range_walk *w = mem_zalloc(sizeof *w);
    ready_init(&w->ready, walk_run);
    w->server = s;
    w->call = call;
    w->request = r;
    w->header_revision = store_revision(s->store);
    w->revision = r->revision > 0 ? r->revision : w->header_revision;
    w->auth_revision = store_auth(s->store)->revision;
    list_push_back(&s->range_walks, &w->link);
    loop_ready(s->loop, &w->ready);
}

void server_range(struct server *s, struct rpc_call *call, const struct range_request *r)
{
    struct arena *arena = rpc_call_arena(call);
    struct range_request first = *r;
    bool pages = has_pages(r), cut = pages && (r->limit <= 0 || r->limit > PAGE_KEYS);
    if (cut) {
        first.limit = PAGE_KEYS;
    }
    struct range_result result = { 0 };
    int rv = server_may_read(s, call, r->key, r->range_end);
    if (rv == 0) {
        rv = store_range(s->store, &first, arena, &result);
    }
    size_t bytes = result_bytes(&result);
    if (rv == 0 && pages && ((cut && result.more) || bytes > PAGE_BYTES)) {
        walk_start(s, call, r);
    } else if (rv != 0 || bytes > ANSWER_BYTES_MAX) {
        range_fail(call, rv != 0 ? rv : E_TOOBIG);
    } else if (!has_room(bytes)) {
        range_fail(call, E_NOMEM);
    } else {
        metric_add(s->m.ranges, 1);
        Etcdserverpb__ResponseHeader header;
        Etcdserverpb__RangeResponse reply = ETCDSERVERPB__RANGE_RESPONSE__INIT;
        reply.header = server_header(s, &header, store_revision(s->store));
        range_to_pb(&result, r->keys_only, arena, &reply);
        rpc_reply(call, &reply.base);
    }
    range_result_unref(&result);
}

void server_range_stop(struct server *s)
{
    struct list *it;
    while ((it = list_first(&s->range_walks)) != NULL) {
        walk_fail(LIST_ENTRY(it, struct range_walk, link), E_STOPPED);
    }
}
