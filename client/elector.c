/* Leader election; see elector.h.
 *
 *     lease granted ----> create <election>/<lease> ----> the mirror shows it as the oldest ---->
 *     leads
 *          ^                                                                                      |
 *          +------- the lease is lost, or the key is gone <---------------------------------------+
 *
 * The mirror is a reflector of the election's prefix: the contenders with their create revisions.
 * We lead when ours is the smallest there, the mirror has seen our own key, and the lease holds on
 * our own clock; each of the three is looked at whenever one of them changes, in `judge`. */
#include "client/elector.h"

#include "client/backoff.h"
#include "client/reflector.h"
#include "lib/base/alloc.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/base/str.h"
#include "lib/io/timer.h"

struct contender {
    int64_t create_revision;
    char *identity;
};

struct elector {
    struct client *client;
    struct rng rng;
    struct buf prefix; /* "<election>/" */
    char *identity;
    int64_t ttl_s;
    void (*on_leading)(void *arg, bool leading, int64_t fence);
    void (*on_leader)(void *arg, const char *identity);
    void *arg;

    struct client_lease *lease;
    uint64_t deadline_ms;  /* the lease certainly holds until then */
    struct buf key;        /* ours; empty = not created yet */
    int64_t fence;         /* its create revision; 0 = not (yet) there */
    struct client_call *create;
    uint32_t failures;
    struct timer timer;    /* the lease's deadline */
    struct timer again;    /* another try to create, or a new lease */

    struct reflector *mirror;
    struct map contenders; /* key -> struct contender */
    struct map listed;     /* keys of the list under way */
    bool leading;
    char *leader;
};

static void stand(struct elector *e);
static void key_create(struct elector *e);

/* --- who leads -------------------------------------------------------------------------------- */

static const struct contender *oldest(const struct elector *e)
{
    const struct contender *best = NULL;
    struct map_entry *it;
    size_t at = 0;

    while ((it = map_next(&e->contenders, &at)) != NULL) {
        const struct contender *c = it->value;

        if (best == NULL || c->create_revision < best->create_revision) {
            best = c;
        }
    }
    return best;
}

static void set_leader(struct elector *e, const char *identity)
{
    if (strcmp(e->leader, identity) == 0) {
        return;
    }
    mem_free(e->leader);
    e->leader = mem_strdup(identity);
    if (e->on_leader != NULL) {
        e->on_leader(e->arg, e->leader);
    }
}

/* Compares what is with what was told. The last thing a callback does. */
static void judge(struct elector *e)
{
    const struct contender *first = oldest(e);
    const struct contender *own = e->fence != 0 ? map_get(&e->contenders, buf_slice(&e->key))
                                                : NULL;
    bool leading = own != NULL && own == first && own->create_revision == e->fence &&
                   loop_now_ms(client_loop(e->client)) < e->deadline_ms;

    set_leader(e, first != NULL ? first->identity : "");
    if (leading != e->leading) {
        e->leading = leading;
        e->on_leading(e->arg, leading, e->fence);
    }
}

/* --- the mirror ------------------------------------------------------------------------------- */

static void contender_put(struct elector *e, const struct client_kv *kv)
{
    struct contender *c = map_get(&e->contenders, kv->key);

    if (c == NULL) {
        c = mem_zalloc(sizeof *c);
        map_put(&e->contenders, kv->key, c);
    }
    mem_free(c->identity);
    c->create_revision = kv->create_revision;
    c->identity = mem_alloc(kv->value.len + 1);
    if (kv->value.len != 0) {
        memcpy(c->identity, kv->value.data, kv->value.len);
    }
    c->identity[kv->value.len] = 0;
}

static void contender_drop(struct elector *e, struct slice key)
{
    struct contender *c = map_remove(&e->contenders, key);

    if (c != NULL) {
        mem_free(c->identity);
        mem_free(c);
    }
}

/* Somebody deleted our key, or the store gave the lease up: begin anew with another lease. */
static void check_own_key(struct elector *e, int64_t revision)
{
    if (e->fence == 0 || revision < e->fence ||
        map_get(&e->contenders, buf_slice(&e->key)) != NULL) {
        return;
    }
    e->fence = 0;
    buf_reset(&e->key);
    client_lease_stop(TAKE(e->lease), NULL, NULL);
    timer_start(&e->again, 10);
}

static void on_list_begin(void *arg)
{
    struct elector *e = arg;

    map_fini(&e->listed);
    map_init(&e->listed);
}

static void on_list_item(void *arg, const struct client_kv *kv)
{
    struct elector *e = arg;

    map_put(&e->listed, kv->key, e);
    contender_put(e, kv);
}

static void on_list_end(void *arg, int64_t revision)
{
    struct elector *e = arg;
    struct map_entry *it;
    size_t at = 0;

    while ((it = map_next(&e->contenders, &at)) != NULL) {
        if (map_get(&e->listed, it->key) == NULL) {
            contender_drop(e, it->key);
        }
    }
    check_own_key(e, revision);
    judge(e);
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct elector *e = arg;

    for (size_t i = 0; i < n; i++) {
        if (events[i].type == EVENT_DELETE) {
            contender_drop(e, events[i].kv.key);
        } else {
            contender_put(e, &events[i].kv);
        }
    }
    check_own_key(e, revision);
    judge(e);
}

