/* Logging in, against a member of our own making that can do what a real one does only after
 * minutes: take no token any more, give one that is void at once, switch auth on. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/rpc/server.h"
#include "proto/rpc.pb-c.h"
#include "proto/rpc_auth.pb-c.h"

enum { WAIT_MS = 20000 };

struct member {
    struct loop *loop;
    struct rpc_server *server;
    const char *password;  /* NULL: auth is off */
    char token[64];        /* the only one that is taken */
    unsigned logins, refused, puts, streams;
    bool void_at_once;     /* gives tokens that it does not take */
    const char *odd_token; /* gives this one */
    int64_t revision;
    struct rpc_call *watch; /* the last stream */
    int64_t watch_id;
};

/* --- the member ------------------------------------------------------------------------------- */

static int admit(const struct rpc_call *call)
{
    const struct member *m = rpc_call_arg(call);
    const char *token = rpc_call_metadata(call, "token");
    if (m->password == NULL) {
        return 0;
    }
    return token == NULL ? E_USER_EMPTY : str_eq(token, m->token) ? 0 : E_AUTH_TOKEN;
}

static void authenticate(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    const Etcdserverpb__AuthenticateRequest *r =
        (const Etcdserverpb__AuthenticateRequest *)(const void *)msg;
    Etcdserverpb__AuthenticateResponse reply = ETCDSERVERPB__AUTHENTICATE_RESPONSE__INIT;
    char token[64];
    m->logins++;
    if (m->password == NULL || !str_eq(r->password, m->password) || !str_eq(r->name, "app")) {
        m->refused++;
        rpc_fail_err(call, m->password == NULL ? E_AUTH_NOT_ENABLED : E_AUTH_FAILED);
        return;
    }
    snprintf(token, sizeof token, "token.%u", m->logins);
    if (!m->void_at_once) {
        str_copy(m->token, sizeof m->token, token);
    }
    reply.token = m->odd_token != NULL ? (char *)(uintptr_t)m->odd_token : token;
    rpc_reply(call, &reply.base);
}

static void put(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__PutResponse reply = ETCDSERVERPB__PUT_RESPONSE__INIT;
    int rv = admit(call);
    (void)msg;
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    m->puts++;
    header.revision = ++m->revision;
    reply.header = &header;
    rpc_reply(call, &reply.base);
}

static void range(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__RangeResponse reply = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    (void)msg;
    rpc_reply(call, &reply.base);
}

static void watch_start(struct rpc_call *call)
{
    struct member *m = rpc_call_arg(call);
    m->watch = call;
    m->streams++;
}

/* As etcd: the refusal of a watch has no id, and the stream goes on. */
static void watch_message(struct rpc_call *call, ProtobufCMessage *msg)
{
    struct member *m = rpc_call_arg(call);
    const Etcdserverpb__WatchRequest *r = (const Etcdserverpb__WatchRequest *)(const void *)msg;
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__WatchResponse reply = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    char reason[] = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    if (r->request_union_case != ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST) {
        return;
    }
    header.revision = m->revision;
    reply.header = &header;
    reply.created = 1;
    reply.watch_id = r->create_request->watch_id;
    if (admit(call) != 0) {
        reply.canceled = 1;
        reply.watch_id = -1;
        reply.cancel_reason = reason;
    } else if (r->create_request->key.data[0] == 'a') {
        m->watch_id = reply.watch_id;
    }
    rpc_send(call, &reply.base);
}

/* Of the watch of "a": all stand on the last stream. */
static void member_event(struct member *m)
{
    uint8_t key[] = "a";
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__WatchResponse reply = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    Mvccpb__Event event = MVCCPB__EVENT__INIT, *events[] = { &event };
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    kv.key = (ProtobufCBinaryData){ 1, key };
    kv.mod_revision = ++m->revision;
    event.kv = &kv;
    header.revision = m->revision;
    reply.header = &header;
    reply.watch_id = m->watch_id;
    reply.n_events = 1;
    reply.events = events;
    assert_true(rpc_send(m->watch, &reply.base));
}

static void stream_closed(struct rpc_call *call)
{
    struct member *m = rpc_call_arg(call);
    if (m->watch == call) {
        m->watch = NULL;
    }
    rpc_finish(call, GRPC_OK, "");
}

static void grant(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__LeaseGrantResponse reply = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
    int rv = admit(call);
    (void)msg;
    if (rv != 0) {
        rpc_fail_err(call, rv);
        return;
    }
    reply.id = 7;
    reply.ttl = 3;
    rpc_reply(call, &reply.base);
}

