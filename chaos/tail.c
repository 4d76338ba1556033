/* One watch and one hash a member. See tail.h. */
#include "chaos/tail.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "proto/rpc.pb-c.h"

enum { PROGRESS_MS = 200, HASH_TIMEOUT_MS = 5000 };

static void check_done(struct tail *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!t->members[i].log_done || !t->members[i].hash_done) {
            return;
        }
    }
    t->done = true;
}

static void log_end(struct tail_member *m, const char *why_not)
{
    if (!m->log_done) {
        m->log_done = true;
        m->why_not = why_not;
        check_done(m->tail);
    }
}

/* --- the log ---------------------------------------------------------------------------------- */

static struct check_event event_of(const struct client_event *e)
{
    return (struct check_event){
        .kv = { .key = e->kv.key,
                .value = e->kv.value,
                .create_revision = e->kv.create_revision,
                .mod_revision = e->kv.mod_revision,
                .version = e->kv.version,
                .lease = e->kv.lease },
        .deleted = e->type == EVENT_DELETE,
    };
}

/* What a watch repeats or tells out of order is the watch checks' affair: the log takes it once. */
static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct tail_member *m = arg;
    struct loads *l = m->tail->loads;
    autofree struct check_event *list = mem_zalloc((n + 1) * sizeof *list);
    for (size_t from = 0; from < n;) {
        int64_t rev = events[from].kv.mod_revision;
        size_t count = 0;
        while (from + count < n && events[from + count].kv.mod_revision == rev) {
            list[count] = event_of(&events[from + count]);
            count++;
        }
        check_log_add(&m->log, rev, loads_seen_us(l, rev), list, count);
        from += count;
    }
    m->told = revision > m->told ? revision : m->told;
    if (m->told >= l->log_revision) {
        log_end(m, NULL);
    }
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct tail_member *m = arg;
    (void)compact_revision;
    m->watch = NULL;
    log_end(m, status == E_COMPACTED
                   ? "the history of the run was compacted before it could be read"
                   : chaos_report_printf(m->tail->loads->report, "its log could not be read: %s",
                                         err != NULL ? err->msg : "the watch ended"));
}

/* --- the hash --------------------------------------------------------------------------------- */

static void on_hash(void *arg, const struct rpc_result *result)
{
    struct tail_member *m = arg;
    m->hash_call = NULL;
    m->hash_done = true;
    if (result->err == 0) {
        m->hash = ((const Etcdserverpb__HashKVResponse *)(const void *)result->msg)->hash;
        m->hash_known = true;
    }
    check_done(m->tail);
}

static void ask_hash(struct tail_member *m, struct rpc_channel *ch)
{
    Etcdserverpb__HashKVRequest q = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    q.revision = m->tail->loads->end_revision;
    m->hash_call =
        rpc_call_unary(ch, "/etcdserverpb.Maintenance/HashKV", &q.base,
                       &etcdserverpb__hash_kvresponse__descriptor, HASH_TIMEOUT_MS, on_hash, m);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_deadline(struct timer *timer)
{
    struct tail *t = CONTAINER_OF(timer, struct tail, deadline);
    for (size_t i = 0; i < t->n; i++) {
        struct tail_member *m = &t->members[i];
        m->hash_done = true;
        log_end(m, chaos_report_printf(t->loads->report,
                                       "it told its log only up to revision %lld "
                                       "of %lld within %d s",
                                       (long long)m->told, (long long)t->loads->end_revision,
                                       TAIL_MS / 1000));
    }
    check_done(t);
}

/* Revisions may end with one that changed nothing here: then only a bookmark tells. */
static void on_progress(struct timer *timer)
{
    struct tail *t = CONTAINER_OF(timer, struct tail, progress);
    for (size_t i = 0; i < t->n; i++) {
        if (!t->members[i].log_done && t->members[i].client != NULL) {
            client_watch_progress(t->members[i].client);
        }
    }
    timer_start(timer, PROGRESS_MS);
}

static void copy_base(struct check_log *log, const struct check_log *base)
{
    autofree struct check_kv *kvs = mem_zalloc((base->n_base + 1) * sizeof *kvs);
    for (size_t i = 0; i < base->n_base; i++) {
        const struct check_pkv *kv = &base->base[i];
        kvs[i] = (struct check_kv){ .key = check_pool_get(base->pool, kv->key),
                                    .value = check_pool_get(base->pool, kv->value),
                                    .create_revision = kv->create_revision,
                                    .mod_revision = kv->mod_revision,
                                    .version = kv->version,
                                    .lease = kv->lease };
    }
    check_log_base(log, base->base_revision, kvs, base->n_base);
}

static void begin(struct tail_member *m, size_t i, const struct check_log *base)
{
    struct loads *l = m->tail->loads;
    const char *endpoint = l->target->members[i].endpoint;
    struct client_options o = {
        .loop = l->loop, .endpoints = &endpoint, .n_endpoints = 1, .seed = l->seed + 1000 + i
    };
    struct client_watch_options w = { .key = slice_make("\0", 1),
                                      .range_end = slice_make("\0", 1),
                                      .start_revision = l->start_revision + 1,
                                      .on_events = on_events,
                                      .on_end = on_end,
                                      .arg = m };
    struct err err = ERR_INIT;
    check_log_init(&m->log, l->pool);
    copy_base(&m->log, base);
    m->told = l->start_revision;
    if (client_new(&o, &m->client, &err) != 0) {
        m->log_done = m->hash_done = true;
        m->why_not = chaos_report_printf(l->report, "%s", err.msg);
        return;
    }
    m->watch = client_watch_start(m->client, &w);
    ask_hash(m, l->ops->channels[i]);
}

void tail_start(struct tail *t, struct loads *l, const struct check_log *base)
{
    PRE(l->log_revision >= l->end_revision);
    memset(t, 0, sizeof *t);
    t->loads = l;
    t->n = l->target->n_members;
    timer_init(l->loop, &t->deadline, on_deadline);
    timer_init(l->loop, &t->progress, on_progress);
    timer_start(&t->deadline, TAIL_MS);
    timer_start(&t->progress, PROGRESS_MS);
    for (size_t i = 0; i < t->n; i++) {
        t->members[i].tail = t;
        begin(&t->members[i], i, base);
    }
}

void tail_stop(struct tail *t)
{
    if (t->loads == NULL) {
        return;
    }
    timer_stop(&t->deadline);
    timer_stop(&t->progress);
    for (size_t i = 0; i < t->n; i++) {
        struct tail_member *m = &t->members[i];
        if (m->hash_call != NULL) {
            rpc_request_cancel(TAKE(m->hash_call));
        }
        if (m->watch != NULL) {
            client_watch_stop(TAKE(m->watch));
        }
        if (m->client != NULL) {
            client_free(TAKE(m->client));
        }
    }
}

void tail_free(struct tail *t)
{
    tail_stop(t);
    for (size_t i = 0; i < t->n; i++) {
        check_log_fini(&t->members[i].log);
    }
    memset(t, 0, sizeof *t);
}

int tail_best(const struct tail *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->members[i].log_done && t->members[i].why_not == NULL) {
            return (int)i;
        }
    }
    return -1;
}
