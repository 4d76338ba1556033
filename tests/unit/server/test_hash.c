/* HashKV beside the loop: calls wait in line behind a worker that is held here, and meanwhile
 * others ask, clients go, the store is replaced, the member ends. The number: tests/unit/store. */
#include "fixture.h"

#include <semaphore.h>

#include "lib/base/assert.h"
#include "lib/io/work.h"
#include "server/internal.h"

enum { LINE = 16 }; /* that may wait, with the one at work */

struct asked {
    struct rpc_request *request;
    bool done;
    int code;
    uint32_t hash;
    int64_t revision;
};

static void on_answer(void *arg, const struct rpc_result *result)
{
    struct asked *a = arg;
    a->done = true;
    a->code = result->grpc_code;
    if (result->msg != NULL) {
        const Etcdserverpb__HashKVResponse *m = (const void *)result->msg;
        a->hash = m->hash;
        a->revision = m->hash_revision;
        assert_int_equal(m->header->revision, m->hash_revision);
    }
}

static void ask(struct member *m, struct asked *a)
{
    Etcdserverpb__HashKVRequest request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    *a = (struct asked){ 0 };
    a->request = rpc_call_unary(m->channel, "/etcdserverpb.Maintenance/HashKV", &request.base,
                                &etcdserverpb__hash_kvresponse__descriptor, 0, on_answer, a);
}

static bool is_done(void *arg)
{
    return ((const struct asked *)arg)->done;
}

static uint32_t hash_now(struct member *m)
{
    struct asked a;
    ask(m, &a);
    run_until(m->loop, is_done, &a);
    assert_int_equal(a.code, 0);
    return a.hash;
}

/* --- the worker, held ------------------------------------------------------------------------- */

struct holding {
    struct job job;
    sem_t go;
};

static void holding_run(struct job *job)
{
    sem_wait(&CONTAINER_OF(job, struct holding, job)->go);
}

static void holding_done(struct job *job)
{
    sem_destroy(&CONTAINER_OF(job, struct holding, job)->go);
}

static void hold(struct member *m, struct holding *h)
{
    struct server *s = m->server;
    *h = (struct holding){ .job = { .run = holding_run, .done = holding_done } };
    list_init(&h->job.link);
    sem_init(&h->go, 0, 0);
    if (s->hash_worker == NULL) {
        s->hash_worker = worker_new(s->loop, "hash");
    }
    worker_submit(s->hash_worker, &h->job);
}

struct line {
    const struct server *server;
    size_t n;
};

static bool is_long(void *arg)
{
    const struct line *l = arg;
    size_t n = 0;
    LIST_FOREACH(it, &l->server->hashes) {
        n++;
    }
    return n == l->n;
}

static void wait_for_line(struct member *m, size_t n)
{
    struct line l = { m->server, n };
    run_until(m->loop, is_long, &l);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void what_was_asked_is_answered_as_of_then_and_no_more_than_a_line(void **state)
{
    struct member *m = *state;
    struct asked a[LINE], more;
    struct holding h;
    int64_t revision = must_put(m, "a", "1");
    uint32_t hash = hash_now(m);
    hold(m, &h);
    for (size_t i = 0; i < LINE; i++) {
        ask(m, &a[i]);
    }
    wait_for_line(m, LINE);
    ask(m, &more);
    run_until(m->loop, is_done, &more);
    assert_int_equal(more.code, GRPC_RESOURCE_EXHAUSTED);
    must_put(m, "a", "2"); /* nobody waits for a hash, and it is in none of them */
    sem_post(&h.go);
    for (size_t i = 0; i < LINE; i++) {
        run_until(m->loop, is_done, &a[i]);
        assert_int_equal(a[i].code, 0);
        assert_int_equal(a[i].hash, hash);
        assert_int_equal(a[i].revision, revision);
    }
    assert_true(hash_now(m) != hash);
    assert_true(list_empty(&m->server->holds));
}

static void who_has_gone_loses_the_place(void **state)
{
    struct member *m = *state;
    struct asked a[3];
    struct holding h;
    hold(m, &h);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        ask(m, &a[i]);
    }
    wait_for_line(m, ARRAY_LEN(a));
    rpc_request_cancel(a[0].request);
    rpc_request_cancel(a[1].request);
    must_put(m, "a", "1"); /* they are gone there, too */
    sem_post(&h.go);
    run_until(m->loop, is_done, &a[2]);
    assert_int_equal(a[2].code, 0);
    assert_true(list_empty(&m->server->hashes));
    must_compact(m, must_put(m, "a", "2"));
}

static void a_store_that_is_replaced_is_still_summed_up(void **state)
{
    struct member *m = *state;
    struct asked a[2];
    struct holding h;
    must_put(m, "a", "1");
    uint32_t hash = hash_now(m);
    hold(m, &h);
    ask(m, &a[0]);
    ask(m, &a[1]);
    wait_for_line(m, ARRAY_LEN(a));
    member_replace_store(m);
    sem_post(&h.go);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        run_until(m->loop, is_done, &a[i]);
        assert_int_equal(a[i].hash, hash);
    }
    assert_true(hash_now(m) != hash);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void a_member_that_ends_answers_what_it_is_at_and_refuses_the_rest(void **state)
{
    struct member *m = member_open_with(NULL);
    struct asked a[2];
    struct holding h;
    bool closed = false;
    (void)state;
    hold(m, &h);
    ask(m, &a[0]);
    ask(m, &a[1]);
    wait_for_line(m, ARRAY_LEN(a));
    server_close(m->server, set_flag, &closed);
    sem_post(&h.go);
    run_until(m->loop, flag_set, &closed);
    run_until(m->loop, is_done, &a[1]);
    assert_int_equal(a[0].code, 0);
    assert_int_equal(a[1].code, GRPC_UNAVAILABLE);
    member_forget(m);
}

int test_hash_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(what_was_asked_is_answered_as_of_then_and_no_more_than_a_line),
        SERVER_TEST(who_has_gone_loses_the_place),
        SERVER_TEST(a_store_that_is_replaced_is_still_summed_up),
        cmocka_unit_test(a_member_that_ends_answers_what_it_is_at_and_refuses_the_rest),
    };
    return cmocka_run_group_tests_name("server/hash", tests, NULL, NULL);
}
