/* Off-loop jobs: run() on a worker thread, then done() on the loop. One `struct worker` is one
 * thread and runs its jobs in order (a WAL has its own, so an fsync never waits behind a
 * snapshot). run() touches only its job's own memory and files. */
#ifndef BARQUE_IO_WORK_H
#define BARQUE_IO_WORK_H

#include "lib/io/loop.h"

struct worker;

struct job {
    struct list link;
    void (*run)(struct job *self);  /* worker thread */
    void (*done)(struct job *self); /* loop thread; the job's memory is the caller's again */
    struct worker *worker;
};

/* `name` (at most 15 bytes) names the thread. */
struct worker *worker_new(struct loop *loop, const char *name);
void worker_submit(struct worker *w, struct job *job);
/* Jobs submitted and not yet done. */
size_t worker_pending(const struct worker *w);
/* Waits for the running job, drops (without done) the queued ones, joins, frees. NULL: nothing. */
void worker_free(struct worker *w);

#endif
