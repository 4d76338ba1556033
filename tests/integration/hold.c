/* Holds connections, streams and watches open at a server of etcd's API, so that what they cost it
 * can be read off (memory.test.sh):
 *
 *   hold ADDRESS CONNECTIONS STREAMS WATCHES KEYS
 *
 * Watch streams are spread over the connections, watches over the streams and over so many keys,
 * which nobody writes. Once each connection has been answered a Status and each watch is created
 * it says `held` on stdout and stays until it is ended. An error ends it with exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/base/alloc.h"
#include "lib/rpc/channel.h"
#include "proto/rpc.pb-c.h"

enum { UNDER_WAY = 20 }; /* at once: what is on the way is not what holding costs */

struct hold {
    struct loop *loop;
    const char *address;
    struct rpc_channel **channels;
    struct rpc_stream **streams;
    size_t n_channels, n_streams, n_watches, n_keys;
    size_t connected, answered, sent, created;
    int rc;
};

static void fail(struct hold *h, const char *what, const char *text)
{
    fprintf(stderr, "hold: %s: %s\n", what, text);
    h->rc = 1;
    loop_stop(h->loop);
}

static void look(struct hold *h)
{
    if (h->answered == h->n_channels && h->created == h->n_watches) {
        printf("held\n");
        fflush(stdout);
    }
}

/* The next watch, if there is one. */
static void send_watch(struct hold *h)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    char key[32];
    if (h->sent == h->n_watches) {
        return;
    }
    int len = snprintf(key, sizeof key, "hold/%08zu", h->sent % h->n_keys);
    create.key = (ProtobufCBinaryData){ (size_t)len, (uint8_t *)key };
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    rpc_stream_send(h->streams[h->sent++ % h->n_streams], &request.base);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct hold *h = arg;
    const Etcdserverpb__WatchResponse *m = (const void *)msg;
    if (m->canceled) {
        fail(h, "a watch was refused", m->cancel_reason);
    } else if (m->created) {
        h->created++;
        send_watch(h);
        look(h);
    }
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    fail(arg, "a stream ended", result->text);
}

static void connect_one(struct hold *h);

/* Streams when all connections are there: what they cost is counted apart. */
static void on_status(void *arg, const struct rpc_result *result)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct hold *h = arg;
    if (result->err != 0) {
        fail(h, "no answer", result->text);
        return;
    }
    connect_one(h);
    if (++h->answered < h->n_channels) {
        return;
    }
    for (size_t i = 0; i < h->n_streams; i++) {
        h->streams[i] = rpc_stream_open(h->channels[i % h->n_channels], "/etcdserverpb.Watch/Watch",
                                        &etcdserverpb__watch_response__descriptor, &events, h);
    }
    for (size_t i = 0; i < UNDER_WAY; i++) {
        send_watch(h);
    }
    look(h);
}

/* The next connection, if there is one. */
static void connect_one(struct hold *h)
{
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct rpc_channel_options o = { .loop = h->loop, .address = h->address, .seed = h->connected,
                                     .connect_timeout_ms = 30000, .ping_ms = 60000,
                                     .ping_timeout_ms = 60000 };
    if (h->connected == h->n_channels) {
        return;
    }
    struct rpc_channel *ch = rpc_channel_new(&o);
    h->channels[h->connected++] = ch;
    rpc_call_unary(ch, "/etcdserverpb.Maintenance/Status", &request.base,
                   &etcdserverpb__status_response__descriptor, 60000, on_status, h);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: hold ADDRESS CONNECTIONS STREAMS WATCHES KEYS\n");
        return 2;
    }
    struct hold h = { .address = argv[1],
                      .n_channels = strtoul(argv[2], NULL, 10),
                      .n_streams = strtoul(argv[3], NULL, 10),
                      .n_watches = strtoul(argv[4], NULL, 10),
                      .n_keys = strtoul(argv[5], NULL, 10) };
    if (h.n_channels == 0 || h.n_keys == 0 || (h.n_watches > 0 && h.n_streams == 0)) {
        fprintf(stderr, "hold: a stream needs a connection, a watch a stream and a key\n");
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    h.loop = loop_new();
    h.channels = mem_zalloc(h.n_channels * sizeof *h.channels);
    h.streams = mem_zalloc((h.n_streams + 1) * sizeof *h.streams);
    for (size_t i = 0; i < UNDER_WAY; i++) {
        connect_one(&h);
    }
    loop_run(h.loop); /* until it is ended from outside, or fails */
    return h.rc;
}
