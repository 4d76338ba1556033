/* The harness against a real etcd, with a small controller: every ConfigMap labelled want=N owns N
 * pods. Two groups compete for the lead. The controller counts in the cache, so one that acted on
 * a stale cache would make too many. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>

#include "api/core.h"
#include "api/meta.h"
#include "client/controller.h"
#include "client/objects.h"
#include "lib/base/alloc.h"

static void reconcile(const struct lister *l, const char *key, int64_t now_ms, struct plan *plan)
{
    const struct object *owner = lister_get_key(l, &kind_configmap, key);
    struct object_list pods;
    const char *want_text;
    size_t want;

    (void)now_ms;
    if (owner == NULL) {
        return;
    }
    want_text = string_map_get(&owner->metadata.labels, "want");
    want = want_text != NULL ? (size_t)etcd_number(want_text) : 0;
    pods = lister_by(l, &kind_pod, &index_owner, owner->metadata.uid, &plan->arena);
    for (size_t i = pods.n; i < want; i++) {
        struct object *pod = object_new(&kind_pod);

        string_set(&pod->metadata.namespace_, owner->metadata.namespace_);
        pod->metadata.generate_name = mem_printf("%s-", owner->metadata.name);
        object_set_controller(pod, owner);
        plan_create(plan, pod);
    }
    for (size_t i = want; i < pods.n; i++) {
        plan_delete(plan, pods.items[i]);
    }
}

static const struct controller maker = {
    .name = "maker",
    .watches = { { .kind = &kind_configmap },
                 { .kind = &kind_pod, .keys = keys_of_owner, .owner = &kind_configmap } },
    .reconcile = reconcile,
};
static const struct controller *const table[] = { &maker };

struct process_like {
    struct client *client;
    struct informers *informers;
    struct controller_group *group;
};

static void begin(struct process_like *p, struct etcd *e, uint64_t seed)
{
    struct controller_group_options options = {
        .table = table,
        .n = 1,
        .component = "test",
        .seed = seed,
    };

    p->client = etcd_client(e);
    p->informers = informers_new(p->client, seed);
    options.informers = p->informers;
    p->group = controller_group_new(&options);
}

static void end(struct process_like *p)
{
    controller_group_free(p->group);
    informers_free(p->informers);
    client_free(p->client);
}

static void on_created(void *arg, struct objects_result *r)
{
    *(bool *)arg = r->status == 0;
}

static void create_owner(struct client *c, const char *name, const char *want)
{
    struct object *o = object_new(&kind_configmap);
    struct rng rng;
    bool done = false;

    string_set(&o->metadata.namespace_, "ctl");
    string_set(&o->metadata.name, name);
    string_map_set(&o->metadata.labels, "want", want);
    rng_init(&rng, (uint64_t)name[strlen(name) - 1]);
    object_stamp_new(o, &rng, 1764000000000);
    objects_create(c, o, on_created, &done);
    assert_true(run_until_set(client_loop(c), &done, 5000));
    object_free(o);
}

struct total {
    struct process_like *p;
    size_t want;
    uint64_t writes; /* at least so many were made */
};

static size_t pods_of(const struct process_like *p)
{
    const struct cache *c = lister_cache(informers_lister(p->informers), &kind_pod);

    return cache_count_by(c, &index_namespace, "ctl");
}

static bool total_reached(void *arg)
{
    const struct total *t = arg;
    struct controller_stats stats;

    controller_group_stats(t->p->group, 0, &stats);
    return stats.writes >= t->writes && controller_group_idle(t->p->group) &&
           pods_of(t->p) == t->want;
}

struct wish {
    const char *want;
    bool done;
};

static bool has_conflict(void *arg)
{
    struct controller_stats stats;

    controller_group_stats(arg, 0, &stats);
    return stats.conflicts >= 1;
}

static int set_want(void *arg, struct object *o, struct err *err)
{
    (void)err;
    string_map_set(&o->metadata.labels, "want", ((struct wish *)arg)->want);
    return 0;
}

static void on_wished(void *arg, struct objects_result *r)
{
    ((struct wish *)arg)->done = r->status == 0;
}

static void wish(struct client *c, const char *owner, const char *want)
{
    struct wish w = { .want = want };

    objects_modify(c, &kind_configmap, "ctl", owner, set_want, on_wished, &w);
    assert_true(run_until_set(client_loop(c), &w.done, 5000));
}

