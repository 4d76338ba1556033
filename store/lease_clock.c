/* The lease clock: a hierarchical timer wheel of 100 ms ticks.
 *
 * Five levels of 256 slots cover 2^40 ticks. A lease whose time is t ticks away sits in the
 * lowest level whose span holds it; when a level turns, the next slot of the level above is
 * dealt out below:
 *
 *     level 0: the next 256 ticks (25.6 s), one tick a slot
 *     level 1: the next 65,536 ticks (1.8 h), 256 ticks a slot      ... level 4: 3,400 years
 *
 * Times are rounded up to a tick and the present down, so a lease never runs out early and at
 * most 100 ms late. Stretches in which the lower levels are empty are stepped over, so a jump
 * in time costs little. */
#include "store/lease_clock.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

enum { TICK_MS = 100, LEVELS = 5, SLOTS = 256, SLOT_BITS = 8 };

/* Where a timer is. DUE: has run out, waits to be handed out. OUT: handed out. */
enum place { IN_WHEEL, DUE, OUT };

struct lease_timer {
    struct list link; /* in a slot or in due; alone when handed out */
    int64_t id, ttl_s;
    uint64_t deadline_ms;
    uint64_t tick; /* at which it runs out */
    enum place place;
    int level;
};

struct lease_clock {
    struct u64map timers;
    struct list slots[LEVELS][SLOTS];
    size_t in_level[LEVELS];
    struct list due;
    uint64_t tick; /* all timers up to this tick have run out */
};

struct lease_clock *lease_clock_new(uint64_t now_ms)
{
    struct lease_clock *c = mem_zalloc(sizeof *c);
    u64map_init(&c->timers);
    list_init(&c->due);
    for (int level = 0; level < LEVELS; level++) {
        for (int i = 0; i < SLOTS; i++) {
            list_init(&c->slots[level][i]);
        }
    }
    c->tick = now_ms / TICK_MS;
    return c;
}

void lease_clock_free(struct lease_clock *c)
{
    if (c == NULL) {
        return;
    }
    size_t at = 0;
    struct u64map_entry *e;
    while ((e = u64map_next(&c->timers, &at)) != NULL) {
        mem_free(e->value);
    }
    u64map_fini(&c->timers);
    mem_free(c);
}

/* --- the wheel -------------------------------------------------------------------------------- */

static void wheel_add(struct lease_clock *c, struct lease_timer *t)
{
    if (t->tick <= c->tick) {
        t->place = DUE;
        list_push_back(&c->due, &t->link);
        return;
    }
    int level = 0;
    while (level < LEVELS - 1 && (t->tick ^ c->tick) >> ((level + 1) * SLOT_BITS) != 0) {
        level++;
    }
    uint64_t slot = t->tick >> (level * SLOT_BITS);
    t->place = IN_WHEEL;
    t->level = level;
    list_push_back(&c->slots[level][slot % SLOTS], &t->link);
    c->in_level[level]++;
}

static void wheel_remove(struct lease_clock *c, struct lease_timer *t)
{
    list_remove(&t->link);
    if (t->place == IN_WHEEL) {
        c->in_level[t->level]--;
    }
}

/* Deals out the slot of `level` that the present has come to. */
static void wheel_deal(struct lease_clock *c, int level)
{
    struct list moving;
    list_init(&moving);
    uint64_t slot = c->tick >> (level * SLOT_BITS);
    list_move_all(&moving, &c->slots[level][slot % SLOTS]);
    struct list *l;
    while ((l = list_pop_front(&moving)) != NULL) {
        c->in_level[level]--;
        wheel_add(c, LIST_ENTRY(l, struct lease_timer, link));
    }
}

/* The next tick at which anything can happen, at most `now`. */
static uint64_t wheel_next(const struct lease_clock *c, uint64_t now)
{
    int level = 0;
    while (level < LEVELS && c->in_level[level] == 0) {
        level++;
    }
    if (level == LEVELS) {
        return now;
    }
    uint64_t next = ((c->tick >> (level * SLOT_BITS)) + 1) << (level * SLOT_BITS);
    return next < now ? next : now;
}

static void wheel_advance(struct lease_clock *c, uint64_t now_ms)
{
    uint64_t now = now_ms / TICK_MS;
    while (c->tick < now) {
        c->tick = wheel_next(c, now);
        for (int level = LEVELS - 1; level > 0; level--) {
            if ((c->tick & (((uint64_t)1 << (level * SLOT_BITS)) - 1)) == 0) {
                wheel_deal(c, level);
            }
        }
        wheel_deal(c, 0);
    }
}

/* --- leases ----------------------------------------------------------------------------------- */

static struct lease_timer *timer_find(const struct lease_clock *c, int64_t id)
{
    return u64map_get(&c->timers, (uint64_t)id);
}

static void timer_start(struct lease_clock *c, struct lease_timer *t, int64_t left_s,
                        uint64_t now_ms)
{
    const uint64_t max_ms = (uint64_t)1 << 46; /* 2,200 years: fits the wheel from any present */
    uint64_t left_ms = left_s > 0 ? (uint64_t)left_s * 1000 : 0;
    t->deadline_ms = now_ms + (left_ms < max_ms ? left_ms : max_ms);
    t->tick = (t->deadline_ms + TICK_MS - 1) / TICK_MS;
    wheel_add(c, t);
}

void lease_clock_set_remaining(struct lease_clock *c, int64_t id, int64_t ttl_s,
                               int64_t remaining_s, uint64_t now_ms)
{
    struct lease_timer *t = timer_find(c, id);
    if (t == NULL) {
        t = mem_zalloc(sizeof *t);
        t->id = id;
        list_init(&t->link);
        u64map_put(&c->timers, (uint64_t)id, t);
    } else {
        wheel_remove(c, t);
    }
    t->ttl_s = ttl_s;
    timer_start(c, t, remaining_s, now_ms);
}

void lease_clock_set(struct lease_clock *c, int64_t id, int64_t ttl_s, uint64_t now_ms)
{
    lease_clock_set_remaining(c, id, ttl_s, ttl_s, now_ms);
}

bool lease_clock_renew(struct lease_clock *c, int64_t id, uint64_t now_ms, int64_t *ret_ttl_s)
{
    struct lease_timer *t = timer_find(c, id);
    if (t == NULL || t->place == OUT) {
        return false;
    }
    wheel_remove(c, t);
    timer_start(c, t, t->ttl_s, now_ms);
    *ret_ttl_s = t->ttl_s;
    return true;
}

void lease_clock_remove(struct lease_clock *c, int64_t id)
{
    struct lease_timer *t = u64map_remove(&c->timers, (uint64_t)id);
    if (t != NULL) {
        wheel_remove(c, t);
        mem_free(t);
    }
}

int64_t lease_clock_remaining_ms(const struct lease_clock *c, int64_t id, uint64_t now_ms)
{
    const struct lease_timer *t = timer_find(c, id);
    if (t == NULL) {
        return -1;
    }
    return t->deadline_ms > now_ms ? (int64_t)(t->deadline_ms - now_ms) : 0;
}

size_t lease_clock_expired(struct lease_clock *c, uint64_t now_ms, int64_t *ret_ids, size_t max)
{
    wheel_advance(c, now_ms);
    size_t n = 0;
    while (n < max && !list_empty(&c->due)) {
        struct lease_timer *t =
            LIST_ENTRY(list_pop_front(&c->due), struct lease_timer, link);
        t->place = OUT;
        ret_ids[n++] = t->id;
    }
    return n;
}

size_t lease_clock_count(const struct lease_clock *c)
{
    return c->timers.n;
}
