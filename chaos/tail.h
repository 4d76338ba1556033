/* After the run: what each member tells of it. Its whole log since the run began, by one watch of
 * everything on that member alone, and its hash of the data at one revision.
 *
 * Together they are the yardstick of all checks: members that tell different logs have forked.
 * Threads: the loop's. */
#ifndef BARQUE_CHAOS_TAIL_H
#define BARQUE_CHAOS_TAIL_H

#include "chaos/load.h"
#include "check/log.h"

enum { TAIL_MS = 20000 };

struct tail_member {
    struct tail *tail;
    struct client *client;
    struct client_watch *watch;
    struct check_log log;
    struct rpc_request *hash_call;
    int64_t told;
    bool log_done, hash_done, hash_known;
    uint32_t hash;
    const char *why_not; /* the log could not be read: the report's text; NULL = it was */
};

struct tail {
    struct loads *loads;
    struct tail_member members[TARGET_MEMBERS_MAX];
    size_t n;
    struct timer deadline, progress;
    bool done;
};

/* PRE: loads->end_revision and log_revision are known. `base`, of the state at start_revision, is
 * copied into each member's log. `done` is set at the latest after TAIL_MS. */
void tail_start(struct tail *t, struct loads *l, const struct check_log *base);
/* Ends what is under way; logs stay. */
void tail_stop(struct tail *t);
void tail_free(struct tail *t);
/* The index of a member whose log reaches log_revision; -1 when there is none. */
int tail_best(const struct tail *t);

#endif
