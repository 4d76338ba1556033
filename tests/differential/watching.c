/* Control answers (created, canceled, progress) come in the order of the requests: one is awaited
 * from both after each. Events come when they come. Two helpers say that all have:
 *
 *  - a watch of its own on the key ~sync, the sentinel: both deliver in the order of revisions, so
 *    once it has told of a put, every synced watch has told of what came before;
 *  - after a watch that begins in the past, another one on ~sync that begins in the past, the
 *    probe: etcd catches up all of them in one go, so once it has told, the other has, too.
 *
 * An event is compared with its response's header revision; how etcd gathers the past into
 * responses is not (up to 1000 revisions there, one here), but that a fragment is followed by
 * more. */
#include "tests/differential/watching.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "tests/differential/fields.h"

enum {
    SENTINEL = 1000, /* watch ids; those that the servers choose stay below */
    PROBE = 1001,
    WATCHES_MAX = 24,
    IDS_MAX = 40,    /* chosen by the servers, then the stream is opened anew */
    DEADLINE_MS = 15000,
};

/* One event, or the end of a watch whose revision was compacted. */
struct told {
    int64_t id;
    size_t order;
    ProtobufCMessage *msg; /* of one event at most */
};

struct stream {
    struct watching *w;
    int side;
    struct rpc_stream *stream;
    struct told *told;
    size_t n, cap;
    ProtobufCMessage *control; /* the answer that is awaited */
    size_t n_control;
    int64_t sentinel, probe;   /* newest revision told */
    bool fragment_open;
    char closed[256];
};

struct watching {
    struct duel *d;
    struct stream streams[SIDES];
    int64_t ids[WATCHES_MAX]; /* that are open */
    size_t n;
    int64_t spent[WATCHES_MAX * 4]; /* ended by a compaction: etcd keeps the id */
    size_t n_spent;
    unsigned chosen;
    int64_t awaited; /* revision of ~sync */
    uint64_t events;
};

/* --- what the servers say --------------------------------------------------------------------- */

