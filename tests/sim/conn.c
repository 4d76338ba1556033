/* lib/io/conn.h over the simulated network: one connection.
 *
 *     conn_write -> out -> (end of the turn) flush -> peer's arriving -> EV_CONN -> on_read
 *
 * A turn's bytes travel in one event, in pieces of random sizes, so that frames are cut anywhere.
 * Streams lose nothing: loss is a late arrival, a cut way is tried again until it heals. A close
 * says so behind the last byte sent, or resets when something was left unread. Who writes to an end
 * that is gone gets a reset when the machine there is on, and silence when it lost power. */
#include "tests/sim/conn.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "tests/sim/net.h"

enum {
    READ_MAX = 65536,
    RETRY_LO_US = 100000,
    RETRY_HI_US = 400000,
    GIVE_UP_US = 20000000,
    KEEPALIVE_US = 30000000,
};

struct chunk {
    struct list link;
    uint64_t arrival;
    bool end;
    size_t len;
    uint8_t data[];
};

void sim_conn_look(struct conn *c, uint64_t t)
{
    sim_post(c->node->sim, t, EV_CONN, c->node, c->id, NULL);
}

static size_t queued(const struct conn *c)
{
    return c->out.len - c->out_at;
}

/* --- the way there ---------------------------------------------------------------------------- */

static uint64_t arrival_time(struct conn *to)
{
    struct sim *s = to->node->sim;
    uint64_t t = s->now + net_delay(s);
    if (!s->healed && s->o.loss > 0 && rng_chance(&s->rng, s->o.loss)) {
        t += rng_range(&s->rng, 200000, 600000); /* sent again */
    }
    to->last_arrival = t > to->last_arrival ? t : to->last_arrival;
    return to->last_arrival;
}

static void put_chunk(struct conn *to, struct slice bytes, uint64_t arrival, bool end)
{
    struct chunk *k = mem_alloc(sizeof *k + bytes.len);
    k->arrival = arrival;
    k->end = end;
    k->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(k->data, bytes.data, bytes.len);
    }
    list_init(&k->link);
    list_push_back(&to->arriving, &k->link);
    to->arriving_bytes += bytes.len;
}

/* Sends the bytes in pieces; now and then a piece comes later than the one before. */
static void put_bytes(struct conn *to, struct slice bytes)
{
    struct sim *s = to->node->sim;
    uint64_t arrival = arrival_time(to);
    sim_conn_look(to, arrival);
    while (bytes.len > 0) {
        size_t most = bytes.len < s->o.piece_bytes ? bytes.len : s->o.piece_bytes;
        size_t len = rng_chance(&s->rng, s->o.split) ? (size_t)rng_range(&s->rng, 1, most) : most;
        put_chunk(to, slice_make(bytes.data, len), arrival, false);
        bytes = slice_make(bytes.data + len, bytes.len - len);
        if (bytes.len > 0 && rng_chance(&s->rng, s->o.split)) {
            uint64_t later = arrival_time(to);
            if (later > arrival) {
                arrival = later;
                sim_conn_look(to, arrival);
            }
        }
    }
}

static void put_end(struct conn *to)
{
    uint64_t arrival = arrival_time(to);
    put_chunk(to, slice_make(NULL, 0), arrival, true);
    sim_conn_look(to, arrival);
}

static void put_reset(struct conn *to)
{
    if (to->reset_at == 0) {
        to->reset_at = to->node->sim->now + net_delay(to->node->sim);
        sim_conn_look(to, to->reset_at);
    }
}

/* --- ends ------------------------------------------------------------------------------------- */

static bool unread(const struct conn *c)
{
    LIST_FOREACH(it, &c->arriving)
    {
        const struct chunk *k = LIST_ENTRY(it, struct chunk, link);
        if (!k->end && k->arrival <= c->node->sim->now) {
            return true;
        }
    }
    return false;
}

/* The other end learns of it, and has nobody to write to any more. */
static void part(struct conn *c, bool reset)
{
    struct conn *p = TAKE(c->peer);
    if (p == NULL) {
        return;
    }
    p->peer = NULL;
    if (reset) {
        put_reset(p);
    } else if (!c->said_end) {
        put_end(p);
    }
}

void sim_conn_orphan(struct conn *c, bool silent)
{
    struct sim *s = c->node->sim;
    struct conn *p = c->peer;
    if (!silent) {
        part(c, unread(c) || rng_chance(&s->rng, 0.3));
    } else if (p != NULL) {
        p->peer = c->peer = NULL;
        p->void_since = s->now;
        sim_conn_look(p, s->now + KEEPALIVE_US);
    }
}

void sim_conn_free(struct conn *c)
{
    struct list *it;
    while ((it = list_pop_front(&c->arriving)) != NULL) {
        mem_free(LIST_ENTRY(it, struct chunk, link));
    }
    u64map_remove(&c->node->sim->conns, c->id);
    list_remove(&c->link);
    list_remove(&c->dirty);
    buf_fini(&c->out);
    mem_free(c);
}

