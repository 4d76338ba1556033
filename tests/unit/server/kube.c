/* A Kubernetes API server's way of speaking to its store. */
#include "kube.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/alloc.h"

/* --- the member, or the peer ------------------------------------------------------------------ */

const char *kube_peer(void)
{
    return getenv("BARQUE_TEST_PEER");
}

bool kube_is_peer(const struct kube *k)
{
    return k->m->server == NULL;
}

int kube_setup(void **state)
{
    static int n;
    struct kube *k = mem_zalloc(sizeof *k);
    snprintf(k->folder, sizeof k->folder, "/registry/%d-%d/", (int)getpid(), n++);
    if (kube_peer() == NULL) {
        k->m = member_open_with(NULL);
    } else {
        k->m = mem_zalloc(sizeof *k->m);
        k->m->loop = loop_new();
        struct rpc_channel_options c = { .loop = k->m->loop, .seed = 1, .address = kube_peer() };
        k->m->channel = rpc_channel_new(&c);
    }
    *state = k;
    return 0;
}

static bool tenth(void *arg)
{
    int *n = arg;
    return ++*n == 10;
}

int kube_teardown(void **state)
{
    struct kube *k = *state;
    if (kube_is_peer(k)) {
        int turns = 0;
        rpc_channel_free(k->m->channel);
        run_until(k->m->loop, tenth, &turns);
        loop_free(k->m->loop);
        mem_free(k->m);
    } else {
        member_close(k->m);
    }
    mem_free(k);
    return 0;
}

const char *kube_key(struct kube *k, const char *name)
{
    char *at = k->key[k->at++ % 8];
    snprintf(at, sizeof k->key[0], "%s%s", k->folder, name);
    return at;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void take_bytes(char *out, size_t size, ProtobufCBinaryData b)
{
    size_t n = b.len < size - 1 ? b.len : size - 1;
    if (n > 0) {
        memcpy(out, b.data, n);
    }
    out[n] = '\0';
}

void kube_take_kv(struct kube_kv *out, const Mvccpb__KeyValue *kv)
{
    *out = (struct kube_kv){ .value_len = kv->value.len, .create_revision = kv->create_revision,
                             .mod_revision = kv->mod_revision, .version = kv->version,
                             .lease = kv->lease };
    take_bytes(out->key, sizeof out->key, kv->key);
    take_bytes(out->value, sizeof out->value, kv->value);
}

void kube_list_fini(struct kube_list *l)
{
    mem_free(l->kvs);
    l->kvs = NULL;
}

static void range(struct kube *k, const Etcdserverpb__RangeRequest *request, struct kube_list *l)
{
    struct reply r;
    *l = (struct kube_list){ 0 };
    call(k->m, "/etcdserverpb.KV/Range", request, &etcdserverpb__range_response__descriptor, &r);
    l->code = r.code;
    snprintf(l->text, sizeof l->text, "%s", r.text);
    if (r.code == 0) {
        const Etcdserverpb__RangeResponse *m = (const Etcdserverpb__RangeResponse *)(void *)r.msg;
        l->revision = m->header->revision;
        l->count = m->count;
        l->more = m->more;
        l->n = m->n_kvs;
        l->kvs = mem_zalloc((l->n + 1) * sizeof *l->kvs);
        for (size_t i = 0; i < l->n; i++) {
            kube_take_kv(&l->kvs[i], m->kvs[i]);
        }
    }
    reply_fini(&r);
}

/* --- reads ------------------------------------------------------------------------------------ */

void kube_get(struct kube *k, const char *key, int64_t limit, struct kube_list *ret_list)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = bytes(key);
    request.limit = limit;
    range(k, &request, ret_list);
}

/* The prefix with its last byte + 1. */
static ProtobufCBinaryData prefix_end(const char *prefix, char *out, size_t size)
{
    snprintf(out, size, "%s", prefix);
    out[strlen(out) - 1]++;
    return bytes(out);
}

void kube_list(struct kube *k, const char *prefix, const struct kube_page *page,
               struct kube_list *ret_list)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    char end[160];
    request.key = bytes(prefix);
    request.range_end = prefix_end(prefix, end, sizeof end);
    if (page != NULL) {
        request.limit = page->limit;
        request.revision = page->revision;
        request.count_only = page->count_only;
        request.keys_only = page->keys_only;
    }
    if (page != NULL && page->start != NULL) {
        request.key = bytes(page->start);
        request.key.len++; /* the terminating zero byte */
    }
    range(k, &request, ret_list);
}

/* --- transactions ----------------------------------------------------------------------------- */

