/* Every rule of the store that a Kubernetes API server builds on: break one, and it breaks. */
#include "kube.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "server/internal.h"

/* --- 1: one revision, in every header ----------------------------------------------------------*/

static void every_header_has_the_current_revision(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    struct kube_list l;
    int64_t revision = kube_must_create(k, "pods/ns/a", "1");
    kube_create(k, kube_key(k, "pods/ns/a"), "2", 0, &t); /* fails */
    assert_int_equal(t.revision, revision);
    kube_update(k, kube_key(k, "pods/ns/a"), "2", 1, &t); /* fails */
    assert_int_equal(t.revision, revision);
    kube_get(k, kube_key(k, "pods/ns/none"), 1, &l);
    assert_int_equal(l.revision, revision);
    kube_list_fini(&l);
    kube_list(k, kube_key(k, "nothing/"), NULL, &l);
    assert_int_equal(l.n, 0);
    assert_int_equal(l.revision, revision);
    kube_list_fini(&l);
    struct kube_page past = { .revision = revision - 1 };
    kube_list(k, kube_key(k, "pods/"), &past, &l);
    assert_int_equal(l.n, 0);
    assert_int_equal(l.revision, revision); /* not the one that was read */
    kube_list_fini(&l);
}

static void every_transaction_that_writes_is_one_revision(void **state)
{
    struct kube *k = *state;
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    assert_int_equal(kube_must_create(k, "pods/ns/b", "1"), created + 1);
    assert_int_equal(kube_must_update(k, "pods/ns/a", "1", created), created + 2); /* equal bytes */
    assert_int_equal(kube_must_delete(k, "pods/ns/b", created + 1), created + 3);
}

static void a_watch_from_a_lists_revision_plus_one_has_no_gap(void **state)
{
    struct kube *k = *state;
    struct kube_list l;
    kube_must_create(k, "pods/ns/a", "in the list");
    kube_list(k, kube_key(k, "pods/"), NULL, &l);
    int64_t next = kube_must_create(k, "pods/ns/b", "between list and watch");
    kube_must_create(k, "pods/ns/c", "same");
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), l.revision + 1);
    assert_int_equal(kube_event(w, 1)->kv.mod_revision, next);
    assert_int_equal(kube_event(w, 2)->kv.mod_revision, next + 1);
    kube_must_create(k, "pods/ns/d", "after");
    assert_int_equal(kube_event(w, 3)->kv.mod_revision, next + 2);
    kube_list_fini(&l);
    kube_watch_close(w);
}

/* --- 2: count, more, order -------------------------------------------------------------------- */

static void count_is_the_total_at_that_revision_whatever_the_limit(void **state)
{
    struct kube *k = *state;
    int64_t a = kube_must_create(k, "pods/ns/a", "v");
    kube_must_create(k, "pods/ns/b", "v");
    int64_t then = kube_must_create(k, "pods/ns/c", "v");
    kube_must_delete(k, "pods/ns/a", a);
    static const struct { int64_t limit, past; size_t n; int64_t count; bool more; } rows[] = {
        { 0, 0, 2, 2, false }, { 1, 0, 1, 2, true }, { 2, 0, 2, 2, false }, { 3, 0, 2, 2, false },
        { 0, 1, 3, 3, false }, { 1, 1, 1, 3, true }, { 2, 1, 2, 3, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kube_page page = { .limit = rows[i].limit, .revision = rows[i].past ? then : 0 };
        struct kube_list l;
        kube_list(k, kube_key(k, "pods/"), &page, &l);
        assert_int_equal(l.n, rows[i].n);
        assert_int_equal(l.count, rows[i].count);
        assert_int_equal(l.more, rows[i].more);
        kube_list_fini(&l);
    }
}

static void lists_are_sorted_by_the_bytes_of_the_keys(void **state)
{
    static const char *const names[] = { "pods/Z", "pods/a", "pods/a-b", "pods/a.b", "pods/a/b",
                                         "pods/ab", "pods/\xc3\xa9", "pods/\xff" };
    enum { N = sizeof names / sizeof names[0] };
    struct kube *k = *state;
    for (size_t i = 0; i < N; i++) {
        kube_must_create(k, names[(i * 5) % N], "v"); /* in another order */
    }
    struct kube_list l;
    kube_list(k, kube_key(k, "pods/"), NULL, &l);
    assert_int_equal(l.n, N);
    for (size_t i = 0; i < N; i++) {
        assert_string_equal(l.kvs[i].key, kube_key(k, names[i]));
    }
    kube_list_fini(&l);
}

/* --- 3: events -------------------------------------------------------------------------------- */

static void events_tell_added_modified_and_deleted_apart(void **state)
{
    struct kube *k = *state;
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), 0);
    assert_true(kube_answer(w, 1)->created);
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    int64_t updated = kube_must_update(k, "pods/ns/a", "2", created);
    int64_t deleted = kube_must_delete(k, "pods/ns/a", updated);
    int64_t again = kube_must_create(k, "pods/ns/a", "3");
    kube_event(w, 4);
    const struct kube_event *e = w->events;
    assert_int_equal(e[0].kv.create_revision, created); /* ADDED: they are equal */
    assert_int_equal(e[0].kv.mod_revision, created);
    assert_int_equal(e[0].kv.version, 1);
    assert_false(e[0].has_prev);
    assert_int_equal(e[1].kv.create_revision, created); /* MODIFIED */
    assert_int_equal(e[1].kv.mod_revision, updated);
    assert_int_equal(e[1].kv.version, 2);
    assert_string_equal(e[1].kv.value, "2");
    assert_string_equal(e[1].prev.value, "1");
    assert_int_equal(e[1].prev.mod_revision, created);
    assert_true(e[2].is_delete);
    assert_string_equal(e[2].kv.key, kube_key(k, "pods/ns/a"));
    assert_int_equal(e[2].kv.mod_revision, deleted);
    assert_int_equal(e[2].kv.create_revision, 0);
    assert_int_equal(e[2].kv.value_len, 0);
    assert_true(e[2].has_prev); /* without it the API server fails */
    assert_string_equal(e[2].prev.value, "2");
    assert_int_equal(e[2].prev.mod_revision, updated);
    assert_int_equal(e[2].prev.version, 2);
    assert_int_equal(e[3].kv.create_revision, again); /* ADDED once more */
    assert_int_equal(e[3].kv.version, 1);
    assert_false(e[3].has_prev);
    kube_watch_close(w);
}

