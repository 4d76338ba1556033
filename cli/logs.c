/* `barque logs`: what a container wrote, read from its node's agent.
 *
 *     [deployment --> its pods, one is chosen -->] pod --> its node --> AgentEndpoint
 *       --> barque.node.v1.Node/Logs, a stream: whole lines, raw, to stdout
 *
 * Output is written as it comes; while stdout is slow the stream's window closes, so a long log
 * is never held in memory. */
#include "cli/cli.h"

#include <inttypes.h>

#include "api/meta.h"
#include "api/selector.h"
#include "cli/run.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/rpc/channel.h"
#include "proto/node.pb-c.h"

static const char usage[] =
    "barque logs: what a container wrote\n"
    "\n"
    "  barque logs [POD|pod/NAME|deploy/NAME]\n"
    "\n"
    "Examples:\n"
    "  barque logs -f web-1 --tail 20          the last lines, and what comes\n"
    "  barque logs web-1 -c sidecar -p         of the attempt before the present one\n"
    "  barque logs deploy/web --timestamps     of one of its pods\n";

struct logs {
    struct cli cli;
    bool follow, previous, timestamps;
    int64_t tail;
    const char *container;
    char *pod;
    struct object *deployment;
    struct object *node;
    struct rpc_channel *channel;
    struct rpc_stream *stream;
    bool connected;
};

/* --- the stream ------------------------------------------------------------------------------- */

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct logs *l = arg;
    const Barque__Node__V1__LogsResponse *m =
        (const Barque__Node__V1__LogsResponse *)(const void *)msg;

    l->connected = true;
    buf_append(&l->cli.out, m->data.data, m->data.len);
    cli_flush(&l->cli);
}

static void on_closed(void *arg, const struct rpc_result *r)
{
    struct logs *l = arg;
    const char *node = l->node->metadata.name;

    l->stream = NULL;
    if (r->err == 0) {
        cli_end(&l->cli, CLI_OK);
    } else if (r->err == E_UNAVAILABLE || r->err == E_TIMEOUT) {
        cli_fail(&l->cli, CLI_UNREACHABLE, "barque get nodes", "the agent of node %s %s (%s)", node,
                 l->connected ? "has gone" : "does not answer",
                 r->text[0] != 0 ? r->text : err_text(r->err));
    } else {
        autofree char *next = mem_printf("barque describe pod/%s -n %s", l->pod,
                                         l->cli.namespace_);
        cli_fail(&l->cli, exit_of_status(r->err), next, "pod \"%s\" on node %s: %s", l->pod, node,
                 r->text[0] != 0 ? r->text : err_text(r->err));
    }
}

static void open_stream(struct logs *l, const char *address)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    struct rpc_channel_options options = {
        .loop = l->cli.loop, .address = address, .seed = rng_u64(&l->cli.rng),
    };
    Barque__Node__V1__LogsRequest request = BARQUE__NODE__V1__LOGS_REQUEST__INIT;

    request.namespace_ = (char *)(uintptr_t)l->cli.namespace_;
    request.pod = l->pod;
    request.container = (char *)(uintptr_t)l->container;
    request.follow = l->follow;
    request.tail_lines = l->tail > 0 ? l->tail : 0;
    request.previous = l->previous;
    request.timestamps = l->timestamps;
    l->channel = rpc_channel_new(&options);
    l->stream = rpc_stream_open(l->channel, "/barque.node.v1.Node/Logs",
                                &barque__node__v1__logs_response__descriptor, &events, l);
    rpc_stream_send(l->stream, &request.base);
    rpc_stream_half_close(l->stream);
}

/* --- the way to it ---------------------------------------------------------------------------- */

static void on_node(void *arg, struct objects_result *r)
{
    struct logs *l = arg;
    const struct node *n;

    if (r->status != 0) {
        cli_fail_call(&l->cli, r->status, r->err);
        return;
    }
    l->node = TAKE(r->object);
    n = object_node(l->node);
    for (size_t i = 0; i < n->status.n_addresses; i++) {
        if (str_eq(n->status.addresses[i].type, "AgentEndpoint")) {
            open_stream(l, n->status.addresses[i].address);
            return;
        }
    }
    cli_fail(&l->cli, CLI_FAILED, "barque describe node", "node %s names no address of its agent",
             l->node->metadata.name);
}

