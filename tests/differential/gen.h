/* Random requests to KV and Lease: of few keys and small revisions, so that they collide, and wrong
 * now and then. One seed gives one sequence, whatever the time. */
#ifndef BARQUE_TESTS_DIFFERENTIAL_GEN_H
#define BARQUE_TESTS_DIFFERENTIAL_GEN_H

#include "lib/base/arena.h"
#include "lib/base/rng.h"
#include "proto/rpc.pb-c.h"

struct gen {
    struct rng rng;
    struct arena *arena; /* of the request being made */
    int64_t revision, compacted; /* of the servers, as they said */
};

struct question {
    const char *path;
    const ProtobufCMessage *msg;
    const ProtobufCMessageDescriptor *response;
};

ProtobufCBinaryData gen_key(struct gen *g);       /* seldom an empty one */
ProtobufCBinaryData gen_range_end(struct gen *g); /* mostly a sensible one */
int64_t gen_lease(struct gen *g);                 /* an id; seldom one that is never granted */
/* True with n in a hundred. */
bool gen_percent(struct gen *g, unsigned n);

void gen_range(struct gen *g, struct question *ret_question);
void gen_put(struct gen *g, struct question *ret_question);
void gen_delete(struct gen *g, struct question *ret_question);
void gen_txn(struct gen *g, struct question *ret_question);
void gen_compact(struct gen *g, struct question *ret_question);
void gen_hash(struct gen *g, struct question *ret_question);
void gen_grant(struct gen *g, struct question *ret_question);
void gen_revoke(struct gen *g, struct question *ret_question);
void gen_time_to_live(struct gen *g, struct question *ret_question);
void gen_leases(struct gen *g, struct question *ret_question);

#endif
