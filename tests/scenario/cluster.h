/* A cluster without a store, a network or processes: the caches are the store, and the brains (the
 * controllers' reconciles, the scheduling cycle, the agents' pod_actions) take turns until none of
 * them has anything to do. */
#ifndef BARQUE_TESTS_SCENARIO_CLUSTER_H
#define BARQUE_TESTS_SCENARIO_CLUSTER_H

#include "api/apps.h"
#include "api/barque.h"
#include "client/cache.h"
#include "client/plan.h"
#include "kubelet/pod_actions.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

/* One container attempt of a fake agent. */
struct fake_attempt {
    struct list link;
    char *id, *pod_uid, *pod_namespace, *pod_name, *container;
    struct attempt view; /* numbers; the strings are above */
    bool ignores_term;
};

struct agent {
    struct list link;
    char *name;
    char *capacity[3];   /* cpu, memory, pods */
    int64_t epoch;
    bool running;        /* the machine is on */
    bool connected;      /* it reaches the store */
    struct list attempts;
    struct map workers;  /* pod uid -> struct agent_worker */
};

struct agent_worker {
    int64_t stop_since_ms;
    bool killed;
};

struct cluster {
    struct lister lister;
    int64_t revision, now_ms;
    uint64_t seed;
    struct list queue;   /* keys that an event concerns, first come first served */
    struct list timers;  /* keys to look at later */
    struct list agents;
    int64_t agents_wake_ms; /* 0 = none of them waits for anything */
    struct buf *trace;
    void (*on_pods)(void *arg); /* a pod has changed; may be NULL */
    void *arg;
};

/* --- cluster.c -------------------------------------------------------------------------------- */
struct cluster *cluster_new(struct buf *trace);
void cluster_free(struct cluster *c);
void cluster_plan_init(struct cluster *c, struct plan *p);
/* Carries it out, tells its events and releases it. False when a guard failed: the rest was not
 * written. */
bool cluster_carry_out(struct cluster *c, struct plan *p);
/* Until nobody has anything to do. */
void cluster_settle(struct cluster *c);
/* Moves the clock from one thing that is due to the next. */
void cluster_wait(struct cluster *c, int64_t ms);

/* --- agents.c --------------------------------------------------------------------------------- */
struct agent *agent_of(struct cluster *c, const char *name);
struct agent *agent_new(struct cluster *c, const char *name, const char *cpu, const char *memory,
                        const char *pods);
void agent_free(struct agent *a);
/* Says that it is alive, and what it has. */
void agent_register(struct cluster *c, struct agent *a);
/* Its lease ran out. */
void agent_lapse(struct cluster *c, struct agent *a);
/* All processes are gone, as after a power cut. */
void agent_lose_processes(struct agent *a);
void agent_end_attempt(struct agent *a, struct fake_attempt *f, int64_t now_ms, int code,
                       int signal);
/* One pass of one agent; true when it did or wrote anything. */
bool agent_pass(struct cluster *c, struct agent *a);

#endif
