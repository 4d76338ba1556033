/* Following a Deployment until its rollout is complete: for `apply` and `rollout status`. */
#ifndef BARQUE_CLI_ROLLOUT_WAIT_H
#define BARQUE_CLI_ROLLOUT_WAIT_H

#include "api/apps.h"
#include "cli/run.h"
#include "client/objects.h"

enum rollout_state { ROLLOUT_GOES_ON, ROLLOUT_COMPLETE, ROLLOUT_FAILED };

/* How far it is, in kubectl's words. Pure. */
enum rollout_state rollout_state_of(const struct deployment *d, struct buf *text);

struct rollout_wait {
    struct cli *cli;
    const char *namespace_, *name; /* borrowed */
    void (*done)(struct rollout_wait *w); /* complete; every other end ends the verb */
    struct buf said; /* the last progress line */
    bool line_open;  /* it stands on the screen without its newline */
};

/* Prints progress: one line that is written over on a terminal, a line a change in a pipe. */
void rollout_wait_start(struct rollout_wait *w, struct cli *cli, const char *namespace_,
                        const char *name, void (*done)(struct rollout_wait *w));
/* The text of a --timeout that came first. */
void rollout_wait_timeout(struct rollout_wait *w);
void rollout_wait_fini(struct rollout_wait *w);

#endif
