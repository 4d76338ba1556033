/* A channel's state: connecting, back-off, handing waiting calls to the link.
 *
 *            call/connect            settings came
 *   IDLE ------------------> CONNECTING ---------> READY
 *    ^                           | failed            | lost
 *    |  back-off is over         v                   v
 *    +------------------------- DOWN <---------------+     (GOAWAY: READY -> IDLE, the link drains)
 *
 * While DOWN calls fail at once, never sent: the caller may choose another endpoint. */
#include "lib/rpc/channel.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/assert.h"
#include "lib/rpc/channel_int.h"

static void set_state(struct rpc_channel *ch, enum rpc_channel_state state, const struct err *why)
{
    if (ch->state != state) {
        ch->state = state;
        if (ch->on_state != NULL && !ch->freeing) {
            ch->on_state(ch->arg, state, why);
        }
    }
}

/* --- connecting ------------------------------------------------------------------------------- */

static void on_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    struct rpc_channel *ch = arg;
    ch->connecting = NULL;
    if (status == 0 && ch->freeing) {
        conn_close(c);
    }
    if (ch->freeing) {
        channel_check_free(ch);
        return;
    }
    if (status != 0) {
        channel_down(ch, err);
        return;
    }
    link_new(ch, c, ch->connect_timeout_ms);
}

void channel_connect(struct rpc_channel *ch)
{
    if (ch->state != CHANNEL_IDLE || ch->freeing) {
        return;
    }
    set_state(ch, CHANNEL_CONNECTING, NULL);
    ch->connecting =
        conn_connect(ch->loop, ch->address, ch->connect_timeout_ms, on_connected, ch);
}

void channel_ready(struct rpc_channel *ch)
{
    ch->backoff_ms = 0;
    set_state(ch, CHANNEL_READY, NULL);
    channel_flush_later(ch);
}

void channel_to_idle(struct rpc_channel *ch)
{
    ch->link = NULL;
    set_state(ch, CHANNEL_IDLE, NULL);
    if (!list_empty(&ch->pending) || ch->connect_wanted) {
        channel_flush_later(ch);
    }
}

static void fail_pending(struct rpc_channel *ch)
{
    struct list now;
    struct list *l;
    list_init(&now);
    list_move_all(&now, &ch->pending);
    while ((l = list_pop_front(&now)) != NULL) {
        client_call_fail(LIST_ENTRY(l, struct client_call, entry), GRPC_UNAVAILABLE, ch->why.msg,
                         true);
    }
}

void channel_down(struct rpc_channel *ch, const struct err *why)
{
    ch->link = NULL;
    ch->why = *why;
    /* Doubles, with a third of jitter so that clients of a restarted server spread. */
    ch->backoff_ms = ch->backoff_ms == 0 ? BACKOFF_MIN_MS : ch->backoff_ms * 2;
    if (ch->backoff_ms > BACKOFF_MAX_MS) {
        ch->backoff_ms = BACKOFF_MAX_MS;
    }
    timer_start(&ch->retry, ch->backoff_ms - rng_range(&ch->rng, 0, ch->backoff_ms / 3));
    set_state(ch, CHANNEL_DOWN, &ch->why);
    fail_pending(ch);
}

static void on_retry(struct timer *t)
{
    struct rpc_channel *ch = CONTAINER_OF(t, struct rpc_channel, retry);
    if (ch->state != CHANNEL_DOWN) {
        return;
    }
    set_state(ch, CHANNEL_IDLE, NULL);
    if (ch->connect_wanted) {
        ch->connect_wanted = false;
        channel_connect(ch);
    }
}

void rpc_channel_connect(struct rpc_channel *ch)
{
    ch->connect_wanted = true;
    channel_flush_later(ch);
}

/* --- the turn --------------------------------------------------------------------------------- */

void channel_flush_later(struct rpc_channel *ch)
{
    loop_at_turn_end(ch->loop, &ch->flush);
}

static void open_pending(struct rpc_channel *ch)
{
    struct list *l;
    while (ch->link != NULL && ch->link->ready && (l = list_pop_front(&ch->pending)) != NULL) {
        if (!client_call_open(LIST_ENTRY(l, struct client_call, entry), ch->link)) {
            list_push_front(&ch->pending, l);
            link_retire(ch->link); /* its 2^30 stream ids are used up: the next link goes on */
        }
    }
}

static void flush(struct turn_hook *h)
{
    struct rpc_channel *ch = CONTAINER_OF(h, struct rpc_channel, flush);
    struct list now;
    struct list *l;
    if (ch->state == CHANNEL_IDLE && (ch->connect_wanted || !list_empty(&ch->pending))) {
        ch->connect_wanted = false;
        channel_connect(ch);
    } else if (ch->state == CHANNEL_DOWN) {
        fail_pending(ch);
    } else if (ch->state == CHANNEL_READY) {
        ch->connect_wanted = false;
        open_pending(ch);
    }
    list_init(&now);
    list_move_all(&now, &ch->dirty);
    while ((l = list_pop_front(&now)) != NULL) {
        link_flush(LIST_ENTRY(l, struct link, dirty));
    }
}

static void on_deadline(struct timer *t)
{
    client_deadlines_run(CONTAINER_OF(t, struct rpc_channel, deadline_timer));
}

