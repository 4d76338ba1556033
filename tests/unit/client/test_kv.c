/* Keys and values against a real etcd: put, get, ranges, compare-and-set, deletes, compaction,
 * members. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>

#include "lib/base/alloc.h"

struct answer {
    bool done;
    int status;
    int64_t revision, count, deleted, mod_revision;
    bool more;
    size_t n;
    char keys[16][32];
    char message[ERR_MSG_MAX];
};

static void on_answer(void *arg, const struct client_result *r)
{
    struct answer *a = arg;

    assert_false(a->done);
    a->done = true;
    a->status = r->status;
    a->revision = r->revision;
    a->count = r->count;
    a->deleted = r->deleted;
    a->more = r->more;
    a->n = r->n_kvs;
    for (size_t i = 0; i < r->n_kvs && i < 16; i++) {
        snprintf(a->keys[i], sizeof a->keys[i], "%.*s", (int)r->kvs[i].key.len,
                 (const char *)r->kvs[i].key.data);
        a->mod_revision = r->kvs[i].mod_revision;
    }
    if (r->status != 0) {
        assert_non_null(r->err);
        snprintf(a->message, sizeof a->message, "%s", r->err->msg);
    }
}

static struct answer range(struct client *c, const struct client_range *range)
{
    struct answer a = { 0 };

    client_get(c, range, on_answer, &a);
    assert_false(a.done); /* never inside the submitting call */
    assert_true(run_until_set(client_loop(c), &a.done, 10000));
    return a;
}

static struct answer cas(struct client *c, const char *key, int64_t expect, const char *value)
{
    struct answer a = { 0 };
    struct client_guard guard = { slice_str(key), expect };
    struct client_write write = { .key = slice_str(key), .value = slice_str(value),
                                  .is_delete = value == NULL };

    client_cas(c, &guard, 1, &write, 1, on_answer, &a);
    assert_true(run_until_set(client_loop(c), &a.done, 10000));
    return a;
}

static void a_value_put_is_read_back(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    autofree char *value = NULL;
    autofree char *absent = NULL;

    (void)state;
    must_put(c, "kv/a", "one", 0);
    value = must_get(c, "kv/a");
    absent = must_get(c, "kv/none");
    assert_string_equal(value, "one");
    assert_null(absent);
    client_free(c);
}

static void a_prefix_gives_its_keys_in_order_with_count_and_more(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    autobuf end = BUF_INIT;
    struct client_range r = { .key = slice_str("pre/"), .limit = 2 };
    struct answer a;

    (void)state;
    must_put(c, "pre/b", "2", 0);
    must_put(c, "pre/a", "1", 0);
    must_put(c, "pre/c", "3", 0);
    must_put(c, "pre0", "outside", 0);
    client_prefix_end(r.key, &end);
    r.range_end = buf_slice(&end);
    a = range(c, &r);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.count, 3);
    assert_true(a.more);
    assert_string_equal(a.keys[0], "pre/a");
    assert_string_equal(a.keys[1], "pre/b");
    r.limit = 0;
    r.descending = true;
    a = range(c, &r);
    assert_int_equal(a.n, 3);
    assert_string_equal(a.keys[0], "pre/c");
    client_free(c);
}

static void compare_and_set_creates_updates_and_deletes_only_what_it_has_read(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct answer a = cas(c, "cas/a", 0, "one");
    int64_t first = a.revision;

    (void)state;
    assert_int_equal(a.status, 0);
    a = cas(c, "cas/a", 0, "two");
    assert_int_equal(a.status, E_CONFLICT);
    assert_int_equal(a.n, 1); /* what is there comes along */
    assert_int_equal(a.mod_revision, first);
    a = cas(c, "cas/a", first, "two");
    assert_int_equal(a.status, 0);
    assert_true(a.revision > first);
    assert_int_equal(cas(c, "cas/a", first, NULL).status, E_CONFLICT);
    a = cas(c, "cas/a", a.revision, NULL);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.deleted, 1);
    client_free(c);
}

static void a_delete_says_how_many_keys_went(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct answer a = { 0 };
    struct answer b = { 0 };

    (void)state;
    must_put(c, "del/a", "", 0);
    must_put(c, "del/b", "", 0);
    client_delete(c, slice_str("del/"), slice_str("del0"), on_answer, &a);
    assert_true(run_until_set(client_loop(c), &a.done, 10000));
    assert_int_equal(a.deleted, 2);
    client_delete(c, slice_str("del/a"), slice_str(""), on_answer, &b);
    assert_true(run_until_set(client_loop(c), &b.done, 10000));
    assert_int_equal(b.deleted, 0);
    client_free(c);
}

static void a_read_before_the_compaction_says_compacted(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    int64_t first = must_put(c, "comp/a", "1", 0);
    int64_t second = must_put(c, "comp/a", "2", 0);
    struct client_range r = { .key = slice_str("comp/a"), .revision = first };
    struct answer a = { 0 };

    (void)state;
    client_compact(c, second, true, on_answer, &a);
    assert_true(run_until_set(client_loop(c), &a.done, 10000));
    assert_int_equal(a.status, 0);
    assert_int_equal(range(c, &r).status, E_COMPACTED);
    r.revision = second + 1000;
    assert_int_equal(range(c, &r).status, E_FUTURE_REV);
    client_free(c);
}

