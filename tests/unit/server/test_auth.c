/* Auth as a client sees it: tokens, and what each kind of call says without the right. */
#include "fixture.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "proto/rpc_auth.pb-c.h"
#include "proto/v3election.pb-c.h"
#include "proto/v3lock.pb-c.h"
#include "server/internal.h"
#include "server/token.h"

/* --- calls with a token ----------------------------------------------------------------------- */

struct asking {
    struct reply *reply;
    const ProtobufCMessageDescriptor *response;
    bool done;
};

static void on_message(void *arg, const ProtobufCMessage *msg)
{
    struct asking *a = arg;
    size_t n = protobuf_c_message_get_packed_size(msg);
    uint8_t *packed = mem_alloc(n + 1);
    protobuf_c_message_pack(msg, packed);
    reply_fini(a->reply);
    a->reply->msg = protobuf_c_message_unpack(a->response, NULL, n, packed);
    mem_free(packed);
}

static void on_closed(void *arg, const struct rpc_result *result)
{
    struct asking *a = arg;
    a->reply->code = result->grpc_code;
    snprintf(a->reply->text, sizeof a->reply->text, "%s", result->text);
    a->done = true;
}

static bool is_done(void *arg)
{
    return ((struct asking *)arg)->done;
}

/* A unary call, or a stream with one request: the last message, and the end. */
static void call_as(struct member *m, const char *token, const char *path, const void *request,
                    const ProtobufCMessageDescriptor *response, struct reply *ret_reply)
{
    static const struct rpc_stream_events events = { on_message, on_closed, NULL };
    *ret_reply = (struct reply){ 0 };
    struct asking a = { ret_reply, response, false };
    struct rpc_stream *st = rpc_stream_open(m->channel, path, response, &events, &a);
    if (token != NULL) {
        rpc_stream_metadata(st, token[0] == 'B' ? "authorization" : "token", token);
    }
    rpc_stream_send(st, request);
    rpc_stream_half_close(st);
    run_until(m->loop, is_done, &a);
}

/* Code and text of a call whose answer does not matter. */
static void must_say(struct member *m, const char *token, const char *path, const void *request,
                     int code, const char *text)
{
    struct reply r;
    call_as(m, token, path, request, &etcdserverpb__auth_enable_response__descriptor, &r);
    if (r.code != code) {
        fail_msg("%s: %d %s", path, r.code, r.text);
    }
    assert_string_equal(r.text, code == 0 ? "" : text);
    reply_fini(&r);
}

static const char DENIED[] = "etcdserver: permission denied";
static const char NOBODY[] = "etcdserver: user name is empty";
static const char BAD_TOKEN[] = "etcdserver: invalid auth token";

static void user_add(struct member *m, const char *token, const char *name, const char *password)
{
    Etcdserverpb__AuthUserAddRequest r = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    r.name = (char *)(uintptr_t)name;
    r.password = (char *)(uintptr_t)password;
    must_say(m, token, "/etcdserverpb.Auth/UserAdd", &r, 0, "");
}

static void user_grant(struct member *m, const char *token, const char *name, const char *role)
{
    Etcdserverpb__AuthUserGrantRoleRequest r = ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    r.user = (char *)(uintptr_t)name;
    r.role = (char *)(uintptr_t)role;
    must_say(m, token, "/etcdserverpb.Auth/UserGrantRole", &r, 0, "");
}

static void role_add(struct member *m, const char *token, const char *name)
{
    Etcdserverpb__AuthRoleAddRequest r = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    r.name = (char *)(uintptr_t)name;
    must_say(m, token, "/etcdserverpb.Auth/RoleAdd", &r, 0, "");
}

