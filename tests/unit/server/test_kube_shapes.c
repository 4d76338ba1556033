/* Every shape of request that a Kubernetes API server sends, and what it reads in the answer. */
#include "kube.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/rpc/status.h"

/* --- Range ------------------------------------------------------------------------------------ */

static void get_of_one_key_with_and_without_limit_1(void **state)
{
    struct kube *k = *state;
    int64_t revision = kube_must_create(k, "pods/ns/a", "k8s");
    kube_must_create(k, "pods/ns/ab", "k8s"); /* no part of the answer */
    for (int64_t limit = 0; limit <= 1; limit++) {
        struct kube_list l;
        kube_get(k, kube_key(k, "pods/ns/a"), limit, &l);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.count, 1);
        assert_false(l.more);
        assert_string_equal(l.kvs[0].value, "k8s");
        assert_int_equal(l.kvs[0].mod_revision, revision);
        assert_int_equal(l.kvs[0].create_revision, revision);
        assert_int_equal(l.kvs[0].version, 1);
        assert_int_equal(l.revision, revision + 1);
        kube_list_fini(&l);
    }
}

static void the_health_probes_key_may_be_missing(void **state)
{
    struct kube *k = *state;
    int64_t revision = kube_must_create(k, "pods/ns/a", "k8s");
    struct kube_list l;
    kube_get(k, "/registry/health", 1, &l);
    assert_int_equal(l.code, 0);
    assert_int_equal(l.n, 0);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.revision, revision);
    kube_list_fini(&l);
}

static void list_of_a_prefix_without_limit(void **state)
{
    struct kube *k = *state;
    kube_must_create(k, "pods/ns/b", "2");
    kube_must_create(k, "pods/ns/a", "1");
    kube_must_create(k, "pods", "not under it");
    kube_must_create(k, "pods0", "nor this");
    struct kube_list l;
    kube_list(k, kube_key(k, "pods/"), NULL, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.count, 2);
    assert_false(l.more);
    assert_string_equal(l.kvs[0].value, "1");
    assert_string_equal(l.kvs[1].value, "2");
    kube_list_fini(&l);
}

static void count_only_of_a_prefix(void **state)
{
    struct kube *k = *state;
    for (int i = 0; i < 7; i++) {
        char name[32];
        snprintf(name, sizeof name, "pods/ns/%d", i);
        kube_must_create(k, name, "v");
    }
    struct kube_page page = { .count_only = true };
    struct kube_list l;
    kube_list(k, kube_key(k, "pods/"), &page, &l);
    assert_int_equal(l.count, 7);
    assert_int_equal(l.n, 0);
    assert_false(l.more);
    kube_list_fini(&l);
}

static void keys_only_of_a_prefix_for_sizes(void **state)
{
    struct kube *k = *state;
    int64_t revision = kube_must_create(k, "pods/ns/a", "value");
    struct kube_page page = { .keys_only = true };
    struct kube_list l;
    kube_list(k, kube_key(k, "pods/"), &page, &l);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.kvs[0].key, kube_key(k, "pods/ns/a"));
    assert_int_equal(l.kvs[0].value_len, 0);
    assert_int_equal(l.kvs[0].mod_revision, revision);
    kube_list_fini(&l);
}

enum { PODS = 1203, PAGE = 500 };

static void fill(struct kube *k)
{
    for (int i = 0; i < PODS; i++) {
        char name[32];
        snprintf(name, sizeof name, "pods/ns/%05d", i);
        kube_must_create(k, name, "v");
    }
}

