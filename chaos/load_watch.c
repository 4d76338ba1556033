/* Watchers, each through a client library of its own that begins at another member and resumes
 * elsewhere by itself: one of everything (which also tells when each revision was first seen), some
 * of parts, and some that end and begin anew, now and then from the past. Everything they are told
 * is recorded for the checkers. */
#include <string.h>

#include "chaos/load.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { WATCHERS = 5, LIFE_MIN_MS = 1500, LIFE_MAX_MS = 6000, BACK_REVISIONS = 60 };

struct watcher {
    struct loads *loads;
    struct client *client;
    struct client_watch *watch;
    struct check_watch *facts; /* NULL: no room was left for it */
    struct timer life; /* of one that begins anew */
    uint32_t number;
    bool everything, prev_kv, restless, ended, created;
    char key[96], end[96];
    int64_t told; /* the last revision it was told */
};

struct load_watch {
    struct watcher watchers[WATCHERS];
};

static int64_t now_us(const struct watcher *w)
{
    return ops_now_us(w->loads->ops);
}

static uint32_t member_of(const struct loads *l, const char *endpoint)
{
    for (size_t i = 0; i < l->target->n_members; i++) {
        if (str_eq(l->target->members[i].endpoint, endpoint)) {
            return (uint32_t)i;
        }
    }
    return 0;
}

static struct slice key_of(const struct watcher *w)
{
    return w->everything ? slice_make("\0", 1) : slice_str(w->key);
}

static struct slice end_of(const struct watcher *w)
{
    return w->everything ? slice_make("\0", 1) : slice_str(w->end);
}

static void asked(struct watcher *w, int64_t start_revision)
{
    struct check_watch_request r = { .key = key_of(w),
                                     .range_end = end_of(w),
                                     .start_revision = start_revision,
                                     .prev_kv = w->prev_kv };
    if (w->facts != NULL) {
        check_watch_asked(w->facts, now_us(w), member_of(w->loads, client_endpoint(w->client)), &r,
                          0);
    }
}

/* The library tells of a creation only when it resumed: of the first one, what comes tells. */
static void created(struct watcher *w, int64_t revision)
{
    if (w->facts != NULL && !w->created) {
        check_watch_created(w->facts, now_us(w), revision);
    }
    w->created = true;
}

static void saw(struct loads *l, int64_t revision, int64_t at_us)
{
    if (l->n_seen > 0 && l->seen[l->n_seen - 1].revision >= revision) {
        return;
    }
    l->seen = mem_grow(l->seen, &l->cap_seen, l->n_seen + 1, sizeof *l->seen);
    l->seen[l->n_seen++] = (struct load_seen){ revision, at_us };
}

static struct check_kv kv_of(const struct client_kv *kv)
{
    return (struct check_kv){ .key = kv->key,
                              .value = kv->value,
                              .create_revision = kv->create_revision,
                              .mod_revision = kv->mod_revision,
                              .version = kv->version,
                              .lease = kv->lease };
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watcher *w = arg;
    created(w, revision);
    w->told = revision > w->told ? revision : w->told;
    if (n == 0) {
        if (w->facts != NULL) {
            check_watch_progress(w->facts, now_us(w), revision);
        }
        return;
    }
    autofree struct check_watch_event *list = mem_zalloc(n * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i].kv = kv_of(&events[i].kv);
        list[i].deleted = events[i].type == EVENT_DELETE;
        list[i].has_prev = events[i].has_prev;
        list[i].prev = kv_of(&events[i].prev);
        if (w->everything) {
            saw(w->loads, events[i].kv.mod_revision, now_us(w));
        }
    }
    if (w->facts != NULL) {
        check_watch_events(w->facts, now_us(w), revision, false, list, n);
    }
    chaos_report_add_counter(w->loads->report, "watch events", n);
}

static void on_resume(void *arg, const char *endpoint, int64_t resume_revision)
{
    struct watcher *w = arg;
    (void)endpoint;
    if (w->facts != NULL) {
        check_watch_lost(w->facts, now_us(w));
    }
    /* It may resume at a bookmark's own revision, where our log has not begun. */
    int64_t first = w->loads->start_revision + 1;
    asked(w, resume_revision > first ? resume_revision : first);
    w->created = false;
    created(w, resume_revision);
    chaos_report_add_counter(w->loads->report, "watches resumed", 1);
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct watcher *w = arg;
    w->watch = NULL;
    w->ended = true;
    (void)status;
    if (w->facts != NULL) {
        check_watch_canceled(w->facts, now_us(w), w->told, compact_revision);
    }
    chaos_report_add_error(w->loads->report, err != NULL ? err->msg : "a watch was ended", 1);
}

