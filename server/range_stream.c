/* etcdserverpb.KV/RangeStream: a range in chunks, as fast as the client reads them.
 *
 *   message -> (ReadIndex, unless serializable) -> the revision is fixed -> a chunk a turn, while
 *   the stream takes them -> the last one has header, count and more, and the stream ends
 *
 * All chunks are of one revision, which nothing pins: a stream is a key to go on from. Chunks begin
 * with a few keys and grow or shrink towards --max-request-bytes, as etcd's do.
 *
 * Ways to fail: a compaction passes the revision; etcd refuses the rest then, too. Orders other
 * than by key, and filters, are not for streams: where they begin is known at the end only. */
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"

enum {
    CHUNK_KEYS_FIRST = 10,
    CHUNK_KEYS_MAX = 2000, /* one turn's work */
    STREAM_BYTES = 256,    /* one, beside its keys */
};

struct range_stream {
    struct list link; /* server.range_streams */
    struct ready ready;
    struct rnode_read read; /* before the first chunk */
    struct server *server;
    struct rpc_call *call;
    struct range_request request; /* of the next chunk; its keys are in the bufs */
    struct buf key, range_end;
    int64_t left;   /* keys to be sent at most */
    int64_t header_revision, count;
    uint64_t auth_revision;
    size_t bytes;   /* counted in server.watch_bytes */
    bool begun;
};

/* --- the end ---------------------------------------------------------------------------------- */

static void stream_end(struct range_stream *st, enum grpc_code code, const char *text)
{
    struct rpc_call *call = st->call;
    list_remove(&st->link);
    ready_cancel(&st->ready);
    rnode_read_forget(st->server->node, &st->read);
    st->server->watch_bytes -= st->bytes;
    buf_fini(&st->key);
    buf_fini(&st->range_end);
    mem_free(st);
    rpc_call_set_data(call, NULL);
    rpc_finish(call, code, text);
}