static void a_cancelled_call_is_never_answered_and_a_closed_client_answers_canceled(void **state)
{
    struct client *c = etcd_client(etcd_shared());
    struct client_range r = { .key = slice_str("x") };
    struct loop *loop = client_loop(c);
    struct answer cancelled = { 0 };
    struct answer closed = { 0 };

    (void)state;
    client_call_cancel(client_get(c, &r, on_answer, &cancelled));
    client_get(c, &r, on_answer, &closed);
    client_free(c);
    assert_false(closed.done);
    assert_true(run_until_set(loop, &closed.done, 1000));
    assert_int_equal(closed.status, E_CANCELED);
    assert_false(cancelled.done);
}

static void nobody_there_is_unavailable_at_the_deadline_and_names_the_endpoints(void **state)
{
    struct loop *loop = etcd_shared()->loop;
    const char *endpoints[] = { "127.0.0.1:1", "http://127.0.0.1:2" };
    struct client_options options = { .loop = loop, .endpoints = endpoints, .n_endpoints = 2 };
    struct client_range r = { .key = slice_str("x"), .timeout_ms = 300 };
    struct client *c = NULL;
    struct answer a = { 0 };
    uint64_t start = loop_now_ms(loop);

    (void)state;
    assert_int_equal(client_new(&options, &c, NULL), 0);
    client_get(c, &r, on_answer, &a);
    assert_true(run_until_set(loop, &a.done, 5000));
    assert_int_equal(a.status, E_UNAVAILABLE);
    assert_true(loop_now_ms(loop) - start >= 290);
    assert_true(loop_now_ms(loop) - start < 1500);
    assert_non_null(strstr(a.message, "127.0.0.1:1"));
    assert_non_null(strstr(a.message, "127.0.0.1:2"));
    client_free(c);
}

static void wrong_endpoints_are_refused_with_the_reason(void **state)
{
    static const char *const wrong[] = { "", "http://nowhere/path", "ftp://127.0.0.1:1",
                                         "https://127.0.0.1:1" };
    struct client *c = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client_options options = { .loop = etcd_shared()->loop, .endpoints = &wrong[i],
                                          .n_endpoints = 1 };
        struct err err = ERR_INIT;

        assert_int_not_equal(client_new(&options, &c, &err), 0);
        assert_non_null(strstr(err.msg, "endpoint"));
    }
}

struct seen {
    bool done;
    int status;
    size_t n;
    char name[64];
    struct client_status answer;
};

static void on_members(void *arg, int status, const struct client_member *members, size_t n,
                       const struct err *err)
{
    struct seen *s = arg;

    (void)err;
    s->done = true;
    s->status = status;
    s->n = n;
    if (n > 0) {
        snprintf(s->name, sizeof s->name, "%s", members[0].name);
    }
}

static void on_status(void *arg, int status, const struct client_status *answer,
                      const struct err *err)
{
    struct seen *s = arg;

    s->done = true;
    s->status = status;
    if (status == 0) {
        s->answer = *answer;
    } else {
        assert_non_null(err);
    }
}

static void members_and_the_status_of_an_endpoint_are_told(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct seen members = { 0 };
    struct seen up = { 0 };
    struct seen down = { 0 };

    (void)state;
    client_member_list(c, on_members, &members);
    client_status_of(c, e->members[0].address, 2000, on_status, &up);
    client_status_of(c, "127.0.0.1:1", 2000, on_status, &down);
    assert_true(run_until_set(e->loop, &members.done, 10000));
    assert_true(run_until_set(e->loop, &up.done, 10000));
    assert_true(run_until_set(e->loop, &down.done, 10000));
    assert_int_equal(members.n, 1);
    assert_string_equal(members.name, "m1");
    assert_int_equal(up.status, 0);
    assert_int_equal(up.answer.leader_id, up.answer.member_id);
    assert_true(up.answer.revision > 1);
    assert_true(strlen(up.answer.version) >= 5);
    assert_int_equal(down.status, E_UNAVAILABLE);
    client_free(c);
}

int test_kv_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_put_is_read_back),
        cmocka_unit_test(a_prefix_gives_its_keys_in_order_with_count_and_more),
        cmocka_unit_test(compare_and_set_creates_updates_and_deletes_only_what_it_has_read),
        cmocka_unit_test(a_delete_says_how_many_keys_went),
        cmocka_unit_test(a_read_before_the_compaction_says_compacted),
        cmocka_unit_test(a_cancelled_call_is_never_answered_and_a_closed_client_answers_canceled),
        cmocka_unit_test(nobody_there_is_unavailable_at_the_deadline_and_names_the_endpoints),
        cmocka_unit_test(wrong_endpoints_are_refused_with_the_reason),
        cmocka_unit_test(members_and_the_status_of_an_endpoint_are_told),
    };

    return cmocka_run_group_tests_name("client/kv", tests, NULL, NULL);
}
