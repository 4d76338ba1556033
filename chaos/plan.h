/* What will be broken, when, and for how long: a pure function of seed, options and what the
 * cluster offers. The same three give the same plan on every machine.
 *
 *     0      warm-up            rest              rest                 calm         total
 *     |---------[fault lasts]----------[fault lasts]------------------------------|
 *
 * Faults are dealt like cards: each that is possible comes once before any comes again. A step
 * costs as many members as its fault says, from its start until RECOVER_MS after its end; the sum
 * over all steps at one time stays within (members - 1) / 2, or plan_check refuses the plan. */
#ifndef BARQUE_CHAOS_PLAN_H
#define BARQUE_CHAOS_PLAN_H

#include "chaos/fault.h"
#include "lib/base/buf.h"

enum { PLAN_STEPS_MAX = 10000, PLAN_TOGETHER_MAX = 8, PLAN_RECOVER_MS = 2000 };

/* What the cluster is and offers. */
struct plan_shape {
    size_t n_members, n_nodes;
    const char *why_not[NEEDS_N]; /* NULL = it offers this; else the reason, for people */
};

struct plan_options {
    uint64_t seed;
    uint64_t total_ms;
    uint64_t kinds;         /* bits of enum fault_kind that are wanted; 0 = the workload alone */
    bool kinds_named;       /* they were named: one that is impossible is an error, not a remark */
    size_t together;        /* at most so many at once: 1..PLAN_TOGETHER_MAX */
    bool break_quorum;
};

struct plan_step {
    uint64_t at_ms, lasts_ms;
    enum fault_kind kind;
    enum fault_who who;
    uint32_t pick;          /* which follower, node, ...: modulo how many there are then */
    int64_t amount;         /* in the fault's unit */
};

struct plan_lack {
    enum fault_kind kind;
    const char *why;
};

struct plan {
    struct plan_options options;
    size_t n_members, n_nodes;
    struct plan_step *steps;
    size_t n_steps, cap_steps;
    struct plan_lack lacks[FAULTS_N]; /* wanted and not possible here */
    size_t n_lacks;
};

/* E_INVAL: nothing can be planned (no fault is possible, too short, quorum), with the reason and
 * what to do. */
int plan_make(const struct plan_options *options, const struct plan_shape *shape,
              struct plan *ret_plan, struct err *err);
void plan_free(struct plan *p);
/* Refuses (E_PERM) a plan that takes a quorum at any time, naming the time and the faults. */
int plan_check(const struct plan *p, struct err *err);
/* As people read it: a line a step, then what is impossible and why. */
void plan_print(const struct plan *p, struct buf *out);
/* "pause the leader", "delay a follower 120 ms". */
void plan_step_text(const struct plan_step *s, struct buf *out);
/* The parts of a run, from its length. */
uint64_t plan_warm_up_ms(uint64_t total_ms);
uint64_t plan_calm_ms(uint64_t total_ms);

#endif