/* --- standing --------------------------------------------------------------------------------- */

static void on_created(void *arg, const struct client_result *result)
{
    static const struct backoff backoff = { 50, 1000 };
    struct elector *e = arg;

    e->create = NULL;
    if (result->status != 0) {
        /* Not written, or a key of this name that is not ours: the same again, or a new lease. */
        e->failures++;
        if (result->status == E_CONFLICT || result->status == E_LEASE_NOT_FOUND) {
            client_lease_stop(TAKE(e->lease), NULL, NULL);
        }
        timer_start(&e->again, backoff_delay_ms(&backoff, e->failures, &e->rng));
        return;
    }
    e->failures = 0;
    e->fence = result->revision;
    /* The mirror may already be past it: then the key has come and gone. */
    check_own_key(e, reflector_revision(e->mirror));
    judge(e);
}

static void key_create(struct elector *e)
{
    struct client_guard guard;
    struct client_write write;
    char hex[17];

    str_hex_u64((uint64_t)client_lease_id(e->lease), hex);
    buf_reset(&e->key);
    buf_append_slice(&e->key, buf_slice(&e->prefix));
    buf_append_str(&e->key, hex);
    guard = (struct client_guard){ buf_slice(&e->key), 0 };
    write = (struct client_write){
        .key = guard.key,
        .value = slice_str(e->identity),
        .lease = client_lease_id(e->lease),
    };
    e->create = client_cas(e->client, &guard, 1, &write, 1, on_created, e);
}

static void on_lease(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct elector *e = arg;

    (void)id;
    if (!alive) {
        e->lease = NULL; /* it ends by itself */
        e->fence = 0;
        e->deadline_ms = 0;
        client_call_cancel(TAKE(e->create));
        timer_stop(&e->timer);
        timer_start(&e->again, 10);
        judge(e);
        return;
    }
    e->deadline_ms = deadline_ms;
    timer_start_at(&e->timer, deadline_ms);
    if (e->fence == 0 && e->create == NULL && !timer_active(&e->again)) {
        key_create(e);
        return;
    }
    judge(e);
}

static void on_deadline(struct timer *t)
{
    judge(CONTAINER_OF(t, struct elector, timer));
}

static void stand(struct elector *e)
{
    if (e->lease == NULL) {
        e->lease = client_lease_start(e->client, e->ttl_s, on_lease, e);
    } else if (e->fence == 0 && e->create == NULL) {
        key_create(e);
    }
}

static void on_again(struct timer *t)
{
    stand(CONTAINER_OF(t, struct elector, again));
}

/* --- life ------------------------------------------------------------------------------------- */

struct elector *elector_new(const struct elector_options *options)
{
    struct elector *e = mem_zalloc(sizeof *e);
    struct reflector_options reflect = {
        .client = options->client,
        .sink = { on_list_begin, on_list_item, on_list_end, on_events, NULL, NULL },
        .arg = e,
        .seed = options->seed,
    };

    e->client = options->client;
    rng_init(&e->rng, options->seed);
    buf_printf(&e->prefix, "%s/", options->election);
    e->identity = mem_strdup(options->identity);
    e->leader = mem_strdup("");
    e->ttl_s = options->ttl_s != 0 ? options->ttl_s : 2;
    e->on_leading = options->on_leading;
    e->on_leader = options->on_leader;
    e->arg = options->arg;
    map_init(&e->contenders);
    map_init(&e->listed);
    timer_init(client_loop(e->client), &e->timer, on_deadline);
    timer_init(client_loop(e->client), &e->again, on_again);
    reflect.prefix = buf_slice(&e->prefix);
    e->mirror = reflector_new(&reflect);
    stand(e);
    return e;
}

struct elector *elector_free(struct elector *e)
{
    size_t at = 0;
    struct map_entry *it;

    if (e == NULL) {
        return NULL;
    }
    client_call_cancel(e->create);
    client_lease_stop(e->lease, NULL, NULL);
    reflector_free(e->mirror);
    timer_stop(&e->timer);
    timer_stop(&e->again);
    while ((it = map_next(&e->contenders, &at)) != NULL) {
        contender_drop(e, it->key);
    }
    map_fini(&e->contenders);
    map_fini(&e->listed);
    buf_fini(&e->prefix);
    buf_fini(&e->key);
    mem_free(e->identity);
    mem_free(e->leader);
    mem_free(e);
    return NULL;
}

bool elector_leading(const struct elector *e)
{
    return e->leading && loop_now_ms(client_loop(e->client)) < e->deadline_ms;
}

const char *elector_leader(const struct elector *e)
{
    return e->leader;
}

struct client_guard elector_guard(const struct elector *e)
{
    PRE(e->leading);
    return (struct client_guard){ buf_slice(&e->key), e->fence };
}
