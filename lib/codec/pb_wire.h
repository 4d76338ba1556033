/* Protobuf's wire format, field by field, where a message library is a floor too high: the few
 * messages that etcd keeps in its files. As in proto3, a field that is zero or empty is not
 * written.
 *
 * Reading is a cursor over borrowed bytes; it never reads past the end and never allocates. */
#ifndef BARQUE_CODEC_PB_WIRE_H
#define BARQUE_CODEC_PB_WIRE_H

#include "lib/base/buf.h"

void pb_wire_put_u64(struct buf *out, uint32_t field, uint64_t v);
void pb_wire_put_bytes(struct buf *out, uint32_t field, struct slice v);
/* What those append. */
size_t pb_wire_u64_size(uint32_t field, uint64_t v);
size_t pb_wire_bytes_size(uint32_t field, size_t len);

struct pb_wire {
    const uint8_t *at;
    const uint8_t *end;
};

struct pb_wire_field {
    uint32_t number;
    bool is_bytes;
    uint64_t u64;       /* unless is_bytes */
    struct slice bytes; /* borrowed */
};

/* 1: a field; 0: the end; E_PROTO: malformed (or a group). */
int pb_wire_next(struct pb_wire *w, struct pb_wire_field *ret_field);

#endif
