/* Which harness has to find which known bug (lib/base/bug.h). */
#ifndef BARQUE_TESTS_RECALL_PLAN_H
#define BARQUE_TESTS_RECALL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/bug.h"

enum finder {
    FINDER_NONE, /* no plan: the table has a hole */
    FINDER_SIM,  /* bare members, seed after seed */
    FINDER_STORE,
    FINDER_WORLD,
    FINDER_UNIT_RAFT, /* a program of tests */
    FINDER_UNIT_STORE,
    FINDER_UNIT_SERVER,
    FINDER_UNIT_CONTROLLERS,
    FINDER_UNIT_SCHEDULER,
    FINDER_UNIT_KUBELET,
    FINDERS
};

struct plan {
    enum finder finder;
    const char *arguments; /* of a simulator, laid over what its seeds draw: words, or NULL */
    bool rare;             /* takes minutes: never in a sample */
};

struct finder_info {
    const char *name;
    const char *program; /* in the build folder */
    const char *arguments;
    bool seeds;          /* takes --seeds A..B and tells VIOLATION; otherwise it speaks TAP */
};

const struct plan *plan_of(enum bug bug);
const struct finder_info *finder_info(enum finder finder);

#endif
