/* A script's watches: a stream each, opened again behind the last event when it ends. What they
 * were told in the end is held against the model's history: nothing missing, nothing twice, in
 * order. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/rpc/channel.h"
#include "tests/failure/failure.h"

/* Compacted while the stream was down: these revisions were not told, and need not be. */
struct gap {
    int64_t from, to; /* to: the first that is told again */
};

enum { GAPS_MAX = 8 };
enum { TOLD_MS = 30000, AGAIN_MS = 300 };

struct watching {
    struct watching *next;
    struct actor *actor;
    struct slice key, end;
    int64_t from;  /* first revision */
    int64_t seen;  /* newest revision told */
    struct told *told;
    size_t n, cap;
    struct gap gaps[GAPS_MAX];
    size_t n_gaps;
    bool open;
    uint64_t again_at; /* virtual time */
    unsigned at;       /* member */
};

/* The watch ends, its stream does not. It goes on where history begins. */
static void lost_history(struct watching *w, int64_t compact_revision)
{
    if (compact_revision <= w->seen || w->n_gaps == GAPS_MAX) {
        sim_violation(w->actor->sim, "a watch is cancelled, compacted at %" PRId64,
                      compact_revision);
    }
    w->gaps[w->n_gaps++] = (struct gap){ w->seen + 1, compact_revision };
    w->seen = compact_revision - 1;
    w->open = false;
    w->again_at = w->actor->sim->now;
}

static bool in_gap(const struct watching *w, int64_t revision)
{
    for (size_t i = 0; i < w->n_gaps; i++) {
        if (revision >= w->gaps[i].from && revision < w->gaps[i].to) {
            return true;
        }
    }
    return false;
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct watching *w = arg;
    const Etcdserverpb__WatchResponse *m = (const Etcdserverpb__WatchResponse *)(const void *)msg;
    for (size_t i = 0; i < m->n_events; i++) {
        const Mvccpb__KeyValue *kv = m->events[i]->kv;
        w->told = mem_grow(w->told, &w->cap, w->n + 1, sizeof *w->told);
        w->told[w->n++] = (struct told){
            .revision = kv->mod_revision,
            .tombstone = m->events[i]->type == MVCCPB__EVENT__EVENT_TYPE__DELETE,
            .key = slice_make(mem_dup(kv->key.data, kv->key.len), kv->key.len),
            .value_hash = hash_bytes(kv->value.data, kv->value.len),
        };
        w->seen = kv->mod_revision;
    }
    if (m->canceled) {
        lost_history(w, m->compact_revision);
    }
}

static void on_closed(void *arg, const struct rpc_result *r)
{
    struct watching *w = arg;
    (void)r;
    w->open = false;
    w->at = next_member(w->actor, w->at);
    w->again_at = w->actor->sim->now + AGAIN_MS * 1000;
}

static void open_stream(struct node *n, void *arg)
{
    static const struct rpc_stream_events events = { .message = on_message, .closed = on_closed };
    struct watching *w = arg;
    (void)n;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = (ProtobufCBinaryData){ w->key.len, (uint8_t *)(uintptr_t)w->key.data };
    create.range_end = (ProtobufCBinaryData){ w->end.len, (uint8_t *)(uintptr_t)w->end.data };
    create.start_revision = w->seen + 1;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    struct rpc_stream *s = rpc_stream_open(w->actor->channels[w->at],
                                           "/etcdserverpb.Watch/Watch",
                                           &etcdserverpb__watch_response__descriptor, &events, w);
    rpc_stream_send(s, &request.base);
    w->open = true;
}

void watch_open(struct actor *p, struct words *words)
{
    struct watching *w = mem_zalloc(sizeof *w);
    read_keys(words, words_next(words), &w->key, &w->end);
    w->actor = p;
    w->from = p->revision + 1;
    w->seen = p->revision;
    w->at = p->at;
    w->next = p->watches;
    p->watches = w;
    node_enter(p->client, open_stream, w);
}

void watches_step(struct actor *p)
{
    for (struct watching *w = p->watches; w != NULL; w = w->next) {
        if (!w->open && p->sim->now >= w->again_at) {
            node_enter(p->client, open_stream, w);
        }
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool in_range(const struct watching *w, struct slice key)
{
    if (w->end.len == 0) {
        return slice_eq(key, w->key);
    }
    bool open_end = w->end.len == 1 && w->end.data[0] == 0;
    return slice_cmp(key, w->key) >= 0 && (open_end || slice_cmp(key, w->end) < 0);
}

static bool same(const struct told *a, const struct told *b)
{
    return a->revision == b->revision && a->tombstone == b->tombstone && slice_eq(a->key, b->key) &&
           (a->tombstone || a->value_hash == b->value_hash);
}

/* How many of the watch's events are as they should be; *ret_due of them there should be. */
static size_t good(const struct watching *w, size_t *ret_due)
{
    size_t n, due = 0, right = 0;
    const struct told *all = model_events(w->actor->model, &n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].revision >= w->from && !in_gap(w, all[i].revision) && in_range(w, all[i].key)) {
            right += due < w->n && right == due && same(&w->told[due], &all[i]);
            due++;
        }
    }
    *ret_due = due;
    return right;
}

static bool all_told(struct actor *p)
{
    for (const struct watching *w = p->watches; w != NULL; w = w->next) {
        size_t due;
        (void)good(w, &due);
        if (w->n < due) {
            return false;
        }
    }
    return true;
}

void watches_check(struct actor *p)
{
    (void)run_until(p, all_told, TOLD_MS);
    for (const struct watching *w = p->watches; w != NULL; w = w->next) {
        size_t due, right = good(w, &due);
        if (right != due || w->n != due) {
            sim_violation(p->sim, "a watch was told %zu events, %zu of %zu right", w->n, right,
                          due);
        }
    }
}
