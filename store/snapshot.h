/* What snapshot writer and reader agree on; the format is described in snapshot.c. */
#ifndef BARQUE_STORE_SNAPSHOT_H
#define BARQUE_STORE_SNAPSHOT_H

#include "lib/base/limits.h"
#include "store/tree.h"

#define SNAPSHOT_MAGIC "barque-store"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_FRAME_BYTES = 32 * 1024, /* a frame is closed when it is this long */
    SNAPSHOT_FRAME_MAX = LIMIT_KEY_BYTES + LIMIT_VALUE_BYTES + 2 * SNAPSHOT_FRAME_BYTES,
};

enum snapshot_frame {
    FRAME_HEAD = 1,
    FRAME_LEASES = 2,
    FRAME_RECORDS = 3,
    FRAME_END = 4,
    FRAME_ALARMS = 5,
    FRAME_AUTH = 6,
};

enum { RECORD_TOMBSTONE = 1 };

/* What a pin holds, for other ways to write it down (etcd_db_write.c). Borrowed. */
struct store_pin_view {
    const struct tree *tree;
    int64_t revision, compact_revision;
    uint64_t applied_index;
    const struct lease_info *leases;
    size_t n_leases;
    struct slice auth; /* its frames, whole */
};
void store_pin_look(const struct store_pin *p, struct store_pin_view *ret_view);

#endif
