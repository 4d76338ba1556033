/* Watches as a Kubernetes API server opens them. */
#include "kube.h"

#include <stdio.h>

#include "lib/base/alloc.h"

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct kube_watch *w = arg;
    const Etcdserverpb__WatchResponse *m = (const Etcdserverpb__WatchResponse *)(const void *)msg;
    assert_true(w->n < KUBE_ANSWERS_MAX && w->n_events + m->n_events <= KUBE_EVENTS_MAX);
    for (size_t i = 0; i < m->n_events; i++) {
        const Mvccpb__Event *from = m->events[i];
        struct kube_event *e = &w->events[w->n_events++];
        e->answer = w->n;
        e->is_delete = from->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;
        kube_take_kv(&e->kv, from->kv);
        e->has_prev = from->prev_kv != NULL;
        if (e->has_prev) {
            kube_take_kv(&e->prev, from->prev_kv);
        }
    }
    struct kube_answer *a = &w->answers[w->n++];
    *a = (struct kube_answer){ .id = m->watch_id, .revision = m->header->revision,
                               .compact_revision = m->compact_revision, .created = m->created,
                               .canceled = m->canceled, .n_events = m->n_events };
    snprintf(a->reason, sizeof a->reason, "%s", m->cancel_reason);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct kube_watch *w = arg;
    w->closed = true;
    w->code = result->grpc_code;
    snprintf(w->text, sizeof w->text, "%s", result->text);
}

struct kube_watch *kube_stream(struct kube *k, struct rpc_channel *channel)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct kube_watch *w = mem_zalloc(sizeof *w);
    w->k = k;
    w->stream = rpc_stream_open(channel != NULL ? channel : k->m->channel,
                                "/etcdserverpb.Watch/Watch",
                                &etcdserverpb__watch_response__descriptor, &events, w);
    rpc_stream_metadata(w->stream, "hasleader", "true");
    return w;
}

void kube_watch_create(struct kube_watch *w, const char *prefix, int64_t start_revision)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    char end[160];
    snprintf(end, sizeof end, "%s", prefix);
    end[strlen(end) - 1]++;
    c.key = bytes(prefix);
    c.range_end = bytes(end);
    c.start_revision = start_revision;
    c.prev_kv = 1;
    c.progress_notify = 1;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &c;
    rpc_stream_send(w->stream, &request.base);
}

struct kube_watch *kube_watch(struct kube *k, const char *prefix, int64_t start_revision)
{
    struct kube_watch *w = kube_stream(k, NULL);
    kube_watch_create(w, prefix, start_revision);
    return w;
}

void kube_watch_cancel(struct kube_watch *w, int64_t id)
{
    watch_send_cancel(w->stream, id);
}

void kube_progress(struct kube_watch *w)
{
    watch_send_progress(w->stream);
}

static bool has_answers(void *arg)
{
    const struct kube_watch *w = arg;
    return w->n >= w->want;
}

static bool has_events(void *arg)
{
    const struct kube_watch *w = arg;
    return w->n_events >= w->want;
}

const struct kube_answer *kube_answer(struct kube_watch *w, size_t n)
{
    w->want = n;
    run_until(w->k->m->loop, has_answers, w);
    return &w->answers[n - 1];
}

const struct kube_event *kube_event(struct kube_watch *w, size_t n)
{
    w->want = n;
    run_until(w->k->m->loop, has_events, w);
    return &w->events[n - 1];
}

void kube_watch_close(struct kube_watch *w)
{
    if (!w->closed) {
        rpc_stream_cancel(w->stream);
    }
    mem_free(w);
}
