/* Elections as a service: Campaign, Proclaim, Leader, Observe, Resign. */
#include "line_calls.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "proto/v3election.pb-c.h"
#include "server/internal.h"

/* --- calls ------------------------------------------------------------------------------------ */

static V3electionpb__LeaderKey key_of(const struct pending *p, int64_t lease)
{
    V3electionpb__LeaderKey key = V3ELECTIONPB__LEADER_KEY__INIT;
    key.name = bytes("e");
    key.key = bytes(p->key);
    key.rev = p->create_revision;
    key.lease = lease;
    return key;
}

static void proclaim_bytes(struct member *m, V3electionpb__LeaderKey *key,
                           ProtobufCBinaryData value, int want_code, const char *want_text)
{
    V3electionpb__ProclaimRequest request = V3ELECTIONPB__PROCLAIM_REQUEST__INIT;
    struct reply r;
    request.leader = key;
    request.value = value;
    call(m, "/v3electionpb.Election/Proclaim", &request,
         &v3electionpb__proclaim_response__descriptor, &r);
    assert_int_equal(r.code, want_code);
    assert_string_equal(r.text, want_text);
    reply_fini(&r);
}

static void proclaim(struct member *m, V3electionpb__LeaderKey *key, const char *value,
                     int want_code, const char *want_text)
{
    proclaim_bytes(m, key, bytes(value), want_code, want_text);
}

static void resign(struct member *m, V3electionpb__LeaderKey *key, int want_code,
                   const char *want_text)
{
    V3electionpb__ResignRequest request = V3ELECTIONPB__RESIGN_REQUEST__INIT;
    struct reply r;
    request.leader = key;
    call(m, "/v3electionpb.Election/Resign", &request, &v3electionpb__resign_response__descriptor,
         &r);
    assert_int_equal(r.code, want_code);
    assert_string_equal(r.text, want_text);
    reply_fini(&r);
}

static void must_lead(struct member *m, const char *key, const char *value)
{
    V3electionpb__LeaderRequest request = V3ELECTIONPB__LEADER_REQUEST__INIT;
    struct reply r;
    char got[64];
    request.name = bytes("e");
    call(m, "/v3electionpb.Election/Leader", &request, &v3electionpb__leader_response__descriptor,
         &r);
    if (key == NULL) {
        assert_int_equal(r.code, GRPC_UNKNOWN);
        assert_string_equal(r.text, "election: no leader");
    } else {
        const Mvccpb__KeyValue *kv = ((V3electionpb__LeaderResponse *)(void *)r.msg)->kv;
        snprintf(got, sizeof got, "%.*s=%.*s", (int)kv->key.len, (const char *)kv->key.data,
                 (int)kv->value.len, (const char *)kv->value.data);
        char want[64];
        snprintf(want, sizeof want, "%s=%s", key, value);
        assert_string_equal(got, want);
    }
    reply_fini(&r);
}

/* --- an observer ------------------------------------------------------------------------------ */

enum { TOLD_MAX = 1024 };

struct observing {
    struct member *m;
    struct rpc_stream *stream;
    char told[TOLD_MAX][48]; /* "key=value" */
    size_t n, want;
    int64_t last_revision; /* of a header */
    bool disordered, closed;
    int code;
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct observing *o = arg;
    const V3electionpb__LeaderResponse *m = (const V3electionpb__LeaderResponse *)(const void *)msg;
    assert_true(o->n < TOLD_MAX);
    snprintf(o->told[o->n], sizeof o->told[0], "%.*s=%.*s", (int)m->kv->key.len,
             (const char *)m->kv->key.data, (int)(m->kv->value.len < 32 ? m->kv->value.len : 32),
             (const char *)m->kv->value.data);
    o->disordered |= m->header->revision < o->last_revision;
    o->disordered |= m->header->revision < m->kv->mod_revision;
    o->last_revision = m->header->revision;
    o->n++;
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct observing *o = arg;
    o->closed = true;
    o->code = result->grpc_code;
}

static struct observing *observe(struct member *m)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    V3electionpb__LeaderRequest request = V3ELECTIONPB__LEADER_REQUEST__INIT;
    struct observing *o = mem_zalloc(sizeof *o);
    o->m = m;
    request.name = bytes("e");
    o->stream = rpc_stream_open(m->channel, "/v3electionpb.Election/Observe",
                                &v3electionpb__leader_response__descriptor, &events, o);
    rpc_stream_send(o->stream, &request.base);
    rpc_stream_half_close(o->stream);
    return o;
}

static bool has_told(void *arg)
{
    const struct observing *o = arg;
    return o->n >= o->want;
}

static void must_see(struct observing *o, size_t n, const char *what)
{
    o->want = n;
    run_until(o->m->loop, has_told, o);
    assert_string_equal(o->told[n - 1], what);
    assert_false(o->disordered);
}