/* kubectl's pages: the next one starts at "<last key>\0" and reads the first one's revision. */
static void pages_of_500_show_one_revision_while_others_write(void **state)
{
    struct kube *k = *state;
    struct kube_page page = { .limit = PAGE };
    char last[160];
    size_t seen = 0;
    fill(k);
    for (bool more = true; more;) {
        struct kube_list l;
        kube_list(k, kube_key(k, "pods/"), &page, &l);
        assert_string_equal(l.text, "");
        if (page.start == NULL) {
            page.revision = l.revision;
        }
        assert_int_equal(l.count, PODS - (int)seen); /* of what is left, whatever the limit */
        seen += l.n;
        more = l.more;
        assert_int_equal(more, (int64_t)l.n < l.count); /* hasMore since 1.34 */
        snprintf(last, sizeof last, "%s", l.kvs[l.n - 1].key);
        page.start = last;
        kube_list_fini(&l);
        char name[32];
        snprintf(name, sizeof name, "pods/ns/late-%zu", seen);
        kube_must_create(k, name, "not in this list");
    }
    assert_int_equal(seen, PODS);
}

static void a_page_of_a_compacted_revision_is_gone(void **state)
{
    struct kube *k = *state;
    char text[128];
    int64_t first = kube_must_create(k, "pods/ns/a", "v");
    kube_must_create(k, "pods/ns/b", "v");
    int64_t later = kube_must_create(k, "pods/ns/c", "v");
    assert_int_equal(kube_compact(k, later, text, sizeof text), 0);
    struct kube_page page = { .start = kube_key(k, "pods/ns/a"), .limit = PAGE,
                              .revision = first };
    struct kube_list l;
    kube_list(k, kube_key(k, "pods/"), &page, &l);
    assert_int_equal(l.code, GRPC_OUT_OF_RANGE);
    assert_string_equal(l.text, "etcdserver: mvcc: required revision has been compacted");
    kube_list_fini(&l);
}

static void a_watch_cache_fills_with_a_limit_of_10000(void **state)
{
    struct kube *k = *state;
    struct kube_page page = { .limit = 10000 };
    struct kube_list l;
    fill(k);
    kube_list(k, kube_key(k, "pods/"), &page, &l);
    assert_int_equal(l.n, PODS);
    assert_int_equal(l.count, PODS);
    assert_false(l.more);
    kube_list_fini(&l);
}

/* --- Txn -------------------------------------------------------------------------------------- */

static void create_has_no_else_branch(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    const char *key = kube_key(k, "pods/ns/a");
    kube_create(k, key, "1", 0, &t);
    assert_true(t.succeeded);
    assert_int_equal(t.n_responses, 1);
    assert_int_equal(t.put_revision, t.revision);
    int64_t revision = t.revision;
    kube_create(k, key, "2", 0, &t);
    assert_int_equal(t.code, 0);
    assert_false(t.succeeded);
    assert_int_equal(t.n_responses, 0);
    assert_int_equal(t.revision, revision); /* nothing was written */
}

static void update_tells_the_object_when_it_has_changed(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    const char *key = kube_key(k, "pods/ns/a");
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    kube_update(k, key, "2", created, &t);
    assert_true(t.succeeded);
    assert_int_equal(t.put_revision, created + 1);
    assert_int_equal(t.revision, created + 1);
    kube_update(k, key, "3", created, &t);
    assert_false(t.succeeded);
    assert_int_equal(t.n_responses, 1);
    assert_int_equal(t.n_kvs, 1);
    assert_string_equal(t.kv.value, "2");
    assert_int_equal(t.kv.mod_revision, created + 1);
    assert_int_equal(t.kv.create_revision, created);
    assert_int_equal(t.kv.version, 2);
    assert_int_equal(t.revision, created + 1);
}

static void update_of_a_missing_key_finds_nothing(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    kube_update(k, kube_key(k, "pods/ns/a"), "1", 5, &t);
    assert_false(t.succeeded);
    assert_int_equal(t.n_responses, 1);
    assert_int_equal(t.n_kvs, 0);
}

