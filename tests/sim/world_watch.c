/* Watches as they pass on the wire: one record a watch, over all the streams it is resumed on. */
#include "lib/base/alloc.h"
#include "tests/sim/world_streams.h"

/* A watch: (mux, id) in one life of a machine. */
struct wire_watch {
    struct list link;
    const struct node *node;
    const void *mux;
    int64_t id;
    struct wire_stream *stream; /* where it was asked for last; NULL: lost */
    bool created;
    struct check_watch *record;
};

static int64_t now_us(const struct wire *w)
{
    return (int64_t)w->sim->now;
}

static struct wire_watch *watch_find(const struct wire_stream *s, int64_t id)
{
    LIST_FOREACH(it, &s->wire->watches)
    {
        struct wire_watch *watch = LIST_ENTRY(it, struct wire_watch, link);
        if (watch->mux == s->arg && watch->id == id && watch->node == s->node) {
            return watch;
        }
    }
    return NULL;
}

static void watch_lost(struct wire_watch *watch)
{
    if (watch->stream != NULL) {
        check_watch_lost(watch->record, now_us(watch->stream->wire));
        watch->stream = NULL;
        watch->created = false;
    }
}

static void watch_free(struct wire_watch *watch)
{
    watch_lost(watch);
    list_remove(&watch->link);
    mem_free(watch);
}

static void watch_asked(struct wire_stream *s, const Etcdserverpb__WatchCreateRequest *pb)
{
    struct wire_watch *watch = watch_find(s, pb->watch_id);
    struct check_watch_request request = {
        .key = slice_make(pb->key.data, pb->key.len),
        .range_end = slice_make(pb->range_end.data, pb->range_end.len),
        .start_revision = pb->start_revision,
        .prev_kv = pb->prev_kv,
        .fragment = pb->fragment,
    };
    for (size_t i = 0; i < pb->n_filters; i++) {
        bool puts = pb->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT;
        request.no_put = request.no_put || puts;
        request.no_delete = request.no_delete || !puts;
    }
    if (watch == NULL) {
        watch = mem_zalloc(sizeof *watch);
        watch->node = s->node;
        watch->mux = s->arg;
        watch->id = pb->watch_id;
        watch->record = judge_watch(s->wire->sim->world->judge, s->node);
        list_init(&watch->link);
        list_push_back(&s->wire->watches, &watch->link);
    }
    watch_lost(watch);
    watch->stream = s;
    check_watch_asked(watch->record, now_us(s->wire), s->member, &request, 0);
}

void streams_watch_request(struct wire_stream *s, const Etcdserverpb__WatchRequest *pb)
{
    if (pb->request_union_case == ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST) {
        watch_asked(s, pb->create_request);
    } else if (pb->request_union_case ==
               ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST) {
        struct wire_watch *watch = watch_find(s, pb->cancel_request->watch_id);
        if (watch != NULL) {
            watch_free(watch); /* nobody hears of what still comes */
        }
    }
}

static void watch_events(struct wire_watch *watch, int64_t revision,
                         const Etcdserverpb__WatchResponse *pb)
{
    struct check_watch_event *events = mem_alloc((pb->n_events + 1) * sizeof *events);
    for (size_t i = 0; i < pb->n_events; i++) {
        const Mvccpb__Event *e = pb->events[i];
        events[i] = (struct check_watch_event){
            .deleted = e->type == MVCCPB__EVENT__EVENT_TYPE__DELETE,
            .has_prev = e->prev_kv != NULL,
        };
        if (e->kv != NULL) {
            events[i].kv = pack_kv(e->kv);
        }
        if (e->prev_kv != NULL) {
            events[i].prev = pack_kv(e->prev_kv);
        }
    }
    check_watch_events(watch->record, now_us(watch->stream->wire), revision, pb->fragment, events,
                       pb->n_events);
    mem_free(events);
}

/* A bookmark of the whole stream: of every watch that has been created on it. */
static void stream_progress(struct wire_stream *s, int64_t revision)
{
    LIST_FOREACH(it, &s->wire->watches)
    {
        struct wire_watch *watch = LIST_ENTRY(it, struct wire_watch, link);
        if (watch->stream == s && watch->created) {
            check_watch_progress(watch->record, now_us(s->wire), revision);
        }
    }
}

void streams_watch_response(struct wire_stream *s, const Etcdserverpb__WatchResponse *pb)
{
    int64_t revision = pb->header != NULL ? pb->header->revision : 0;
    struct wire_watch *watch = watch_find(s, pb->watch_id);
    if (pb->watch_id == -1 && !pb->created && !pb->canceled && pb->n_events == 0) {
        stream_progress(s, revision);
    } else if (watch == NULL || watch->stream != s) {
        return; /* canceled meanwhile */
    } else if (pb->canceled) {
        check_watch_canceled(watch->record, now_us(s->wire), revision, pb->compact_revision);
        watch->stream = NULL;
        watch->created = false;
    } else if (pb->created) {
        watch->created = true;
        check_watch_created(watch->record, now_us(s->wire), revision);
    } else if (pb->n_events != 0 || pb->fragment) {
        watch_events(watch, revision, pb);
    } else {
        check_watch_progress(watch->record, now_us(s->wire), revision);
    }
}

void streams_watches_lost(const struct wire_stream *s)
{
    LIST_FOREACH(it, &s->wire->watches)
    {
        struct wire_watch *watch = LIST_ENTRY(it, struct wire_watch, link);
        if (watch->stream == s) {
            watch_lost(watch);
        }
    }
}

void streams_watches_gone(struct wire *w, const struct node *n)
{
    LIST_FOREACH_SAFE(it, &w->watches)
    {
        struct wire_watch *watch = LIST_ENTRY(it, struct wire_watch, link);
        if (n == NULL || watch->node == n) {
            watch_free(watch);
        }
    }
}