static void on_closed(struct ready *r)
{
    struct conn *c = CONTAINER_OF(r, struct conn, closed);
    if (c->has_events && c->events.on_close != NULL) {
        c->events.on_close(c->arg, c->status);
    }
    sim_conn_free(c);
}

void sim_conn_end(struct conn *c, int status)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    c->status = c->last_words ? E_CANCELED : status;
    list_remove(&c->dirty);
    timer_stop(&c->linger);
    part(c, unread(c));
    loop_ready(c->loop, &c->closed);
}

static void on_linger_end(struct timer *t)
{
    sim_conn_end(CONTAINER_OF(t, struct conn, linger), E_CANCELED);
}

struct conn *sim_conn_new(struct node *n, unsigned remote, unsigned port, const char *local,
                          const char *peer)
{
    struct conn *c = mem_zalloc(sizeof *c);
    c->id = ++n->sim->conn_serial;
    c->node = n;
    c->loop = n->loop;
    c->remote = remote;
    c->port = port;
    c->high_bytes = LIMIT_CONN_QUEUE_BYTES;
    list_init(&c->dirty);
    list_init(&c->link);
    list_init(&c->arriving);
    timer_init(n->loop, &c->linger, on_linger_end);
    ready_init(&c->closed, on_closed);
    snprintf(c->local_name, sizeof c->local_name, "%s", local);
    snprintf(c->peer_name, sizeof c->peer_name, "%s", peer);
    list_push_back(&sim_host(n)->conns, &c->link);
    u64map_put(&n->sim->conns, c->id, c);
    return c;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_chunk(struct conn *c, struct chunk *k)
{
    list_remove(&k->link);
    c->arriving_bytes -= k->len;
    if (k->end) {
        sim_conn_end(c, 0);
    } else if (!c->last_words) {
        sim_trace(c->node->sim, hash_bytes(k->data, k->len));
        c->events.on_read(c->arg, slice_make(k->data, k->len));
    }
    mem_free(k);
}

static void read_arrived(struct conn *c)
{
    struct sim *s = c->node->sim;
    struct list *it;
    bool read = false;
    while (!c->closing && (!c->paused || c->last_words) &&
           (it = list_first(&c->arriving)) != NULL) {
        struct chunk *k = LIST_ENTRY(it, struct chunk, link);
        if (k->arrival > s->now) {
            break;
        }
        take_chunk(c, k);
        read = true;
    }
    if (read && c->peer != NULL && queued(c->peer) > 0) {
        sim_conn_look(c->peer, s->now + net_delay(s)); /* there is room again */
    }
}

static void to_send(struct conn *c)
{
    if (list_empty(&c->dirty)) {
        list_push_back(sim_loop_dirty(c->loop), &c->dirty);
    }
}

/* Nobody is there: a reset when the machine is on, otherwise tried again for a while. */
static void look_into_void(struct conn *c)
{
    struct sim *s = c->node->sim;
    const struct node *to = &s->nodes[c->remote];
    if (!to->dark && !net_cut(s, c->node, to)) {
        sim_conn_end(c, E_CLOSED);
    } else if (s->now - c->void_since > GIVE_UP_US) {
        sim_conn_end(c, E_TIMEOUT);
    } else {
        sim_conn_look(c, s->now + rng_range(&s->rng, RETRY_LO_US, 4 * RETRY_HI_US));
    }
}

static void step(struct node *n, void *arg)
{
    struct conn *c = arg;
    if (c->reset_at != 0 && c->reset_at <= n->sim->now) {
        sim_conn_end(c, E_CLOSED);
        return;
    }
    read_arrived(c);
    if (!c->closing && queued(c) > 0) {
        to_send(c);
    }
    if (!c->closing && c->peer == NULL && c->void_since != 0 && list_empty(&c->arriving)) {
        look_into_void(c);
    }
}

void sim_conn_event(struct sim *s, struct event *e)
{
    struct conn *c = u64map_get(&s->conns, e->a);
    if (c == NULL || c->closing || !c->established || !c->has_events) {
        return;
    }
    if (c->stalled_until > s->now) {
        sim_conn_look(c, c->stalled_until);
        return;
    }
    if (s->cut[c->remote][c->node->id] && c->void_since == 0) {
        if (c->retry_at <= s->now) {
            c->retry_at = s->now + rng_range(&s->rng, RETRY_LO_US, RETRY_HI_US);
            sim_conn_look(c, c->retry_at);
        }
        return;
    }
    node_enter(c->node, step, c);
}

void conn_set_events(struct conn *c, const struct conn_events *events, void *arg)
{
    PRE(!c->has_events && events->on_read != NULL);
    c->events = *events;
    c->arg = arg;
    c->has_events = true;
    if (!list_empty(&c->arriving) || c->reset_at != 0) {
        sim_conn_look(c, c->node->sim->now);
    }
}

void conn_pause_read(struct conn *c, bool pause)
{
    if (c->paused && !pause && !list_empty(&c->arriving)) {
        sim_conn_look(c, c->node->sim->now);
    }
    c->paused = pause;
}

/* --- writing ---------------------------------------------------------------------------------- */

size_t conn_queued(const struct conn *c)
{
    return c->closing ? 0 : queued(c);
}

bool conn_congested(const struct conn *c)
{
    return c->congested;
}

void conn_set_high_water(struct conn *c, size_t high_bytes)
{
    c->high_bytes = high_bytes;
}

void conn_write(struct conn *c, struct slice bytes)
{
    if (!c->closing && !c->last_words && bytes.len != 0) {
        buf_append_slice(&c->out, bytes);
        to_send(c);
        c->congested = c->congested || queued(c) > c->high_bytes;
    }
}

void conn_write_value(struct conn *c, struct value *v, size_t from, size_t len)
{
    PRE(from <= v->len && len <= v->len - from);
    conn_write(c, slice_make(v->data + from, len));
}

void conn_write_buf(struct conn *c, struct buf *b)
{
    conn_write(c, buf_slice(b));
    buf_fini(b);
}

static void sent(struct conn *c, size_t n)
{
    c->out_at += n;
    if (c->out_at == c->out.len) {
        buf_reset(&c->out);
        c->out_at = 0;
    } else if (c->out_at > c->out.len / 2) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
}

static size_t room(const struct conn *c)
{
    const struct conn *p = c->peer;
    size_t window = c->node->sim->o.window_bytes;
    return p == NULL ? window : window > p->arriving_bytes ? window - p->arriving_bytes : 0;
}

static void send_some(struct conn *c)
{
    struct sim *s = c->node->sim;
    size_t n = queued(c) < room(c) ? queued(c) : room(c);
    if (n == 0) {
        return;
    }
    if (c->peer != NULL) {
        put_bytes(c->peer, slice_make(c->out.data + c->out_at, n));
    } else if (c->void_since == 0) {
        c->void_since = s->now;
        sim_conn_look(c, s->now + 2 * net_delay(s));
    }
    sent(c, n);
}

static void flush(struct conn *c)
{
    if (c->closing) {
        return;
    }
    send_some(c);
    if (c->congested && queued(c) <= c->high_bytes / 2) {
        c->congested = false;
        if (c->has_events && c->events.on_drain != NULL && !c->last_words) {
            c->events.on_drain(c->arg);
        }
    }
    if (c->last_words && queued(c) == 0 && !c->closing && !c->said_end) {
        c->said_end = true;
        if (c->peer == NULL) {
            sim_conn_end(c, E_CANCELED);
            return;
        }
        put_end(c->peer);
        sim_conn_look(c, c->node->sim->now);
    }
}

void sim_conns_flush(struct loop *l)
{
    struct list now;
    struct list *it;
    list_init(&now);
    list_move_all(&now, sim_loop_dirty(l));
    while ((it = list_pop_front(&now)) != NULL) {
        flush(LIST_ENTRY(it, struct conn, dirty));
    }
}

/* --- faults ----------------------------------------------------------------------------------- */

static struct conn *any_conn(struct sim *s)
{
    struct u64map_entry *e;
    size_t at = 0;
    uint64_t skip = s->conns.n > 0 ? rng_range(&s->dice, 0, s->conns.n - 1) : 0;
    while ((e = u64map_next(&s->conns, &at)) != NULL && skip > 0) {
        skip--;
    }
    return e != NULL ? e->value : NULL;
}

bool sim_conn_break_any(struct sim *s)
{
    struct conn *c = any_conn(s);
    if (c != NULL) {
        put_reset(c);
        if (c->peer != NULL) {
            put_reset(c->peer);
        }
    }
    return c != NULL;
}

bool sim_conn_stall_any(struct sim *s, uint64_t for_us)
{
    struct conn *c = any_conn(s);
    if (c != NULL) {
        c->stalled_until = s->now + for_us;
        if (c->peer != NULL) {
            c->peer->stalled_until = s->now + for_us;
        }
    }
    return c != NULL;
}

void sim_conns_heal(struct sim *s)
{
    struct u64map_entry *e;
    size_t at = 0;
    while ((e = u64map_next(&s->conns, &at)) != NULL) {
        struct conn *c = e->value;
        c->stalled_until = 0;
        sim_conn_look(c, s->now);
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

void conn_close(struct conn *c)
{
    sim_conn_end(c, E_CANCELED);
}

void conn_close_after_flush(struct conn *c, uint64_t linger_ms)
{
    if (c->closing || c->last_words) {
        return;
    }
    c->last_words = true;
    timer_start(&c->linger, linger_ms);
    to_send(c);
}

const char *conn_peer_name(const struct conn *c)
{
    return c->peer_name;
}

const char *conn_local_name(const struct conn *c)
{
    return c->local_name;
}
