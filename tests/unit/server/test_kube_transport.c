/* How a Kubernetes API server comes to its store: connections, metadata, big answers. */
#include "kube.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/io/timer.h"

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

/* --- metadata --------------------------------------------------------------------------------- */

struct answer {
    bool closed;
    int code;
    size_t n_kvs;
};

static void on_range(void *arg, const ProtobufCMessage *msg)
{
    ((struct answer *)arg)->n_kvs =
        ((const Etcdserverpb__RangeResponse *)(const void *)msg)->n_kvs;
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct answer *a = arg;
    a->closed = true;
    a->code = result->grpc_code;
}

static void metadata_of_new_clients_is_no_obstacle(void **state)
{
    static const struct rpc_stream_events events = { on_range, on_closed, NULL };
    struct kube *k = *state;
    kube_must_create(k, "pods/ns/a", "v");
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = bytes(kube_key(k, "pods/ns/a"));
    request.limit = 1;
    struct answer a = { 0 };
    /* A unary call on the wire is a stream of one message. */
    struct rpc_stream *s = rpc_stream_open(k->m->channel, "/etcdserverpb.KV/Range",
                                           &etcdserverpb__range_response__descriptor, &events, &a);
    rpc_stream_metadata(s, "hasleader", "true"); /* since 1.34 on reads, too */
    rpc_stream_metadata(s, "client-api-version", "3.6");
    rpc_stream_metadata(s, "source", "cache");
    rpc_stream_send(s, &request.base);
    rpc_stream_half_close(s);
    run_until(k->m->loop, flag_set, &a.closed);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n_kvs, 1);
}

/* --- connections ------------------------------------------------------------------------------ */

static const char *address(const struct kube *k)
{
    return kube_is_peer(k) ? kube_peer() : server_client_address(k->m->server, 0);
}

static bool tenth(void *arg)
{
    int *n = arg;
    return ++*n == 10;
}

static void odd_authorities_of_go_clients_are_taken(void **state)
{
    static const char *const authorities[] = { "http://127.0.0.1:2379", "#initially=[http://a:1]",
                                               "127.0.0.1", "" };
    struct kube *k = *state;
    struct rpc_channel *usual = k->m->channel;
    for (size_t i = 0; i < sizeof authorities / sizeof authorities[0]; i++) {
        struct rpc_channel_options c = { .loop = k->m->loop, .address = address(k), .seed = 1,
                                         .authority = authorities[i] };
        struct kube_list l;
        int turns = 0;
        k->m->channel = rpc_channel_new(&c);
        kube_get(k, "/registry/health", 1, &l);
        assert_int_equal(l.code, 0);
        kube_list_fini(&l);
        rpc_channel_free(k->m->channel);
        run_until(k->m->loop, tenth, &turns);
    }
    k->m->channel = usual;
}

struct pause {
    struct timer timer;
    bool over;
};

static void on_over(struct timer *t)
{
    CONTAINER_OF(t, struct pause, timer)->over = true;
}

/* The client's keepalive: without an answer to a PING it would give the connection up. */
static void pings_are_answered_while_nothing_happens(void **state)
{
    struct kube *k = *state;
    struct rpc_channel_options c = { .loop = k->m->loop, .address = address(k), .seed = 1,
                                     .ping_ms = 50, .ping_timeout_ms = 200 };
    struct rpc_channel *ch = rpc_channel_new(&c);
    struct kube_watch *w = kube_stream(k, ch);
    struct pause pause = { .over = false };
    int turns = 0;
    kube_watch_create(w, kube_key(k, "pods/"), 0);
    kube_answer(w, 1);
    timer_init(k->m->loop, &pause.timer, on_over);
    timer_start(&pause.timer, 1000);
    run_until(k->m->loop, flag_set, &pause.over);
    assert_false(w->closed);
    kube_must_create(k, "pods/ns/a", "v");
    kube_event(w, 1);
    kube_watch_close(w);
    rpc_channel_free(ch);
    run_until(k->m->loop, tenth, &turns);
}

/* One client a resource, each with its connection and its watch. */
static void seventy_connections_watch_and_many_streams_share_one(void **state)
{
    enum { CONNS = 76, STREAMS = 100 };
    struct kube *k = *state;
    struct rpc_channel *channels[CONNS];
    static struct kube_watch *watches[CONNS + STREAMS];
    int turns = 0;
    for (size_t i = 0; i < CONNS + STREAMS; i++) {
        if (i < CONNS) {
            struct rpc_channel_options c = { .loop = k->m->loop, .address = address(k),
                                             .seed = i + 1 };
            channels[i] = rpc_channel_new(&c);
        }
        watches[i] = kube_stream(k, channels[i < CONNS ? i : 0]);
        kube_watch_create(watches[i], kube_key(k, "pods/"), 0);
    }
    for (size_t i = 0; i < CONNS + STREAMS; i++) {
        assert_true(kube_answer(watches[i], 1)->created);
    }
    int64_t revision = kube_must_create(k, "pods/ns/a", "v");
    for (size_t i = 0; i < CONNS + STREAMS; i++) {
        assert_int_equal(kube_event(watches[i], 1)->kv.mod_revision, revision);
        kube_watch_close(watches[i]);
    }
    for (size_t i = 0; i < CONNS; i++) {
        rpc_channel_free(channels[i]);
    }
    run_until(k->m->loop, tenth, &turns);
}

static void a_list_of_ten_thousand_is_one_answer_of_many_megabytes(void **state)
{
    enum { SECRETS = 120, BYTES = 100000 }; /* 12 MB */
    struct kube *k = *state;
    char *value = mem_zalloc(BYTES + 1);
    memset(value, 'v', BYTES);
    for (int i = 0; i < SECRETS; i++) {
        char name[32];
        snprintf(name, sizeof name, "secrets/ns/%d", i);
        kube_must_create(k, name, value);
    }
    struct kube_page page = { .limit = 10000 };
    struct kube_list l;
    kube_list(k, kube_key(k, "secrets/"), &page, &l);
    assert_int_equal(l.n, SECRETS);
    for (size_t i = 0; i < l.n; i++) {
        assert_int_equal(l.kvs[i].value_len, BYTES);
    }
    kube_list_fini(&l);
    mem_free(value);
}

int test_kube_transport_run(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_TEST(metadata_of_new_clients_is_no_obstacle),
        KUBE_TEST(odd_authorities_of_go_clients_are_taken),
        KUBE_TEST(pings_are_answered_while_nothing_happens),
        KUBE_TEST(seventy_connections_watch_and_many_streams_share_one),
        KUBE_TEST(a_list_of_ten_thousand_is_one_answer_of_many_megabytes),
    };
    return cmocka_run_group_tests_name("how a Kubernetes API server comes", tests, NULL, NULL);
}