static void delete_is_a_compare_and_delete(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    const char *key = kube_key(k, "pods/ns/a");
    int64_t created = kube_must_create(k, "pods/ns/a", "1");
    int64_t updated = kube_must_update(k, "pods/ns/a", "2", created);
    kube_delete(k, key, created, &t);
    assert_false(t.succeeded);
    assert_string_equal(t.kv.value, "2");
    assert_int_equal(t.revision, updated);
    kube_delete(k, key, updated, &t);
    assert_true(t.succeeded);
    assert_int_equal(t.deleted, 1);
    assert_int_equal(t.n_prev_kvs, 0); /* not asked for */
    assert_int_equal(t.revision, updated + 1);
    kube_delete(k, key, updated, &t);
    assert_false(t.succeeded);
    assert_int_equal(t.n_kvs, 0);
}

/* Several API servers compact by turns: who wins the transaction calls Compact. */
static void compaction_is_won_by_one(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    char revision[32], text[128];
    const char *key = kube_key(k, "compact_rev_key");
    kube_compact_txn(k, key, "0", 0, &t); /* the first value */
    assert_true(t.succeeded);
    int64_t head = kube_must_create(k, "pods/ns/a", "v");
    snprintf(revision, sizeof revision, "%lld", (long long)head);
    kube_compact_txn(k, key, revision, 1, &t);
    assert_true(t.succeeded);
    kube_compact_txn(k, key, revision, 1, &t); /* the other one */
    assert_false(t.succeeded);
    assert_int_equal(t.n_kvs, 1);
    assert_int_equal(t.kv.version, 2);
    assert_string_equal(t.kv.value, revision);
    assert_int_equal(kube_compact(k, head, text, sizeof text), 0);
    assert_int_equal(kube_compact(k, head, text, sizeof text), GRPC_OUT_OF_RANGE);
    assert_string_equal(text, "etcdserver: mvcc: required revision has been compacted");
    assert_int_equal(kube_compact(k, head + 1000000000, text, sizeof text), GRPC_OUT_OF_RANGE);
    assert_string_equal(text, "etcdserver: mvcc: required revision is a future revision");
}

/* --- Watch ------------------------------------------------------------------------------------ */

static void watch_from_the_list_on_and_cancel(void **state)
{
    struct kube *k = *state;
    struct kube_list l;
    kube_must_create(k, "pods/ns/a", "1");
    kube_list(k, kube_key(k, "pods/"), NULL, &l);
    struct kube_watch *w = kube_watch(k, kube_key(k, "pods/"), l.revision + 1);
    assert_true(kube_answer(w, 1)->created);
    assert_int_equal(w->answers[0].n_events, 0);
    int64_t id = w->answers[0].id;
    int64_t b = kube_must_create(k, "pods/ns/b", "2");
    kube_must_create(k, "nodes/x", "3");
    const struct kube_event *e = kube_event(w, 1);
    assert_int_equal(e->kv.mod_revision, b);
    kube_watch_cancel(w, id);
    const struct kube_answer *last = kube_answer(w, 3);
    assert_true(last->canceled);
    assert_int_equal(last->id, id);
    assert_string_equal(last->reason, "");
    kube_must_create(k, "pods/ns/c", "4");
    assert_int_equal(w->n_events, 1);
    kube_list_fini(&l);
    kube_watch_close(w);
}

static void watch_of_the_compaction_key(void **state)
{
    struct kube *k = *state;
    struct kube_txn t;
    const char *key = kube_key(k, "compact_rev_key");
    kube_compact_txn(k, key, "0", 0, &t);
    struct kube_watch *w = kube_stream(k, NULL);
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    c.key = bytes(key); /* one key, no prev_kv, from the revision it was read at */
    c.start_revision = t.revision;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &c;
    rpc_stream_send(w->stream, &request.base);
    assert_string_equal(kube_event(w, 1)->kv.value, "0");
    kube_compact_txn(k, key, "17", 1, &t);
    const struct kube_event *e = kube_event(w, 2);
    assert_string_equal(e->kv.value, "17");
    assert_int_equal(e->kv.version, 2);
    assert_false(e->has_prev);
    kube_watch_close(w);
}

