/* Between the wire (protobuf) and the store's commands and results. Slices borrow the message;
 * messages built from results borrow the records and live in the given arena. */
#ifndef BARQUE_SERVER_CONVERT_H
#define BARQUE_SERVER_CONVERT_H

#include "proto/rpc.pb-c.h"
#include "store/store.h"

static inline struct slice slice_pb(ProtobufCBinaryData b)
{
    return slice_make(b.data, b.len);
}

static inline ProtobufCBinaryData pb_slice(struct slice s)
{
    /* protobuf-c has no const bytes; it only reads them when packing. */
    return (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.data };
}

void range_from_pb(const Etcdserverpb__RangeRequest *m, struct range_request *ret_request);
void put_from_pb(const Etcdserverpb__PutRequest *m, struct put_request *ret_request);
void delete_from_pb(const Etcdserverpb__DeleteRangeRequest *m, struct delete_request *ret_request);
/* E_TOO_MANY_OPS when nested deeper than LIMIT_TXN_DEPTH; E_INVAL for unknown enum values. */
int txn_from_pb(const Etcdserverpb__TxnRequest *m, struct arena *arena,
                struct txn_request *ret_request);

/* Appends one length-delimited field of the message that encloses m. */
void pb_append_field(struct buf *out, unsigned field, const ProtobufCMessage *m);

Mvccpb__KeyValue *kv_to_pb(const struct record *r, bool keys_only, struct arena *arena);
void range_to_pb(const struct range_result *result, bool keys_only, struct arena *arena,
                 Etcdserverpb__RangeResponse *ret_response);
void txn_to_pb(const struct txn_request *request, const struct txn_result *result,
               struct arena *arena, Etcdserverpb__TxnResponse *ret_response);

#endif
