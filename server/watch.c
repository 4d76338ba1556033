/* etcdserverpb.Watch: one stream carries many watches.
 *
 * create -> watch_hub_add -> {created} -> events as they come. The hub asks on_events only when a
 * revision is complete; when the stream's queue is full we answer false, the watch lags, and the
 * call's `writable` wakes it: a slow reader costs no memory and loses nothing. An event is encoded
 * once per revision and shared by all watches that want the same form of it (with or without
 * prev_kv).
 *
 * Answers that are not events (created, canceled, progress) are small and queued directly. */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/limits.h"
#include "lib/base/map.h"
#include "lib/base/value.h"
#include "server/convert.h"
#include "server/guard.h"
#include "server/internal.h"

enum {
    CLOSE_AFTER_ELECTIONS = 3,
    FIELD_EVENTS = 11, /* of WatchResponse */
    WATCH_BYTES = 256, /* one, beside its key and range end */
};

struct watch_stream {
    struct list link; /* server.watch_streams */
    struct server *server;
    struct rpc_call *call;
    struct u64map watches; /* watch id + 1 -> struct watch */
    int64_t next_id;
    bool progress_waiting; /* a progress_request to be answered once all are synced */
    bool has_leader;       /* metadata hasleader */
};

struct watch {
    struct watch_stream *stream;
    struct watcher *watcher;
    int64_t id;
    uint64_t last_sent_ms; /* for progress_notify */
    size_t bytes;          /* counted in server.watch_bytes */
    bool prev_kv, progress_notify, fragment;
};

static void response_init(struct watch_stream *st, Etcdserverpb__WatchResponse *m,
                          Etcdserverpb__ResponseHeader *header, int64_t id, int64_t revision)
{
    etcdserverpb__watch_response__init(m);
    m->header = server_header(st->server, header, revision);
    m->watch_id = id;
}

static void watch_free(struct watch *w)
{
    u64map_remove(&w->stream->watches, (uint64_t)w->id + 1);
    w->stream->server->watch_bytes -= w->bytes;
    if (w->watcher != NULL) {
        watch_hub_cancel(w->stream->server->hub, w->watcher);
    }
    mem_free(w);
}

/* --- events ----------------------------------------------------------------------------------- */

/* The key as it was before this revision, which may have changed it twice. NULL: there was none, or
 * it is compacted. */
static struct record *before_revision(const struct record *r, int64_t revision)
{
    struct record *prev = record_prev(r);
    struct kv_view v = { .mod_revision = revision };
    while (prev != NULL) {
        record_view(prev, &v);
        if (v.mod_revision < revision) {
            return v.tombstone ? NULL : prev;
        }
        prev = record_prev(prev);
    }
    return NULL;
}

/* One events field of a WatchResponse, tag and length included. */
static void encode_event(const struct server *s, struct record *r, bool prev_kv, struct buf *out)
{
    struct arena arena;
    arena_init(&arena);
    struct kv_view v;
    record_view(r, &v);
    Mvccpb__Event e = MVCCPB__EVENT__INIT;
    Mvccpb__KeyValue deleted = MVCCPB__KEY_VALUE__INIT;
    if (v.tombstone) {
        e.type = MVCCPB__EVENT__EVENT_TYPE__DELETE;
        deleted.key = pb_slice(v.key);
        deleted.mod_revision = v.mod_revision;
        e.kv = &deleted;
    } else {
        e.kv = kv_to_pb(r, false, &arena);
    }
    bool readable = v.mod_revision > store_compact_revision(s->store);
    struct record *prev = prev_kv && readable ? before_revision(r, v.mod_revision) : NULL;
    if (prev != NULL) {
        e.prev_kv = kv_to_pb(prev, false, &arena);
    }
    pb_append_field(out, FIELD_EVENTS, &e.base);
    arena_fini(&arena);
}

/* The encoded form of record i of the revision being published, made at most once. */
static struct value *shared_event(const struct server *s, size_t i, bool prev_kv)
{
    struct publish *p = s->publish;
    struct value **slot = &p->encoded[2 * i + (prev_kv ? 1 : 0)];
    if (*slot == NULL) {
        autobuf bytes = BUF_INIT;
        encode_event(s, p->records[i], prev_kv, &bytes);
        *slot = value_new(bytes.data, bytes.len);
    }
    return *slot;
}