static void role_grant(struct member *m, const char *token, const char *role, const char *key,
                       const char *end)
{
    Etcdserverpb__AuthRoleGrantPermissionRequest r =
        ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
    Authpb__Permission p = AUTHPB__PERMISSION__INIT;
    p.permtype = AUTHPB__PERMISSION__TYPE__READWRITE;
    p.key = bytes(key);
    p.range_end = bytes(end);
    r.name = (char *)(uintptr_t)role;
    r.perm = &p;
    must_say(m, token, "/etcdserverpb.Auth/RoleGrantPermission", &r, 0, "");
}

static int log_in(struct member *m, const char *name, const char *password, char *ret_token)
{
    Etcdserverpb__AuthenticateRequest q = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    struct reply r;
    q.name = (char *)(uintptr_t)name;
    q.password = (char *)(uintptr_t)password;
    call(m, "/etcdserverpb.Auth/Authenticate", &q,
         &etcdserverpb__authenticate_response__descriptor, &r);
    if (r.code == 0) {
        const Etcdserverpb__AuthenticateResponse *a = (const void *)r.msg;
        snprintf(ret_token, 256, "%s", a->token);
    }
    reply_fini(&r);
    return r.code;
}

/* Users root and u (role r: /a/ to /b), auth on; their tokens. */
struct tokens {
    char root[256], u[256];
};

static void enable(struct member *m, struct tokens *t)
{
    Etcdserverpb__AuthEnableRequest on = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    user_add(m, NULL, "root", "rp");
    user_grant(m, NULL, "root", "root");
    user_add(m, NULL, "u", "up");
    role_add(m, NULL, "r");
    role_grant(m, NULL, "r", "/a/", "/b");
    user_grant(m, NULL, "u", "r");
    must_say(m, NULL, "/etcdserverpb.Auth/AuthEnable", &on, 0, "");
    assert_int_equal(log_in(m, "root", "rp", t->root), 0);
    assert_int_equal(log_in(m, "u", "up", t->u), 0);
}

