/* The cache and its indexes: exact after any change, borrowed objects, the lister. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>

#include "api/core.h"
#include "api/meta.h"
#include "client/cache.h"
#include "client/catch_up.h"
#include "lib/base/rng.h"

static struct object *pod(const char *namespace_, const char *name, const char *node,
                          const char *app)
{
    struct object *o = object_new(&kind_pod);
    struct pod *p = (struct pod *)o;

    string_set(&o->metadata.namespace_, namespace_);
    string_set(&o->metadata.name, name);
    string_set(&p->spec.node_name, node);
    string_map_set(&o->metadata.labels, "app", app);
    return o;
}

static void an_object_is_found_under_its_name_until_it_is_removed(void **state)
{
    struct cache *c = cache_new(&kind_pod, NULL, 0);
    struct cached *old = NULL;
    struct object *second = pod("default", "a", "n2", "web");

    (void)state;
    cache_put(c, pod("default", "a", "n1", "web"), &old);
    assert_null(old);
    assert_non_null(cache_get(c, "default/a"));
    assert_null(cache_get(c, "default/b"));
    assert_null(cache_get(c, "other/a"));
    cache_put(c, second, &old);
    assert_non_null(old);
    assert_string_equal(((struct pod *)old->object)->spec.node_name, "n1");
    cached_unref(old);
    assert_ptr_equal(cache_get(c, "default/a"), second);
    assert_int_equal(cache_len(c), 1);
    cached_unref(cache_remove(c, "default/a"));
    assert_null(cache_get(c, "default/a"));
    assert_null(cache_remove(c, "default/a"));
    cache_free(c);
}

static void an_entry_that_is_held_outlives_its_removal(void **state)
{
    struct cache *c = cache_new(&kind_pod, NULL, 0);
    struct cached *held;

    (void)state;
    cache_put(c, pod("default", "a", NULL, "web"), NULL);
    held = cache_get_ref(c, "default/a");
    cached_unref(cache_remove(c, "default/a"));
    cache_free(c);
    assert_string_equal(held->object->metadata.name, "a");
    cached_unref(held);
}

static void indexes_follow_every_change(void **state)
{
    struct cache *c = cache_new(&kind_pod, NULL, 0);
    struct arena arena;
    struct object_list list;

    (void)state;
    arena_init(&arena);
    cache_put(c, pod("default", "a", NULL, "web"), NULL);
    cache_put(c, pod("default", "b", "n1", "web"), NULL);
    cache_put(c, pod("other", "a", "n1", "db"), NULL);
    assert_int_equal(cache_count_by(c, &index_node, ""), 1);
    assert_int_equal(cache_count_by(c, &index_node, "n1"), 2);
    assert_int_equal(cache_count_by(c, &index_label, "app=web"), 2);
    assert_int_equal(cache_count_by(c, &index_namespace, "other"), 1);
    cache_put(c, pod("default", "a", "n2", "web"), NULL);
    assert_int_equal(cache_count_by(c, &index_node, ""), 0);
    assert_int_equal(cache_count_by(c, &index_node, "n2"), 1);
    assert_int_equal(cache_count_by(c, &index_label, "app=web"), 2);
    cached_unref(cache_remove(c, "default/b"));
    assert_int_equal(cache_count_by(c, &index_node, "n1"), 1);
    list = cache_by(c, &index_node, "n1", &arena);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0]->metadata.namespace_, "other");
    assert_int_equal(cache_list(c, NULL, &arena).n, 2);
    assert_int_equal(cache_list(c, "default", &arena).n, 1);
    assert_int_equal(cache_list(c, "nowhere", &arena).n, 0);
    arena_fini(&arena);
    cache_free(c);
}

static void pods_are_found_by_the_uid_of_their_owner(void **state)
{
    struct cache *c = cache_new(&kind_pod, NULL, 0);
    struct object *owner = object_new(&kind_replicaset);
    struct object *o = pod("default", "a", NULL, "web");

    (void)state;
    string_set(&owner->metadata.name, "rs");
    string_set(&owner->metadata.uid, "uid-1");
    object_set_controller(o, owner);
    cache_put(c, o, NULL);
    assert_int_equal(cache_count_by(c, &index_owner, "uid-1"), 1);
    assert_int_equal(cache_count_by(c, &index_owner, "uid-2"), 0);
    object_free(owner);
    cache_free(c);
}

static void two_values(const struct object *o, struct index_sink *sink)
{
    index_emit(sink, o->metadata.name);
    index_emit(sink, o->metadata.name); /* twice the same is once */
    index_emit(sink, "all");
}

