/* A kind's objects, mirrored: reflector -> decode -> cache -> handlers. Shared: one informer a
 * kind and process, any number of handlers.
 *
 * Handlers run after the cache has taken the change. `old` and deleted objects are valid during
 * the call. A value that cannot be decoded is logged once and counts as absent. After a relist
 * handlers see the difference: added, updated (resourceVersion differs), deleted. Threads: loop. */
#ifndef BARQUE_CLIENT_INFORMER_H
#define BARQUE_CLIENT_INFORMER_H

#include "client/cache.h"
#include "client/client.h"

struct informer;

struct informer_handler {
    void (*added)(void *arg, const struct object *o);                              /* may be NULL */
    void (*updated)(void *arg, const struct object *old, const struct object *o);  /* may be NULL */
    void (*deleted)(void *arg, const struct object *last);                         /* may be NULL */
    /* Once, after the first full state was told through `added`. May be NULL. */
    void (*synced)(void *arg);
    /* The cache has reached this revision (after each batch and bookmark). May be NULL. */
    void (*advanced)(void *arg, int64_t revision);
};

struct informer_options {
    struct client *client;
    const struct kind *kind;
    const char *namespace_;  /* NULL = all */
    const struct cache_index *const *indexes; /* beyond the standard ones */
    size_t n_indexes;
    uint64_t seed;
    /* Moves and failures, for status lines. May be NULL. */
    void (*moved)(void *arg, const struct kind *kind, const char *endpoint, int64_t revision);
    void *arg;
};

struct informer *informer_new(const struct informer_options *options);
struct informer *informer_free(struct informer *inf);
/* A handler that comes late gets `added` for all that is there (and `synced`) on the next turn. */
void informer_handle(struct informer *inf, const struct informer_handler *handler, void *arg);
void informer_unhandle(struct informer *inf, void *arg); /* all handlers with this arg */
void informer_relist(struct informer *inf); /* see reflector_relist */
bool informer_synced(const struct informer *inf);
struct cache *informer_cache(struct informer *inf);
const struct kind *informer_kind(const struct informer *inf);

/* --- the informers of a process --------------------------------------------------------------- */
struct informers;
struct informers *informers_new(struct client *c, uint64_t seed);
struct informers *informers_free(struct informers *set);
/* Starts at the first ask for a kind. */
struct informer *informers_of(struct informers *set, const struct kind *kind);
/* Also an index; PRE: before the first informers_of this kind. `index` is static. */
void informers_index(struct informers *set, const struct kind *kind,
                     const struct cache_index *index);
bool informers_synced(const struct informers *set); /* all that were started */
void informers_relist(struct informers *set);
/* All caches show the store at least as of this revision; 0 until all are synced. */
int64_t informers_revision(const struct informers *set);
const struct lister *informers_lister(const struct informers *set);
struct client *informers_client(const struct informers *set);

#endif
