/* Plays a scenario against one store with its watch hub and lease clock.
 *
 * A command takes the same road as in a member: checked, encoded, decoded, applied. The clock
 * moves by `wait` only; what runs out then is revoked by one command. What watchers are told is
 * printed after the answer. `restore` (or --restore, after every line) goes on with a store
 * rebuilt from a snapshot: nobody may notice. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/map.h"
#include "store/lease_clock.h"
#include "store/watch_hub.h"
#include "tests/scenario/print.h"
#include "tests/scenario/scenario.h"
#include "tests/unit/store/snapshot_bytes.h"

enum { EXPIRED_MAX = 64, STEP_RECORDS = 4 };

struct watch {
    char *name;
    struct watcher *watcher; /* NULL: cancelled by compaction */
    struct world *world;
    bool with_prev, blocked;
};

struct world {
    struct store_options options;
    struct store *store;
    struct watch_hub *hub;
    struct lease_clock *clock;
    uint64_t index, now_ms;
    struct map watches;      /* name -> struct watch */
    struct buf *trace;
    struct buf told;         /* to watchers, during this line */
};

/* --- what the store calls --------------------------------------------------------------------- */

static bool tell(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct watch *watch = arg;
    struct buf *told = &watch->world->told;
    if (watch->blocked) {
        return false;
    }
    buf_printf(told, "  watch %s, revision %" PRId64 ":", watch->name, revision);
    for (size_t i = 0; i < n; i++) {
        buf_append_str(told, i > 0 ? "," : "");
        print_event(told, records[i], watch->with_prev);
    }
    buf_append_char(told, '\n');
    return true;
}

static void tell_compacted(void *arg, int64_t compact_revision)
{
    struct watch *watch = arg;
    watch->watcher = NULL;
    buf_printf(&watch->world->told, "  watch %s is cancelled: compacted at %" PRId64 "\n",
               watch->name, compact_revision);
}

static const struct watch_hub_events hub_events = { tell, tell_compacted };

static void on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct world *world = arg;
    watch_hub_publish(world->hub, revision, records, n);
}

static void on_lease(void *arg, const struct lease_info *lease, bool removed)
{
    struct world *world = arg;
    if (removed) {
        lease_clock_remove(world->clock, lease->id);
    } else {
        lease_clock_set(world->clock, lease->id, lease->ttl_s, world->now_ms);
    }
}

static void attach(struct world *world)
{
    store_set_on_events(world->store, on_events, world);
    store_set_on_lease(world->store, on_lease, world);
}

/* --- commands --------------------------------------------------------------------------------- */

static void print_result(struct world *world, const struct command *c, struct store_result *r)
{
    struct buf *out = world->trace;
    if (r->status != 0) {
        buf_append_str(out, "  ");
        print_error(out, r->status);
        buf_append_char(out, '\n');
    } else if (c->type == COMMAND_TXN) {
        print_txn(out, &r->txn, 0);
    } else if (c->type == COMMAND_PUT || c->type == COMMAND_DELETE) {
        print_op(out, &r->op, 0);
    } else if (c->type == COMMAND_LEASE_GRANT) {
        buf_printf(out, "  granted %" PRId64 " for %" PRId64 " s\n", r->lease_id, r->lease_ttl_s);
    }
    buf_printf(out, "  revision %" PRId64 "\n", r->revision);
}

static void apply(struct world *world, const struct command *c)
{
    autobuf bytes = BUF_INIT;
    struct store_result r;
    struct command decoded;
    struct arena arena;
    arena_init(&arena);
    command_encode(c, &bytes);
    int rv = command_decode(buf_slice(&bytes), &arena, &decoded);
    INVARIANT(rv == 0);
    store_result_init(&r);
    store_apply(world->store, ++world->index, &decoded, &r);
    print_result(world, c, &r);
    store_result_fini(&r);
    arena_fini(&arena);
}

/* What the server refuses before it proposes. */
static bool refused(struct world *world, int status)
{
    if (status != 0) {
        buf_append_str(world->trace, "  refused: ");
        print_error(world->trace, status);
        buf_append_char(world->trace, '\n');
    }
    return status != 0;
}

static void play_put(struct world *world, struct words *w)
{
    struct command c = { .type = COMMAND_PUT, .put = read_put(w) };
    if (!refused(world, put_check(&c.put))) {
        apply(world, &c);
    }
}

static void play_del(struct world *world, struct words *w)
{
    struct command c = { .type = COMMAND_DELETE, .del = read_delete(w) };
    if (!refused(world, delete_check(&c.del))) {
        apply(world, &c);
    }
}

