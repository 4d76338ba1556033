/* Calls with the metadata `hasleader: true`, at a member that knows of no leader. */
#include "fixture.h"

#include <stdio.h>

#include "proto/health.pb-c.h"
#include "server/internal.h"

struct asked {
    bool answered, closed;
    int code;
    char text[128];
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct asked *a = arg;
    (void)msg;
    a->answered = true;
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct asked *a = arg;
    a->closed = true;
    a->code = result->grpc_code;
    snprintf(a->text, sizeof a->text, "%s", result->text);
}

static bool is_over(void *arg)
{
    const struct asked *a = arg;
    return a->answered || a->closed;
}

/* Asks with that word (NULL: none) and waits for a message or the end. */
static struct asked ask(struct member *m, const char *path, const void *request,
                        const ProtobufCMessageDescriptor *response, const char *word)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct asked a = { 0 };
    struct rpc_stream *st = rpc_stream_open(m->channel, path, response, &events, &a);
    if (word != NULL) {
        rpc_stream_metadata(st, "hasleader", word);
    }
    rpc_stream_send(st, request);
    rpc_stream_half_close(st);
    run_until(m->loop, is_over, &a);
    if (!a.closed) {
        rpc_stream_cancel(st);
    }
    return a;
}

static void who_asks_for_a_leader_is_refused_without_one(void **state)
{
    struct member *m = *state;
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest watch = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__HashRequest hash = ETCDSERVERPB__HASH_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckRequest health = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    range.key = bytes("k");
    range.serializable = 1;
    watch.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    watch.create_request = &create;
    const struct {
        const char *path;
        const void *request;
        const ProtobufCMessageDescriptor *response;
    } rows[] = { /* what this member could answer alone */
        { "/etcdserverpb.KV/Range", &range, &etcdserverpb__range_response__descriptor },
        { "/etcdserverpb.KV/RangeStream", &range,
          &etcdserverpb__range_stream_response__descriptor },
        { "/etcdserverpb.KV/Txn", &txn, &etcdserverpb__txn_response__descriptor },
        { "/etcdserverpb.Watch/Watch", &watch, &etcdserverpb__watch_response__descriptor },
        { "/etcdserverpb.Maintenance/Hash", &hash, &etcdserverpb__hash_response__descriptor },
        { "/grpc.health.v1.Health/Check", &health,
          &grpc__health__v1__health_check_response__descriptor },
    };
    static const char *const others[] = { "false", NULL }; /* only the word true asks for one */
    must_put(m, "k", "v");
    timer_stop(&m->server->tick); /* which would look who leads */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        m->server->status.leader_id = 0;
        struct asked a = ask(m, rows[i].path, rows[i].request, rows[i].response, "true");
        assert_int_equal(a.code, GRPC_UNAVAILABLE);
        assert_string_equal(a.text, "etcdserver: no leader");
        for (size_t k = 0; k < ARRAY_LEN(others); k++) {
            a = ask(m, rows[i].path, rows[i].request, rows[i].response, others[k]);
            assert_true(a.answered);
        }
    }
    rnode_get_status(m->server->node, &m->server->status);
    struct asked a = ask(m, rows[0].path, rows[0].request, rows[0].response, "true");
    assert_true(a.answered); /* there is one again */
}

int test_leader_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(who_asks_for_a_leader_is_refused_without_one),
    };
    return cmocka_run_group_tests_name("hasleader", tests, NULL, NULL);
}
