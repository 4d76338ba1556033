/* The store as consensus sees it: apply, digest, snapshot and restore (struct rnode_fsm).
 *
 * Ways to fail: a command that cannot be decoded after commit, or bytes of a snapshot that do
 * not add up, are this machine's (or a newer version's) fault: the member must not go on,
 * options.fatal ends it. */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "server/internal.h"

void server_fatal(void *arg, const struct err *err)
{
    struct server *s = arg;
    if (s->options.fatal != NULL) {
        s->options.fatal(s->options.arg, err);
        UNREACHABLE();
    }
    log_error("server", "this member cannot go on", "error=\"%s\"", err->msg);
    log_stop();
    _Exit(1);
}

static void on_apply(void *arg, uint64_t index, uint64_t term, struct slice bytes,
                     struct rnode_proposal *own)
{
    struct server *s = arg;
    (void)term;
    struct arena arena;
    arena_init(&arena);
    struct command c;
    int rv = command_decode(bytes, &arena, &c);
    if (rv != 0) {
        struct err err = ERR_INIT;
        err_set(&err, rv,
                "log entry %" PRIu64 " is not a command this version knows (%s): was it written "
                                     "by a "
                "newer barque? Next: start the version that wrote it",
                index, err_text(rv));
        server_fatal(s, &err);
    }
    struct store_result *wanted = own != NULL ? server_write_result(own) : NULL, unwanted;
    store_result_init(&unwanted);
    store_apply(s->store, index, &c, wanted != NULL ? wanted : &unwanted);
    store_result_fini(&unwanted);
    if (c.type == COMMAND_COMPACT) {
        s->compacting = true;
    }
    arena_fini(&arena);
}

static void on_apply_end(void *arg, uint64_t applied)
{
    struct server *s = arg;
    (void)applied;
    server_wake_background(s);
}

static void on_store_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct server *s = arg;
    server_watch_publish(s, revision, records, n);
}

void server_follow_store(struct server *s)
{
    store_set_on_events(s->store, on_store_events, s);
    store_set_on_lease(s->store, server_lease_changed, s);
}

static uint64_t on_digest(void *arg)
{
    return store_digest(((struct server *)arg)->store);
}

static void *on_snapshot_pin(void *arg)
{
    return store_pin(((struct server *)arg)->store);
}

static int on_snapshot_next(void *arg, void *pin, struct buf *out)
{
    (void)arg;
    return store_pin_next(pin, out);
}

static void on_snapshot_unpin(void *arg, void *pin)
{
    struct server *s = arg;
    store_unpin(s->store, pin);
    s->compacting = true; /* a compaction waits while anything is pinned */
    server_wake_background(s);
}

/* --- who reads it beside the loop ------------------------------------------------------------- */

static bool is_held(const struct server *s, const struct store *store)
{
    LIST_FOREACH(it, &s->holds) {
        if (LIST_ENTRY(it, struct store_hold, link)->store == store) {
            return true;
        }
    }
    return false;
}

void server_hold_store(struct server *s, struct store_hold *hold)
{
    hold->store = s->store;
    list_push_back(&s->holds, &hold->link);
}

void server_release_store(struct server *s, struct store_hold *hold)
{
    list_remove(&hold->link);
    if (hold->store == s->store) {
        s->compacting = true; /* a compaction waits while anything is pinned */
        server_wake_background(s);
    } else if (!is_held(s, hold->store)) {
        store_free(hold->store);
    }
}

/* --- a snapshot from the leader --------------------------------------------------------------- */

static void *on_restore_begin(void *arg)
{
    return store_restore_begin(&((struct server *)arg)->store_options);
}

static int on_restore_chunk(void *arg, void *restore, struct slice bytes, struct err *err)
{
    (void)arg;
    return store_restore_chunk(restore, bytes, err);
}

static int on_restore_commit(void *arg, void *restore, uint64_t index, struct err *err)
{
    struct server *s = arg;
    (void)index;
    struct store *store = NULL;
    int rv = store_restore_finish(restore, &store, err);
    if (rv != 0) {
        return rv;
    }
    struct store *old = s->store;
    s->store = store;
    server_follow_store(s);
    watch_hub_rebase(s->hub, store);
    if (!is_held(s, old) || BUG(BUG_BACKUP_STORE_FREED)) {
        store_free(old);
    }
    if (s->lease_clock != NULL) { /* a leader of a moment ago: its leases are other ones now */
        server_lease_leading(s, true);
    }
    s->compacting = true;
    server_wake_background(s);
    return 0;
}

static void on_restore_abort(void *arg, void *restore)
{
    (void)arg;
    store_restore_abort(restore);
}

struct rnode_fsm server_fsm(struct server *s)
{
    return (struct rnode_fsm){
        .arg = s,
        .apply = on_apply,
        .apply_end = on_apply_end,
        .snapshot_pin = on_snapshot_pin,
        .snapshot_next = on_snapshot_next,
        .snapshot_unpin = on_snapshot_unpin,
        .restore_begin = on_restore_begin,
        .restore_chunk = on_restore_chunk,
        .restore_commit = on_restore_commit,
        .restore_abort = on_restore_abort,
        .digest = on_digest,
    };
}