void server_watch_publish(struct server *s, int64_t revision, struct record *const *records,
                          size_t n)
{
    struct value *few[2 * 8] = { NULL };
    struct publish p = { records, n, few };
    if (n > 8) {
        p.encoded = mem_zalloc(2 * n * sizeof(struct value *));
    }
    s->publish = &p;
    watch_hub_publish(s->hub, revision, records, n);
    s->publish = NULL;
    for (size_t i = 0; i < 2 * n; i++) {
        value_unref(p.encoded[i]);
    }
    if (p.encoded != few) {
        mem_free(p.encoded);
    }
}

/* One response. Its events are shared while they are being published; a lagging watch, which reads
 * history at its own pace, encodes for itself. */
static void send_run(struct watch *w, struct record *const *records, size_t n, bool more)
{
    struct watch_stream *st = w->stream;
    struct server *s = st->server;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse m;
    response_init(st, &m, &header, w->id, store_revision(s->store));
    m.fragment = more;
    size_t head_len = etcdserverpb__watch_response__get_packed_size(&m);
    autobuf head = BUF_INIT;
    buf_advance(&head, etcdserverpb__watch_response__pack(&m, buf_reserve(&head, head_len + 1)));
    if (s->publish == NULL) {
        for (size_t i = 0; i < n; i++) {
            encode_event(s, records[i], w->prev_kv, &head);
        }
        rpc_send_parts(st->call, buf_slice(&head), NULL, 0);
        return;
    }
    /* What a watch is told is a subsequence of what is published: one walk finds every place. */
    struct value **parts = mem_alloc((n + 1) * sizeof *parts);
    for (size_t i = 0, at = 0; i < n; i++, at++) {
        while (s->publish->records[at] != records[i]) {
            at++;
            INVARIANT(at < s->publish->n);
        }
        parts[i] = shared_event(s, at, w->prev_kv);
    }
    rpc_send_parts(st->call, buf_slice(&head), parts, n);
    mem_free(parts);
}

static size_t record_bytes(const struct record *r, bool prev_kv)
{
    struct kv_view v;
    record_view(r, &v);
    size_t n = v.key.len + v.value.len + 64;
    struct record *prev = prev_kv ? record_prev(r) : NULL;
    if (prev != NULL) {
        record_view(prev, &v);
        n += v.key.len + v.value.len + 64;
    }
    return n;
}

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct watch *w = arg;
    struct watch_stream *st = w->stream;
    struct server *s = st->server;
    if (!rpc_writable(st->call)) {
        return false;
    }
    (void)revision;
    /* With fragment=true a long revision is split; otherwise it is one response, unless that would
     * be longer than a message may be. */
    size_t most = w->fragment ? s->options.max_request_bytes : LIMIT_CLIENT_RECV_BYTES / 2;
    size_t from = 0;
    while (from < n) {
        size_t to = from, bytes = 0;
        while (to < n && (to == from || bytes + record_bytes(records[to], w->prev_kv) <= most)) {
            bytes += record_bytes(records[to], w->prev_kv);
            to++;
        }
        send_run(w, records + from, to - from, to < n);
        metric_add(s->m.events, (double)(to - from));
        from = to;
    }
    w->last_sent_ms = loop_now_ms(s->loop);
    return true;
}

/* The hub has already cancelled the watcher. The compacted revision says all: as in etcd, there is
 * no other one in the header and no reason in words. */
static void on_compacted(void *arg, int64_t compact_revision)
{
    struct watch *w = arg;
    struct watch_stream *st = w->stream;
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse m;
    response_init(st, &m, &header, w->id, 0);
    m.canceled = 1;
    m.compact_revision = compact_revision;
    rpc_send(st->call, &m.base);
    w->watcher = NULL;
    watch_free(w);
}

const struct watch_hub_events server_watch_events = { on_events, on_compacted };

/* --- requests on the stream ------------------------------------------------------------------- */

static void refuse(struct watch_stream *st, int64_t id, const char *reason)
{
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse m;
    response_init(st, &m, &header, id, store_revision(st->server->store));
    m.created = 1;
    m.canceled = 1;
    m.cancel_reason = (char *)(uintptr_t)reason;
    rpc_send(st->call, &m.base);
}

