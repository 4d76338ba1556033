/* HashKV beside the loop: calls wait in line behind a worker that is held here, and meanwhile
 * others ask, clients go, the store is replaced, the member ends. The number: tests/unit/store. */
#include "fixture.h"

#include <semaphore.h>
#include <time.h>

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
        assert_true(m->header->revision >= m->hash_revision);
    }
}

static void ask(struct member *m, struct asked *a, int64_t revision)
{
    Etcdserverpb__HashKVRequest request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    request.revision = revision;
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
    ask(m, &a, 0);
    run_until(m->loop, is_done, &a);
    assert_int_equal(a.code, 0);
    return a.hash;
}

/* --- the worker, held ------------------------------------------------------------------------- */

struct holding {
    struct job job;
    sem_t go;
};

/* Not for ever: a test that fails leaves it held, and the member waits for it. */
static void holding_run(struct job *job)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    sem_timedwait(&CONTAINER_OF(job, struct holding, job)->go, &until);
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

static void nobody_waits_for_a_hash_and_no_more_than_a_line_for_theirs(void **state)
{
    struct member *m = *state;
    struct asked a[LINE], more;
    struct holding h;
    int64_t revision = must_put(m, "a", "1");
    uint32_t hash = hash_now(m);
    hold(m, &h);
    for (size_t i = 0; i < LINE; i++) {
        ask(m, &a[i], revision);
    }
    wait_for_line(m, LINE);
    ask(m, &more, 0);
    run_until(m->loop, is_done, &more);
    assert_int_equal(more.code, GRPC_RESOURCE_EXHAUSTED);
    must_put(m, "a", "2");
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

static void what_is_compacted_or_to_come_has_no_hash(void **state)
{
    struct member *m = *state;
    struct asked a;
    must_put(m, "a", "1");
    must_compact(m, must_put(m, "a", "2"));
    static const int64_t revisions[] = { -1, 2, 4 };
    for (size_t i = 0; i < ARRAY_LEN(revisions); i++) {
        ask(m, &a, revisions[i]);
        run_until(m->loop, is_done, &a);
        assert_int_equal(a.code, GRPC_OUT_OF_RANGE);
    }
}

static void who_has_gone_gives_the_place_up(void **state)
{
    struct member *m = *state;
    struct asked a[3];
    struct holding h;
    hold(m, &h);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        ask(m, &a[i], 0);
    }
    wait_for_line(m, ARRAY_LEN(a));
    rpc_request_cancel(a[0].request); /* has its turn */
    rpc_request_cancel(a[1].request);
    wait_for_line(m, 2);
    sem_post(&h.go);
    run_until(m->loop, is_done, &a[2]);
    assert_int_equal(a[2].code, 0);
    assert_true(list_empty(&m->server->hashes));
    must_compact(m, must_put(m, "a", "2"));
}

static bool is_swept(void *arg)
{
    return store_size_bytes(((struct server *)arg)->store) < 1000;
}

/* However many ask: it waits for the turn that is on, and not for the next. */
static void a_compaction_comes_between_two_turns(void **state)
{
    struct member *m = *state;
    struct asked turn, waits;
    struct holding before, after;
    int64_t revision = 0;
    for (int i = 0; i < 100; i++) {
        revision = must_put(m, "a", "0123456789");
    }
    hold(m, &before);
    ask(m, &turn, 0);
    ask(m, &waits, 0);
    wait_for_line(m, 2);
    hold(m, &after); /* once more, between the two */
    must_compact(m, revision);
    assert_false(is_swept(m->server));
    sem_post(&before.go);
    run_until(m->loop, is_done, &turn);
    run_until(m->loop, is_swept, m->server);
    assert_false(waits.done);
    sem_post(&after.go);
    run_until(m->loop, is_done, &waits);
    assert_int_equal(waits.code, 0);
}

static void a_store_that_is_replaced_is_still_summed_up(void **state)
{
    struct member *m = *state;
    struct asked turn, waits;
    struct holding h;
    uint32_t empty = hash_now(m);
    must_put(m, "a", "1");
    uint32_t hash = hash_now(m);
    hold(m, &h);
    ask(m, &turn, 0);
    ask(m, &waits, 0);
    wait_for_line(m, 2);
    member_replace_store(m);
    sem_post(&h.go);
    run_until(m->loop, is_done, &turn);
    run_until(m->loop, is_done, &waits);
    assert_int_equal(turn.hash, hash);
    assert_int_equal(waits.hash, empty);
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
    ask(m, &a[0], 0);
    ask(m, &a[1], 0);
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
        SERVER_TEST(nobody_waits_for_a_hash_and_no_more_than_a_line_for_theirs),
        SERVER_TEST(what_is_compacted_or_to_come_has_no_hash),
        SERVER_TEST(who_has_gone_gives_the_place_up),
        SERVER_TEST(a_compaction_comes_between_two_turns),
        SERVER_TEST(a_store_that_is_replaced_is_still_summed_up),
        cmocka_unit_test(a_member_that_ends_answers_what_it_is_at_and_refuses_the_rest),
    };
    return cmocka_run_group_tests_name("server/hash", tests, NULL, NULL);
}
