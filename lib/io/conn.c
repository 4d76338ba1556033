/* A stream connection: reading into the loop's one buffer, writing once a turn.
 *
 * Writing: conn_write* only queue and put the conn on loop->dirty. At the end of the turn the
 * whole queue is tried with writev at once (uv_try_write); what the socket does not take is
 * handed to libuv in slices of WRITE_SLICE_BYTES, each followed by another try, so the queue's
 * size is known to a slice and a source that waits for on_drain is woken in time.
 *
 * Closing: every way out (our close, the peer's, an error, the linger's end) goes through
 * conn_end, which closes the handle; libuv's close callback, later in the turn, tells on_close
 * and frees. While conn_close_after_flush is at work, input is read and thrown away until the
 * peer closes too: a close with unread input would make the kernel send a reset, and the peer
 * could lose our last bytes. */
#include "lib/io/conn.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"

enum {
    WRITE_VECTORS = 128,
    WRITE_SLICE_BYTES = 256 * 1024,
    KEEPALIVE_S = 30,
    NAME_MAX_BYTES = ADDRESS_TEXT_MAX,
};

static void flush(struct conn *c);

/* --- end ------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct loop *loop = c->loop;

    outq_fini(&c->out, &loop->out_pool);
    list_remove(&c->all);
    loop->n_conns--;
    if (c->has_events && c->events.on_close != NULL) {
        c->events.on_close(c->arg, c->status);
    }
    mem_free(c->peer_name);
    mem_free(c->local_name);
    mem_free(c->target);
    mem_free(c);
    listeners_resume(loop);
}

static void conn_end(struct conn *c, int status)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    c->status = c->last_words ? E_CANCELED : status;
    list_remove(&c->dirty);
    timer_stop(&c->linger);
    uv_close(&c->u.handle, on_closed);
}

static void on_linger_end(struct timer *t)
{
    conn_end(CONTAINER_OF(t, struct conn, linger), E_CANCELED);
}

/* --- beginning ------------------------------------------------------------------------------- */

struct conn *conn_new(struct loop *loop, enum conn_kind kind)
{
    struct conn *c = mem_zalloc(sizeof *c);
    int rv = kind == CONN_TCP ? uv_tcp_init(&loop->uv, &c->u.tcp)
                              : uv_pipe_init(&loop->uv, &c->u.pipe, 0);

    PRE(rv == 0);
    c->loop = loop;
    c->kind = kind;
    c->u.handle.data = c;
    c->write.data = c;
    c->connect.data = c;
    c->high_bytes = LIMIT_CONN_QUEUE_BYTES;
    list_init(&c->all);
    list_push_back(&loop->conns, &c->all);
    list_init(&c->dirty);
    timer_init(loop, &c->linger, on_linger_end);
    loop->n_conns++;
    return c;
}

int conn_open_fd(struct conn *c, int fd)
{
    int rv = c->kind == CONN_TCP ? uv_tcp_open(&c->u.tcp, fd) : uv_pipe_open(&c->u.pipe, fd);
    return io_status(rv);
}

typedef int (*name_of_fn)(int fd, struct sockaddr *name, socklen_t *len);

static char *socket_name(int fd, name_of_fn name_of)
{
    union socket_address s = { .storage = { 0 } };
    socklen_t len = sizeof s;
    char text[NAME_MAX_BYTES];

    if (name_of(fd, &s.any, &len) != 0) {
        return mem_strdup("gone");
    }
    address_format(&s, len, text, sizeof text);
    return mem_strdup(text);
}

static int local_name_of(int fd, struct sockaddr *name, socklen_t *len)
{
    return getsockname(fd, name, len);
}

static int peer_name_of(int fd, struct sockaddr *name, socklen_t *len)
{
    return getpeername(fd, name, len);
}