static void an_index_of_our_own_may_emit_many_values_and_the_same_twice(void **state)
{
    static const struct cache_index own = { "own", two_values };
    const struct cache_index *more[] = { &own };
    struct cache *c = cache_new(&kind_pod, more, 1);

    (void)state;
    cache_put(c, pod("default", "a", NULL, "web"), NULL);
    cache_put(c, pod("default", "b", NULL, "web"), NULL);
    assert_int_equal(cache_count_by(c, &own, "a"), 1);
    assert_int_equal(cache_count_by(c, &own, "all"), 2);
    cached_unref(cache_remove(c, "default/a"));
    assert_int_equal(cache_count_by(c, &own, "a"), 0);
    assert_int_equal(cache_count_by(c, &own, "all"), 1);
    cache_free(c);
}

static void the_revision_of_a_cache_never_goes_back(void **state)
{
    struct cache *c = cache_new(&kind_pod, NULL, 0);

    (void)state;
    cache_set_revision(c, 10);
    cache_set_revision(c, 7);
    assert_int_equal(cache_revision(c), 10);
    cache_free(c);
}

static void a_lister_reads_several_kinds(void **state)
{
    struct cache *pods = cache_new(&kind_pod, NULL, 0);
    struct cache *nodes = cache_new(&kind_node, NULL, 0);
    struct object *node = object_new(&kind_node);
    struct lister l = { 0 };

    (void)state;
    lister_add(&l, pods);
    lister_add(&l, nodes);
    string_set(&node->metadata.name, "n1");
    cache_put(pods, pod("default", "a", "n1", "web"), NULL);
    cache_put(nodes, node, NULL);
    assert_ptr_equal(lister_cache(&l, &kind_node), nodes);
    assert_null(lister_cache(&l, &kind_event));
    assert_non_null(lister_get(&l, &kind_pod, "default", "a"));
    assert_ptr_equal(lister_get(&l, &kind_node, NULL, "n1"), node);
    assert_null(lister_get(&l, &kind_node, NULL, "n2"));
    cache_free(pods);
    cache_free(nodes);
}

/* The same 5,000 random puts and removes on the cache and on a plain table. */
static void thousands_of_random_changes_leave_the_indexes_exact(void **state)
{
    enum { NAMES = 50, NODES = 5, STEPS = 5000 };
    struct cache *c = cache_new(&kind_pod, NULL, 0);
    int node_of[NAMES];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t i = 0; i < NAMES; i++) {
        node_of[i] = -1;
    }
    for (int step = 0; step < STEPS; step++) {
        size_t i = rng_range(&rng, 0, NAMES - 1);
        char name[16], key[32], node[16];

        snprintf(name, sizeof name, "p%zu", i);
        snprintf(key, sizeof key, "default/p%zu", i);
        if (rng_chance(&rng, 0.3)) {
            cached_unref(cache_remove(c, key));
            node_of[i] = -1;
        } else {
            node_of[i] = (int)rng_range(&rng, 0, NODES - 1);
            snprintf(node, sizeof node, "n%d", node_of[i]);
            cache_put(c, pod("default", name, node, "web"), NULL);
        }
    }
    for (int n = 0; n < NODES; n++) {
        char node[16];
        size_t want = 0;

        for (size_t i = 0; i < NAMES; i++) {
            want += node_of[i] == n;
        }
        snprintf(node, sizeof node, "n%d", n);
        assert_int_equal(cache_count_by(c, &index_node, node), want);
    }
    cache_free(c);
}

static void progress_is_trusted_only_where_it_is_ordered_after_events(void **state)
{
    static const struct {
        const char *version;
        bool exact;
    } cases[] = {
        { "3.4.23", false }, { "3.4.31", true },  { "3.5.0", false },  { "3.5.12", false },
        { "3.5.13", true },  { "3.6.1", true },   { "3.3.9", false },  { "4.0.0", true },
        { "", false },       { "abc", false },    { "3.5.13-rc1", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(catch_up_progress_is_exact(cases[i].version), cases[i].exact);
    }
}

int test_cache_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_found_under_its_name_until_it_is_removed),
        cmocka_unit_test(an_entry_that_is_held_outlives_its_removal),
        cmocka_unit_test(indexes_follow_every_change),
        cmocka_unit_test(pods_are_found_by_the_uid_of_their_owner),
        cmocka_unit_test(an_index_of_our_own_may_emit_many_values_and_the_same_twice),
        cmocka_unit_test(the_revision_of_a_cache_never_goes_back),
        cmocka_unit_test(a_lister_reads_several_kinds),
        cmocka_unit_test(progress_is_trusted_only_where_it_is_ordered_after_events),
        cmocka_unit_test(thousands_of_random_changes_leave_the_indexes_exact),
    };

    return cmocka_run_group_tests_name("client/cache", tests, NULL, NULL);
}
