/* What is known about the whole cluster at one point of a run; check.c. */
#ifndef BARQUE_TESTS_SIM_CHECK_H
#define BARQUE_TESTS_SIM_CHECK_H

#include <raft.h>

#include "raft/message.h"
#include "tests/sim/sim.h"

/* Of one log index. */
struct known {
    uint64_t committed_term; /* 0: not committed yet */
    uint64_t observed_term;  /* the term of whoever committed it first */
    uint64_t digest;         /* of the state after it; 0: not a command */
    size_t seen;             /* first of its contents, 0 none */
};

struct seen {
    uint64_t term;
    uint64_t hash;
    size_t next;
};

struct leader {
    unsigned node;
    uint64_t life;
};

struct fate {
    uint64_t index;
    bool never;
};

struct check {
    struct known *entries; /* by index */
    size_t entries_cap;
    struct seen *seen;
    size_t n_seen, seen_cap;
    struct leader *leaders; /* by term */
    size_t leaders_cap;
    struct fate *proposals; /* by id */
    size_t proposals_cap;
    uint64_t committed;
    uint64_t last; /* command */
    struct message_reader reader;
};

void *check_grow(void *items, size_t *cap, uint64_t at, size_t elem);

#endif
