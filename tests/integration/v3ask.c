/* One question to a server of etcd's API that etcdctl has no command for: locks and elections as
 * services, and the gRPC health service. The answer is one line a message on stdout; an error is
 * `error CODE TEXT`, and the exit code 1.
 *
 *   v3ask ADDRESS TIMEOUT_MS lock NAME LEASE | unlock KEY
 *                            campaign NAME LEASE VALUE | leader NAME | observe NAME
 *                            proclaim NAME KEY REV LEASE VALUE | resign NAME KEY REV LEASE
 *                            proclaim-nothing | resign-nothing (without a leader key)
 *                            health SERVICE | health-watch SERVICE
 *
 * A stream goes on until its end or TIMEOUT_MS (0: none). It speaks through lib/rpc, so that the
 * same words can be put to a real etcd. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "proto/health.pb-c.h"
#include "proto/v3election.pb-c.h"
#include "proto/v3lock.pb-c.h"

struct ask {
    struct loop *loop;
    struct rpc_channel *channel;
    struct rpc_stream *stream;
    struct timer over;
    uint64_t timeout_ms;
    char **words; /* of the question, without its name */
    void (*print)(const ProtobufCMessage *msg);
    int rc;
};

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
}

static int64_t number(const char *text)
{
    return strtoll(text, NULL, 0);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void print_kv(const Mvccpb__KeyValue *kv)
{
    if (kv == NULL) {
        printf(" kv=none");
        return;
    }
    printf(" key=%.*s value=%.*s create=%" PRId64 " mod=%" PRId64 " version=%" PRId64
           " lease=%" PRIx64, (int)kv->key.len, (const char *)kv->key.data, (int)kv->value.len,
           (const char *)kv->value.data, kv->create_revision, kv->mod_revision, kv->version,
           (uint64_t)kv->lease);
}

static void print_lock(const ProtobufCMessage *msg)
{
    const V3lockpb__LockResponse *m = (const V3lockpb__LockResponse *)(const void *)msg;
    printf("key=%.*s rev=%" PRId64 "\n", (int)m->key.len, (const char *)m->key.data,
           m->header->revision);
}

static void print_campaign(const ProtobufCMessage *msg)
{
    const V3electionpb__CampaignResponse *m =
        (const V3electionpb__CampaignResponse *)(const void *)msg;
    printf("name=%.*s key=%.*s rev=%" PRId64 " lease=%" PRIx64 " header=%" PRId64 "\n",
           (int)m->leader->name.len, (const char *)m->leader->name.data, (int)m->leader->key.len,
           (const char *)m->leader->key.data, m->leader->rev, (uint64_t)m->leader->lease,
           m->header->revision);
}

static void print_leader(const ProtobufCMessage *msg)
{
    const V3electionpb__LeaderResponse *m = (const V3electionpb__LeaderResponse *)(const void *)msg;
    printf("header=%" PRId64, m->header->revision);
    print_kv(m->kv);
    printf("\n");
}

/* Unlock, Proclaim and Resign: a header, at the same place in each. */
static void print_header(const ProtobufCMessage *msg)
{
    const V3lockpb__UnlockResponse *m = (const V3lockpb__UnlockResponse *)(const void *)msg;
    printf("header=%" PRId64 "\n", m->header->revision);
}

static void print_health(const ProtobufCMessage *msg)
{
    const Grpc__Health__V1__HealthCheckResponse *m =
        (const Grpc__Health__V1__HealthCheckResponse *)(const void *)msg;
    static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
    printf("%s\n", names[m->status & 3]);
}

static void on_end(struct ask *a, const struct rpc_result *result)
{
    if (result->grpc_code != 0) {
        printf("error %d %s\n", result->grpc_code, result->text);
        a->rc = 1;
    }
    loop_stop(a->loop);
}

static void on_done(void *arg, const struct rpc_result *result)
{
    struct ask *a = arg;
    if (result->err == 0) {
        a->print(result->msg);
    }
    on_end(a, result);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct ask *a = arg;
    a->print(msg);
    fflush(stdout);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct ask *a = arg;
    a->stream = NULL;
    on_end(a, result);
}

static void on_over(struct timer *t)
{
    loop_stop(t->loop);
}

/* --- questions -------------------------------------------------------------------------------- */

static void unary(struct ask *a, const char *path, const ProtobufCMessage *msg,
                  const ProtobufCMessageDescriptor *response)
{
    rpc_call_unary(a->channel, path, msg, response, a->timeout_ms, on_done, a);
}

static void stream(struct ask *a, const char *path, const ProtobufCMessage *msg,
                   const ProtobufCMessageDescriptor *response)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    a->stream = rpc_stream_open(a->channel, path, response, &events, a);
    rpc_stream_send(a->stream, msg);
    rpc_stream_half_close(a->stream);
    if (a->timeout_ms != 0) {
        timer_start(&a->over, a->timeout_ms);
    }
}

static void ask_lock(struct ask *a)
{
    V3lockpb__LockRequest m = V3LOCKPB__LOCK_REQUEST__INIT;
    m.name = bytes(a->words[0]);
    m.lease = number(a->words[1]);
    a->print = print_lock;
    unary(a, "/v3lockpb.Lock/Lock", &m.base, &v3lockpb__lock_response__descriptor);
}

