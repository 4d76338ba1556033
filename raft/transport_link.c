/* The life of one peer connection: bytes to frames and back, deadlines, the end. See the header. */
#include "raft/transport_link.h"

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

static void link_free(struct link *l)
{
    struct transport *t = l->t;
    list_remove(&l->node);
    timer_stop(&l->resume);
    buf_fini(&l->in);
    mem_free(l);
    transport_maybe_closed(t);
}

/* --- from the conn ---------------------------------------------------------------------------- */

static void link_pause(struct link *l)
{
    l->paused = true;
    conn_pause_read(l->conn, true);
    timer_start(&l->resume, PEER_RESUME_MS);
}

/* Hands on whole frames; keeps the rest. `bytes` are those of l->in when they are held. */
static void link_take(struct link *l, struct slice bytes, bool held)
{
    for (;;) {
        struct slice rest = bytes;
        struct slice payload;
        int rv = peer_frame_next(&rest, l->frame_max, &payload);
        if (rv == 0) {
            break;
        }
        rv = rv < 0 ? rv : l->ops->frame(l, payload);
        if (l->closing) {
            return;
        }
        if (rv == E_NOTREADY) {
            link_pause(l);
            break;
        }
        if (rv != 0) {
            link_fail(l, rv);
            return;
        }
        bytes = rest;
    }
    if (held) {
        buf_consume(&l->in, l->in.len - bytes.len);
    } else {
        buf_append_slice(&l->in, bytes);
    }
    if (l->in.len == 0) {
        buf_fini(&l->in); /* an idle link keeps no memory of its largest frame */
    }
}

static void link_on_read(void *arg, struct slice bytes)
{
    struct link *l = arg;
    if (l->closing) {
        return;
    }
    l->heard = true;
    if (l->in.len == 0) {
        link_take(l, bytes, false);
        return;
    }
    buf_append_slice(&l->in, bytes);
    if (!l->paused) {
        link_take(l, buf_slice(&l->in), true);
    }
}

static void link_on_resume(struct timer *self)
{
    struct link *l = CONTAINER_OF(self, struct link, resume);
    if (l->closing) {
        return;
    }
    l->paused = false;
    conn_pause_read(l->conn, false);
    link_take(l, buf_slice(&l->in), true);
}

static void link_on_drain(void *arg)
{
    struct link *l = arg;
    if (!l->closing && l->ops->drain != NULL) {
        l->ops->drain(l);
    }
}

static void link_on_close(void *arg, int status)
{
    struct link *l = arg;
    l->conn = NULL;
    if (!l->closing) {
        l->closing = true;
        l->ops->closed(l, status != 0 ? status : E_CLOSED);
    }
    link_free(l);
}

static const struct conn_events LINK_EVENTS = {
    .on_read = link_on_read,
    .on_drain = link_on_drain,
    .on_close = link_on_close,
};

/* --- start ------------------------------------------------------------------------------------ */

static struct link *link_new(struct transport *t, const struct link_ops *ops)
{
    struct link *l = mem_zalloc(sizeof *l);
    l->t = t;
    l->ops = ops;
    l->frame_max = PEER_HELLO_MAX_BYTES;
    list_init(&l->node);
    list_push_back(&t->links, &l->node);
    timer_init(t->options.loop, &l->resume, link_on_resume);
    return l;
}

static void link_attach(struct link *l, struct conn *conn)
{
    l->conn = conn;
    l->deadline_ms = loop_now_ms(l->t->options.loop) + PEER_HELLO_TIMEOUT_MS;
    conn_set_events(conn, &LINK_EVENTS, l);
}

static void link_connect_done(void *arg, int status, struct conn *c, const struct err *err)
{
    struct link *l = arg;
    (void)err;
    l->connect = NULL;
    if (status == 0) {
        link_attach(l, c);
        if (l->closing) {
            conn_close(c);
        } else {
            l->ops->connected(l);
        }
        return;
    }
    if (!l->closing) {
        l->closing = true;
        l->ops->closed(l, status);
    }
    link_free(l);
}

struct link *link_connect(struct transport *t, const char *address, const struct link_ops *ops)
{
    struct link *l = link_new(t, ops);
    l->outgoing = true;
    l->connect = conn_connect(t->options.loop, address, PEER_CONNECT_TIMEOUT_MS, link_connect_done,
                              l);
    return l;
}

struct link *link_accept(struct transport *t, struct conn *conn, const struct link_ops *ops)
{
    struct link *l = link_new(t, ops);
    link_attach(l, conn);
    return l;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* The first frame that no answer covers yet starts the clock. */
static void silence_begins(struct link *l)
{
    if (l->outgoing && l->greeted && l->deadline_ms == 0) {
        l->deadline_ms = loop_now_ms(l->t->options.loop) + PEER_SILENCE_MS;
    }
}

void link_send(struct link *l, struct slice head, struct buf *body)
{
    uint8_t frame_head[PEER_FRAME_HEAD_BYTES];
    PRE(!l->closing && l->conn != NULL);
    if (l->t->faults != NULL && transport_fault_steals(l)) {
        buf_fini(body);
        silence_begins(l);
        return;
    }
    peer_frame_head(frame_head, head, buf_slice(body));
    conn_write(l->conn, slice_make(frame_head, sizeof frame_head));
    if (head.len > 0) {
        conn_write(l->conn, head);
    }
    if (body->len > 0) {
        conn_write_buf(l->conn, body);
    }
    silence_begins(l);
}

void link_say_hello(struct link *l, enum peer_kind kind, uint64_t to, uint64_t stream_id)
{
    const struct transport *t = l->t;
    struct peer_hello hello = {
        .version = PEER_VERSION,
        .kind = kind,
        .cluster_id = t->options.cluster_id,
        .from = t->options.member_id,
        .to = to,
        .stream_id = stream_id,
    };
    autobuf body = BUF_INIT;
    str_copy(hello.name, sizeof hello.name, t->name);
    str_copy(hello.address, sizeof hello.address, t->address);
    peer_hello_encode(&hello, &body);
    link_send(l, slice_make(NULL, 0), &body);
}

void link_answer(struct link *l, enum peer_code code)
{
    autobuf body = BUF_INIT;
    peer_answer_encode(code, peer_code_text(code), &body);
    link_send(l, slice_make(NULL, 0), &body);
}

size_t link_queued(const struct link *l)
{
    PRE(l->conn != NULL);
    return conn_queued(l->conn);
}

/* --- end -------------------------------------------------------------------------------------- */

void link_close(struct link *l)
{
    if (l->closing) {
        return;
    }
    l->closing = true;
    if (l->conn != NULL) {
        conn_close(l->conn);
    } else {
        connect_cancel(l->connect);
    }
}

void link_close_after_flush(struct link *l)
{
    PRE(!l->closing && l->conn != NULL);
    l->closing = true;
    conn_close_after_flush(l->conn, PEER_CONNECT_TIMEOUT_MS);
}

void link_fail(struct link *l, int status)
{
    PRE(!l->closing);
    link_close(l);
    l->ops->closed(l, status);
}

void link_tick(struct link *l, uint64_t now_ms)
{
    if (l->closing || l->conn == NULL) {
        return;
    }
    if (l->deadline_ms != 0 && now_ms >= l->deadline_ms) {
        link_fail(l, E_TIMEOUT);
        return;
    }
    if (!l->outgoing && l->greeted && (l->heard || l->paused)) {
        l->heard = false;
        link_answer(l, PEER_ALIVE);
    }
}