/* etcd tells the reason as its clients print an error. */
static const char *not_permitted(int rv)
{
    switch (rv) {
    case E_AUTH_TOKEN:
        return "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    case E_USER_EMPTY:
        return "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";
    default:
        return "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    }
}

static struct slice watched_key(const Etcdserverpb__WatchCreateRequest *m)
{
    return m->key.len != 0 ? slice_pb(m->key) : slice_make("", 1); /* one zero byte: the least */
}

/* A range whose end is not after its beginning. */
static bool watches_nothing(const Etcdserverpb__WatchCreateRequest *m)
{
    struct slice end = slice_pb(m->range_end);
    bool to_the_end = end.len == 1 && end.data[0] == 0;
    return end.len != 0 && !to_the_end && slice_cmp(watched_key(m), end) >= 0;
}

/* Why there will be no such watch; NULL: nothing is in its way. */
static const char *refusal(const struct watch_stream *st,
                           const Etcdserverpb__WatchCreateRequest *m, size_t bytes)
{
    const char *text;
    if (m->start_revision < 0) {
        status_from_err(E_COMPACTED, &text);
        return text;
    }
    int rv = server_may_read(st->server, st->call, watched_key(m), slice_pb(m->range_end));
    if (rv != 0) {
        return not_permitted(rv);
    }
    if (watches_nothing(m)) {
        return "mvcc: watcher range is empty";
    }
    if (m->watch_id != 0 && u64map_get(&st->watches, (uint64_t)m->watch_id + 1) != NULL) {
        return "mvcc: duplicate watch ID provided on the WatchStream";
    }
    if (st->watches.n >= LIMIT_WATCHES_PER_STREAM) {
        return "etcdserver: too many watches on one stream";
    }
    return st->server->watch_bytes + bytes > LIMIT_WATCHES_BYTES
               ? "barque: too many watches on this member" : NULL;
}

static void create(struct watch_stream *st, const Etcdserverpb__WatchCreateRequest *m)
{
    struct server *s = st->server;
    int64_t id = m->watch_id;
    size_t bytes = WATCH_BYTES + m->key.len + m->range_end.len;
    const char *reason = refusal(st, m, bytes);
    if (reason != NULL) {
        refuse(st, -1, reason);
        return;
    }
    if (id == 0) {
        while (u64map_get(&st->watches, (uint64_t)st->next_id + 1) != NULL) {
            st->next_id++;
        }
        id = st->next_id++;
    }
    struct watch *w = mem_zalloc(sizeof *w);
    w->stream = st;
    w->id = id;
    w->prev_kv = m->prev_kv != 0;
    w->progress_notify = m->progress_notify != 0;
    w->fragment = m->fragment != 0;
    w->last_sent_ms = loop_now_ms(s->loop);
    w->bytes = bytes;
    s->watch_bytes += bytes;
    struct watch_options options = {
        .key = watched_key(m),
        .range_end = slice_pb(m->range_end),
        .start_revision = m->start_revision,
        .arg = w,
    };
    for (size_t i = 0; i < m->n_filters; i++) {
        options.no_put |= m->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT;
        options.no_delete |=
            m->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE;
    }
    u64map_put(&st->watches, (uint64_t)id + 1, w);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse reply;
    response_init(st, &reply, &header, id, store_revision(s->store));
    reply.created = 1;
    rpc_send(st->call, &reply.base);
    w->watcher = watch_hub_add(s->hub, &options);
    server_wake_background(s);
}

static void cancel(struct watch_stream *st, const Etcdserverpb__WatchCancelRequest *m)
{
    struct watch *w = u64map_get(&st->watches, (uint64_t)m->watch_id + 1);
    if (w == NULL) {
        return; /* etcd says nothing either */
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse reply;
    response_init(st, &reply, &header, w->id, store_revision(st->server->store));
    reply.canceled = 1;
    watch_free(w);
    rpc_send(st->call, &reply.base);
}

static bool all_synced(const struct watch_stream *st)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&st->watches, &at)) != NULL) {
        if (!watcher_synced(((struct watch *)e->value)->watcher)) {
            return false;
        }
    }
    return true;
}

static void send_progress(struct watch_stream *st, int64_t id)
{
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__WatchResponse m;
    response_init(st, &m, &header, id, store_revision(st->server->store));
    rpc_send(st->call, &m.base);
}