static void keep_alive(struct rpc_call *call, ProtobufCMessage *msg)
{
    Etcdserverpb__LeaseKeepAliveResponse reply = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    (void)msg;
    if (admit(call) != 0) {
        rpc_finish(call, GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token");
        return;
    }
    reply.id = 7;
    reply.ttl = 3;
    rpc_send(call, &reply.base);
}

static void keep_alive_closed(struct rpc_call *call)
{
    rpc_finish(call, GRPC_OK, "");
}

#define UNARY(path, name, handler) \
    { path, RPC_UNARY, &etcdserverpb__##name##_request__descriptor, handler, NULL, NULL, NULL, \
      NULL }

static const struct rpc_method methods[] = {
    UNARY("/etcdserverpb.Auth/Authenticate", authenticate, authenticate),
    UNARY("/etcdserverpb.KV/Put", put, put),
    UNARY("/etcdserverpb.KV/Range", range, range),
    UNARY("/etcdserverpb.Lease/LeaseGrant", lease_grant, grant),
    { "/etcdserverpb.Lease/LeaseKeepAlive", RPC_STREAM,
      &etcdserverpb__lease_keep_alive_request__descriptor, keep_alive, NULL, NULL, NULL,
      keep_alive_closed },
    { "/etcdserverpb.Watch/Watch", RPC_STREAM, &etcdserverpb__watch_request__descriptor,
      watch_message, watch_start, NULL, NULL, stream_closed },
};

static void member_open(struct member *m, const char *password)
{
    *m = (struct member){ .loop = loop_new(), .password = password, .revision = 1 };
    struct rpc_server_options options = { .loop = m->loop, .arg = m };
    m->server = rpc_server_new(&options);
    rpc_server_methods(m->server, methods, ARRAY_LEN(methods));
    assert_int_equal(rpc_server_listen(m->server, "127.0.0.1:0", RPC_SERVES_GRPC, NULL), 0);
}

static struct client *member_client(struct member *m, struct client_options o)
{
    const char *endpoint = rpc_server_address(m->server, 0);
    struct client *c = NULL;
    o.loop = m->loop;
    o.endpoints = &endpoint;
    o.n_endpoints = 1;
    o.user = "app";
    o.timeout_ms = WAIT_MS;
    assert_int_equal(client_new(&o, &c, NULL), 0);
    return c;
}

static struct client *client_with(struct member *m, const char *password)
{
    return member_client(m, (struct client_options){ .password = password });
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

static void member_close(struct member *m, struct client *c)
{
    bool stopped = false;
    client_free(c);
    rpc_server_stop(m->server, 0, on_stopped, &stopped);
    assert_true(run_until_set(m->loop, &stopped, WAIT_MS));
    rpc_server_free(m->server);
    run_turns(m->loop);
    loop_free(m->loop);
}

/* --- calls ------------------------------------------------------------------------------------ */

struct answer {
    bool done;
    int status;
    char text[256];
};

static void on_answer(void *arg, const struct client_result *result)
{
    struct answer *a = arg;
    assert_false(a->done);
    a->done = true;
    a->status = result->status;
    str_copy(a->text, sizeof a->text, result->err != NULL ? result->err->msg : "");
}

static void put_start(struct client *c, struct answer *a)
{
    struct client_put p = { .key = slice_str("k"), .value = slice_str("v") };
    *a = (struct answer){ .done = false };
    client_put_kv(c, &p, on_answer, a);
}

static int put_status(struct member *m, struct client *c, struct answer *a)
{
    put_start(c, a);
    assert_true(run_until_set(m->loop, &a->done, WAIT_MS));
    return a->status;
}

static void calls_wait_for_one_log_in_and_carry_its_token(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    struct answer answers[20];
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        put_start(c, &answers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_true(run_until_set(m.loop, &answers[i].done, WAIT_MS));
        assert_int_equal(answers[i].status, 0);
    }
    assert_int_equal(m.puts, ARRAY_LEN(answers));
    assert_int_equal(m.logins, 1);
    member_close(&m, c);
}

static void a_write_refused_for_its_token_is_sent_again_once(void **state)
{
    (void)state;
    struct member m;
    struct answer a, b;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    assert_int_equal(put_status(&m, c, &a), 0);
    str_copy(m.token, sizeof m.token, "another");
    put_start(c, &a);
    put_start(c, &b);
    assert_true(run_until_set(m.loop, &a.done, WAIT_MS));
    assert_true(run_until_set(m.loop, &b.done, WAIT_MS));
    assert_int_equal(a.status, 0);
    assert_int_equal(b.status, 0);
    assert_int_equal(m.puts, 3);
    assert_int_equal(m.logins, 2);
    member_close(&m, c);
}

static void a_wrong_password_ends_calls_at_once_and_is_not_tried_at_each(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "wrong");
    uint64_t start = clock_mono_ms();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(put_status(&m, c, &a), E_AUTH_FAILED);
    }
    uint64_t took = clock_mono_ms() - start;
    assert_non_null(strstr(a.text, "user app: etcdserver: authentication failed"));
    /* One, and one more for each half second at most. */
    assert_true(m.logins >= 1 && m.logins <= 1 + took / 500);
    assert_int_equal(m.puts, 0);

    m.password = "wrong"; /* now it is the right one, and found out without a restart */
    while (put_status(&m, c, &a) != 0) {
        assert_true(clock_mono_ms() - start < WAIT_MS);
    }
    assert_int_equal(m.puts, 1);
    member_close(&m, c);
}

