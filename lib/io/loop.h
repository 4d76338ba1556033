/* The event loop of one process: ready queue, end-of-turn hooks, clock. (libuv underneath.)
 *
 * lib/io is the border of the real world: its headers are implemented twice, here over libuv and
 * in tests/sim over a virtual clock and disk (link-time choice), so everything above runs in the
 * simulator unchanged. Include no <uv.h> above this folder.
 *
 * Threads: everything here belongs to the loop's thread, except work's run callback. */
#ifndef BARQUE_IO_LOOP_H
#define BARQUE_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/list.h"

struct loop;

/* Also makes the process ignore SIGPIPE: a write to a closed socket is an error, not a death. */
struct loop *loop_new(void);
/* Calls back what is still on its way (on_close, cancelled requests). PRE: every conn, listener,
 * worker, process and watch has been closed, stopped, freed or released. */
void loop_free(struct loop *loop);
/* Runs until loop_stop and nothing is left, or loop_stop was called. */
void loop_run(struct loop *loop);
/* Makes loop_run return after this turn. */
void loop_stop(struct loop *loop);
/* Monotonic milliseconds of this turn (cached); microseconds read the clock afresh. */
uint64_t loop_now_ms(struct loop *loop);
uint64_t loop_now_us(struct loop *loop);
/* For a server, once at its start: raises the process's limit of file descriptors as far as it goes
 * (children inherit it), and keeps as many conns from being accepted as leave some for files and
 * for peers. E_UNAVAILABLE when the limit is too low to work with. */
int loop_fit_descriptors(struct loop *loop, struct err *err);
/* Unix milliseconds, for timestamps people read; never for deadlines. */
int64_t loop_wall_ms(struct loop *loop);

/* A deferred call: runs once later in this turn (or the next), never inside the caller. Embedded
 * in its owner; queueing twice is one call; cancel is idempotent. */
struct ready {
    struct list link;
    void (*fn)(struct ready *self);
};
void ready_init(struct ready *r, void (*fn)(struct ready *self));
void loop_ready(struct loop *loop, struct ready *r);
void ready_cancel(struct ready *r);

/* End-of-turn hooks run after all I/O callbacks and the ready queue of a turn, in the order they
 * were armed: effects gathered in the turn (proposals, replies, frames) are flushed there, once.
 * A hook is disarmed before it is called; arm it again for another turn. */
struct turn_hook {
    struct list link;
    void (*fn)(struct turn_hook *self);
    uint64_t turn; /* the loop's: when it ran last, so that it runs once a turn */
};
void turn_hook_init(struct turn_hook *h, void (*fn)(struct turn_hook *self));
void loop_at_turn_end(struct loop *loop, struct turn_hook *h); /* arming twice is one call */
void turn_hook_cancel(struct turn_hook *h);

#endif
