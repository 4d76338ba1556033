/* The client's endpoints: which one is current, and how another is found.
 *
 * Seeking: the endpoints are tried in turn, starting after the one that failed. If one has not
 * connected within CLIENT_HEDGE_MS, or fails, the next is begun beside it; the first that is READY
 * becomes current and the others are closed. An endpoint that has just failed comes last. So one
 * dead or silent member costs 200 ms, not a connect timeout. A dead current member is noticed by
 * the channel's pings (1.5 s) or at once by its reset.
 *
 * Nothing is told inside a callback of the channel: `settle` runs on the ready queue, tells
 * on_endpoint, the watches, the leases and the waiting calls, and closes channels that nobody
 * uses. */
#include "client/internal.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"

static void on_channel_state(void *arg, enum rpc_channel_state state, const struct err *why);
static void on_seek_timer(struct timer *t);
static void on_settle(struct ready *r);

int endpoint_init(struct client *c, struct endpoint *e, const char *text, struct err *err)
{
    bool secure = false;

    e->client = c;
    if (strstr(text, "://") != NULL) {
        int rv = address_from_url(text, e->address, sizeof e->address, &secure, err);

        if (rv != 0) {
            return err_prefix(err, "endpoint %s", text);
        }
    } else if (!str_copy(e->address, sizeof e->address, text) || text[0] == 0) {
        return err_set(err, E_INVAL, "endpoint \"%.64s\": empty or longer than %d characters", text,
                       CLIENT_ADDRESS_BYTES - 1);
    }
    if (secure) {
        return err_set(err, E_UNSUPPORTED, "endpoint %s: this build speaks no TLS", text);
    }
    return 0;
}

int client_new(const struct client_options *options, struct client **ret_client, struct err *err)
{
    struct client *c;

    if (options->n_endpoints == 0 || options->n_endpoints > LIMIT_ENDPOINTS) {
        return err_set(err, E_INVAL, "%zu endpoints: give 1 to %d", options->n_endpoints,
                       LIMIT_ENDPOINTS);
    }
    c = mem_zalloc(sizeof *c);
    c->loop = options->loop;
    c->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : 5000;
    c->on_endpoint = options->on_endpoint;
    c->arg = options->arg;
    rng_init(&c->rng, options->seed);
    c->endpoints = mem_zalloc(options->n_endpoints * sizeof *c->endpoints);
    c->n_endpoints = options->n_endpoints;
    /* Many clients with different seeds spread over the members. */
    c->next = options->seed % c->n_endpoints;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        int rv = endpoint_init(c, &c->endpoints[i], options->endpoints[i], err);

        if (rv != 0) {
            mem_free(c->endpoints);
            mem_free(c);
            return rv;
        }
    }
    int rv = login_init(c, options, err);
    if (rv != 0) {
        mem_free(c->endpoints);
        mem_free(c);
        return rv;
    }
    timer_init(c->loop, &c->seek_timer, on_seek_timer);
    ready_init(&c->settle, on_settle);
    client_probe_init(c);
    list_init(&c->calls);
    c->watches = watch_mux_new(c);
    c->leases = lease_keeper_new(c);
    *ret_client = c;
    return 0;
}

void client_free(struct client *c)
{
    if (c == NULL) {
        return;
    }
    watch_mux_free(c->watches);
    lease_keeper_free(c->leases);
    calls_orphan(c);
    client_probe_fini(c);
    login_fini(c);
    timer_stop(&c->seek_timer);
    ready_cancel(&c->settle);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        c->endpoints[i].client = NULL;
        rpc_channel_free(c->endpoints[i].channel);
    }
    mem_free(c->endpoints);
    mem_free(c);
}

struct closing {
    struct timer timer;
    struct client *client;
    uint64_t until_ms;
    void (*closed)(void *arg);
    void *arg;
};

static void on_closing(struct timer *t)
{
    struct closing *closing = CONTAINER_OF(t, struct closing, timer);
    void (*closed)(void *) = closing->closed;
    void *arg = closing->arg;

    if (client_pending(closing->client) != 0 &&
        loop_now_ms(closing->client->loop) < closing->until_ms) {
        timer_start(t, 5);
        return;
    }
    client_free(closing->client);
    mem_free(closing);
    closed(arg);
}

void client_close(struct client *c, uint64_t linger_ms, void (*closed)(void *arg), void *arg)
{
    struct closing *closing = mem_zalloc(sizeof *closing);

    closing->client = c;
    closing->until_ms = loop_now_ms(c->loop) + linger_ms;
    closing->closed = closed;
    closing->arg = arg;
    timer_init(c->loop, &closing->timer, on_closing);
    timer_start(&closing->timer, 0);
}

bool client_streams_open(const struct client *c)
{
    return watch_mux_open(c->watches) || lease_keeper_open(c->leases);
}

size_t client_pending(const struct client *c)
{
    size_t n = 0;

    LIST_FOREACH(it, &c->calls) {
        n++;
    }
    return n;
}

const char *client_endpoint(const struct client *c)
{
    const struct endpoint *e = c->current != NULL ? c->current : c->last;

    return e != NULL ? e->address : "";
}

struct loop *client_loop(struct client *c)
{
    return c->loop;
}

/* --- seeking ---------------------------------------------------------------------------------- */

static void endpoint_connect(struct client *c, struct endpoint *e)
{
    if (e->channel == NULL) {
        struct rpc_channel_options options = {
            .loop = c->loop,
            .address = e->address,
            .connect_timeout_ms = CLIENT_CONNECT_MS,
            .seed = rng_u64(&c->rng),
            .on_state = on_channel_state,
            .arg = e,
        };

        e->channel = rpc_channel_new(&options);
    }
    rpc_channel_connect(e->channel); /* again, when it is down: after its own back-off */
}

