/* Spread: siblings (pods of one owner) on different nodes where possible, and
 * topologySpreadConstraints.
 *
 * A constraint counts the pods that match its selector in each value of its topology key; a node
 * may be chosen when its own value would not exceed the smallest by more than maxSkew.
 * kubernetes.io/hostname stands for the node's name when the node carries no such label. */
#include <string.h>

#include "api/selector.h"
#include "scheduler/cycle.h"

static const char *domain(const struct node_info *n, const char *key)
{
    const char *v = string_map_get(&n->node->object.metadata.labels, key);
    return v == NULL && strcmp(key, "kubernetes.io/hostname") == 0 ? n->name : v;
}

static int64_t matching(const struct cycle *c, const struct node_info *n,
                        const struct label_selector *selector)
{
    int64_t count = 0;
    LIST_FOREACH(it, &n->pods)
    {
        const struct pod_info *p = LIST_ENTRY(it, struct pod_info, link);
        count += strcmp(p->namespace_, c->pod->object.metadata.namespace_) == 0 &&
                 label_selector_matches(selector, &p->labels);
    }
    return count;
}

/* Matching pods in `value`'s domain, and in the emptiest domain. */
static void count_domains(const struct cycle *c, const struct topology_spread *t,
                          const char *value, int64_t *ret_here, int64_t *ret_least)
{
    struct map counts;
    map_init(&counts);
    LIST_FOREACH(it, &c->snapshot->order)
    {
        const struct node_info *n = LIST_ENTRY(it, struct node_info, link);
        const char *d = n->node != NULL ? domain(n, t->topology_key) : NULL;
        if (d == NULL) {
            continue;
        }
        int64_t *sum = map_get_str(&counts, d);
        if (sum == NULL) {
            sum = arena_zalloc(c->arena, sizeof *sum);
            map_put_str(&counts, d, sum);
        }
        *sum += matching(c, n, &t->label_selector);
    }
    *ret_least = INT64_MAX;
    *ret_here = 0;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&counts, &at)) != NULL) {
        int64_t sum = *(int64_t *)e->value;
        *ret_least = sum < *ret_least ? sum : *ret_least;
        if (slice_eq(e->key, slice_str(value))) {
            *ret_here = sum;
        }
    }
    map_fini(&counts);
}

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    for (size_t i = 0; i < c->pod->spec.n_topology_spread_constraints; i++) {
        const struct topology_spread *t = &c->pod->spec.topology_spread_constraints[i];
        if (t->when_unsatisfiable != NULL &&
            strcmp(t->when_unsatisfiable, "ScheduleAnyway") == 0) {
            continue;
        }
        const char *value = domain(n, t->topology_key);
        if (value == NULL) {
            return arena_printf(c->arena, "without topology %s", t->topology_key);
        }
        int64_t here, least;
        count_domains(c, t, value, &here, &least);
        if (here + 1 - least > t->max_skew) {
            return arena_printf(c->arena, "would skew %s", t->topology_key);
        }
    }
    return NULL;
}

static int64_t score(const struct cycle *c, const struct node_info *n)
{
    if (c->owner_uid == NULL) {
        return 100;
    }
    int64_t siblings = 0;
    LIST_FOREACH(it, &n->pods)
    {
        const struct pod_info *p = LIST_ENTRY(it, struct pod_info, link);
        siblings += p->owner_uid != NULL && strcmp(p->owner_uid, c->owner_uid) == 0;
    }
    return 100 / (1 + siblings);
}

const struct plugin plugin_spread = {
    .name = "Spread", .filter = filter, .score = score, .weight = 2,
};