static void history_is_told_as_the_present_was(void **state)
{
    struct kube *k = *state;
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    int64_t updated = kube_must_update(k, "pods/ns/a", "2", created);
    kube_must_delete(k, "pods/ns/a", updated);
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), created);
    kube_event(w, 3);
    assert_true(w->answers[0].created);
    assert_int_equal(w->answers[0].n_events, 0);
    assert_int_equal(w->events[0].kv.create_revision, w->events[0].kv.mod_revision);
    assert_string_equal(w->events[1].prev.value, "1");
    assert_true(w->events[2].is_delete);
    assert_string_equal(w->events[2].prev.value, "2");
    kube_watch_close(w);
}

/* One revision of n keys. */
static void put_together(struct kube *k, size_t n)
{
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__RequestOp ops[8], *at[8];
    Etcdserverpb__PutRequest puts[8];
    static const char *const names[] = { "pods/0", "pods/1", "pods/2", "pods/3", "pods/4",
                                         "pods/5", "pods/6", "pods/7" };
    for (size_t i = 0; i < n; i++) {
        etcdserverpb__put_request__init(&puts[i]);
        puts[i].key = bytes(kube_key(k, names[i]));
        etcdserverpb__request_op__init(&ops[i]);
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[i].request_put = &puts[i];
        at[i] = &ops[i];
    }
    t.n_success = n;
    t.success = at;
    struct reply r;
    call(k->m, "/etcdserverpb.KV/Txn", &t, &etcdserverpb__txn_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

static void the_events_of_a_revision_come_in_one_response(void **state)
{
    struct kube *k = *state;
    int64_t before = kube_must_create(k, "nodes/x", "v");
    struct kube_watch *live = kube_watch(k, kube_key(k, "pods/"), 0);
    kube_answer(live, 1);
    put_together(k, 8);
    struct kube_watch *late = kube_watch(k, kube_key(k, "pods/"), before + 1);
    struct kube_watch *both[] = { live, late };
    for (size_t i = 0; i < 2; i++) {
        kube_event(both[i], 8);
        assert_int_equal(both[i]->answers[1].n_events, 8);
        for (size_t e = 0; e < 8; e++) {
            assert_int_equal(both[i]->events[e].kv.mod_revision, before + 1);
        }
        kube_watch_close(both[i]);
    }
}

static void created_comes_first_and_events_once_in_order(void **state)
{
    enum { N = 60 };
    struct kube *k = *state;
    int64_t first = kube_must_create(k, "pods/x", "v"), last = first;
    for (int i = 1; i < N / 2; i++) {
        last = kube_must_update(k, "pods/x", "v", last);
    }
    struct kube_watch *w = kube_stream(k, NULL); /* three on one stream: past, middle, now */
    kube_watch_create(w, kube_key(k, "pods/"), first);
    kube_watch_create(w, kube_key(k, "pods/"), first + N / 4);
    kube_watch_create(w, kube_key(k, "pods/"), 0);
    for (int i = N / 2; i < N; i++) {
        last = kube_must_update(k, "pods/x", "v", last);
    }
    int64_t ids[3] = { -1, -1, -1 }, told[3] = { 0 };
    int known = 0;
    for (size_t n = 1; told[0] < last || told[1] < last || told[2] < last; n++) {
        const struct kube_answer *a = kube_answer(w, n);
        int which = 0;
        while (which < known && ids[which] != a->id) {
            which++;
        }
        if (a->created) {
            assert_int_equal(which, known);
            assert_int_equal(a->n_events, 0);
            ids[known++] = a->id;
            continue;
        }
        assert_true(which < known); /* nothing before `created` */
        for (size_t e = 0; e < w->n_events; e++) {
            if (w->events[e].answer == n - 1) {
                int64_t revision = w->events[e].kv.mod_revision;
                assert_true(told[which] == 0 || revision == told[which] + 1);
                told[which] = revision;
            }
        }
    }
    assert_int_equal(known, 3);
    kube_watch_close(w);
}

/* --- 4: exact errors -------------------------------------------------------------------------- */

static void a_watch_from_a_compacted_revision_is_cancelled_with_it(void **state)
{
    struct kube *k = *state;
    char text[128];
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    int64_t updated = kube_must_update(k, "pods/ns/a", "2", created);
    kube_must_update(k, "pods/ns/a", "3", updated);
    assert_int_equal(kube_compact(k, updated, text, sizeof text), 0);
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), created);
    assert_true(kube_answer(w, 1)->created);
    const struct kube_answer *a = kube_answer(w, 2);
    assert_true(a->canceled);
    assert_int_equal(a->compact_revision, updated);
    assert_string_equal(a->reason, ""); /* etcd says no more than the revision */
    kube_watch_close(w);
}

