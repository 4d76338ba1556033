/* What a client machine keeps: watches, leases, and its candidacy for the lock. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "tests/sim/world_client.h"
#include "tests/sim/world_wire.h"

static struct rng *dice(const struct client_machine *m)
{
    return &m->node->sim->dice;
}

/* --- watches ---------------------------------------------------------------------------------- */

/* The client library promises each event once, whatever members it moves over. */
static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct held_watch *w = arg;
    struct client_machine *m = w->machine;
    struct judge *j = m->node->sim->world->judge;
    m->revision = revision > m->revision ? revision : m->revision;
    if (w->told != 0) {
        judge_told(j, m->node, slice_str(w->key), slice_str(w->range_end), w->told, revision,
                   events, n);
    }
    w->told = revision > w->told ? revision : w->told;
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct held_watch *w = arg;
    struct sim *s = w->machine->node->sim;
    (void)compact_revision;
    w->watch = NULL;
    if (status != E_COMPACTED) {
        sim_violation(s, "WATCH ENDED: client %u: %s (%s)", w->machine->node->id, err->msg,
                      err_name(status));
    }
}

static void watch_start(struct client_machine *m, struct held_watch *w)
{
    struct rng *d = dice(m);
    uint64_t from = rng_range(d, 0, 3);
    struct client_watch_options o = {
        .prev_kv = rng_chance(d, 0.3),
        .progress_notify = rng_chance(d, 0.5),
        .on_events = on_events,
        .on_end = on_end,
        .arg = w,
    };
    snprintf(w->key, sizeof w->key, "%c%02u", rng_chance(d, 0.3) ? 'c' : 'k',
             (unsigned)rng_range(d, 0, m->node->sim->o.keys - 1));
    w->range_end[0] = '\0';
    if (rng_chance(d, 0.7)) {
        snprintf(w->range_end, sizeof w->range_end, "%c", rng_chance(d, 0.5) ? 'l' : 'z');
    }
    if (from == 1) {
        o.start_revision = m->revision + 1;
    } else if (from == 2) {
        int64_t back = (int64_t)rng_range(d, 0, 50);
        o.start_revision = m->revision > back ? m->revision - back : 1;
    } else if (from == 3) {
        o.start_revision = m->revision + (int64_t)rng_range(d, 1, 20);
    }
    w->told = o.start_revision > 0 ? o.start_revision - 1 : 0;
    o.key = slice_str(w->key);
    o.range_end = slice_str(w->range_end);
    w->watch = client_watch_start(m->client, &o);
}

void hold_watch(struct client_machine *m)
{
    struct held_watch *w = &m->watches[rng_range(dice(m), 0, CLIENT_WATCHES - 1)];
    if (rng_chance(dice(m), 0.2)) {
        client_watch_progress(m->client);
    } else if (w->watch == NULL) {
        watch_start(m, w);
    } else if (rng_chance(dice(m), 0.3)) {
        client_watch_stop(TAKE(w->watch));
    }
}

/* --- leases ----------------------------------------------------------------------------------- */

static void on_lease(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct held_lease *l = arg;
    (void)deadline_ms;
    l->id = alive ? id : 0;
    if (!alive) {
        l->lease = NULL;
    }
}

/* Kept alive for a while, then revoked or left to run out. */
void hold_lease(struct client_machine *m)
{
    struct held_lease *l = &m->leases[rng_range(dice(m), 0, CLIENT_LEASES - 1)];
    if (l->lease == NULL) {
        l->lease = client_lease_start(m->client, (int64_t)rng_range(dice(m), 1, 5), on_lease, l);
        return;
    }
    l->id = 0;
    if (rng_chance(dice(m), 0.5)) {
        client_lease_stop(TAKE(l->lease), NULL, NULL);
    } else {
        client_lease_abandon(TAKE(l->lease));
    }
}

int64_t hold_some_lease(const struct client_machine *m)
{
    return m->leases[rng_range(dice(m), 0, CLIENT_LEASES - 1)].id;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void on_leading(void *arg, bool leading, int64_t fence)
{
    const struct client_machine *m = arg;
    SIM_LOG(m->node->sim, "client %u %s the lock, token %" PRId64, m->node->id,
            leading ? "holds" : "has lost", fence);
}

void hold_open(struct client_machine *m)
{
    char identity[16];
    snprintf(identity, sizeof identity, "c%u", m->node->id);
    struct elector_options o = {
        .client = m->client,
        .election = "lock/0",
        .identity = identity,
        .seed = rng_u64(&m->node->sim->rng),
        .on_leading = on_leading,
        .arg = m,
    };
    m->elector = elector_new(&o);
    for (size_t i = 0; i < CLIENT_WATCHES; i++) {
        m->watches[i] = (struct held_watch){ .machine = m };
    }
    for (size_t i = 0; i < CLIENT_LEASES; i++) {
        m->leases[i] = (struct held_lease){ .machine = m };
    }
}

void hold_close(struct client_machine *m)
{
    for (size_t i = 0; i < CLIENT_WATCHES; i++) {
        client_watch_stop(TAKE(m->watches[i].watch));
    }
    for (size_t i = 0; i < CLIENT_LEASES; i++) {
        client_lease_abandon(TAKE(m->leases[i].lease));
    }
    m->elector = elector_free(m->elector);
}
