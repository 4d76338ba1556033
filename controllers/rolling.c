/* Rolling update, Kubernetes' rules: never more than replicas + maxSurge pods wanted, never fewer
 * than replicas - maxUnavailable available. The new ReplicaSet grows into the room there is; old
 * ones shrink, what is unhealthy first, then oldest first.
 *
 *     replicas 6, surge 2, unavailable 1:   old 6           may grow: 8 - 6 = 2
 *                                           old 6  new 2    may shrink: 6+2 - 5 - (2 not ready) = 1
 *                                           old 5  new 3    ... */
#include "controllers/rolling.h"
#include "lib/base/bug.h"

#include <string.h>

static int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t clamp32(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

static bool recreates(const struct deployment *d)
{
    return d->spec.strategy_type != NULL && strcmp(d->spec.strategy_type, "Recreate") == 0;
}

static int32_t max_unavailable(const struct deployment *d)
{
    int32_t surge = int_or_percent_of(&d->spec.max_surge, d->spec.replicas, true);
    int32_t unavailable = int_or_percent_of(&d->spec.max_unavailable, d->spec.replicas, false);
    /* Both nothing would never move. */
    return min32(surge == 0 && unavailable == 0 ? 1 : unavailable, max32(0, d->spec.replicas));
}

static int32_t max_total(const struct deployment *d)
{
    int64_t most = (int64_t)d->spec.replicas +
                   int_or_percent_of(&d->spec.max_surge, d->spec.replicas, true);
    return clamp32(most);
}

int32_t rollout_min_available(const struct deployment *d)
{
    return recreates(d) ? d->spec.replicas : d->spec.replicas - max_unavailable(d);
}

static int32_t total_size(const struct rollout *r)
{
    int64_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        n += r->all[i]->spec.replicas;
    }
    return clamp32(n);
}

static bool old_pods_left(const struct rollout *r)
{
    if (r->old_pods && !BUG(BUG_RECREATE_OVERLAP)) {
        return true;
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct replicaset *rs = r->all[i];
        if ((int)i != r->current &&
            (rs->status.replicas > 0 ||
             rs->status.observed_generation < rs->object.metadata.generation)) {
            return true;
        }
    }
    return false;
}

bool rollout_may_create(const struct rollout *r)
{
    return !recreates(r->deployment) || (total_size(r) == 0 && !old_pods_left(r));
}

int32_t rollout_first_size(const struct rollout *r)
{
    int32_t want = r->deployment->spec.replicas;
    if (recreates(r->deployment)) {
        return want;
    }
    return max32(0, min32(want, max_total(r->deployment) - total_size(r)));
}

/* Shrinks old ReplicaSets by up to `room`, oldest first; returns the room that is left. */
static int32_t shrink(const struct rollout *r, int32_t *sizes, int32_t room, bool unhealthy_only)
{
    for (size_t i = 0; i < r->n && room > 0; i++) {
        if ((int)i == r->current) {
            continue;
        }
        /* By either of the two that says more: a status may be from before it became ready. */
        int32_t seen = r->available != NULL ? r->available[i] : 0;
        int32_t healthy = min32(sizes[i], max32(seen, r->all[i]->status.available_replicas));
        int32_t most = unhealthy_only ? sizes[i] - healthy : sizes[i];
        int32_t cut = min32(room, most);
        sizes[i] -= cut;
        room -= cut;
    }
    return room;
}

/* Pods that one may rely on. A status that was made for another size says nothing of pods whose
 * deletion was meant by that size and is still under way: none until it is observed. And after a
 * time without a leader a status is as old as that: what is gone since does not count. */
static int32_t relied_on(const struct rollout *r, size_t i)
{
    const struct replicaset *rs = r->all[i];
    if (rs->status.observed_generation < rs->object.metadata.generation) {
        return 0;
    }
    int32_t n = min32(rs->status.available_replicas, rs->spec.replicas);
    return r->available != NULL ? min32(n, r->available[i]) : n;
}

static void roll(const struct rollout *r, int32_t *sizes)
{
    const struct deployment *d = r->deployment;
    const struct replicaset *now = r->all[r->current];
    int32_t total = total_size(r);
    if (now->spec.replicas > d->spec.replicas) {
        sizes[r->current] = d->spec.replicas;
    } else {
        int32_t room = max_total(d) - total;
        sizes[r->current] += max32(0, min32(d->spec.replicas - now->spec.replicas, room));
    }
    /* What old ones may lose: everything wanted, less what must be available, less what the new one
     * promises but does not have yet. */
    int32_t new_unavailable = now->spec.replicas - relied_on(r, (size_t)r->current);
    if (BUG(BUG_ROLLOUT_HASTY)) {
        shrink(r, sizes, max32(0, total - rollout_min_available(d)), false);
        return;
    }
    int32_t room = max32(0, total - rollout_min_available(d) - new_unavailable);
    room = shrink(r, sizes, room, true);
    int64_t available = 0;
    for (size_t i = 0; i < r->n; i++) {
        available += relied_on(r, i);
    }
    shrink(r, sizes, min32(room, clamp32(available - rollout_min_available(d))), false);
}

static size_t in_use(const struct rollout *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        n += r->all[i]->spec.replicas > 0;
    }
    return n;
}

/* Paused: templates stay as they are and a changed number is shared in proportion. What a rollout
 * had surged when it was paused stays too. */
static void scale_in_proportion(const struct rollout *r, int32_t *sizes)
{
    int32_t total = total_size(r), want = r->deployment->spec.replicas;
    int32_t most = in_use(r) > 1 ? max_total(r->deployment) : want;
    if (total == 0 || (total >= want && total <= most)) {
        return;
    }
    want = total > most ? most : want;
    int64_t given = 0;
    size_t largest = 0;
    for (size_t i = 0; i < r->n; i++) {
        sizes[i] = (int32_t)((int64_t)r->all[i]->spec.replicas * want / total);
        given += sizes[i];
        if (r->all[i]->spec.replicas > r->all[largest]->spec.replicas) {
            largest = i;
        }
    }
    sizes[largest] = clamp32(sizes[largest] + want - given);
}

void rollout_sizes(const struct rollout *r, int32_t *ret_sizes)
{
    for (size_t i = 0; i < r->n; i++) {
        ret_sizes[i] = r->all[i]->spec.replicas;
    }
    if (r->deployment->spec.paused) {
        scale_in_proportion(r, ret_sizes);
    } else if (recreates(r->deployment)) {
        for (size_t i = 0; i < r->n; i++) {
            ret_sizes[i] = 0;
        }
        if (r->current >= 0 && !old_pods_left(r)) {
            ret_sizes[r->current] = r->deployment->spec.replicas;
        }
    } else if (r->current >= 0) {
        roll(r, ret_sizes);
    }
}
