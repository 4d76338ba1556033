/* Peers and their outgoing connections; open and close. The contract is transport.h, the bytes are
 * in peer_frame.h, one connection's life in transport_link.h.
 *
 * A peer is always either connected, connecting or waiting for its retry timer:
 *
 *     retry --> connect --> hello --> welcome: up --> (cut, refusal, silence) --> retry
 *
 * Waits double from 50 ms to 1 s, half of each is random, and a welcome starts them anew. The path
 * is watched by the transport itself: a peer that has not answered (PEER_ALIVE) for 3 s to what was
 * sent is cut off and connected anew, since after a partition TCP's own retries may be minutes
 * apart. */
#include "raft/transport.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/fault.h"
#include "raft/transport_link.h"

static void peer_connect(struct peer *p);
static void peer_free(struct peer *p);

static void peer_retry_later(struct peer *p)
{
    uint64_t half = p->backoff_ms / 2;
    timer_start(&p->retry, half + rng_range(&p->t->rng, 0, p->backoff_ms - half));
    p->backoff_ms = p->backoff_ms * 2 < PEER_BACKOFF_MAX_MS ? p->backoff_ms * 2
                                                            : PEER_BACKOFF_MAX_MS;
}

/* Each kind of failure is told once until the peer comes up or fails otherwise. */
static void peer_tell(struct peer *p, int status, const char *text)
{
    if (p->told != status) {
        p->told = status;
        log_warn("raft", "peer unreachable", "peer=%" PRIx64 " address=%s reason=\"%s\"", p->id,
                 p->address, text);
    }
}

static void peer_set_up(struct peer *p, bool up)
{
    struct transport *t = p->t;
    if (p->up == up) {
        return;
    }
    p->up = up;
    transport_count_up(p, up);
    if (t->options.on_peer != NULL) {
        t->options.on_peer(t->options.arg, p->id, up);
    }
}

/* --- one outgoing connection ------------------------------------------------------------------ */

static void peer_connected(struct link *l)
{
    conn_set_high_water(l->conn, LIMIT_PEER_QUEUE_BYTES);
    link_say_hello(l, PEER_KIND_FRAMES, l->peer->id, 0);
}

static void peer_welcomed(struct peer *p, struct link *l)
{
    l->greeted = true;
    l->deadline_ms = 0;
    p->backoff_ms = PEER_BACKOFF_MIN_MS;
    p->told = 0;
    log_info("raft", "peer connected", "peer=%" PRIx64 " address=%s", p->id, p->address);
    peer_set_up(p, true);
}

static int peer_answered(struct link *l, struct slice payload)
{
    struct peer *p = l->peer;
    struct peer_answer answer;
    int rv = peer_answer_decode(payload, &answer);
    if (rv != 0) {
        return rv;
    }
    if (peer_code_refuses(answer.code)) {
        peer_tell(p, E_MISMATCH - (int)answer.code, answer.text);
        p->backoff_ms = PEER_BACKOFF_MAX_MS; /* it will not change its mind in 50 ms */
        return E_MISMATCH;
    }
    if (!l->greeted && answer.code == PEER_WELCOME) {
        peer_welcomed(p, l);
        return 0;
    }
    if (l->greeted && answer.code == PEER_ALIVE) {
        l->deadline_ms = 0;
        return 0;
    }
    return E_PROTO;
}

static void peer_forget(struct peer *p)
{
    struct transport *t = p->t;
    uint64_t id = p->id;
    bool up = p->up;
    peer_free(p);
    if (up && t->options.on_peer != NULL) {
        t->options.on_peer(t->options.arg, id, false);
    }
}

static void peer_closed(struct link *l, int status)
{
    struct peer *p = l->peer;
    p->link = NULL;
    if (status != E_MISMATCH) {
        peer_tell(p, status, err_text(status));
    }
    if (p->introduced && p->in_link == NULL) {
        peer_forget(p); /* neither side has the other any more */
        return;
    }
    peer_retry_later(p);
    peer_set_up(p, false);
}

static const struct link_ops PEER_OPS = {
    .connected = peer_connected,
    .frame = peer_answered,
    .closed = peer_closed,
};