static void put_says(struct member *m, const char *token, const char *key, int code,
                     const char *text)
{
    Etcdserverpb__PutRequest p = ETCDSERVERPB__PUT_REQUEST__INIT;
    p.key = bytes(key);
    must_say(m, token, "/etcdserverpb.KV/Put", &p, code, text);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static void a_token_is_had_for_a_password_only(void **state)
{
    struct member *m = *state;
    struct tokens t;
    char token[256];
    autobuf bearer = BUF_INIT;
    assert_int_equal(log_in(m, "root", "rp", token), GRPC_FAILED_PRECONDITION); /* auth is off */
    enable(m, &t);
    assert_int_equal(log_in(m, "root", "up", token), GRPC_INVALID_ARGUMENT);
    assert_int_equal(log_in(m, "v", "up", token), GRPC_INVALID_ARGUMENT);
    put_says(m, t.root, "k", 0, "");
    put_says(m, t.u, "/a/1", 0, "");
    put_says(m, NULL, "k", GRPC_INVALID_ARGUMENT, NOBODY);
    put_says(m, "x", "k", GRPC_UNAUTHENTICATED, BAD_TOKEN);
    t.root[0] ^= 1;
    put_says(m, t.root, "k", GRPC_UNAUTHENTICATED, BAD_TOKEN);
    buf_printf(&bearer, "Bearer %s", t.u); /* in the header "authorization" */
    put_says(m, buf_str(&bearer), "/a/1", 0, "");
}

static void a_new_password_makes_the_tokens_of_before_void(void **state)
{
    struct member *m = *state;
    struct tokens t;
    char token[256];
    enable(m, &t);
    Etcdserverpb__AuthUserChangePasswordRequest r =
        ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;
    r.name = (char *)(uintptr_t) "u";
    r.password = (char *)(uintptr_t) "new";
    must_say(m, t.root, "/etcdserverpb.Auth/UserChangePassword", &r, 0, "");
    put_says(m, t.u, "/a/1", GRPC_UNAUTHENTICATED, BAD_TOKEN);
    put_says(m, t.root, "/a/1", 0, ""); /* others go on */
    assert_int_equal(log_in(m, "u", "up", token), GRPC_INVALID_ARGUMENT);
    assert_int_equal(log_in(m, "u", "new", token), 0);
    Etcdserverpb__AuthUserDeleteRequest d = ETCDSERVERPB__AUTH_USER_DELETE_REQUEST__INIT;
    d.name = (char *)(uintptr_t) "u";
    must_say(m, t.root, "/etcdserverpb.Auth/UserDelete", &d, 0, "");
    put_says(m, token, "/a/1", GRPC_UNAUTHENTICATED, BAD_TOKEN);
    user_add(m, t.root, "u", "new"); /* another one of the same name */
    put_says(m, token, "/a/1", GRPC_UNAUTHENTICATED, BAD_TOKEN);
}

/* Signed by the member, as of `expiry_s`. */
static void sign(struct member *m, int64_t expiry_s, struct buf *out)
{
    const struct auth *a = store_auth(m->server->store);
    const struct auth_user *u = auth_user(a, slice_str("u"));
    struct token t = { .user = "u", .user_len = 1, .since = u->since,
                       .expiry_s = (uint64_t)expiry_s };
    token_write(a->secret, &t, out);
}

static void a_token_ends_unless_it_is_used(void **state)
{
    struct member *m = *state;
    struct tokens t;
    int64_t now_s = loop_wall_ms(m->loop) / 1000;
    autobuf over = BUF_INIT, soon = BUF_INIT;
    enable(m, &t);
    sign(m, now_s - 1, &over);
    put_says(m, buf_str(&over), "/a/1", GRPC_UNAUTHENTICATED, BAD_TOKEN);
    assert_int_equal(m->server->tokens.n, 0);
    sign(m, now_s + 20, &soon);
    put_says(m, buf_str(&soon), "/a/1", 0, "");
    assert_int_equal(m->server->tokens.n, 1); /* in use: remembered */
    put_says(m, t.u, "/a/1", 0, "");
    assert_int_equal(m->server->tokens.n, 1); /* a fresh one needs no remembering */
}

static void the_time_of_a_token_and_the_cost_of_a_hash_are_options(void **state)
{
    struct server_options o = { .token_ttl_s = 1000, .bcrypt_cost = 5 };
    struct member *m = member_open_with(&o);
    struct tokens t;
    struct token read;
    (void)state;
    enable(m, &t);
    const struct auth *a = store_auth(m->server->store);
    assert_true(slice_starts(auth_user(a, slice_str("u"))->secret, slice_str("$2a$05$")));
    assert_int_equal(token_read(a->secret, slice_str(t.u), &read), 0);
    int64_t left_s = (int64_t)read.expiry_s - loop_wall_ms(m->loop) / 1000;
    assert_true(left_s > 900 && left_s <= 1001);

    autobuf soon = BUF_INIT;
    sign(m, loop_wall_ms(m->loop) / 1000 + 501, &soon);
    put_says(m, buf_str(&soon), "/a/1", 0, "");
    assert_int_equal(m->server->tokens.n, 0); /* not in its second half */
    buf_reset(&soon);
    sign(m, loop_wall_ms(m->loop) / 1000 + 400, &soon);
    put_says(m, buf_str(&soon), "/a/1", 0, "");
    uint64_t *until = u64map_get(&m->server->tokens, hash_bytes(soon.data, soon.len));
    assert_non_null(until);
    int64_t longer_ms = (int64_t)(*until - loop_now_ms(m->loop));
    assert_true(longer_ms > 900 * 1000 && longer_ms <= 1000 * 1000);
    member_close(m);
}

static void off_and_on_again_is_another_time(void **state)
{
    struct member *m = *state;
    struct tokens t;
    Etcdserverpb__AuthDisableRequest off = ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;
    Etcdserverpb__AuthEnableRequest on = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    enable(m, &t);
    must_say(m, t.u, "/etcdserverpb.Auth/AuthDisable", &off, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, t.root, "/etcdserverpb.Auth/AuthDisable", &off, 0, "");
    put_says(m, NULL, "k", 0, "");
    put_says(m, "x", "k", 0, ""); /* nobody looks at it */
    must_say(m, NULL, "/etcdserverpb.Auth/AuthEnable", &on, 0, "");
    put_says(m, t.root, "k", GRPC_UNAUTHENTICATED, BAD_TOKEN);
}

/* --- rights ----------------------------------------------------------------------------------- */

struct row {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    int nobody, user; /* what they hear */
};

static void every_method_asks_for_its_right(void **state)
{
    struct member *m = *state;
    struct tokens t;
    const int none = GRPC_INVALID_ARGUMENT, deny = GRPC_PERMISSION_DENIED;
    enable(m, &t);
#define R(path, name) path, &etcdserverpb__##name##request__descriptor
    const struct row rows[] = {
        { R("/etcdserverpb.KV/Compact", compaction_), none, deny },
        { R("/etcdserverpb.Lease/LeaseGrant", lease_grant_), none, 0 },
        { R("/etcdserverpb.Lease/LeaseRevoke", lease_revoke_), none, GRPC_NOT_FOUND },
        { R("/etcdserverpb.Lease/LeaseTimeToLive", lease_time_to_live_), none, 0 },
        { R("/etcdserverpb.Lease/LeaseLeases", lease_leases_), none, 0 },
        { R("/etcdserverpb.Lease/LeaseKeepAlive", lease_keep_alive_), none, 0 },
        { R("/etcdserverpb.Cluster/MemberList", member_list_), none, 0 },
        { R("/etcdserverpb.Cluster/MemberAdd", member_add_), none, deny },
        { R("/etcdserverpb.Cluster/MemberRemove", member_remove_), none, deny },
        { R("/etcdserverpb.Cluster/MemberUpdate", member_update_), none, deny },
        { R("/etcdserverpb.Cluster/MemberPromote", member_promote_), none, deny },
        { R("/etcdserverpb.Maintenance/Status", status_), none, 0 },
        { R("/etcdserverpb.Maintenance/Alarm", alarm_), none, 0 },
        { R("/etcdserverpb.Maintenance/Hash", hash_), none, deny },
        { R("/etcdserverpb.Maintenance/HashKV", hash_kv), none, deny },
        { R("/etcdserverpb.Maintenance/Snapshot", snapshot_), none, deny },
        { R("/etcdserverpb.Maintenance/Defragment", defragment_), none, deny },
        { R("/etcdserverpb.Maintenance/MoveLeader", move_leader_), none, deny },
        { R("/etcdserverpb.Auth/AuthStatus", auth_status_), 0, 0 },
        { R("/etcdserverpb.Auth/UserList", auth_user_list_), none, deny },
        { R("/etcdserverpb.Auth/UserAdd", auth_user_add_), none, deny },
        { R("/etcdserverpb.Auth/UserGet", auth_user_get_), none, deny },
        { R("/etcdserverpb.Auth/RoleList", auth_role_list_), none, deny },
        { R("/etcdserverpb.Auth/RoleGet", auth_role_get_), none, deny },
    };
#undef R
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ProtobufCMessage *q = mem_zalloc(rows[i].request->sizeof_message);
        rows[i].request->message_init(q);
        must_say(m, NULL, rows[i].path, q, rows[i].nobody, NOBODY);
        must_say(m, "x", rows[i].path, q,
                 rows[i].nobody == 0 ? 0 : GRPC_UNAUTHENTICATED, BAD_TOKEN);
        must_say(m, t.u, rows[i].path, q, rows[i].user,
                 rows[i].user == GRPC_NOT_FOUND ? "etcdserver: requested lease not found" : DENIED);
        mem_free(q);
    }
}

