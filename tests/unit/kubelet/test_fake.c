/* The fake driver keeps the drivers' contract without any process. */
#include "tests/unit/kubelet/test.h"

#include <signal.h>
#include <string.h>

#include "lib/io/loop.h"

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static struct attempt *list(struct driver *d, struct arena *arena, size_t *ret_n)
{
    struct attempt *attempts = NULL;
    assert_int_equal(d->list(d, arena, &attempts, ret_n, NULL), 0);
    return attempts;
}

static int start(struct driver *d, const char *command, int32_t attempt)
{
    struct node_item *item = make_item(command, false);
    struct start_request r = { .pod_uid = "u1", .pod_namespace = "d", .pod_name = "web",
                               .node_name = "n1", .spec = &item->spec,
                               .container = &item->spec.containers[0], .attempt = attempt };
    struct err err = ERR_INIT;
    int rv = d->start(d, &r, &err);
    object_free(&item->object);
    return rv;
}

static void attempts_run_until_they_are_signalled(void **state)
{
    struct loop *loop = loop_new();
    struct driver *d = driver_fake_new(loop);
    struct arena arena;
    size_t n;
    bool changed = false;
    (void)state;
    arena_init(&arena);
    d->changed = set_flag;
    d->arg = &changed;
    assert_int_equal(start(d, "'containers':[{'name':'c'}]", 0), 0);
    assert_int_equal(start(d, "'containers':[{'name':'c'}]", 0), E_EXIST);
    struct attempt *a = list(d, &arena, &n);
    assert_int_equal(n, 1);
    assert_string_equal(a->id, "u1/c/0");
    assert_int_equal(a->state, ATTEMPT_RUNNING);
    assert_int_equal(d->remove(d, "u1/c/0"), E_NOTFOUND); /* not while it runs */
    assert_int_equal(d->signal(d, "u1/c/0", SIGHUP), 0);
    assert_int_equal(list(d, &arena, &n)->state, ATTEMPT_RUNNING);
    assert_int_equal(d->signal(d, "u1/c/0", SIGTERM), 0);
    assert_true(changed);
    a = list(d, &arena, &n);
    assert_int_equal(a->state, ATTEMPT_EXITED);
    assert_int_equal(a->signal, SIGTERM);
    assert_int_equal(d->signal(d, "u1/c/0", SIGTERM), E_NOTFOUND);
    assert_int_equal(d->remove(d, "u1/c/0"), 0);
    list(d, &arena, &n);
    assert_int_equal(n, 0);
    arena_fini(&arena);
    d->free(d);
    loop_free(loop);
}

static void commands_choose_how_they_end(void **state)
{
    struct loop *loop = loop_new();
    struct driver *d = driver_fake_new(loop);
    struct arena arena;
    size_t n;
    (void)state;
    arena_init(&arena);
    start(d, "'containers':[{'name':'c','command':['exit','3']}]", 0);
    start(d, "'containers':[{'name':'c','command':['ignore-term']}]", 1);
    struct attempt *a = list(d, &arena, &n);
    assert_int_equal(a[0].exit_code, 3);
    assert_string_equal(a[0].reason, "Error");
    d->signal(d, "u1/c/1", SIGTERM);
    assert_int_equal(list(d, &arena, &n)[1].state, ATTEMPT_RUNNING);
    d->signal(d, "u1/c/1", SIGKILL);
    assert_int_equal(list(d, &arena, &n)[1].state, ATTEMPT_EXITED);
    arena_fini(&arena);
    d->free(d);
    loop_free(loop);
}

int test_fake_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_run_until_they_are_signalled),
        cmocka_unit_test(commands_choose_how_they_end),
    };
    return cmocka_run_group_tests_name("driver_fake", tests, NULL, NULL);
}