static void stream_fail(struct range_stream *st, int err)
{
    const char *text;
    enum grpc_code code = status_from_err(err, &text);
    stream_end(st, code, text);
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* The range after the last key sent. */
static void go_on_after(struct range_stream *st, const struct record *last)
{
    struct kv_view v;
    record_view(last, &v);
    buf_reset(&st->key);
    buf_append_slice(&st->key, v.key);
    buf_put_u8(&st->key, 0); /* the key right after it */
    st->request.key = buf_slice(&st->key);
}

/* So many of the result as make one message; the first in any case. */
static size_t fitting(const struct range_result *result, bool keys_only)
{
    size_t n = 0, bytes = 0;
    while (n < result->n) {
        struct kv_view v;
        record_view(result->kvs[n], &v);
        bytes += v.key.len + (keys_only ? 0 : v.value.len);
        if (n > 0 && bytes > LIMIT_REQUEST_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

/* Twice or half as many next time, when this was far off. */
static void adapt(struct range_stream *st, size_t sent_bytes)
{
    size_t target = st->server->options.max_request_bytes;
    if (sent_bytes < target / 2 && st->request.limit < CHUNK_KEYS_MAX) {
        st->request.limit *= 2;
    } else if (sent_bytes > target * 2 && st->request.limit > 1) {
        st->request.limit /= 2;
    }
    st->request.limit = st->request.limit < st->left ? st->request.limit : st->left;
}

/* Sends the first n of the result; true when that was the last chunk. */
static bool send_chunk(struct range_stream *st, struct range_result *result, size_t n,
                       struct arena *arena)
{
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__RangeResponse range = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    Etcdserverpb__RangeStreamResponse m = ETCDSERVERPB__RANGE_STREAM_RESPONSE__INIT;
    bool more = result->more || n < result->n;
    struct range_result part = *result;
    part.n = n;
    range_to_pb(&part, st->request.keys_only, arena, &range);
    st->left -= (int64_t)n;
    bool last = !more || st->left == 0;
    range.more = last && more;
    range.count = last ? st->count : 0;
    range.header = last ? server_header(st->server, &header, st->header_revision) : NULL;
    m.range_response = &range;
    rpc_send(st->call, &m.base);
    if (!last) {
        go_on_after(st, result->kvs[n - 1]);
        adapt(st, etcdserverpb__range_response__get_packed_size(&range));
    }
    return last;
}

/* Asked for the first chunk, and again when users or roles have changed between two. */
static int may_read(struct range_stream *st)
{
    uint64_t revision = store_auth(st->server->store)->revision;
    if (st->begun && revision == st->auth_revision) {
        return 0;
    }
    st->auth_revision = revision;
    return server_may_read(st->server, st->call, st->request.key, st->request.range_end);
}

static void on_turn(struct ready *ready)
{
    struct range_stream *st = CONTAINER_OF(ready, struct range_stream, ready);
    struct arena arena;
    if (!rpc_writable(st->call)) {
        return; /* stream_writable goes on */
    }
    if (mem_is_low()) {
        stream_fail(st, E_NOMEM);
        return;
    }
    int rv = may_read(st);
    if (rv != 0) {
        stream_fail(st, rv);
        return;
    }
    arena_init(&arena);
    struct range_result result = { 0 };
    rv = store_range(st->server->store, &st->request, &arena, &result);
    bool last = false;
    if (rv == 0) {
        if (!st->begun) {
            st->begun = true;
            st->count = result.count;
        }
        last = send_chunk(st, &result, fitting(&result, st->request.keys_only), &arena);
        range_result_unref(&result);
    }
    arena_fini(&arena);
    if (rv != 0) {
        stream_fail(st, rv);
    } else if (last) {
        metric_add(st->server->m.ranges, 1);
        stream_end(st, GRPC_OK, "");
    } else {
        loop_ready(st->server->loop, &st->ready);
    }
}

/* From here on the revision stays. */
static void begin(struct range_stream *st)
{
    st->header_revision = store_revision(st->server->store);
    if (st->request.revision <= 0) {
        st->request.revision = st->header_revision;
    }
    loop_ready(st->server->loop, &st->ready);
}

static void on_read(struct rnode_read *read, int status)
{
    struct range_stream *st = CONTAINER_OF(read, struct range_stream, read);
    if (status != 0) {
        stream_fail(st, server_client_error(status));
    } else {
        begin(st);
    }
}

/* --- the call --------------------------------------------------------------------------------- */

/* True when the call was failed. */
static bool refuse(struct server *s, struct rpc_call *call, const struct range_request *r)
{
    int rv = range_check(r);
    if (rv != 0) {
        rpc_fail_err(call, rv);
    } else if (r->sort_target != SORT_KEY || r->sort_order == SORT_DESCEND) {
        rpc_fail(call, GRPC_UNIMPLEMENTED, "RangeStream does not support custom sort orders");
    } else if (r->min_mod_revision != 0 || r->max_mod_revision != 0 ||
               r->min_create_revision != 0 || r->max_create_revision != 0) {
        rpc_fail(call, GRPC_UNIMPLEMENTED, "RangeStream does not support revision filters");
    } else if (s->watch_bytes + STREAM_BYTES + 2 * (r->key.len + r->range_end.len) >
               LIMIT_WATCHES_BYTES) {
        rpc_fail_err(call, E_TOO_MANY_REQUESTS);
    } else {
        return server_refuse_corrupt(s, call);
    }
    return true;
}

static void stream_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    const Etcdserverpb__RangeRequest *m = (const Etcdserverpb__RangeRequest *)(const void *)msg;
    struct range_request r;
    if (rpc_call_data(call) != NULL) {
        return; /* one question a stream */
    }
    range_from_pb(m, &r);
    if (refuse(s, call, &r)) {
        return;
    }
    struct range_stream *st = mem_zalloc(sizeof *st);
    ready_init(&st->ready, on_turn);
    st->server = s;
    st->call = call;
    st->bytes = STREAM_BYTES + 2 * (r.key.len + r.range_end.len);
    st->left = r.limit > 0 ? r.limit : INT64_MAX;
    st->request = r;
    st->request.limit = CHUNK_KEYS_FIRST < st->left ? CHUNK_KEYS_FIRST : st->left;
    buf_append_slice(&st->key, r.key);
    buf_append_slice(&st->range_end, r.range_end);
    st->request.key = buf_slice(&st->key);
    st->request.range_end = buf_slice(&st->range_end);
    s->watch_bytes += st->bytes;
    list_push_back(&s->range_streams, &st->link);
    rpc_call_set_data(call, st);
    st->read.done = on_read;
    list_init(&st->read.link);
    if (m->serializable) {
        begin(st);
    } else {
        rnode_read_index(s->node, &st->read, server_timeout_ms(s, call));
    }
}

/* The client asks once and then only reads. */
static void stream_half_close(struct rpc_call *call)
{
    if (rpc_call_data(call) == NULL) {
        rpc_finish(call, GRPC_OK, "");
    }
}

static void stream_writable(struct rpc_call *call)
{
    struct range_stream *st = rpc_call_data(call);
    if (st != NULL && st->header_revision != 0) {
        loop_ready(st->server->loop, &st->ready);
    }
}

static void stream_closed(struct rpc_call *call)
{
    struct range_stream *st = rpc_call_data(call);
    if (st != NULL) {
        stream_end(st, GRPC_CANCELED, "");
    } else {
        rpc_finish(call, GRPC_CANCELED, "");
    }
}

void server_range_stream_stop(struct server *s)
{
    struct list *it;
    while ((it = list_first(&s->range_streams)) != NULL) {
        stream_fail(LIST_ENTRY(it, struct range_stream, link), E_STOPPED);
    }
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.KV/RangeStream", RPC_STREAM, &etcdserverpb__range_request__descriptor,
      stream_message, NULL, stream_half_close, stream_writable, stream_closed },
};
const struct service service_range_stream = { methods, ARRAY_LEN(methods) };
