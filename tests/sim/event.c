/* The event queue: a binary heap of (time, order of posting). Everything that happens in a run is
 * one of its events, and each is folded into the run's trace hash. */
#include "lib/base/alloc.h"
#include "tests/sim/sim.h"

static bool before(const struct event *a, const struct event *b)
{
    return a->t < b->t || (a->t == b->t && a->seq < b->seq);
}

void sim_post(struct sim *s, uint64_t t, enum event_kind kind, struct node *n, uint64_t a, void *p)
{
    struct event e = {
        .t = t > s->now ? t : s->now,
        .seq = s->event_seq++,
        .gen = n != NULL ? n->gen : 0,
        .a = a,
        .p = p,
        .node = n != NULL ? n->id : 0,
        .kind = kind,
    };
    s->heap = mem_grow(s->heap, &s->heap_cap, s->heap_n + 1, sizeof *s->heap);
    size_t i = s->heap_n++;
    while (i > 0 && before(&e, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = e;
}

bool sim_next(struct sim *s, struct event *ret_event)
{
    if (s->heap_n == 0) {
        return false;
    }
    *ret_event = s->heap[0];
    struct event last = s->heap[--s->heap_n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= s->heap_n) {
            break;
        }
        if (c + 1 < s->heap_n && before(&s->heap[c + 1], &s->heap[c])) {
            c++;
        }
        if (!before(&s->heap[c], &last)) {
            break;
        }
        s->heap[i] = s->heap[c];
        i = c;
    }
    s->heap[i] = last;
    s->now = ret_event->t;
    s->stats->events++;
    sim_trace(s, ret_event->t << 8 | (uint64_t)ret_event->kind);
    sim_trace(s, ret_event->node);
    return true;
}

void sim_events_free(struct sim *s)
{
    for (size_t i = 0; i < s->heap_n; i++) {
        mem_free(s->heap[i].p);
    }
    mem_free(s->heap);
    s->heap = NULL;
    s->heap_n = s->heap_cap = 0;
}

void sim_trace(struct sim *s, uint64_t v)
{
    s->trace = (s->trace ^ v) * 0x9e3779b97f4a7c15u;
    s->trace ^= s->trace >> 29;
}
