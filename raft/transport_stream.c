/* Sending a snapshot: a connection of its own, pulled from its source.
 *
 *     connect --> hello --> welcome --> chunk, chunk, ... (while the queue is under 1 MiB) -->
 *     last chunk --> PEER_RECEIVED --> done(0)
 *
 * Anything else ends with done(error). The peer may refuse to go on (a stale snapshot): it cuts,
 * which is E_CLOSED here. */
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "raft/transport_link.h"

static void stream_on_ready(struct ready *self)
{
    struct transport_stream *s = CONTAINER_OF(self, struct transport_stream, ready);
    struct transport *t = s->t;
    list_remove(&s->node);
    if (s->done != NULL) {
        s->done(s->arg, s->status);
    }
    mem_free(s);
    transport_maybe_closed(t);
}

void transport_stream_finish(struct transport_stream *s, int status)
{
    if (s->finished) {
        return;
    }
    s->finished = true;
    s->status = status;
    if (s->link != NULL) {
        link_close(s->link);
        s->link = NULL;
    }
    loop_ready(s->t->options.loop, &s->ready);
}

static void stream_pump(struct transport_stream *s)
{
    while (!s->sent_last && !conn_congested(s->link->conn)) {
        autobuf chunk = BUF_INIT;
        int rv = s->next(s->arg, &chunk);
        if (rv < 0) {
            transport_stream_finish(s, rv);
            return;
        }
        INVARIANT(chunk.len <= LIMIT_SNAPSHOT_CHUNK_BYTES);
        uint8_t last = rv == 0;
        s->sent_last = last != 0;
        link_send(s->link, slice_make(&last, 1), &chunk);
    }
}

static void stream_connected(struct link *l)
{
    conn_set_high_water(l->conn, PEER_STREAM_HIGH_BYTES);
    link_say_hello(l, PEER_KIND_STREAM, l->stream->to, l->stream->stream_id);
}

static int stream_answered(struct link *l, struct slice payload)
{
    struct transport_stream *s = l->stream;
    struct peer_answer answer;
    int rv = peer_answer_decode(payload, &answer);
    if (rv != 0) {
        return rv;
    }
    if (peer_code_refuses(answer.code)) {
        return E_MISMATCH;
    }
    if (!l->greeted) {
        if (answer.code != PEER_WELCOME) {
            return E_PROTO;
        }
        l->greeted = true;
        l->deadline_ms = 0;
        stream_pump(s);
        return 0;
    }
    if (answer.code == PEER_RECEIVED && s->sent_last) {
        transport_stream_finish(s, 0);
        return 0;
    }
    if (answer.code != PEER_ALIVE) {
        return E_PROTO;
    }
    /* Bytes that still wait here or in the kernel have to be answered in their turn. */
    l->deadline_ms = loop_now_ms(l->t->options.loop) + PEER_SILENCE_MS;
    return 0;
}

static void stream_drained(struct link *l)
{
    INVARIANT(l->greeted); /* a hello does not congest a connection */
    stream_pump(l->stream);
}

static void stream_closed(struct link *l, int status)
{
    struct transport_stream *s = l->stream;
    s->link = NULL;
    transport_stream_finish(s, status);
}

static const struct link_ops STREAM_OPS = {
    .connected = stream_connected,
    .frame = stream_answered,
    .drain = stream_drained,
    .closed = stream_closed,
};

struct transport_stream *transport_stream_start(
    struct transport *t, uint64_t to, uint64_t stream_id, int (*next)(void *arg, struct buf *out),
    void (*done)(void *arg, int status), void *arg)
{
    PRE(!t->closing);
    struct peer *p = u64map_get(&t->peers, to);
    struct transport_stream *s = mem_zalloc(sizeof *s);
    s->t = t;
    s->to = to;
    s->stream_id = stream_id;
    s->next = next;
    s->done = done;
    s->arg = arg;
    ready_init(&s->ready, stream_on_ready);
    list_init(&s->node);
    list_push_back(&t->streams, &s->node);
    if (p == NULL) {
        transport_stream_finish(s, E_NOTFOUND);
    } else {
        s->link = link_connect(t, p->address, &STREAM_OPS);
        s->link->stream = s;
    }
    return s;
}

void transport_stream_cancel(struct transport_stream *s)
{
    transport_stream_finish(s, E_CANCELED);
}
