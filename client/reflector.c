/* The reflector; see reflector.h for its states. A list is read in pages at one revision, so a
 * large prefix never makes one huge answer:
 *
 *     page 1: [a/, a0) limit 1000            -> revision R, more
 *     page 2: [last key + \0, a0) at R       -> ...
 *
 * A compaction between two pages fails the list with E_COMPACTED, and it begins anew; the sink is
 * told nothing before the last page has come. */
#include "client/reflector.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/io/timer.h"

#include "client/backoff.h"

enum { REFLECTOR_PAGE = 1000 };

struct reflector {
    struct client *client;
    struct reflector_sink sink;
    void *arg;
    struct rng rng;
    struct buf prefix, prefix_end;
    int64_t revision;       /* the last one told */
    uint32_t failures;
    struct timer again;
    struct client_call *call;
    struct client_watch *watch;

    /* the list under way */
    struct arena arena;
    struct client_kv *kvs;  /* bytes in the arena */
    size_t n_kvs, cap_kvs;
    int64_t list_revision;
};

static void list_next(struct reflector *r);

static void list_drop(struct reflector *r)
{
    arena_reset(&r->arena);
    r->n_kvs = 0;
    r->list_revision = 0;
}

static void list_start(struct reflector *r)
{
    list_drop(r);
    list_next(r);
}

static void on_again(struct timer *t)
{
    list_start(CONTAINER_OF(t, struct reflector, again));
}

static void list_again(struct reflector *r, int status, const struct err *err)
{
    static const struct backoff backoff = { 50, 2000 };

    r->failures++;
    timer_start(&r->again, backoff_delay_ms(&backoff, r->failures, &r->rng));
    if (r->sink.failing != NULL) {
        r->sink.failing(r->arg, status, err);
    }
}

/* --- watch ------------------------------------------------------------------------------------ */

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct reflector *r = arg;

    if (revision > r->revision) {
        r->revision = revision;
    }
    r->sink.events(r->arg, events, n, revision);
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct reflector *r = arg;

    (void)compact_revision;
    r->watch = NULL;
    if (status == E_COMPACTED) {
        timer_start(&r->again, 0); /* we were away too long: the whole state again */
        return;
    }
    list_again(r, status, err);
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct reflector *r = arg;

    if (r->sink.moved != NULL) {
        r->sink.moved(r->arg, endpoint, revision);
    }
}

static void watch_start(struct reflector *r)
{
    struct client_watch_options options = {
        .key = buf_slice(&r->prefix),
        .range_end = buf_slice(&r->prefix_end),
        .start_revision = r->revision + 1,
        .prev_kv = true,
        .progress_notify = true,
        .on_events = on_events,
        .on_end = on_end,
        .on_resume = on_resume,
        .arg = r,
    };

    r->watch = client_watch_start(r->client, &options);
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_keep(struct reflector *r, const struct client_result *result)
{
    r->kvs = mem_grow(r->kvs, &r->cap_kvs, r->n_kvs + result->n_kvs + 1, sizeof *r->kvs);
    for (size_t i = 0; i < result->n_kvs; i++) {
        struct client_kv *kv = &r->kvs[r->n_kvs++];

        *kv = result->kvs[i];
        kv->key = arena_dup_slice(&r->arena, kv->key);
        kv->value = arena_dup_slice(&r->arena, kv->value);
    }
}

static void list_tell(struct reflector *r)
{
    r->failures = 0;
    r->revision = r->list_revision;
    watch_start(r);
    r->sink.list_begin(r->arg);
    for (size_t i = 0; i < r->n_kvs; i++) {
        r->sink.list_item(r->arg, &r->kvs[i]);
    }
    list_drop(r);
    r->sink.list_end(r->arg, r->revision); /* r may be gone after this */
}

static void on_page(void *arg, const struct client_result *result)
{
    struct reflector *r = arg;
    struct err err;

    r->call = NULL;
    if (result->status != 0) {
        list_again(r, result->status, result->err);
        return;
    }
    if (r->list_revision == 0) {
        r->list_revision = result->revision;
        if (r->list_revision < r->revision) {
            err_set(&err, E_MISMATCH,
                    "%s answers at revision %lld, but %lld was seen: it is behind, or a backup",
                    client_endpoint(r->client), (long long)r->list_revision,
                    (long long)r->revision);
            list_again(r, E_MISMATCH, &err);
            return;
        }
    }
    list_keep(r, result);
    if (result->more && result->n_kvs != 0) {
        list_next(r);
        return;
    }
    list_tell(r);
}

static void list_next(struct reflector *r)
{
    struct client_range range = {
        .key = buf_slice(&r->prefix),
        .range_end = buf_slice(&r->prefix_end),
        .limit = REFLECTOR_PAGE,
        .revision = r->list_revision,
    };
    autobuf from = BUF_INIT;

    if (r->n_kvs != 0) {
        buf_append_slice(&from, r->kvs[r->n_kvs - 1].key);
        buf_append_char(&from, 0);
        range.key = buf_slice(&from);
    }
    r->call = client_get(r->client, &range, on_page, r);
}

/* --- life ------------------------------------------------------------------------------------- */

struct reflector *reflector_new(const struct reflector_options *options)
{
    struct reflector *r = mem_zalloc(sizeof *r);

    r->client = options->client;
    r->sink = options->sink;
    r->arg = options->arg;
    rng_init(&r->rng, options->seed);
    buf_append_slice(&r->prefix, options->prefix);
    client_prefix_end(options->prefix, &r->prefix_end);
    arena_init(&r->arena);
    timer_init(client_loop(r->client), &r->again, on_again);
    list_start(r);
    return r;
}

struct reflector *reflector_free(struct reflector *r)
{
    if (r == NULL) {
        return NULL;
    }
    client_call_cancel(r->call);
    client_watch_stop(r->watch);
    timer_stop(&r->again);
    arena_fini(&r->arena);
    mem_free(r->kvs);
    buf_fini(&r->prefix);
    buf_fini(&r->prefix_end);
    mem_free(r);
    return NULL;
}

void reflector_relist(struct reflector *r)
{
    client_call_cancel(TAKE(r->call));
    client_watch_stop(TAKE(r->watch));
    timer_stop(&r->again);
    list_start(r);
}

int64_t reflector_revision(const struct reflector *r)
{
    return r->revision;
}