/* Each life of a watcher is a watch of its own for the checkers. */
static void begin(struct watcher *w, int64_t start_revision)
{
    struct loads *l = w->loads;
    struct client_watch_options o = { .key = key_of(w),
                                      .range_end = end_of(w),
                                      .start_revision = start_revision,
                                      .prev_kv = w->prev_kv,
                                      .on_events = on_events,
                                      .on_end = on_end,
                                      .on_resume = on_resume,
                                      .arg = w };
    w->facts = NULL;
    if (l->n_watches < LOAD_WATCHES_MAX) {
        w->facts = check_watch_new(l->pool, w->number, (uint32_t)l->n_watches);
    }
    if (w->facts != NULL) {
        l->watches[l->n_watches++] = w->facts;
    }
    asked(w, start_revision);
    w->created = false;
    w->told = start_revision - 1;
    w->watch = client_watch_start(w->client, &o);
}

static void on_life(struct timer *t)
{
    struct watcher *w = CONTAINER_OF(t, struct watcher, life);
    struct loads *l = w->loads;
    if (!l->running) {
        return; /* the last one stays, to be told the rest */
    }
    if (w->watch != NULL) {
        client_watch_stop(w->watch);
        if (w->facts != NULL) {
            check_watch_lost(w->facts, now_us(w));
        }
    }
    int64_t back = rng_chance(&l->rng, 0.5) ? (int64_t)rng_range(&l->rng, 0, BACK_REVISIONS) : 0;
    int64_t from = w->told + 1 - back;
    begin(w, from > l->start_revision ? from : l->start_revision + 1);
    timer_start(t, rng_range(&l->rng, LIFE_MIN_MS, LIFE_MAX_MS));
}

static int open_client(struct watcher *w, size_t first)
{
    struct loads *l = w->loads;
    const char *endpoints[TARGET_MEMBERS_MAX];
    size_t n = l->target->n_members;
    for (size_t i = 0; i < n; i++) {
        endpoints[i] = l->target->members[(first + i) % n].endpoint;
    }
    struct client_options o = {
        .loop = l->loop, .endpoints = endpoints, .n_endpoints = n, .seed = l->seed + w->number
    };
    struct err err = ERR_INIT;
    int rv = client_new(&o, &w->client, &err);
    if (rv != 0) {
        chaos_report_add_error(l->report, err.msg, 1);
    }
    return rv;
}

void load_watch_start(struct loads *l)
{
    static const struct {
        const char *from, *to; /* NULL = everything */
        bool prev_kv, restless;
    } kinds[WATCHERS] = {
        { NULL, NULL, false, false },  { "kv/", "kv0", true, false },
        { "kv/", "kv0", false, true }, { "lease/", "lease0", true, true },
        { "", "~", true, true },
    };
    l->watch = mem_zalloc(sizeof *l->watch);
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &l->watch->watchers[i];
        w->loads = l;
        w->number = l->n_clients++;
        w->everything = kinds[i].from == NULL;
        w->prev_kv = kinds[i].prev_kv;
        w->restless = kinds[i].restless;
        if (!w->everything) {
            loads_key(l, w->key, "%s", kinds[i].from);
            loads_key(l, w->end, "%s", kinds[i].to);
        }
        timer_init(l->loop, &w->life, on_life);
        if (open_client(w, i) == 0) {
            begin(w, l->start_revision + 1);
        }
        if (w->restless) {
            timer_start(&w->life, rng_range(&l->rng, LIFE_MIN_MS, LIFE_MAX_MS));
        }
    }
}

/* Nothing new is written: has everybody been told everything? Parts ask for a bookmark. */
bool load_watch_settled(struct loads *l)
{
    bool all = true;
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &l->watch->watchers[i];
        if (w->watch != NULL && w->told < l->end_revision) {
            client_watch_progress(w->client);
            all = false;
        }
    }
    return all;
}

int64_t load_watch_end(struct loads *l)
{
    int64_t most = 0;
    for (size_t i = 0; l->watch != NULL && i < WATCHERS; i++) {
        struct watcher *w = &l->watch->watchers[i];
        most = w->told > most ? w->told : most;
        timer_stop(&w->life);
        if (w->watch != NULL) {
            client_watch_stop(TAKE(w->watch));
        }
    }
    return most;
}

void load_watch_free(struct loads *l)
{
    for (size_t i = 0; l->watch != NULL && i < WATCHERS; i++) {
        struct watcher *w = &l->watch->watchers[i];
        timer_stop(&w->life);
        if (w->watch != NULL) {
            client_watch_stop(w->watch);
        }
        if (w->client != NULL) {
            client_free(w->client);
        }
    }
    mem_free(l->watch);
    l->watch = NULL;
}
