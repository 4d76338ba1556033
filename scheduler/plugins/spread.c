/* Spread: siblings (pods of one owner) on different nodes where possible, and
 * topologySpreadConstraints.
 *
 * A constraint counts the pods that match its selector in each value of its topology key; a node
 * may be chosen when its own value would not exceed the smallest by more than maxSkew.
 * kubernetes.io/hostname stands for the node's name when the node carries no such label. */
#include <string.h>

#include "api/selector.h"
#include "lib/base/str.h"
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

struct spread_count {
    struct map domains; /* topology value -> int64_t; its memory is the arena's */
    int64_t least;
    int64_t self;       /* 1 when the pod itself matches the selector */
};

/* Where this pod cannot go anyway must not hold it back: an empty node that is down would forbid a
 * second pod on every other one. */
static bool eligible(const struct cycle *c, const struct node_info *n)
{
    return plugin_cordoned.filter(c, n) == NULL && plugin_node_selector.filter(c, n) == NULL &&
           plugin_taints.filter(c, n) == NULL;
}

static bool is_soft(const struct topology_spread *t)
{
    return str_eq(t->when_unsatisfiable, "ScheduleAnyway") || t->topology_key == NULL;
}

static void count_domains(const struct cycle *c, const struct topology_spread *t,
                          struct spread_count *count)
{
    map_init(&count->domains);
    LIST_FOREACH(it, &c->snapshot->order)
    {
        const struct node_info *n = LIST_ENTRY(it, struct node_info, link);
        const char *d = n->node != NULL ? domain(n, t->topology_key) : NULL;
        if (d == NULL || !eligible(c, n)) {
            continue;
        }
        int64_t *sum = map_get_str(&count->domains, d);
        if (sum == NULL) {
            sum = arena_zalloc(c->arena, sizeof *sum);
            map_put_str(&count->domains, d, sum);
        }
        *sum += matching(c, n, &t->label_selector);
    }
    count->least = INT64_MAX;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&count->domains, &at)) != NULL) {
        int64_t sum = *(int64_t *)e->value;
        count->least = sum < count->least ? sum : count->least;
    }
    count->self = label_selector_matches(&t->label_selector, &c->pod->object.metadata.labels);
}

static void prefilter(struct cycle *c)
{
    const struct pod_spec *spec = &c->pod->spec;
    size_t n = spec->n_topology_spread_constraints;
    c->spread = n > 0 ? arena_zalloc(c->arena, n * sizeof *c->spread) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (!is_soft(&spec->topology_spread_constraints[i])) {
            count_domains(c, &spec->topology_spread_constraints[i], &c->spread[i]);
        }
    }
}

static void done(struct cycle *c)
{
    for (size_t i = 0; c->spread != NULL && i < c->pod->spec.n_topology_spread_constraints; i++) {
        map_fini(&c->spread[i].domains);
    }
}

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    for (size_t i = 0; i < c->pod->spec.n_topology_spread_constraints; i++) {
        const struct topology_spread *t = &c->pod->spec.topology_spread_constraints[i];
        const struct spread_count *count = &c->spread[i];
        if (is_soft(t)) {
            continue;
        }
        const char *value = domain(n, t->topology_key);
        if (value == NULL) {
            return arena_printf(c->arena, "without topology %s", t->topology_key);
        }
        const int64_t *here = map_get_str(&count->domains, value);
        if (here != NULL && *here + count->self - count->least > t->max_skew) {
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
    return 100 / (1 + (int64_t)node_info_siblings(n, c->owner_uid));
}

const struct plugin plugin_spread = {
    .name = "Spread", .prefilter = prefilter, .done = done,
    .filter = filter, .score = score, .weight = 2,
};
