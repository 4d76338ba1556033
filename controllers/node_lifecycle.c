/* Nodes: from an agent's registration to a Node object, and from a vanished sign of life to a lost
 * node.
 *
 * reconcile(node): registration (NodeItem "node") and /barque/alive/<node> with the same epoch ->
 * a Node, Ready=True, no taints of ours. The latter gone -> Ready=Unknown at once and the taint
 * unreachable: NoExecute, on which pod_gc replaces its pods.
 *
 * The brake: when more than a third of the nodes (and at least two) vanish within
 * BRAKE_WINDOW_MS, that is more likely a partition than so many dead nodes: they are tainted
 * NoSchedule only, until BRAKE_HOLD_MS have passed. Who comes back in between keeps its pods. */
#include <stdlib.h>
#include <string.h>

#include "api/barque.h"
#include "api/meta.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

enum { BRAKE_WINDOW_MS = 10000, BRAKE_HOLD_MS = 60000 };

static const struct node_item *registration(const struct lister *l, const char *name)
{
    const struct object *o = lister_get(l, &kind_node_item, name, "node");
    return o != NULL ? object_node_item(o) : NULL;
}

static bool is_alive(const struct lister *l, const char *name, const struct node_item *item)
{
    const struct object *o = lister_get(l, &kind_node_alive, NULL, name);
    return o != NULL && item != NULL && object_node_alive(o)->epoch == item->epoch;
}

/* When this node stopped being alive; now when that is news. */
static int64_t lost_since(const struct node *node, int64_t now_ms)
{
    const struct condition *c = condition_find(&node->status.conditions, "Ready");
    int64_t since = now_ms;
    if (c != NULL && !str_eq(c->status, "True") && c->last_transition_time != NULL) {
        clock_parse(c->last_transition_time, &since);
    }
    return since;
}

static bool brake(const struct lister *l, int64_t now_ms, struct arena *arena)
{
    struct object_list nodes = lister_list(l, &kind_node, NULL, arena);
    size_t lost = 0;
    for (size_t i = 0; i < nodes.n && (lost < 2 || 3 * lost <= nodes.n); i++) {
        const char *name = nodes.items[i]->metadata.name;
        if (!is_alive(l, name, registration(l, name)) &&
            now_ms - lost_since(object_node(nodes.items[i]), now_ms) < BRAKE_WINDOW_MS) {
            lost++;
        }
    }
    return lost >= 2 && 3 * lost > nodes.n && !BUG(BUG_NODE_NO_BRAKE);
}

/* --- taints: ours is one key; whatever people put there stays --------------------------------- */

static void taint_remove(struct node *node, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        struct taint *t = &node->spec.taints[i];
        if (str_eq(t->key, key)) {
            mem_free(t->key);
            mem_free(t->value);
            mem_free(t->effect);
            mem_free(t->time_added);
        } else {
            node->spec.taints[kept++] = *t;
        }
    }
    node->spec.n_taints = kept;
}

static void taint_set(struct node *node, const char *key, const char *effect)
{
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        if (str_eq(node->spec.taints[i].key, key)) {
            string_set(&node->spec.taints[i].effect, effect);
            return;
        }
    }
    node->spec.taints = mem_realloc(node->spec.taints,
                                    (node->spec.n_taints + 1) * sizeof *node->spec.taints);
    node->spec.taints[node->spec.n_taints++] =
        (struct taint){ .key = mem_strdup(key), .effect = mem_strdup(effect) };
}

static void describe(struct node *node, const struct node_item *item)
{
    for (size_t i = 0; i < item->labels.n; i++) {
        string_map_set(&node->object.metadata.labels, item->labels.items[i].key,
                       item->labels.items[i].value);
    }
    string_map_copy(&node->status.capacity, &item->capacity);
    string_map_copy(&node->status.allocatable, &item->allocatable);
    string_map_copy(&node->status.node_info, &item->node_info);
    for (size_t i = 0; i < node->status.n_addresses; i++) {
        mem_free(node->status.addresses[i].type);
        mem_free(node->status.addresses[i].address);
    }
    mem_free(node->status.addresses);
    node->status.addresses = mem_zalloc((item->n_addresses + 1) * sizeof *item->addresses);
    node->status.n_addresses = item->n_addresses;
    for (size_t i = 0; i < item->n_addresses; i++) {
        string_set(&node->status.addresses[i].type, item->addresses[i].type);
        string_set(&node->status.addresses[i].address, item->addresses[i].address);
    }
}