static void on_pod(void *arg, struct objects_result *r)
{
    struct logs *l = arg;
    const struct pod *p;

    if (r->status != 0) {
        cli_fail_call(&l->cli, r->status, r->err);
        return;
    }
    p = object_pod(r->object);
    if (p->spec.node_name == NULL) {
        autofree char *next = mem_printf("barque describe pod/%s -n %s", l->pod,
                                         l->cli.namespace_);
        cli_fail(&l->cli, CLI_FAILED, next, "pod \"%s\" has no node yet: there are no logs",
                 l->pod);
        return;
    }
    objects_get(l->cli.client, &kind_node, NULL, p->spec.node_name, on_node, l);
}

static void read_pod(struct logs *l)
{
    objects_get(l->cli.client, &kind_pod, l->cli.namespace_, l->pod, on_pod, l);
}

/* One that runs, rather than one that does not. */
static void on_pods(void *arg, struct objects_result *r)
{
    struct logs *l = arg;
    const struct object *best = NULL;
    size_t n = 0;

    if (r->status != 0) {
        cli_fail_call(&l->cli, r->status, r->err);
        return;
    }
    for (size_t i = 0; i < r->n_items; i++) {
        const struct object *o = r->items[i];

        if (!label_selector_matches(&object_deployment(l->deployment)->spec.selector,
                                    &o->metadata.labels)) {
            continue;
        }
        n++;
        if (best == NULL || (!pod_is_ready(object_pod(best)) && pod_is_ready(object_pod(o)))) {
            best = o;
        }
    }
    if (best == NULL) {
        cli_fail(&l->cli, CLI_NOTFOUND, "barque get pods", "deployment \"%s\" has no pods",
                 l->deployment->metadata.name);
        return;
    }
    if (n > 1) {
        cli_note(&l->cli, "# %zu pods; this is %s", n, best->metadata.name);
    }
    l->pod = mem_strdup(best->metadata.name);
    read_pod(l);
}

static void on_deployment(void *arg, struct objects_result *r)
{
    struct logs *l = arg;

    if (r->status != 0) {
        cli_fail_call(&l->cli, r->status, r->err);
        return;
    }
    l->deployment = TAKE(r->object);
    objects_list(l->cli.client, &kind_pod, l->cli.namespace_, on_pods, l);
}

static void start(struct cli *cli)
{
    struct logs *l = CLI_OF(cli, struct logs);
    const struct kind *kind = &kind_pod;
    const char *name;

    if (cli->n_args == 0 || cli->n_args > 2) {
        cli_fail_usage(cli, "say which: POD, or deploy/NAME");
        return;
    }
    name = cli->args[0];
    if (strchr(name, '/') != NULL && !cli_kind_and_name(cli, 0, &kind, &name)) {
        return;
    }
    if (cli->n_args == 2) {
        l->container = cli->args[1]; /* as kubectl: POD CONTAINER */
    }
    if (kind == &kind_deployment) {
        objects_get(cli->client, kind, cli->namespace_, name, on_deployment, l);
    } else if (kind == &kind_pod) {
        l->pod = mem_strdup(name);
        read_pod(l);
    } else {
        cli_fail_usage(cli, "%s have no logs: name a pod or a deployment", kind->plural);
    }
}

static void stop(struct cli *cli)
{
    struct logs *l = CLI_OF(cli, struct logs);

    if (l->stream != NULL) {
        rpc_stream_cancel(l->stream);
    }
    if (l->channel != NULL) {
        rpc_channel_free(l->channel);
    }
}

int verb_logs(int argc, char **argv)
{
    struct logs l = { .container = "" };
    const struct cli_flag flags[] = {
        { "follow", 'f', CLI_BOOL, &l.follow, NULL, "go on until the container ends" },
        { "container", 'c', CLI_STRING, &l.container, "NAME", "when the pod has several" },
        { "tail", 0, CLI_INT, &l.tail, "N", "only the last N lines" },
        { "previous", 'p', CLI_BOOL, &l.previous, NULL, "of the attempt before this one" },
        { "timestamps", 0, CLI_BOOL, &l.timestamps, NULL, "each line with its time" },
    };
    const struct cli_spec spec = { .name = "logs", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start, .stop = stop };
    int code = cli_main(&l.cli, &spec, argc, argv);

    mem_free(l.pod);
    object_free(l.deployment);
    object_free(l.node);
    return code;
}
