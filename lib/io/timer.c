/* Timers: a heap of our own on one libuv timer, so that a timer is embedded in its owner and
 * gone as soon as it is stopped (a uv_timer_t needs an asynchronous close).
 *
 * A pass moves all due timers into a second heap and fires that one empty: what a callback
 * starts lands in the first heap and waits for the next pass, what it stops is taken out of
 * whichever heap holds it. The libuv timer is moved only when an earlier due time comes up;
 * after a stop it may wake the loop once for nothing, which is cheaper than moving it with every
 * restart of an election timer. */
#include "lib/io/timer.h"

#include "lib/base/assert.h"
#include "lib/io/internal.h"

static void on_timer(uv_timer_t *handle);

static void arm(struct loop *loop, uint64_t due_ms)
{
    uint64_t now = loop_now_ms(loop);

    loop->timer_due_ms = due_ms;
    uv_timer_start(&loop->timer, on_timer, due_ms > now ? due_ms - now : 0, 0);
}

static bool armed(struct loop *loop)
{
    return uv_is_active((uv_handle_t *)&loop->timer) != 0;
}

static void on_timer(uv_timer_t *handle)
{
    struct loop *loop = handle->data;
    uint64_t now = loop_now_ms(loop);
    struct heap_item *it;

    while ((it = heap_peek(&loop->timers)) != NULL && it->key <= now) {
        uint64_t due_ms = it->key;
        heap_pop(&loop->timers);
        heap_push(&loop->due, it, due_ms);
    }
    while ((it = heap_pop(&loop->due)) != NULL) {
        struct timer *t = CONTAINER_OF(it, struct timer, item);
        t->fn(t);
    }
    it = heap_peek(&loop->timers);
    if (it != NULL && (!armed(loop) || it->key < loop->timer_due_ms)) {
        arm(loop, it->key);
    }
}

static bool collected(const struct loop *loop, const struct heap_item *it)
{
    return it->pos < loop->due.n && loop->due.items[it->pos] == it;
}

void timer_init(struct loop *loop, struct timer *t, void (*fn)(struct timer *self))
{
    heap_item_init(&t->item);
    t->loop = loop;
    t->fn = fn;
}

void timer_start(struct timer *t, uint64_t delay_ms)
{
    uint64_t now = loop_now_ms(t->loop);

    timer_start_at(t, delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms);
}

void timer_start_at(struct timer *t, uint64_t due_ms)
{
    struct loop *loop = t->loop;

    PRE(t->fn != NULL);
    if (heap_item_queued(&t->item)) {
        heap_remove(collected(loop, &t->item) ? &loop->due : &loop->timers, &t->item);
    }
    heap_push(&loop->timers, &t->item, due_ms);
    if (!armed(loop) || due_ms < loop->timer_due_ms) {
        arm(loop, due_ms);
    }
}

void timer_stop(struct timer *t)
{
    struct loop *loop = t->loop;

    if (!heap_item_queued(&t->item)) {
        return;
    }
    heap_remove(collected(loop, &t->item) ? &loop->due : &loop->timers, &t->item);
    if (heap_peek(&loop->timers) == NULL) {
        uv_timer_stop(&loop->timer); /* an idle loop may end */
    }
}

bool timer_active(const struct timer *t)
{
    return heap_item_queued(&t->item);
}
