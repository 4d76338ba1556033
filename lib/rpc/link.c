/* One connection of a channel: the handshake (it is ready when the server's SETTINGS came, so a
 * port that accepts and says nothing never gets a call), pings, GOAWAY, the end.
 *
 * Pings go out when nothing was read for ping_ms while calls are open; anything read is a sign of
 * life. Servers of the grpc-go family (etcd) punish frequent pings, ours does not: it is told by
 * its SETTINGS (no RFC 7540 priorities, which grpc-go never sends), and a GOAWAY "too_many_pings"
 * is believed, too. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/channel_int.h"
#include "lib/rpc/h2_conn.h"

enum { CONN_WINDOW = 16 * 1024 * 1024 };

void link_dirty(struct link *l)
{
    if (list_empty(&l->dirty)) {
        list_push_back(&l->ch->dirty, &l->dirty);
        channel_flush_later(l->ch);
    }
}

void link_flush(struct link *l)
{
    if (h2_pull_into_conn(l->h2, l->conn) != 0 || h2_done(l->h2)) {
        if (l->why.code == 0) {
            err_set(&l->why, E_CLOSED, "connection to %s ended", l->ch->address);
        }
        conn_close(l->conn);
    }
}

/* The link carries no new calls; `why` is for those who wait. */
static void link_leave(struct link *l)
{
    struct rpc_channel *ch = l->ch;
    l->draining = true;
    l->ready = false;
    if (ch->link == l && !ch->freeing) {
        if (l->why.code != 0) {
            channel_down(ch, &l->why);
        } else {
            channel_to_idle(ch);
        }
    }
}

void link_retire(struct link *l)
{
    h2_shutdown(l->h2);
    link_leave(l);
    link_dirty(l);
}

/* --- HTTP/2 events ---------------------------------------------------------------------------- */

static struct client_call *call_of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct client_call, stream);
}

static void ev_header(void *arg, struct h2_stream *s, struct slice name, struct slice value)
{
    (void)arg;
    client_call_header(call_of(s), name, value);
}

static void ev_headers_end(void *arg, struct h2_stream *s)
{
    (void)arg;
    client_call_headers_end(call_of(s));
}

static void ev_data(void *arg, struct h2_stream *s, struct slice bytes)
{
    struct link *l = arg;
    client_call_data(call_of(s), bytes);
    link_dirty(l);
}

static void ev_nothing(void *arg, struct h2_stream *s)
{
    (void)arg;
    (void)s;
}

static void ev_close(void *arg, struct h2_stream *s, uint32_t code)
{
    (void)arg;
    client_call_stream_gone(call_of(s), code);
}

static void ev_headers_sent(void *arg, struct h2_stream *s)
{
    (void)arg;
    struct client_call *call = call_of(s);
    if (call->is_stream && call->events.opened != NULL && !call->silent) {
        call->events.opened(call->arg);
    }
}

static void ev_goaway(void *arg, uint32_t code, struct slice debug)
{
    struct link *l = arg;
    if (code == H2_ENHANCE_YOUR_CALM && slice_eq(debug, slice_str("too_many_pings"))) {
        l->ch->ping_floor_ms = CALM_PING_MS;
    }
    link_leave(l);
}

static void ev_settings(void *arg)
{
    struct link *l = arg;
    if (l->ready || l->draining) {
        return;
    }
    l->ready = true;
    if (!h2_peer_without_priorities(l->h2)) {
        l->ch->ping_floor_ms = CALM_PING_MS;
    }
    timer_stop(&l->timer);
    channel_ready(l->ch);
}

const struct h2_events client_h2_events = {
    .header = ev_header,
    .headers_end = ev_headers_end,
    .data = ev_data,
    .remote_end = ev_nothing,
    .close = ev_close,
    .headers_sent = ev_headers_sent,
    .goaway = ev_goaway,
    .settings = ev_settings,
};

/* --- the timer: handshake, then pings --------------------------------------------------------- */

static uint64_t ping_every_ms(const struct rpc_channel *ch)
{
    return ch->ping_ms > ch->ping_floor_ms ? ch->ping_ms : ch->ping_floor_ms;
}

