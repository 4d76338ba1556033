/* The informer: what the reflector tells becomes objects in a cache and calls of handlers.
 *
 * A handler is "told" once it has been shown what is there; until then changes pass it by, because
 * the showing will include them. Handlers removed during a call are swept after it. */
#include "client/informer.h"

#include "api/barque.h"
#include "client/reflector.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"

enum { INFORMER_INDEXES_MAX = 8 };

struct handler {
    struct list link;
    struct informer_handler fn;
    void *arg;
    bool told;
    bool gone;
};

struct informer {
    struct client *client;
    const struct kind *kind;
    struct reflector *reflector;
    struct cache *cache;
    struct list handlers;
    struct ready show;  /* shows the cache to handlers not yet told */
    size_t calling;     /* > 0: inside handlers */
    bool synced;
    struct map listed;  /* name keys of the list under way */
    void (*moved)(void *arg, const struct kind *kind, const char *endpoint, int64_t revision);
    void *arg;
};

enum change { CHANGE_ADDED, CHANGE_UPDATED, CHANGE_DELETED, CHANGE_SYNCED, CHANGE_ADVANCED };

static void handler_call(struct handler *h, enum change change, const struct object *old,
                         const struct object *o, int64_t revision)
{
    switch (change) {
    case CHANGE_ADDED:
        if (h->fn.added != NULL) {
            h->fn.added(h->arg, o);
        }
        break;
    case CHANGE_UPDATED:
        if (h->fn.updated != NULL) {
            h->fn.updated(h->arg, old, o);
        }
        break;
    case CHANGE_DELETED:
        if (h->fn.deleted != NULL) {
            h->fn.deleted(h->arg, old);
        }
        break;
    case CHANGE_SYNCED:
        if (h->fn.synced != NULL) {
            h->fn.synced(h->arg);
        }
        break;
    case CHANGE_ADVANCED:
        if (h->fn.advanced != NULL) {
            h->fn.advanced(h->arg, revision);
        }
        break;
    }
}

static void sweep(struct informer *inf)
{
    if (inf->calling != 0) {
        return;
    }
    LIST_FOREACH_SAFE(it, &inf->handlers) {
        struct handler *h = LIST_ENTRY(it, struct handler, link);

        if (h->gone) {
            list_remove(&h->link);
            mem_free(h);
        }
    }
}

