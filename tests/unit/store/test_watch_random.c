/* Random watchers with random stalls against the event log.
 *
 * Every event is noted when the store tells it. Watchers come (from now, the past or the
 * future), stall, cancel, and are overtaken by compaction. What each was told must at every
 * check be exactly what the notes say lies in its range from its start to its next revision:
 * ordered, unique, gapless, whole revisions. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "store/key_range.h"
#include "store/watch_hub.h"
#include "tests/unit/store/gen.h"
#include "tests/unit/store/world.h"

enum { WATCHERS = 40, STEPS = 6000 };

struct note {
    int64_t revision;
    struct slice key; /* owned */
    bool tombstone;
};

struct crowd;

struct consumer {
    struct crowd *crowd;
    struct watcher *watcher;
    struct watch_options options;
    int64_t start;
    struct buf told;
    double full; /* how often it has no room */
};

struct crowd {
    struct world *world;
    struct watch_hub *hub;
    struct gen gen;
    struct note *notes;
    size_t n_notes, cap;
    struct consumer consumers[WATCHERS];
    unsigned compacted, resynced;
};

static void print_note(struct buf *out, int64_t revision, struct slice key, bool tombstone,
                       bool first)
{
    if (first) {
        buf_printf(out, " %d:", (int)revision);
    }
    buf_append_char(out, tombstone ? '-' : '+');
    buf_append_slice(out, key);
}

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct consumer *c = arg;
    if (rng_chance(&c->crowd->gen.rng, c->full)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        print_note(&c->told, revision, kv.key, kv.tombstone, i == 0);
    }
    return true;
}

static void on_compacted(void *arg, int64_t compact_revision)
{
    struct consumer *c = arg;
    assert_true(compact_revision > c->start);
    c->watcher = NULL;
    c->crowd->compacted++;
}

static void note_and_publish(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct crowd *crowd = arg;
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        crowd->notes = mem_grow(crowd->notes, &crowd->cap, crowd->n_notes + 1,
                                sizeof *crowd->notes);
        struct slice key = { mem_dup(kv.key.data, kv.key.len), kv.key.len };
        crowd->notes[crowd->n_notes++] = (struct note){ revision, key, kv.tombstone };
    }
    watch_hub_publish(crowd->hub, revision, records, n);
}

/* What the notes say the consumer has been told before `next`. */
static void check_told(struct crowd *crowd, struct consumer *c, int64_t next)
{
    autobuf expected = BUF_INIT;
    struct key_range range = key_range_make(c->options.key, c->options.range_end);
    int64_t last = 0;
    for (size_t i = 0; i < crowd->n_notes; i++) {
        const struct note *n = &crowd->notes[i];
        bool hidden = n->tombstone ? c->options.no_delete : c->options.no_put;
        if (n->revision >= c->start && n->revision < next && !hidden &&
            key_range_has(&range, n->key)) {
            print_note(&expected, n->revision, n->key, n->tombstone, n->revision != last);
            last = n->revision;
        }
    }
    assert_string_equal(buf_str(&c->told), buf_str(&expected));
}

static void leave(struct crowd *crowd, struct consumer *c)
{
    if (c->watcher != NULL) {
        check_told(crowd, c, watcher_next_revision(c->watcher));
        watch_hub_cancel(crowd->hub, TAKE(c->watcher));
    }
}

static void join(struct crowd *crowd, struct consumer *c)
{
    static const char *const keys[] = { "/", "/a", "/a/3", "/b/1", "/b", "/c/2" };
    static const char *const ends[] = { "", "*", "/b", "/c", "/b/5" };
    struct rng *rng = &crowd->gen.rng;
    int64_t revision = store_revision(crowd->world->store);
    leave(crowd, c);
    c->options = (struct watch_options){
        .key = slice_str(keys[rng_range(rng, 0, 5)]),
        .range_end = end_of(ends[rng_range(rng, 0, 4)]),
        .no_put = rng_chance(rng, 0.1),
        .no_delete = rng_chance(rng, 0.1),
        .arg = c,
    };
    int64_t back = (int64_t)rng_range(rng, 0, 300);
    const int64_t starts[] = { 0, revision + 5, revision - back, revision + 1 };
    c->options.start_revision = starts[rng_range(rng, 0, 3)];
    if (c->options.start_revision < 0) {
        c->options.start_revision = 1;
    }
    c->start = c->options.start_revision != 0 ? c->options.start_revision : revision + 1;
    c->full = rng_chance(rng, 0.5) ? 0 : rng_double(rng);
    buf_reset(&c->told);
    c->watcher = watch_hub_add(crowd->hub, &c->options);
}

