/* Every message of the API, for targets that take their message by a byte of the input. */
#ifndef BARQUE_FUZZ_MESSAGES_H
#define BARQUE_FUZZ_MESSAGES_H

#include <stdlib.h>

#include "lib/base/assert.h"
#include "proto/health.pb-c.h"
#include "proto/node.pb-c.h"
#include "proto/rpc.pb-c.h"
#include "proto/rpc_auth.pb-c.h"
#include "proto/v3election.pb-c.h"
#include "proto/v3lock.pb-c.h"

/* Requests and answers of all methods, in the order of the table. */
static inline const ProtobufCMessageDescriptor *message_choose(unsigned which)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &etcdserverpb__kv__descriptor,          &etcdserverpb__watch__descriptor,
        &etcdserverpb__lease__descriptor,       &etcdserverpb__cluster__descriptor,
        &etcdserverpb__maintenance__descriptor, &etcdserverpb__auth__descriptor,
        &grpc__health__v1__health__descriptor,  &v3lockpb__lock__descriptor,
        &v3electionpb__election__descriptor,    &barque__node__v1__node__descriptor,
    };
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        total += 2 * services[i]->n_methods;
    }
    which %= total;
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        unsigned n = 2 * services[i]->n_methods;
        if (which < n) {
            const ProtobufCMethodDescriptor *m = &services[i]->methods[which / 2];
            return which % 2 == 0 ? m->input : m->output;
        }
        which -= n;
    }
    abort();
}

#endif
