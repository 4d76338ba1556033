/* The rows, and what loads share. See load.h. */
#include "chaos/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

const struct load load_table[LOADS_N] = {
    { "kv", "puts, gets, deletes, lists and txns on a few keys", false, load_kv_start, NULL,
      load_kv_free },
    { "watch", "watchers of everything and of parts, from now and from the past", false,
      load_watch_start, load_watch_settled, load_watch_free },
    { "lease", "leases that are kept, dropped and revoked, with keys on them", false,
      load_lease_start, NULL, load_lease_free },
    { "txn", "compare-and-set counters, and data behind a fenced lock", false, load_txn_start, NULL,
      load_txn_free },
    { "deployments", "a Deployment that is scaled and rolled out", true, load_deploy_start,
      load_deploy_settled, load_deploy_free },
};

int loads_parse(const char *list, uint32_t *ret_bits, struct err *err)
{
    const char *names[LOADS_N + 1];
    uint32_t bits = 0;
    for (size_t i = 0; i < LOADS_N; i++) {
        names[i] = load_table[i].name;
    }
    names[LOADS_N] = "all";
    autofree char *copy = mem_strdup(list);
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        uint32_t bit = str_eq(p, "all") ? (1u << LOADS_N) - 1 : 0;
        for (size_t i = 0; i < LOADS_N; i++) {
            bit |= str_eq(p, names[i]) ? 1u << i : 0;
        }
        if (bit == 0) {
            const char *near = str_nearest(p, names, LOADS_N + 1);
            return err_set(err, E_INVAL, "there is no workload \"%.40s\"%s%s%s", p,
                           near != NULL ? " (did you mean " : "", near != NULL ? near : "",
                           near != NULL ? "?)" : "");
        }
        bits |= bit;
    }
    if (bits == 0) {
        return err_set(err, E_INVAL, "the list of workloads is empty");
    }
    *ret_bits = bits;
    return 0;
}

static bool takes_part(const struct loads *l, size_t row)
{
    return (l->bits >> row & 1) != 0;
}

void loads_start(struct loads *l)
{
    l->running = true;
    rng_init(&l->rng, l->seed);
    snprintf(l->prefix, sizeof l->prefix, "/chaos/%016" PRIx64 "/", l->run_id);
    for (size_t i = 0; i < LOADS_N; i++) {
        if (takes_part(l, i)) {
            load_table[i].start(l);
        }
    }
}

void loads_stop(struct loads *l)
{
    l->running = false;
}

const char *loads_unsettled(struct loads *l)
{
    for (size_t i = 0; i < LOADS_N; i++) {
        if (takes_part(l, i) && load_table[i].settled != NULL && !load_table[i].settled(l)) {
            return load_table[i].name;
        }
    }
    return l->ops->n_in_flight == 0 ? NULL : "operations under way";
}

void loads_free(struct loads *l)
{
    for (size_t i = 0; i < LOADS_N; i++) {
        if (takes_part(l, i) && load_table[i].free != NULL) {
            load_table[i].free(l);
        }
    }
}

int64_t loads_seen_us(const struct loads *l, int64_t revision)
{
    size_t lo = 0, hi = l->n_seen;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->seen[mid].revision < revision) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < l->n_seen && l->seen[lo].revision == revision ? l->seen[lo].at_us : 0;
}

struct slice loads_key(const struct loads *l, char *into, const char *fmt, ...)
{
    char rest[48];
    va_list args;
    va_start(args, fmt);
    vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    snprintf(into, 96, "%s%s", l->prefix, rest);
    return slice_str(into);
}

struct slice loads_value(struct loads *l, uint32_t client, char *into)
{
    snprintf(into, 48, "c%" PRIu32 ".%" PRIu64, client, ++l->values);
    return slice_str(into);
}
