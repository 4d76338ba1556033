/* All watches of a client on one gRPC stream, on the current endpoint.
 *
 * A watch:
 *                stream up: create            created               canceled, compacted
 *     PENDING ------------------> ASKED -----------------> LIVE -----------------------> on_end
 *        ^                          |                        |
 *        +--------- the stream ended; again elsewhere -------+
 *
 * Two revisions make the resume exact. `floor` is the first revision not yet delivered: the last
 * event's revision + 1, or the created answer's + 1 for a watch from now. Events below it are
 * dropped, so nothing comes twice. `resume` is where the next create starts: the floor, or the
 * last bookmark's revision when that is higher (not + 1: a member may send a bookmark of R before
 * the events of R). All events of a revision come in one response, or in fragments that are
 * gathered first.
 *
 * Watch ids are ours, never reused, so a late answer for a stopped watch finds nobody. */
#include "client/internal.h"

#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum watch_state { WATCH_PENDING, WATCH_ASKED, WATCH_LIVE, WATCH_ENDED };

struct client_watch {
    struct watch_mux *mux; /* NULL once the client is gone */
    struct list link;
    int64_t id;
    enum watch_state state;
    struct client_watch_options options;
    struct slice key, range_end; /* owned */
    int64_t floor;   /* 0 = not known yet: from now */
    int64_t resume;
    bool resumed;    /* created before, on another stream */
    struct client_event *gathered; /* fragments so far; bytes owned */
    size_t n_gathered, cap_gathered;
};

struct watch_mux {
    struct client *client;
    struct list watches;   /* in order of creation: also the order of create answers */
    struct u64map by_id;
    int64_t last_id;
    struct rpc_stream *stream;
    struct endpoint *endpoint; /* of the stream */
    uint64_t login;        /* the log-in that the stream began with */
    uint32_t failures;     /* streams in a row that ended without a word */
    struct timer pause;
    struct ready flush;    /* sends the creates of this turn */
};

static void mux_open(struct watch_mux *m);
static void mux_forget_stream(struct watch_mux *m);

/* --- requests --------------------------------------------------------------------------------- */

static void send_create(struct watch_mux *m, struct client_watch *w)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;

    create.key = pb_bytes(w->key);
    create.range_end = pb_bytes(w->range_end);
    create.start_revision = w->resume - (BUG(BUG_RESUME_AGAIN) && w->resumed ? 1 : 0);
    create.progress_notify = w->options.progress_notify;
    create.prev_kv = w->options.prev_kv;
    create.watch_id = w->id;
    create.fragment = 1;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    w->state = WATCH_ASKED;
    rpc_stream_send(m->stream, &request.base);
}

static void send_cancel(struct watch_mux *m, int64_t id)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCancelRequest cancel = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;

    cancel.watch_id = id;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
    request.cancel_request = &cancel;
    rpc_stream_send(m->stream, &request.base);
}

void client_watch_progress(struct client *c)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchProgressRequest progress = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;

    if (c->watches->stream != NULL) {
        request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
        request.progress_request = &progress;
        rpc_stream_send(c->watches->stream, &request.base);
    }
}

/* --- a watch ---------------------------------------------------------------------------------- */

static void gathered_drop(struct client_watch *w)
{
    for (size_t i = 0; i < w->n_gathered; i++) {
        mem_free((void *)(uintptr_t)w->gathered[i].kv.key.data);
        mem_free((void *)(uintptr_t)w->gathered[i].prev.key.data);
    }
    w->n_gathered = 0;
}

static void watch_free(struct client_watch *w)
{
    gathered_drop(w);
    mem_free(w->gathered);
    mem_free((void *)(uintptr_t)w->key.data);
    mem_free((void *)(uintptr_t)w->range_end.data);
    mem_free(w);
}

static void watch_detach(struct client_watch *w)
{
    if (w->mux != NULL) {
        u64map_remove(&w->mux->by_id, (uint64_t)w->id);
    }
    list_remove(&w->link);
    w->mux = NULL;
}

static void watch_end(struct client_watch *w, int status, int64_t compact_revision,
                      const char *reason)
{
    struct err err;

    err_set(&err, status, "watch of %.200s: %s", w->key.len != 0 ? (const char *)w->key.data : "",
            reason);
    watch_detach(w);
    w->state = WATCH_ENDED;
    w->options.on_end(w->options.arg, status, compact_revision, &err);
    watch_free(w);
}

