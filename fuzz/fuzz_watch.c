/* The watch hub against a list of all events. The bytes choose commands, watchers (from now, the
 * past or the future, with filters), stalls, slices of history, compaction and snapshots that
 * replace the store. What a watcher was told must be exactly what the list says lies in its range
 * between its start and its next revision; who is compacted away had a start before it. */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "store/key_range.h"
#include "store/watch_hub.h"
#include "tests/unit/store/gen.c"
#include "tests/unit/store/snapshot_bytes.h"

enum { WATCHERS = 6, STEPS_MAX = 1500 };

struct note {
    int64_t revision;
    int32_t sub;
    bool tombstone;
    struct slice key; /* owned */
};

struct consumer {
    struct crowd *crowd;
    struct watcher *watcher; /* NULL: not there */
    struct watch_options options;
    int64_t start;
    size_t at;      /* notes before this one were told, or are not for it */
    bool stalled;
};

struct crowd {
    struct gen gen;
    struct store *store;
    struct watch_hub *hub;
    uint64_t index;
    struct note *notes;
    size_t n_notes, cap;
    struct consumer consumers[WATCHERS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool wanted(const struct consumer *c, const struct note *n)
{
    struct key_range range = key_range_make(c->options.key, c->options.range_end);
    return n->revision >= c->start && key_range_has(&range, n->key) &&
           !(n->tombstone ? c->options.no_delete : c->options.no_put);
}

/* The next note that is for this consumer, before `until`; NULL: none. */
static const struct note *next_wanted(struct consumer *c, int64_t until)
{
    for (; c->at < c->crowd->n_notes && c->crowd->notes[c->at].revision < until; c->at++) {
        if (wanted(c, &c->crowd->notes[c->at])) {
            return &c->crowd->notes[c->at];
        }
    }
    return NULL;
}

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct consumer *c = arg;
    if (c->stalled) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        const struct note *want = next_wanted(c, INT64_MAX);
        INVARIANT(want != NULL);
        INVARIANT(want->revision == revision);
        INVARIANT(kv.mod_revision == revision);
        INVARIANT(want->sub == kv.sub);
        INVARIANT(want->tombstone == kv.tombstone);
        INVARIANT(slice_eq(want->key, kv.key));
        c->at++;
    }
    INVARIANT(next_wanted(c, revision + 1) == NULL); /* the whole revision */
    return true;
}

static void on_compacted(void *arg, int64_t compact_revision)
{
    struct consumer *c = arg;
    INVARIANT(c->start < compact_revision);
    c->watcher = NULL;
}

static const struct watch_hub_events EVENTS = { on_events, on_compacted };

static void note_and_publish(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct crowd *crowd = arg;
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        crowd->notes =
            mem_grow(crowd->notes, &crowd->cap, crowd->n_notes + 1, sizeof *crowd->notes);
        struct slice key = { mem_dup(kv.key.data, kv.key.len), kv.key.len };
        crowd->notes[crowd->n_notes++] = (struct note){ revision, kv.sub, kv.tombstone, key };
    }
    watch_hub_publish(crowd->hub, revision, records, n);
}

/* Nothing that lies before its next revision is missing. */
static void leave(struct crowd *crowd, struct consumer *c)
{
    if (c->watcher != NULL) {
        INVARIANT(next_wanted(c, watcher_next_revision(c->watcher)) == NULL);
        watch_hub_cancel(crowd->hub, TAKE(c->watcher));
    }
}

static void join(struct crowd *crowd, struct consumer *c)
{
    static const char *const keys[] = { "/", "/a", "/a/3", "/b/1", "/b", "/c/2" };
    static const char *const ends[] = { "", "/b", "/c", "/b/5", "0" };
    struct gen *g = &crowd->gen;
    int64_t revision = store_revision(crowd->store);
    leave(crowd, c);
    struct slice end = slice_str(ends[gen_below(g, 5)]);
    c->options = (struct watch_options){
        .key = slice_str(keys[gen_below(g, 6)]),
        .range_end = gen_below(g, 4) == 0 ? slice_make("", 1) : end,
        .no_put = gen_below(g, 8) == 0,
        .no_delete = gen_below(g, 8) == 0,
        .arg = c,
    };
    const int64_t starts[] = { 0, revision + gen_below(g, 4), revision - gen_below(g, 60) };
    int64_t start = starts[gen_below(g, 3)];
    c->options.start_revision = start < 0 ? 1 : start;
    c->start = c->options.start_revision != 0 ? c->options.start_revision : revision + 1;
    c->at = 0;
    c->stalled = false;
    c->watcher = watch_hub_add(crowd->hub, &c->options);
}

