/* The informers of a process: one a kind, started at the first ask, and the lister over their
 * caches. */
#include "client/informer.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/rng.h"

enum { EXTRA_INDEXES_MAX = 16 };

struct extra_index {
    const struct kind *kind;
    const struct cache_index *index;
};

struct informers {
    struct client *client;
    struct rng rng;
    struct informer *items[LISTER_KINDS_MAX];
    size_t n;
    struct extra_index extra[EXTRA_INDEXES_MAX];
    size_t n_extra;
    struct lister lister;
};

struct informers *informers_new(struct client *c, uint64_t seed)
{
    struct informers *set = mem_zalloc(sizeof *set);

    set->client = c;
    rng_init(&set->rng, seed);
    return set;
}

struct informers *informers_free(struct informers *set)
{
    if (set == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < set->n; i++) {
        informer_free(set->items[i]);
    }
    mem_free(set);
    return NULL;
}

static struct informer *find(struct informers *set, const struct kind *kind)
{
    for (size_t i = 0; i < set->n; i++) {
        if (informer_kind(set->items[i]) == kind) {
            return set->items[i];
        }
    }
    return NULL;
}

struct informer *informers_of(struct informers *set, const struct kind *kind)
{
    const struct cache_index *indexes[EXTRA_INDEXES_MAX];
    struct informer_options options = {
        .client = set->client,
        .kind = kind,
        .indexes = indexes,
        .seed = rng_u64(&set->rng),
    };
    struct informer *inf = find(set, kind);

    if (inf != NULL) {
        return inf;
    }
    for (size_t i = 0; i < set->n_extra; i++) {
        if (set->extra[i].kind == kind) {
            indexes[options.n_indexes++] = set->extra[i].index;
        }
    }
    PRE(set->n < LISTER_KINDS_MAX);
    inf = informer_new(&options);
    set->items[set->n++] = inf;
    lister_add(&set->lister, informer_cache(inf));
    return inf;
}

void informers_index(struct informers *set, const struct kind *kind,
                     const struct cache_index *index)
{
    PRE(find(set, kind) == NULL);
    PRE(set->n_extra < EXTRA_INDEXES_MAX);
    set->extra[set->n_extra++] = (struct extra_index){ kind, index };
}

bool informers_synced(const struct informers *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (!informer_synced(set->items[i])) {
            return false;
        }
    }
    return true;
}

void informers_relist(struct informers *set)
{
    for (size_t i = 0; i < set->n; i++) {
        informer_relist(set->items[i]);
    }
}

int64_t informers_revision(const struct informers *set)
{
    int64_t lowest = INT64_MAX;

    for (size_t i = 0; i < set->n; i++) {
        int64_t revision = cache_revision(informer_cache(set->items[i]));

        lowest = revision < lowest ? revision : lowest;
    }
    return lowest;
}

const struct lister *informers_lister(const struct informers *set)
{
    return &set->lister;
}

struct client *informers_client(const struct informers *set)
{
    return set->client;
}