static bool is_watching(void *arg)
{
    return watch_hub_count(((struct member *)arg)->server->hub) > 0;
}

static bool nobody_observes(void *arg)
{
    return list_empty(&((struct member *)arg)->server->observers);
}

static void observe_end(struct observing *o)
{
    if (!o->closed) {
        rpc_stream_cancel(o->stream);
    }
    run_until(o->m->loop, nobody_observes, o->m);
    assert_int_equal(o->m->server->watch_bytes, 0);
    mem_free(o);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void leaders_follow_each_other_in_the_order_of_campaigning(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    must_lead(m, NULL, NULL);
    campaign(m, &a, "e", 2, "first");
    must_win(&a, "e/2");
    campaign(m, &b, "e", 1, "second");
    await_line(m, 1);
    must_lead(m, "e/2", "first");
    V3electionpb__LeaderKey key = key_of(&a, 2);
    proclaim(m, &key, "changed", GRPC_OK, "");
    must_lead(m, "e/2", "changed");
    must_wait(&b);
    resign(m, &key, GRPC_OK, "");
    must_win(&b, "e/1");
    assert_true(b.create_revision > a.create_revision);
    must_lead(m, "e/1", "second");
}

static void campaigning_again_keeps_the_place_and_takes_the_new_value(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    campaign(m, &a, "e", 1, "v");
    must_win(&a, "e/1");
    must_put(m, "other", "1");
    campaign(m, &b, "e", 1, "v");
    must_win(&b, "e/1");
    assert_int_equal(b.create_revision, a.create_revision);
    assert_int_equal(b.revision, a.revision + 1); /* nothing was written */
    campaign(m, &b, "e", 1, "w");
    must_win(&b, "e/1");
    assert_int_equal(b.create_revision, a.create_revision);
    must_lead(m, "e/1", "w");
}

static void a_leader_of_the_past_proclaims_nothing(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    campaign(m, &a, "e", 1, "v");
    must_win(&a, "e/1");
    V3electionpb__LeaderKey old = key_of(&a, 1);
    resign(m, &old, GRPC_OK, "");
    proclaim(m, &old, "w", GRPC_UNKNOWN, "election: not leader");
    campaign(m, &b, "e", 1, "again"); /* the same key, another reign */
    must_win(&b, "e/1");
    proclaim(m, &old, "w", GRPC_UNKNOWN, "election: not leader");
    resign(m, &old, GRPC_OK, ""); /* no error, and nothing happens */
    must_lead(m, "e/1", "again");
}

static void what_is_wrong_is_said_in_etcds_words(void **state)
{
    struct member *m = *state;
    struct pending a;
    leases(m);
    proclaim(m, NULL, "v", GRPC_UNKNOWN, "\"leader\" field must be provided");
    resign(m, NULL, GRPC_UNKNOWN, "\"leader\" field must be provided");
    campaign(m, &a, "e", 1, "v");
    must_win(&a, "e/1");
    V3electionpb__LeaderKey key = key_of(&a, 777);
    proclaim(m, &key, "v", GRPC_UNKNOWN, "etcdserver: requested lease not found");
    key.key = bytes("");
    proclaim(m, &key, "v", GRPC_UNKNOWN, "etcdserver: key is not provided");
}

static void an_observer_sees_each_leader_and_value_once(void **state)
{
    struct member *m = *state;
    struct pending a, b, c;
    struct observing *o = observe(m);
    leases(m);
    run_until(m->loop, is_watching, m); /* nobody leads: nothing is told */
    assert_int_equal(o->n, 0);
    campaign(m, &a, "e", 1, "a");
    must_win(&a, "e/1");
    must_see(o, 1, "e/1=a");
    campaign(m, &b, "e", 2, "b");
    campaign(m, &c, "e", 3, "c");
    await_line(m, 2);
    V3electionpb__LeaderKey key = key_of(&a, 1);
    proclaim(m, &key, "a2", GRPC_OK, "");
    must_see(o, 2, "e/1=a2");
    struct observing *late = observe(m);
    must_see(late, 1, "e/1=a2");
    revoke(m, 1);
    must_win(&b, "e/2");
    must_see(o, 3, "e/2=b");
    revoke(m, 2);
    must_win(&c, "e/3");
    key = key_of(&c, 3);
    resign(m, &key, GRPC_OK, "");
    campaign(m, &a, "e", 4, "d");
    must_win(&a, "e/4");
    must_see(o, 5, "e/4=d");
    assert_string_equal(o->told[3], "e/3=c");
    must_see(late, 4, "e/4=d");
    must_put(m, "k", "v");
    assert_int_equal(o->n, 5);
    rpc_stream_cancel(late->stream);
    mem_free(late);
    observe_end(o);
}

/* One txn deletes the leader's key and writes it anew: the next in line leads now. */
static void a_leader_that_goes_to_the_end_of_the_line_leads_no_more(void **state)
{
    struct member *m = *state;
    struct pending a, b;
    leases(m);
    struct observing *o = observe(m);
    campaign(m, &a, "e", 1, "a");
    must_win(&a, "e/1");
    campaign(m, &b, "e", 2, "b");
    await_line(m, 1);
    must_see(o, 1, "e/1=a");
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    del.key = bytes("e/1");
    struct reply r;
    call(m, "/etcdserverpb.KV/DeleteRange", &del,
         &etcdserverpb__delete_range_response__descriptor, &r);
    reply_fini(&r);
    campaign(m, &a, "e", 1, "a");
    must_win(&b, "e/2");
    must_see(o, 2, "e/2=b");
    await_line(m, 1);
    must_wait(&a);
    rpc_request_cancel(a.request);
    await_line(m, 0); /* its place is given up by an entry of its own */
    observe_end(o);
}

enum { PROCLAIMS = 300, VALUE_BYTES = 40000 }; /* 12 MB, a stream's queue holds 1 */

static void proclaim_much(struct member *m, V3electionpb__LeaderKey *key)
{
    static char value[VALUE_BYTES + 1];
    memset(value, 'v', VALUE_BYTES);
    for (int i = 0; i < PROCLAIMS; i++) {
        proclaim(m, key, value, GRPC_OK, "");
    }
}

static void an_observer_that_stalls_costs_no_memory_and_loses_nothing(void **state)
{
    struct member *m = *state;
    struct pending a;
    struct observing *o = observe(m);
    leases(m);
    campaign(m, &a, "e", 1, "a");
    must_win(&a, "e/1");
    must_see(o, 1, "e/1=a");
    rpc_stream_pause(o->stream, true);
    V3electionpb__LeaderKey key = key_of(&a, 1);
    proclaim_much(m, &key);
    assert_true(o->n < PROCLAIMS / 2);
    proclaim(m, &key, "last", GRPC_OK, "");
    resign(m, &key, GRPC_OK, "");
    campaign(m, &a, "e", 2, "next");
    must_win(&a, "e/2");
    rpc_stream_pause(o->stream, false);
    must_see(o, PROCLAIMS + 3, "e/2=next");
    assert_string_equal(o->told[PROCLAIMS + 1], "e/1=last");
    observe_end(o);
}

static void an_observer_behind_the_compaction_goes_on_from_now(void **state)
{
    struct member *m = *state;
    struct pending a;
    struct observing *o = observe(m);
    leases(m);
    campaign(m, &a, "e", 1, "a");
    must_win(&a, "e/1");
    must_see(o, 1, "e/1=a");
    rpc_stream_pause(o->stream, true);
    V3electionpb__LeaderKey key = key_of(&a, 1);
    proclaim_much(m, &key);
    resign(m, &key, GRPC_OK, "");
    campaign(m, &a, "e", 2, "next");
    must_win(&a, "e/2");
    must_compact(m, must_put(m, "k", "v"));
    rpc_stream_pause(o->stream, false);
    while (o->n == 0 || strcmp(o->told[o->n - 1], "e/2=next") != 0) {
        o->want = o->n + 1;
        run_until(m->loop, has_told, o);
    }
    assert_true(o->n < PROCLAIMS);
    assert_false(o->disordered);
    size_t n = o->n;
    key = key_of(&a, 2);
    proclaim(m, &key, "on", GRPC_OK, "");
    must_see(o, n + 1, "e/2=on");
    observe_end(o);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void a_member_that_stops_tells_its_observers(void **state)
{
    struct member *m = member_open_with(NULL);
    struct observing *o = observe(m);
    bool closed = false;
    (void)state;
    run_until(m->loop, is_watching, m);
    server_close(m->server, set_flag, &closed);
    run_until(m->loop, flag_set, &o->closed);
    assert_int_equal(o->code, GRPC_UNAVAILABLE);
    run_until(m->loop, flag_set, &closed);
    mem_free(o);
    member_forget(m);
}

int test_election_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(leaders_follow_each_other_in_the_order_of_campaigning),
        SERVER_TEST(campaigning_again_keeps_the_place_and_takes_the_new_value),
        SERVER_TEST(a_leader_of_the_past_proclaims_nothing),
        SERVER_TEST(what_is_wrong_is_said_in_etcds_words),
        SERVER_TEST(an_observer_sees_each_leader_and_value_once),
        SERVER_TEST(a_leader_that_goes_to_the_end_of_the_line_leads_no_more),
        SERVER_TEST(an_observer_that_stalls_costs_no_memory_and_loses_nothing),
        SERVER_TEST(an_observer_behind_the_compaction_goes_on_from_now),
        cmocka_unit_test(a_member_that_stops_tells_its_observers),
    };
    return cmocka_run_group_tests_name("elections", tests, NULL, NULL);
}
