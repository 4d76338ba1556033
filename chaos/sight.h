/* What chaos sees of the cluster while it breaks it: each member's own status, who leads, and who
 * leads the elections of controllers and scheduler. Asked again every SIGHT_MS, each member by
 * itself: what a member says of itself is its own word only. Threads: the loop's. */
#ifndef BARQUE_CHAOS_SIGHT_H
#define BARQUE_CHAOS_SIGHT_H

#include "chaos/target.h"
#include "client/client.h"
#include "lib/io/timer.h"

enum { SIGHT_MS = 50, SIGHT_STALE_MS = 1000 };

struct sight_member {
    struct sight *sight;
    bool asked;           /* under way */
    bool learner;         /* it has joined anew and does not vote yet */
    uint64_t answered_ms; /* the last answer; 0 = none yet */
    uint64_t asked_ms;
    uint64_t id, leader_id, term;
    int64_t revision;
};

struct sight {
    struct loop *loop;
    struct client *client; /* borrowed */
    struct target *target;
    struct timer timer;
    struct sight_member members[TARGET_MEMBERS_MAX];
    char version[64]; /* "3.6.0": what a member says of itself */
    int leader;       /* index, of the highest term seen; -1 = nobody */
    uint64_t term;
    int other_leader; /* said to lead in a term in which another does; -1 = that was not seen */
    uint64_t other_term;
    uint64_t leader_since_ms;
    uint64_t lost_ms; /* when a member last said that nobody leads, or a new one was seen */
    char elected[2][TARGET_NAME_BYTES]; /* controllers, scheduler: a member's name; "" = nobody */
    bool asking_elected[2];
    uint64_t next_elected_ms;
    bool elections;
    /* A leader was seen that was not seen before. May be NULL. */
    void (*on_leader)(void *arg, int member, uint64_t term);
    void *arg;
    size_t pending;
    bool closing;
};

void sight_open(struct sight *s, struct loop *loop, struct client *c, struct target *t);
void sight_close(struct sight *s); /* before the client is freed */
/* It answered lately. */
bool sight_answers(const struct sight *s, size_t member);
/* Answers, votes, knows a leader, and has applied at least `revision`. */
bool sight_serves(const struct sight *s, size_t member, int64_t revision);
int64_t sight_revision(const struct sight *s); /* the highest any member has told */

#endif
