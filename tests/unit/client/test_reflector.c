/* The reflector against a real etcd: a mirror in a plain table is compared with what the store
 * holds. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <signal.h>
#include <stdio.h>

#include "client/reflector.h"
#include "lib/base/alloc.h"

enum { KEYS_MAX = 4096 };

struct mirror {
    char keys[KEYS_MAX][24];
    char values[KEYS_MAX][16];
    size_t n;
    size_t lists, events;
    int64_t revision;
    int64_t want;
    bool listed;
};

static void mirror_set(struct mirror *m, const struct client_kv *kv)
{
    size_t i = 0;
    char key[24];

    snprintf(key, sizeof key, "%.*s", (int)kv->key.len, (const char *)kv->key.data);
    while (i < m->n && strcmp(m->keys[i], key) != 0) {
        i++;
    }
    assert_true(i < KEYS_MAX);
    m->n += i == m->n;
    memcpy(m->keys[i], key, sizeof key);
    snprintf(m->values[i], sizeof m->values[i], "%.*s", (int)kv->value.len,
             (const char *)kv->value.data);
}

static void mirror_remove(struct mirror *m, struct slice key)
{
    for (size_t i = 0; i < m->n; i++) {
        if (slice_eq(slice_str(m->keys[i]), key)) {
            m->n--;
            memcpy(m->keys[i], m->keys[m->n], sizeof m->keys[i]);
            memcpy(m->values[i], m->values[m->n], sizeof m->values[i]);
            return;
        }
    }
    fail_msg("a delete of a key that the mirror does not have");
}

static void on_list_begin(void *arg)
{
    struct mirror *m = arg;

    m->n = 0;
}

static void on_list_item(void *arg, const struct client_kv *kv)
{
    mirror_set(arg, kv);
}

static void on_list_end(void *arg, int64_t revision)
{
    struct mirror *m = arg;

    assert_true(revision >= m->revision); /* never back in time */
    m->revision = revision;
    m->lists++;
    m->listed = true;
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct mirror *m = arg;

    assert_true(m->listed);
    for (size_t i = 0; i < n; i++) {
        m->events++;
        if (events[i].type == EVENT_DELETE) {
            mirror_remove(m, events[i].kv.key);
        } else {
            mirror_set(m, &events[i].kv);
        }
    }
    assert_true(revision >= m->revision);
    m->revision = revision;
}

static bool reached(void *arg)
{
    struct mirror *m = arg;

    return m->revision >= m->want;
}

static struct reflector *reflect(struct client *c, struct mirror *m, const char *prefix)
{
    struct reflector_options options = {
        .client = c,
        .prefix = slice_str(prefix),
        .sink = { on_list_begin, on_list_item, on_list_end, on_events, NULL, NULL },
        .arg = m,
        .seed = 1,
    };

    return reflector_new(&options);
}

static void the_mirror_holds_what_was_there_and_what_came_later(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct mirror *m = mem_zalloc(sizeof *m);
    struct reflector *r;
    bool done = false;

    (void)state;
    must_put(c, "r1/a", "1", 0);
    must_put(c, "r1/b", "2", 0);
    r = reflect(c, m, "r1/");
    assert_true(run_until_set(e->loop, &m->listed, 5000));
    assert_int_equal(m->n, 2);
    client_delete(c, slice_str("r1/a"), slice_str(""), etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 5000));
    m->want = must_put(c, "r1/c", "3", 0);
    assert_true(run_until(e->loop, reached, m, 5000));
    assert_int_equal(m->n, 2);
    assert_int_equal(m->events, 2);
    assert_int_equal(m->lists, 1);
    reflector_free(r);
    mem_free(m);
    client_free(c);
}

static void a_long_list_comes_in_pages_at_one_revision(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct mirror *m = mem_zalloc(sizeof *m);
    struct reflector *r;
    char keys[128][24];
    struct client_write writes[128];
    bool done;

    (void)state;
    for (int batch = 0; batch < 20; batch++) {
        for (int i = 0; i < 125; i++) {
            snprintf(keys[i], sizeof keys[i], "r2/%04d", batch * 125 + i);
            writes[i] = (struct client_write){ .key = slice_str(keys[i]), .value = slice_str("x") };
        }
        done = false;
        client_cas(c, NULL, 0, writes, 125, etcd_set_flag, &done);
        assert_true(run_until_set(e->loop, &done, 5000));
    }
    r = reflect(c, m, "r2/");
    assert_true(run_until_set(e->loop, &m->listed, 5000));
    assert_int_equal(m->n, 2500);
    reflector_free(r);
    mem_free(m);
    client_free(c);
}

/* The mirror's loop stands still while others write and compact: its watch cannot resume. */
static void after_a_compaction_it_lists_again_and_drops_what_is_gone(void **state)
{
    struct etcd *e = etcd_start(1);
    struct loop *loop = loop_new();
    struct client *c = etcd_client_on(e, loop);
    struct client *other;
    struct mirror *m = mem_zalloc(sizeof *m);
    struct reflector *r;
    bool done = false;

    (void)state;
    must_put(c, "r3/a", "1", 0);
    must_put(c, "r3/b", "1", 0);
    r = reflect(c, m, "r3/");
    assert_true(run_until_set(loop, &m->listed, 5000));
    etcd_kill(e, 0, SIGKILL); /* from here on `loop` does not turn */
    etcd_restart(e, 0);
    other = etcd_client(e);
    must_put(other, "r3/a", "2", 0);
    client_delete(other, slice_str("r3/b"), slice_str(""), etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 10000));
    m->want = must_put(other, "r3/c", "3", 0);
    done = false;
    client_compact(other, m->want, true, etcd_set_flag, &done);
    assert_true(run_until_set(e->loop, &done, 10000));
    assert_true(m->revision < m->want);
    assert_true(run_until(loop, reached, m, 10000));
    assert_int_equal(m->lists, 2);
    assert_int_equal(m->events, 0);
    assert_int_equal(m->n, 2);
    for (size_t i = 0; i < m->n; i++) {
        bool is_a = strcmp(m->keys[i], "r3/a") == 0;

        assert_true(is_a || strcmp(m->keys[i], "r3/c") == 0);
        assert_string_equal(m->values[i], is_a ? "2" : "3");
    }
    reflector_free(r);
    mem_free(m);
    client_free(other);
    client_free(c);
    run_turns(loop);
    loop_free(loop);
    etcd_stop(e);
}

int test_reflector_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mirror_holds_what_was_there_and_what_came_later),
        cmocka_unit_test(a_long_list_comes_in_pages_at_one_revision),
        cmocka_unit_test(after_a_compaction_it_lists_again_and_drops_what_is_gone),
    };

    return cmocka_run_group_tests_name("client/reflector", tests, NULL, NULL);
}