static void alarms_are_listed_by_any_and_set_by_root(void **state)
{
    struct member *m = *state;
    struct tokens t;
    Etcdserverpb__AlarmRequest a = ETCDSERVERPB__ALARM_REQUEST__INIT;
    enable(m, &t);
    must_say(m, t.u, "/etcdserverpb.Maintenance/Alarm", &a, 0, "");
    a.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE;
    must_say(m, t.u, "/etcdserverpb.Maintenance/Alarm", &a, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, NULL, "/etcdserverpb.Maintenance/Alarm", &a, GRPC_INVALID_ARGUMENT, NOBODY);
}

static void one_may_see_oneself(void **state)
{
    struct member *m = *state;
    struct tokens t;
    struct reply r;
    Etcdserverpb__AuthUserGetRequest u = ETCDSERVERPB__AUTH_USER_GET_REQUEST__INIT;
    Etcdserverpb__AuthRoleGetRequest role = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
    enable(m, &t);
    u.name = (char *)(uintptr_t) "u";
    call_as(m, t.u, "/etcdserverpb.Auth/UserGet", &u,
            &etcdserverpb__auth_user_get_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    assert_string_equal(((Etcdserverpb__AuthUserGetResponse *)(void *)r.msg)->roles[0], "r");
    reply_fini(&r);
    role.role = (char *)(uintptr_t) "r";
    call_as(m, t.u, "/etcdserverpb.Auth/RoleGet", &role,
            &etcdserverpb__auth_role_get_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    assert_int_equal(((Etcdserverpb__AuthRoleGetResponse *)(void *)r.msg)->n_perm, 1);
    reply_fini(&r);
}

static void reads_and_lists_are_of_what_one_may_read(void **state)
{
    struct member *m = *state;
    struct tokens t;
    struct reply stream;
    Etcdserverpb__RangeRequest r = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT, *ops = &op;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    enable(m, &t);
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op.request_range = &r;
    txn.success = &ops;
    txn.n_success = 1;
    r.key = bytes("/a/");
    for (unsigned i = 0; i < 4; i++) {
        bool wide = i % 2 != 0;
        r.serializable = i >= 2;
        r.range_end = bytes(wide ? "/c" : "/b");
        int code = wide ? GRPC_PERMISSION_DENIED : 0;
        must_say(m, t.u, "/etcdserverpb.KV/Range", &r, code, DENIED);
        call_as(m, t.u, "/etcdserverpb.KV/RangeStream", &r,
                &etcdserverpb__range_stream_response__descriptor, &stream);
        assert_int_equal(stream.code, code);
        reply_fini(&stream);
        struct reply reply;
        call_as(m, t.u, "/etcdserverpb.KV/RangeStream", &r,
                &etcdserverpb__range_stream_response__descriptor, &reply);
        assert_int_equal(reply.code, code);
        reply_fini(&reply);
        must_say(m, NULL, "/etcdserverpb.KV/RangeStream", &r, GRPC_INVALID_ARGUMENT, NOBODY);
        must_say(m, t.u, "/etcdserverpb.KV/Txn", &txn, code, DENIED);
        must_say(m, NULL, "/etcdserverpb.KV/Range", &r, GRPC_INVALID_ARGUMENT, NOBODY);
        must_say(m, NULL, "/etcdserverpb.KV/Txn", &txn, GRPC_INVALID_ARGUMENT, NOBODY);
    }
}

/* 40 transactions of 100 keys each: more than a page of a list. */
static void put_many(struct member *m, const char *token)
{
    for (int i = 0; i < 40; i++) {
        char keys[100][16];
        Etcdserverpb__PutRequest puts[100];
        Etcdserverpb__RequestOp ops[100], *list[100];
        Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
        for (int k = 0; k < 100; k++) {
            snprintf(keys[k], sizeof keys[k], "/a/%03d%03d", i, k);
            etcdserverpb__put_request__init(&puts[k]);
            etcdserverpb__request_op__init(&ops[k]);
            puts[k].key = bytes(keys[k]);
            ops[k].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
            ops[k].request_put = &puts[k];
            list[k] = &ops[k];
        }
        txn.success = list;
        txn.n_success = 100;
        must_say(m, token, "/etcdserverpb.KV/Txn", &txn, 0, "");
    }
}

struct between_pages {
    struct ready ready;
    struct server *server;
    enum auth_action action;
    bool done;
};

/* Each turn, until a list is on its way: then the role changes. */
static void change_between_pages(struct ready *r)
{
    struct between_pages *b = CONTAINER_OF(r, struct between_pages, ready);
    struct auth_change c = { .action = b->action, .role = slice_str("r"), .key = slice_str("/a/"),
                             .range_end = slice_str("/b") };
    if (list_empty(&b->server->range_walks)) {
        loop_ready(b->server->loop, &b->ready);
        return;
    }
    struct auth *a = (struct auth *)(uintptr_t)store_auth(b->server->store);
    assert_int_equal(auth_apply(a, &c), 0);
    b->done = true;
}

static void a_right_that_is_lost_ends_a_list_between_two_pages(void **state)
{
    struct member *m = *state;
    struct tokens t;
    Etcdserverpb__RangeRequest r = ETCDSERVERPB__RANGE_REQUEST__INIT;
    enable(m, &t);
    put_many(m, t.u);
    r.key = bytes("/a/");
    r.range_end = bytes("/b");
    /* First a change that takes nothing away. */
    const enum auth_action actions[] = { AUTH_ROLE_GRANT, AUTH_ROLE_REVOKE };
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        struct between_pages b = { .server = m->server, .action = actions[i] };
        ready_init(&b.ready, change_between_pages);
        loop_ready(m->loop, &b.ready);
        struct reply reply;
        call_as(m, t.u, "/etcdserverpb.KV/Range", &r, &etcdserverpb__range_response__descriptor,
                &reply);
        assert_true(b.done);
        assert_int_equal(reply.code, i == 0 ? 0 : GRPC_PERMISSION_DENIED);
        reply_fini(&reply);
    }
}

static void a_watch_is_refused_with_its_reason(void **state)
{
    struct member *m = *state;
    struct tokens t;
    struct reply r;
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest w = ETCDSERVERPB__WATCH_REQUEST__INIT;
    enable(m, &t);
    w.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    w.create_request = &c;
    const char *reasons[] = {
        "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
        "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
        "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
    };
    const char *tokens[] = { t.u, NULL, "x" };
    c.key = bytes("/z");
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        call_as(m, tokens[i], "/etcdserverpb.Watch/Watch", &w,
                &etcdserverpb__watch_response__descriptor, &r);
        const Etcdserverpb__WatchResponse *a = (const void *)r.msg;
        assert_true(a->created && a->canceled && a->watch_id == -1);
        assert_string_equal(a->cancel_reason, reasons[i]);
        reply_fini(&r);
    }
    c.key = bytes("/a/1");
    call_as(m, t.u, "/etcdserverpb.Watch/Watch", &w, &etcdserverpb__watch_response__descriptor,
            &r);
    assert_false(((const Etcdserverpb__WatchResponse *)(const void *)r.msg)->canceled);
    reply_fini(&r);
}

