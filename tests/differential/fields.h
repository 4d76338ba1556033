/* Two protobuf messages, field by field: are they the same, and if not, where do they differ? By
 * their descriptors, so that a message that grows a field is compared with it at once. */
#ifndef BARQUE_TESTS_DIFFERENTIAL_FIELDS_H
#define BARQUE_TESTS_DIFFERENTIAL_FIELDS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "lib/base/buf.h"

/* Sorts what has no order (the table in fields.c) in both, then compares. The path of the first
 * difference is appended to ret_path. Messages may be NULL. */
bool fields_same(ProtobufCMessage *a, ProtobufCMessage *b, struct buf *ret_path);
/* One line: the fields that are not their type's zero. */
void fields_print(const ProtobufCMessage *m, struct buf *out);
/* An own copy, unknown fields included; protobuf_c_message_free_unpacked. */
ProtobufCMessage *fields_copy(const ProtobufCMessage *m);

#endif