static void command(struct crowd *crowd)
{
    struct command c;
    struct store_result result;
    arena_reset(crowd->gen.arena);
    crowd->gen.revision = store_revision(crowd->store);
    crowd->gen.compact_revision = store_compact_revision(crowd->store);
    gen_command(&crowd->gen, &c);
    store_result_init(&result);
    store_apply(crowd->store, ++crowd->index, &c, &result);
    store_result_fini(&result);
}

/* A snapshot of itself takes the store's place: watchers must notice nothing. */
static void replace(struct crowd *crowd)
{
    struct store_options options = { 0 };
    struct err err = ERR_INIT;
    autobuf bytes = BUF_INIT;
    snapshot_bytes(crowd->store, &bytes);
    struct store *restored = snapshot_restore(buf_slice(&bytes), 997, &options, &err);
    INVARIANT(restored != NULL);
    watch_hub_rebase(crowd->hub, restored);
    store_set_on_events(restored, note_and_publish, crowd);
    store_free(crowd->store);
    crowd->store = restored;
}

static void step(struct crowd *crowd)
{
    unsigned kind = gen_below(&crowd->gen, 100);
    struct consumer *c = &crowd->consumers[gen_below(&crowd->gen, WATCHERS)];
    if (kind < 50) {
        command(crowd);
    } else if (kind < 62) {
        watch_hub_step(crowd->hub, 1 + gen_below(&crowd->gen, 40));
    } else if (kind < 74) {
        c->stalled = !c->stalled;
        if (!c->stalled && c->watcher != NULL) {
            watcher_ready(c->watcher);
        }
    } else if (kind < 90) {
        join(crowd, c);
    } else if (kind < 97) {
        store_compact_step(crowd->store, gen_below(&crowd->gen, 50));
    } else {
        replace(crowd);
    }
}

/* All that want to hear are told everything. */
static void settle(struct crowd *crowd)
{
    for (size_t i = 0; i < WATCHERS; i++) {
        crowd->consumers[i].stalled = false;
        if (crowd->consumers[i].watcher != NULL) {
            watcher_ready(crowd->consumers[i].watcher);
        }
    }
    while (watch_hub_step(crowd->hub, 100)) {
    }
    INVARIANT(watch_hub_lagging(crowd->hub) == 0);
    for (size_t i = 0; i < WATCHERS; i++) {
        leave(crowd, &crowd->consumers[i]);
    }
    INVARIANT(watch_hub_count(crowd->hub) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_options options = { 0 };
    struct arena arena;
    arena_init(&arena);
    struct crowd *crowd = mem_zalloc(sizeof *crowd);
    crowd->gen = (struct gen){ .from_bytes = true, .bytes = slice_make(data, size),
                               .arena = &arena, .keys = 30 };
    crowd->store = store_new(&options);
    crowd->hub = watch_hub_new(crowd->store, &EVENTS);
    store_set_on_events(crowd->store, note_and_publish, crowd);
    for (size_t i = 0; i < WATCHERS; i++) {
        crowd->consumers[i].crowd = crowd;
    }
    for (size_t i = 0; i < STEPS_MAX && !gen_done(&crowd->gen); i++) {
        step(crowd);
    }
    settle(crowd);
    watch_hub_free(crowd->hub);
    store_free(crowd->store);
    for (size_t i = 0; i < crowd->n_notes; i++) {
        mem_free((void *)(uintptr_t)crowd->notes[i].key.data);
    }
    mem_free(crowd->notes);
    mem_free(crowd);
    arena_fini(&arena);
    return 0;
}
