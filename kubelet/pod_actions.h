/* What should the node agent do next for one pod? Pure: desired item, observed attempts, time ->
 * actions and status.
 *
 * Level-triggered: called after every relist and every change of the view; the same input gives
 * the same output and nothing is remembered but what the caller passes in. */
#ifndef BARQUE_KUBELET_POD_ACTIONS_H
#define BARQUE_KUBELET_POD_ACTIONS_H

#include "api/barque.h"
#include "kubelet/runtime.h"

enum pod_action_type { ACTION_START, ACTION_SIGNAL, ACTION_REMOVE };

struct pod_action {
    enum pod_action_type type;
    const struct container *container; /* START */
    int32_t attempt;                   /* START */
    const char *id;                    /* SIGNAL, REMOVE */
    int signal;
};

struct pod_input {
    const struct node_item *desired;   /* NULL: this pod is not (any more) in our view */
    const struct attempt *observed;    /* of this pod's uid, any order */
    size_t n_observed;
    int64_t now_ms;                    /* wall */
    int64_t stop_since_ms;             /* when we began to stop it; 0 = not stopping yet */
    bool killed;                       /* SIGKILL was sent already */
    const char *host_ip;
};

struct pod_output {
    struct pod_action *actions;
    size_t n_actions;
    bool stopping;                     /* the caller remembers now_ms as stop_since_ms */
    bool kill_sent;
    bool gone;                         /* no process and nothing to keep: forget the pod */
    bool stopped;                      /* was told to stop and no process of it is left */
    int64_t wake_ms;                   /* wall time at which to look again; 0 = no need */
    struct pod_status status;          /* owned by the caller (release by moving into an object) */
};

/* Restart back-off: 1 s after the first end, twice as long each time, at most 300 s; an attempt
 * that ran for 10 minutes starts the count again. Restart policy as in Kubernetes: Always,
 * OnFailure, Never. Stop: SIGTERM, after the grace period SIGKILL. Actions live in the arena. */
void pod_actions(const struct pod_input *input, struct arena *arena, struct pod_output *ret_output);

#endif
