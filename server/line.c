/* Standing in line (line.h), on this member's own store and watch hub.
 *
 *   enter: the key is written where it is missing (one entry in the log)
 *     -> look: somebody older? --no--> won
 *                 | yes
 *                 v
 *   [WAITING] the next older key's deletion is watched, and our own key's: no polling, and a
 *     |       deletion wakes one call, not all
 *     v
 *   look: somebody older? --yes--> [WAITING]
 *     | no
 *     v
 *   [CHECKING] one ReadIndex wait: what this member sees may be old, and the lease may have ended
 *     |        since. Then look once more --> won, or lost
 *
 *   the call ends before: [LEAVING] the key is deleted, if it is still the one we wrote
 *
 * The first look needs no ReadIndex: the state is that of our own entry, which was committed after
 * the call began. A place cannot be overtaken: keys that come later have greater create revisions.
 *
 * Ways to fail: the place is lost while waiting (its lease ended, somebody deleted the key): the
 * call hears so at once. Without quorum a check is asked again until there is one: a wait outlives
 * elections. An entry whose outcome stays unknown may leave a key, which its lease removes. */
#include "server/line.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/rng.h"
#include "lib/io/timer.h"
#include "server/guard.h"
#include "server/internal.h"

enum {
    AGAIN_MS = 100,         /* without quorum */
    WITHIN_MS = 5000,       /* an entry, a check; the latter are asked for again after it */
    PLACE_BYTES = 1024,     /* with its two watchers, beside its key */
    KEY_COPIES = 3,
};

enum place_state { WAITING, CHECKING, LEAVING };

struct place_watch {
    struct place *place;
    struct watcher *watcher; /* NULL: none */
};

struct place {
    struct list link; /* server.line */
    struct server *server;
    struct rpc_call *call; /* NULL when it has ended */
    const struct line_request *request; /* lives with the call */
    enum place_state state;
    struct slice key; /* owned, as the call may end before */
    size_t prefix_len;
    int64_t revision; /* our key's create revision */
    struct place_watch older, own;
    struct ready look;
    struct timer again;
    struct rnode_read check;
    struct rnode_proposal leaving;
    size_t bytes; /* counted in server.watch_bytes */
};

/* What the call's data is. */
struct line_entry {
    struct line_request *request;
    struct slice key;
    struct place *place; /* NULL until the key stands */
};

struct slice server_line_prefix(struct arena *arena, struct slice name, struct slice *ret_end)
{
    uint8_t *bytes = arena_alloc(arena, 2 * (name.len + 1));
    for (size_t i = 0; i < 2; i++) {
        uint8_t *at = bytes + i * (name.len + 1);
        if (name.len > 0) {
            memcpy(at, name.data, name.len);
        }
        at[name.len] = i == 0 ? '/' : '/' + 1;
    }
    *ret_end = slice_make(bytes + name.len + 1, name.len + 1);
    return slice_make(bytes, name.len + 1);
}

/* etcd formats the id as a signed number. */
static struct slice key_of(struct arena *arena, struct slice name, int64_t lease)
{
    uint64_t size = lease < 0 ? 0 - (uint64_t)lease : (uint64_t)lease;
    uint8_t *bytes = arena_alloc(arena, name.len + 32);
    if (name.len > 0) {
        memcpy(bytes, name.data, name.len);
    }
    int n = snprintf((char *)bytes + name.len, 32, "/%s%" PRIx64, lease < 0 ? "-" : "", size);
    return slice_make(bytes, name.len + (size_t)n);
}

void server_line_fail(struct rpc_call *call, int err)
{
    const char *text;
    status_from_err(err, &text);
    rpc_fail(call, GRPC_UNKNOWN, text);
}

/* --- a place ---------------------------------------------------------------------------------- */

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct place_watch *w = arg;
    (void)revision;
    (void)records;
    (void)n;
    loop_ready(w->place->server->loop, &w->place->look);
    return true;
}