static void play_txn(struct world *world, struct words *w)
{
    struct command c = { .type = COMMAND_TXN, .txn = read_txn(w) };
    if (refused(world, txn_check(&c.txn, 128))) {
        return;
    }
    if (!txn_is_readonly(&c.txn)) {
        apply(world, &c);
        return;
    }
    struct store_result r; /* never in the log */
    store_result_init(&r);
    r.status = store_txn_read(world->store, &c.txn, &r);
    r.revision = store_revision(world->store);
    print_result(world, &c, &r);
    store_result_fini(&r);
}

static void play_get(struct world *world, struct words *w)
{
    struct range_request request = read_range(w);
    struct range_result result = { 0 };
    if (refused(world, range_check(&request))) {
        return;
    }
    int rv = store_range(world->store, &request, w->arena, &result);
    if (rv != 0) {
        buf_append_str(world->trace, "  ");
        print_error(world->trace, rv);
        buf_append_char(world->trace, '\n');
        return;
    }
    print_range(world->trace, &result, 0, request.keys_only);
    range_result_unref(&result);
}

static void play_compact(struct world *world, struct words *w)
{
    struct command c = { .type = COMMAND_COMPACT };
    c.compact.revision = words_number(w, words_next(w));
    apply(world, &c);
}

static void play_sweep(struct world *world, struct words *w)
{
    (void)w;
    while (store_compact_step(world->store, 3)) {
    }
}

static void play_quota(struct world *world, struct words *w)
{
    PRE(world->index == 0);
    world->options.quota_bytes = words_number(w, words_next(w));
    watch_hub_free(world->hub);
    store_free(world->store);
    world->store = store_new(&world->options);
    world->hub = watch_hub_new(world->store, &hub_events);
    attach(world);
}

/* --- leases and time -------------------------------------------------------------------------- */

static void play_grant(struct world *world, struct words *w)
{
    struct command c = { .type = COMMAND_LEASE_GRANT };
    c.lease_grant.id = words_number(w, words_next(w));
    c.lease_grant.ttl_s = words_number(w, words_next(w));
    apply(world, &c);
}

static void revoke(struct world *world, int64_t *ids, size_t n, bool expired)
{
    struct command c = { .type = COMMAND_LEASE_REVOKE };
    c.lease_revoke.ids = ids;
    c.lease_revoke.n = n;
    c.lease_revoke.expired = expired;
    apply(world, &c);
}

static void play_revoke(struct world *world, struct words *w)
{
    int64_t id = words_number(w, words_next(w));
    revoke(world, &id, 1, false);
}

static void play_keepalive(struct world *world, struct words *w)
{
    int64_t ttl_s;
    if (lease_clock_renew(world->clock, words_number(w, words_next(w)), world->now_ms, &ttl_s)) {
        buf_printf(world->trace, "  ttl %" PRId64 " s\n", ttl_s);
    } else {
        buf_append_str(world->trace, "  ttl 0: no such lease\n");
    }
}

static void play_checkpoint(struct world *world, struct words *w)
{
    struct lease_checkpoint item = { .id = words_number(w, words_next(w)) };
    item.remaining_ttl_s = words_number(w, words_next(w));
    struct command c = { .type = COMMAND_LEASE_CHECKPOINT, .lease_checkpoint = { &item, 1 } };
    apply(world, &c);
}

/* A new leader knows what was checkpointed, and otherwise gives every lease its full time again. */
static void play_elect(struct world *world, struct words *w)
{
    struct lease_info *leases;
    size_t n = store_leases(world->store, w->arena, &leases);
    lease_clock_free(world->clock);
    world->clock = lease_clock_new(world->now_ms);
    for (size_t i = 0; i < n; i++) {
        lease_clock_set_remaining(world->clock, leases[i].id, leases[i].ttl_s,
                                  leases[i].remaining_ttl_s, world->now_ms);
    }
}

static void play_leases(struct world *world, struct words *w)
{
    struct lease_info *leases;
    size_t n = store_leases(world->store, w->arena, &leases);
    for (size_t i = 0; i < n; i++) {
        int64_t left = lease_clock_remaining_ms(world->clock, leases[i].id, world->now_ms);
        buf_printf(world->trace, "  lease %" PRId64 ": ttl %" PRId64 " s, left %" PRId64 " s, keys",
                   leases[i].id, leases[i].ttl_s, (left + 999) / 1000);
        struct slice *keys;
        size_t n_keys = store_lease_keys(world->store, leases[i].id, w->arena, &keys);
        for (size_t k = 0; k < n_keys; k++) {
            buf_append_char(world->trace, ' ');
            buf_append_slice(world->trace, keys[k]);
        }
        buf_append_char(world->trace, '\n');
    }
    buf_printf(world->trace, "  %zu leases\n", n);
}

