/* What a client machine reads and writes. Keys: "k07" are put, deleted and compared, "c07" only put
 * and compared: a txn that says "must not exist" may be sent twice by the client library, which is
 * one write only where nobody deletes. Each value is written once in a run. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/sim/admin.h"
#include "tests/sim/world_client.h"

struct ask {
    struct list link;
    struct client_machine *machine;
    struct client_call *call;
    bool healed; /* when it was asked */
};

struct name {
    char text[24];
};

static struct rng *dice(const struct client_machine *m)
{
    return &m->node->sim->dice;
}

static unsigned draw_key(const struct client_machine *m)
{
    return (unsigned)rng_range(dice(m), 0, m->node->sim->o.keys - 1);
}

static struct name key_name(char kind, unsigned i)
{
    struct name n;
    snprintf(n.text, sizeof n.text, "%c%02u", kind, i);
    return n;
}

/* Written once in the run; now and then so long that streams and windows fill. */
static void fresh_value(const struct client_machine *m, struct buf *out)
{
    uint64_t most = m->node->sim->o.payload_max;
    buf_printf(out, "v%" PRIu64, ++m->node->sim->world->next_value);
    if (most > 0 && rng_chance(dice(m), 0.1)) {
        size_t len = (size_t)rng_range(dice(m), 0, most);
        memset(buf_reserve(out, len), '.', len);
        buf_advance(out, len);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static int64_t *known(struct client_machine *m, struct slice key)
{
    unsigned i = 0;
    char kind = 0;
    char text[8];
    if (key.len != 3) {
        return NULL;
    }
    memcpy(text, key.data, 3);
    text[3] = '\0';
    if (sscanf(text, "%c%2u", &kind, &i) != 2 || i >= CLIENT_KEYS_MAX) {
        return NULL;
    }
    return &m->known[i + (kind == 'c' ? CLIENT_KEYS_MAX : 0)];
}

static void learn(struct client_machine *m, const struct client_result *r)
{
    m->revision = r->revision > m->revision ? r->revision : m->revision;
    for (size_t i = 0; i < r->n_kvs; i++) {
        int64_t *k = known(m, r->kvs[i].key);
        if (k != NULL && *k < r->kvs[i].mod_revision) {
            *k = r->kvs[i].mod_revision;
        }
    }
}

static void on_answer(void *arg, const struct client_result *r)
{
    struct ask *a = arg;
    struct client_machine *m = a->machine;
    if (r->status == 0 || r->status == E_CONFLICT) {
        learn(m, r);
        m->answered = m->answered || a->healed;
    }
    list_remove(&a->link);
    mem_free(a);
}

static struct ask *ask_new(struct client_machine *m)
{
    struct ask *a = mem_zalloc(sizeof *a);
    a->machine = m;
    a->healed = m->node->sim->healed;
    list_init(&a->link);
    list_push_back(&m->asks, &a->link);
    return a;
}

/* Nobody waits for the oldest any more. */
static void cancel_one(struct client_machine *m)
{
    struct list *it = list_pop_front(&m->asks);
    if (it != NULL) {
        struct ask *a = LIST_ENTRY(it, struct ask, link);
        client_call_cancel(a->call);
        mem_free(a);
    }
}

/* Mostly the client's own; a short one now and then, but not once all is well: it is told then that
 * nobody answers. */
static uint64_t draw_timeout_ms(const struct client_machine *m)
{
    bool is_short = rng_chance(dice(m), 0.1);
    uint64_t timeout_ms = rng_range(dice(m), 10, 800);
    return is_short && !m->node->sim->healed ? timeout_ms : 0;
}

void asks_forget(struct client_machine *m)
{
    struct list *it;
    while ((it = list_pop_front(&m->asks)) != NULL) {
        mem_free(LIST_ENTRY(it, struct ask, link));
    }
}

/* --- questions -------------------------------------------------------------------------------- */

void ask_put(struct client_machine *m)
{
    struct name key = key_name(rng_chance(dice(m), 0.3) ? 'c' : 'k', draw_key(m));
    autobuf value = BUF_INIT;
    fresh_value(m, &value);
    struct client_put put = {
        .key = slice_str(key.text),
        .value = buf_slice(&value),
        .prev_kv = rng_chance(dice(m), 0.3),
    };
    if (key.text[0] == 'k' && rng_chance(dice(m), 0.25)) {
        put.lease = hold_some_lease(m);
    }
    put.timeout_ms = draw_timeout_ms(m);
    struct ask *a = ask_new(m);
    a->call = client_put_kv(m->client, &put, on_answer, a);
}

/* Of one key, some, or all; at times serializable, old, or not all of it. */
static void ask_range(struct client_machine *m)
{
    struct rng *d = dice(m);
    struct name key = key_name(rng_chance(d, 0.3) ? 'c' : 'k', draw_key(m));
    struct name end = key_name(key.text[0], draw_key(m));
    struct client_range range = { .key = slice_str(key.text) };
    if (rng_chance(d, 0.2)) {
        range.key = slice_make("\0", 1);
        range.range_end = slice_make("\0", 1);
    } else if (rng_chance(d, 0.3)) {
        range.range_end = slice_str(end.text);
    }
    range.serializable = rng_chance(d, 0.2);
    if (rng_chance(d, 0.15) && m->revision > 1) {
        int64_t back = (int64_t)rng_range(d, 0, 40);
        range.revision = m->revision > back ? m->revision - back : 1;
    }
    range.limit = rng_chance(d, 0.15) ? (int64_t)rng_range(d, 1, 4) : 0;
    range.keys_only = rng_chance(d, 0.1);
    range.count_only = rng_chance(d, 0.1);
    range.timeout_ms = draw_timeout_ms(m);
    struct ask *a = ask_new(m);
    a->call = client_get(m->client, &range, on_answer, a);
}

static void ask_delete(struct client_machine *m)
{
    struct name key = key_name('k', draw_key(m));
    struct name end = key_name('k', draw_key(m));
    struct slice range_end = rng_chance(dice(m), 0.2) ? slice_str(end.text) : slice_make(NULL, 0);
    struct ask *a = ask_new(m);
    a->call = client_delete(m->client, slice_str(key.text), range_end, on_answer, a);
}

/* One key or two, as they were last seen; a guarded delete now and then. */
static void ask_cas(struct client_machine *m)
{
    struct rng *d = dice(m);
    struct name keys[2] = { key_name(rng_chance(d, 0.5) ? 'c' : 'k', draw_key(m)),
                            key_name('c', draw_key(m)) };
    autobuf first = BUF_INIT;
    autobuf second = BUF_INIT;
    const struct buf *values[2] = { &first, &second };
    struct client_guard guards[2];
    struct client_write writes[2];
    size_t n = rng_chance(d, 0.3) && strcmp(keys[0].text, keys[1].text) != 0 ? 2 : 1;
    bool drop = rng_chance(d, 0.2);
    fresh_value(m, &first);
    fresh_value(m, &second);
    for (size_t i = 0; i < n; i++) {
        struct slice key = slice_str(keys[i].text);
        int64_t revision = *known(m, key);
        if (revision == 0 && keys[i].text[0] == 'k') {
            ask_range(m); /* it may be deleted: "must not exist" is for the others */
            return;
        }
        guards[i] = (struct client_guard){ key, revision };
        writes[i] = (struct client_write){
            .key = key,
            .value = buf_slice(values[i]),
            .is_delete = drop && keys[i].text[0] == 'k',
        };
    }
    size_t n_guards = rng_chance(d, 0.1) ? 0 : n; /* a txn of writes alone */
    struct ask *a = ask_new(m);
    a->call = client_cas(m->client, guards, n_guards, writes, n, on_answer, a);
}

/* Where there is a quota: keys that fill it, and now and then none of them any more. */
static void ask_fill(struct client_machine *m)
{
    enum { FILLERS = 40, FILL_BYTES = 4096 };
    struct name key = key_name('f', (unsigned)rng_range(dice(m), 0, FILLERS - 1));
    autobuf value = BUF_INIT;
    buf_printf(&value, "v%" PRIu64, ++m->node->sim->world->next_value);
    size_t len = (size_t)rng_range(dice(m), 1, FILL_BYTES);
    memset(buf_reserve(&value, len), '.', len);
    buf_advance(&value, len);
    struct client_put put = { .key = slice_str(key.text), .value = buf_slice(&value) };
    struct ask *a = ask_new(m);
    a->call = client_put_kv(m->client, &put, on_answer, a);
}

void ask_relief(struct client_machine *m)
{
    struct ask *a = ask_new(m);
    a->call = client_delete(m->client, slice_str("f"), slice_str("g"), on_answer, a);
}

static bool ask_room(struct client_machine *m)
{
    double what = rng_double(dice(m));
    if (what < 0.15) {
        ask_fill(m);
    } else if (what < 0.157) {
        ask_relief(m);
    }
    return what < 0.157;
}

static void ask_compact(struct client_machine *m)
{
    if ((m->node->sim->o.admin & ADMIN_COMPACT) != 0) {
        return; /* the members do */
    }
    int64_t back = (int64_t)rng_range(dice(m), 0, 60);
    bool physical = rng_chance(dice(m), 0.3);
    if (m->revision > back + 1) {
        struct ask *a = ask_new(m);
        a->call = client_compact(m->client, m->revision - back, physical, on_answer, a);
    }
}

void ask_fenced(struct client_machine *m)
{
    autobuf value = BUF_INIT;
    fresh_value(m, &value);
    struct client_guard guard = elector_guard(m->elector);
    struct client_write write = { .key = slice_str("data"), .value = buf_slice(&value) };
    struct ask *a = ask_new(m);
    a->call = client_cas(m->client, &guard, 1, &write, 1, on_answer, a);
}

void ask_something(struct client_machine *m)
{
    uint64_t what = rng_range(dice(m), 0, 99);
    if (rng_chance(dice(m), 0.02)) {
        cancel_one(m);
    }
    if ((m->node->sim->o.admin & ADMIN_QUOTA) != 0 && ask_room(m)) {
        return;
    }
    if (what < 35) {
        ask_put(m);
    } else if (what < 65) {
        ask_range(m);
    } else if (what < 75) {
        ask_delete(m);
    } else if (what < 98) {
        ask_cas(m);
    } else {
        ask_compact(m);
    }
}
