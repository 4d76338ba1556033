/* What the fault shim does to what this member sends to its peers (docs/faults.md): frames are
 * dropped, doubled, held back; of a cut link nothing goes out at all. Only under a shim.
 *
 * A held frame waits in a heap by its due time. Frames to one peer keep their order (a later one is
 * never due before an earlier one) but for those that are drawn to be overtaken.
 *
 * Raft's frames may be lost, all other bytes may not: a link that lost its hello, its answer or a
 * chunk of a stream is `robbed`. It sends nothing more, and ends at its own deadline or, when the
 * cut is mended before that, at the next tick, so that both sides start anew. */
#include "lib/base/alloc.h"
#include "lib/base/heap.h"
#include "lib/base/limits.h"
#include "lib/io/fault.h"
#include "raft/transport_link.h"

struct held_frame {
    struct heap_item item;
    uint64_t to;
    struct buf body;
};

struct held_frames {
    struct transport *t;
    struct heap heap;
    struct timer timer;
    size_t bytes;
};

/* --- who is who ------------------------------------------------------------------------------- */

static struct fault_name name_of_id(const struct transport *t, uint64_t id)
{
    const struct peer *p = u64map_get(&t->peers, id);
    const struct transport_options *o = &t->options;
    struct fault_name name = { 0 };
    if (o->peer_name != NULL) {
        name.name = o->peer_name(o->arg, id);
    }
    if (p != NULL) {
        name.address = p->address;
        if (name.name == NULL && p->in_link != NULL) {
            name.name = p->in_link->hello.name; /* what it said of itself */
        }
    }
    return name;
}

static struct fault_name far_end(const struct link *l)
{
    if (!l->outgoing) {
        return (struct fault_name){ l->hello.name, l->hello.address };
    }
    return name_of_id(l->t, l->stream != NULL ? l->stream->to : l->peer->id);
}

/* --- held frames ------------------------------------------------------------------------------ */

static void release(struct held_frames *h, struct held_frame *f)
{
    heap_remove(&h->heap, &f->item);
    h->bytes -= f->body.len;
    buf_fini(&f->body);
    mem_free(f);
}

static struct held_frame *first(const struct held_frames *h)
{
    struct heap_item *item = heap_peek(&h->heap);
    return item != NULL ? CONTAINER_OF(item, struct held_frame, item) : NULL;
}

static void on_due(struct timer *timer)
{
    struct held_frames *h = CONTAINER_OF(timer, struct held_frames, timer);
    uint64_t now_ms = loop_now_ms(h->t->options.loop);
    struct held_frame *f;
    while ((f = first(h)) != NULL && f->item.key <= now_ms) {
        transport_send_now(h->t, u64map_get(&h->t->peers, f->to), &f->body);
        release(h, f);
    }
    if (f != NULL) {
        timer_start_at(&h->timer, f->item.key);
    }
}

/* Takes body. */
static void hold(struct transport *t, struct peer *p, struct buf *body, uint64_t due_ms)
{
    struct held_frames *h = t->held;
    if (h->bytes + body->len > LIMIT_PEER_QUEUE_BYTES) {
        t->dropped++;
        buf_fini(body);
        return;
    }
    struct held_frame *f = mem_zalloc(sizeof *f);
    f->to = p->id;
    f->body = *body;
    *body = (struct buf)BUF_INIT;
    h->bytes += f->body.len;
    heap_item_init(&f->item);
    heap_push(&h->heap, &f->item, due_ms);
    timer_start_at(&h->timer, first(h)->item.key);
}

static void send_late(struct transport *t, struct peer *p, struct buf *body,
                      const struct fault_frame *frame)
{
    uint64_t now_ms = loop_now_ms(t->options.loop);
    uint64_t due_ms = now_ms + frame->delay_ms;
    if (!frame->overtaken) {
        due_ms = due_ms > p->held_until_ms ? due_ms : p->held_until_ms;
        p->held_until_ms = due_ms;
    }
    if (due_ms > now_ms) {
        hold(t, p, body, due_ms);
    } else {
        transport_send_now(t, p, body);
    }
}

void transport_fault_send(struct transport *t, struct peer *p, struct buf *body)
{
    struct fault_name to = name_of_id(t, p->id);
    struct fault_frame frame = faults_frame(t->faults, to);
    if (frame.lost) {
        if (faults_cut(t->faults, to)) {
            transport_send_now(t, p, body); /* stolen on its way, so that silence is noticed */
        } else {
            t->dropped++;
            buf_reset(body);
        }
        return;
    }
    if (frame.twice) {
        autobuf copy = BUF_INIT;
        buf_append_slice(&copy, buf_slice(body));
        send_late(t, p, &copy, &frame);
    }
    send_late(t, p, body, &frame);
}

void transport_fault_init(struct transport *t)
{
    t->held = mem_zalloc(sizeof *t->held);
    t->held->t = t;
    heap_init(&t->held->heap);
    timer_init(t->options.loop, &t->held->timer, on_due);
}

void transport_fault_fini(struct transport *t)
{
    struct held_frames *h = TAKE(t->held);
    struct held_frame *f;
    timer_stop(&h->timer);
    while ((f = first(h)) != NULL) {
        release(h, f);
    }
    heap_fini(&h->heap);
    mem_free(h);
}

/* --- cut links -------------------------------------------------------------------------------- */

static bool carries_stream(const struct link *l)
{
    return l->stream != NULL || (!l->outgoing && l->hello.kind == PEER_KIND_STREAM);
}

bool transport_fault_steals(struct link *l)
{
    struct fault_name to = far_end(l);
    bool cut = faults_cut(l->t->faults, to);
    if (l->robbed) {
        return true;
    }
    bool chunk = l->stream != NULL && l->greeted;
    bool lost = cut || (chunk && faults_frame(l->t->faults, to).lost);
    if (lost && (!l->greeted || carries_stream(l))) {
        l->robbed = true;
    }
    return lost;
}

void transport_fault_tick(struct link *l)
{
    if (l->robbed && !l->closing && !faults_cut(l->t->faults, far_end(l))) {
        link_fail(l, E_CLOSED);
    }
}