static void tell(struct informer *inf, enum change change, const struct object *old,
                 const struct object *o, int64_t revision)
{
    inf->calling++;
    LIST_FOREACH(it, &inf->handlers) {
        struct handler *h = LIST_ENTRY(it, struct handler, link);

        if (h->told && !h->gone) {
            handler_call(h, change, old, o, revision);
        }
    }
    inf->calling--;
    sweep(inf);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* The workqueue's key is what follows the kind's prefix in the store's key. mem_free. */
static char *name_key_of(const struct informer *inf, struct slice key)
{
    size_t skip = strlen(inf->kind->key_prefix);
    size_t len = key.len > skip ? key.len - skip : 0;
    char *text = mem_alloc(len + 1);

    if (len != 0) {
        memcpy(text, key.data + skip, len);
    }
    text[len] = 0;
    return text;
}

static void apply_delete(struct informer *inf, const char *name_key)
{
    struct cached *old = cache_remove(inf->cache, name_key);

    if (old != NULL) {
        tell(inf, CHANGE_DELETED, old->object, NULL, 0);
        cached_unref(old);
    }
}

/* The name key of what was read, NULL when it has no name or one longer than any name may be: a
 * NodeItem's holds two. */
static char *own_key_of(const struct object *o)
{
    const struct object_meta *m = &o->metadata;
    size_t most = o->kind == &kind_node_item ? 3 * LIMIT_NAME_BYTES : 2 * LIMIT_NAME_BYTES + 1;

    if (m->name == NULL || (o->kind->namespaced && m->namespace_ == NULL)) {
        return NULL;
    }
    autofree char *key = object_name_key(o);
    return strlen(key) <= most ? TAKE(key) : NULL;
}

static void apply_put(struct informer *inf, const char *name_key, const struct client_kv *kv)
{
    const struct object *before = cache_get(inf->cache, name_key);
    struct object *o = NULL;
    struct cached *old = NULL;
    struct err err = ERR_INIT;
    autofree char *own_key = NULL;

    if (before != NULL && before->metadata.resource_version == kv->mod_revision) {
        return; /* a relist of what is known */
    }
    if (object_from_json(inf->kind, kv->value, &o, &err) == 0) {
        own_key = own_key_of(o);
        if (own_key == NULL) {
            err_set(&err, E_INVAL, "no name, or one that is too long");
        }
    }
    if (own_key == NULL || strcmp(own_key, name_key) != 0) {
        log_warn("client", "a stored object cannot be read and is ignored", "key=%.*s why=\"%s\"",
                 (int)kv->key.len, (const char *)kv->key.data,
                 own_key == NULL ? err.msg : "its name is not its key's");
        object_free(o);
        apply_delete(inf, name_key);
        return;
    }
    o->metadata.resource_version = kv->mod_revision;
    cache_put(inf->cache, o, &old);
    tell(inf, old != NULL ? CHANGE_UPDATED : CHANGE_ADDED, old != NULL ? old->object : NULL, o, 0);
    cached_unref(old);
}

static void advance(struct informer *inf, int64_t revision)
{
    cache_set_revision(inf->cache, revision);
    tell(inf, CHANGE_ADVANCED, NULL, NULL, revision);
}

/* --- the reflector's sink --------------------------------------------------------------------- */

static void on_list_begin(void *arg)
{
    struct informer *inf = arg;

    map_fini(&inf->listed);
    map_init(&inf->listed);
}

static void on_list_item(void *arg, const struct client_kv *kv)
{
    struct informer *inf = arg;
    autofree char *name_key = name_key_of(inf, kv->key);

    map_put_str(&inf->listed, name_key, inf);
    apply_put(inf, name_key, kv);
}

static void drop_unlisted(struct informer *inf)
{
    size_t at = 0;
    const struct object *o;

    while ((o = cache_next(inf->cache, &at)) != NULL) {
        autofree char *name_key = object_name_key(o);

        if (map_get_str(&inf->listed, name_key) == NULL) {
            apply_delete(inf, name_key);
        }
    }
}

static void on_list_end(void *arg, int64_t revision)
{
    struct informer *inf = arg;
    bool first = !inf->synced;

    drop_unlisted(inf);
    map_fini(&inf->listed);
    map_init(&inf->listed);
    inf->synced = true;
    advance(inf, revision);
    if (first) {
        tell(inf, CHANGE_SYNCED, NULL, NULL, 0);
    }
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct informer *inf = arg;

    for (size_t i = 0; i < n; i++) {
        autofree char *name_key = name_key_of(inf, events[i].kv.key);

        if (events[i].type == EVENT_DELETE) {
            apply_delete(inf, name_key);
        } else {
            apply_put(inf, name_key, &events[i].kv);
        }
    }
    advance(inf, revision);
}

static void on_moved(void *arg, const char *endpoint, int64_t revision)
{
    struct informer *inf = arg;

    log_debug("client", "watch goes on at another member", "kind=%s endpoint=%s revision=%lld",
              inf->kind->plural, endpoint, (long long)revision);
    if (inf->moved != NULL) {
        inf->moved(inf->arg, inf->kind, endpoint, revision);
    }
}

static void on_failing(void *arg, int status, const struct err *err)
{
    struct informer *inf = arg;

    log_warn("client", "cannot list; trying again", "kind=%s code=%s why=\"%s\"",
             inf->kind->plural, err_name(status), err->msg);
}

/* --- handlers --------------------------------------------------------------------------------- */

static void show_all(struct informer *inf, struct handler *h)
{
    size_t at = 0;
    const struct object *o;

    h->told = true;
    while (!h->gone && (o = cache_next(inf->cache, &at)) != NULL) {
        handler_call(h, CHANGE_ADDED, NULL, o, 0);
    }
    if (!h->gone && inf->synced) {
        handler_call(h, CHANGE_ADVANCED, NULL, NULL, cache_revision(inf->cache));
        handler_call(h, CHANGE_SYNCED, NULL, NULL, 0);
    }
}

static void on_show(struct ready *r)
{
    struct informer *inf = CONTAINER_OF(r, struct informer, show);

    inf->calling++;
    LIST_FOREACH(it, &inf->handlers) {
        struct handler *h = LIST_ENTRY(it, struct handler, link);

        if (!h->told && !h->gone) {
            show_all(inf, h);
        }
    }
    inf->calling--;
    sweep(inf);
}

void informer_handle(struct informer *inf, const struct informer_handler *handler, void *arg)
{
    struct handler *h = mem_zalloc(sizeof *h);

    h->fn = *handler;
    h->arg = arg;
    list_push_back(&inf->handlers, &h->link);
    loop_ready(client_loop(inf->client), &inf->show);
}

void informer_unhandle(struct informer *inf, void *arg)
{
    LIST_FOREACH(it, &inf->handlers) {
        struct handler *h = LIST_ENTRY(it, struct handler, link);

        if (h->arg == arg) {
            h->gone = true;
        }
    }
    sweep(inf);
}

/* --- life ------------------------------------------------------------------------------------- */

struct informer *informer_new(const struct informer_options *options)
{
    struct informer *inf = mem_zalloc(sizeof *inf);
    autobuf prefix = BUF_INIT;
    struct reflector_options reflect = {
        .client = options->client,
        .sink = { on_list_begin, on_list_item, on_list_end, on_events, on_moved, on_failing },
        .arg = inf,
        .seed = options->seed,
    };

    inf->client = options->client;
    inf->kind = options->kind;
    inf->moved = options->moved;
    inf->arg = options->arg;
    inf->cache = cache_new(options->kind, options->indexes, options->n_indexes);
    list_init(&inf->handlers);
    map_init(&inf->listed);
    ready_init(&inf->show, on_show);
    kind_prefix(options->kind, options->namespace_, &prefix);
    reflect.prefix = buf_slice(&prefix);
    inf->reflector = reflector_new(&reflect);
    return inf;
}

struct informer *informer_free(struct informer *inf)
{
    struct list *l;

    if (inf == NULL) {
        return NULL;
    }
    PRE(inf->calling == 0);
    reflector_free(inf->reflector);
    ready_cancel(&inf->show);
    while ((l = list_pop_front(&inf->handlers)) != NULL) {
        mem_free(LIST_ENTRY(l, struct handler, link));
    }
    cache_free(inf->cache);
    map_fini(&inf->listed);
    mem_free(inf);
    return NULL;
}

void informer_relist(struct informer *inf)
{
    reflector_relist(inf->reflector);
}

bool informer_synced(const struct informer *inf)
{
    return inf->synced;
}

struct cache *informer_cache(struct informer *inf)
{
    return inf->cache;
}

const struct kind *informer_kind(const struct informer *inf)
{
    return inf->kind;
}