/* When this process was held up (a long turn, a stopped machine), timers fire before the input that
 * came meanwhile is read. So the first time is only a doubt; true then. */
static bool doubt(struct link *l)
{
    enum { SECOND_LOOK_MS = 5 };
    if (l->doubt) {
        return false;
    }
    l->doubt = true;
    timer_start(&l->timer, SECOND_LOOK_MS);
    return true;
}

static void ping_step(struct link *l)
{
    struct rpc_channel *ch = l->ch;
    uint64_t now_ms = loop_now_ms(ch->loop);
    if (l->ping_sent_ms != 0 && l->last_read_ms >= l->ping_sent_ms) {
        l->ping_sent_ms = 0;
    }
    if (list_empty(&l->calls)) {
        return; /* the next call starts the timer again */
    }
    if (l->ping_sent_ms != 0 && now_ms - l->ping_sent_ms >= ch->ping_timeout_ms) {
        if (doubt(l)) {
            return;
        }
        err_set(&l->why, E_TIMEOUT, "%s does not answer pings", ch->address);
        conn_close(l->conn);
        return;
    }
    if (l->ping_sent_ms == 0 && now_ms - l->last_read_ms >= ping_every_ms(ch)) {
        h2_ping(l->h2);
        link_dirty(l);
        l->ping_sent_ms = now_ms;
    }
    timer_start_at(&l->timer, l->ping_sent_ms != 0 ? l->ping_sent_ms + ch->ping_timeout_ms
                                                   : l->last_read_ms + ping_every_ms(ch));
}

static void on_timer(struct timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, timer);
    if (l->ready || l->draining) {
        ping_step(l);
        return;
    }
    if (doubt(l)) {
        return;
    }
    err_set(&l->why, E_TIMEOUT, "%s accepts connections but does not speak HTTP/2",
            l->ch->address);
    conn_close(l->conn);
}

void link_pings_start(struct link *l)
{
    if (!timer_active(&l->timer)) {
        l->last_read_ms = loop_now_ms(l->ch->loop);
        l->ping_sent_ms = 0;
        timer_start(&l->timer, ping_every_ms(l->ch));
    }
}

/* --- conn events ------------------------------------------------------------------------------ */

static void on_read(void *arg, struct slice bytes)
{
    struct link *l = arg;
    l->last_read_ms = loop_now_ms(l->ch->loop);
    l->doubt = false;
    if (h2_feed(l->h2, bytes, l->last_read_ms) != 0) {
        err_set(&l->why, E_PROTO, "%s does not speak HTTP/2", l->ch->address);
        conn_close(l->conn);
        return;
    }
    link_dirty(l);
}

static void on_drain(void *arg)
{
    link_dirty(arg);
}

static void on_close(void *arg, int status)
{
    struct link *l = arg;
    struct rpc_channel *ch = l->ch;
    if (l->why.code == 0) {
        err_set(&l->why, E_CLOSED, "connection to %s lost%s%s", ch->address,
                status != 0 ? ": " : "", status != 0 ? err_text(status) : "");
    }
    l->lost = true;
    timer_stop(&l->timer);
    list_remove(&l->dirty);
    list_remove(&l->entry);
    link_leave(l);
    h2_close_all(l->h2, H2_CANCEL);
    h2_free(l->h2);
    mem_free(l);
    channel_check_free(ch);
}

void link_new(struct rpc_channel *ch, struct conn *c, uint64_t handshake_ms)
{
    static const struct conn_events events = { on_read, on_drain, on_close };
    struct h2_options o = {
        .header_bytes_max = LIMIT_HEADER_BYTES,
        .stream_window = ch->stream_window,
        .conn_window = CONN_WINDOW,
        .manual_window = true,
    };
    struct link *l = mem_zalloc(sizeof *l);
    l->ch = ch;
    l->conn = c;
    l->h2 = h2_new(&o, &client_h2_events, l);
    l->last_read_ms = loop_now_ms(ch->loop);
    list_init(&l->dirty);
    list_init(&l->calls);
    list_push_back(&ch->links, &l->entry);
    timer_init(ch->loop, &l->timer, on_timer);
    timer_start(&l->timer, handshake_ms);
    ch->link = l;
    conn_set_events(c, &events, l);
    link_dirty(l);
}