static void peer_connect(struct peer *p)
{
    INVARIANT(p->link == NULL);
    p->link = link_connect(p->t, p->address, &PEER_OPS);
    p->link->peer = p;
}

static void peer_on_retry(struct timer *self)
{
    peer_connect(CONTAINER_OF(self, struct peer, retry));
}

/* --- the set of peers ------------------------------------------------------------------------- */

static void peer_disconnect(struct peer *p)
{
    timer_stop(&p->retry);
    if (p->link != NULL) {
        link_close(p->link);
        p->link = NULL;
    }
}

/* Who introduced itself gives way to who was configured. */
static void evict_introduced(struct transport *t)
{
    size_t at = 0;
    struct u64map_entry *e;
    while (t->peers.n >= LIMIT_PEERS && (e = u64map_next(&t->peers, &at)) != NULL) {
        struct peer *p = e->value;
        if (p->introduced) {
            peer_free(p);
        }
    }
}

void transport_introduce(struct transport *t, uint64_t id, const char *address)
{
    transport_peer_set(t, id, address);
    ((struct peer *)u64map_get(&t->peers, id))->introduced = true;
}

void transport_peer_set(struct transport *t, uint64_t id, const char *address)
{
    PRE(id != 0 && id != t->options.member_id && !t->closing);
    struct peer *p = u64map_get(&t->peers, id);
    if (p != NULL) {
        p->introduced = false;
        transport_count_member(p);
    }
    if (p != NULL && str_eq(p->address, address)) {
        return;
    }
    if (p == NULL) {
        evict_introduced(t);
        INVARIANT(t->peers.n < LIMIT_PEERS);
        p = mem_zalloc(sizeof *p);
        p->t = t;
        p->id = id;
        timer_init(t->options.loop, &p->retry, peer_on_retry);
        u64map_put(&t->peers, id, p);
        u64map_remove(&t->removed, id);
    } else {
        peer_disconnect(p);
        p->up = false; /* its user asked for the change: no callback inside the call */
    }
    str_copy(p->address, sizeof p->address, address);
    p->backoff_ms = PEER_BACKOFF_MIN_MS;
    p->told = 0;
    peer_connect(p);
}

static void peer_free(struct peer *p)
{
    peer_disconnect(p);
    if (p->in_link != NULL) {
        link_close(p->in_link);
    }
    u64map_remove(&p->t->peers, p->id);
    mem_free(p);
}

/* A stream goes with its peer, in both directions. */
static void peer_end_streams(struct transport *t, uint64_t id)
{
    LIST_FOREACH(it, &t->streams)
    {
        struct transport_stream *s = LIST_ENTRY(it, struct transport_stream, node);
        if (s->to == id) {
            transport_stream_finish(s, E_NOTFOUND);
        }
    }
    LIST_FOREACH(it, &t->links)
    {
        struct link *l = LIST_ENTRY(it, struct link, node);
        if (l->outgoing || !l->greeted || l->hello.from != id) {
            continue;
        }
        if (l->hello.kind == PEER_KIND_STREAM) {
            l->deadline_ms = 1; /* the next tick breaks it, and then its receiver is told */
        } else {
            link_close(l);
        }
    }
}

void transport_peer_remove(struct transport *t, uint64_t id)
{
    struct peer *p = u64map_get(&t->peers, id);
    u64map_put(&t->removed, id, t);
    if (p != NULL) {
        peer_end_streams(t, id);
        p->in_link = NULL;
        peer_free(p);
    }
}

bool transport_peer_up(const struct transport *t, uint64_t id)
{
    const struct peer *p = u64map_get(&t->peers, id);
    return p != NULL && p->up;
}

void transport_send(struct transport *t, uint64_t to, struct buf *b)
{
    PRE(b->len > 0 && b->len <= LIMIT_PEER_FRAME_BYTES);
    struct peer *p = u64map_get(&t->peers, to);
    if (t->faults != NULL && p != NULL && p->up) {
        transport_fault_send(t, p, b);
    } else {
        transport_send_now(t, p, b);
    }
}

