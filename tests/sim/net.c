/* raft/transport.h over a simulated network, at the level of whole frames.
 *
 * A frame may be lost, late, repeated and (unless the run is FIFO) out of order; a cut direction
 * loses everything. A peer is `up` as a connection would be: it comes up some time after both ends
 * reach each other and the other knows us, goes down at once or after 3 s of silence, and never
 * outlives either process. Frames to a machine's former life are lost with it. Streams (stream.c)
 * are in order and whole up to where they break. */
#include "tests/sim/net.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"

enum {
    LINK_CHECK_LO_US = 50000,
    LINK_CHECK_HI_US = 600000,
    LINK_SILENCE_US = 3000000,
};

/* --- reachability ----------------------------------------------------------------------------- */

bool net_cut(const struct sim *s, const struct node *a, const struct node *b)
{
    return s->cut[a->id][b->id] || s->cut[b->id][a->id];
}

/* Would the other end welcome us now? */
bool net_reachable(const struct node *from, const struct node *to)
{
    if (!to->up || to->transport == NULL || to->transport->closing) {
        return false;
    }
    const struct peer_slot *p = &to->transport->peers[from->id];
    return to->paused_until <= to->sim->now && !(p->removed && p->id == from->member_id) &&
           !net_cut(from->sim, from, to);
}

uint64_t net_delay(struct sim *s)
{
    uint64_t d = rng_range(&s->rng, s->o.delay_lo_us, s->o.delay_hi_us);
    if (!s->healed && s->o.late > 0 && rng_chance(&s->rng, s->o.late)) {
        d += rng_range(&s->rng, 1000, 300000);
    }
    return d;
}

/* --- connections ------------------------------------------------------------------------------ */

static void link_post(struct transport *t, unsigned slot)
{
    struct sim *s = t->node->sim;
    uint64_t wait = rng_range(&s->rng, LINK_CHECK_LO_US, LINK_CHECK_HI_US);
    if (t->peers[slot].fresh) {
        wait = rng_range(&s->rng, 500, 20000);
        t->peers[slot].fresh = false;
    }
    sim_post(s, s->now + wait, EV_LINK, t->node,
             (uint64_t)slot << 32 | t->peers[slot].version, NULL);
}

static void peer_known(struct transport *t, unsigned slot, uint64_t id)
{
    struct peer_slot *p = &t->peers[slot];
    if (p->id != id) {
        *p = (struct peer_slot){ .id = id, .version = p->version };
        net_streams_end_peer(t, slot);
    }
    p->removed = false;
    if (!p->known) {
        p->known = true;
        p->fresh = true;
        p->version++;
        link_post(t, slot);
    }
}

void net_introduce(const struct node *from, struct node *to)
{
    peer_known(to->transport, from->id, from->member_id);
}

static void link_set(struct transport *t, unsigned slot, bool up)
{
    struct peer_slot *p = &t->peers[slot];
    p->up = up;
    p->silent_since = 0;
    p->life = t->node->sim->nodes[slot].gen;
    if (t->options.on_peer != NULL) {
        t->options.on_peer(t->options.arg, t->node->sim->nodes[slot].member_id, up);
    }
}

static void link_check(struct node *n, void *arg)
{
    unsigned slot = *(unsigned *)arg;
    struct sim *s = n->sim;
    struct peer_slot *p = &n->transport->peers[slot];
    struct node *to = &s->nodes[slot];
    bool reachable = net_reachable(n, to) && to->member_id == p->id;
    if (!p->up) {
        if (reachable && rng_chance(&s->rng, 0.8)) {
            net_introduce(n, to);
            link_set(n->transport, slot, true);
        }
        return;
    }
    if (to->gen != p->life) {
        link_set(n->transport, slot, false);
        p->fresh = true;
        return;
    }
    if (reachable) {
        p->silent_since = 0;
    } else if (p->silent_since == 0) {
        p->silent_since = s->now;
    } else if (s->now - p->silent_since > LINK_SILENCE_US) {
        link_set(n->transport, slot, false);
    }
}

void sim_net_link(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    unsigned slot = (unsigned)(e->a >> 32);
    if (n->transport == NULL || n->transport->closing || !n->transport->peers[slot].known ||
        n->transport->peers[slot].version != (uint32_t)e->a) {
        return;
    }
    node_enter(n, link_check, &slot);
    if (n->up && n->gen == e->gen && n->transport != NULL && n->transport->peers[slot].known &&
        n->transport->peers[slot].version == (uint32_t)e->a) {
        link_post(n->transport, slot);
    }
}

/* --- the transport's calls -------------------------------------------------------------------- */

static unsigned slot_of(const struct transport *t, uint64_t member_id)
{
    for (unsigned i = 1; i <= t->node->sim->n_nodes; i++) {
        if (t->peers[i].id == member_id) {
            return i;
        }
    }
    return 0;
}

int transport_open(const struct transport_options *options, struct transport **ret_transport,
                   struct err *err)
{
    struct node *n = sim_loop_node(options->loop);
    (void)err;
    INVARIANT(n->transport == NULL && options->member_id == n->member_id);
    struct transport *t = mem_zalloc(sizeof *t);
    t->node = n;
    t->options = *options;
    list_init(&t->streams);
    list_init(&t->incoming);
    list_init(&t->knocks);
    ready_init(&t->closed_ready, net_on_closed);
    n->transport = t;
    *ret_transport = t;
    return 0;
}

