/* Filter, score, pick. */
#include "scheduler/cycle.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

/* Reasons of refused nodes, counted by text; few different ones. */
struct reasons {
    const char **texts;
    size_t *counts;
    size_t n;
};

static void reason_add(struct reasons *r, const char *text)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->texts[i], text) == 0) {
            r->counts[i]++;
            return;
        }
    }
    r->texts[r->n] = text;
    r->counts[r->n++] = 1;
}

static const char *explain(const struct cycle *c, const struct reasons *r)
{
    autobuf b = BUF_INIT;
    buf_printf(&b, "0/%zu nodes fit", c->snapshot->n_nodes);
    for (size_t i = 0; i < r->n; i++) {
        buf_printf(&b, "%s %zu %s", i == 0 ? ":" : ",", r->counts[i], r->texts[i]);
    }
    return arena_strdup(c->arena, buf_str(&b));
}

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    for (size_t i = 0; i < plugins_n; i++) {
        const char *why = plugins[i]->filter != NULL ? plugins[i]->filter(c, n) : NULL;
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

static int64_t score(const struct cycle *c, const struct node_info *n)
{
    int64_t total = 0;
    for (size_t i = 0; i < plugins_n; i++) {
        if (plugins[i]->score != NULL) {
            int64_t v = plugins[i]->score(c, n);
            INVARIANT(v >= 0);
            INVARIANT(v <= 100);
            total += v * plugins[i]->weight;
        }
    }
    return total;
}

/* How many nodes that could take the pod are enough to choose from. */
static size_t enough(size_t n)
{
    size_t percent = n / 125 < 45 ? 50 - n / 125 : 5;
    size_t some = n * percent / 100;
    return n <= NODES_ENOUGH ? n : some > NODES_ENOUGH ? some : NODES_ENOUGH;
}

void cycle_run(const struct snapshot *s, const struct pod *pod, uint64_t seed, struct arena *arena,
               struct cycle_result *ret_result)
{
    const struct owner_reference *owner = object_controller_of(&pod->object);
    struct cycle c = { .snapshot = s, .pod = pod, .arena = arena,
                       .owner_uid = owner != NULL ? owner->uid : NULL };
    pod_requests(pod, &c.cpu_milli, &c.memory_bytes);
    struct reasons reasons = { 0 };
    reasons.texts = arena_alloc(arena, (s->n_nodes + 1) * sizeof *reasons.texts);
    reasons.counts = arena_alloc(arena, (s->n_nodes + 1) * sizeof *reasons.counts);
    const char *pod_name = pod->object.metadata.name;
    uint64_t salt = seed ^ hash_bytes(pod_name, strlen(pod_name));
    const struct node_info *best = NULL;
    int64_t best_score = -1;
    uint64_t best_tie = 0;
    size_t limit = enough(s->n_nodes);
    size_t first = limit < s->n_nodes ? hash_u64(salt) % s->n_all : 0;
    *ret_result = (struct cycle_result){ 0 };
    for (size_t i = 0; i < plugins_n; i++) {
        if (plugins[i]->prefilter != NULL) {
            plugins[i]->prefilter(&c);
        }
    }
    for (size_t i = 0; i < s->n_all && ret_result->feasible < limit; i++) {
        const struct node_info *n = s->all[(first + i) % s->n_all];
        if (n->node == NULL) {
            continue;
        }
        const char *why = filter(&c, n);
        if (why != NULL) {
            reason_add(&reasons, why);
            continue;
        }
        ret_result->feasible++;
        int64_t v = score(&c, n);
        uint64_t tie = hash_u64(salt ^ hash_bytes(n->name, strlen(n->name)));
        if (v > best_score || (v == best_score && tie > best_tie)) {
            best = n;
            best_score = v;
            best_tie = tie;
        }
    }
    for (size_t i = 0; i < plugins_n; i++) {
        if (plugins[i]->done != NULL) {
            plugins[i]->done(&c);
        }
    }
    if (best != NULL) {
        ret_result->node = best->name;
    } else {
        ret_result->message = explain(&c, &reasons);
    }
}