static void take_response(struct kube_txn *t, const Etcdserverpb__ResponseOp *op)
{
    switch (op->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        t->put_revision = op->response_put->header->revision;
        assert_null(op->response_put->prev_kv);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        t->deleted = op->response_delete_range->deleted;
        t->n_prev_kvs = op->response_delete_range->n_prev_kvs;
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        t->n_kvs = op->response_range->n_kvs;
        if (t->n_kvs > 0) {
            kube_take_kv(&t->kv, op->response_range->kvs[0]);
        }
        break;
    default:
        fail_msg("an answer of a kind that was not asked for");
    }
}

static void txn(struct kube *k, Etcdserverpb__Compare *compare, Etcdserverpb__RequestOp *then,
                Etcdserverpb__RequestOp *otherwise, struct kube_txn *t)
{
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    struct reply r;
    request.n_compare = request.n_success = 1;
    request.compare = &compare;
    request.success = &then;
    request.n_failure = otherwise != NULL;
    request.failure = &otherwise;
    *t = (struct kube_txn){ 0 };
    call(k->m, "/etcdserverpb.KV/Txn", &request, &etcdserverpb__txn_response__descriptor, &r);
    t->code = r.code;
    snprintf(t->text, sizeof t->text, "%s", r.text);
    if (r.code == 0) {
        const Etcdserverpb__TxnResponse *m = (const Etcdserverpb__TxnResponse *)(void *)r.msg;
        t->succeeded = m->succeeded;
        t->revision = m->header->revision;
        t->n_responses = m->n_responses;
        if (m->n_responses > 0) {
            take_response(t, m->responses[0]);
        }
    }
    reply_fini(&r);
}

static Etcdserverpb__Compare mod_is(const char *key, int64_t revision)
{
    Etcdserverpb__Compare c = ETCDSERVERPB__COMPARE__INIT;
    c.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    c.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
    c.mod_revision = revision;
    c.key = bytes(key);
    return c;
}

static void put_if(struct kube *k, Etcdserverpb__Compare compare, const char *key,
                   const char *value, int64_t lease, bool range_else, struct kube_txn *ret_txn)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp then = ETCDSERVERPB__REQUEST_OP__INIT, otherwise = then;
    put.key = get.key = bytes(key);
    put.value = bytes(value);
    put.lease = lease;
    then.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    then.request_put = &put;
    otherwise.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    otherwise.request_range = &get;
    txn(k, &compare, &then, range_else ? &otherwise : NULL, ret_txn);
}

void kube_create(struct kube *k, const char *key, const char *value, int64_t lease,
                 struct kube_txn *ret_txn)
{
    put_if(k, mod_is(key, 0), key, value, lease, false, ret_txn);
}

void kube_update(struct kube *k, const char *key, const char *value, int64_t revision,
                 struct kube_txn *ret_txn)
{
    put_if(k, mod_is(key, revision), key, value, 0, true, ret_txn);
}

void kube_compact_txn(struct kube *k, const char *key, const char *value, int64_t version,
                      struct kube_txn *ret_txn)
{
    Etcdserverpb__Compare c = ETCDSERVERPB__COMPARE__INIT;
    c.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
    c.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    c.version = version;
    c.key = bytes(key);
    put_if(k, c, key, value, 0, true, ret_txn);
}

void kube_delete(struct kube *k, const char *key, int64_t revision, struct kube_txn *ret_txn)
{
    Etcdserverpb__Compare compare = mod_is(key, revision);
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp then = ETCDSERVERPB__REQUEST_OP__INIT, otherwise = then;
    del.key = get.key = bytes(key);
    then.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    then.request_delete_range = &del;
    otherwise.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    otherwise.request_range = &get;
    txn(k, &compare, &then, &otherwise, ret_txn);
}

int kube_compact(struct kube *k, int64_t revision, char *ret_text, size_t size)
{
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    struct reply r;
    request.revision = revision;
    call(k->m, "/etcdserverpb.KV/Compact", &request,
         &etcdserverpb__compaction_response__descriptor, &r);
    snprintf(ret_text, size, "%s", r.text);
    reply_fini(&r);
    return r.code;
}

static int64_t must(const struct kube_txn *t)
{
    assert_string_equal(t->text, "");
    assert_true(t->succeeded);
    return t->revision;
}

int64_t kube_must_create(struct kube *k, const char *name, const char *value)
{
    struct kube_txn t;
    kube_create(k, kube_key(k, name), value, 0, &t);
    return must(&t);
}

int64_t kube_must_update(struct kube *k, const char *name, const char *value, int64_t revision)
{
    struct kube_txn t;
    kube_update(k, kube_key(k, name), value, revision, &t);
    return must(&t);
}

int64_t kube_must_delete(struct kube *k, const char *name, int64_t revision)
{
    struct kube_txn t;
    kube_delete(k, kube_key(k, name), revision, &t);
    return must(&t);
}