void transport_send_now(struct transport *t, struct peer *p, struct buf *b)
{
    if (p == NULL || !p->up || link_queued(p->link) + b->len > LIMIT_PEER_QUEUE_BYTES) {
        t->dropped++;
        if (p != NULL) {
            transport_count_sent(p, b->len, true);
        }
        buf_reset(b);
        return;
    }
    transport_count_sent(p, b->len, false);
    link_send(p->link, slice_make(NULL, 0), b);
}

uint64_t transport_dropped(const struct transport *t)
{
    return t->dropped;
}

/* --- open and close --------------------------------------------------------------------------- */

static void transport_on_tick(struct timer *self)
{
    struct transport *t = CONTAINER_OF(self, struct transport, tick);
    uint64_t now_ms = loop_now_ms(t->options.loop);
    /* Links are freed only from the loop, never while one is looked at. */
    LIST_FOREACH(it, &t->links)
    {
        struct link *l = LIST_ENTRY(it, struct link, node);
        if (t->faults != NULL) {
            transport_fault_tick(l);
        }
        link_tick(l, now_ms);
        if (t->closing) {
            return;
        }
    }
    timer_start(&t->tick, PEER_TICK_MS);
}

static void transport_on_closed(struct ready *self)
{
    struct transport *t = CONTAINER_OF(self, struct transport, closed_ready);
    void (*closed)(void *arg) = t->closed;
    void *arg = t->closed_arg;
    u64map_fini(&t->peers);
    u64map_fini(&t->removed);
    u64map_fini(&t->refused);
    mem_free(t->name);
    mem_free(t->address);
    mem_free(t);
    if (closed != NULL) {
        closed(arg);
    }
}

void transport_maybe_closed(struct transport *t)
{
    if (t->closing && list_empty(&t->links) && list_empty(&t->streams)) {
        loop_ready(t->options.loop, &t->closed_ready);
    }
}

int transport_open(const struct transport_options *options, struct transport **ret_transport,
                   struct err *err)
{
    PRE(options->member_id != 0 && options->on_frame != NULL && options->on_stream != NULL);
    struct transport *t = mem_zalloc(sizeof *t);
    t->options = *options;
    list_init(&t->links);
    list_init(&t->streams);
    int rv = listener_open(options->loop, options->listen_address, transport_on_accept, t,
                           &t->listener, err);
    if (rv != 0) {
        mem_free(t);
        return rv;
    }
    listener_for_peers(t->listener);
    t->name = mem_strdup(options->name != NULL ? options->name : "");
    t->address = mem_strdup(options->address != NULL ? options->address
                                                     : listener_address(t->listener));
    u64map_init(&t->peers);
    u64map_init(&t->removed);
    u64map_init(&t->refused);
    /* Members differ in their waits, and one member's are the same on every run. */
    rng_init(&t->rng, options->cluster_id ^ hash_u64(options->member_id));
    ready_init(&t->closed_ready, transport_on_closed);
    t->faults = loop_faults(options->loop);
    if (t->faults != NULL) {
        transport_fault_init(t);
    }
    timer_init(options->loop, &t->tick, transport_on_tick);
    timer_start(&t->tick, PEER_TICK_MS);
    *ret_transport = t;
    return 0;
}

const char *transport_listen_address(const struct transport *t)
{
    return listener_address(t->listener);
}

void transport_close(struct transport *t, void (*closed)(void *arg), void *arg)
{
    PRE(!t->closing);
    t->closing = true;
    t->closed = closed;
    t->closed_arg = arg;
    timer_stop(&t->tick);
    if (t->faults != NULL) {
        transport_fault_fini(t);
    }
    listener_close(t->listener);
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&t->peers, &at)) != NULL) {
        peer_free(e->value);
    }
    LIST_FOREACH(it, &t->streams)
    {
        transport_stream_finish(LIST_ENTRY(it, struct transport_stream, node), E_CANCELED);
    }
    LIST_FOREACH(it, &t->links)
    {
        link_close(LIST_ENTRY(it, struct link, node));
    }
    transport_maybe_closed(t);
}

void transport_abandon(struct transport *t)
{
    LIST_FOREACH(it, &t->streams)
    {
        LIST_ENTRY(it, struct transport_stream, node)->done = NULL;
    }
    transport_close(t, NULL, NULL);
}
