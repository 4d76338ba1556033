/* A membership change: one more member comes and goes.
 *
 *   ADD ---> JOIN ----> PROMOTE ----> IN        grow_leave: -> REMOVE --> GONE
 *   learner  its        asked until             asked until no list has it; then its process is
 *   added    process    it votes                ended and its files are removed
 *            started
 *
 * Any call's outcome may be unknown: what counts is the list of members, where the new one is known
 * by its peer URL. grow_step is polled; it never waits. Threads: the loop's. */
#ifndef BARQUE_CHAOS_GROW_H
#define BARQUE_CHAOS_GROW_H

#include "chaos/ops.h"
#include "chaos/sight.h"

enum grow_step { GROW_NONE, GROW_ADD, GROW_JOIN, GROW_PROMOTE, GROW_IN, GROW_REMOVE, GROW_GONE };

struct grow {
    struct ops *ops;
    struct sight *sight;
    enum grow_step step;
    char peer_url[TARGET_ADDRESS_BYTES];
    uint64_t id;              /* as the list has it; 0 = not in it */
    bool votes;
    bool joined;              /* its process was started */
    struct client_call *list; /* under way */
    struct rpc_request *call; /* under way */
    uint64_t next_ms;
    size_t turn;              /* whom to ask next */
};

int grow_start(struct grow *g, struct ops *ops, struct sight *sight, struct err *err);
/* From now on it is to go. */
void grow_leave(struct grow *g);
void grow_poll(struct grow *g);
/* Forgets what is under way. */
void grow_end(struct grow *g);

#endif
