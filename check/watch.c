/* Recording what a watch was told: a list of facts in the pool. */
#include "check/watch.h"

#include "check/internal.h"
#include "check/watch_state.h"

struct check_watch *check_watch_new(struct check_pool *pool, uint32_t client, uint32_t number)
{
    if (check_pool_full(pool, sizeof(struct check_watch))) {
        return NULL;
    }
    struct check_watch *w = arena_alloc(&pool->arena, sizeof *w);
    *w = (struct check_watch){ .pool = pool, .client = client, .number = number };
    return w;
}

/* NULL when there is no room: counted, and the watch's verdicts become undecided. */
static struct watch_fact *add(struct check_watch *w, enum watch_fact_kind kind, int64_t now_us,
                              int64_t revision, size_t more)
{
    if (check_pool_full(w->pool, sizeof(struct watch_fact) + more)) {
        w->dropped++;
        return NULL;
    }
    struct watch_fact *f = arena_alloc(&w->pool->arena, sizeof *f);
    *f = (struct watch_fact){ .kind = kind, .at_us = now_us, .revision = revision };
    if (w->last != NULL) {
        w->last->next = f;
    } else {
        w->first = f;
    }
    w->last = f;
    w->n++;
    return f;
}

void check_watch_asked(struct check_watch *w, int64_t now_us, uint32_t member,
                       const struct check_watch_request *r, int64_t compacted_revision)
{
    struct watch_fact *f =
        add(w, FACT_ASKED, now_us, r->start_revision, 64 + r->key.len + r->range_end.len);
    if (f != NULL) {
        f->member = member;
        f->compacted = compacted_revision;
        f->request = (struct watch_request){
            .key = check_pool_add(w->pool, r->key.len != 0 ? r->key : slice_make("", 1)),
            .range_end = check_pool_add(w->pool, r->range_end),
            .prev_kv = r->prev_kv,
            .no_put = r->no_put,
            .no_delete = r->no_delete,
        };
    }
}

void check_watch_created(struct check_watch *w, int64_t now_us, int64_t revision)
{
    add(w, FACT_CREATED, now_us, revision, 0);
}

void check_watch_events(struct check_watch *w, int64_t now_us, int64_t revision, bool fragment,
                        const struct check_watch_event *events, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += sizeof(struct watch_event) + 64 + events[i].kv.key.len + events[i].kv.value.len +
                 (events[i].has_prev ? events[i].prev.value.len : 0);
    }
    struct watch_fact *f = add(w, n != 0 ? FACT_EVENTS : FACT_PROGRESS, now_us, revision, bytes);
    if (f == NULL || n == 0) {
        return;
    }
    f->fragment = fragment;
    f->events = arena_alloc(&w->pool->arena, n * sizeof *f->events);
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        f->events[i] = (struct watch_event){ .kv = check_pack_kv(w->pool, &events[i].kv),
                                             .deleted = events[i].deleted,
                                             .has_prev = events[i].has_prev };
        if (events[i].has_prev) {
            f->events[i].prev = check_pack_kv(w->pool, &events[i].prev);
        }
    }
}

void check_watch_progress(struct check_watch *w, int64_t now_us, int64_t revision)
{
    add(w, FACT_PROGRESS, now_us, revision, 0);
}

void check_watch_canceled(struct check_watch *w, int64_t now_us, int64_t revision,
                          int64_t compact_revision)
{
    struct watch_fact *f = add(w, FACT_CANCELED, now_us, revision, 0);
    if (f != NULL) {
        f->compacted = compact_revision;
    }
}

void check_watch_lost(struct check_watch *w, int64_t now_us)
{
    add(w, FACT_LOST, now_us, 0, 0);
}

uint64_t check_watch_facts(const struct check_watch *w, uint64_t *ret_dropped)
{
    *ret_dropped = w->dropped;
    return w->n;
}
