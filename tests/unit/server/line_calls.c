/* Calls that stand in line, and what is seen of the line. */
#include "line_calls.h"

#include <stdio.h>

#include "proto/v3election.pb-c.h"
#include "proto/v3lock.pb-c.h"
#include "server/internal.h"

/* --- calls that wait -------------------------------------------------------------------------- */

static void take_key(struct pending *p, ProtobufCBinaryData key)
{
    snprintf(p->key, sizeof p->key, "%.*s", (int)key.len, (const char *)key.data);
}

static void on_locked(void *arg, const struct rpc_result *result)
{
    struct pending *p = arg;
    p->done = true;
    p->code = result->grpc_code;
    snprintf(p->text, sizeof p->text, "%s", result->text);
    if (result->err == 0) {
        const V3lockpb__LockResponse *m = (const V3lockpb__LockResponse *)(const void *)result->msg;
        take_key(p, m->key);
        p->revision = m->header->revision;
    }
}

static void on_elected(void *arg, const struct rpc_result *result)
{
    struct pending *p = arg;
    p->done = true;
    p->code = result->grpc_code;
    snprintf(p->text, sizeof p->text, "%s", result->text);
    if (result->err == 0) {
        const V3electionpb__CampaignResponse *m =
            (const V3electionpb__CampaignResponse *)(const void *)result->msg;
        take_key(p, m->leader->key);
        p->create_revision = m->leader->rev;
        p->revision = m->header->revision;
    }
}

void lock_within(struct member *m, struct pending *p, const char *name, int64_t lease,
                        uint64_t timeout_ms)
{
    V3lockpb__LockRequest request = V3LOCKPB__LOCK_REQUEST__INIT;
    *p = (struct pending){ .m = m };
    request.name = bytes(name);
    request.lease = lease;
    p->request = rpc_call_unary(m->channel, "/v3lockpb.Lock/Lock", &request.base,
                                &v3lockpb__lock_response__descriptor, timeout_ms, on_locked, p);
}

void lock(struct member *m, struct pending *p, const char *name, int64_t lease)
{
    lock_within(m, p, name, lease, 0);
}

void campaign(struct member *m, struct pending *p, const char *name, int64_t lease,
                     const char *value)
{
    V3electionpb__CampaignRequest request = V3ELECTIONPB__CAMPAIGN_REQUEST__INIT;
    *p = (struct pending){ .m = m };
    request.name = bytes(name);
    request.lease = lease;
    request.value = bytes(value);
    p->request = rpc_call_unary(m->channel, "/v3electionpb.Election/Campaign", &request.base,
                                &v3electionpb__campaign_response__descriptor, 0, on_elected, p);
}

static bool is_done(void *arg)
{
    return ((const struct pending *)arg)->done;
}

void must_win(struct pending *p, const char *key)
{
    run_until(p->m->loop, is_done, p);
    assert_string_equal(p->text, "");
    assert_string_equal(p->key, key);
}

void must_fail(struct pending *p, int code, const char *text)
{
    run_until(p->m->loop, is_done, p);
    assert_int_equal(p->code, code);
    assert_string_equal(p->text, text);
}

/* --- other calls ------------------------------------------------------------------------------ */

void revoke(struct member *m, int64_t lease)
{
    Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    struct reply r;
    request.id = lease;
    call(m, "/etcdserverpb.Lease/LeaseRevoke", &request,
         &etcdserverpb__lease_revoke_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

int64_t created(struct member *m, const char *key)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct reply r;
    request.key = bytes(key);
    call(m, "/etcdserverpb.KV/Range", &request, &etcdserverpb__range_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    const Etcdserverpb__RangeResponse *reply = (const Etcdserverpb__RangeResponse *)(void *)r.msg;
    int64_t revision = reply->n_kvs > 0 ? reply->kvs[0]->create_revision : 0;
    reply_fini(&r);
    return revision;
}

struct stands {
    struct member *m;
    size_t line_n;
};

static bool line_is(void *arg)
{
    const struct stands *w = arg;
    return w->m->server->line_n == w->line_n;
}

void await_line(struct member *m, size_t n)
{
    struct stands w = { m, n };
    run_until(m->loop, line_is, &w);
}

void leases(struct member *m)
{
    for (int64_t id = 1; id <= 4; id++) {
        must_grant(m, id, 60);
    }
}

static bool tenth(void *arg)
{
    int *n = arg;
    return ++*n == 10;
}

void must_wait(struct pending *p)
{
    int turns = 0;
    created(p->m, "nothing");
    run_until(p->m->loop, tenth, &turns);
    assert_false(p->done);
}