static void locks_and_elections_need_their_keys(void **state)
{
    struct member *m = *state;
    struct tokens t;
    V3lockpb__LockRequest lock = V3LOCKPB__LOCK_REQUEST__INIT;
    V3electionpb__LeaderRequest leader = V3ELECTIONPB__LEADER_REQUEST__INIT;
    enable(m, &t);
    lock.name = leader.name = bytes("/a/l");
    must_say(m, t.u, "/v3lockpb.Lock/Lock", &lock, 0, "");
    must_say(m, t.u, "/v3electionpb.Election/Leader", &leader, 0, "");
    lock.name = leader.name = bytes("/z/l");
    must_say(m, t.u, "/v3lockpb.Lock/Lock", &lock, GRPC_UNKNOWN, DENIED);
    must_say(m, t.u, "/v3electionpb.Election/Leader", &leader, GRPC_UNKNOWN, DENIED);
    must_say(m, t.u, "/v3electionpb.Election/Observe", &leader, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, NULL, "/v3lockpb.Lock/Lock", &lock, GRPC_INVALID_ARGUMENT, NOBODY);
}

static void a_lease_of_others_is_theirs(void **state)
{
    struct member *m = *state;
    struct tokens t;
    Etcdserverpb__PutRequest p = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__LeaseKeepAliveRequest k = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveRequest l = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesRequest list = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    must_grant(m, 7, 60);
    enable(m, &t);
    k.id = l.id = p.lease = 7;
    must_say(m, t.u, "/etcdserverpb.Lease/LeaseKeepAlive", &k, 0, "");
    p.key = bytes("/z");
    must_say(m, t.root, "/etcdserverpb.KV/Put", &p, 0, "");
    must_say(m, t.u, "/etcdserverpb.Lease/LeaseKeepAlive", &k, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, t.u, "/etcdserverpb.Lease/LeaseLeases", &list, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, t.u, "/etcdserverpb.Lease/LeaseTimeToLive", &l, 0, "");
    l.keys = true;
    must_say(m, t.u, "/etcdserverpb.Lease/LeaseTimeToLive", &l, GRPC_PERMISSION_DENIED, DENIED);
    must_say(m, t.root, "/etcdserverpb.Lease/LeaseTimeToLive", &l, 0, "");
    must_say(m, t.root, "/etcdserverpb.Lease/LeaseKeepAlive", &k, 0, "");
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

static void on_log_in(void *arg, const struct rpc_result *result)
{
    *(int *)arg = result->grpc_code;
}

static void passwords_that_wait_hear_of_the_end(void **state)
{
    struct member *m = member_open_with(NULL);
    struct tokens t;
    (void)state;
    enable(m, &t);
    int codes[20];
    Etcdserverpb__AuthenticateRequest q = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    q.name = (char *)(uintptr_t) "u";
    q.password = (char *)(uintptr_t) "up";
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        codes[i] = -1;
        rpc_call_unary(m->channel, "/etcdserverpb.Auth/Authenticate", &q.base,
                       &etcdserverpb__authenticate_response__descriptor, 0, on_log_in, &codes[i]);
    }
    bool closed = false;
    put_says(m, t.u, "/a/1", 0, ""); /* they have arrived, and do not hold this up */
    server_close(m->server, set_flag, &closed);
    run_until(m->loop, flag_set, &closed);
    member_forget(m);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_true(codes[i] == 0 || codes[i] == GRPC_UNAVAILABLE);
    }
}

int test_auth_run(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_token_is_had_for_a_password_only),
        SERVER_TEST(a_new_password_makes_the_tokens_of_before_void),
        SERVER_TEST(a_token_ends_unless_it_is_used),
        cmocka_unit_test(the_time_of_a_token_and_the_cost_of_a_hash_are_options),
        SERVER_TEST(off_and_on_again_is_another_time),
        SERVER_TEST(every_method_asks_for_its_right),
        SERVER_TEST(alarms_are_listed_by_any_and_set_by_root),
        SERVER_TEST(one_may_see_oneself),
        SERVER_TEST(reads_and_lists_are_of_what_one_may_read),
        SERVER_TEST(a_right_that_is_lost_ends_a_list_between_two_pages),
        SERVER_TEST(a_watch_is_refused_with_its_reason),
        SERVER_TEST(locks_and_elections_need_their_keys),
        SERVER_TEST(a_lease_of_others_is_theirs),
        cmocka_unit_test(passwords_that_wait_hear_of_the_end),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
