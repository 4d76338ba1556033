/* Protobuf messages as proto3 JSON and back, by their descriptors: no code for any one message.
 *
 *     bytes           base64 (both alphabets are read, with or without padding)
 *     64-bit integers strings (plain numbers are read, too)
 *     enums           names (numbers are read; written when the number has no name)
 *     names           as in the .proto (lowerCamelCase is read, too)
 *     defaults        left out; a submessage that is there is written, so is a oneof's member
 *     null            as if the field were not there
 *     unknown fields  skipped, as etcd's gateway does
 *
 * Threads: any; nothing is shared. */
#ifndef BARQUE_RPC_PB_JSON_H
#define BARQUE_RPC_PB_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

/* One message in the arena, from one JSON object (blanks around it are fine; no text at all is the
 * message without fields). items_max bounds submessages and elements of lists together. E_INVAL or
 * E_TOOBIG with a sentence that names the byte. */
int pb_json_read(const ProtobufCMessageDescriptor *descriptor, struct slice text,
                 struct arena *arena, size_t items_max, ProtobufCMessage **ret_message,
                 struct err *err);
/* Appends one object without blanks. What is not UTF-8 in a text becomes U+FFFD. */
void pb_json_write(const ProtobufCMessage *message, struct buf *out);

#endif