static void delete_all(struct client *c)
{
    bool done = false;

    client_delete(c, slice_str("/registry/"), slice_str("/registry0"), etcd_set_flag, &done);
    assert_true(run_until_set(client_loop(c), &done, 5000));
}

static void delete_a_pod(const struct process_like *p)
{
    const struct cache *c = lister_cache(informers_lister(p->informers), &kind_pod);
    size_t at = 0;
    const struct object *o = cache_next(c, &at);
    bool done = false;

    objects_delete(p->client, &kind_pod, o->metadata.namespace_, o->metadata.name, 0, on_created,
                   &done);
    assert_true(run_until_set(client_loop(p->client), &done, 5000));
}

static void a_controller_reaches_what_is_wanted_without_one_write_too_many(void **state)
{
    struct etcd *e = etcd_shared();
    struct process_like a;
    struct total t = { .p = &a, .want = 60 };
    struct controller_stats stats;
    char name[16];

    (void)state;
    begin(&a, e, 11);
    delete_all(a.client);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "owner-%d", i);
        create_owner(a.client, name, "6");
    }
    controller_group_lead(a.group, true);
    assert_true(run_until(e->loop, total_reached, &t, 20000));
    controller_group_stats(a.group, 0, &stats);
    assert_int_equal(stats.writes, 60);
    assert_int_equal(stats.failures, 0);
    delete_a_pod(&a); /* is replaced */
    t.writes = 61;
    assert_true(run_until(e->loop, total_reached, &t, 10000));
    controller_group_stats(a.group, 0, &stats);
    assert_int_equal(stats.writes, 61);
    wish(a.client, "owner-3", "1");
    t.want = 55;
    assert_true(run_until(e->loop, total_reached, &t, 10000));
    end(&a);
}

static void a_standby_does_nothing_until_it_leads_and_then_goes_on(void **state)
{
    struct etcd *e = etcd_shared();
    struct process_like a;
    struct process_like b;
    struct total t = { .p = &a, .want = 4 };
    struct controller_stats stats;

    (void)state;
    begin(&a, e, 21);
    begin(&b, e, 22);
    delete_all(a.client);
    controller_group_lead(a.group, true);
    create_owner(a.client, "owner-x", "4");
    assert_true(run_until(e->loop, total_reached, &t, 10000));
    controller_group_lead(a.group, false);
    wish(a.client, "owner-x", "7");
    controller_group_lead(b.group, true);
    t = (struct total){ .p = &b, .want = 7 };
    assert_true(run_until(e->loop, total_reached, &t, 10000));
    controller_group_stats(a.group, 0, &stats);
    assert_int_equal(stats.writes, 4);
    controller_group_stats(b.group, 0, &stats);
    assert_int_equal(stats.writes, 3);
    end(&a);
    end(&b);
}

static void a_deposed_leader_writes_nothing_behind_its_fence(void **state)
{
    struct etcd *e = etcd_shared();
    struct process_like a;
    struct total t = { .p = &a, .want = 2 };
    struct controller_stats stats;
    struct client_guard fence = { .key = slice_str("/elect/fence") };
    bool done = false;

    (void)state;
    begin(&a, e, 31);
    delete_all(a.client);
    fence.mod_revision = must_put(a.client, "/elect/fence", "a", 0);
    controller_group_fence(a.group, &fence);
    controller_group_lead(a.group, true);
    create_owner(a.client, "owner-f", "2");
    assert_true(run_until(e->loop, total_reached, &t, 10000));
    client_delete(a.client, fence.key, slice_str(""), etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 5000));
    wish(a.client, "owner-f", "5"); /* it still believes that it leads */
    assert_true(run_until(e->loop, has_conflict, a.group, 5000));
    controller_group_stats(a.group, 0, &stats);
    assert_int_equal(stats.writes, 2);
    end(&a);
}

int test_controller_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_controller_reaches_what_is_wanted_without_one_write_too_many),
        cmocka_unit_test(a_deposed_leader_writes_nothing_behind_its_fence),
        cmocka_unit_test(a_standby_does_nothing_until_it_leads_and_then_goes_on),
    };

    return cmocka_run_group_tests_name("client/controller", tests, NULL, NULL);
}
