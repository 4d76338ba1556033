/* A store as etcd's database file, and back: what Maintenance/Snapshot streams, and what is
 * restored from it. The file is a bbolt database (lib/codec/bolt.h) with etcd's buckets:
 *
 *   key    revision (u64 main, "_", u64 sub, big-endian; a tombstone: "t") -> mvccpb.KeyValue
 *   lease  u64 id, big-endian -> leasepb.Lease
 *   meta   consistent_index, term (u64, big-endian), finishedCompactRev, scheduledCompactRev (a
 *          revision), confState (JSON)
 *   auth, authRoles, authUsers: etcd_db_auth.c
 *   alarm, cluster, members, members_removed: the caller's items
 *
 * Writing works on a pin, so the store goes on; a worker may do it. Reading gives a store that
 * commands could have made, or refuses. */
#ifndef BARQUE_STORE_ETCD_DB_H
#define BARQUE_STORE_ETCD_DB_H

#include "store/store.h"

/* --- writing ---------------------------------------------------------------------------------- */

enum etcd_db_bucket {
    ETCD_DB_ALARM,
    ETCD_DB_CLUSTER,
    ETCD_DB_MEMBERS,
    ETCD_DB_MEMBERS_REMOVED,
    ETCD_DB_BUCKETS
};

struct etcd_db_items {
    struct slice (*items)[2]; /* key, value; keys ascend */
    size_t n;
};

/* What the store does not know of itself. Borrowed until etcd_db_free. */
struct etcd_db_facts {
    uint64_t term;
    struct slice conf_state; /* empty: none */
    struct etcd_db_items buckets[ETCD_DB_BUCKETS];
};

struct etcd_db;

/* Plans the file: O(n log n), and 8 bytes a version. The pin must stay. Any thread. */
struct etcd_db *etcd_db_new(struct store_pin *pin, const struct etcd_db_facts *facts);
uint64_t etcd_db_size(const struct etcd_db *db);
/* Appends the next part, about `bytes`; 1 more, 0 that was the last. */
int etcd_db_next(struct etcd_db *db, size_t bytes, struct buf *out);
void etcd_db_free(struct etcd_db *db);

/* --- reading ---------------------------------------------------------------------------------- */

struct etcd_db_options {
    const struct store_options *store;
    uint64_t applied_index;
    /* The new revision is so much above the file's, which is compacted: watchers of the old cluster
     * cannot take one for the other. 0: the file's revisions stay as they are. */
    int64_t bump_revision;
};

struct etcd_db_report {
    int64_t file_revision;    /* the newest in the file */
    int64_t file_compacted;
    int64_t revision;         /* of the store */
    int64_t compact_revision;
    uint64_t records;         /* in the file */
    uint64_t leases;
    uint64_t orphans;         /* keys whose lease is not there: they are without one now */
    uint64_t users, roles;
    uint64_t foreign_passwords; /* that only etcd can check: nobody can log in with them */
    bool auth_enabled;        /* in the file */
    bool auth_off;            /* but not in the store: root could not log in */
};

/* `bytes`: the file without a checksum behind it. E_CORRUPT, E_UNSUPPORTED, E_TOOBIG. */
int etcd_db_read(struct slice bytes, const struct etcd_db_options *o, struct store **ret_store,
                 struct etcd_db_report *ret_report, struct err *err);

#endif