const char *transport_listen_address(const struct transport *t)
{
    return t->options.listen_address;
}

void net_transport_free(struct transport *t)
{
    net_streams_free(t);
    net_knocks_free(t);
    if (t->node->transport == t) {
        t->node->transport = NULL;
    }
    mem_free(t);
}

void net_on_closed(struct ready *self)
{
    struct transport *t = CONTAINER_OF(self, struct transport, closed_ready);
    void (*closed)(void *arg) = t->closed;
    void *arg = t->closed_arg;
    net_streams_cancel(t);
    net_transport_free(t);
    if (closed != NULL) {
        closed(arg);
    }
}

void transport_close(struct transport *t, void (*closed)(void *arg), void *arg)
{
    PRE(!t->closing);
    t->closing = true;
    t->closed = closed;
    t->closed_arg = arg;
    loop_ready(t->options.loop, &t->closed_ready);
}

void transport_abandon(struct transport *t)
{
    ready_cancel(&t->closed_ready);
    net_transport_free(t);
}

void transport_peer_set(struct transport *t, uint64_t id, const char *address)
{
    unsigned number = 0;
    PRE(!t->closing && id != t->node->member_id);
    INVARIANT(sscanf(address, "10.0.0.%u:", &number) == 1);
    INVARIANT(number >= 1 && number <= t->node->sim->n_nodes);
    /* A machine has one place here, where real members are told apart by id: who is no more, and
     * who never came (its id was given out and not heard of), does not take it from whoever
     * runs. */
    const struct node *at = &t->node->sim->nodes[number];
    bool taken = at->transport != NULL && at->member_id == t->peers[number].id;
    if (!node_was(at, id) && (!taken || at->member_id == id)) {
        peer_known(t, number, id);
    }
}

void transport_peer_remove(struct transport *t, uint64_t id)
{
    unsigned slot = slot_of(t, id);
    if (slot != 0) {
        uint32_t version = t->peers[slot].version + 1;
        t->peers[slot] = (struct peer_slot){ .id = id, .version = version, .removed = true };
        net_streams_end_peer(t, slot);
    }
}

bool transport_peer_up(const struct transport *t, uint64_t id)
{
    unsigned slot = slot_of(t, id);
    return slot != 0 && t->peers[slot].up;
}

uint64_t transport_dropped(const struct transport *t)
{
    return t->dropped;
}

static void frame_post(struct sim *s, struct node *from, struct node *to, struct slice bytes)
{
    uint64_t t = s->now + net_delay(s);
    if ((s->o.faults & FAULT_REORDER) == 0) {
        uint64_t *last = &s->last_arrival[from->id][to->id];
        t = t <= *last ? *last + 1 : t;
        *last = t;
    }
    struct frame *f = mem_alloc(sizeof *f + bytes.len);
    f->from = from->id;
    f->from_member = from->member_id;
    f->len = bytes.len;
    memcpy(f->data, bytes.data, bytes.len);
    sim_post(s, t, EV_FRAME, to, 0, f);
}

void transport_send(struct transport *t, uint64_t to, struct buf *b)
{
    struct sim *s = t->node->sim;
    unsigned slot = slot_of(t, to);
    PRE(b->len > 0 && b->len <= LIMIT_PEER_FRAME_BYTES);
    check_sending(t->node, to, buf_slice(b));
    s->stats->frames++;
    if (slot == 0 || !t->peers[slot].up || t->closing) {
        t->dropped++;
        buf_reset(b);
        return;
    }
    struct node *target = &s->nodes[slot];
    bool lossy = !s->healed;
    if (s->cut[t->node->id][slot] || !target->up ||
        (lossy && rng_chance(&s->rng, s->o.loss))) {
        s->stats->frames_lost++;
    } else {
        frame_post(s, t->node, target, buf_slice(b));
        if (lossy && s->o.duplicate > 0 && rng_chance(&s->rng, s->o.duplicate)) {
            frame_post(s, t->node, target, buf_slice(b));
        }
    }
    buf_reset(b);
}

static void frame_deliver(struct node *n, void *arg)
{
    struct frame *f = arg;
    struct transport *t = n->transport;
    t->options.on_frame(t->options.arg, f->from_member, slice_make(f->data, f->len));
}

/* One that goes on reads its connections one by one, each in its order: what waited at one may come
 * after what happens now at another. */
uint64_t sim_net_held(const struct node *n, const struct event *e)
{
    enum { APART_US = 5000 };
    const struct frame *f = e->p;
    return n->paused_until == 0 ? 0
                                : n->paused_until + hash_u64(n->paused_until + f->from) % APART_US;
}

void sim_net_frame(struct sim *s, struct event *e)
{
    struct node *n = &s->nodes[e->node];
    struct frame *f = e->p;
    if (n->transport == NULL || n->transport->closing || s->cut[f->from][n->id] ||
        !n->transport->peers[f->from].known || n->transport->peers[f->from].id != f->from_member) {
        s->stats->frames_lost++;
        return;
    }
    sim_trace(s, hash_bytes(f->data, f->len));
    node_enter(n, frame_deliver, f);
}
