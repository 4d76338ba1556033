/* The requests of a Kubernetes API server, field by field as it sends them, and the answers that it
 * builds on. Each test has a folder of keys to itself and says revisions relative to what it has
 * seen, so that the same tests can be put to a cluster or to a real etcd: with BARQUE_TEST_PEER set
 * to an address, they ask there instead of a member in this process (BARQUE_TEST_PEER_OLD: it is an
 * etcd before 3.4.31). */
#ifndef BARQUE_TEST_SERVER_KUBE_H
#define BARQUE_TEST_SERVER_KUBE_H

#include "fixture.h"

#include "lib/base/slice.h"

enum { KUBE_VALUE_BYTES = 64 };

struct kube {
    struct member *m; /* its server is NULL at a peer */
    char folder[64];  /* "/registry/<test>/" */
    char key[8][160]; /* kube_key's, in turn */
    size_t at;
};
int kube_setup(void **state);
int kube_teardown(void **state);
bool kube_is_peer(const struct kube *k);
const char *kube_peer(void);             /* NULL: a member in this process */

/* "<folder><name>"; the last 8 stand. */
const char *kube_key(struct kube *k, const char *name);

/* --- answers, flat ---------------------------------------------------------------------------- */
struct kube_kv {
    char key[160], value[KUBE_VALUE_BYTES]; /* the value's beginning */
    size_t value_len;
    int64_t create_revision, mod_revision, version, lease;
};
void kube_take_kv(struct kube_kv *out, const Mvccpb__KeyValue *kv);
struct kube_list {
    int code;
    char text[256];
    int64_t revision, count;
    bool more;
    size_t n;
    struct kube_kv *kvs; /* kube_list_fini */
};
void kube_list_fini(struct kube_list *l);

struct kube_txn {
    int code;
    char text[256];
    bool succeeded;
    int64_t revision;
    size_t n_responses;
    int64_t put_revision, deleted; /* of the one response */
    size_t n_prev_kvs;
    size_t n_kvs;                  /* of the range in the else branch */
    struct kube_kv kv;
};

/* --- requests --------------------------------------------------------------------------------- */
/* One key, linearizable; limit 1 is sent since 1.32. */
void kube_get(struct kube *k, const char *key, int64_t limit, struct kube_list *ret_list);
struct kube_page {
    const char *start; /* NULL: the prefix itself; otherwise "<last key>\0" follows it */
    int64_t limit, revision;
    bool count_only, keys_only;
};
/* All of a prefix, to its last byte + 1. page may be NULL. */
void kube_list(struct kube *k, const char *prefix, const struct kube_page *page,
               struct kube_list *ret_list);
/* If MOD(key) = 0 Then Put. No Else. */
void kube_create(struct kube *k, const char *key, const char *value, int64_t lease,
                 struct kube_txn *ret_txn);
/* If MOD(key) = revision Then Put Else Range. */
void kube_update(struct kube *k, const char *key, const char *value, int64_t revision,
                 struct kube_txn *ret_txn);
/* If MOD(key) = revision Then DeleteRange Else Range. */
void kube_delete(struct kube *k, const char *key, int64_t revision, struct kube_txn *ret_txn);
/* If VERSION(compact_rev_key) = version Then Put(value) Else Range. */
void kube_compact_txn(struct kube *k, const char *key, const char *value, int64_t version,
                      struct kube_txn *ret_txn);
/* physical = false; the code. */
int kube_compact(struct kube *k, int64_t revision, char *ret_text, size_t size);

int64_t kube_must_create(struct kube *k, const char *name, const char *value); /* the revision */
int64_t kube_must_update(struct kube *k, const char *name, const char *value, int64_t revision);
int64_t kube_must_delete(struct kube *k, const char *name, int64_t revision);

/* --- watches ---------------------------------------------------------------------------------- */
enum { KUBE_EVENTS_MAX = 4096, KUBE_ANSWERS_MAX = 4096 };

struct kube_event {
    bool is_delete, has_prev;
    struct kube_kv kv, prev;
    size_t answer; /* which one it came in */
};
struct kube_answer {
    int64_t id, revision, compact_revision;
    bool created, canceled;
    size_t n_events;
    char reason[256];
};
struct kube_watch {
    struct kube *k;
    struct rpc_stream *stream;
    struct kube_answer answers[KUBE_ANSWERS_MAX];
    struct kube_event events[KUBE_EVENTS_MAX];
    size_t n, n_events, want;
    bool closed;
    int code;
    char text[256];
};
/* A stream with `hasleader: true`, on channel (NULL: the member's). */
struct kube_watch *kube_stream(struct kube *k, struct rpc_channel *channel);
/* prefix, start_revision, prev_kv, progress_notify: as sent since 1.21. */
void kube_watch_create(struct kube_watch *w, const char *prefix, int64_t start_revision);
struct kube_watch *kube_watch(struct kube *k, const char *prefix, int64_t start_revision);
void kube_watch_cancel(struct kube_watch *w, int64_t id);
void kube_progress(struct kube_watch *w);
const struct kube_answer *kube_answer(struct kube_watch *w, size_t n); /* waits for the n-th */
const struct kube_event *kube_event(struct kube_watch *w, size_t n);   /* same */
void kube_watch_close(struct kube_watch *w);

#define KUBE_TEST(f) cmocka_unit_test_setup_teardown(f, kube_setup, kube_teardown)

int test_kube_shapes_run(void);
int test_kube_rules_run(void);
int test_kube_transport_run(void);

#endif
