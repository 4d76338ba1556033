/* The cache: a map from name key to entry, and for each index a map from text to a bucket of
 * entries.
 *
 *     entries:   "default/web-1" -> e1    "default/web-2" -> e2
 *     by owner:  "uid-of-rs" -> bucket { "default/web-1" -> e1, "default/web-2" -> e2 }
 *
 * Replacing an object takes the old one out of the buckets its old values name and puts the new
 * one where its own say, so an index is always exact. An empty bucket goes. */
#include "client/cache.h"

#include "api/core.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/map.h"

enum { CACHE_INDEXES_MAX = 16 };

struct bucket {
    struct map entries; /* name key -> struct cached */
};

struct index {
    const struct cache_index *def;
    struct map buckets; /* value -> struct bucket */
};

struct cache {
    const struct kind *kind;
    struct map entries; /* name key -> struct cached */
    struct index indexes[CACHE_INDEXES_MAX];
    size_t n_indexes;
    int64_t revision;
};

/* --- entries ---------------------------------------------------------------------------------- */

struct cached *cached_new(struct object *taken)
{
    struct cached *e = mem_alloc(sizeof *e);

    e->refs = 1;
    e->object = taken;
    return e;
}

struct cached *cached_ref(struct cached *e)
{
    if (e != NULL) {
        e->refs++;
    }
    return e;
}

void cached_unref(struct cached *e)
{
    if (e == NULL) {
        return;
    }
    INVARIANT(e->refs > 0);
    e->refs--;
    if (e->refs == 0) {
        object_free(e->object);
        mem_free(e);
    }
}

/* --- indexes ---------------------------------------------------------------------------------- */

static void namespace_values(const struct object *o, struct index_sink *sink)
{
    index_emit(sink, o->metadata.namespace_);
}

static void owner_values(const struct object *o, struct index_sink *sink)
{
    for (size_t i = 0; i < o->metadata.n_owner_references; i++) {
        index_emit(sink, o->metadata.owner_references[i].uid);
    }
}

static void label_values(const struct object *o, struct index_sink *sink)
{
    const struct string_map *labels = &o->metadata.labels;

    for (size_t i = 0; i < labels->n; i++) {
        autofree char *text = mem_printf("%s=%s", labels->items[i].key, labels->items[i].value);

        index_emit(sink, text);
    }
}

static void node_values(const struct object *o, struct index_sink *sink)
{
    const struct pod *pod = (const struct pod *)o;

    PRE(o->kind == &kind_pod);
    index_emit(sink, pod->spec.node_name != NULL ? pod->spec.node_name : "");
}

const struct cache_index index_namespace = { "namespace", namespace_values };
const struct cache_index index_owner = { "owner", owner_values };
const struct cache_index index_label = { "label", label_values };
const struct cache_index index_node = { "node", node_values };

struct index_sink {
    struct index *index;
    struct cached *entry;
    struct slice name_key;
    bool add;
};

void index_emit(struct index_sink *sink, const char *value)
{
    struct bucket *b;

    if (value == NULL) {
        return;
    }
    b = map_get_str(&sink->index->buckets, value);
    if (sink->add) {
        if (b == NULL) {
            b = mem_zalloc(sizeof *b);
            map_init(&b->entries);
            map_put_str(&sink->index->buckets, value, b);
        }
        map_put(&b->entries, sink->name_key, sink->entry);
        return;
    }
    if (b == NULL) {
        return; /* the same value emitted twice: already taken out */
    }
    map_remove(&b->entries, sink->name_key);
    if (b->entries.n == 0) {
        map_remove(&sink->index->buckets, slice_str(value));
        map_fini(&b->entries);
        mem_free(b);
    }
}

static void index_entry(struct cache *c, struct cached *e, struct slice name_key, bool add)
{
    for (size_t i = 0; i < c->n_indexes; i++) {
        struct index_sink sink = {
            .index = &c->indexes[i],
            .entry = e,
            .name_key = name_key,
            .add = add,
        };

        c->indexes[i].def->values(e->object, &sink);
    }
}

static void add_index(struct cache *c, const struct cache_index *def)
{
    PRE(c->n_indexes < CACHE_INDEXES_MAX);
    c->indexes[c->n_indexes].def = def;
    map_init(&c->indexes[c->n_indexes].buckets);
    c->n_indexes++;
}

static const struct bucket *find_bucket(const struct cache *c, const struct cache_index *def,
                                        const char *value)
{
    for (size_t i = 0; i < c->n_indexes; i++) {
        if (c->indexes[i].def == def) {
            return map_get_str(&c->indexes[i].buckets, value);
        }
    }
    PRE(def == NULL); /* the cache has no such index */
    return NULL;
}

/* --- the cache -------------------------------------------------------------------------------- */

struct cache *cache_new(const struct kind *kind, const struct cache_index *const *more,
                        size_t n_more)
{
    struct cache *c = mem_zalloc(sizeof *c);

    c->kind = kind;
    map_init(&c->entries);
    add_index(c, &index_namespace);
    add_index(c, &index_owner);
    add_index(c, &index_label);
    if (kind == &kind_pod) {
        add_index(c, &index_node);
    }
    for (size_t i = 0; i < n_more; i++) {
        add_index(c, more[i]);
    }
    return c;
}