static void where_auth_is_off_there_is_no_token_until_it_is_on(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, NULL);
    struct client *c = client_with(&m, "secret");
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.logins, 1);
    m.password = "secret";
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.logins, 2);
    assert_int_equal(m.puts, 3);
    member_close(&m, c);
}

static void tokens_that_are_void_at_once_are_asked_for_ever_more_slowly(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, "secret");
    m.void_at_once = true;
    struct client *c = client_with(&m, "secret");
    uint64_t start = clock_mono_ms();
    struct client_put p = { .key = slice_str("k"), .timeout_ms = 2000 };
    a = (struct answer){ .done = false };
    client_put_kv(c, &p, on_answer, &a);
    assert_true(run_until_set(m.loop, &a.done, WAIT_MS));
    assert_int_not_equal(a.status, 0);
    /* 25 ms, 50, 100, 200, 400, 800 between them at least. */
    assert_true(m.logins >= 2);
    assert_true(m.logins <= 8 + (clock_mono_ms() - start) / 800);
    member_close(&m, c);
}

static void a_token_that_cannot_be_a_header_is_refused(void **state)
{
    (void)state;
    static const char *const odd[] = { "", "two words", "line\r\nx: y", "\x7f" };
    char *longest = mem_zalloc(9001);
    memset(longest, 'x', 9000);
    for (size_t i = 0; i <= ARRAY_LEN(odd); i++) {
        struct member m;
        struct answer a;
        member_open(&m, "secret");
        m.odd_token = i < ARRAY_LEN(odd) ? odd[i] : longest;
        struct client *c = client_with(&m, "secret");
        assert_int_equal(put_status(&m, c, &a), E_PROTO);
        assert_int_equal(m.puts, 0);
        member_close(&m, c);
    }
    mem_free(longest);
}

/* --- the password's file ---------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void the_password_file_is_read_at_each_log_in(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    char path[] = "/tmp/barque-login-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    member_open(&m, "first");
    struct client *c = member_client(&m, (struct client_options){ .password_file = path });
    assert_int_equal(put_status(&m, c, &a), E_INVAL); /* it is empty */
    assert_int_equal(m.logins, 0);
    write_file(path, "first\nand what else there is\n");
    uint64_t start = clock_mono_ms();
    while (put_status(&m, c, &a) != 0) {
        assert_true(clock_mono_ms() - start < WAIT_MS);
    }
    write_file(path, "second");
    m.password = "second";
    str_copy(m.token, sizeof m.token, "another");
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.refused, 0);
    assert_int_equal(unlink(path), 0);
    str_copy(m.token, sizeof m.token, "a third");
    assert_int_equal(put_status(&m, c, &a), E_NOTFOUND);
    assert_non_null(strstr(a.text, path));
    member_close(&m, c);
}

static void a_user_needs_a_name_and_a_password(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *password;
    } cases[] = { { "a", "a", NULL }, { "a:", "a", "" }, { "a:b:c", "a", "b:c" } };
    char text[16];
    const char *user, *password;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_copy(text, sizeof text, cases[i].text);
        assert_int_equal(client_user_split(text, &user, &password, &err), 0);
        assert_string_equal(user, cases[i].user);
        if (cases[i].password == NULL) {
            assert_null(password);
        } else {
            assert_string_equal(password, cases[i].password);
        }
    }
    str_copy(text, sizeof text, ":b");
    assert_int_equal(client_user_split(text, &user, &password, &err), E_INVAL);
    str_copy(text, sizeof text, "");
    assert_int_equal(client_user_split(text, &user, &password, &err), E_INVAL);

    struct loop *loop = loop_new();
    const char *endpoint = "127.0.0.1:1";
    struct client_options o = { .loop = loop, .endpoints = &endpoint, .n_endpoints = 1,
                                .user = "a" };
    struct client *c;
    assert_int_equal(client_new(&o, &c, &err), E_INVAL);
    loop_free(loop);
}

