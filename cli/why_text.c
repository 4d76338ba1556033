/* The first cause that holds, from the outside in: going, placed?, its node, its containers. */
#include "cli/why_text.h"

#include "api/meta.h"
#include "lib/base/str.h"

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static void put_end(const char *what, const struct container_state *s, struct buf *out)
{
    if (!s->terminated.set) {
        return;
    }
    buf_printf(out, "%s%s", what, s->terminated.reason != NULL ? s->terminated.reason : "ended");
    if (s->terminated.signal != 0) {
        buf_printf(out, ", signal %d", (int)s->terminated.signal);
    } else {
        buf_printf(out, ", exit code %d", (int)s->terminated.exit_code);
    }
    if (s->terminated.message != NULL && s->terminated.message[0] != 0) {
        buf_printf(out, " (%s)", s->terminated.message);
    }
}

/* False when the container is well. */
static bool container(const struct container_status *s, struct buf *out)
{
    if (s->ready) {
        return false;
    }
    buf_printf(out, "container %s: ", s->name);
    if (s->state.waiting.set) {
        buf_append_str(out, s->state.waiting.reason != NULL ? s->state.waiting.reason : "waiting");
        if (s->state.waiting.message != NULL && s->state.waiting.message[0] != 0) {
            buf_printf(out, ", %s", s->state.waiting.message);
        }
        put_end("; last: ", &s->last_state, out);
    } else if (s->state.terminated.set) {
        put_end("", &s->state, out);
    } else if (s->state.running.set) {
        buf_append_str(out, "runs, but is not ready");
    } else {
        buf_append_str(out, "has not started");
    }
    if (s->restart_count > 0) {
        buf_printf(out, "; %d restarts", (int)s->restart_count);
    }
    return true;
}

static enum why_cause containers(const struct pod *p, struct buf *out)
{
    for (size_t i = 0; i < p->status.n_container_statuses; i++) {
        if (container(&p->status.container_statuses[i], out)) {
            return WHY_CONTAINER;
        }
    }
    if (p->status.message != NULL && p->status.message[0] != 0) {
        buf_append_str(out, p->status.message);
        return WHY_CONTAINER;
    }
    buf_printf(out, "is bound to node %s, which has not said anything about it yet",
               p->spec.node_name);
    return WHY_NODE;
}

enum why_cause why_pod(const struct pod *p, const struct node *node, struct buf *out)
{
    const struct condition *placed = condition_find(&p->status.conditions, "PodScheduled");

    if (p->object.metadata.deletion_timestamp != NULL) {
        buf_printf(out, "is being deleted since %s, with %lld s of grace",
                   p->object.metadata.deletion_timestamp,
                   (long long)p->object.metadata.deletion_grace_period_seconds);
        return WHY_GOING;
    }
    if (p->spec.node_name == NULL) {
        buf_printf(out, "has no node: %s",
                   placed != NULL && str_eq(placed->status, "False") && placed->message != NULL
                       ? placed->message
                       : "the scheduler has not looked at it yet");
        return WHY_UNPLACED;
    }
    if (str_eq(p->status.phase, "Succeeded")) {
        buf_append_str(out, "ran to its end");
        return WHY_DONE;
    }
    if (node == NULL || !condition_is_true(&node->status.conditions, "Ready")) {
        const struct condition *ready =
            node != NULL ? condition_find(&node->status.conditions, "Ready") : NULL;

        buf_printf(out, "is on node %s, which %s%s%s", p->spec.node_name,
                   node != NULL ? "is not ready" : "does not exist any more",
                   ready != NULL && ready->message != NULL ? ": " : "",
                   ready != NULL ? or_empty(ready->message) : "");
        return WHY_NODE;
    }
    if (pod_is_ready(p)) {
        buf_append_str(out, "is ready");
        return WHY_READY;
    }
    return containers(p, out);
}
