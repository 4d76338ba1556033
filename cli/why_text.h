/* Why a pod is not ready, in one sentence: the causal chain's last link. Pure. */
#ifndef BARQUE_CLI_WHY_TEXT_H
#define BARQUE_CLI_WHY_TEXT_H

#include "api/core.h"

enum why_cause {
    WHY_READY,    /* nothing is wrong */
    WHY_DONE,     /* it ran to its end */
    WHY_UNPLACED, /* the scheduler found no node, or has not looked */
    WHY_NODE,     /* its node is lost or silent */
    WHY_CONTAINER,
    WHY_GOING,    /* it is being deleted */
};

/* The sentence goes on from "pod/web-1 ". `node` is the pod's node, NULL when there is none. */
enum why_cause why_pod(const struct pod *p, const struct node *node, struct buf *out);

#endif
