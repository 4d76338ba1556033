/* Whole rollouts: Deployment and ReplicaSet controllers over caches in which their plans come true,
 * with pods that become ready, and end, in random order. Never too few available, never too many
 * wanted, and always an end. */
#include "tests/unit/controllers/world.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"

static size_t pick(struct rng *rng, size_t n)
{
    return (size_t)(rng_u64(rng) % n);
}

struct story {
    int32_t replicas;
    const char *surge, *unavailable;
    int32_t max_total, min_available;
};

static void put_deployment(struct world *w, const struct story *s, const char *image,
                           int generation)
{
    world_put(w, "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web',"
                 "'namespace':'d','uid':'d1','generation':%d},'spec':{'replicas':%d,'strategy':{"
                 "'type':'RollingUpdate','rollingUpdate':{'maxSurge':%s,'maxUnavailable':%s}},"
                 "'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{"
                 "'app':'web'}},'spec':{'containers':[{'name':'c','image':'%s','command':['x']}]}"
                 "}}}",
              generation, s->replicas, s->surge, s->unavailable, image);
}

static struct object_list pods(const struct world *w, struct arena *arena)
{
    return lister_list(&w->lister, &kind_pod, NULL, arena);
}

static int32_t count_pods(const struct world *w, const char *image, bool ready_only)
{
    struct arena arena;
    arena_init(&arena);
    struct object_list all = pods(w, &arena);
    int32_t n = 0;
    for (size_t i = 0; i < all.n; i++) {
        const struct pod *p = object_pod(all.items[i]);
        bool counts = pod_is_active(p) && (!ready_only || pod_is_ready(p));
        n += counts && (image == NULL || strcmp(p->spec.containers[0].image, image) == 0);
    }
    arena_fini(&arena);
    return n;
}

static int32_t wanted_total(const struct world *w)
{
    const struct cache *c = lister_cache(&w->lister, &kind_replicaset);
    const struct object *o;
    size_t at = 0;
    int32_t n = 0;
    while ((o = cache_next(c, &at)) != NULL) {
        n += object_replicaset(o)->spec.replicas;
    }
    return n;
}

static void replace(struct world *w, struct object *taken)
{
    taken->metadata.resource_version = ++w->revision;
    cache_put(lister_cache(&w->lister, taken->kind), taken, NULL);
}

/* One random pod gets on with its life: bound and ready, or, when it ends, gone. */
static void pod_moves(struct world *w, struct rng *rng)
{
    struct arena arena;
    arena_init(&arena);
    struct object_list all = pods(w, &arena);
    if (all.n > 0) {
        const struct object *o = all.items[pick(rng, all.n)];
        struct object *copy = object_copy(o);
        struct pod *p = object_pod(copy);
        if (o->metadata.deletion_timestamp != NULL) {
            autofree char *key = object_name_key(o);
            object_free(copy);
            world_remove(w, &kind_pod, key);
        } else if (p->spec.node_name == NULL) {
            string_set(&p->spec.node_name, "n1");
            replace(w, copy);
        } else {
            string_set(&p->status.phase, "Running");
            condition_set(&p->status.conditions, "Ready", "True", NULL, NULL, world_time(w, 0));
            replace(w, copy);
        }
    }
    arena_fini(&arena);
}

static void replicaset_moves(struct world *w, struct rng *rng)
{
    struct arena arena;
    arena_init(&arena);
    struct object_list all = lister_list(&w->lister, &kind_replicaset, NULL, &arena);
    if (all.n > 0) {
        autofree char *key = object_name_key(all.items[pick(rng, all.n)]);
        world_reconcile(w, &controller_replicaset, key);
        world_apply(w);
    }
    arena_fini(&arena);
}

static void deployment_moves(struct world *w)
{
    world_reconcile(w, &controller_deployment, "d/web");
    world_apply(w);
}

static void step(struct world *w, const struct story *s, struct rng *rng, bool guard)
{
    switch (pick(rng, 4)) {
    case 0:
        deployment_moves(w);
        break;
    case 1:
        replicaset_moves(w, rng);
        break;
    default:
        pod_moves(w, rng);
    }
    w->now_ms += 100;
    if (wanted_total(w) > s->max_total) {
        fail_msg("%d pods are wanted, at most %d may be", wanted_total(w), s->max_total);
    }
    if (guard && count_pods(w, NULL, true) < s->min_available) {
        fail_msg("%d pods are ready, at least %d must be", count_pods(w, NULL, true),
                 s->min_available);
    }
}

static void run_until_all(struct world *w, const struct story *s, struct rng *rng,
                          const char *image, bool guard)
{
    for (int i = 0; i < 20000; i++) {
        step(w, s, rng, guard);
        if (count_pods(w, image, true) == s->replicas &&
            count_pods(w, NULL, false) == s->replicas) {
            return;
        }
    }
    fail_msg("the rollout to %s does not end: %d of %d", image, count_pods(w, image, true),
             s->replicas);
}

static const struct story stories[] = {
    { 6, "'25%'", "'25%'", 8, 5 }, { 1, "'25%'", "'25%'", 2, 1 }, { 5, "0", "1", 5, 4 },
    { 5, "0", "0", 5, 4 },         { 4, "1", "0", 5, 4 },         { 3, "'100%'", "'100%'", 6, 0 },
    { 10, "3", "'30%'", 13, 7 },
};

static void rollouts_keep_their_bounds_and_end(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(stories); k++) {
        for (uint64_t seed = 1; seed <= 10; seed++) {
            const struct story *s = &stories[k];
            struct world w;
            struct rng rng;
            rng_init(&rng, seed);
            world_open(&w);
            put_deployment(&w, s, "v1", 1);
            run_until_all(&w, s, &rng, "v1", false);
            put_deployment(&w, s, "v2", 2);
            run_until_all(&w, s, &rng, "v2", true);
            world_close(&w);
        }
    }
}

static void a_change_of_mind_in_the_middle_keeps_the_bounds_too(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const struct story *s = &stories[seed % ARRAY_LEN(stories)];
        struct world w;
        struct rng rng;
        rng_init(&rng, seed);
        world_open(&w);
        put_deployment(&w, s, "v1", 1);
        run_until_all(&w, s, &rng, "v1", false);
        put_deployment(&w, s, "v2", 2);
        for (uint64_t i = 0; i < 5 * seed; i++) {
            step(&w, s, &rng, true);
        }
        put_deployment(&w, s, "v3", 3);
        for (uint64_t i = 0; i < 5 * seed; i++) {
            step(&w, s, &rng, true);
        }
        put_deployment(&w, s, "v1", 4);
        run_until_all(&w, s, &rng, "v1", true);
        deployment_moves(&w); /* the ReplicaSet's revision */
        deployment_moves(&w); /* then the Deployment's own */
        const struct object *d = world_get(&w, &kind_deployment, "d/web");
        const char *revision = string_map_get(&d->metadata.annotations, ANNOTATION_REVISION);
        /* A rollback takes a new revision, if the templates in between were noticed at all. */
        assert_int_equal(strcmp(revision, "1") == 0, world_count(&w, &kind_replicaset) == 1);
        world_close(&w);
    }
}

int test_rollout_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollouts_keep_their_bounds_and_end),
        cmocka_unit_test(a_change_of_mind_in_the_middle_keeps_the_bounds_too),
    };
    return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
