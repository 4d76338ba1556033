/* Is the current member still there? A watch may be silent for hours, and so may a dead member be.
 *
 * The channel's HTTP/2 pings answer that within 1.5 s with a Barque server, but etcd forbids more
 * than one ping in 5 s. So while streams are open and nothing at all was heard for
 * PROBE_SILENCE_MS, one small serializable read is sent; no answer in PROBE_TIMEOUT_MS and the
 * member is left. Whoever keeps a lease alive or gets events never probes.
 *
 * Bytes are a sign of life, too: on a slow link a long message takes longer to arrive than any of
 * these times, and the answer to a probe waits behind it. */
#include "client/internal.h"

enum { PROBE_SILENCE_MS = 700, PROBE_TIMEOUT_MS = 700 };

/* The last sign of life of the current member. */
static uint64_t heard_ms(const struct client *c)
{
    uint64_t read_ms = rpc_channel_read_ms(c->current->channel);
    return read_ms > c->heard_ms ? read_ms : c->heard_ms;
}

static void probe_arm(struct client *c)
{
    if (c->current == NULL || !client_streams_open(c)) {
        timer_stop(&c->probe_timer);
        return;
    }
    timer_start_at(&c->probe_timer, heard_ms(c) + PROBE_SILENCE_MS);
}

static void on_answer(void *arg, const struct rpc_result *result)
{
    struct endpoint *e = arg;
    struct client *c = e->client;
    struct err why;
    bool silent = result->err == E_TIMEOUT &&
                  loop_now_ms(c->loop) - rpc_channel_read_ms(e->channel) >= PROBE_TIMEOUT_MS;

    c->probe = NULL;
    client_release(c, e);
    if (silent) {
        err_set(&why, E_TIMEOUT, "%s does not answer", e->address);
        client_leave(c, e, &why);
    } else {
        client_heard(c);
    }
    probe_arm(c);
}

static void on_probe_timer(struct timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, probe_timer);
    Etcdserverpb__RangeRequest pb = ETCDSERVERPB__RANGE_REQUEST__INIT;
    uint64_t now = loop_now_ms(c->loop);

    if (c->probe != NULL) {
        return;
    }
    if (c->current == NULL || !client_streams_open(c) || now - heard_ms(c) < PROBE_SILENCE_MS) {
        probe_arm(c);
        return;
    }
    pb.key = pb_bytes(slice_str("/barque/probe"));
    pb.serializable = 1;
    pb.count_only = 1;
    c->current->in_flight++;
    c->probe = rpc_call_unary(c->current->channel, "/etcdserverpb.KV/Range", &pb.base,
                              &etcdserverpb__range_response__descriptor, PROBE_TIMEOUT_MS,
                              on_answer, c->current);
    login_request(c, c->probe);
}

void client_probe_init(struct client *c)
{
    timer_init(c->loop, &c->probe_timer, on_probe_timer);
}

void client_probe_start(struct client *c)
{
    client_heard(c);
    if (!timer_active(&c->probe_timer)) {
        probe_arm(c);
    }
}

void client_probe_fini(struct client *c)
{
    timer_stop(&c->probe_timer);
    if (c->probe != NULL) {
        rpc_request_cancel(c->probe);
        c->probe = NULL;
    }
}
