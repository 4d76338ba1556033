/* Between a request as the checkers know it and etcd's messages: what is asked is exactly what is
 * recorded. Pure; memory is the arena's. */
#ifndef BARQUE_CHAOS_WIRE_H
#define BARQUE_CHAOS_WIRE_H

#include "check/history.h"
#include "lib/base/arena.h"
#include "proto/rpc.pb-c.h"

struct wire_call {
    const char *path;
    const ProtobufCMessage *message;
    const ProtobufCMessageDescriptor *answer;
};

/* PRE: any kind but CHECK_KEEPALIVE (a stream). Slices are borrowed from the request. */
struct wire_call wire_request(struct arena *a, const struct check_request *request);
/* The answer to a request of this kind; slices point into `msg`. */
void wire_response(struct arena *a, enum check_kind kind, const ProtobufCMessage *msg,
                   struct check_response *ret_response);

#endif