static void become_current(struct client *c, struct endpoint *e)
{
    timer_stop(&c->seek_timer);
    c->current = e;
    c->last = e;
    c->noleader_since_ms = 0;
    c->next = (size_t)(e - c->endpoints);
    loop_ready(c->loop, &c->settle);
}

/* The next endpoint in turn, those that have just failed last. */
static struct endpoint *seek_next(struct client *c)
{
    uint64_t now = loop_now_ms(c->loop);
    struct endpoint *e = NULL;

    for (size_t i = 0; i < c->n_endpoints; i++) {
        e = &c->endpoints[c->next];
        c->next = (c->next + 1) % c->n_endpoints;
        if (now >= e->avoid_until_ms) {
            break;
        }
    }
    return e;
}

static void seek_step(struct client *c)
{
    struct endpoint *e = seek_next(c);

    c->seek_tries++;
    if (e->up) {
        become_current(c, e);
        return;
    }
    endpoint_connect(c, e);
    timer_start(&c->seek_timer, CLIENT_HEDGE_MS);
}

static void on_seek_timer(struct timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, seek_timer);

    if (c->current == NULL) {
        seek_step(c);
    }
}

void client_want(struct client *c)
{
    if (!c->wanted) {
        c->wanted = true;
        seek_step(c);
    }
}

void client_leave(struct client *c, struct endpoint *e, const struct err *why)
{
    e->why = *why;
    e->avoid_until_ms = loop_now_ms(c->loop) + 1000;
    if (c->current != e) {
        return;
    }
    c->current = NULL;
    c->noleader_since_ms = 0;
    c->next = ((size_t)(e - c->endpoints) + 1) % c->n_endpoints;
    c->seek_tries = 0;
    /* On the timer, not at once: a call that fails everywhere must not spin. */
    timer_start(&c->seek_timer, c->n_endpoints > 1 ? 1 : 50);
    loop_ready(c->loop, &c->settle);
}

static void on_channel_state(void *arg, enum rpc_channel_state state, const struct err *why)
{
    static const struct err no_reason = { E_UNAVAILABLE, "connection lost" };
    struct endpoint *e = arg;
    struct client *c = e->client;

    if (c == NULL) {
        return;
    }
    e->up = state == CHANNEL_READY;
    if (state == CHANNEL_READY) {
        e->avoid_until_ms = 0;
        if (c->current == NULL && c->wanted) {
            become_current(c, e);
        }
    } else if (state == CHANNEL_DOWN || (state == CHANNEL_IDLE && e == c->current)) {
        bool seeking = c->current == NULL;

        /* READY to IDLE is a GOAWAY: the member is stopping. */
        client_leave(c, e, why != NULL ? why : &no_reason);
        if (seeking && c->wanted && c->seek_tries < c->n_endpoints) {
            timer_start(&c->seek_timer, 1);
        }
    }
}

void client_judge(struct client *c, struct endpoint *e, int code, const char *text)
{
    struct err why;
    uint64_t now = loop_now_ms(c->loop);

    switch (code) {
    case E_NOLEADER:
        if (c->noleader_since_ms == 0) {
            c->noleader_since_ms = now;
        }
        if (now - c->noleader_since_ms < CLIENT_NOLEADER_MS) {
            return;
        }
        break;
    case E_STOPPED:
    case E_LEARNER:
    case E_UNAVAILABLE:
    case E_TIMEOUT:
        break;
    default:
        c->noleader_since_ms = 0;
        return;
    }
    err_set(&why, code, "%s", text[0] != 0 ? text : err_text(code));
    client_leave(c, e, &why);
}

void client_release(struct client *c, struct endpoint *e)
{
    INVARIANT(e->in_flight > 0);
    e->in_flight--;
    if (e->in_flight == 0 && e != c->current) {
        loop_ready(c->loop, &c->settle);
    }
}

int client_explain(const struct client *c, struct err *err)
{
    autobuf text = BUF_INIT;

    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct endpoint *e = &c->endpoints[i];

        buf_printf(&text, "%s%s: %s", i != 0 ? "; " : "", e->address,
                   e->why.code != 0 ? e->why.msg : "no answer yet");
    }
    return err_set(err, E_UNAVAILABLE, "no member can be reached (%s)", buf_str(&text));
}

/* --- telling ---------------------------------------------------------------------------------- */

/* Only the current endpoint and those still being tried keep a channel. */
static void close_spare(struct client *c)
{
    if (c->current == NULL) {
        return;
    }
    for (size_t i = 0; i < c->n_endpoints; i++) {
        struct endpoint *e = &c->endpoints[i];

        if (e != c->current && e->channel != NULL && e->in_flight == 0) {
            struct rpc_channel *ch = TAKE(e->channel);

            e->up = false;
            rpc_channel_free(ch);
        }
    }
}

static void on_settle(struct ready *r)
{
    struct client *c = CONTAINER_OF(r, struct client, settle);
    struct endpoint *before = c->told;

    if (c->current != before) {
        c->told = c->current;
        login_endpoint(c);
        watch_mux_endpoint(c->watches);
        lease_keeper_endpoint(c->leases);
        if (c->on_endpoint != NULL && before != NULL) {
            c->on_endpoint(c->arg, before->address, false, &before->why);
        }
        if (c->on_endpoint != NULL && c->current != NULL) {
            c->on_endpoint(c->arg, c->current->address, true, NULL);
        }
    }
    if (c->current != NULL) {
        login_start(c);
        close_spare(c);
        calls_resume(c);
    }
}
