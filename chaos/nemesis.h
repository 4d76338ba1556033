/* Carries a plan out: breaks what is due, heals it when its time is over, and measures how long the
 * cluster took to recover.
 *
 *            due, and the cluster can bear it         its time is over, or nemesis_stop
 *   WAITING ----------------------------------> HURT ----------------------------------> HEALED
 *      |                                         |  killed: started again                  |
 *      | not well again within BEAR_MS           |                    all members serve, all pods
 *      v                                         v                    ready: recovery is known
 *   SKIPPED (a violation: it did not recover)
 *
 * A role (the leader, a follower, ...) is looked up at the moment of the fault; the moment waits
 * until the members that serve are enough to lose what the fault costs. What is not planned is
 * watched too: a member that ends by itself is a violation, and is started again.
 *
 * Everything it does is undone by nemesis_stop, or all at once by target_heal. Threads: the
 * loop's. */
#ifndef BARQUE_CHAOS_NEMESIS_H
#define BARQUE_CHAOS_NEMESIS_H

#include "chaos/grow.h"
#include "chaos/plan.h"
#include "chaos/report.h"
#include "chaos/sight.h"

enum injury_state { INJURY_WAITING, INJURY_HURT, INJURY_HEALED, INJURY_OVER, INJURY_SKIPPED };

struct nemesis;
struct injury {
    struct nemesis *nemesis;
    const struct plan_step *step;
    enum injury_state state;
    uint64_t members; /* bits: hit */
    int node, other;  /* index of the node hit; the far end of a cut link; -1 = none */
    char elected_before[TARGET_NAME_BYTES];
    uint64_t begun_ms, healed_ms;
    uint64_t term_before;
    int64_t revision_healed; /* everybody must get there */
    bool tracked;            /* torn write: first a while under track_unsynced, then the kill */
    bool damaging;           /* a program works on the data of the dead member */
    struct process *damager;
    struct timer timer;
    struct chaos_fault *fault;
};

struct nemesis_options {
    struct loop *loop;
    struct target *target;
    struct sight *sight;
    struct ops *ops; /* its channels, for membership changes */
    const struct plan *plan;
    struct chaos_report *report;
    uint64_t started_ms; /* the run's zero, loop time */
    const char *program; /* this program's file: it damages data (store --unsafe-damage) */
    /* Pods: are all ready; has `node` none left that counts, while all are there. NULL = no pods.
     * */
    bool (*pods_ready)(void *arg);
    bool (*pods_left)(void *arg, const char *node);
    /* A line for people about what happens. */
    void (*on_news)(void *arg, const char *text);
    /* All steps are over (recovered or skipped). */
    void (*on_done)(void *arg);
    void *arg;
};

struct nemesis {
    struct nemesis_options o;
    struct grow grow;
    struct injury *injuries;   /* one a step */
    size_t n, next;            /* steps before `next` have begun or were skipped */
    uint64_t shift_ms;         /* waiting for the cluster has moved the rest by so much */
    uint64_t waiting_since_ms; /* the next step is due since; 0 = it is not */
    struct timer tick;
    bool stopping, done;
    uint64_t begun;         /* steps */
    uint64_t deaths;        /* members that ended by themselves */
    uint64_t not_recovered; /* steps after which it was not well within BEAR_MS */
    const char *first_death, *first_not_recovered; /* the report's text */
    char why[128];                                 /* the last answer of what is not as before */
    uint64_t member_up_ms[TARGET_MEMBERS_MAX];     /* when it was last seen running */
};

void nemesis_start(struct nemesis *n, const struct nemesis_options *options);
/* Heals everything now; on_done comes when the cluster is well again, or not within BEAR_MS. */
void nemesis_stop(struct nemesis *n);
void nemesis_free(struct nemesis *n);
/* A write that was sent at sent_ms (loop time) has been acknowledged. */
void nemesis_wrote(struct nemesis *n, uint64_t sent_ms);
/* What is broken now: "pause m2, delay m1 (120 ms)"; "" = nothing. */
void nemesis_now(const struct nemesis *n, struct buf *out);

/* --- act.c: the hands --------------------------------------------------------------------------
 */
/* Does it to the members and nodes of the injury. E_ codes with the reason: the step is skipped. */
int injury_act(struct injury *i, struct err *err);
/* Undoes it. E_ code: tried again later. */
int injury_heal(struct injury *i, struct err *err);
/* The rules for one member's faults file from all that hurts now, without the links where the
 * target cuts them itself. */
void nemesis_rules(const struct nemesis *n, size_t member, struct buf *out);

/* --- cut.c: links from outside -----------------------------------------------------------------
 */
/* The fault is one of links that a target which cuts them itself takes over. */
bool nemesis_cuts_link(enum fault_kind kind);
/* The script for nft in one member's namespace from all that hurts now: replaces the one before. */
void nemesis_cuts(const struct nemesis *n, size_t member, struct buf *out);

#endif