static void play_wait(struct world *world, struct words *w)
{
    int64_t ids[EXPIRED_MAX];
    world->now_ms += (uint64_t)words_time(w, words_next(w));
    size_t n = lease_clock_expired(world->clock, world->now_ms, ids, EXPIRED_MAX);
    if (n > 0) {
        buf_printf(world->trace, "  %zu leases ran out\n", n);
        revoke(world, ids, n, true);
    }
}

/* --- watches ---------------------------------------------------------------------------------- */

static void play_watch(struct world *world, struct words *w)
{
    struct watch *watch = mem_zalloc(sizeof *watch);
    watch->name = mem_strdup(words_next(w));
    watch->world = world;
    struct watch_options o = { .arg = watch };
    read_keys(w, words_next(w), &o.key, &o.range_end);
    while (words_peek(w) != NULL) {
        const char *from = words_option(w, "from");
        if (from != NULL) {
            o.start_revision = words_number(w, from);
        } else if (words_accept(w, "prev")) {
            watch->with_prev = true;
        } else if (words_accept(w, "no-put")) {
            o.no_put = true;
        } else if (words_accept(w, "no-delete")) {
            o.no_delete = true;
        } else {
            break;
        }
    }
    watch->watcher = watch_hub_add(world->hub, &o);
    map_put_str(&world->watches, watch->name, watch);
}

static struct watch *watch_of(struct world *world, struct words *w)
{
    struct watch *watch = map_get_str(&world->watches, words_next(w));
    if (watch == NULL) {
        words_fail(w, "no such watch");
    }
    return watch;
}

static void watch_free(struct watch *watch)
{
    if (watch->watcher != NULL) {
        watch_hub_cancel(watch->world->hub, watch->watcher);
    }
    mem_free(watch->name);
    mem_free(watch);
}

static void play_cancel(struct world *world, struct words *w)
{
    struct watch *watch = watch_of(world, w);
    map_remove(&world->watches, slice_str(watch->name));
    watch_free(watch);
}

/* Its consumer does not read for a while. */
static void play_block(struct world *world, struct words *w)
{
    watch_of(world, w)->blocked = true;
}

static void play_read(struct world *world, struct words *w)
{
    struct watch *watch = watch_of(world, w);
    watch->blocked = false;
    if (watch->watcher != NULL) {
        watcher_ready(watch->watcher);
    }
}

/* --- snapshots -------------------------------------------------------------------------------- */

static void restore(void *arg)
{
    struct world *world = arg;
    autobuf bytes = BUF_INIT;
    struct err err = ERR_INIT;
    snapshot_bytes(world->store, &bytes);
    struct store *next = snapshot_restore(buf_slice(&bytes), 100, &world->options, &err);
    INVARIANT(next != NULL);
    INVARIANT(store_digest(next) == store_digest(world->store));
    watch_hub_rebase(world->hub, next);
    store_free(world->store);
    world->store = next;
    attach(world);
}

static void play_restore(struct world *world, struct words *w)
{
    (void)w;
    restore(world);
}

/* --- the player ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*play)(struct world *world, struct words *w);
} verbs[] = {
    { "put", play_put },
    { "get", play_get },
    { "del", play_del },
    { "txn", play_txn },
    { "compact", play_compact },
    { "sweep", play_sweep },
    { "quota", play_quota },
    { "grant", play_grant },
    { "revoke", play_revoke },
    { "keepalive", play_keepalive },
    { "checkpoint", play_checkpoint },
    { "elect", play_elect },
    { "leases", play_leases },
    { "wait", play_wait },
    { "watch", play_watch },
    { "cancel", play_cancel },
    { "block", play_block },
    { "read", play_read },
    { "restore", play_restore },
};

static void play(void *arg, struct words *w)
{
    struct world *world = arg;
    const char *verb = words_next(w);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, verb) == 0) {
            verbs[i].play(world, w);
            while (watch_hub_step(world->hub, STEP_RECORDS)) {
            }
            buf_append_slice(world->trace, buf_slice(&world->told));
            buf_reset(&world->told);
            return;
        }
    }
    words_fail(w, "no such verb");
}

static void *begin(struct buf *trace)
{
    struct world *world = mem_zalloc(sizeof *world);
    world->trace = trace;
    world->store = store_new(&world->options);
    world->hub = watch_hub_new(world->store, &hub_events);
    world->clock = lease_clock_new(0);
    map_init(&world->watches);
    attach(world);
    return world;
}

static void end(void *arg)
{
    struct world *world = arg;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&world->watches, &at)) != NULL) {
        watch_free(e->value);
    }
    map_fini(&world->watches);
    watch_hub_free(world->hub);
    lease_clock_free(world->clock);
    store_free(world->store);
    buf_fini(&world->told);
    mem_free(world);
}

const struct player player_store = { begin, play, restore, end };