static void ask_unlock(struct ask *a)
{
    V3lockpb__UnlockRequest m = V3LOCKPB__UNLOCK_REQUEST__INIT;
    m.key = bytes(a->words[0]);
    a->print = print_header;
    unary(a, "/v3lockpb.Lock/Unlock", &m.base, &v3lockpb__unlock_response__descriptor);
}

static void ask_campaign(struct ask *a)
{
    V3electionpb__CampaignRequest m = V3ELECTIONPB__CAMPAIGN_REQUEST__INIT;
    m.name = bytes(a->words[0]);
    m.lease = number(a->words[1]);
    m.value = bytes(a->words[2]);
    a->print = print_campaign;
    unary(a, "/v3electionpb.Election/Campaign", &m.base,
          &v3electionpb__campaign_response__descriptor);
}

static void leader_key(struct ask *a, V3electionpb__LeaderKey *ret_key)
{
    v3electionpb__leader_key__init(ret_key);
    ret_key->name = bytes(a->words[0]);
    ret_key->key = bytes(a->words[1]);
    ret_key->rev = number(a->words[2]);
    ret_key->lease = number(a->words[3]);
}

static void proclaim(struct ask *a, V3electionpb__LeaderKey *key, const char *value)
{
    V3electionpb__ProclaimRequest m = V3ELECTIONPB__PROCLAIM_REQUEST__INIT;
    m.leader = key;
    m.value = bytes(value);
    a->print = print_header;
    unary(a, "/v3electionpb.Election/Proclaim", &m.base,
          &v3electionpb__proclaim_response__descriptor);
}

static void ask_proclaim(struct ask *a)
{
    V3electionpb__LeaderKey key;
    leader_key(a, &key);
    proclaim(a, &key, a->words[4]);
}

static void ask_proclaim_nothing(struct ask *a)
{
    proclaim(a, NULL, "");
}

static void resign(struct ask *a, V3electionpb__LeaderKey *key)
{
    V3electionpb__ResignRequest m = V3ELECTIONPB__RESIGN_REQUEST__INIT;
    m.leader = key;
    a->print = print_header;
    unary(a, "/v3electionpb.Election/Resign", &m.base, &v3electionpb__resign_response__descriptor);
}

static void ask_resign(struct ask *a)
{
    V3electionpb__LeaderKey key;
    leader_key(a, &key);
    resign(a, &key);
}

static void ask_resign_nothing(struct ask *a)
{
    resign(a, NULL);
}

static void ask_leader(struct ask *a)
{
    V3electionpb__LeaderRequest m = V3ELECTIONPB__LEADER_REQUEST__INIT;
    m.name = bytes(a->words[0]);
    a->print = print_leader;
    unary(a, "/v3electionpb.Election/Leader", &m.base, &v3electionpb__leader_response__descriptor);
}

static void ask_observe(struct ask *a)
{
    V3electionpb__LeaderRequest m = V3ELECTIONPB__LEADER_REQUEST__INIT;
    m.name = bytes(a->words[0]);
    a->print = print_leader;
    stream(a, "/v3electionpb.Election/Observe", &m.base,
           &v3electionpb__leader_response__descriptor);
}

static void ask_health(struct ask *a)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    m.service = a->words[0];
    a->print = print_health;
    unary(a, "/grpc.health.v1.Health/Check", &m.base,
          &grpc__health__v1__health_check_response__descriptor);
}

static void ask_health_watch(struct ask *a)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    m.service = a->words[0];
    a->print = print_health;
    stream(a, "/grpc.health.v1.Health/Watch", &m.base,
           &grpc__health__v1__health_check_response__descriptor);
}

static const struct {
    const char *name;
    int n_words;
    void (*ask)(struct ask *a);
} questions[] = {
    { "lock", 2, ask_lock },
    { "unlock", 1, ask_unlock },
    { "campaign", 3, ask_campaign },
    { "proclaim", 5, ask_proclaim },
    { "proclaim-nothing", 0, ask_proclaim_nothing },
    { "resign", 4, ask_resign },
    { "resign-nothing", 0, ask_resign_nothing },
    { "leader", 1, ask_leader },
    { "observe", 1, ask_observe },
    { "health", 1, ask_health },
    { "health-watch", 1, ask_health_watch },
};

int main(int argc, char **argv)
{
    struct ask a = { .loop = loop_new() };
    size_t q = 0, n = sizeof questions / sizeof questions[0];
    while (argc > 3 && q < n && (strcmp(questions[q].name, argv[3]) != 0 ||
                                 questions[q].n_words != argc - 4)) {
        q++;
    }
    if (argc < 4 || q == n) {
        fprintf(stderr, "v3ask: see the head of tests/integration/v3ask.c\n");
        return 2;
    }
    struct rpc_channel_options options = { .loop = a.loop, .address = argv[1], .seed = 1 };
    a.channel = rpc_channel_new(&options);
    a.timeout_ms = (uint64_t)number(argv[2]);
    a.words = argv + 4;
    timer_init(a.loop, &a.over, on_over);
    questions[q].ask(&a);
    loop_run(a.loop);
    timer_stop(&a.over);
    if (a.stream != NULL) {
        rpc_stream_cancel(a.stream);
    }
    rpc_channel_free(a.channel);
    loop_free(a.loop);
    return a.rc;
}