static void reads_of_compacted_and_future_revisions_say_so(void **state)
{
    struct kube *k = *state;
    char text[128];
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    int64_t updated = kube_must_update(k, "pods/ns/a", "2", created);
    assert_int_equal(kube_compact(k, updated, text, sizeof text), 0);
    const struct { int64_t revision; int code; const char *text; } rows[] = {
        { created, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted" },
        { updated, 0, "" }, /* the compacted revision itself can be read */
        { updated + 1000000, GRPC_OUT_OF_RANGE,
          "etcdserver: mvcc: required revision is a future revision" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kube_page page = { .revision = rows[i].revision };
        struct kube_list l;
        kube_list(k, kube_key(k, "pods/"), &page, &l);
        assert_int_equal(l.code, rows[i].code);
        assert_string_equal(l.text, rows[i].text);
        kube_list_fini(&l);
    }
}

static void an_object_that_is_too_large_is_refused(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    char *value = mem_zalloc(LIMIT_REQUEST_BYTES + 1);
    memset(value, 'v', LIMIT_REQUEST_BYTES);
    kube_create(k, kube_key(k, "configmaps/ns/big"), value, 0, &t);
    assert_int_equal(t.code, GRPC_INVALID_ARGUMENT);
    assert_string_equal(t.text, "etcdserver: request is too large");
    value[LIMIT_REQUEST_BYTES - 1024] = '\0';
    kube_create(k, kube_key(k, "configmaps/ns/big"), value, 0, &t);
    assert_int_equal(t.code, 0);
    mem_free(value);
}

static void without_a_leader_calls_that_need_one_say_so(void **state)
{
    struct kube *k = *state;
    struct kube_watch *w = NULL;
    struct kube_list l;
    for (int tries = 0; w == NULL; tries++) { /* a tick in between finds the leader again */
        assert_true(tries < 50);
        w = kube_stream(k, NULL);
        kube_watch_create(w, kube_key(k, "pods/"), 0);
        k->m->server->status.leader_id = 0;
        kube_get(k, "/registry/health", 1, &l); /* does not ask for one, and waits, if it must */
        assert_int_equal(l.code, 0);
        kube_list_fini(&l);
        if (!w->closed) {
            kube_watch_close(TAKE(w));
        }
    }
    assert_int_equal(w->code, GRPC_UNAVAILABLE);
    assert_string_equal(w->text, "etcdserver: no leader");
    kube_watch_close(w);
}

static void a_full_store_refuses_writes_and_takes_deletes(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    int64_t revision = kube_must_create(k, "pods/ns/a", "v");
    k->m->server->options.quota_bytes = 1;
    kube_create(k, kube_key(k, "pods/ns/b"), "v", 0, &t);
    assert_int_equal(t.code, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(t.text, "etcdserver: mvcc: database space exceeded");
    kube_must_delete(k, "pods/ns/a", revision);
}

/* --- 5: progress ------------------------------------------------------------------------------ */

static void progress_on_request_is_one_answer_for_all_watches(void **state)
{
    struct kube *k = *state;
    struct kube_watch *w = kube_stream(k, NULL);
    kube_watch_create(w, kube_key(k, "pods/"), 0);
    kube_watch_create(w, kube_key(k, "nodes/"), 0);
    kube_answer(w, 2);
    int64_t revision = kube_must_create(k, "services/x", "nobody watches it");
    kube_progress(w);
    const struct kube_answer *a = kube_answer(w, 3);
    assert_int_equal(a->id, -1);
    assert_int_equal(a->n_events, 0);
    assert_false(a->created || a->canceled);
    assert_true(a->revision >= revision);
    kube_watch_close(w);
}

static void progress_comes_after_the_events_that_it_speaks_of(void **state)
{
    enum { N = 200 };
    struct kube *k = *state;
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), 0);
    kube_answer(w, 1);
    int64_t revision = kube_must_create(k, "pods/x", "v");
    for (int i = 0; i < N; i++) {
        kube_progress(w);
        revision = kube_must_update(k, "pods/x", "v", revision);
    }
    kube_event(w, N + 1);
    int64_t said = 0;
    size_t e = 0, answers = 0;
    for (size_t n = 0; n < w->n; n++) {
        if (w->answers[n].id == -1) {
            answers++;
            said = w->answers[n].revision;
        }
        for (; e < w->n_events && w->events[e].answer == n; e++) {
            assert_true(w->events[e].kv.mod_revision > said);
        }
    }
    assert_true(answers > 0);
    kube_watch_close(w);
}

static void progress_waits_for_a_watch_that_lags(void **state)
{
    enum { N = 100 };
    struct kube *k = *state;
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), 0);
    kube_answer(w, 1);
    char *value = mem_zalloc(40001); /* 4 MB in all: more than a stream's queue and window */
    memset(value, 'v', 40000);
    int64_t revision = kube_must_create(k, "pods/x", value);
    rpc_stream_pause(w->stream, true);
    for (int i = 0; i < N; i++) {
        revision = kube_must_update(k, "pods/x", value, revision);
    }
    kube_progress(w);
    kube_must_create(k, "nodes/y", "v"); /* the request has arrived by now */
    rpc_stream_pause(w->stream, false);
    size_t n = 2;
    while (kube_answer(w, n)->id != -1) {
        n++;
    }
    assert_int_equal(w->n_events, N + 1);
    assert_int_equal(w->events[N].kv.mod_revision, revision);
    assert_true(w->answers[n - 1].revision >= revision);
    mem_free(value);
    kube_watch_close(w);
}

