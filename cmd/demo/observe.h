/* What the demo watches while it breaks things: a stream of writes, a watcher of them, the members'
 * leader, and the workload. All on the demo's loop, through the same client library as everybody's.
 *
 * Writer: one put after the other, each to a key of its own (/demo/<run>/<seq>) with a value
 * that says seq. An acknowledged seq must be there at the end; one whose outcome is unknown may
 * be. Watcher: must see every key exactly once, in revision order. */
#ifndef BARQUE_CMD_DEMO_OBSERVE_H
#define BARQUE_CMD_DEMO_OBSERVE_H

#include "api/apps.h"
#include "client/informer.h"
#include "cmd/demo/cluster.h"
#include "lib/io/timer.h"

enum { DEMO_WRITES_MAX = 200000, DEMO_WRITE_PAUSE_MS = 4 };

enum write_state { WRITE_NONE, WRITE_ACKED, WRITE_UNKNOWN };

struct observer {
    struct loop *loop;
    struct demo_cluster *cluster;
    struct client *client;
    struct informers *informers;
    char prefix[32], prefix_end[32]; /* of this run's keys: "/demo/<random>/" */
    /* writer */
    struct timer pause;
    bool writing;
    int64_t seq;                   /* last sent */
    uint8_t *outcomes;             /* enum write_state by seq */
    int64_t acked, unknown, wrong;
    uint64_t sent_us;
    uint64_t last_ack_ms, first_failure_ms; /* since observer_mark */
    uint64_t first_ack_ms;         /* of a write sent after observer_mark */
    uint64_t mark_ms;
    uint32_t *latencies_us;
    size_t n_latencies;
    /* watcher */
    struct client_watch *watch;
    uint8_t *seen;                 /* times each seq was told */
    int64_t events, watch_revision, repeated, disordered;
    uint64_t first_event_ms;       /* of a revision after observer_mark */
    int64_t resumes;
    bool watch_lost;
    /* leader */
    struct timer probe;
    uint64_t leader_id, members[DEMO_MASTERS_MAX]; /* member id by master, 0 = not known yet */
    uint64_t leader_since_ms;      /* when this leader was first seen */
    uint64_t leader_term;
    size_t probes;
};

int observer_open(struct observer *o, struct loop *loop, struct demo_cluster *c, struct err *err);
void observer_close(struct observer *o);
void observer_start_writes(struct observer *o);
void observer_stop_writes(struct observer *o);
/* Measurements count from now. */
void observer_mark(struct observer *o);
/* Index of the leading master, or -1. */
int observer_leader(const struct observer *o);
/* Reads everything back: done(missing acknowledged, wrong values, never seen by the watcher);
 * -1: failed. */
typedef void (*observer_verified)(void *arg, int64_t missing, int64_t wrong, int64_t unseen);
void observer_verify(struct observer *o, observer_verified done, void *arg);

/* --- the workload, from caches ---------------------------------------------------------------- */
struct workload {
    size_t pods, ready, ready_current; /* of app=web, not being deleted; on the newest template */
    size_t ready_elsewhere;            /* ready on nodes other than `node` */
    size_t on_node;                    /* not being deleted, bound to `node` */
    bool rollout_complete;
    const struct deployment *deployment;
};
void observer_workload(const struct observer *o, const char *node, struct workload *ret_workload);
size_t observer_ready_nodes(const struct observer *o);
bool observer_node_is_ready(const struct observer *o, const char *name);

#endif