struct client_watch *client_watch_start(struct client *c,
                                        const struct client_watch_options *options)
{
    struct watch_mux *m = c->watches;
    struct client_watch *w = mem_zalloc(sizeof *w);
    /* NUL-terminated copies, for messages. */
    char *key = mem_zalloc(options->key.len + 1);
    char *range_end = mem_zalloc(options->range_end.len + 1);

    if (options->key.len != 0) {
        memcpy(key, options->key.data, options->key.len);
    }
    if (options->range_end.len != 0) {
        memcpy(range_end, options->range_end.data, options->range_end.len);
    }
    w->mux = m;
    w->id = ++m->last_id;
    w->options = *options;
    w->key = slice_make(key, options->key.len);
    w->range_end = slice_make(range_end, options->range_end.len);
    w->floor = options->start_revision;
    w->resume = options->start_revision;
    list_push_back(&m->watches, &w->link);
    u64map_put(&m->by_id, (uint64_t)w->id, w);
    client_want(c);
    loop_ready(c->loop, &m->flush);
    return w;
}

void client_watch_stop(struct client_watch *w)
{
    struct watch_mux *m;

    if (w == NULL || w->state == WATCH_ENDED) {
        return; /* inside its own on_end */
    }
    m = w->mux;
    if (m != NULL && m->stream != NULL && w->state != WATCH_PENDING) {
        send_cancel(m, w->id);
    }
    watch_detach(w);
    watch_free(w);
}

/* --- events ----------------------------------------------------------------------------------- */

static void event_from_pb(const Mvccpb__Event *pb, struct client_event *ret_event)
{
    *ret_event = (struct client_event){ .type = EVENT_PUT };
    if (pb->type == MVCCPB__EVENT__EVENT_TYPE__DELETE) {
        ret_event->type = EVENT_DELETE;
    }
    if (pb->kv != NULL) {
        kv_from_pb(pb->kv, &ret_event->kv);
    }
    if (pb->prev_kv != NULL) {
        ret_event->has_prev = true;
        kv_from_pb(pb->prev_kv, &ret_event->prev);
    }
}

/* One block for key and value; freed through key.data. */
static void kv_own(struct client_kv *kv)
{
    uint8_t *block = mem_alloc(kv->key.len + kv->value.len + 1);

    if (kv->key.len != 0) {
        memcpy(block, kv->key.data, kv->key.len);
    }
    if (kv->value.len != 0) {
        memcpy(block + kv->key.len, kv->value.data, kv->value.len);
    }
    kv->key.data = block;
    kv->value.data = block + kv->key.len;
}

static void gather(struct client_watch *w, const struct client_event *events, size_t n)
{
    w->gathered = mem_grow(w->gathered, &w->cap_gathered, w->n_gathered + n, sizeof *w->gathered);
    for (size_t i = 0; i < n; i++) {
        struct client_event *e = &w->gathered[w->n_gathered++];

        *e = events[i];
        kv_own(&e->kv);
        if (e->has_prev) {
            kv_own(&e->prev);
        }
    }
}

/* The events of a response that are new to this watch; *ret_n of them. mem_free. */
static struct client_event *fresh_events(const struct client_watch *w,
                                         const Etcdserverpb__WatchResponse *pb, size_t *ret_n)
{
    struct client_event *events = mem_alloc((pb->n_events + 1) * sizeof *events);
    size_t n = 0;

    for (size_t i = 0; i < pb->n_events; i++) {
        event_from_pb(pb->events[i], &events[n]);
        if (events[n].kv.mod_revision >= w->floor || BUG(BUG_RESUME_AGAIN)) {
            n++;
        }
    }
    *ret_n = n;
    return events;
}

static void deliver(struct client_watch *w, const struct client_event *events, size_t n)
{
    int64_t revision = events[n - 1].kv.mod_revision;

    INVARIANT(revision >= w->floor || BUG(BUG_RESUME_AGAIN));
    w->floor = revision + 1;
    if (w->resume < w->floor) {
        w->resume = w->floor + (BUG(BUG_RESUME_LATE) ? 1 : 0);
    }
    w->options.on_events(w->options.arg, events, n, revision);
}

static void on_watch_events(struct client_watch *w, const Etcdserverpb__WatchResponse *pb)
{
    size_t n = 0;
    autofree struct client_event *events = fresh_events(w, pb, &n);

    if (!pb->fragment && w->n_gathered == 0) {
        if (n != 0) {
            deliver(w, events, n); /* w may be gone after this */
        }
        return;
    }
    gather(w, events, n);
    if (!pb->fragment && w->n_gathered != 0) {
        /* A carrier takes them, so that the callback may stop the watch. */
        struct client_watch carrier = { .gathered = TAKE(w->gathered) };

        carrier.n_gathered = w->n_gathered;
        w->n_gathered = 0;
        w->cap_gathered = 0;
        deliver(w, carrier.gathered, carrier.n_gathered);
        gathered_drop(&carrier);
        mem_free(carrier.gathered);
    }
}