/* --- Lease, Status ---------------------------------------------------------------------------- */

static Etcdserverpb__LeaseGrantResponse *grant(struct kube *k, int64_t ttl_s, struct reply *r)
{
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.ttl = ttl_s; /* ID 0: the server chooses */
    call(k->m, "/etcdserverpb.Lease/LeaseGrant", &request,
         &etcdserverpb__lease_grant_response__descriptor, r);
    assert_int_equal(r->code, 0);
    return (Etcdserverpb__LeaseGrantResponse *)(void *)r->msg;
}

static void leases_of_events_and_masters(void **state)
{
    static const int64_t ttls[] = { 3660, 15 };
    struct kube *k = *state;
    for (size_t i = 0; i < 2; i++) {
        struct reply r;
        const Etcdserverpb__LeaseGrantResponse *m = grant(k, ttls[i], &r);
        assert_int_equal(m->ttl, ttls[i]);
        assert_true(m->id > 0);
        assert_string_equal(m->error, "");
        char name[32];
        snprintf(name, sizeof name, "events/ns/%zu", i);
        const char *key = kube_key(k, name);
        struct kube_txn t;
        struct kube_list l;
        kube_create(k, key, "event", m->id, &t);
        assert_true(t.succeeded);
        kube_get(k, key, 1, &l);
        assert_int_equal(l.kvs[0].lease, m->id);
        kube_list_fini(&l);
        reply_fini(&r);
    }
}

/* Consistent lists from the watch cache are for stores whose progress_request can be believed. */
static bool gate_is_open(const char *version)
{
    int major = 0, minor = 0, patch = 0;
    assert_int_equal(sscanf(version, "%d.%d.%d", &major, &minor, &patch), 3);
    if (major != 3 || minor < 4) {
        return false;
    }
    return minor == 4 ? patch >= 31 : minor > 5 || patch >= 13;
}

static void status_tells_size_and_a_version_that_opens_the_gate(void **state)
{
    struct kube *k = *state;
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct reply r;
    kube_must_create(k, "pods/ns/a", "v");
    call(k->m, "/etcdserverpb.Maintenance/Status", &request,
         &etcdserverpb__status_response__descriptor, &r);
    const Etcdserverpb__StatusResponse *m = (const Etcdserverpb__StatusResponse *)(void *)r.msg;
    assert_true(m->dbsize > 0);
    assert_true(m->leader != 0);
    assert_true(strncmp(m->version, "3.4.2", 5) == 0 ? kube_is_peer(k) : gate_is_open(m->version));
    reply_fini(&r);
}

int test_kube_shapes_run(void)
{
    const struct CMUnitTest tests[] = {
        KUBE_TEST(get_of_one_key_with_and_without_limit_1),
        KUBE_TEST(the_health_probes_key_may_be_missing),
        KUBE_TEST(list_of_a_prefix_without_limit),
        KUBE_TEST(count_only_of_a_prefix),
        KUBE_TEST(keys_only_of_a_prefix_for_sizes),
        KUBE_TEST(pages_of_500_show_one_revision_while_others_write),
        KUBE_TEST(a_page_of_a_compacted_revision_is_gone),
        KUBE_TEST(a_watch_cache_fills_with_a_limit_of_10000),
        KUBE_TEST(create_has_no_else_branch),
        KUBE_TEST(update_tells_the_object_when_it_has_changed),
        KUBE_TEST(update_of_a_missing_key_finds_nothing),
        KUBE_TEST(delete_is_a_compare_and_delete),
        KUBE_TEST(compaction_is_won_by_one),
        KUBE_TEST(watch_from_the_list_on_and_cancel),
        KUBE_TEST(watch_of_the_compaction_key),
        KUBE_TEST(leases_of_events_and_masters),
        KUBE_TEST(status_tells_size_and_a_version_that_opens_the_gate),
    };
    return cmocka_run_group_tests_name("what a Kubernetes API server asks", tests, NULL, NULL);
}