/* --- streams ---------------------------------------------------------------------------------- */

struct watcher {
    struct member *member;
    int64_t seen[16];
    size_t n, want, resumed, ended;
};

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watcher *w = arg;
    (void)revision;
    for (size_t i = 0; i < n && w->n < ARRAY_LEN(w->seen); i++) {
        w->seen[w->n++] = events[i].kv.mod_revision;
    }
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct watcher *w = arg;
    (void)compact_revision;
    print_message("the watch ended: %d %s\n", status, err->msg);
    w->ended++;
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct watcher *w = arg;
    (void)endpoint;
    assert_int_equal(revision, w->n + 2);
    w->resumed++;
}

static struct client_watch *watch_of(struct client *c, struct watcher *w, const char *key)
{
    struct client_watch_options options = { .key = slice_str(key), .start_revision = 2,
                                            .on_events = on_events, .on_end = on_end,
                                            .on_resume = on_resume, .arg = w };
    return client_watch_start(c, &options);
}

static bool watched(void *arg)
{
    return ((struct watcher *)arg)->member->watch_id > 0;
}

static bool enough(void *arg)
{
    return ((struct watcher *)arg)->n >= ((struct watcher *)arg)->want;
}

static bool resumed(void *arg)
{
    return ((struct watcher *)arg)->resumed > 0;
}

/* A stream keeps its token: the watch that comes later is refused, and both go on with another. */
static void watches_go_on_with_the_next_token(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    struct watcher w = { .member = &m, .want = 1 }, later = { .member = &m };
    struct client_watch *first = watch_of(c, &w, "a");
    assert_true(run_until(m.loop, watched, &w, WAIT_MS));
    member_event(&m);
    assert_true(run_until(m.loop, enough, &w, WAIT_MS));

    str_copy(m.token, sizeof m.token, "another");
    struct client_watch *second = watch_of(c, &later, "b");
    assert_true(run_until(m.loop, resumed, &w, WAIT_MS));
    member_event(&m);
    w.want = 2;
    assert_true(run_until(m.loop, enough, &w, WAIT_MS));
    assert_int_equal(w.n, 2);
    assert_int_equal(w.seen[0], 2);
    assert_int_equal(w.seen[1], 3);
    assert_int_equal(w.ended + later.ended, 0);
    assert_int_equal(m.streams, 2);
    assert_int_equal(m.logins, 2);
    client_watch_stop(first);
    client_watch_stop(second);
    member_close(&m, c);
}

static unsigned renewals, losses;

static void on_lease(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct member *m = arg;
    (void)id;
    (void)deadline_ms;
    losses += !alive;
    if (alive && renewals++ == 0) {
        str_copy(m->token, sizeof m->token, "another");
    }
}

static bool renewed(void *arg)
{
    (void)arg;
    return renewals >= 3 || losses > 0;
}

static void a_lease_outlives_the_token_of_its_stream(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    renewals = losses = 0;
    struct client_lease *l = client_lease_start(c, 3, on_lease, &m);
    assert_true(run_until(m.loop, renewed, NULL, WAIT_MS));
    assert_int_equal(losses, 0);
    assert_true(m.logins >= 2);
    client_lease_abandon(l);
    member_close(&m, c);
}

int test_login_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_wait_for_one_log_in_and_carry_its_token),
        cmocka_unit_test(a_write_refused_for_its_token_is_sent_again_once),
        cmocka_unit_test(a_wrong_password_ends_calls_at_once_and_is_not_tried_at_each),
        cmocka_unit_test(where_auth_is_off_there_is_no_token_until_it_is_on),
        cmocka_unit_test(tokens_that_are_void_at_once_are_asked_for_ever_more_slowly),
        cmocka_unit_test(a_token_that_cannot_be_a_header_is_refused),
        cmocka_unit_test(the_password_file_is_read_at_each_log_in),
        cmocka_unit_test(a_user_needs_a_name_and_a_password),
        cmocka_unit_test(watches_go_on_with_the_next_token),
        cmocka_unit_test(a_lease_outlives_the_token_of_its_stream),
    };
    return cmocka_run_group_tests_name("client/login", tests, NULL, NULL);
}
