/* State and draws of the fault shim. Each peer has a random source of its own, and a frame takes
 * the same number of draws from it whatever the rules say, so what happens to the n-th frame of a
 * link hangs on the seed alone. */
#include "lib/io/fault.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/fault_internal.h"

enum { CLIENTS_MAX = 32, OVERTAKEN_MAX_MS = 50 };

struct faults *faults_new(const char *self, const char *track_path)
{
    pthread_condattr_t attr;
    struct faults *f = mem_zalloc(sizeof *f);

    f->self = mem_strdup(self);
    f->track = fault_track_new(track_path);
    f->clients = mem_zalloc(CLIENTS_MAX * sizeof *f->clients);
    u64map_init(&f->links);
    rng_init(&f->disk_rng, 0);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &attr);
    pthread_condattr_destroy(&attr);
    return f;
}

static void links_clear(struct faults *f)
{
    size_t at = 0;
    struct u64map_entry *e;

    while ((e = u64map_next(&f->links, &at)) != NULL) {
        mem_free(e->value);
    }
    u64map_fini(&f->links);
    u64map_init(&f->links);
}

void faults_free(struct faults *f)
{
    if (f == NULL) {
        return;
    }
    links_clear(f);
    fault_rules_fini(&f->rules);
    fault_track_free(f->track);
    for (size_t i = 0; i < f->n_clients; i++) {
        mem_free(f->clients[i]);
    }
    mem_free(f->clients);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    mem_free(f->address);
    mem_free(f->self);
    mem_free(f);
}

void faults_set_address(struct faults *f, const char *address)
{
    mem_free(f->address);
    f->address = mem_strdup(address);
}

void faults_add_client(struct faults *f, const char *listen_address)
{
    PRE(f->n_clients < CLIENTS_MAX);
    f->clients[f->n_clients++] = mem_strdup(listen_address);
}

void faults_set_rules(struct faults *f, struct fault_rules *rules)
{
    pthread_mutex_lock(&f->lock);
    fault_rules_fini(&f->rules);
    f->rules = *rules;
    *rules = (struct fault_rules)FAULT_RULES_INIT;
    rng_init(&f->disk_rng, f->rules.seed);
    links_clear(f);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* --- links ----------------------------------------------------------------------------------- */

static struct fault_name self_name(const struct faults *f)
{
    return (struct fault_name){ f->self, f->address };
}

/* The peer's address names it from the first frame on; its name may be learned later. */
static struct rng *link_rng(struct faults *f, struct fault_name to)
{
    const char *text = to.address != NULL ? to.address : to.name != NULL ? to.name : "";
    uint64_t key = hash_bytes(text, strlen(text));
    struct rng *r = u64map_get(&f->links, key);

    if (r == NULL) {
        r = mem_zalloc(sizeof *r);
        rng_init(r, f->rules.seed ^ key);
        u64map_put(&f->links, key, r);
    }
    return r;
}

struct fault_frame faults_frame(struct faults *f, struct fault_name to)
{
    struct fault_frame frame = { 0 };
    const struct fault_link *l = fault_rules_link(&f->rules, self_name(f), to);

    if (l == NULL) {
        return frame;
    }
    struct rng *r = link_rng(f, to);
    double lost = rng_double(r);
    double twice = rng_double(r);
    double overtaken = rng_double(r);
    uint64_t late = rng_range(r, 1, OVERTAKEN_MAX_MS);
    uint64_t delay = rng_range(r, l->delay_ms.min, l->delay_ms.max);
    frame.lost = l->cut || lost < l->drop;
    frame.twice = twice < l->duplicate;
    frame.overtaken = overtaken < l->reorder;
    frame.delay_ms = (uint32_t)(delay + (frame.overtaken ? late : 0));
    return frame;
}

bool faults_cut(struct faults *f, struct fault_name to)
{
    const struct fault_link *l = fault_rules_link(&f->rules, self_name(f), to);
    return l != NULL && l->cut;
}

/* --- connections, clock ---------------------------------------------------------------------- */

enum fault_conn faults_outgoing(const struct faults *f, struct fault_name to)
{
    return fault_rules_conn(&f->rules, to);
}

bool faults_is_client(const struct faults *f, const char *listen_address)
{
    for (size_t i = 0; i < f->n_clients; i++) {
        if (str_eq(f->clients[i], listen_address)) {
            return true;
        }
    }
    return false;
}

enum fault_conn faults_client(const struct faults *f)
{
    return f->rules.client;
}

int64_t faults_wall_ms(const struct faults *f)
{
    return f->rules.wall_ms;
}
