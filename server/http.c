/* The plain endpoints on the client port: probes (probe.c), /version, /metrics.
 * Shapes are etcd's, so that probes and dashboards made for it work. */
#include <inttypes.h>

#include "server/internal.h"
#include "store/capability.h"

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
    server_metrics_print(s, &response->body);
}

const struct http_route probe_routes[] = {
    { "GET", "/health", NULL, server_probe_health },
    { "GET", "/livez", NULL, server_probe_livez },
    { "GET", "/livez/serializable_read", NULL, server_probe_livez },
    { "GET", "/readyz", NULL, server_probe_readyz },
    { "GET", "/readyz/data_corruption", NULL, server_probe_readyz },
    { "GET", "/readyz/serializable_read", NULL, server_probe_readyz },
    { "GET", "/readyz/linearizable_read", NULL, server_probe_readyz },
    { "GET", "/readyz/non_learner", NULL, server_probe_readyz },
    { "GET", "/metrics", metrics, NULL },
};
const size_t probe_routes_n = ARRAY_LEN(probe_routes);

const struct http_route http_routes[] = {
    { "GET", "/version", version, NULL },
};
const size_t http_routes_n = ARRAY_LEN(http_routes);