static void keep(struct stream *s, const Etcdserverpb__WatchResponse *m)
{
    Etcdserverpb__WatchResponse one = *m;
    one.fragment = 0;
    if (m->n_events == 0) {
        s->told = mem_grow(s->told, &s->cap, s->n + 1, sizeof *s->told);
        s->told[s->n] = (struct told){ m->watch_id, s->n, fields_copy(&one.base) };
        s->n++;
        return;
    }
    for (size_t i = 0; i < m->n_events; i++) {
        one.n_events = 1;
        one.events = &m->events[i];
        s->told = mem_grow(s->told, &s->cap, s->n + 1, sizeof *s->told);
        s->told[s->n] = (struct told){ m->watch_id, s->n, fields_copy(&one.base) };
        s->n++;
    }
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct stream *s = arg;
    const Etcdserverpb__WatchResponse *m = (const Etcdserverpb__WatchResponse *)(const void *)msg;
    s->fragment_open = m->fragment;
    if (m->n_events > 0 && m->watch_id == SENTINEL) {
        s->sentinel = m->events[m->n_events - 1]->kv->mod_revision;
    } else if (m->n_events > 0 && m->watch_id == PROBE) {
        s->probe = m->events[m->n_events - 1]->kv->mod_revision;
    } else if (m->n_events > 0) {
        if (s->side != BARQUE || !duel_plants(s->w->d, PLANT_EVENT)) {
            keep(s, m);
        }
    } else if (m->compact_revision != 0) {
        keep(s, m);
    } else {
        if (s->control != NULL) {
            protobuf_c_message_free_unpacked(s->control, NULL);
        }
        s->control = fields_copy(msg);
        s->n_control++;
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct stream *s = arg;
    s->stream = NULL;
    snprintf(s->closed, sizeof s->closed, "code %d %s", result->grpc_code, result->text);
}

static void told_reset(struct stream *s)
{
    for (size_t i = 0; i < s->n; i++) {
        protobuf_c_message_free_unpacked(s->told[i].msg, NULL);
    }
    s->n = 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static void check_open(struct watching *w)
{
    for (int i = 0; i < SIDES; i++) {
        if (w->streams[i].stream == NULL) {
            duel_disturbed(w->d, "Watch", w->streams[i].closed);
        }
    }
}

static bool both_controlled(void *arg)
{
    const struct watching *w = arg;
    return w->streams[BARQUE].n_control > 0 && w->streams[ETCD].n_control > 0;
}

static void send(struct watching *w, const Etcdserverpb__WatchRequest *m)
{
    check_open(w);
    for (int i = 0; i < SIDES; i++) {
        w->streams[i].n_control = 0;
        rpc_stream_send(w->streams[i].stream, &m->base);
    }
}

/* The answer to the last request, which both give in the same words. */
static const Etcdserverpb__WatchResponse *controlled(struct watching *w,
                                                     const Etcdserverpb__WatchRequest *asked)
{
    if (!duel_wait(w->d, both_controlled, w, DEADLINE_MS)) {
        check_open(w);
        duel_differs(w->d, "Watch", w->streams[ETCD].n_control > 0 ? "no answer of barque"
                                                                   : "no answer of etcd",
                     &asked->base, NULL, NULL);
    }
    ProtobufCMessage *a = w->streams[BARQUE].control, *b = w->streams[ETCD].control;
    autobuf path = BUF_INIT;
    if (!fields_same(a, b, &path)) {
        duel_differs(w->d, "Watch", buf_str(&path), &asked->base, a, b);
    }
    w->d->asked++;
    return (const Etcdserverpb__WatchResponse *)(const void *)b;
}

static const Etcdserverpb__WatchResponse *create(struct watching *w,
                                                 Etcdserverpb__WatchCreateRequest *c)
{
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    m.create_request = c;
    send(w, &m);
    return controlled(w, &m);
}

static void progress(struct watching *w)
{
    Etcdserverpb__WatchProgressRequest p = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    m.progress_request = &p;
    send(w, &m);
    controlled(w, &m);
}

static void send_cancel(struct watching *w, int64_t id, bool answered)
{
    Etcdserverpb__WatchCancelRequest c = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
    Etcdserverpb__WatchRequest m = ETCDSERVERPB__WATCH_REQUEST__INIT;
    m.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
    m.cancel_request = &c;
    c.watch_id = id;
    send(w, &m);
    if (answered) {
        controlled(w, &m);
    }
}

/* --- streams ---------------------------------------------------------------------------------- */

static void streams_open(struct watching *w)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    for (int i = 0; i < SIDES; i++) {
        struct stream *s = &w->streams[i];
        s->w = w;
        s->side = i;
        s->sentinel = s->probe = 0;
        s->stream = rpc_stream_open(duel_channel(w->d, i), "/etcdserverpb.Watch/Watch",
                                    &etcdserverpb__watch_response__descriptor, &events, s);
    }
    w->n = w->n_spent = w->chosen = 0;
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = (ProtobufCBinaryData){ 5, (uint8_t *)(uintptr_t)"~sync" };
    c.watch_id = SENTINEL;
    create(w, &c);
}

static void streams_close(struct watching *w)
{
    for (int i = 0; i < SIDES; i++) {
        rpc_stream_cancel(w->streams[i].stream);
        told_reset(&w->streams[i]);
    }
}

struct watching *watching_new(struct duel *d)
{
    struct watching *w = mem_zalloc(sizeof *w);
    w->d = d;
    streams_open(w);
    return w;
}

void watching_free(struct watching *w)
{
    streams_close(w);
    for (int i = 0; i < SIDES; i++) {
        protobuf_c_message_free_unpacked(w->streams[i].control, NULL);
        mem_free(w->streams[i].told);
    }
    mem_free(w);
}

uint64_t watching_events(const struct watching *w)
{
    return w->events;
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool sentinels_told(void *arg)
{
    const struct watching *w = arg;
    return w->streams[BARQUE].sentinel >= w->awaited && w->streams[ETCD].sentinel >= w->awaited;
}

static bool probes_told(void *arg)
{
    const struct watching *w = arg;
    return w->streams[BARQUE].probe >= w->awaited && w->streams[ETCD].probe >= w->awaited;
}

static bool as_many_told(void *arg)
{
    const struct watching *w = arg;
    return w->streams[BARQUE].n == w->streams[ETCD].n;
}

static int by_id(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void forget(struct watching *w, int64_t id)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->ids[i] == id) {
            w->ids[i] = w->ids[--w->n];
            return;
        }
    }
}

static void compare_told(struct watching *w)
{
    struct stream *a = &w->streams[BARQUE], *b = &w->streams[ETCD];
    autobuf path = BUF_INIT;
    if (a->fragment_open || b->fragment_open) {
        duel_differs(w->d, "Watch", "a fragment is the last word", NULL, NULL, NULL);
    }
    if (a->n > 0) {
        qsort(a->told, a->n, sizeof *a->told, by_id);
    }
    if (b->n > 0) {
        qsort(b->told, b->n, sizeof *b->told, by_id);
    }
    for (size_t i = 0; i < a->n || i < b->n; i++) {
        ProtobufCMessage *x = i < a->n ? a->told[i].msg : NULL;
        ProtobufCMessage *y = i < b->n ? b->told[i].msg : NULL;
        buf_reset(&path);
        if (!fields_same(x, y, &path)) {
            char what[64];
            snprintf(what, sizeof what, "watch %" PRId64 ": %zu and %zu told",
                     i < b->n ? b->told[i].id : a->told[i].id, a->n, b->n);
            duel_differs(w->d, what, buf_str(&path), NULL, x, y);
        }
        const Etcdserverpb__WatchResponse *m = (const Etcdserverpb__WatchResponse *)(void *)y;
        if (m->canceled) {
            forget(w, m->watch_id);
            INVARIANT(w->n_spent < ARRAY_LEN(w->spent));
            w->spent[w->n_spent++] = m->watch_id;
        }
        w->events++;
    }
    told_reset(a);
    told_reset(b);
}

