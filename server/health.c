/* grpc.health.v1.Health: whether this member serves, asked once or followed.
 *
 * It serves while it knows a leader. The one service that has a health is "", the whole server, as
 * in etcd. A stream hears the state at once and then each change of it; the last one, when the
 * member ends, is NOT_SERVING. */
#include "proto/health.pb-c.h"

#include "lib/base/alloc.h"
#include "server/internal.h"

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct health_watch {
    struct list link; /* server.health_watches */
    struct rpc_call *call;
    int told;
};

static int status_of(const struct server *s)
{
    return s->status.leader_id != 0 && !s->closing ? SERVING : NOT_SERVING;
}

static bool is_known(const ProtobufCMessage *msg)
{
    return ((const Grpc__Health__V1__HealthCheckRequest *)(const void *)msg)->service[0] == '\0';
}

static void health_check(struct rpc_call *call, ProtobufCMessage *msg)
{
    if (!is_known(msg)) {
        rpc_fail(call, GRPC_NOT_FOUND, "unknown service");
        return;
    }
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = status_of(rpc_call_arg(call));
    rpc_reply(call, &reply.base);
}

/* --- following -------------------------------------------------------------------------------- */

/* To a reader that stalls nothing is sent: it is told the state of the moment it reads again. */
static void tell(struct health_watch *w, int status)
{
    if (w->told != status && w->told != SERVICE_UNKNOWN && rpc_writable(w->call)) {
        Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        w->told = m.status = status;
        rpc_send(w->call, &m.base);
    }
}

static void watch_end(struct health_watch *w, enum grpc_code code, const char *text)
{
    struct rpc_call *call = w->call;
    list_remove(&w->link);
    mem_free(w);
    rpc_call_set_data(call, NULL);
    rpc_finish(call, code, text);
}

static void watch_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct server *s = rpc_call_arg(call);
    if (rpc_call_data(call) != NULL) {
        return; /* one question a stream */
    }
    struct health_watch *w = mem_zalloc(sizeof *w);
    w->call = call;
    list_push_back(&s->health_watches, &w->link);
    rpc_call_set_data(call, w);
    tell(w, is_known(msg) ? status_of(s) : SERVICE_UNKNOWN);
}

/* The client asks once and then only listens. */
static void watch_half_close(struct rpc_call *call)
{
    if (rpc_call_data(call) == NULL) {
        rpc_finish(call, GRPC_OK, "");
    }
}

static void watch_writable(struct rpc_call *call)
{
    struct health_watch *w = rpc_call_data(call);
    if (w != NULL) {
        tell(w, status_of(rpc_call_arg(call)));
    }
}

static void watch_closed(struct rpc_call *call)
{
    struct health_watch *w = rpc_call_data(call);
    if (w != NULL) {
        watch_end(w, GRPC_CANCELED, "");
    } else {
        rpc_finish(call, GRPC_CANCELED, "");
    }
}

void server_health_follow(struct server *s)
{
    LIST_FOREACH(l, &s->health_watches)
    {
        tell(LIST_ENTRY(l, struct health_watch, link), status_of(s));
    }
}

void server_health_stop(struct server *s)
{
    struct list *l;
    server_health_follow(s);
    while ((l = list_first(&s->health_watches)) != NULL) {
        watch_end(LIST_ENTRY(l, struct health_watch, link), GRPC_UNAVAILABLE,
                  "etcdserver: server stopped");
    }
}

static const struct rpc_method methods[] = {
    { "/grpc.health.v1.Health/Check", RPC_UNARY,
      &grpc__health__v1__health_check_request__descriptor, health_check, NULL, NULL, NULL, NULL },
    { "/grpc.health.v1.Health/Watch", RPC_STREAM,
      &grpc__health__v1__health_check_request__descriptor, watch_message, NULL, watch_half_close,
      watch_writable, watch_closed },
};
const struct service service_health = { methods, ARRAY_LEN(methods) };