/* --- life ------------------------------------------------------------------------------------- */

static void channel_delete(struct rpc_channel *ch)
{
    INVARIANT(list_empty(&ch->pending) && list_empty(&ch->links));
    turn_hook_cancel(&ch->flush);
    ready_cancel(&ch->work);
    timer_stop(&ch->retry);
    timer_stop(&ch->deadline_timer);
    heap_fini(&ch->deadlines);
    client_pool_fini(ch);
    arena_fini(&ch->scratch);
    mem_free(ch->address);
    mem_free(ch->authority);
    rpc_channel_metadata(ch, NULL, NULL);
    mem_free(ch);
}

void channel_check_free(struct rpc_channel *ch)
{
    if (ch->freeing && ch->connecting == NULL && list_empty(&ch->links)) {
        loop_ready(ch->loop, &ch->work);
    }
}

/* Ends every call, then closes the links; the memory goes with the last of them. */
static void free_begin(struct rpc_channel *ch)
{
    struct list *c;
    ch->free_begun = true;
    ch->link = NULL;
    timer_stop(&ch->retry);
    while ((c = list_pop_front(&ch->pending)) != NULL) {
        client_call_fail(LIST_ENTRY(c, struct client_call, entry), GRPC_CANCELED,
                         "channel is closed", true);
    }
    LIST_FOREACH (it, &ch->links) {
        struct link *l = LIST_ENTRY(it, struct link, entry);
        err_set(&l->why, E_CANCELED, "channel is closed");
        conn_close(l->conn); /* its on_close ends the calls */
    }
    if (ch->connecting != NULL) {
        connect_cancel(ch->connecting);
    }
}

/* Paused streams that ended are told now. */
static void end_paused(struct rpc_channel *ch)
{
    struct list *l;
    while ((l = list_pop_front(&ch->ended)) != NULL) {
        struct client_call *call = LIST_ENTRY(l, struct client_call, entry);
        call->paused = false;
        list_remove(&call->resume);
        client_call_resume(call);
    }
}

static void run_resumes(struct rpc_channel *ch)
{
    struct list now;
    struct list *l;
    list_init(&now);
    list_move_all(&now, &ch->resumes);
    while ((l = list_pop_front(&now)) != NULL) {
        client_call_resume(LIST_ENTRY(l, struct client_call, resume));
    }
}

static void on_work(struct ready *r)
{
    struct rpc_channel *ch = CONTAINER_OF(r, struct rpc_channel, work);
    run_resumes(ch);
    if (ch->freeing) {
        if (!ch->free_begun) {
            free_begin(ch);
        }
        end_paused(ch);
        if (ch->connecting == NULL && list_empty(&ch->links)) {
            channel_delete(ch);
        }
    }
}

struct rpc_channel *rpc_channel_new(const struct rpc_channel_options *o)
{
    struct rpc_channel *ch = mem_zalloc(sizeof *ch);
    ch->loop = o->loop;
    ch->address = mem_strdup(o->address);
    /* A path is no host: gRPC's libraries say localhost then, and servers of theirs insist. */
    ch->authority = mem_strdup(o->authority != NULL                ? o->authority
                               : str_starts(o->address, "unix:") ? "localhost"
                                                                   : o->address);
    ch->connect_timeout_ms = o->connect_timeout_ms != 0 ? o->connect_timeout_ms : 1000;
    ch->stream_window = o->stream_window != 0 ? o->stream_window : STREAM_WINDOW;
    ch->ping_ms = o->ping_ms != 0 ? o->ping_ms : 500;
    ch->ping_timeout_ms = o->ping_timeout_ms != 0 ? o->ping_timeout_ms : 1000;
    ch->on_state = o->on_state;
    ch->arg = o->arg;
    ch->state = CHANNEL_IDLE;
    rng_init(&ch->rng, o->seed);
    list_init(&ch->pending);
    list_init(&ch->resumes);
    list_init(&ch->ended);
    list_init(&ch->links);
    arena_init(&ch->scratch);
    list_init(&ch->dirty);
    heap_init(&ch->deadlines);
    timer_init(ch->loop, &ch->retry, on_retry);
    timer_init(ch->loop, &ch->deadline_timer, on_deadline);
    turn_hook_init(&ch->flush, flush);
    ready_init(&ch->work, on_work);
    return ch;
}

void rpc_channel_free(struct rpc_channel *ch)
{
    if (ch == NULL) {
        return;
    }
    PRE(!ch->freeing);
    ch->freeing = true;
    loop_ready(ch->loop, &ch->work);
}

void rpc_channel_metadata(struct rpc_channel *ch, const char *name, const char *value)
{
    mem_free(ch->metadata_name);
    mem_free(ch->metadata_value);
    ch->metadata_name = value != NULL ? mem_strdup(name) : NULL;
    ch->metadata_value = value != NULL ? mem_strdup(value) : NULL;
}

enum rpc_channel_state rpc_channel_get_state(const struct rpc_channel *ch)
{
    return ch->state;
}

uint64_t rpc_channel_read_ms(const struct rpc_channel *ch)
{
    return ch->link != NULL ? ch->link->last_read_ms : 0;
}
