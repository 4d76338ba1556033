/* The member under test, and blocking calls. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/io/file.h"
#include "lib/io/timer.h"
#include "server/internal.h"
#include "store/capability.h"

enum { DEADLINE_MS = 10000 };

struct waiter {
    struct timer timer;
    bool (*cond)(void *arg);
    void *arg;
    uint64_t until_ms;
    bool held;
};

static void on_look(struct timer *t)
{
    struct waiter *w = CONTAINER_OF(t, struct waiter, timer);
    w->held = w->cond(w->arg);
    if (w->held || loop_now_ms(t->loop) >= w->until_ms) {
        loop_stop(t->loop);
        return;
    }
    timer_start(t, 1);
}

void run_until(struct loop *loop, bool (*cond)(void *arg), void *arg)
{
    struct waiter w = { .cond = cond, .arg = arg, .until_ms = loop_now_ms(loop) + DEADLINE_MS };
    timer_init(loop, &w.timer, on_look);
    timer_start(&w.timer, 0);
    loop_run(loop);
    timer_stop(&w.timer);
    assert_true(w.held);
}

static bool flag_set(void *arg)
{
    return *(const bool *)arg;
}

/* It leads, and has told the others, here itself, which commands it understands. */
static bool is_ready(void *arg)
{
    const struct server *s = arg;
    return server_ready(s) && s->status.level >= store_level();
}

