/* Typed objects against a real etcd: create, get, update, delete, list, modify, Events. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>

#include "api/core.h"
#include "api/meta.h"
#include "client/informer.h"
#include "client/objects.h"
#include "client/recorder.h"
#include "lib/base/alloc.h"

struct answer {
    bool done;
    int status;
    int64_t revision;
    struct object *object; /* taken */
    size_t n;
    char message[ERR_MSG_MAX];
};

static void on_answer(void *arg, struct objects_result *r)
{
    struct answer *a = arg;

    assert_false(a->done);
    a->done = true;
    a->status = r->status;
    a->revision = r->revision;
    a->object = TAKE(r->object);
    a->n = r->n_items;
    if (r->status != 0) {
        assert_non_null(r->err);
        snprintf(a->message, sizeof a->message, "%s", r->err->msg);
    }
}

/* Waits, and frees what a former answer held. */
static void wait(struct client *c, struct answer *a)
{
    assert_true(run_until_set(client_loop(c), &a->done, 10000));
}

static void again(struct answer *a)
{
    object_free(a->object);
    *a = (struct answer){ 0 };
}

static struct object *configmap(const char *name, const char *value)
{
    struct object *o = object_new(&kind_configmap);
    struct rng rng;

    string_set(&o->metadata.namespace_, "default");
    string_set(&o->metadata.name, name);
    string_map_set(&((struct configmap *)o)->data, "key", value);
    rng_init(&rng, 9);
    object_stamp_new(o, &rng, 1764000000000);
    return o;
}