static void an_idle_watch_gets_bookmarks(void **state)
{
    struct kube *k = *state;
    k->m->server->options.progress_notify_ms = 100;
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), 0);
    int64_t id = kube_answer(w, 1)->id;
    int64_t revision = kube_must_create(k, "nodes/x", "v");
    size_t n = 2;
    while (kube_answer(w, n)->revision < revision) {
        n++;
    }
    assert_int_equal(w->answers[n - 1].id, id);
    assert_int_equal(w->answers[n - 1].n_events, 0);
    kube_watch_close(w);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct load {
    struct kube *k;
    bool stop;
    int in_flight, done;
};

static void load_step(struct load *load);

static void load_done(void *arg, const struct rpc_result *result)
{
    struct load *load = arg;
    assert_int_equal(result->err, 0);
    load->in_flight--;
    load->done++;
    load_step(load);
}

static void load_step(struct load *load)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    if (load->stop) {
        return;
    }
    put.key = bytes(kube_key(load->k, "pods/load"));
    load->in_flight++;
    rpc_call_unary(load->k->m->channel, "/etcdserverpb.KV/Put", &put.base,
                   &etcdserverpb__put_response__descriptor, 0, load_done, load);
}

static bool load_over(void *arg)
{
    return ((const struct load *)arg)->in_flight == 0;
}

