/* Unit tests of controllers: plans of pure reconciles. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/timestamp.h"

/* NodeItems of one pod, as controllers_indexes has it. */
static const struct cache_index *const item_indexes[] = { &index_node_item_pod };

void world_open(struct world *w)
{
    static const struct kind *const all[WORLD_KINDS] = {
        &kind_node,       &kind_configmap, &kind_pod,        &kind_replicaset,
        &kind_deployment, &kind_node_item, &kind_node_alive,
    };
    *w = (struct world){ .now_ms = 1764000000000, .revision = 100, .seed = 7 };
    for (size_t i = 0; i < WORLD_KINDS; i++) {
        bool items = all[i] == &kind_node_item;
        lister_add(&w->lister, cache_new(all[i], item_indexes, items ? 1 : 0));
    }
}

void world_close(struct world *w)
{
    if (w->planned) {
        plan_fini(&w->plan);
    }
    for (size_t i = 0; i < w->lister.n; i++) {
        cache_free(w->lister.caches[i]);
    }
}

static void store(struct world *w, struct object *taken)
{
    taken->metadata.resource_version = ++w->revision;
    cache_put(lister_cache(&w->lister, taken->kind), taken, NULL);
    for (size_t i = 0; i < w->lister.n; i++) {
        cache_set_revision(w->lister.caches[i], w->revision);
    }
}

const struct object *world_put(struct world *w, const char *fmt, ...)
{
    char text[8192];
    struct object *o = NULL;
    struct err err = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert_in_range(n, 1, sizeof text - 1);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    if (object_from_any_json(slice_str(text), &o, &err) != 0) {
        fail_msg("%s in %s", err.msg, text);
    }
    store(w, o);
    return o;
}

void world_remove(struct world *w, const struct kind *kind, const char *name_key)
{
    cached_unref(cache_remove(lister_cache(&w->lister, kind), name_key));
    w->revision++;
}

const struct object *world_get(const struct world *w, const struct kind *kind,
                               const char *name_key)
{
    return cache_get(lister_cache(&w->lister, kind), name_key);
}

size_t world_count(const struct world *w, const struct kind *kind)
{
    return cache_len(lister_cache(&w->lister, kind));
}

size_t world_reconcile(struct world *w, const struct controller *c, const char *key)
{
    if (w->planned) {
        plan_fini(&w->plan);
    }
    plan_init(&w->plan, w->seed++, w->now_ms);
    w->planned = true;
    c->reconcile(&w->lister, key, w->now_ms, &w->plan);
    return w->plan.n - plan_count(&w->plan, PLAN_EVENT);
}

void world_apply(struct world *w)
{
    for (size_t i = 0; i < w->plan.n; i++) {
        struct plan_op *op = &w->plan.ops[i];
        if (op->action == PLAN_DELETE) {
            autofree char *key = op->kind->namespaced
                                     ? mem_printf("%s/%s", op->namespace_, op->name)
                                     : mem_strdup(op->name);
            assert_non_null(world_get(w, op->kind, key));
            world_remove(w, op->kind, key);
        } else if (op->object != NULL) {
            store(w, TAKE(op->object));
        }
    }
    plan_fini(&w->plan);
    w->planned = false;
}

const struct plan_op *world_op(const struct world *w, enum plan_action action, size_t n)
{
    for (size_t i = 0; i < w->plan.n; i++) {
        if (w->plan.ops[i].action == action && n-- == 0) {
            return &w->plan.ops[i];
        }
    }
    fail_msg("the plan has no such op");
    return NULL;
}

bool world_plans(const struct world *w, enum plan_action action, const char *name)
{
    for (size_t i = 0; i < w->plan.n; i++) {
        if (w->plan.ops[i].action == action && strcmp(w->plan.ops[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *world_time(const struct world *w, int64_t delta_ms)
{
    static char texts[8][32];
    static unsigned turn;
    char *text = texts[turn++ % 8];
    clock_format(w->now_ms + delta_ms, text, sizeof texts[0]);
    return text;
}

int main(void)
{
    int failed = 0;
    failed += test_replicaset_run();
    failed += test_rolling_run();
    failed += test_rollout_run();
    failed += test_deployment_run();
    failed += test_node_lifecycle_run();
    failed += test_node_view_run();
    failed += test_gc_run();
    return failed != 0;
}