static void an_object_is_created_once_read_back_and_deleted(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct object *o = configmap("o1", "v");
    struct answer a = { 0 };
    int64_t revision;

    (void)state;
    objects_create(c, o, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    revision = a.revision;
    assert_int_equal(a.object->metadata.resource_version, revision);
    again(&a);
    objects_create(c, o, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_EXIST);
    assert_string_equal(a.message, "configmaps \"default/o1\" already exists");
    again(&a);
    objects_get(c, &kind_configmap, "default", "o1", on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    assert_true(object_equal(a.object, o));
    assert_int_equal(a.object->metadata.resource_version, revision);
    again(&a);
    objects_delete(c, &kind_configmap, "default", "o1", revision - 1, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_CONFLICT);
    again(&a);
    objects_delete(c, &kind_configmap, "default", "o1", revision, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    again(&a);
    objects_get(c, &kind_configmap, "default", "o1", on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_NOTFOUND);
    again(&a);
    objects_delete(c, &kind_configmap, "default", "o1", 0, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_NOTFOUND);
    again(&a);
    object_free(o);
    client_free(c);
}

static void a_stale_update_conflicts_and_brings_the_present_state(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct object *o = configmap("o2", "one");
    struct answer a = { 0 };

    (void)state;
    objects_create(c, o, on_answer, &a);
    wait(c, &a);
    o->metadata.resource_version = a.revision;
    again(&a);
    string_map_set(&((struct configmap *)o)->data, "key", "two");
    objects_update(c, o, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    again(&a);
    string_map_set(&((struct configmap *)o)->data, "key", "three");
    objects_update(c, o, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_CONFLICT);
    assert_non_null(a.object);
    assert_string_equal(string_map_get(&((struct configmap *)a.object)->data, "key"), "two");
    again(&a);
    object_free(o);
    client_free(c);
}

static int append(void *arg, struct object *o, struct err *err)
{
    struct string_map *data = &((struct configmap *)o)->data;
    autofree char *longer = mem_printf("%sx", string_map_get(data, "key"));

    (void)arg;
    (void)err;
    string_map_set(data, "key", longer);
    return 0;
}

static int refuse(void *arg, struct object *o, struct err *err)
{
    (void)arg;
    (void)o;
    return err_set(err, E_INVAL, "no");
}

static int nothing(void *arg, struct object *o, struct err *err)
{
    (void)arg;
    (void)o;
    (void)err;
    return 0;
}

static void eight_modifications_at_once_all_happen(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct object *o = configmap("o3", "");
    struct answer a = { 0 };
    struct answer many[8] = { 0 };

    (void)state;
    objects_create(c, o, on_answer, &a);
    wait(c, &a);
    for (size_t i = 0; i < 8; i++) {
        objects_modify(c, &kind_configmap, "default", "o3", append, on_answer, &many[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        wait(c, &many[i]);
        assert_int_equal(many[i].status, 0);
        again(&many[i]);
    }
    again(&a);
    objects_get(c, &kind_configmap, "default", "o3", on_answer, &a);
    wait(c, &a);
    assert_string_equal(string_map_get(&((struct configmap *)a.object)->data, "key"), "xxxxxxxx");
    again(&a);
    object_free(o);
    client_free(c);
}

static void a_refused_edit_ends_and_an_empty_one_writes_nothing(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct object *o = configmap("o4", "v");
    struct answer a = { 0 };
    int64_t revision;

    (void)state;
    objects_create(c, o, on_answer, &a);
    wait(c, &a);
    revision = a.revision;
    again(&a);
    objects_modify(c, &kind_configmap, "default", "o4", refuse, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_INVAL);
    assert_string_equal(a.message, "no");
    again(&a);
    objects_modify(c, &kind_configmap, "default", "o4", nothing, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.object->metadata.resource_version, revision);
    again(&a);
    objects_modify(c, &kind_configmap, "default", "none", nothing, on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_NOTFOUND);
    again(&a);
    object_free(o);
    client_free(c);
}

static void a_list_gives_one_namespace_or_all_and_a_broken_value_is_named(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct object *o = configmap("l1", "v");
    struct answer a = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        char name[16];

        snprintf(name, sizeof name, "l%d", i);
        string_set(&o->metadata.name, name);
        string_set(&o->metadata.namespace_, i == 2 ? "lists-b" : "lists-a");
        objects_create(c, o, on_answer, &a);
        wait(c, &a);
        assert_int_equal(a.status, 0);
        again(&a);
    }
    objects_list(c, &kind_configmap, "lists-a", on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.n, 2);
    again(&a);
    must_put(c, "/registry/configmaps/lists-a/bad", "not json", 0);
    objects_list(c, &kind_configmap, "lists-a", on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, E_CORRUPT);
    assert_non_null(strstr(a.message, "/registry/configmaps/lists-a/bad"));
    again(&a);
    object_free(o);
    client_free(c);
}

static bool cache_shows_it(void *arg)
{
    return cache_get(informer_cache(arg), "nameless/good") != NULL;
}

static void what_has_no_name_is_called_by_its_key_and_kept_out_of_caches(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct informer_options options = { .client = c, .kind = &kind_configmap,
                                        .namespace_ = "nameless", .seed = 5 };
    struct informer *inf = informer_new(&options);
    struct answer a = { 0 };

    (void)state;
    must_put(c, "/registry/configmaps/nameless/empty", "{\"metadata\":{}}", 0);
    objects_get(c, &kind_configmap, "nameless", "empty", on_answer, &a);
    wait(c, &a);
    assert_int_equal(a.status, 0);
    assert_string_equal(a.object->metadata.name, "empty");
    assert_string_equal(a.object->metadata.namespace_, "nameless");
    again(&a);
    must_put(c, "/registry/configmaps/nameless/good",
             "{\"metadata\":{\"name\":\"good\",\"namespace\":\"nameless\"}}", 0);
    assert_true(run_until(client_loop(c), cache_shows_it, inf, 10000));
    assert_int_equal(cache_len(informer_cache(inf)), 1);
    informer_free(inf);
    client_free(c);
}

struct events {
    bool done;
    size_t n;
    int32_t count;
    char reason[32];
};

static void on_events(void *arg, struct objects_result *r)
{
    struct events *e = arg;

    e->done = true;
    e->n = r->n_items;
    if (r->n_items > 0) {
        const struct event *event = (const struct event *)r->items[0];

        e->count = event->count;
        snprintf(e->reason, sizeof e->reason, "%s", event->reason);
    }
}

static void the_same_event_again_counts_up_one_object(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct recorder *r = recorder_new(c, "test", "host", 4);
    struct object *o = configmap("ev", "v");
    struct events e = { 0 };

    (void)state;
    string_set(&o->metadata.namespace_, "events-a");
    for (int i = 0; i < 5; i++) {
        recorder_object_event(r, o, "Warning", "Broken", "it is %s", "broken");
    }
    for (int tries = 0; e.count < 5 && tries < 2000; tries++) {
        e = (struct events){ 0 };
        objects_list(c, &kind_event, "events-a", on_events, &e);
        assert_true(run_until_set(client_loop(c), &e.done, 5000));
        assert_true(e.n <= 1);
    }
    assert_int_equal(e.count, 5);
    assert_string_equal(e.reason, "Broken");
    recorder_free(r);
    object_free(o);
    client_free(c);
}

int test_objects_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_created_once_read_back_and_deleted),
        cmocka_unit_test(a_stale_update_conflicts_and_brings_the_present_state),
        cmocka_unit_test(eight_modifications_at_once_all_happen),
        cmocka_unit_test(a_refused_edit_ends_and_an_empty_one_writes_nothing),
        cmocka_unit_test(a_list_gives_one_namespace_or_all_and_a_broken_value_is_named),
        cmocka_unit_test(what_has_no_name_is_called_by_its_key_and_kept_out_of_caches),
        cmocka_unit_test(the_same_event_again_counts_up_one_object),
    };

    return cmocka_run_group_tests_name("client/objects", tests, NULL, NULL);
}