static void on_bookmark(struct client_watch *w, int64_t revision)
{
    if (w->state != WATCH_LIVE || w->n_gathered != 0 || revision < w->resume) {
        return;
    }
    w->resume = revision;
    if (revision >= w->floor) {
        w->options.on_events(w->options.arg, NULL, 0, revision);
    }
}

/* The answer to client_watch_progress. Told, but not used for resuming: etcd before 3.4.25 may
 * send it ahead of events. A callback may stop any watch, so each is found again by its id. */
static void on_progress(struct watch_mux *m, int64_t revision)
{
    autofree int64_t *ids = mem_alloc((m->by_id.n + 1) * sizeof *ids);
    struct u64map_entry *e;
    size_t n = 0;
    size_t at = 0;

    while ((e = u64map_next(&m->by_id, &at)) != NULL) {
        ids[n++] = (int64_t)e->key;
    }
    for (size_t i = 0; i < n; i++) {
        struct client_watch *w = u64map_get(&m->by_id, (uint64_t)ids[i]);

        if (w != NULL && w->state == WATCH_LIVE && w->n_gathered == 0 && revision >= w->floor) {
            w->options.on_events(w->options.arg, NULL, 0, revision);
        }
    }
}

static void on_created(struct client_watch *w, int64_t revision)
{
    struct watch_mux *m = w->mux;
    bool resumed = w->resumed;

    w->state = WATCH_LIVE;
    w->resumed = true;
    if (w->floor == 0) {
        w->floor = revision + 1;
        w->resume = revision + 1;
    }
    if (resumed && w->options.on_resume != NULL) {
        w->options.on_resume(w->options.arg, m->endpoint->address, w->resume);
    }
}

/* A stream keeps the token that it began with: all its watches go on with a newer one. */
static void stream_renew(struct watch_mux *m)
{
    rpc_stream_cancel(m->stream);
    mux_forget_stream(m);
    timer_start(&m->pause, 1); /* where no log-in has to be waited for */
}

/* "rpc error: code = PermissionDenied desc = etcdserver: permission denied" or the bare text. */
static void on_canceled(struct client_watch *w, const Etcdserverpb__WatchResponse *pb)
{
    const char *reason = pb->cancel_reason;
    const char *desc = strstr(reason, "desc = ");
    int status = pb->compact_revision > 0 ? E_COMPACTED : 0;

    if (desc != NULL) {
        reason = desc + strlen("desc = ");
    }
    if (status == 0) {
        status = reason[0] != 0 ? status_to_err(GRPC_UNKNOWN, reason) : E_CLOSED;
    }
    if (status == E_NOLEADER || status == E_STOPPED || status == E_LEADER_CHANGED) {
        w->state = WATCH_PENDING; /* the member's trouble, not the watch's: asked again */
        timer_start(&w->mux->pause, 100);
        return;
    }
    if (login_void(w->mux->client, status, w->mux->login)) {
        stream_renew(w->mux);
        return;
    }
    watch_end(w, status, pb->compact_revision,
              reason[0] != 0 ? reason : "the member ended it without a reason");
}

/* Answers of one stream come in the order of the creates: an answer without our id is the
 * oldest's. */
static struct client_watch *find(struct watch_mux *m, const Etcdserverpb__WatchResponse *pb)
{
    if (pb->watch_id > 0 || !pb->created) {
        return u64map_get(&m->by_id, (uint64_t)pb->watch_id);
    }
    LIST_FOREACH(it, &m->watches) {
        struct client_watch *w = LIST_ENTRY(it, struct client_watch, link);

        if (w->state == WATCH_ASKED) {
            return w;
        }
    }
    return NULL;
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct watch_mux *m = arg;
    const Etcdserverpb__WatchResponse *pb = (const Etcdserverpb__WatchResponse *)msg;
    struct client_watch *w = find(m, pb);
    int64_t revision = pb->header != NULL ? pb->header->revision : 0;

    m->failures = 0;
    m->client->noleader_since_ms = 0;
    client_heard(m->client);
    if (w == NULL) {
        if (pb->watch_id == -1 && !pb->created && !pb->canceled && pb->n_events == 0) {
            on_progress(m, revision);
        }
        return;
    }
    if (pb->canceled) {
        on_canceled(w, pb);
    } else if (pb->created) {
        on_created(w, revision);
    } else if (pb->n_events != 0 || w->n_gathered != 0) {
        on_watch_events(w, pb);
    } else {
        on_bookmark(w, revision);
    }
}

/* --- the stream ------------------------------------------------------------------------------- */

