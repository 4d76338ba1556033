/* One store member inside the test's process, and a client's channel to it over loopback: what is
 * tested is the services as a client sees them, errors and edges that etcdctl does not reach. */
#ifndef BARQUE_TEST_SERVER_FIXTURE_H
#define BARQUE_TEST_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/rpc/channel.h"
#include "proto/rpc.pb-c.h"
#include "server/server.h"

struct member {
    struct loop *loop;
    struct server *server;
    struct rpc_channel *channel;
    char dir[128];
};

/* options may be NULL; loop, names and addresses are filled in. */
struct member *member_open_with(const struct server_options *options);
void member_close(struct member *m); /* asserts that it closes */
void member_forget(struct member *m); /* the same when the server has been closed by the test */
/* By an empty one, as when it fell behind and the leader sent it everything. */
void member_replace_store(struct member *m);
int member_setup(void **state);
int member_teardown(void **state);

/* Runs the loop until cond(arg); fails the test after 10 s. */
void run_until(struct loop *loop, bool (*cond)(void *arg), void *arg);

/* A call, waited for. `msg` is unpacked anew and belongs to the reply: reply_fini. */
struct reply {
    int code;
    char text[256];
    ProtobufCMessage *msg; /* NULL unless code is 0 */
};
void call(struct member *m, const char *path, const void *request,
          const ProtobufCMessageDescriptor *response, struct reply *ret_reply);
void reply_fini(struct reply *r);

int64_t must_put(struct member *m, const char *key, const char *value); /* its revision */
void must_put_lease(struct member *m, const char *key, int64_t lease);
int64_t must_grant(struct member *m, int64_t id, int64_t ttl_s);
void must_compact(struct member *m, int64_t revision);
/* A put of n bytes; the code. */
int put_bytes(struct member *m, const char *key, size_t n);

/* Requests on a Watch stream. */
void watch_send_cancel(struct rpc_stream *stream, int64_t id);
void watch_send_progress(struct rpc_stream *stream);

static inline ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
}

#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, member_setup, member_teardown)

int test_compactor_run(void);
int test_maintenance_run(void);
int test_json_run(void);
int test_kv_run(void);
int test_leader_run(void);
int test_range_stream_run(void);
int test_lease_run(void);
int test_watch_run(void);
int test_reconfigure_run(void);
int test_cluster_run(void);
int test_lock_run(void);
int test_election_run(void);
int test_health_run(void);
int test_snapshot_run(void);
int test_hash_run(void);
int test_auth_run(void);
int test_token_run(void);

#endif
