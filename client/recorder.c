/* The recorder: one Event object for the same thing about the same object; further occurrences
 * count up.
 *
 *     recorder_event --> found by (uid, reason, message)? --no--> new entry: create
 *                                  |yes
 *                                  count++, written at most once a second: update, guarded
 *
 * An entry whose write fails stays dirty and is tried again at its next occurrence; an update that
 * finds the object gone or changed makes a new one. The lease is granted at the first event and
 * again after half its time, as Kubernetes does: events of half an hour share one lease. */
#include "client/recorder.h"

#include <stdio.h>

#include "api/core.h"
#include "api/meta.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/io/timer.h"

enum { ENTRIES_MAX = 1024, EVENT_TTL_S = 3600, WRITE_PAUSE_MS = 1000 };

struct entry {
    struct recorder *recorder;
    struct list link;         /* least recently used first */
    char *id;
    struct object *object;    /* struct event, as last built */
    bool stored;              /* resource_version is the store's */
    bool dirty;
    struct client_call *call;
    uint64_t written_ms;
    struct timer pause;
};

struct recorder {
    struct client *client;
    struct rng rng;
    char *component, *host;
    struct map entries;       /* id -> struct entry */
    struct list lru;
    int64_t lease;
    uint64_t lease_until_ms;  /* another one is granted after that */
    struct client_call *grant;
};

static void entry_write(struct entry *e);

static void entry_free(struct entry *e)
{
    map_remove(&e->recorder->entries, slice_str(e->id));
    list_remove(&e->link);
    client_call_cancel(e->call);
    timer_stop(&e->pause);
    object_free(e->object);
    mem_free(e->id);
    mem_free(e);
}

static void on_pause_over(struct timer *t)
{
    entry_write(CONTAINER_OF(t, struct entry, pause));
}

/* --- writing ---------------------------------------------------------------------------------- */

static void on_written(void *arg, struct objects_result *result)
{
    struct entry *e = arg;

    e->call = NULL;
    if (result->status == 0) {
        e->object->metadata.resource_version = result->revision;
        e->stored = true;
    } else {
        e->dirty = true;
        if (result->status == E_CONFLICT || result->status == E_NOTFOUND) {
            e->stored = false; /* expired, or edited by somebody: a new object */
            string_set(&e->object->metadata.name, NULL);
        }
        return;
    }
    if (e->dirty) {
        timer_start(&e->pause, WRITE_PAUSE_MS);
    }
}

static void lease_want(struct recorder *r);

static void entry_write(struct entry *e)
{
    struct recorder *r = e->recorder;
    struct object_meta *m = &e->object->metadata;
    uint64_t now = loop_now_ms(client_loop(r->client));

    if (!e->dirty || e->call != NULL || timer_active(&e->pause)) {
        return;
    }
    if (r->lease == 0 || now >= r->lease_until_ms) {
        lease_want(r); /* comes back here */
        return;
    }
    if (e->written_ms != 0 && now - e->written_ms < WRITE_PAUSE_MS) {
        timer_start(&e->pause, WRITE_PAUSE_MS - (now - e->written_ms));
        return;
    }
    e->dirty = false;
    e->written_ms = now;
    if (e->stored) {
        e->call = objects_update_leased(r->client, e->object, r->lease, on_written, e);
        return;
    }
    m->resource_version = 0;
    if (m->name == NULL) {
        m->name = mem_printf("%s.%016llx",
                             ((struct event *)e->object)->involved_object.name,
                             (unsigned long long)rng_u64(&r->rng));
    }
    e->call = objects_create_leased(r->client, e->object, r->lease, on_written, e);
}

static void on_lease(void *arg, const struct client_result *result)
{
    struct recorder *r = arg;

    r->grant = NULL;
    if (result->status != 0) {
        return; /* the next event asks again */
    }
    r->lease = result->lease_id;
    r->lease_until_ms = loop_now_ms(client_loop(r->client)) + EVENT_TTL_S * 1000 / 2;
    LIST_FOREACH(it, &r->lru) {
        entry_write(LIST_ENTRY(it, struct entry, link));
    }
}