struct member *member_open_with(const struct server_options *options)
{
    static const char *const listen[] = { "127.0.0.1:0" };
    struct member *m = mem_zalloc(sizeof *m);
    const char *base = getenv("TMPDIR");
    snprintf(m->dir, sizeof m->dir, "%s/barque-server-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(m->dir));
    m->loop = loop_new();
    struct rnode_member self = { .id = 1, .role = RNODE_VOTER, .name = "m1",
                                 .peer_address = "127.0.0.1:0" };
    struct server_options o = { 0 };
    if (options != NULL) {
        o = *options;
    }
    o.loop = m->loop;
    o.name = "m1";
    o.data_dir = m->dir;
    o.listen_client = listen;
    o.n_listen_client = 1;
    o.advertise_client_url = "http://127.0.0.1:1";
    o.listen_peer = "127.0.0.1:0";
    o.cluster_token = "test";
    o.initial = &self;
    o.n_initial = 1;
    o.election_ms = 300;
    o.heartbeat_ms = 50;
    o.unsafe_no_fsync = true;
    struct err err = ERR_INIT;
    int rv = server_open(&o, &m->server, &err);
    if (rv != 0) {
        fail_msg("%s", err.msg);
    }
    run_until(m->loop, is_ready, m->server);
    struct rpc_channel_options c = { .loop = m->loop, .seed = 1,
                                     .address = server_client_address(m->server, 0) };
    m->channel = rpc_channel_new(&c);
    return m;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool tenth(void *arg)
{
    int *n = arg;
    return ++*n == 10;
}

void member_close(struct member *m)
{
    bool closed = false;
    server_close(m->server, set_flag, &closed);
    run_until(m->loop, flag_set, &closed);
    member_forget(m);
}

void member_forget(struct member *m)
{
    rpc_channel_free(m->channel);
    int turns = 0;
    run_until(m->loop, tenth, &turns);
    loop_free(m->loop);
    assert_int_equal(fs_remove_tree(NULL, m->dir, NULL), 0);
    mem_free(m);
}

void member_replace_store(struct member *m)
{
    struct rnode_fsm fsm = server_fsm(m->server);
    struct err err = ERR_INIT;
    autobuf bytes = BUF_INIT;
    struct store *empty = store_new(NULL);
    struct store_pin *pin = store_pin(empty);
    while (store_pin_next(pin, &bytes) == 1) {
    }
    store_unpin(empty, pin);
    store_free(empty);
    void *restore = fsm.restore_begin(fsm.arg);
    assert_int_equal(fsm.restore_chunk(fsm.arg, restore, buf_slice(&bytes), &err), 0);
    assert_int_equal(fsm.restore_commit(fsm.arg, restore, 1, &err), 0);
}

int member_setup(void **state)
{
    *state = member_open_with(NULL);
    return 0;
}

int member_teardown(void **state)
{
    member_close(*state);
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

struct waiting {
    struct reply *reply;
    const ProtobufCMessageDescriptor *response;
    bool done;
};

static void on_done(void *arg, const struct rpc_result *result)
{
    struct waiting *w = arg;
    w->done = true;
    w->reply->code = result->grpc_code;
    snprintf(w->reply->text, sizeof w->reply->text, "%s", result->text);
    if (result->err == 0) {
        size_t n = protobuf_c_message_get_packed_size(result->msg);
        uint8_t *packed = mem_alloc(n + 1);
        protobuf_c_message_pack(result->msg, packed);
        w->reply->msg = protobuf_c_message_unpack(w->response, NULL, n, packed);
        mem_free(packed);
    }
}

void call(struct member *m, const char *path, const void *request,
          const ProtobufCMessageDescriptor *response, struct reply *ret_reply)
{
    *ret_reply = (struct reply){ 0 };
    struct waiting w = { ret_reply, response, false };
    rpc_call_unary(m->channel, path, request, response, 0, on_done, &w);
    run_until(m->loop, flag_set, &w.done);
}

void reply_fini(struct reply *r)
{
    if (r->msg != NULL) {
        protobuf_c_message_free_unpacked(r->msg, NULL);
        r->msg = NULL;
    }
}

static int64_t put(struct member *m, const Etcdserverpb__PutRequest *request)
{
    struct reply r;
    call(m, "/etcdserverpb.KV/Put", request, &etcdserverpb__put_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    int64_t revision = ((Etcdserverpb__PutResponse *)(void *)r.msg)->header->revision;
    reply_fini(&r);
    return revision;
}

int64_t must_put(struct member *m, const char *key, const char *value)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = bytes(key);
    request.value = bytes(value);
    return put(m, &request);
}

void must_put_lease(struct member *m, const char *key, int64_t lease)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = bytes(key);
    request.lease = lease;
    put(m, &request);
}

int put_bytes(struct member *m, const char *key, size_t n)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    uint8_t *value = mem_zalloc(n);
    request.key = bytes(key);
    request.value = (ProtobufCBinaryData){ n, value };
    struct reply r;
    call(m, "/etcdserverpb.KV/Put", &request, &etcdserverpb__put_response__descriptor, &r);
    reply_fini(&r);
    mem_free(value);
    return r.code;
}

int64_t must_grant(struct member *m, int64_t id, int64_t ttl_s)
{
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.id = id;
    request.ttl = ttl_s;
    struct reply r;
    call(m, "/etcdserverpb.Lease/LeaseGrant", &request,
         &etcdserverpb__lease_grant_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    int64_t given = ((Etcdserverpb__LeaseGrantResponse *)(void *)r.msg)->id;
    reply_fini(&r);
    return given;
}

void must_compact(struct member *m, int64_t revision)
{
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    request.revision = revision;
    struct reply r;
    call(m, "/etcdserverpb.KV/Compact", &request,
         &etcdserverpb__compaction_response__descriptor, &r);
    assert_int_equal(r.code, 0);
    reply_fini(&r);
}

void watch_send_cancel(struct rpc_stream *stream, int64_t id)
{
    Etcdserverpb__WatchCancelRequest c = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    c.watch_id = id;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
    request.cancel_request = &c;
    rpc_stream_send(stream, &request.base);
}

void watch_send_progress(struct rpc_stream *stream)
{
    Etcdserverpb__WatchProgressRequest p = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    request.progress_request = &p;
    rpc_stream_send(stream, &request.base);
}
