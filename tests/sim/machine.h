/* A replicated state machine under the simulator: the chain of hashes (fsm.c) or the real store
 * (fsm_store.c). machine.c adapts either to rnode's callbacks and reports to the checks. */
#ifndef BARQUE_TESTS_SIM_MACHINE_H
#define BARQUE_TESTS_SIM_MACHINE_H

#include "lib/base/buf.h"
#include "tests/sim/sim.h"

struct machine_ops {
    void *(*new)(struct node *n);
    void (*free)(void *state);
    void (*apply)(void *state, uint64_t index, uint64_t term, struct slice command);
    uint64_t (*digest)(const void *state);  /* never 0 */
    uint64_t (*applied)(const void *state); /* index of the last command; 0 none */
    uint64_t (*content)(void *state);       /* of what can be read, looked at in the end */
    void *(*pin)(void *state);
    int (*next)(void *pin, struct buf *out);
    void (*unpin)(void *pin);
    /* Takes the next bytes of a snapshot into a new state. */
    int (*restore)(void *state, struct slice bytes, uint64_t offset);
    /* All bytes were given: is it whole? */
    bool (*restored)(void *state, uint64_t bytes);
    void (*command)(struct sim *s, uint64_t id, struct buf *out); /* begins with the id, 8 bytes */
};

#endif