static void mux_forget_stream(struct watch_mux *m)
{
    m->stream = NULL;
    m->endpoint = NULL;
    LIST_FOREACH(it, &m->watches) {
        struct client_watch *w = LIST_ENTRY(it, struct client_watch, link);

        w->state = WATCH_PENDING;
        gathered_drop(w);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    static const struct backoff backoff = { 50, 1000 };
    struct watch_mux *m = arg;
    struct client *c = m->client;
    struct endpoint *e = m->endpoint;

    log_debug("client", "watch stream ended", "endpoint=%s why=%s", e->address, result->text);
    mux_forget_stream(m);
    m->failures++;
    client_judge(c, e, result->err != 0 ? result->err : E_UNAVAILABLE, result->text);
    login_void(c, result->err, m->login);
    if (c->current != NULL) {
        timer_start(&m->pause, backoff_delay_ms(&backoff, m->failures, &c->rng));
    }
}

static void mux_flush(struct watch_mux *m)
{
    LIST_FOREACH(it, &m->watches) {
        struct client_watch *w = LIST_ENTRY(it, struct client_watch, link);

        if (w->state == WATCH_PENDING) {
            send_create(m, w);
        }
    }
}

static void mux_open(struct watch_mux *m)
{
    static const struct rpc_stream_events events = { .message = on_message, .closed = on_closed };
    struct client *c = m->client;

    if (!client_ready(c) || list_empty(&m->watches)) {
        return;
    }
    m->endpoint = c->current;
    m->stream = rpc_stream_open(c->current->channel, "/etcdserverpb.Watch/Watch",
                                &etcdserverpb__watch_response__descriptor, &events, m);
    /* A member cut off from the others ends the stream, instead of being silent. */
    rpc_stream_metadata(m->stream, "hasleader", "true");
    m->login = c->login.serial;
    login_stream(c, m->stream);
    client_probe_start(c);
    mux_flush(m);
}

/* The next one that no member has ever created, of those up to `last_id`. */
static struct client_watch *never_begun(const struct watch_mux *m, int64_t last_id)
{
    LIST_FOREACH(it, &m->watches) {
        struct client_watch *w = LIST_ENTRY(it, struct client_watch, link);

        if (w->state == WATCH_PENDING && !w->resumed && w->id <= last_id) {
            return w;
        }
    }
    return NULL;
}

void watch_mux_refuse(struct watch_mux *m)
{
    int64_t last_id = m->last_id; /* on_end may begin others, and stop any */
    struct err why = m->client->login.why;
    struct client_watch *w;

    while ((w = never_begun(m, last_id)) != NULL) {
        watch_end(w, why.code, 0, why.msg);
    }
}

static void on_flush(struct ready *r)
{
    struct watch_mux *m = CONTAINER_OF(r, struct watch_mux, flush);

    if (m->client->login.state == LOGIN_REFUSED) {
        watch_mux_refuse(m);
        return;
    }
    if (m->stream != NULL) {
        mux_flush(m);
    } else if (!timer_active(&m->pause)) {
        mux_open(m);
    }
}

static void on_pause_over(struct timer *t)
{
    struct watch_mux *m = CONTAINER_OF(t, struct watch_mux, pause);

    if (m->stream == NULL) {
        mux_open(m);
    } else {
        mux_flush(m);
    }
}

void watch_mux_endpoint(struct watch_mux *m)
{
    struct client *c = m->client;

    if (m->stream != NULL && m->endpoint != c->current) {
        rpc_stream_cancel(m->stream);
        mux_forget_stream(m);
    }
    if (c->current != NULL && m->stream == NULL) {
        timer_stop(&m->pause);
        mux_open(m);
    }
}

bool watch_mux_open(const struct watch_mux *m)
{
    return m->stream != NULL;
}

struct watch_mux *watch_mux_new(struct client *c)
{
    struct watch_mux *m = mem_zalloc(sizeof *m);

    m->client = c;
    list_init(&m->watches);
    u64map_init(&m->by_id);
    timer_init(c->loop, &m->pause, on_pause_over);
    ready_init(&m->flush, on_flush);
    return m;
}

void watch_mux_free(struct watch_mux *m)
{
    struct list *l;

    if (m->stream != NULL) {
        rpc_stream_cancel(m->stream);
    }
    /* Their owners still hold them: they stay, silent, until client_watch_stop. */
    while ((l = list_pop_front(&m->watches)) != NULL) {
        LIST_ENTRY(l, struct client_watch, link)->mux = NULL;
    }
    timer_stop(&m->pause);
    ready_cancel(&m->flush);
    u64map_fini(&m->by_id);
    mem_free(m);
}
