/* What we know of the objects of one kind: name key -> immutable object, with indexes.
 *
 * Entries are reference-counted and never changed once in the cache: object_copy, edit, write to
 * the store, and the change comes back through the watch. A borrowed `const struct object *` is
 * valid until the loop's next callback (a reconcile is one callback); whoever needs it longer
 * takes a reference.
 *
 * An index is a function from an object to the texts it is found under (any number of them):
 *
 *     cache_by(pods, &index_owner, replicaset_uid, arena)   -> all pods of that ReplicaSet
 *
 * Pure: no I/O. Lists are in order of insertion, the same on every run with the same events. */
#ifndef BARQUE_CLIENT_CACHE_H
#define BARQUE_CLIENT_CACHE_H

#include "api/object.h"
#include "lib/base/arena.h"

struct cache;

struct cached {
    uint32_t refs;
    struct object *object;
};
struct cached *cached_new(struct object *taken); /* refs = 1 */
struct cached *cached_ref(struct cached *e);     /* NULL is fine */
void cached_unref(struct cached *e);             /* NULL is fine */

struct index_sink;
void index_emit(struct index_sink *sink, const char *value); /* NULL is ignored */
struct cache_index {
    const char *name;
    void (*values)(const struct object *o, struct index_sink *sink);
};
extern const struct cache_index index_namespace; /* metadata.namespace */
extern const struct cache_index index_owner;     /* uid of every owner reference */
extern const struct cache_index index_label;     /* "key=value" of every label */
extern const struct cache_index index_node;      /* pods: spec.nodeName ("" = not yet bound) */

struct object_list {
    const struct object **items;
    size_t n;
};

/* The first three indexes above are always there, and index_node for pods; `more` adds others. */
struct cache *cache_new(const struct kind *kind, const struct cache_index *const *more,
                        size_t n_more);
struct cache *cache_free(struct cache *c);
const struct kind *cache_kind(const struct cache *c);
size_t cache_len(const struct cache *c);

/* NULL when absent. name_key is "ns/name", or "name" for cluster-scoped kinds. */
const struct object *cache_get(const struct cache *c, const char *name_key);
struct cached *cache_get_ref(const struct cache *c, const char *name_key); /* unref it */
/* All, or those of one namespace. The list is in the arena, the objects are the cache's. */
struct object_list cache_list(const struct cache *c, const char *namespace_, struct arena *arena);
/* PRE: the cache has this index. */
struct object_list cache_by(const struct cache *c, const struct cache_index *index,
                            const char *value, struct arena *arena);
size_t cache_count_by(const struct cache *c, const struct cache_index *index, const char *value);
/* Iteration: size_t at = 0; while ((o = cache_next(c, &at)) != NULL) ... */
const struct object *cache_next(const struct cache *c, size_t *at);

/* --- the informer's side (and tests') --------------------------------------------------------- */
/* Takes the object. *ret_old (may be NULL) gets the replaced entry with a reference to drop, or
 * NULL. */
void cache_put(struct cache *c, struct object *taken, struct cached **ret_old);
/* The removed entry (unref it) or NULL. */
struct cached *cache_remove(struct cache *c, const char *name_key);
/* All changes up to this revision are in the cache. Only grows. */
int64_t cache_revision(const struct cache *c);
void cache_set_revision(struct cache *c, int64_t revision);

/* --- lister: read access to several caches, what a reconcile gets ----------------------------- */
enum { LISTER_KINDS_MAX = 64 };
struct lister {
    struct cache *caches[LISTER_KINDS_MAX];
    size_t n;
};
void lister_add(struct lister *l, struct cache *c);
/* NULL = not watched */
struct cache *lister_cache(const struct lister *l, const struct kind *kind);
/* PRE for the rest: the kind is watched. */
const struct object *lister_get(const struct lister *l, const struct kind *kind,
                                const char *namespace_, const char *name);
const struct object *lister_get_key(const struct lister *l, const struct kind *kind,
                                    const char *name_key);
struct object_list lister_list(const struct lister *l, const struct kind *kind,
                               const char *namespace_, struct arena *arena);
struct object_list lister_by(const struct lister *l, const struct kind *kind,
                             const struct cache_index *index, const char *value,
                             struct arena *arena);

#endif