static const char *taint_effect(const struct node *node, const char *key)
{
    for (size_t i = 0; i < node->spec.n_taints; i++) {
        if (str_eq(node->spec.taints[i].key, key)) {
            return node->spec.taints[i].effect;
        }
    }
    return NULL;
}

static void judge(const struct lister *l, struct node *node, bool alive, bool was_ready,
                  int64_t now_ms, struct plan *plan)
{
    char now[32];
    clock_format(now_ms, now, sizeof now);
    struct object *o = &node->object;
    if (alive) {
        condition_set(&node->status.conditions, "Ready", "True", "AgentAlive",
                      "the node's agent keeps its lease alive", now);
        taint_remove(node, NODE_TAINT_UNREACHABLE);
        if (!was_ready) {
            plan_event(plan, o, "Normal", "NodeReady", "node %s is ready", o->metadata.name);
        }
        return;
    }
    int64_t gone_ms = now_ms - lost_since(node, now_ms);
    /* Once evicted stays evicted; once braked stays braked until the hold is over. */
    const char *effect = taint_effect(node, NODE_TAINT_UNREACHABLE);
    bool braked = gone_ms < BRAKE_HOLD_MS &&
                  (effect != NULL ? strcmp(effect, "NoSchedule") == 0
                                  : brake(l, now_ms, &plan->arena));
    condition_set(&node->status.conditions, "Ready", "Unknown", "AgentSilent",
                  braked ? "the agent's lease ran out; many nodes vanished together: not replacing"
                         : "the agent's lease ran out",
                  now);
    taint_set(node, NODE_TAINT_UNREACHABLE, braked ? "NoSchedule" : "NoExecute");
    if (braked) {
        plan_requeue_after(plan, (uint64_t)(BRAKE_HOLD_MS - gone_ms + 1000));
    }
    if (was_ready) {
        plan_event(plan, o, "Warning", "NodeLost", "node %s stopped answering%s",
                   o->metadata.name, braked ? "; holding replacements back" : "");
    }
}

static void node_reconcile(const struct lister *l, const char *key, int64_t now_ms,
                           struct plan *plan)
{
    const struct object *o = lister_get_key(l, &kind_node, key);
    const struct node_item *item = registration(l, key);
    bool alive = is_alive(l, key, item);
    if (o == NULL && !alive) {
        return; /* not yet, or a lost node that somebody has deleted */
    }
    struct node *next = object_node(o != NULL ? object_copy(o) : object_new(&kind_node));
    string_set(&next->object.metadata.name, key);
    if (item != NULL) {
        describe(next, item);
    }
    bool was_ready = o != NULL && condition_is_true(&next->status.conditions, "Ready");
    judge(l, next, alive, was_ready, now_ms, plan);
    if (o == NULL) {
        plan_create(plan, &next->object);
    } else {
        plan_update(plan, o, &next->object);
    }
}

/* The registration belongs to its node; pods and statuses are node_view's. */
static void keys_of_item(const struct lister *l, const struct controller_watch *watch,
                         const struct object *o, struct key_sink *keys)
{
    (void)l;
    (void)watch;
    if (node_item_type(o) == NODE_ITEM_NODE) {
        key_sink_add(keys, o->metadata.namespace_);
    }
}

const struct controller controller_node_lifecycle = {
    .name = "node-lifecycle",
    .watches = { { .kind = &kind_node },
                 { .kind = &kind_node_item, .keys = keys_of_item },
                 { .kind = &kind_node_alive } },
    .reconcile = node_reconcile,
};