void conn_established(struct conn *c)
{
    uv_os_fd_t fd = -1;

    uv_fileno(&c->u.handle, &fd);
    c->peer_name = socket_name(fd, peer_name_of);
    c->local_name = socket_name(fd, local_name_of);
    if (c->kind == CONN_TCP) {
        uv_tcp_nodelay(&c->u.tcp, 1);
        uv_tcp_keepalive(&c->u.tcp, 1, KEEPALIVE_S);
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct conn *c = handle->data;

    (void)suggested;
    ret_buf->base = (char *)c->loop->read_buffer;
    ret_buf->len = READ_BUFFER_BYTES;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (n < 0) {
        conn_end(c, n == UV_EOF ? 0 : io_status((int)n));
    } else if (n > 0 && !c->last_words) {
        c->events.on_read(c->arg, slice_make(buf->base, (size_t)n));
    }
}

static void update_reading(struct conn *c)
{
    if (c->closing || !c->has_events) {
        return;
    }
    if (c->stalled || (c->paused && !c->last_words)) {
        uv_read_stop(&c->u.stream);
        return;
    }
    int rv = uv_read_start(&c->u.stream, on_alloc, on_read);
    if (rv != 0 && rv != UV_EALREADY) {
        conn_end(c, io_status(rv));
    }
}

void conn_set_events(struct conn *c, const struct conn_events *events, void *arg)
{
    PRE(!c->has_events);
    PRE(events->on_read != NULL);
    c->events = *events;
    c->arg = arg;
    c->has_events = true;
    update_reading(c);
}

void conn_pause_read(struct conn *c, bool pause)
{
    if (c->paused != pause) {
        c->paused = pause;
        update_reading(c);
    }
}

/* --- writing --------------------------------------------------------------------------------- */

size_t conn_queued(const struct conn *c)
{
    if (c->closing) {
        return 0;
    }
    /* Of what is in flight, libuv knows how much is still to go. */
    return c->out.bytes - c->in_flight +
           (c->in_flight != 0 ? uv_stream_get_write_queue_size(&c->u.stream) : 0);
}

bool conn_congested(const struct conn *c)
{
    return c->congested;
}

void conn_set_high_water(struct conn *c, size_t high_bytes)
{
    c->high_bytes = high_bytes;
}

static bool writable(const struct conn *c)
{
    return !c->closing && !c->last_words;
}

static void queued_more(struct conn *c)
{
    if (list_empty(&c->dirty)) {
        list_push_back(&c->loop->dirty, &c->dirty);
    }
    if (!c->congested && conn_queued(c) > c->high_bytes) {
        c->congested = true;
    }
}

void conn_write(struct conn *c, struct slice bytes)
{
    if (writable(c) && bytes.len != 0) {
        outq_copy(&c->out, &c->loop->out_pool, bytes);
        queued_more(c);
    }
}

void conn_write_value(struct conn *c, struct value *v, size_t from, size_t len)
{
    PRE(from <= v->len);
    PRE(len <= v->len - from);
    if (writable(c) && len != 0) {
        outq_value(&c->out, &c->loop->out_pool, v, from, len);
        queued_more(c);
    }
}

void conn_write_buf(struct conn *c, struct buf *b)
{
    if (writable(c) && b->len != 0) {
        outq_buf(&c->out, &c->loop->out_pool, b);
        queued_more(c);
    } else {
        buf_fini(b);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *c = write->data;
    size_t sent = c->in_flight;

    c->in_flight = 0;
    if (status != 0) {
        conn_end(c, io_status(status)); /* nothing when it is our own close that cancelled it */
        return;
    }
    outq_consume(&c->out, &c->loop->out_pool, sent);
    flush(c);
}

/* Lets libuv wait for the socket; 0 or the error. */
static int send_slice(struct conn *c)
{
    uv_buf_t vectors[WRITE_VECTORS];
    size_t bytes;
    unsigned n = outq_vectors(&c->out, vectors, WRITE_VECTORS, WRITE_SLICE_BYTES, &bytes);
    int rv = uv_write(&c->write, &c->u.stream, vectors, n, on_written);

    if (rv == 0) {
        c->in_flight = bytes;
    }
    return rv;
}

/* Writes until the queue is empty or the socket is full; 0 or the error. */
static int send_now(struct conn *c)
{
    while (c->out.bytes != 0) {
        uv_buf_t vectors[WRITE_VECTORS];
        size_t bytes;
        unsigned n = outq_vectors(&c->out, vectors, WRITE_VECTORS, SIZE_MAX, &bytes);
        int rv = uv_try_write(&c->u.stream, vectors, n);

        if (rv < 0 && rv != UV_EAGAIN) {
            return rv;
        }
        size_t sent = rv > 0 ? (size_t)rv : 0;
        outq_consume(&c->out, &c->loop->out_pool, sent);
        if (sent < bytes) {
            return send_slice(c);
        }
    }
    return 0;
}

/* All is sent: tell the peer so, and wait for its end until the linger timer fires. */
static void say_goodbye(struct conn *c)
{
    uv_os_fd_t fd = -1;

    uv_fileno(&c->u.handle, &fd);
    if (shutdown(fd, SHUT_WR) != 0) {
        conn_end(c, E_CANCELED);
    } else {
        update_reading(c);
    }
}

static void flush(struct conn *c)
{
    if (c->closing || c->in_flight != 0 || c->stalled) {
        return;
    }
    int rv = send_now(c);
    if (rv != 0) {
        conn_end(c, io_status(rv));
        return;
    }
    if (c->congested && conn_queued(c) <= c->high_bytes / 2) {
        c->congested = false;
        if (c->has_events && c->events.on_drain != NULL && !c->last_words) {
            c->events.on_drain(c->arg);
        }
    }
    if (c->last_words && c->out.bytes == 0 && !c->closing) {
        say_goodbye(c);
    }
}

void conns_flush(struct loop *loop)
{
    struct list now;
    struct list *l;

    list_init(&now); /* what on_drain queues is for the next turn: a fast peer starves nobody */
    list_move_all(&now, &loop->dirty);
    while ((l = list_pop_front(&now)) != NULL) {
        flush(LIST_ENTRY(l, struct conn, dirty));
    }
}

/* --- closing --------------------------------------------------------------------------------- */

void conn_close(struct conn *c)
{
    conn_end(c, E_CANCELED);
}

void conn_close_after_flush(struct conn *c, uint64_t linger_ms)
{
    if (!writable(c)) {
        return;
    }
    c->last_words = true;
    timer_start(&c->linger, linger_ms);
    if (list_empty(&c->dirty)) {
        list_push_back(&c->loop->dirty, &c->dirty); /* the end of the turn says goodbye */
    }
}

void conn_break(struct conn *c)
{
    conn_end(c, E_CLOSED);
}

void conn_stall(struct conn *c)
{
    c->stalled = true;
    update_reading(c);
}

const char *conn_peer_name(const struct conn *c)
{
    return c->peer_name;
}

const char *conn_local_name(const struct conn *c)
{
    return c->local_name;
}