/* This member was behind by more than there is history of: the state itself tells. */
static void on_compacted(void *arg, int64_t compact_revision)
{
    struct place_watch *w = arg;
    (void)compact_revision;
    w->watcher = NULL;
    loop_ready(w->place->server->loop, &w->place->look);
}

static const struct watch_hub_events place_events = { on_events, on_compacted };

static void unwatch(struct place_watch *w)
{
    if (w->watcher != NULL) {
        watch_hub_cancel(w->place->server->hub, TAKE(w->watcher));
    }
}

/* The deletion of a key, from now on. */
static void watch(struct place_watch *w, struct slice key)
{
    struct watch_options options = { .key = key, .no_put = true, .events = &place_events,
                                     .arg = w };
    w->watcher = watch_hub_add(w->place->server->hub, &options);
}

static void place_free(struct place *p)
{
    struct server *s = p->server;
    unwatch(&p->older);
    unwatch(&p->own);
    ready_cancel(&p->look);
    timer_stop(&p->again);
    list_remove(&p->link);
    s->line_n--;
    s->watch_bytes -= p->bytes;
    mem_free((void *)(uintptr_t)p->key.data);
    mem_free(p);
}

/* Who stands before us: the youngest of the older keys, so that each deletion wakes one. False:
 * nobody. */
static bool find_older(struct place *p, struct arena *arena, struct slice *ret_key)
{
    struct slice end;
    struct slice name = slice_make(p->key.data, p->prefix_len - 1);
    struct range_request r = { .key = server_line_prefix(arena, name, &end), .limit = 1,
                               .sort_order = SORT_DESCEND, .sort_target = SORT_CREATE,
                               .max_create_revision = p->revision - 1 };
    struct range_result result = { 0 };
    r.range_end = end;
    bool found = store_range(p->server->store, &r, arena, &result) == 0 && result.n > 0;
    if (found) {
        struct kv_view v;
        record_view(result.kvs[0], &v);
        *ret_key = arena_dup_slice(arena, v.key);
    }
    range_result_unref(&result);
    return found;
}

static bool own_stands(struct place *p, struct arena *arena)
{
    struct range_request r = { .key = p->key };
    struct range_result result = { 0 };
    struct kv_view v = { 0 };
    if (store_range(p->server->store, &r, arena, &result) == 0 && result.n > 0) {
        record_view(result.kvs[0], &v);
    }
    range_result_unref(&result);
    return v.create_revision == p->revision;
}

static void won(struct place *p)
{
    struct line_won w = { .request = p->request, .key = p->key, .create_revision = p->revision,
                          .revision = store_revision(p->server->store) };
    rpc_call_set_data(p->call, NULL);
    p->request->won(p->call, &w);
    place_free(p);
}

static void lost(struct place *p)
{
    rpc_call_set_data(p->call, NULL);
    rpc_fail(p->call, GRPC_UNKNOWN, p->request->lost);
    place_free(p);
}

/* `sure`: the state is known to be recent enough to win by. */
static void place_step(struct place *p, bool sure)
{
    struct arena arena;
    struct slice older;
    arena_init(&arena);
    unwatch(&p->older);
    p->state = WAITING;
    if (!own_stands(p, &arena)) {
        lost(p);
    } else if (find_older(p, &arena, &older)) {
        watch(&p->older, older);
        if (p->own.watcher == NULL) {
            watch(&p->own, p->key);
        }
    } else if (sure) {
        won(p);
    } else {
        p->state = CHECKING;
        rnode_read_index(p->server->node, &p->check, WITHIN_MS);
    }
    arena_fini(&arena);
}

static void place_look(struct ready *r)
{
    struct place *p = CONTAINER_OF(r, struct place, look);
    if (p->state == WAITING) {
        place_step(p, false);
    }
}

