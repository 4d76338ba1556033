/* One-shot timers on the loop's monotonic clock. Embedded; memory may be reused as soon as
 * timer_stop returns (the loop keeps its own heap, there is no asynchronous close).
 *
 * Due timers are collected first, then fired in order of (due, start order); a callback may
 * start or stop any timer, itself included. */
#ifndef BARQUE_IO_TIMER_H
#define BARQUE_IO_TIMER_H

#include "lib/base/heap.h"
#include "lib/io/loop.h"

struct timer {
    struct heap_item item;
    struct loop *loop;
    void (*fn)(struct timer *self);
};

void timer_init(struct loop *loop, struct timer *t, void (*fn)(struct timer *self));
/* (Re)starts: fires once after delay_ms. */
void timer_start(struct timer *t, uint64_t delay_ms);
/* (Re)starts: fires once when loop_now_ms() >= due_ms. */
void timer_start_at(struct timer *t, uint64_t due_ms);
void timer_stop(struct timer *t); /* idempotent */
bool timer_active(const struct timer *t);

#endif