/* A consistent list asks every 100 ms until it is told: slow answers are slow `kubectl get`s. */
static void progress_is_prompt_under_load(void **state)
{
    enum { ASKS = 200, WRITERS = 16, PROMPT_MS = 100 };
    struct kube *k = *state;
    struct load load = { .k = k };
    struct kube_watch *w = kube_watch(k, kube_key(k, "nodes/"), 0);
    uint64_t took_us[ASKS];
    kube_answer(w, 1);
    for (int i = 0; i < WRITERS; i++) {
        load_step(&load);
    }
    for (size_t i = 0; i < ASKS; i++) {
        uint64_t from = loop_now_us(k->m->loop);
        kube_progress(w);
        assert_int_equal(kube_answer(w, i + 2)->id, -1);
        took_us[i] = loop_now_us(k->m->loop) - from;
    }
    load.stop = true;
    run_until(k->m->loop, load_over, &load);
    qsort(took_us, ASKS, sizeof took_us[0], compare_u64);
    printf("# measured progress_request with %d writers (%d puts): p50 %.1f ms, p99 %.1f ms\n",
           WRITERS, load.done, (double)took_us[ASKS / 2] / 1000,
           (double)took_us[ASKS * 99 / 100] / 1000);
    assert_true(took_us[ASKS / 2] < PROMPT_MS * 1000);
    kube_watch_close(w);
}

/* --- 6: leases -------------------------------------------------------------------------------- */

static void a_lease_that_ends_deletes_as_a_client_does(void **state)
{
    struct kube *k = *state;
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    struct reply r;
    struct kube_txn t;
    request.ttl = 3; /* not over before the object is there, on a busy machine */
    call(k->m, "/etcdserverpb.Lease/LeaseGrant", &request,
         &etcdserverpb__lease_grant_response__descriptor, &r);
    int64_t lease = ((Etcdserverpb__LeaseGrantResponse *)(void *)r.msg)->id;
    reply_fini(&r);
    kube_create(k, kube_key(k, "events/ns/e"), "event", lease, &t);
    struct kube_watch *w = kube_watch(k, kube_key(k, "events/"), t.revision + 1);
    const struct kube_event *e = kube_event(w, 1);
    assert_true(e->is_delete);
    assert_int_equal(e->kv.mod_revision, t.revision + 1);
    assert_string_equal(e->prev.value, "event");
    assert_int_equal(e->prev.lease, lease);
    struct kube_list l;
    kube_get(k, kube_key(k, "events/ns/e"), 1, &l);
    assert_int_equal(l.n, 0);
    assert_int_equal(l.revision, t.revision + 1);
    kube_list_fini(&l);
    kube_watch_close(w);
}

int test_kube_rules_run(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_TEST(every_header_has_the_current_revision),
        KUBE_TEST(every_transaction_that_writes_is_one_revision),
        KUBE_TEST(a_watch_from_a_lists_revision_plus_one_has_no_gap),
        KUBE_TEST(count_is_the_total_at_that_revision_whatever_the_limit),
        KUBE_TEST(lists_are_sorted_by_the_bytes_of_the_keys),
        KUBE_TEST(events_tell_added_modified_and_deleted_apart),
        KUBE_TEST(history_is_told_as_the_present_was),
        KUBE_TEST(the_events_of_a_revision_come_in_one_response),
        KUBE_TEST(created_comes_first_and_events_once_in_order),
        KUBE_TEST(reads_of_compacted_and_future_revisions_say_so),
        KUBE_TEST(an_object_that_is_too_large_is_refused),
        KUBE_TEST(progress_on_request_is_one_answer_for_all_watches),
        KUBE_TEST(progress_comes_after_the_events_that_it_speaks_of),
        KUBE_TEST(progress_is_prompt_under_load),
        KUBE_TEST(a_lease_that_ends_deletes_as_a_client_does),
    };
    /* etcd before 3.4.31 gives no reason, and its progress overtakes events: hence the gate. */
    const struct CMUnitTest newer[] = {
        KUBE_TEST(a_watch_from_a_compacted_revision_is_cancelled_with_it),
        KUBE_TEST(progress_waits_for_a_watch_that_lags),
    };
    /* These need an option, or the inside of a member. */
    const struct CMUnitTest inside[] = {
        KUBE_TEST(without_a_leader_calls_that_need_one_say_so),
        KUBE_TEST(a_full_store_refuses_writes_and_takes_deletes),
        KUBE_TEST(an_idle_watch_gets_bookmarks),
    };
    int failed = cmocka_run_group_tests_name("what a Kubernetes API server builds on", tests, NULL,
                                             NULL);
    if (getenv("BARQUE_TEST_PEER_OLD") == NULL) {
        failed += cmocka_run_group_tests_name("and since 3.4.31", newer, NULL, NULL);
    }
    if (kube_peer() == NULL) {
        failed += cmocka_run_group_tests_name("and of one member", inside, NULL, NULL);
    }
    return failed;
}
