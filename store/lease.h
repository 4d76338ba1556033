/* The lease table: which leases exist and which keys hang on them. Replicated state: it
 * changes only by commands. When a lease runs out is the leader's business (lease_clock.h). */
#ifndef BARQUE_STORE_LEASE_H
#define BARQUE_STORE_LEASE_H

#include "lib/base/map.h"
#include "store/store.h"

#define LEASE_TTL_MAX_S INT64_C(9000000000)

struct lease {
    int64_t id, ttl_s, remaining_ttl_s;
    struct map keys; /* key -> this lease */
};

struct lease_table {
    struct u64map by_id;
};

void lease_table_init(struct lease_table *t);
void lease_table_fini(struct lease_table *t);
struct lease *lease_find(const struct lease_table *t, int64_t id); /* NULL */
/* PRE: the id is free and not 0. */
struct lease *lease_add(struct lease_table *t, int64_t id, int64_t ttl_s);
void lease_drop(struct lease_table *t, struct lease *l);
/* id 0 and unknown ids are ignored. */
void lease_attach(struct lease_table *t, int64_t id, struct slice key);
void lease_detach(struct lease_table *t, int64_t id, struct slice key);
/* The keys in key order, in the arena; slices borrow the table. */
size_t lease_keys(const struct lease *l, struct arena *arena, struct slice **ret_keys);
/* All leases by id. */
size_t lease_list(const struct lease_table *t, struct arena *arena, struct lease_info **ret_leases);
/* 0 restores the full TTL. */
void lease_checkpoint(struct lease *l, int64_t remaining_ttl_s);

#endif