static void step(struct crowd *crowd)
{
    struct world *w = crowd->world;
    struct rng *rng = &crowd->gen.rng;
    struct consumer *c = &crowd->consumers[rng_range(rng, 0, WATCHERS - 1)];
    unsigned kind = (unsigned)rng_range(rng, 0, 99);
    struct command command;
    if (kind < 50) {
        arena_reset(&w->arena);
        crowd->gen.revision = store_revision(w->store);
        crowd->gen.compact_revision = store_compact_revision(w->store);
        gen_command(&crowd->gen, &command);
        if (command.type != COMMAND_COMPACT) {
            apply(w, command);
        }
    } else if (kind < 65) {
        watch_hub_step(crowd->hub, rng_range(rng, 1, 40));
    } else if (kind < 85 && c->watcher != NULL) {
        bool before = watcher_synced(c->watcher);
        watcher_ready(c->watcher);
        watch_hub_step(crowd->hub, 500);
        crowd->resynced += c->watcher != NULL && !before && watcher_synced(c->watcher);
    } else if (kind < 95) {
        join(crowd, c);
    } else if (kind == 99 && rng_chance(rng, 0.3)) {
        compact(w, store_revision(w->store) - (int64_t)rng_range(rng, 0, 200));
    } else {
        store_compact_step(w->store, rng_range(rng, 0, 50));
    }
}

static void run(struct world *w, uint64_t seed)
{
    static const struct watch_hub_events events = { on_events, on_compacted };
    struct crowd *crowd = mem_zalloc(sizeof *crowd);
    crowd->world = w;
    crowd->gen = (struct gen){ .arena = &w->arena, .keys = 30 };
    rng_init(&crowd->gen.rng, seed);
    crowd->hub = watch_hub_new(w->store, &events);
    store_set_on_events(w->store, note_and_publish, crowd);
    for (size_t i = 0; i < WATCHERS; i++) {
        crowd->consumers[i].crowd = crowd;
        join(crowd, &crowd->consumers[i]);
    }
    for (size_t i = 0; i < STEPS; i++) {
        step(crowd);
    }
    for (size_t i = 0; i < WATCHERS; i++) {
        crowd->consumers[i].full = 0;
        if (crowd->consumers[i].watcher != NULL) {
            watcher_ready(crowd->consumers[i].watcher);
        }
    }
    while (watch_hub_step(crowd->hub, 100)) {
    }
    assert_int_equal(watch_hub_lagging(crowd->hub), 0);
    for (size_t i = 0; i < WATCHERS; i++) {
        leave(crowd, &crowd->consumers[i]);
        buf_fini(&crowd->consumers[i].told);
    }
    assert_true(crowd->compacted > 0); /* the run had a bit of everything */
    assert_true(crowd->resynced > 0);
    assert_int_equal(watch_hub_count(crowd->hub), 0);
    store_set_on_events(w->store, NULL, NULL);
    watch_hub_free(crowd->hub);
    for (size_t i = 0; i < crowd->n_notes; i++) {
        mem_free((void *)(uintptr_t)crowd->notes[i].key.data);
    }
    mem_free(crowd->notes);
    mem_free(crowd);
}

static void random_watchers_are_told_every_event_once_and_in_order(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *w = *state;
        run(w, seed);
        world_options(w, NULL);
        w->index = 0;
    }
}

int test_watch_random_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(random_watchers_are_told_every_event_once_and_in_order),
    };
    return cmocka_run_group_tests_name("random watchers", tests, NULL, NULL);
}
