/* Snapshot streams of raft/transport.h: pulled chunk by chunk, delivered in order, broken now and
 * then.
 *
 *     start -> EV_PULL (sender: next()) -> EV_CHUNK (receiver: on_stream) ... last
 *           -> EV_STREAM_END (sender: done)
 *
 * A break is told to both ends, each at its own time; the confirmation of a whole stream may be
 * lost. */
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "tests/sim/net.h"

struct transport_stream {
    struct list link;
    struct transport *t;
    unsigned to;
    uint64_t to_life;
    uint64_t id;
    uint64_t serial; /* unique in the run */
    int (*next)(void *arg, struct buf *out);
    void (*done)(void *arg, int status);
    void *arg;
    bool began;
    bool ending;     /* EV_STREAM_END is posted */
    uint64_t arrival;
};

/* The receiving end of one stream. */
struct incoming {
    struct list link;
    unsigned from;
    uint64_t serial;
    uint64_t id;
};

struct chunk {
    unsigned from;
    uint64_t from_member;
    uint64_t from_life;
    uint64_t serial;
    uint64_t id;
    bool first, last, broken;
    size_t len;
    uint8_t data[];
};

struct end {
    int status;
};

static struct transport_stream *stream_find(struct transport *t, uint64_t serial)
{
    LIST_FOREACH(it, &t->streams)
    {
        struct transport_stream *x = LIST_ENTRY(it, struct transport_stream, link);
        if (x->serial == serial) {
            return x;
        }
    }
    return NULL;
}

static void end_post(struct sim *s, struct node *sender, uint64_t serial, uint64_t delay,
                     int status)
{
    struct end *end = mem_alloc(sizeof *end);
    end->status = status;
    sim_post(s, s->now + delay, EV_STREAM_END, sender, serial, end);
}

static void chunk_post(struct transport_stream *x, struct slice bytes, bool last, bool broken)
{
    struct sim *s = x->t->node->sim;
    struct chunk *c = mem_zalloc(sizeof *c + bytes.len);
    c->from = x->t->node->id;
    c->from_member = x->t->node->member_id;
    c->from_life = x->t->node->gen;
    c->serial = x->serial;
    c->id = x->id;
    c->first = !x->began;
    c->last = last;
    c->broken = broken;
    c->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(c->data, bytes.data, bytes.len);
    }
    uint64_t t = s->now + net_delay(s);
    x->arrival = t > x->arrival ? t : x->arrival + 1;
    x->began = true;
    sim_post(s, x->arrival, EV_CHUNK, &s->nodes[x->to], x->serial, c);
}

static void stream_end(struct transport_stream *x, int status, uint64_t delay)
{
    if (x->ending) {
        return;
    }
    x->ending = true;
    if (status != 0 && x->began) {
        chunk_post(x, slice_make(NULL, 0), false, true);
    }
    end_post(x->t->node->sim, x->t->node, x->serial, delay, status);
}

struct transport_stream *transport_stream_start(
    struct transport *t, uint64_t to, uint64_t stream_id, int (*next)(void *arg, struct buf *out),
    void (*done)(void *arg, int status), void *arg)
{
    struct sim *s = t->node->sim;
    struct transport_stream *x = mem_zalloc(sizeof *x);
    PRE(!t->closing);
    x->t = t;
    x->id = stream_id;
    x->serial = ++s->stream_serial;
    x->next = next;
    x->done = done;
    x->arg = arg;
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        x->to = t->peers[i].id == to ? i : x->to;
    }
    list_init(&x->link);
    list_push_back(&t->streams, &x->link);
    if (x->to == 0 || !t->peers[x->to].known) {
        stream_end(x, E_NOTFOUND, 0);
        return x;
    }
    x->to_life = s->nodes[x->to].gen;
    sim_post(s, s->now + 3 * net_delay(s), EV_PULL, t->node, x->serial, NULL);
    return x;
}

void transport_stream_cancel(struct transport_stream *x)
{
    stream_end(x, E_CANCELED, 0);
}

static void stream_pull(struct node *n, void *arg)
{
    struct transport_stream *x = arg;
    struct sim *s = n->sim;
    struct node *to = &s->nodes[x->to];
    bool breaks = (s->o.faults & FAULT_STREAM) != 0 && !s->healed && rng_chance(&s->rng, 0.1);
    if (!net_reachable(n, to) || to->gen != x->to_life || breaks) {
        stream_end(x, E_CLOSED, net_delay(s));
        return;
    }
    net_introduce(n, to);
    autobuf chunk = BUF_INIT;
    int rv = x->next(x->arg, &chunk);
    if (x->ending) {
        return;
    }
    if (rv < 0) {
        stream_end(x, rv, 0);
        return;
    }
    INVARIANT(chunk.len <= LIMIT_SNAPSHOT_CHUNK_BYTES);
    chunk_post(x, buf_slice(&chunk), rv == 0, false);
    if (rv != 0) {
        sim_post(s, s->now + s->o.chunk_us, EV_PULL, n, x->serial, NULL);
    } else {
        /* No confirmation for long: the sender gives up. */
        sim_post(s, s->now + 4000000, EV_PULL, n, x->serial, NULL);
        x->to_life = 0;
    }
}

