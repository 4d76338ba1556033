/* See member.h. */
#include "tests/unit/client/member.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "proto/rpc.pb-c.h"
#include "proto/rpc_auth.pb-c.h"
#include "tests/unit/client/etcd.h"

/* --- the member ------------------------------------------------------------------------------- */

static int admit(const struct rpc_call *call)
{
    const struct member *m = rpc_call_arg(call);
    const char *token = rpc_call_metadata(call, "token");
    if (m->password == NULL) {
        return 0;
    }
    return token == NULL ? E_USER_EMPTY : str_eq(token, m->token) ? 0 : E_AUTH_TOKEN;
}

static void authenticate(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    const Etcdserverpb__AuthenticateRequest *r =
        (const Etcdserverpb__AuthenticateRequest *)(const void *)msg;
    Etcdserverpb__AuthenticateResponse reply = ETCDSERVERPB__AUTHENTICATE_RESPONSE__INIT;
    char token[64];
    m->logins++;
    if (m->password == NULL || !str_eq(r->password, m->password) || !str_eq(r->name, "app")) {
        m->refused++;
        rpc_fail_err(call, m->password == NULL ? E_AUTH_NOT_ENABLED : E_AUTH_FAILED);
        return;
    }
    snprintf(token, sizeof token, "token.%u", m->logins);
    if (!m->void_at_once) {
        str_copy(m->token, sizeof m->token, token);
    }
    reply.token = m->odd_token != NULL ? (char *)(uintptr_t)m->odd_token : token;
    rpc_reply(call, &reply.base);
}

static void put(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__PutResponse reply = ETCDSERVERPB__PUT_RESPONSE__INIT;
    int rv = admit(call);
    (void)msg;
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    m->puts++;
    header.revision = ++m->revision;
    reply.header = &header;
    rpc_reply(call, &reply.base);
}

static void range(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__RangeResponse reply = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    (void)msg;
    rpc_reply(call, &reply.base);
}

static void watch_start(struct rpc_call *call)
{
    struct member *m = rpc_call_arg(call);
    m->watch = call;
    m->streams++;
}

/* As etcd: the refusal of a watch has no id, and the stream goes on. */
static void watch_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    const Etcdserverpb__WatchRequest *r = (const Etcdserverpb__WatchRequest *)(const void *)msg;
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__WatchResponse reply = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    char reason[] = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    if (r->request_union_case != ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST) {
        return;
    }
    header.revision = m->revision;
    reply.header = &header;
    reply.created = 1;
    reply.watch_id = r->create_request->watch_id;
    if (admit(call) != 0) {
        reply.canceled = 1;
        reply.watch_id = -1;
        reply.cancel_reason = reason;
    } else if (r->create_request->key.data[0] == 'a') {
        m->watch_id = reply.watch_id;
    }
    rpc_send(call, &reply.base);
}

/* Of the watch of "a": all stand on the last stream. */
void member_event(struct member *m)
{
    uint8_t key[] = "a";
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__WatchResponse reply = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    Mvccpb__Event event = MVCCPB__EVENT__INIT, *events[] = { &event };
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    kv.key = (ProtobufCBinaryData){ 1, key };
    kv.mod_revision = ++m->revision;
    event.kv = &kv;
    header.revision = m->revision;
    reply.header = &header;
    reply.watch_id = m->watch_id;
    reply.n_events = 1;
    reply.events = events;
    assert_true(rpc_send(m->watch, &reply.base));
}

static void stream_closed(struct rpc_call *call)
{
    struct member *m = rpc_call_arg(call);
    if (m->watch == call) {
        m->watch = NULL;
    }
    rpc_finish(call, GRPC_OK, "");
}

static void grant(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__LeaseGrantResponse reply = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
    int rv = admit(call);
    (void)msg;
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    reply.id = 7;
    reply.ttl = 3;
    rpc_reply(call, &reply.base);
}

static void keep_alive(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__LeaseKeepAliveResponse reply = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    (void)msg;
    if (admit(call) != 0) {
        rpc_finish(call, GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token");
        return;
    }
    reply.id = 7;
    reply.ttl = 3;
    rpc_send(call, &reply.base);
}

static void keep_alive_closed(struct rpc_call *call)
{
    rpc_finish(call, GRPC_OK, "");
}

#define UNARY(path, name, handler) \
    { path, RPC_UNARY, &etcdserverpb__##name##_request__descriptor, handler, NULL, NULL, NULL, \
      NULL }

static const struct rpc_method methods[] = {
    UNARY("/etcdserverpb.Auth/Authenticate", authenticate, authenticate),
    UNARY("/etcdserverpb.KV/Put", put, put),
    UNARY("/etcdserverpb.KV/Range", range, range),
    UNARY("/etcdserverpb.Lease/LeaseGrant", lease_grant, grant),
    { "/etcdserverpb.Lease/LeaseKeepAlive", RPC_STREAM,
      &etcdserverpb__lease_keep_alive_request__descriptor, keep_alive, NULL, NULL, NULL,
      keep_alive_closed },
    { "/etcdserverpb.Watch/Watch", RPC_STREAM, &etcdserverpb__watch_request__descriptor,
      watch_message, watch_start, NULL, NULL, stream_closed },
};

void member_open(struct member *m, const char *password)
{
    *m = (struct member){ .loop = loop_new(), .password = password, .revision = 1 };
    struct rpc_server_options options = { .loop = m->loop, .arg = m };
    m->server = rpc_server_new(&options);
    rpc_server_methods(m->server, methods, ARRAY_LEN(methods));
    assert_int_equal(rpc_server_listen(m->server, "127.0.0.1:0", RPC_SERVES_GRPC, NULL), 0);
}

struct client *member_client(struct member *m, struct client_options o)
{
    const char *endpoint = rpc_server_address(m->server, 0);
    struct client *c = NULL;
    o.loop = m->loop;
    o.endpoints = &endpoint;
    o.n_endpoints = 1;
    o.user = "app";
    o.timeout_ms = WAIT_MS;
    assert_int_equal(client_new(&o, &c, NULL), 0);
    return c;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void member_close(struct member *m, struct client *c)
{
    bool stopped = false;
    client_free(c);
    rpc_server_stop(m->server, 0, on_stopped, &stopped);
    assert_true(run_until_set(m->loop, &stopped, WAIT_MS));
    rpc_server_free(m->server);
    run_turns(m->loop);
    loop_free(m->loop);
}