static void place_checked(struct rnode_read *check, int status)
{
    struct place *p = CONTAINER_OF(check, struct place, check);
    if (status == 0) {
        place_step(p, true);
    } else {
        timer_start(&p->again, AGAIN_MS);
    }
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void leave(struct place *p)
{
    struct compare ours = { .result = COMPARE_EQUAL, .target = COMPARE_CREATE, .key = p->key,
                            .number = p->revision };
    struct op del = { .type = OP_DELETE, .del = { .key = p->key } };
    struct command c = { .type = COMMAND_TXN,
                         .txn = { .compare = &ours, .n_compare = 1, .success = &del,
                                  .n_success = 1 } };
    server_propose_own(p->server, &p->leaving, &c, WITHIN_MS); /* whoever asked, and may do now */
}

/* It may be tried again: what is not ours any more is left alone. */
static void place_left(struct rnode_proposal *proposal, int status)
{
    struct place *p = CONTAINER_OF(proposal, struct place, leaving);
    if (status == 0) {
        place_free(p);
    } else {
        timer_start(&p->again, AGAIN_MS);
    }
}

static void place_again(struct timer *t)
{
    struct place *p = CONTAINER_OF(t, struct place, again);
    struct arena arena;
    arena_init(&arena);
    if (p->state == LEAVING && !own_stands(p, &arena)) {
        place_free(p);
    } else if (p->state == LEAVING) {
        leave(p);
    } else {
        place_step(p, false);
    }
    arena_fini(&arena);
}

/* Another call of this member waits at the same place, with the same lease. */
static bool shared(const struct place *p)
{
    LIST_FOREACH(l, &p->server->line)
    {
        const struct place *q = LIST_ENTRY(l, struct place, link);
        if (q != p && q->revision == p->revision && q->state != LEAVING &&
            slice_eq(q->key, p->key)) {
            return true;
        }
    }
    return false;
}

/* The call has ended, or there is no room for it. */
static void place_leave(struct place *p)
{
    if (p->state == CHECKING && !timer_active(&p->again)) {
        rnode_read_forget(p->server->node, &p->check);
    }
    timer_stop(&p->again);
    unwatch(&p->older);
    unwatch(&p->own);
    p->state = LEAVING;
    p->call = NULL;
    if (shared(p)) {
        place_free(p);
    } else {
        leave(p);
    }
}

void server_line_closed(struct rpc_call *call)
{
    const struct line_entry *e = rpc_call_data(call);
    if (e == NULL || e->place == NULL) {
        return; /* entered looks at it */
    }
    place_leave(e->place);
    rpc_call_set_data(call, NULL);
    rpc_fail_err(call, E_CANCELED);
}

void server_line_stop(struct server *s)
{
    struct list *l;
    while ((l = list_first(&s->line)) != NULL) {
        struct place *p = LIST_ENTRY(l, struct place, link);
        if (p->state == CHECKING && !timer_active(&p->again)) {
            rnode_read_forget(s->node, &p->check);
        } else if (p->state == LEAVING && !timer_active(&p->again)) {
            rnode_propose_forget(s->node, &p->leaving);
        }
        if (p->call != NULL) {
            rpc_call_set_data(p->call, NULL);
            rpc_fail_err(p->call, E_STOPPED);
        }
        place_free(p);
    }
}

/* --- entering --------------------------------------------------------------------------------- */

static struct place *place_new(struct server *s, struct rpc_call *call, struct line_entry *e,
                               int64_t revision)
{
    struct place *p = mem_zalloc(sizeof *p);
    p->server = s;
    p->call = call;
    p->request = e->request;
    p->key = slice_make(mem_dup(e->key.data, e->key.len), e->key.len);
    p->prefix_len = e->request->name.len + 1;
    p->revision = revision;
    p->older.place = p->own.place = p;
    p->check.done = place_checked;
    p->leaving.done = place_left;
    p->bytes = PLACE_BYTES + KEY_COPIES * e->key.len;
    ready_init(&p->look, place_look);
    timer_init(s->loop, &p->again, place_again);
    list_push_back(&s->line, &p->link);
    s->line_n++;
    s->watch_bytes += p->bytes;
    return p;
}

static bool is_full(const struct server *s, const struct line_entry *e)
{
    size_t bytes = PLACE_BYTES + KEY_COPIES * e->key.len;
    return s->line_n >= LIMIT_LINE_PLACES || s->watch_bytes + bytes > LIMIT_WATCHES_BYTES;
}

/* The key stands: written now, or before. */
static void entered(struct write_call *w)
{
    struct server *s = w->server;
    struct line_entry *e = rpc_call_data(w->call);
    int64_t revision = w->result.revision;
    bool full = is_full(s, e);
    if (w->result.status != 0) {
        server_line_fail(w->call, w->result.status);
        return;
    }
    if (!w->result.txn.succeeded) {
        struct kv_view v;
        record_view(w->result.txn.ops[0].range.kvs[0], &v);
        revision = v.create_revision;
    }
    if (s->closing) {
        rpc_fail_err(w->call, E_STOPPED);
        return;
    }
    struct place *p = place_new(s, w->call, e, revision);
    e->place = p;
    if (full || rpc_call_closed(w->call)) {
        rpc_call_set_data(w->call, NULL);
        rpc_fail_err(w->call, full ? E_TOO_MANY_REQUESTS : E_CANCELED);
        place_leave(p);
    } else {
        place_step(p, true);
    }
}

/* If our key is missing, put it; otherwise tell its create revision, and put another value. */
static void enter(struct server *s, struct rpc_call *call, struct line_entry *e)
{
    const struct line_request *r = e->request;
    e->key = key_of(rpc_call_arena(call), r->name, r->lease);
    struct compare missing = { .result = COMPARE_EQUAL, .target = COMPARE_CREATE, .key = e->key };
    struct compare same = { .result = COMPARE_EQUAL, .target = COMPARE_VALUE, .key = e->key,
                            .value = r->value };
    struct op put = { .type = OP_PUT, .put = { .key = e->key, .value = r->value,
                                               .lease = r->lease } };
    struct txn_request replace = { .compare = &same, .n_compare = 1, .failure = &put,
                                   .n_failure = 1 };
    struct op have[] = { { .type = OP_RANGE, .range = { .key = e->key } },
                         { .type = OP_TXN, .txn = &replace } };
    struct command c = { .type = COMMAND_TXN,
                         .txn = { .compare = &missing, .n_compare = 1, .success = &put,
                                  .n_success = 1, .failure = have,
                                  .n_failure = ARRAY_LEN(have) } };
    server_write_within(s, call, &c, WITHIN_MS, entered);
}

static void granted(struct write_call *w)
{
    struct line_entry *e = rpc_call_data(w->call);
    if (w->result.status != 0) {
        server_line_fail(w->call, w->result.status);
        return;
    }
    e->request->lease = w->result.lease_id;
    enter(w->server, w->call, e);
}

void server_line_enter(struct server *s, struct rpc_call *call, struct line_request *r)
{
    struct line_entry *e = arena_zalloc(rpc_call_arena(call), sizeof *e);
    e->request = r;
    rpc_call_set_data(call, e);
    struct slice end, prefix = server_line_prefix(rpc_call_arena(call), r->name, &end);
    int rv = server_may_read(s, call, prefix, end); /* a line tells who else stands in it */
    if (rv != 0) {
        server_line_fail(call, rv);
    } else if (is_full(s, e)) {
        rpc_fail_err(call, E_TOO_MANY_REQUESTS);
    } else if (r->lease != 0) {
        enter(s, call, e);
    } else {
        struct command c = { .type = COMMAND_LEASE_GRANT, .lease_grant = { 0, LINE_LEASE_S } };
        while (c.lease_grant.id == 0) {
            c.lease_grant.id = (int64_t)(rng_u64(s->rng) & INT64_MAX);
        }
        server_write(s, call, &c, granted);
    }
}