static void lease_want(struct recorder *r)
{
    if (r->grant == NULL) {
        r->grant = client_grant(r->client, EVENT_TTL_S, on_lease, r);
    }
}

/* --- recording -------------------------------------------------------------------------------- */

static struct entry *entry_new(struct recorder *r, const struct event_about *about,
                               const char *type, const char *reason, const char *message, char *id)
{
    struct entry *e = mem_zalloc(sizeof *e);
    struct event *event;
    const char *namespace_ = about->namespace_;

    if (namespace_ == NULL || namespace_[0] == 0) {
        namespace_ = "default"; /* where events of cluster-scoped objects live */
    }
    e->recorder = r;
    e->id = id;
    e->object = object_new(&kind_event);
    event = (struct event *)e->object;
    string_set(&e->object->metadata.namespace_, namespace_);
    string_set(&event->involved_object.kind, about->kind->kind);
    string_set(&event->involved_object.api_version, about->kind->api_version);
    string_set(&event->involved_object.namespace_, about->namespace_);
    string_set(&event->involved_object.name, about->name);
    string_set(&event->involved_object.uid, about->uid);
    string_set(&event->type, type);
    string_set(&event->reason, reason);
    string_set(&event->message, message);
    string_set(&event->source_component, r->component);
    if (r->host[0] != 0) {
        string_set(&event->source_host, r->host);
    }
    object_stamp_new(e->object, &r->rng, loop_wall_ms(client_loop(r->client)));
    string_set(&event->first_timestamp, e->object->metadata.creation_timestamp);
    timer_init(client_loop(r->client), &e->pause, on_pause_over);
    map_put_str(&r->entries, id, e);
    list_push_back(&r->lru, &e->link);
    return e;
}

void recorder_event(struct recorder *r, const struct event_about *about, const char *type,
                    const char *reason, const char *message)
{
    char *id = mem_printf("%s %s/%s %s %s %s", about->kind->kind, about->namespace_, about->name,
                          about->uid, reason, message);
    struct entry *e = map_get_str(&r->entries, id);
    struct event *event;
    char now[32];

    if (e == NULL) {
        e = entry_new(r, about, type, reason, message, id);
        if (r->entries.n > ENTRIES_MAX) {
            entry_free(LIST_ENTRY(list_first(&r->lru), struct entry, link));
        }
    } else {
        mem_free(id);
        list_remove(&e->link);
        list_push_back(&r->lru, &e->link);
    }
    event = (struct event *)e->object;
    event->count++;
    clock_format(loop_wall_ms(client_loop(r->client)), now, sizeof now);
    string_set(&event->last_timestamp, now);
    e->dirty = true;
    entry_write(e);
}

void recorder_object_event(struct recorder *r, const struct object *about, const char *type,
                           const char *reason, const char *fmt, ...)
{
    const struct object_meta *m = &about->metadata;
    struct event_about ref = { about->kind, m->namespace_, m->name, m->uid };
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ref.namespace_ = ref.namespace_ != NULL ? ref.namespace_ : "";
    ref.uid = ref.uid != NULL ? ref.uid : "";
    recorder_event(r, &ref, type, reason, text);
}

/* --- life ------------------------------------------------------------------------------------- */

struct recorder *recorder_new(struct client *c, const char *component, const char *host,
                              uint64_t seed)
{
    struct recorder *r = mem_zalloc(sizeof *r);

    r->client = c;
    r->component = mem_strdup(component);
    r->host = mem_strdup(host != NULL ? host : "");
    rng_init(&r->rng, seed);
    map_init(&r->entries);
    list_init(&r->lru);
    return r;
}

struct recorder *recorder_free(struct recorder *r)
{
    struct list *l;

    if (r == NULL) {
        return NULL;
    }
    while ((l = list_first(&r->lru)) != NULL) {
        entry_free(LIST_ENTRY(l, struct entry, link));
    }
    client_call_cancel(r->grant);
    map_fini(&r->entries);
    mem_free(r->component);
    mem_free(r->host);
    mem_free(r);
    return NULL;
}
