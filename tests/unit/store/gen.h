/* Random commands and ranges over a small world, so that things collide: few keys with shared
 * prefixes, few leases, revisions near the present. Driven by a seed, or by a fuzzer's bytes. */
#ifndef BARQUE_TESTS_STORE_GEN_H
#define BARQUE_TESTS_STORE_GEN_H

#include "lib/base/rng.h"
#include "store/store.h"

struct gen {
    struct rng rng;
    bool from_bytes;
    struct slice bytes; /* consumed from the front when from_bytes */
    struct arena *arena;
    int64_t revision, compact_revision; /* of the world, set before each call */
    unsigned keys;                      /* size of the key space */
    bool txns_only;                     /* every command is a txn */
};

/* Uniform in [0, n). */
unsigned gen_below(struct gen *g, unsigned n);
bool gen_done(const struct gen *g); /* the fuzzer's bytes are used up */
struct slice gen_key(struct gen *g);
void gen_range(struct gen *g, struct range_request *ret_range);
void gen_command(struct gen *g, struct command *ret_command);

#endif