void sim_net_pull(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    struct transport_stream *x = n->transport != NULL ? stream_find(n->transport, e->a) : NULL;
    if (x != NULL && !x->ending) {
        node_enter(n, stream_pull, x);
    }
}

static void incoming_drop(struct incoming *in)
{
    list_remove(&in->link);
    mem_free(in);
}

static struct incoming *incoming_find(struct transport *t, const struct chunk *c)
{
    LIST_FOREACH(it, &t->incoming)
    {
        struct incoming *in = LIST_ENTRY(it, struct incoming, link);
        if (in->serial == c->serial) {
            return in;
        }
    }
    if (!c->first || c->broken) {
        return NULL;
    }
    struct incoming *in = mem_zalloc(sizeof *in);
    in->from = c->from;
    in->serial = c->serial;
    in->id = c->id;
    list_init(&in->link);
    list_push_back(&t->incoming, &in->link);
    return in;
}

static void chunk_deliver(struct node *n, void *arg)
{
    const struct chunk *c = arg;
    struct sim *s = n->sim;
    struct transport *t = n->transport;
    struct node *sender = &s->nodes[c->from];
    struct incoming *in = incoming_find(t, c);
    if (in == NULL) {
        return;
    }
    uint64_t from = c->from_member;
    bool known = t->peers[c->from].known && t->peers[c->from].id == from;
    if (c->broken || !known || s->cut[c->from][n->id]) {
        incoming_drop(in);
        t->options.on_stream_broken(t->options.arg, from, c->id);
        end_post(s, sender, c->serial, net_delay(s), E_CLOSED);
        return;
    }
    int rv = t->options.on_stream(t->options.arg, from, c->id, slice_make(c->data, c->len),
                                  c->last);
    if (rv != 0 || c->last) {
        incoming_drop(in);
        bool lost = rv == 0 && !s->healed && rng_chance(&s->rng, 0.05);
        end_post(s, sender, c->serial, net_delay(s), rv != 0 ? E_CLOSED : lost ? E_TIMEOUT : 0);
    }
}

void sim_net_chunk(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    if (n->transport != NULL && !n->transport->closing) {
        node_enter(n, chunk_deliver, e->p);
    }
}

static void stream_done(struct node *n, void *arg)
{
    struct event *e = arg;
    struct transport_stream *x = stream_find(n->transport, e->a);
    int status = ((struct end *)e->p)->status;
    list_remove(&x->link);
    x->done(x->arg, status);
    mem_free(x);
}

void sim_net_stream_end(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    if (n->transport != NULL && stream_find(n->transport, e->a) != NULL) {
        node_enter(n, stream_done, e);
    }
}

/* --- ends ------------------------------------------------------------------------------------- */

void net_streams_end_peer(struct transport *t, unsigned slot)
{
    LIST_FOREACH(it, &t->streams)
    {
        struct transport_stream *x = LIST_ENTRY(it, struct transport_stream, link);
        if (x->to == slot) {
            stream_end(x, E_NOTFOUND, 0);
        }
    }
}

void net_streams_cancel(struct transport *t)
{
    struct list *it;
    while ((it = list_pop_front(&t->streams)) != NULL) {
        struct transport_stream *x = LIST_ENTRY(it, struct transport_stream, link);
        if (x->began && !x->ending) {
            chunk_post(x, slice_make(NULL, 0), false, true);
        }
        x->done(x->arg, E_CANCELED);
        mem_free(x);
    }
}

/* The process is gone: its streams break at the other end. */
void net_streams_free(struct transport *t)
{
    struct list *it;
    while ((it = list_pop_front(&t->streams)) != NULL) {
        struct transport_stream *x = LIST_ENTRY(it, struct transport_stream, link);
        if (x->began && !x->ending) {
            chunk_post(x, slice_make(NULL, 0), false, true);
        }
        mem_free(x);
    }
    while ((it = list_pop_front(&t->incoming)) != NULL) {
        mem_free(LIST_ENTRY(it, struct incoming, link));
    }
}
