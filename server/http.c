/* The plain endpoints on the client port: /health, /version, /metrics.
 * Shapes are etcd's, so that probes and dashboards made for it work. */
#include <inttypes.h>

#include "server/internal.h"
#include "store/capability.h"

/* etcd: 200 {"health":"true"}; without a leader, with states that differ, or over the quota 503 and
 * the reason. */
static void health(void *arg, const struct http_request *request, struct http_response *response)
{
    struct server *s = arg;
    (void)request;
    response->content_type = "application/json";
    const char *reason = s->status.leader_id == 0 ? "RAFT NO LEADER"
                         : s->status.split        ? "ALARM CORRUPT"
                         : server_over_quota(s)   ? "ALARM NOSPACE" : NULL;
    if (reason != NULL) {
        response->status = 503;
        buf_printf(&response->body, "{\"health\":\"false\",\"reason\":\"%s\"}\n", reason);
    } else {
        response->status = 200;
        buf_append_str(&response->body, "{\"health\":\"true\",\"reason\":\"\"}\n");
    }
}

static void version(void *arg, const struct http_request *request, struct http_response *response)
{
    struct server *s = arg;
    (void)request;
    response->status = 200;
    response->content_type = "application/json";
    buf_printf(&response->body,
               "{\"etcdserver\":\"%s\",\"etcdcluster\":\"%s\",\"barque\":\"%s\","
               "\"level\":%" PRIu64 ",\"clusterlevel\":%" PRIu64 ",\"commit\":\"%s\"}\n",
               SERVER_ETCD_VERSION, SERVER_CLUSTER_VERSION, BARQUE_VERSION, store_level(),
               s->status.level, s->options.commit != NULL ? s->options.commit : "unknown");
}

static void metrics(void *arg, const struct http_request *request, struct http_response *response)
{
    struct server *s = arg;
    (void)request;
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(s->metrics, &response->body);
}

const struct http_route http_routes[] = {
    { "GET", "/health", health },
    { "GET", "/version", version },
    { "GET", "/metrics", metrics },
};
const size_t http_routes_n = ARRAY_LEN(http_routes);