/* Puts ~sync: the revision from which on all is told. */
static void put_sentinel(struct watching *w, struct gen *g)
{
    Etcdserverpb__PutRequest p = ETCDSERVERPB__PUT_REQUEST__INIT;
    p.key = (ProtobufCBinaryData){ 5, (uint8_t *)(uintptr_t)"~sync" };
    struct question q = { "/etcdserverpb.KV/Put", &p.base,
                          &etcdserverpb__put_response__descriptor };
    duel_ask(w->d, &q);
    w->awaited = ((Etcdserverpb__PutResponse *)(void *)w->d->answers[ETCD].msg)->header->revision;
    g->revision = w->awaited;
}

void watching_compare(struct watching *w, struct gen *g)
{
    put_sentinel(w, g);
    if (!duel_wait(w->d, sentinels_told, w, DEADLINE_MS)) {
        check_open(w);
        duel_differs(w->d, "Watch", "a put was not told", NULL, NULL, NULL);
    }
    duel_wait(w->d, as_many_told, w, DEADLINE_MS);
    compare_told(w);
}

/* After a watch that begins in the past: waits until both have caught up. */
static void catch_up(struct watching *w)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = (ProtobufCBinaryData){ 5, (uint8_t *)(uintptr_t)"~sync" };
    c.watch_id = PROBE;
    c.start_revision = w->awaited;
    create(w, &c);
    if (!duel_wait(w->d, probes_told, w, DEADLINE_MS)) {
        check_open(w);
        duel_differs(w->d, "Watch", "the past was not told", NULL, NULL, NULL);
    }
    send_cancel(w, PROBE, true);
    duel_wait(w->d, as_many_told, w, DEADLINE_MS);
    compare_told(w);
}

/* --- what is done with them ------------------------------------------------------------------- */

static bool has_id(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static int64_t pick_id(struct watching *w, struct gen *g)
{
    static const int64_t ids[] = { -3, -1, 500, 501, 502, INT64_MAX };
    if (gen_percent(g, 60)) {
        return 0; /* the servers choose */
    }
    int64_t id = ids[rng_range(&g->rng, 0, ARRAY_LEN(ids) - 1)];
    return has_id(w->spent, w->n_spent, id) ? 0 : id;
}

static void act_create(struct watching *w, struct gen *g)
{
    static Etcdserverpb__WatchCreateRequest__FilterType filters[3];
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    c.key = gen_key(g);
    c.range_end = gen_range_end(g);
    c.prev_kv = gen_percent(g, 50);
    c.fragment = gen_percent(g, 40);
    c.progress_notify = gen_percent(g, 20);
    c.watch_id = pick_id(w, g);
    c.filters = filters;
    c.n_filters = gen_percent(g, 30) ? rng_range(&g->rng, 1, 3) : 0;
    for (size_t i = 0; i < c.n_filters; i++) {
        static const int types[] = { 0, 1, 5 }; /* puts, deletes, and one that does not exist */
        filters[i] =
            (Etcdserverpb__WatchCreateRequest__FilterType)types[rng_range(&g->rng, 0, 2)];
    }
    if (gen_percent(g, 35)) {
        c.start_revision = (int64_t)rng_range(&g->rng, 1, (uint64_t)g->revision + 3);
    }
    const Etcdserverpb__WatchResponse *r = create(w, &c);
    w->chosen += c.watch_id == 0;
    if (!r->canceled) {
        w->ids[w->n++] = r->watch_id;
    }
    if (c.start_revision != 0 && c.start_revision <= g->revision) {
        catch_up(w);
    }
}

void watching_act(struct watching *w, struct gen *g)
{
    watching_compare(w, g);
    unsigned which = (unsigned)rng_range(&g->rng, 1, 100);
    if (w->n == WATCHES_MAX || w->chosen == IDS_MAX ||
        w->n_spent + WATCHES_MAX > ARRAY_LEN(w->spent)) {
        streams_close(w);
        streams_open(w);
    } else if (which <= 50) {
        act_create(w, g);
    } else if (which <= 75 && w->n > 0) {
        size_t i = rng_range(&g->rng, 0, w->n - 1);
        int64_t id = w->ids[i];
        send_cancel(w, id, true);
        forget(w, id);
    } else if (which <= 85) {
        send_cancel(w, 777, false); /* of none: not a word */
        progress(w);
    } else {
        progress(w);
    }
}