struct cache *cache_free(struct cache *c)
{
    size_t at = 0;
    struct map_entry *e;

    if (c == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < c->n_indexes; i++) {
        at = 0;
        while ((e = map_next(&c->indexes[i].buckets, &at)) != NULL) {
            struct bucket *b = e->value;

            map_fini(&b->entries);
            mem_free(b);
        }
        map_fini(&c->indexes[i].buckets);
    }
    at = 0;
    while ((e = map_next(&c->entries, &at)) != NULL) {
        cached_unref(e->value);
    }
    map_fini(&c->entries);
    mem_free(c);
    return NULL;
}

const struct kind *cache_kind(const struct cache *c)
{
    return c->kind;
}

size_t cache_len(const struct cache *c)
{
    return c->entries.n;
}

const struct object *cache_get(const struct cache *c, const char *name_key)
{
    const struct cached *e = map_get_str(&c->entries, name_key);

    return e != NULL ? e->object : NULL;
}

struct cached *cache_get_ref(const struct cache *c, const char *name_key)
{
    return cached_ref(map_get_str(&c->entries, name_key));
}

static struct object_list list_of(const struct map *entries, struct arena *arena)
{
    struct object_list list = { 0 };
    size_t at = 0;
    struct map_entry *e;

    list.items = arena_alloc(arena, (entries->n + 1) * sizeof *list.items);
    while ((e = map_next(entries, &at)) != NULL) {
        list.items[list.n++] = ((const struct cached *)e->value)->object;
    }
    return list;
}

struct object_list cache_list(const struct cache *c, const char *namespace_, struct arena *arena)
{
    if (namespace_ != NULL) {
        return cache_by(c, &index_namespace, namespace_, arena);
    }
    return list_of(&c->entries, arena);
}

struct object_list cache_by(const struct cache *c, const struct cache_index *index,
                            const char *value, struct arena *arena)
{
    const struct bucket *b = find_bucket(c, index, value);

    return b != NULL ? list_of(&b->entries, arena) : (struct object_list){ 0 };
}

size_t cache_count_by(const struct cache *c, const struct cache_index *index, const char *value)
{
    const struct bucket *b = find_bucket(c, index, value);

    return b != NULL ? b->entries.n : 0;
}

const struct object *cache_next(const struct cache *c, size_t *at)
{
    const struct map_entry *e = map_next(&c->entries, at);

    return e != NULL ? ((const struct cached *)e->value)->object : NULL;
}

void cache_put(struct cache *c, struct object *taken, struct cached **ret_old)
{
    autofree char *name_key = object_name_key(taken);
    struct slice key = slice_str(name_key);
    struct cached *e = cached_new(taken);
    struct cached *old;

    PRE(taken->kind == c->kind);
    old = map_put(&c->entries, key, e);
    if (old != NULL) {
        index_entry(c, old, key, false);
    }
    index_entry(c, e, key, true);
    if (ret_old != NULL) {
        *ret_old = old;
    } else {
        cached_unref(old);
    }
}

struct cached *cache_remove(struct cache *c, const char *name_key)
{
    struct slice key = slice_str(name_key);
    struct cached *old = map_remove(&c->entries, key);

    if (old != NULL) {
        index_entry(c, old, key, false);
    }
    return old;
}

int64_t cache_revision(const struct cache *c)
{
    return c->revision;
}

void cache_set_revision(struct cache *c, int64_t revision)
{
    if (revision > c->revision) {
        c->revision = revision;
    }
}

/* --- lister ----------------------------------------------------------------------------------- */

void lister_add(struct lister *l, struct cache *c)
{
    PRE(l->n < LISTER_KINDS_MAX);
    l->caches[l->n++] = c;
}

struct cache *lister_cache(const struct lister *l, const struct kind *kind)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->caches[i]->kind == kind) {
            return l->caches[i];
        }
    }
    return NULL;
}

const struct object *lister_get(const struct lister *l, const struct kind *kind,
                                const char *namespace_, const char *name)
{
    autofree char *key = kind->namespaced ? mem_printf("%s/%s", namespace_, name)
                                          : mem_strdup(name);

    return lister_get_key(l, kind, key);
}

const struct object *lister_get_key(const struct lister *l, const struct kind *kind,
                                    const char *name_key)
{
    const struct cache *c = lister_cache(l, kind);

    PRE(c != NULL);
    return cache_get(c, name_key);
}

struct object_list lister_list(const struct lister *l, const struct kind *kind,
                               const char *namespace_, struct arena *arena)
{
    const struct cache *c = lister_cache(l, kind);

    PRE(c != NULL);
    return cache_list(c, namespace_, arena);
}

struct object_list lister_by(const struct lister *l, const struct kind *kind,
                             const struct cache_index *index, const char *value,
                             struct arena *arena)
{
    const struct cache *c = lister_cache(l, kind);

    PRE(c != NULL);
    return cache_by(c, index, value, arena);
}
