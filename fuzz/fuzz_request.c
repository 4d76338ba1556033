/* A request's way into the log: protobuf bytes of Range, Put, DeleteRange and Txn become the
 * store's requests, are checked, and what passes must survive the log's encoding and be applied;
 * the answer is built and packed. (server/kv.c does the same around a proposal.) A command that
 * passed the checks but cannot be read back would end every member at every start. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/pb.h"
#include "server/convert.h"

enum { SUBMESSAGES_MAX = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct store *store;
    struct arena arena;
    uint64_t index;
};

static void pack_and_drop(const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    autofree uint8_t *bytes = mem_alloc(n + 1);
    INVARIANT(protobuf_c_message_pack(m, bytes) == n);
}

/* Through the log's bytes, as a member does before it proposes. */
static void commit(struct world *w, const struct command *c)
{
    autobuf entry = BUF_INIT, again = BUF_INIT;
    struct command decoded;
    struct store_result result;
    command_encode(c, &entry);
    if (command_decode(buf_slice(&entry), &w->arena, &decoded) != 0) {
        return; /* server_write refuses such a one */
    }
    command_encode(&decoded, &again);
    INVARIANT(slice_eq(buf_slice(&entry), buf_slice(&again)));
    store_result_init(&result);
    store_apply(w->store, ++w->index, &decoded, &result);
    if (result.status == 0 && decoded.type == COMMAND_TXN) {
        Etcdserverpb__TxnResponse reply = ETCDSERVERPB__TXN_RESPONSE__INIT;
        txn_to_pb(&decoded.txn, &result.txn, &w->arena, &reply);
        pack_and_drop(&reply.base);
    }
    store_result_fini(&result);
}

static void range(struct world *w, const ProtobufCMessage *m)
{
    struct range_request r;
    struct range_result result = { 0 };
    range_from_pb((const Etcdserverpb__RangeRequest *)(const void *)m, &r);
    if (range_check(&r) == 0 && store_range(w->store, &r, &w->arena, &result) == 0) {
        Etcdserverpb__RangeResponse reply = ETCDSERVERPB__RANGE_RESPONSE__INIT;
        range_to_pb(&result, r.keys_only, &w->arena, &reply);
        pack_and_drop(&reply.base);
        range_result_unref(&result);
    }
}

static void put(struct world *w, const ProtobufCMessage *m)
{
    struct command c = { .type = COMMAND_PUT };
    put_from_pb((const Etcdserverpb__PutRequest *)(const void *)m, &c.put);
    if (put_check(&c.put) == 0) {
        commit(w, &c);
    }
}

static void delete_range(struct world *w, const ProtobufCMessage *m)
{
    struct command c = { .type = COMMAND_DELETE };
    delete_from_pb((const Etcdserverpb__DeleteRangeRequest *)(const void *)m, &c.del);
    if (delete_check(&c.del) == 0) {
        commit(w, &c);
    }
}

static void txn(struct world *w, const ProtobufCMessage *m)
{
    struct command c = { .type = COMMAND_TXN };
    if (txn_from_pb((const Etcdserverpb__TxnRequest *)(const void *)m, &w->arena, &c.txn) == 0 &&
        txn_check(&c.txn, LIMIT_TXN_OPS) == 0) {
        commit(w, &c);
    }
}

static const struct {
    const ProtobufCMessageDescriptor *descriptor;
    void (*run)(struct world *w, const ProtobufCMessage *m);
} REQUESTS[] = {
    { &etcdserverpb__range_request__descriptor, range },
    { &etcdserverpb__put_request__descriptor, put },
    { &etcdserverpb__delete_range_request__descriptor, delete_range },
    { &etcdserverpb__txn_request__descriptor, txn },
};

/* The input: {which, length, that many bytes} again and again; the last takes what is left. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = { .store = store_new(NULL) };
    arena_init(&w.arena);
    while (size >= 2) {
        size_t which = data[0] % ARRAY_LEN(REQUESTS);
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        ProtobufCMessage *m = pb_unpack(REQUESTS[which].descriptor, slice_make(data + 2, len),
                                        &w.arena, SUBMESSAGES_MAX);
        if (m != NULL) {
            REQUESTS[which].run(&w, m);
        }
        data += 2 + len;
        size -= 2 + len;
    }
    store_free(w.store);
    arena_fini(&w.arena);
    return 0;
}