void server_watch_progress(struct server *s)
{
    LIST_FOREACH(it, &s->watch_streams)
    {
        struct watch_stream *st = LIST_ENTRY(it, struct watch_stream, link);
        if (st->progress_waiting && all_synced(st)) {
            st->progress_waiting = false;
            send_progress(st, -1);
        }
    }
}

/* --- the stream itself ------------------------------------------------------------------------ */

static void watch_start(struct rpc_call *call)
{
    struct server *s = rpc_call_arg(call);
    struct watch_stream *st = mem_zalloc(sizeof *st);
    st->server = s;
    st->call = call;
    st->has_leader = server_wants_leader(call);
    u64map_init(&st->watches);
    list_push_back(&s->watch_streams, &st->link);
    rpc_call_set_data(call, st);
    metric_add(s->m.watch_streams, 1);
}

static void stream_end(struct watch_stream *st, enum grpc_code code, const char *text)
{
    struct rpc_call *call = st->call;
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&st->watches, &at)) != NULL) {
        watch_free(e->value);
    }
    u64map_fini(&st->watches);
    list_remove(&st->link);
    metric_add(st->server->m.watch_streams, -1);
    mem_free(st);
    rpc_call_set_data(call, NULL);
    rpc_finish(call, code, text);
}

static void watch_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct watch_stream *st = rpc_call_data(call);
    const Etcdserverpb__WatchRequest *m = (const Etcdserverpb__WatchRequest *)(const void *)msg;
    if (st == NULL) {
        return; /* already ended */
    }
    switch (m->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        create(st, m->create_request);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
        cancel(st, m->cancel_request);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
        if (all_synced(st) || BUG(BUG_PROGRESS_EARLY)) {
            send_progress(st, -1);
        } else {
            st->progress_waiting = true;
        }
        break;
    default: /* an unknown request of a newer client: skipped */
        break;
    }
}

static void watch_half_close(struct rpc_call *call)
{
    struct watch_stream *st = rpc_call_data(call);
    if (st != NULL) {
        stream_end(st, GRPC_OK, "");
    }
}

static void watch_closed(struct rpc_call *call)
{
    struct watch_stream *st = rpc_call_data(call);
    if (st != NULL) {
        stream_end(st, GRPC_CANCELED, "");
    }
}

static void watch_writable(struct rpc_call *call)
{
    struct watch_stream *st = rpc_call_data(call);
    if (st == NULL) {
        return;
    }
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&st->watches, &at)) != NULL) {
        watcher_ready(((struct watch *)e->value)->watcher);
    }
    server_wake_background(st->server);
}

static void notify_idle(struct watch_stream *st, uint64_t now_ms, uint64_t every_ms)
{
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&st->watches, &at)) != NULL) {
        struct watch *w = e->value;
        if (w->progress_notify && now_ms - w->last_sent_ms >= every_ms &&
            (watcher_synced(w->watcher) || BUG(BUG_BOOKMARK_EARLY))) {
            w->last_sent_ms = now_ms;
            send_progress(st, w->id);
        }
    }
}

bool server_leader_lost(const struct server *s)
{
    return s->no_leader_since_ms != 0 && loop_now_ms(s->loop) - s->no_leader_since_ms >
                                             CLOSE_AFTER_ELECTIONS * s->options.election_ms;
}

void server_watch_tick(struct server *s, uint64_t now_ms)
{
    bool lost = server_leader_lost(s);
    LIST_FOREACH_SAFE(it, &s->watch_streams)
    {
        struct watch_stream *st = LIST_ENTRY(it, struct watch_stream, link);
        if (lost && st->has_leader) {
            const char *text;
            enum grpc_code code = status_from_err(E_NOLEADER, &text);
            stream_end(st, code, text);
        } else {
            notify_idle(st, now_ms, s->options.progress_notify_ms);
        }
    }
}

void server_watch_stop_all(struct server *s, enum grpc_code code, const char *text)
{
    struct list *it;
    while ((it = list_first(&s->watch_streams)) != NULL) {
        stream_end(LIST_ENTRY(it, struct watch_stream, link), code, text);
    }
}

static const struct rpc_method methods[] = {
    { "/etcdserverpb.Watch/Watch", RPC_STREAM, &etcdserverpb__watch_request__descriptor,
      watch_message, watch_start, watch_half_close, watch_writable, watch_closed },
};
const struct service service_watch = { methods, ARRAY_LEN(methods) };
